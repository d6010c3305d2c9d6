"""The kits drive clients as the protocol says, and each example is put to the test by its own contract."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sadpath.drivers.bounds import Bounds
from sadpath.drivers.by_stdio import StdioDriver
from sadpath.drivers.messages import AdvanceStep, CallStep, OfflineStep, ParallelStep, Result, RunStep, Unsupported
from sadpath.drivers.process import Command
from sadpath.kits import KITS, kit_path
from tests.support.driven import Heard, a_run, heard, with_driver
from tests.support.places import TOP

EXAMPLES = TOP / "examples"
BOUNDS = Bounds(start=20.0, answer=3.0, grace=5.0)

IN_PYTHON = """\
import asyncio, threading
from sadpath_driver import Failure, NotSupported, Value, serve

class Client:
    signed_in, logouts, background_errors = True, 2, []

    def __init__(self, case):
        if case.name == "no/way":
            raise NotSupported("no such case")
        self.log = case.name
        self.counted = 0

    def offline(self, hint):
        self.log += f" offline={hint}"

    async def advance(self, seconds):
        self.log += f" advanced={seconds:g}"

    def resume(self, auth):
        self.log += " resumed"

    def settle(self):
        self.log += " settled"

async def ok(client, args, call):
    print("a word, without its end", end="")
    client.counted += 1
    return Value({"n": client.counted, **args}, status=200, source="network", attempts=1)

def plain(client, args, call):
    return [call.op, call.name, call.i, call.pages, call.replayable, call.headers["X-Sadpath-Call"]]

def fails(client, args, call):
    raise Failure("timeout.read", "too slow", status=None, attempts=3) from KeyError("x")

def escapes(client, args, call):
    raise KeyError("x")

async def waits(client, args, call):
    await asyncio.sleep(60)

def blocks(client, args, call):
    threading.Event().wait()

def deep(client, args, call):
    value = []
    for _ in range(100_000):
        value = [value]
    return value

operations = {"ok": ok, "plain": plain, "fails": fails, "escapes": escapes, "waits": waits, "blocks": blocks, "deep": deep}
serve(Client, operations, name="kit", version="1", http="none", capabilities=["cancel"], max_parallel=2)
"""
IN_JAVASCRIPT = """\
import { Failure, NotSupported, Value, serve } from "./sadpath_driver.mjs";

class Client {
  signed_in = true;
  logouts = 2;
  background_errors = [];
  counted = 0;
  constructor(aCase) {
    if (aCase.case === "no/way") throw new NotSupported("no such case");
    this.log = aCase.case;
  }
  offline(hint) { this.log += ` offline=${hint ? "True" : "False"}`; }
  async advance(seconds) { this.log += ` advanced=${seconds}`; }
  resume(auth) { this.log += " resumed"; }
  settle() { this.log += " settled"; }
}
const forever = (signal) => new Promise((_, reject) =>
  (signal.aborted ? reject(signal.reason) : signal.addEventListener("abort", () => reject(signal.reason))));

