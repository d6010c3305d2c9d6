"""How many instructions an exchange costs the server: a figure that is the same whatever else the machine does.

    python benchmarks/instructions.py [--count N] [--rows ROW ...]

Needs valgrind. Each row runs twice under cachegrind, once for N exchanges and once for twice as many; the difference,
divided by N, is what one exchange costs from the first byte read to the last one written, and start-up drops out. The
connections are sockets' stand-ins in memory, so that system calls, which no instruction count sees the inside of, are
left out on all sides alike: the server is uvicorn's own protocol, or the engine's, on an asyncio event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import answering
import uvicorn
from uvicorn.server import ServerState

from sadpath.core.clock import LoopClock
from sadpath.engine.asgi import Engine
from sadpath.engine.protocol import protocol_class
from sadpath.scenario.loader import read_scenario
from sadpath.server.runner import hooks_of
from sadpath.server.sessions import SessionStore
from sadpath.workspace import find_workspace

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 16
ROWS = (
    "bare ASGI application",
    "bare behind the engine",
    "backend under uvicorn",
    "backend behind the engine",
    "backend, 200 rules",
)


class _Memory(asyncio.Transport):
    """A client's end in memory: once an answer is there, it asks again."""

    def __init__(self, protocol: Any, request: bytes, left: list[int], done: asyncio.Event) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._request = request
        self._left = left
        self._done = done

    def ask(self) -> None:
        """Send the next request, if there is one."""
        if self._left[0]:
            self._left[0] -= 1
            self._loop.call_soon(self._protocol.data_received, self._request)
        else:
            self._done.set()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a part of an answer; its end is the backend's."""
        if bytes(data).endswith(b"}"):
            self.ask()

    def is_closing(self) -> bool:
        """Tell that it stays open."""
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""

    def get_write_buffer_size(self) -> int:
        """Nothing is buffered."""
        return 0

    def pause_reading(self) -> None:
        """One request comes at a time."""

    def resume_reading(self) -> None:
        """One request comes at a time."""


async def _run(row: str, count: int) -> None:
    workspace = find_workspace(ROOT)
    app: Any = answering.app if row.startswith("bare") else workspace.backend()
    http: Any = "httptools"
    if row not in ("bare ASGI application", "backend under uvicorn"):
        clock = LoopClock()
        sessions = SessionStore(clock)
        roles = None if row.startswith("bare") else workspace.roles()
        app, http = Engine(app, sessions, roles=roles, hooks=hooks_of(app)), protocol_class(clock)
        if row.endswith("rules"):
            never = [{"on": {"method": "GET", "path": f"/never/{n}"}, "fault": {"status": 503}} for n in range(200)]
            sessions.default.set_scenario("rules", read_scenario({"title": "Rules", "faults": never}))
    config = uvicorn.Config(
        app,
        http=http,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        interface="asgi3",
        date_header=http == "httptools",  # the engine sets its own
        server_header=False,
    )
    config.load()
    state, left, done = ServerState(), [count], asyncio.Event()
    request = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: client\r\naccept: */*\r\n\r\n"
    for _ in range(CONNECTIONS):
        protocol = config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg] # a str until loaded
        memory = _Memory(protocol, request, left, done)
        protocol.connection_made(memory)
        memory.ask()
    await done.wait()


def _instructions(row: str, count: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/out"
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={out}"]
        command += [sys.executable, __file__, "--row", row, "--count", str(count)]
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONMALLOC": "pymalloc"}
        subprocess.run(command, check=True, capture_output=True, env=environment)  # noqa: S603 - this file
        summary = next(line for line in Path(out).read_text().splitlines() if line.startswith("summary:"))
        return int(summary.split()[1])


def main() -> None:
    """Measure, or be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, metavar="ROW", help="only these")
    parser.add_argument("--row", choices=ROWS, help="run this one's exchanges, without valgrind")
    options = parser.parse_args()
    if options.row is not None:
        asyncio.run(_run(options.row, options.count))
        return
    for row in options.rows:
        cost = (_instructions(row, 2 * options.count) - _instructions(row, options.count)) / options.count
        print(f"{row:28} {cost:10,.0f} instructions", flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
