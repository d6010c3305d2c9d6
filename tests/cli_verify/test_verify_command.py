"""``sadpath verify`` on real sockets, as people run it: a process, its output, its exit code, its report."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sadpath.verify.results import Results
from tests.campaign.small import CAPABILITIES, POLICY
from tests.support.places import TOP

COMMAND = [sys.executable, "-m", "sadpath.cli", "verify", "--world", "live"]

BUSY_ONCE = """\
# Busy once, then fine.
title: Busy once
faults:
  - on: {role: read}
    plan: [{status: 503}, pass]
calls:
  - users.get: {id: 1}
"""
BUSY = """\
# Busy for good.
title: Busy
faults:
  - {on: {role: read}, fault: {status: 503}}
calls:
  - users.get: {id: 1}
"""
CALM = """\
# A fault that nothing meets.
title: Calm
faults:
  - {on: {role: delete}, fault: reset}
calls:
  - users.get: {id: 1}
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return a workspace with two scenarios and the contract of the small client."""
    _write(tmp_path, "scenarios/retry/busy-once.yaml", BUSY_ONCE)
    _write(tmp_path, "scenarios/retry/busy.yaml", BUSY)
    _contract(tmp_path, "small", "Small")
    return tmp_path


def _write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _contract(root: Path, name: str, factory: str, **more: Any) -> Path:
    data = {"client": name, "driver": {"python": f"tests.campaign.small:{factory}"}, "capabilities": CAPABILITIES,
            "policy": POLICY, **more}  # fmt: skip
    return _write(root, f"contracts/clients/{name}.yaml", f"# A test.\n{json.dumps(data)}\n")  # JSON is YAML


def _verify(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COLUMNS")}
    command = [*COMMAND, *words, "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=TOP, env=environment)


def _clean(done: subprocess.CompletedProcess[str]) -> None:
    """Assert that nothing unseemly was printed."""
    assert "Traceback" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert all(len(line) < 100 for line in done.stdout.splitlines() if not line.startswith("Results: "))


def test_a_client_that_holds_exits_with_zero(work: Path) -> None:
    """By its contract's name; the report is text, progress goes to stderr."""
    done = _verify(work, "small")
    _clean(done)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "small 1   contracts/clients/small.yaml   profile published" in done.stdout
    assert re.search(r"RETRY-01 +policy +holds +2", done.stdout)
    assert done.stdout.rstrip().endswith("Exit 0: every clause that was exercised holds, or fails as expected.")
    assert "2/2 cases" in done.stderr


def test_a_client_that_falls_short_exits_with_one(work: Path) -> None:
    """The report names the clause, what the client did, and the command that shows it again; that command works."""
    _contract(work, "stubborn", "Stubborn")
    done = _verify(work, "stubborn")
    _clean(done)
    command = done.stdout.partition("Run it again:\n")[2].partition("\n\n")[0]
    words = shlex.split(command.replace("\\\n", ""))  # as a shell reads it (POSIX, 2.2.1)
    replay = [*COMMAND[:-3], *words[1:]]
    again = subprocess.run(replay, capture_output=True, text=True, timeout=60, check=False, cwd=TOP)

    assert done.returncode == 1
    assert "RETRY-01 fails" in done.stdout
    assert "of retry/busy:" in done.stdout
    assert words[:2] == ["sadpath", "replay"]
    assert again.returncode == 1
    assert "Verdict: the same as stored: RETRY-01, RETRY-04 broken." in again.stdout


def test_json_is_all_that_stdout_holds(work: Path) -> None:
    """``--format json`` prints the results and nothing else; they fit their schema and equal the file."""
    out = work / "out"
    done = _verify(work, "small", "--format", "json", "--report", str(out))
    data = json.loads(done.stdout)

    assert done.returncode == 0
    jsonschema.Draft202012Validator(Results.model_json_schema(by_alias=True)).validate(data)
    assert json.loads((out / "results.json").read_text()) == data
    assert [case["id"] for case in data["cases"]] == ["retry/busy@small", "retry/busy-once@small"]
    assert [case["fired"] for case in data["cases"]] == [["status"], ["status"]]
    assert data["command"].startswith("sadpath verify --world live small")
    assert data["noise_ms"] >= 0
    assert data["duration_s"] > 0
    assert data["clients"][0]["profile"] == "published"