serve({
  name: "kit", version: "1", http: "none", capabilities: ["cancel"], max_parallel: 2,
  create: (aCase) => new Client(aCase),
  operations: {
    ok: async (client, args) => {
      process.stdout.write("a word, without its end");
      client.counted += 1;
      return new Value({ n: client.counted, ...args }, { status: 200, source: "network", attempts: 1 });
    },
    plain: (client, args, call) =>
      [call.op, call.name, call.i, call.pages, call.replayable, call.headers["X-Sadpath-Call"]],
    fails: () => {
      throw new Failure("timeout.read", "too slow", { attempts: 3, native: "KeyError" });
    },
    escapes: () => { throw Object.assign(new Error("x"), { name: "KeyError" }); },
    waits: (client, args, call) => forever(call.signal),
    blocks: () => new Promise(() => {}),
    deep: () => {
      let value = [];
      for (let n = 0; n < 100000; n++) value = [value];
      return value;
    },
  },
});
"""
LANGUAGES = {
    "python": ("driver.py", IN_PYTHON, (sys.executable, "driver.py")),
    "javascript": ("driver.mjs", IN_JAVASCRIPT, ("node", "driver.mjs")),
}


def _play(folder: Path, language: str, *steps: RunStep, work: Any = None, **changes: Any) -> Any:
    file, text, words = LANGUAGES[language]
    (folder / file).write_text(text)
    shutil.copy(kit_path(language), folder / KITS[language])

    def make() -> StdioDriver:
        return StdioDriver(Command(words, folder), bounds=BOUNDS)

    return with_driver(make, work or (lambda driver: heard(driver, a_run(*steps, **changes))))


def _call(op: str, name: str = "a", **changes: Any) -> CallStep:
    return CallStep(call=name, op=op, **changes)


@pytest.mark.parametrize("language", list(LANGUAGES))
class TestKit:
    """What both kits do alike."""

    def test_hello_and_the_end(self, tmp_path: Path, language: str) -> None:
        """The client is introduced, and after bye the process ends by itself."""

        async def work(driver: StdioDriver) -> Any:
            hello = await driver.hello()
            await driver.close()
            return hello, driver.stayed

        hello, stayed = _play(tmp_path, language, work=work)

        assert (hello.client.name, hello.client.version, hello.client.language) == ("kit", "1", language)
        assert (hello.capabilities, hello.max_parallel) == (["cancel"], 2)
        assert hello.operations == ["ok", "plain", "fails", "escapes", "waits", "blocks", "deep"]
        assert not stayed

    def test_values_and_steps(self, tmp_path: Path, language: str) -> None:
        """Values come with what the client knows of them; time and connectivity are passed on; the result has it all."""
        steps: list[RunStep] = [
            OfflineStep(offline=True),
            _call("ok", args={"id": 1}, times=2),
            AdvanceStep(advance_ms=1500),
            ParallelStep(parallel=[_call("plain", "b", times=2, pages=True), _call("plain", "c", replayable=False)]),
        ]
        outcomes, end = _play(tmp_path, language, *steps)
        told = {(found.call, found.i): found for found in outcomes}

        assert {name: found.outcome for name, found in told.items()} == dict.fromkeys(told, "ok")
        first = told["a", 1]
        assert first.value is not None
        assert (first.value.status, first.value.data) == (200, {"n": 2, "id": 1})
        assert (first.source, first.attempts) == ("network", 1)
        assert [found.value.data for found in (told["b", 1], told["c", 0]) if found.value is not None] == [
            ["plain", "b", 1, True, True, "b/1"],
            ["plain", "c", 0, False, False, "c/0"],
        ]
        assert isinstance(end, Result)
        assert (end.signed_in, end.logouts, end.background_errors) == (True, 2, [])
        assert end.log.splitlines()[0] == "topic/case offline=True advanced=1.5 settled"

    def test_failures(self, tmp_path: Path, language: str) -> None:
        """What the client tells its caller is told from what escapes it."""
        outcomes, _ = _play(tmp_path, language, _call("fails"), _call("escapes", "b"))
        failed, escaped = outcomes

        assert failed.error is not None
        assert escaped.error is not None
        assert (failed.error.kind, failed.error.message, failed.error.native) == (
            "timeout.read",
            "too slow",
            "KeyError",
        )
        assert (failed.attempts, failed.escaped) == (3, False)
        assert (escaped.error.kind, escaped.error.native, escaped.escaped) == ("other", "KeyError", True)

    @pytest.mark.parametrize("after", [0.0, 100.0])
    def test_cancelling(self, tmp_path: Path, language: str, after: float) -> None:
        """A call is cancelled natively, beforehand too, and says when it was asked for."""
        outcomes, _ = _play(tmp_path, language, _call("waits", cancel_after_ms=after))

        assert [found.outcome for found in outcomes] == ["cancelled"]
        assert outcomes[0].cancelled_ms is not None
        assert outcomes[0].cancelled_ms >= after - 1

    def test_hanging(self, tmp_path: Path, language: str) -> None:
        """A call that never ends leaves pings answered, and the calls beside it alone."""
        step = ParallelStep(parallel=[_call("blocks"), _call("ok", "b")])
        outcomes, end = _play(tmp_path, language, step, deadline=1.5)

        assert [found.call for found in outcomes] == ["b"]
        assert isinstance(end, Result)

    def test_going_on_and_starting_anew(self, tmp_path: Path, language: str) -> None:
        """With ``continues`` the client is the same, its session replaced where one is given; a new case has a new one."""

        async def work(driver: StdioDriver) -> list[Heard]:
            found = [await heard(driver, a_run(_call("ok")))]
            found.append(await heard(driver, a_run(_call("ok"), continues=True)))
            assert await driver.end_case("k1") == []
            return [*found, await heard(driver, a_run(_call("ok"), id="k2"))]

        played = _play(tmp_path, language, work=work)

        assert [outcomes[0].value.data["n"] for outcomes, _ in played] == [1, 2, 1]
        assert "resumed" in played[1][1].log
        assert "resumed" not in played[2][1].log

    def test_what_it_cannot_do(self, tmp_path: Path, language: str) -> None:
        """Unknown operations and cases that the client refuses are ``unsupported``."""
        _, unknown = _play(tmp_path, language, _call("toString"))
        _, refused = _play(tmp_path, language, _call("ok"), case="no/way")

        assert isinstance(unknown, Unsupported)
        assert unknown.why == "there is no operation toString"
        assert isinstance(refused, Unsupported)
        assert refused.why == "no such case"

    def test_a_value_that_is_too_deep(self, tmp_path: Path, language: str) -> None:
        """It is left out, for no line could hold it, and the call has its outcome all the same."""
        outcomes, end = _play(tmp_path, language, _call("deep"))

        assert [(found.outcome, found.value) for found in outcomes] == [("ok", None)]
        assert isinstance(end, Result)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the examples as people have them, with the kits beside their drivers."""
    folder = tmp_path_factory.mktemp("examples") / "examples"
    shutil.copytree(EXAMPLES, folder)
    shutil.copy(kit_path("python"), folder / "python-urllib")
    shutil.copy(kit_path("javascript"), folder / "javascript-fetch")
    return folder


@pytest.mark.parametrize("name", ["bash-curl", "perl-exec", "python-urllib", "javascript-fetch"])
def test_an_example_is_put_to_the_test_and_keeps_what_it_promises(examples: Path, name: str) -> None:
    """Each example runs by its own contract as its README says, and its driver makes no mistake."""
    words = ["--contract", f"{name}/contract.yaml"]
    tried = _sadpath(examples, "verify", *words, "--scenario", "retry/busy-*", "--scenario", "retry/write-while-busy",
                     "--format", "json")  # fmt: skip
    found = json.loads(tried.stdout)

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert {case["verdict"] for case in found["cases"]} <= {"pass", "xfail", "unsupported", "not_exercised"}
    assert found["clients"][0]["totals"]["pass"] >= 2
    checked = _sadpath(examples, "driver", "check", *words)
    assert checked.returncode == 0, checked.stdout


def _sadpath(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "sadpath.cli", *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=110, check=False)


def test_exec_examples_are_short() -> None:
    """A first driver fits on half a screen."""
    for name in ("bash-curl/client.sh", "perl-exec/client.pl"):
        assert len((EXAMPLES / name).read_text().splitlines()) <= 15
