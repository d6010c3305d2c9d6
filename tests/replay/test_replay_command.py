"""``sadpath replay`` as people run it, and the tests that it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sadpath.verify.played import Case
from sadpath.verify.stored import StoredCase
from tests.campaign.arranged import client, scenario
from tests.campaign.small import CAPABILITIES, POLICY, Escapes, Small
from tests.simworld.arranged_sim import BUSY, LIVELY, READ, known, play, sim_case, simulator
from tests.support.places import REFERENCE, TOP

CUT: dict[str, Any] = {"faults": [{"on": {"role": "read"}, "fault": {"reset": "request"}}], "calls": READ}
SIDE_BY_SIDE: dict[str, Any] = {
    **CUT,
    "calls": [{"parallel": [{"users.get": {"id": 1}, "times": 2}, {"users.get": {"id": 2}}]}],
}


def _store(case: Case, folder: Path) -> Path:
    run = play(case)
    return StoredCase.of(simulator().judge(run.played), trace=run.digest).save(folder)


def _sadpath(*words: str | Path, cwd: Path = TOP) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sadpath", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=cwd, env=environment)


def test_a_failing_case_fails_again(tmp_path: Path) -> None:
    """The schedule, the timeline, the clause with what the client did, and that nothing has changed."""
    path = _store(sim_case(CUT, client(Escapes, "escapes")), tmp_path)
    done = _sadpath("replay", path)

    assert done.returncode == 1
    assert "world sim · seed 0 · client escapes" in done.stdout
    assert "- {on: {role: read}, fault: {reset: request}}" in done.stdout
    assert "a/0 users.get" in done.stdout
    assert "ERROR-01  The client lets nothing but cancellation escape its result type" in done.stdout
    assert "Trace: the same as stored (" in done.stdout
    assert "Verdict: the same as stored: ERROR-01" in done.stdout
    assert done.stdout.rstrip().endswith("Exit 1: the client falls short of what it promises.")
    assert "Traceback" not in done.stderr


def test_a_case_that_holds_exits_with_zero(tmp_path: Path) -> None:
    """A case with chance, calls at once and cancels comes to the same."""
    done = _sadpath("replay", _store(sim_case(LIVELY), tmp_path))

    assert done.returncode == 0, done.stdout
    assert "Trace: the same as stored (" in done.stdout
    assert "Verdict: the same as stored: nothing broken." in done.stdout


def test_a_mended_client_is_told(tmp_path: Path) -> None:
    """Run with a client that does not break the clause any more: another trace, another verdict, exit 0."""
    path = _store(sim_case(CUT, client(Escapes, "escapes")), tmp_path)
    data = json.loads(path.read_text())
    data["client"]["contract"]["driver"]["python"] = "tests.campaign.small:Small"
    path.write_text(json.dumps(data))
    done = _sadpath("replay", path)

    assert done.returncode == 0, done.stdout
    assert "Trace: not the one that was stored, so the client, the backend or sadpath has changed." in done.stdout
    assert "Verdict: another than stored: ERROR-01" in done.stdout
    assert "not broken any more" in done.stdout


def test_other_versions_are_named(tmp_path: Path) -> None:
    """Where a trace differs and so does a package, the package is named."""
    path = _store(sim_case(CUT, client(Escapes, "escapes")), tmp_path)
    data = json.loads(path.read_text())
    data["trace"], data["versions"]["httpx"] = "0" * 32, "0.1.0"
    path.write_text(json.dumps(data))
    done = _sadpath("replay", path)

    assert "Trace: not the one that was stored; httpx was 0.1.0 and is" in done.stdout


def test_it_runs_on_real_sockets(tmp_path: Path) -> None:
    """The same verdict there; calls at the same time are run up to three times, and that is said."""
    one = _sadpath("replay", _store(sim_case(CUT, client(Escapes, "escapes")), tmp_path), "--world", "live")
    several = _sadpath(
        "replay", _store(sim_case(SIDE_BY_SIDE, client(Escapes, "escapes")), tmp_path), "--world", "live"
    )

    assert one.returncode == several.returncode == 1
    assert "world live" in one.stdout
    assert "Trace:" not in one.stdout
    assert "Verdict: the same as stored: ERROR-01" in one.stdout
    assert "best of" not in one.stdout
    assert "Verdict: the same as stored: ERROR-01" in several.stdout
    assert "(best of 3, run " in several.stdout


@pytest.mark.parametrize(
    ("text", "said"), [(None, "cannot be read"), ("{", "is no JSON"), ('{"schema": 1}', "this key is missing")]
)
def test_a_file_that_is_no_case_exits_with_two(tmp_path: Path, text: str | None, said: str) -> None:
    """One message, no traceback."""
    path = tmp_path / "case.json"
    if text is not None:
        path.write_text(text)
    done = _sadpath("replay", path)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_case_of_a_workspace_that_is_not_here_says_so(tmp_path: Path) -> None:
    """The workspace that was named when it was stored is looked for, and can be named anew."""
    run = play(sim_case(CUT, client(Escapes, "escapes")))
    stored = StoredCase.of(simulator().judge(run.played), trace=run.digest, root=tmp_path / "gone")
    path = stored.save(tmp_path)
    lost, found = _sadpath("replay", path), _sadpath("replay", path, "--root", REFERENCE)

    assert lost.returncode == 2
    assert "gone, which is not here: say where with --root" in lost.stderr
    assert found.returncode == 1


def test_a_case_that_cannot_be_judged_exits_with_three(tmp_path: Path) -> None:
    """A fault that never fires proves nothing."""
    data = {"faults": [{"on": {"role": "delete"}, "fault": "reset"}], "calls": READ}
    done = _sadpath("replay", _store(sim_case(data, client(Small, "small")), tmp_path))

    assert done.returncode == 3
    assert "Exit 3: nothing was proved: none of its faults took effect." in done.stdout


def test_a_case_becomes_a_scenario_file_that_lints_clean(tmp_path: Path) -> None:
    """``--scenario-out`` writes it; lint has nothing to say, and verify shows the same failure with it."""
    drawn = {"faults": [{"on": {"role": "read"}, "chance": 0.9, "fault": "close"}], "calls": [*READ, *READ]}
    path = _store(sim_case(drawn, known("article")), tmp_path)
    out = tmp_path / "scenarios" / "found" / "closed.yaml"
    done = _sadpath("replay", path, "--scenario-out", out)
    lint = _sadpath("lint", out)
    verify = _sadpath("verify", "article", "--examples", "0", "--jobs", "1", "--root", tmp_path, cwd=tmp_path)

    assert f"Written: {out}" in done.stdout
    assert lint.returncode == 0, lint.stdout
    assert done.returncode == verify.returncode == 1
    assert "RETRY-03 broken" in done.stdout
    assert "RETRY-03 fails" in verify.stdout
    assert "chance" not in out.read_text()


def _contract(folder: Path, name: str, factory: str) -> Path:
    path = folder / f"{name}.yaml"
    data = {"client": name, "driver": {"python": factory}, "capabilities": CAPABILITIES, "policy": POLICY}
    path.write_text(json.dumps(data))
    return path


def _pytest(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, cwd=path.parent, env=environment
    )


def test_a_case_becomes_a_test_that_fails_until_the_client_is_mended(tmp_path: Path) -> None:
    """``--pytest-out`` writes a test: it fails for the bad client with the finding, and passes for the good one."""
    scenarios = tmp_path / "scenarios" / "retry"
    scenarios.mkdir(parents=True)
    (scenarios / "busy.yaml").write_text(scenario(BUSY).to_yaml("A test. Source: none."))
    contract = _contract(tmp_path, "shop", "tests.campaign.small:Stubborn")
    words: list[str | Path] = ["verify", "--contract", contract, "--examples", "0", "--jobs", "1", "--root", tmp_path]
    verify = _sadpath(*words, cwd=tmp_path)
    case = min((tmp_path / ".sadpath" / "cases").iterdir())
    test = tmp_path / "test_found.py"
    replay = _sadpath("replay", case, "--pytest-out", test, cwd=tmp_path)
    bad = _pytest(test)
    _contract(tmp_path, "shop", "tests.campaign.small:Small")
    good = _pytest(test)

    assert verify.returncode == replay.returncode == 1
    assert bad.returncode == 1
    assert "the client shop breaks RETRY-01" in bad.stdout
    assert "RETRY-01: Call a/0 (users.get id=1)" in bad.stdout
    assert good.returncode == 0, good.stdout
    assert compile(test.read_text(), str(test), "exec")


def test_a_known_bad_client_can_be_pinned_down(tmp_path: Path) -> None:
    """The case of one that ships with us names its class, and the contract by which it is judged."""
    done = _sadpath(
        "verify", "--known-bad", "retries-any-method", "--scenario", "retry/*", "--scenario", "idempotency/*",
        "--examples", "0", "--jobs", "1", "--root", REFERENCE, cwd=tmp_path,
    )  # fmt: skip
    cases = sorted((tmp_path / ".sadpath" / "cases").iterdir())
    test = tmp_path / "test_found.py"
    _sadpath("replay", cases[0], "--pytest-out", test, cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert 'client="sadpath.subjects.known_bad.retries_any_method:Client",' in test.read_text()
    assert 'contract="reference",' in test.read_text()
    assert "breaks" in _pytest(test).stdout


def test_verify_tells_the_command_that_replays(tmp_path: Path) -> None:
    """What the report prints can be run as it stands."""
    scenarios = tmp_path / "scenarios" / "retry"
    scenarios.mkdir(parents=True)
    (scenarios / "busy.yaml").write_text(scenario(BUSY).to_yaml("A test. Source: none."))
    _contract(tmp_path, "stubborn", "tests.campaign.small:Stubborn")
    done = _sadpath("verify", "--contract", "stubborn.yaml", "--examples", "0", cwd=tmp_path)
    command = done.stdout.partition("Run it again:\n")[2].strip().splitlines()[0].split()
    again = _sadpath(*command[1:], cwd=tmp_path)

    assert command[:2] == ["sadpath", "replay"]
    assert again.returncode == 1
    assert "Trace: the same as stored" in again.stdout