def test_a_factory_needs_no_contract(work: Path) -> None:
    """``package:factory`` alone is judged by the clauses that need no promise."""
    done = _verify(work, "tests.campaign.small:good")
    _clean(done)

    assert done.returncode == 0, done.stdout
    assert "END-01" in done.stdout
    assert "the contract does not promise retry.max_retries" in done.stdout


def test_a_factory_with_a_contract_is_judged_by_it(work: Path) -> None:
    """``--contract`` gives a client the promise of a file, and a file alone names its own client."""
    contract = work / "contracts/clients/small.yaml"
    bad = _verify(work, "tests.campaign.small:Stubborn", "--contract", str(contract))
    own = _verify(work, "--contract", str(contract), "--scenario", "retry/busy-once")

    assert bad.returncode == 1
    assert "RETRY-01 fails" in bad.stdout
    assert own.returncode == 0
    assert "1 case" in own.stdout


def test_several_clients_are_judged_at_once(work: Path) -> None:
    """Each has its own section; one that falls short is enough to fail."""
    _contract(work, "stubborn", "Stubborn")
    done = _verify(work, "small", "stubborn", "--format", "json")
    clients = {client["name"]: client["totals"].get("fail", 0) for client in json.loads(done.stdout)["clients"]}

    assert done.returncode == 1
    assert clients == {"small": 0, "stubborn": 2}


def test_expected_failures_and_stale_ones(work: Path) -> None:
    """A listed failure exits with 0 while it fails, and with 1 once it passes."""
    listed = [{"clause": "RETRY-0[14]", "reason": "It is stubborn, and we know."}]
    _contract(work, "stubborn", "Stubborn", expected_failures=listed)
    _contract(work, "mended", "Small", expected_failures=listed)
    known, stale = _verify(work, "stubborn"), _verify(work, "mended")

    assert known.returncode == 0
    assert "RETRY-01  It is stubborn, and we know." in known.stdout
    assert stale.returncode == 1
    assert "Exit 1: an expected failure does not happen any more." in stale.stdout


