"""Baselines as people use them: written by one run, read by the next, and stale once a client is mended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sadpath.verify.baseline import read_baseline
from tests.campaign.arranged import scenario
from tests.campaign.small import CAPABILITIES, POLICY
from tests.support.places import TOP

BUSY: dict[str, Any] = {
    "faults": [{"on": {"role": "read"}, "fault": {"status": 503}}],
    "calls": [{"users.get": {"id": 1}}],
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return a folder that is a workspace with one scenario and a client that fails it."""
    path = tmp_path / "scenarios" / "retry" / "busy.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(scenario(BUSY).to_yaml("A test. Source: none."))
    _contract(tmp_path, "Stubborn")
    return tmp_path


def _contract(root: Path, factory: str, **more: Any) -> None:
    path = root / "contracts" / "clients" / "small.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"client": "small", "driver": {"python": f"tests.campaign.small:{factory}"}, "capabilities": CAPABILITIES}
    clauses = ["END-01", "RETRY-01", "RETRY-04"]
    path.write_text("# A test. Source: none.\n" + json.dumps({**data, "policy": POLICY, "clauses": clauses, **more}))


def _sadpath(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sadpath", *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(TOP)},
    )


def _verify(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return _sadpath(where, "verify", "small", "--examples", "0", "--jobs", "1", *words)


def test_what_fails_now_is_let_pass_until_it_is_mended(work: Path) -> None:
    """The run that writes a baseline fails, the next one with it does not, and a mended client makes it stale."""
    first = _verify(work, "--write-baseline", "known.yaml")
    text = (work / "known.yaml").read_text()
    second = _verify(work, "--baseline", "known.yaml")
    _contract(work, "Small")
    mended = _verify(work, "--baseline", "known.yaml")

    assert first.returncode == 1
    assert "known.yaml holds 2 expected failures, of which 2 have to be reviewed." in first.stderr
    assert '  - clause: RETRY-01\n    reason: "not reviewed: found by retry/busy"\n' in text
    assert "# RETRY-01 (policy): the client " in text
    assert "sometimes:" not in text
    assert second.returncode == 0, second.stdout
    assert "RETRY-01  not reviewed: found by retry/busy" in second.stdout
    assert mended.returncode == 1
    assert "RETRY-01 is listed as failing, and holds" in mended.stdout
    assert "Take it off the expected_failures of the contract or its baseline" in mended.stdout


def test_the_same_failures_give_the_same_text(work: Path) -> None:
    """Two runs write the same bytes, whatever the file is called, and the file is a sound one."""
    (work / "contracts/baselines").mkdir()
    _verify(work, "--write-baseline", "contracts/baselines/small.yaml")
    _verify(work, "--write-baseline", "other.yaml", "--seed", "7")
    linted = _sadpath(work, "lint")

    assert (work / "contracts/baselines/small.yaml").read_bytes() == (work / "other.yaml").read_bytes()
    assert linted.returncode == 0, linted.stdout
    assert "3 files checked: no problems" in linted.stdout


def test_an_old_baseline_goes_into_a_new_one(work: Path) -> None:
    """Reasons are kept word for word, what holds is left out, what is new is added; the old file stays as it was."""
    old = """\
# Mine. Source: none.
client: small
expected_failures:
  - {clause: RETRY-01, reason: "we: know", when: {fault: [status], scenario: ["retry/*"]}, sometimes: true}
  - {clause: END-01, reason: Long mended.}
"""
    (work / "old.yaml").write_text(old)
    done = _verify(work, "--baseline", "old.yaml", "--write-baseline", "new.yaml")
    entries = read_baseline(work / "new.yaml").expected_failures

    assert done.returncode == 1
    assert [(item.clause, item.reason) for item in entries] == [
        ("RETRY-01", "we: know"),
        ("RETRY-04", "not reviewed: found by retry/busy"),
    ]
    assert entries[0] == read_baseline(work / "old.yaml").expected_failures[0]
    assert (work / "old.yaml").read_text() == old
    assert "new.yaml holds 2 expected failures, of which 1 have to be reviewed." in done.stderr


def test_nothing_is_written_where_nothing_fails(work: Path) -> None:
    """A client that holds gets no baseline, and is told so."""
    _contract(work, "Small")
    done = _verify(work, "--write-baseline", "known.yaml")

    assert done.returncode == 0
    assert "known.yaml is not written: nothing fails that its contract does not expect." in done.stderr
    assert not (work / "known.yaml").exists()


def test_what_only_drawn_cases_show_need_not_fail_each_time(work: Path) -> None:
    """A failure that no scenario shows is marked, so that a run which does not draw it does not find the entry stale."""
    calm = {"calls": [{"users.get": {"id": 1}}]}
    (work / "scenarios/retry/busy.yaml").write_text(scenario(calm).to_yaml("A test. Source: none."))
    _contract(work, "Stubborn", clauses=["RETRY-01"])
    drawn = ("verify", "small", "--examples", "50", "--jobs", "1")
    first = _sadpath(work, *drawn, "--write-baseline", "known.yaml")
    (entry,) = read_baseline(work / "known.yaml").expected_failures
    again, few = _sadpath(work, *drawn, "--baseline", "known.yaml"), _verify(work, "--baseline", "known.yaml")

    assert first.returncode == 1
    assert (entry.clause, entry.sometimes) == ("RETRY-01", True)
    assert again.returncode == 0, again.stdout
    assert few.returncode != 1, few.stdout


def test_a_contract_may_name_its_baseline(work: Path) -> None:
    """``baseline:`` adds a file's entries to the contract's own, for this client alone."""
    (work / "contracts/baselines").mkdir()
    _verify(work, "--write-baseline", "contracts/baselines/small.yaml")
    own = [{"clause": "END-*", "reason": "Not there.", "sometimes": True}]
    _contract(work, "Stubborn", expected_failures=own, baseline="../baselines/small.yaml")
    named = _verify(work)
    _contract(work, "Stubborn", baseline="../baselines/smal.yaml")
    missing = _verify(work)
    _contract(work, "Stubborn", client="other", baseline="../baselines/small.yaml")
    others = _sadpath(work, "lint", "contracts/clients/small.yaml")

    assert named.returncode == 0, named.stdout
    assert missing.returncode == 2
    assert "there is no file '../baselines/smal.yaml'" in missing.stderr
    assert "small.yaml" in missing.stderr
    assert others.returncode == 2
    assert "is the baseline of small, not of other" in others.stdout


def test_a_contract_may_extend_a_baseline(work: Path) -> None:
    """A baseline is a contract without a promise, so ``extends`` reads it as well."""
    _verify(work, "--write-baseline", "contracts/clients/known.yaml")
    _contract(work, "Stubborn", extends="known")

    assert _verify(work).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--baseline", "nowhere.yaml"], "--baseline nowhere.yaml: there is no such file"),
        (["--write-baseline", "scenarios/retry/busy.yaml"], "it is there already, and is not written over"),
        (["--write-baseline", "nowhere/known.yaml"], "there is no folder nowhere"),
        (["small2", "--write-baseline", "known.yaml"], "--write-baseline is about one client"),
        (["--baseline", "other.yaml"], "other.yaml is the baseline of other, not of small"),
        (["--baseline", "typo.yaml"], "there is no clause 'ENDD-01' (did you mean 'END-01'?)"),
        (["--baseline", "typo.yaml"], "matches no clause (did you mean 'RETRY-*'?)"),
        (["--baseline", "typo.yaml"], "there is no scenario 'retry/bussy' (did you mean 'retry/busy'?)"),
        (["--baseline", "typo.yaml"], "matches no scenario (did you mean 'retry/*'?)"),
    ],
)
def test_mistakes_are_told_before_anything_runs(work: Path, words: list[str], said: str) -> None:
    """Each is one message with the nearest name, and exits with 2."""
    (work / "other.yaml").write_text("client: other\nexpected_failures: []\n")
    (work / "typo.yaml").write_text("""\
client: small
expected_failures:
  - {clause: ENDD-01, reason: r}
  - {clause: RETYR-*, reason: r}
  - {clause: END-01, reason: r, when: {scenario: [retry/bussy, "rety/*", "*/busy", generated/1]}}
""")
    done = _verify(work, *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (work / "known.yaml").exists()
