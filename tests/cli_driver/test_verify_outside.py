"""``sadpath verify`` with clients outside this process: commands, as people write them, and what becomes of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.small import CAPABILITIES, POLICY
from tests.support.driven import gone, until
from tests.support.places import TOP

BAD_DRIVER = TOP / "tests" / "support" / "bad_driver.py"

CLIENT = """\
[ -n "$SADPATH_METHOD" ] || exit 77
curl --silent --fail --max-time 5 --noproxy '*' --request "$SADPATH_METHOD" \\
  --header "Authorization: Bearer $SADPATH_TOKEN" "$SADPATH_BASE_URL$SADPATH_PATH" || exit 1
"""
CALM = "# Nothing goes wrong.\ntitle: Calm\ncalls:\n  - users.get: {id: 1}\n"
BUSY_ONCE = """\
# Busy once, then fine.
title: Busy once
faults:
  - on: {role: read}
    plan: [{status: 503}, pass]
calls:
  - users.get: {id: 1}
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return a workspace with two scenarios and a client in a shell, which never retries."""
    _write(tmp_path, "scenarios/retry/busy-once.yaml", BUSY_ONCE)
    _write(tmp_path, "scenarios/calm.yaml", CALM)
    _write(tmp_path, "client.sh", CLIENT)
    return tmp_path


def _write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _contract(root: Path, name: str, driver: dict[str, Any], **more: Any) -> None:
    data = {"client": name, "driver": driver, "policy": {"timeouts": {"total": "6s"}}, **more}
    _write(root, f"contracts/clients/{name}.yaml", f"# A test.\n{json.dumps(data)}\n")  # JSON is YAML


def _sadpath(work: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(TOP)}
    command = [sys.executable, "-m", "sadpath.cli", *words]
    return subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, timeout=100, check=False)


def _results(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_command_without_a_contract_is_put_to_the_test(work: Path) -> None:
    """One line on the command line is enough for a first verdict: on real sockets, and that is said."""
    done = _sadpath(work, "verify", "--exec", "bash client.sh", "--scenario", "retry/*", "--format", "json")
    found = _results(done)

    assert done.returncode == 0, done.stderr
    assert "real sockets (--world live)" in done.stderr
    assert (found["world"], found["clients"][0]["name"], found["generated"]) == ("live", "client.sh", 0)
    assert [case["verdict"] for case in found["cases"]] == ["pass"]


def test_a_contract_drives_its_client_by_a_command_in_its_own_folder(work: Path) -> None:
    """What the client promises and does not keep is found, and the stored case is replayed with the same command."""
    promise = {"capabilities": ["retry"], "policy": {"timeouts": {"total": "6s"}, "retry": POLICY["retry"]}}
    _contract(work, "shell", {"exec": ["bash", "client.sh"], "folder": "../.."}, **promise)
    done = _sadpath(work, "verify", "shell", "--scenario", "retry/*", "--format", "json")
    found = _results(done)
    failed = [clause["id"] for clause in found["clients"][0]["clauses"] if clause["verdict"] == "fail"]

    assert done.returncode == 1, done.stderr
    assert failed == ["RETRY-03"]

    (case,) = (work / ".sadpath" / "cases").iterdir()
    again = _sadpath(work, "replay", str(case))
    assert again.returncode == 1, again.stderr
    assert "the same as stored: RETRY-03 broken" in again.stdout
    test = _sadpath(work, "replay", str(case), "--pytest-out", "test_case.py")
    assert test.returncode == 2
    assert "let `sadpath replay` run the case" in test.stderr
    sim = _sadpath(work, "replay", str(case), "--world", "sim")
    assert sim.returncode == 2
    assert "does not live in this process" in sim.stderr


@pytest.mark.parametrize("way", ["--exec", "--driver"])
def test_a_driver_that_says_yes_to_everything_is_refused(work: Path, way: str) -> None:
    """Before the first case it is asked for an operation that does not exist, and then a pass would mean nothing."""
    command = "true" if way == "--exec" else f"env ANY=1 {sys.executable} {BAD_DRIVER}"
    done = _sadpath(work, "verify", way, command)

    assert done.returncode == 2
    assert "which does not exist" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--exec", "bash client.sh", "--world", "sim"], "leave out --world sim"),
        (["--exec", "a", "--driver", "b"], "here are --driver and --exec"),
        (["--driver-url", "ftp://x/"], "a URL such as"),
        (["--driver", ""], "--driver"),
        (["--driver", "no-such-program"], "cannot be started: No such file"),
        (["--driver-url", "http://127.0.0.1:9/"], "cannot be reached"),
        (["--driver", "a", "--all"], "--all"),
        (["--driver", "a", "--known-bad"], "driven in process"),
        (["x:y", "--driver", "a"], "a driver drives one client"),
        (["--driver", "cat", "--contract", "nowhere.yaml"], "there is no such file"),
    ],
)
def test_what_cannot_be_done_is_one_clear_message(work: Path, words: list[str], said: str) -> None:
    """Exit code 2, the reason, and no traceback."""
    done = _sadpath(work, "verify", *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_driver_that_crashes_hangs_or_lies_spoils_its_own_cases_alone(work: Path) -> None:
    """Each case has its verdict by who is at fault, the run ends, and the case after it is played."""
    stories = {"a-well": "well", "b-crash": "crash", "c-well": "well", "d-flood": "flood", "e-hang": "hang",
               "f-unsupported": "unsupported", "g-deaf": "deaf", "h-well": "well"}  # fmt: skip
    for name, op in stories.items():
        text = f"# A test.\ntitle: A test\ncalls:\n  - {op}: {{}}\nheal: false\nexpect: {{for: odd, outcome: ok}}\n"
        _write(work, f"scenarios/odd/{name}.yaml", text)
    hello = json.dumps({"operations": [*dict.fromkeys(stories.values())], "capabilities": ["retry"]})
    quick = {"timeouts": {"connect": "0s", "read": "0s", "total": "100ms"}, "retry": {"max_retries": 0}}
    _contract(work, "odd", {"stdio": [sys.executable, str(BAD_DRIVER), hello]}, capabilities=["retry"], policy=quick)
    done = _sadpath(work, "verify", "odd", "--scenario", "odd/*", "--format", "json")
    found = _results(done)
    verdicts = {case["scenario"].removeprefix("odd/"): case["verdict"] for case in found["cases"]}
    whys = {case["scenario"].removeprefix("odd/"): case["why"] or "" for case in found["cases"]}

    assert done.returncode == 1, done.stderr
    assert verdicts == {
        "a-well": "pass",
        "b-crash": "driver_error",
        "c-well": "pass",
        "d-flood": "driver_error",
        "e-hang": "fail",
        "f-unsupported": "driver_error",
        "g-deaf": "driver_error",
        "h-well": "pass",
    }
    assert "exit code 3" in whys["b-crash"]
    assert "about to crash" in whys["b-crash"]
    assert "more than 67,108,864 bytes" in whys["d-flood"]
    assert "all that the case needs is declared" in whys["f-unsupported"]
    assert "does not answer `ping`" in whys["g-deaf"]


def test_clients_inside_and_outside_are_put_to_the_test_in_one_run(work: Path) -> None:
    """Each in its own world: in process on virtual time, outside on real sockets; one report holds both."""
    _contract(work, "shell", {"exec": "bash client.sh", "folder": "../.."})
    _contract(work, "small", {"python": "tests.campaign.small:Small"}, capabilities=CAPABILITIES, policy=POLICY)
    words = ["small", "shell", "--scenario", "calm", "--examples", "0", "--jobs", "1", "--format", "json"]
    done = _sadpath(work, "verify", *words)
    found = _results(done)

    assert done.returncode == 0, done.stderr
    assert [client["name"] for client in found["clients"]] == ["small", "shell"]
    assert [(case["client"], case["world"]) for case in found["cases"]] == [("small", "sim"), ("shell", "live")]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("way", ["--exec", "--driver"])
def test_ctrl_c_leaves_no_process_over(work: Path, way: str, times: int) -> None:
    """Stopped in the middle of a call that hangs, once or impatiently: the client's processes are gone."""
    _write(work, "scenarios/calm.yaml", CALM.replace("users.get: {id: 1}", "deaf: {}"))
    hello = json.dumps({"operations": ["deaf"]})
    scripts = {
        "--exec": '[ "$SADPATH_OP" = deaf ] || exit 77\nsleep 600 & echo $$ $! > pids; wait\n',
        "--driver": f"echo $$ > pids; exec {sys.executable} {BAD_DRIVER} '{hello}'\n",
    }
    _write(work, "hangs.sh", scripts[way])
    words = ["verify", way, "bash hangs.sh", "--scenario", "calm"]
    command = [sys.executable, "-m", "sadpath.cli", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=work, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as running:
        assert running.stderr is not None
        until(lambda: (work / "pids").is_file() and (work / "pids").read_text().endswith("\n"))
        while "running" not in (line := running.stderr.readline()):
            assert line, "it ended before its first case"
        until(lambda: way == "--driver" or (work / "pids").read_text().endswith("\n"))
        for _ in range(times):
            running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    pids = [int(word) for word in (work / "pids").read_text().split()]

    assert running.returncode == 130, out + err
    assert "Traceback" not in err
    assert gone(*pids)