def test_nothing_proved_exits_with_three(work: Path) -> None:
    """A fault that never fires proves nothing, however well the client does."""
    _write(work, "scenarios/calm/calm.yaml", CALM)
    done = _verify(work, "small", "--scenario", "calm/*")
    _clean(done)

    assert done.returncode == 3
    assert "Exit 3: nothing was proved" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["smal"], "there is no contract of a client 'smal' (did you mean 'small'?)"),
        (["no_such_module:create"], "there is no module 'no_such_module'"),
        (["tests.campaign.small:goood"], "did you mean 'good'"),
        (["small", "--scenario", "retry/bussy"], "did you mean 'retry/busy'"),
        (["small", "--profile", "fast"], "has no profile 'fast'"),
        (["small", "--contract", "nowhere.yaml"], "--contract nowhere.yaml: there is no such file"),
        (["small", "other", "--contract", "nowhere.yaml"], "--contract is the contract of one client"),
        (["small", "--report", "pyproject.toml"], "--report pyproject.toml"),
        (["tests.campaign.small:YesMan"], "which does not exist: a driver must answer `unsupported`"),
        (["small", "--all"], "--all means every client"),
        (["small", "small"], "two of the clients are called small"),
    ],
)
def test_a_mistake_is_one_clear_message(work: Path, words: list[str], said: str) -> None:
    """Exit 2, one message that says what is wrong, no traceback, no results."""
    done = _verify(work, *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("words", [["small", "--jobs", "0"], ["small", "--seed", "-1"], ["small", "--world", "moon"]])
def test_a_wrong_option_is_refused(work: Path, words: list[str]) -> None:
    """Values that make no sense are refused by the command line itself."""
    done = _verify(work, *words)

    assert done.returncode == 2
    assert "Invalid value" in done.stderr


def test_a_broken_scenario_names_its_line(work: Path) -> None:
    """A file with a mistake ends the command before anything is run."""
    _write(work, "scenarios/retry/odd.yaml", BUSY.replace("status", "statsu"))
    done = _verify(work, "small")

    assert done.returncode == 2
    assert "odd.yaml:4" in done.stderr
    assert "did you mean 'status'?" in done.stderr


def test_a_contract_that_promises_more_than_the_client_offers_is_refused(work: Path) -> None:
    """Hello and contract must agree."""
    _contract(work, "boastful", "Small", capabilities=[*CAPABILITIES, "http_cache"])
    done = _verify(work, "boastful")

    assert done.returncode == 2
    assert "promises http_cache, which the client does not offer" in done.stderr


def test_a_driver_that_fails_exits_with_two(work: Path) -> None:
    """A client that cannot be opened is not judged, and nobody is blamed for a clause."""
    _contract(work, "broken", "Broken")
    done = _verify(work, "broken")
    _clean(done)

    assert done.returncode == 2
    assert "SHOP_API_KEY" in done.stdout + done.stderr


def test_ctrl_c_keeps_what_is_known(work: Path) -> None:
    """Stopped in the middle: the cases that had ended are reported and written, without a traceback."""
    for number in range(6):
        _write(work, f"scenarios/many/busy-{number}.yaml", BUSY_ONCE)
    _contract(work, "slow", "Slow")
    out = work / "out"
    command = [*COMMAND, "slow", "--root", str(work), "--jobs", "2", "--report", str(out), "--scenario", "many/*"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TOP)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("2/6"):
            break
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    results = Results.model_validate_json((out / "results.json").read_text())

    assert process.returncode == 130
    assert "Traceback" not in stdout + stderr
    assert "Interrupted: what follows is what was known by then." in stdout
    assert results.interrupted
    assert results.planned == 6
    assert 2 <= len(results.cases) < 6
    assert all(case.verdict == "pass" for case in results.cases)


def test_a_second_ctrl_c_loses_nothing(work: Path) -> None:
    """Pressed again while a stubborn client is being ended, it ends at once, and the report is still written."""
    module = """
import asyncio
from tests.campaign.small import Small

class Clings(Small):
    async def send(self, method, path, tag):
        if path.endswith("/2"):
            while True:
                try:
                    await asyncio.sleep(600)
                except asyncio.CancelledError:
                    pass
        return await super().send(method, path, tag)
"""
    _write(work, "contracts/clients/clinging_client.py", module)
    _contract(work, "clinging", "Small", driver={"python": "clinging_client:Clings"})
    _write(work, "scenarios/retry/other.yaml", BUSY.replace("id: 1", "id: 2"))
    command = [*COMMAND, "clinging", "--root", str(work), "--report", str(work / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TOP)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("2/3"):
            break
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    results = Results.model_validate_json((work / "out" / "results.json").read_text())

    assert process.returncode == 130
    assert "Traceback" not in stdout + stderr
    assert [case.scenario for case in results.cases] == ["retry/busy", "retry/busy-once"]
    assert results.interrupted


def test_a_client_that_cannot_be_stopped_does_not_keep_the_command(work: Path) -> None:
    """A client whose threads and tasks never end is reported; the command ends all the same."""
    module = """
import asyncio, time
from tests.campaign.small import Small

class Stuck(Small):
    read_timeout = None
    async def send(self, method, path, tag):
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                pass
"""
    _write(work, "contracts/clients/stuck_client.py", module)
    policy = {"timeouts": {"connect": "50ms", "read": "50ms", "total": "100ms"}, "retry": {"max_retries": 0}}
    _contract(work, "stuck", "Small", driver={"python": "stuck_client:Stuck"}, policy=policy)
    done = _verify(work, "stuck", "--scenario", "retry/busy-once")
    _clean(done)

    assert done.returncode == 1
    assert "END-01 fails" in done.stdout
    assert "Left behind: the call a/0 (users.get) did not end when it was cancelled" in done.stdout


def test_all_means_every_contract(work: Path) -> None:
    """``--all`` takes each client that has a contract, those of the reference workspace included."""
    done = _verify(work, "--all", "--scenario", "retry/busy-once", "--format", "json")
    names = [client["name"] for client in json.loads(done.stdout)["clients"]]

    assert "small" in names
    assert "reference" in names
