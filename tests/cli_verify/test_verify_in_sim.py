"""``sadpath verify`` in the simulated world, as people run it: in several processes, with cases that are drawn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sadpath.verify.results import Results
from tests.campaign.arranged import scenario
from tests.campaign.small import CAPABILITIES, POLICY
from tests.support.places import TOP

BUSY: dict[str, Any] = {
    "faults": [{"on": {"role": "read"}, "fault": {"status": 503}}],
    "calls": [{"users.get": {"id": 1}}],
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return a folder that is a workspace with one scenario and a few clients."""
    _scenario(tmp_path, "retry/busy", BUSY)
    for name, factory in {"small": "campaign.small:Small", "stubborn": "campaign.small:Stubborn"}.items():
        _contract(tmp_path, name, f"tests.{factory}")
    return tmp_path


def _scenario(root: Path, name: str, data: dict[str, Any]) -> None:
    path = root / "scenarios" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(scenario(data).to_yaml("A test. Source: none."))


def _contract(root: Path, name: str, factory: str) -> None:
    path = root / "contracts" / "clients" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    clauses = ["END-01", "RETRY-01", "RETRY-12"]
    data = {"client": name, "driver": {"python": factory}, "capabilities": CAPABILITIES, "policy": POLICY}
    path.write_text(json.dumps({**data, "clauses": clauses}))


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "sadpath", "verify", *words]


def _verify(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*words), capture_output=True, text=True, timeout=100, check=False, cwd=where, env=_environment()
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TOP)}


def test_it_is_the_usual_world(work: Path) -> None:
    """Scenarios first, then drawn cases; the published numbers; no file is left where nothing was found."""
    done = _verify(work, "small", "--examples", "30", "--jobs", "2", "--report", "out")
    results = Results.model_validate_json((work / "out" / "results.json").read_text())

    assert done.returncode == 0, done.stdout + done.stderr
    assert (results.world, results.profile, results.noise_ms) == ("sim", "published", 0.0)
    assert results.generated == 30
    assert "world sim · seed 0 · 1 case · 30 generated" in done.stdout
    assert "drawing 30 cases" in done.stderr
    assert "30/30 generated cases" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (work / ".sadpath").exists()


def test_a_client_that_falls_short_exits_with_one(work: Path) -> None:
    """The clause, the smallest schedule, and a stored case in the folder at hand."""
    done = _verify(work, "stubborn", "--examples", "30", "--jobs", "2")
    (path,) = {line.split()[-1] for line in done.stdout.splitlines() if line.startswith("  sadpath replay ")}

    assert done.returncode == 1
    assert "RETRY-01 fails" in done.stdout
    assert path.startswith(".sadpath/cases/")
    assert (work / path).is_file()
    assert "making 1 finding small" in done.stderr or "generated/" in done.stdout


def test_the_same_seed_gives_the_same_results(work: Path) -> None:
    """Whatever the number of processes; another seed draws other cases."""

    def run(*words: str) -> dict[str, Any]:
        done = _verify(work, "stubborn", "--examples", "60", "--format", "json", *words)
        data: dict[str, Any] = json.loads(done.stdout)
        return {key: data[key] for key in ("cases", "clients", "errors", "generated", "planned")}

    one, two, other = run("--jobs", "1"), run("--jobs", "2"), run("--jobs", "2", "--seed", "1000")

    assert one == two
    assert one != other


def test_ctrl_c_keeps_what_is_known(work: Path) -> None:
    """The whole group gets the signal, as from a terminal: what was judged is reported, in order."""
    for number in range(40):
        _scenario(work, f"retry/more-{number:02}", BUSY)
    process = subprocess.Popen(
        _command("small", "--examples", "5000", "--jobs", "2", "--report", "out"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=work, env=_environment(), start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("drawing"):
            break
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    results = Results.model_validate_json((work / "out" / "results.json").read_text())

    assert process.returncode == 130
    assert "Interrupted: what follows is what was known by then." in stdout
    assert "Traceback" not in stdout + stderr
    assert results.interrupted
    assert len(results.cases) == 41
    assert all(case.verdict == "pass" for case in results.cases)


def test_options_say_what_they_are_for() -> None:
    """Help names the worlds, the drawn cases and the processes."""
    done = subprocess.run(
        _command("--help"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )

    assert "--world" in done.stdout
    assert "--examples" in done.stdout
    assert "--jobs" in done.stdout
