"""A driver over stdio, written against the protocol alone, that misbehaves as the operation says.

Run as a script; it needs nothing but the standard library. ``python bad_driver.py HELLO`` says hello with these fields.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

OPERATIONS = ["http", "users.get", "well"]


def say(**fields: Any) -> None:
    """Write a message."""
    sys.stdout.write(f"@sadpath {json.dumps(fields)}\n")
    sys.stdout.flush()


def write(data: bytes) -> None:
    """Write bytes as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def stay_away() -> None:
    """Never come back: nothing is read any more."""
    threading.Event().wait()


INSTEAD: dict[str, list[dict[str, Any]]] = {
    "hang": [],
    "no-result": [{"t": "outcome", "call": "a", "outcome": "ok"}],
    "unsupported": [{"t": "unsupported", "why": "because"}],
    "own-fault": [{"t": "driver_error", "message": "the adapter failed"}],
    "another-case": [{"t": "result", "id": "somebody-else"}],
    "early-result": [{"t": "result"}],
    "twice": [{"t": "outcome", "call": "a", "outcome": "ok"}] * 2,
    "another-call": [{"t": "outcome", "call": "zz", "outcome": "ok"}],
    "hello-again": [{"t": "hello", "client": {"name": "bad"}}],
}
"""What is said in the place of a good end, by operation."""

BYTES = {
    "garbage": [bytes(range(256)) * 40 + b"\n\x00\xff\xfe not a message\r\n"],
    "broken-json": [b'@sadpath {"t":"outcome",\n'],
    "not-utf8": [b'@sadpath {"t":"\xff"}\n'],
    "long-message": [b"@sadpath " + b"x" * 300_000 + b"\n"],
    "long-line": [b"y" * 300_000 + b"\n"],
    "late-for-k1": [
        b'@sadpath {"t":"outcome","id":"k1","call":"a","outcome":"ok"}\n@sadpath {"t":"result","id":"k1"}\n'
    ],
    "flood": [b"z" * 65_536] * 1_600,
}
"""What is written before the good end that comes all the same, if anybody still listens."""


def misbehave(op: str, case: str) -> bool:
    """Do what an operation stands for; tell whether the run is still to be ended well."""
    if op == "crash":
        sys.stderr.write("about to crash\n")
        sys.stderr.flush()
        os._exit(3)
    if op == "closes-stdout":
        os.close(1)
    if op in ("closes-stdout", "deaf"):
        stay_away()
    if op == "leaves-a-child":
        write(b"%d\n" % subprocess.Popen(["sleep", "600"]).pid)
    for data in BYTES.get(op, []):
        write(data)
    for message in INSTEAD.get(op, []):
        say(**({"id": case, **message} if message["t"] != "hello" else message))
    return op not in INSTEAD


def main() -> None:
    """Answer until stdin ends."""
    hello = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    mute, resets = os.environ.get("MUTE", "").split(), 0
    for line in sys.stdin:
        asked = json.loads(line)
        kind = asked["t"]
        if kind in mute:
            continue
        if kind == "hello":
            default = {"client": {"name": "bad"}, "operations": OPERATIONS, "capabilities": []}
            say(t="hello", **{"protocol": 1, **default, **hello})
        elif kind == "ping":
            say(t="pong")
        elif kind == "reset":
            resets += 1
            if os.environ.get("DEAF_FROM_RESET") == str(resets):
                mute = ["reset", *mute]
                continue
            say(t="ok")
            if os.environ.get("ENDS_AFTER_RESET") == str(resets):
                os._exit(6)
        elif kind == "run":
            play(asked)
        elif kind == "bye":
            if os.environ.get("STAYS"):
                stay_away()
            return


def play(run: dict[str, Any]) -> None:
    """Make the calls."""
    for step in run["calls"]:
        for call in step.get("parallel", [step]):
            known = os.environ.get("ANY") or not str(call.get("op", "")).startswith("no.such.")
            if not known:
                say(t="unsupported", id=run["id"], why=f"there is no {call['op']}")
                return
            for i in range(call.get("times", 0)):
                if not misbehave(call["op"], run["id"]):
                    return
                say(t="outcome", id=run["id"], call=call["call"], i=i, outcome="ok", started_ms=0, ended_ms=1.5)
    say(t="result", id=run["id"], signed_in=True)
    if any(step.get("op") == "crash-afterwards" for step in run["calls"]):
        os._exit(4)


if __name__ == "__main__":
    main()
