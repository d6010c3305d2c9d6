"""Stored cases: what they hold, what they refuse, and what they can be written as."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from sadpath.cli.schema import Kind, schema_of
from sadpath.core.errors import FileProblems, UsageError
from sadpath.scenario.lint import lint_scenario
from sadpath.scenario.loader import load_scenario
from sadpath.scenario.model import Scenario
from sadpath.strategies import Api, scenarios
from sadpath.verify.judging import Judged
from sadpath.verify.known_bad import bad_clients, open_bad
from sadpath.verify.played import Case, Played
from sadpath.verify.stored import StoredCase, keep
from tests.campaign.arranged import client, workspace
from tests.campaign.small import Escapes, Small, Stubborn
from tests.simworld.arranged_sim import BUSY, LIVELY, READ, known, play, sim_case, simulator

KNOWN_BAD = "sadpath.subjects.known_bad.retries_any_method:Client"
CUT: dict[str, Any] = {"faults": [{"on": {"role": "read"}, "fault": {"reset": "request"}}], "calls": READ}


def _stored(case: Case) -> StoredCase:
    run = play(case)
    return StoredCase.of(simulator().judge(run.played), trace=run.digest)


@pytest.mark.parametrize("word", ["reference", "article"])
@pytest.mark.parametrize("data", [BUSY, CUT, LIVELY], ids=["busy", "cut", "lively"])
def test_what_is_read_is_what_was_written(word: str, data: dict[str, Any], tmp_path: Path) -> None:
    """A file gives back the case, whose run has the digest that it holds."""
    stored = _stored(sim_case(data, known(word)))
    path = stored.save(tmp_path)
    again = StoredCase.load(path)
    who = asyncio.run(again.open_client())

    assert path.name == f"{stored.digest}.json"
    assert again.to_json() == stored.to_json() == path.read_text()
    assert who.contract.policy.to_file() == known(word).contract.policy.to_file()
    assert play(again.case_for(who)).digest == stored.trace
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_it_fits_its_schema() -> None:
    """``sadpath schema case`` describes what is written."""
    validator = jsonschema.Draft202012Validator(schema_of(Kind.case))

    for data in (BUSY, CUT, LIVELY):
        validator.validate(_stored(sim_case(data)).to_file())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(scenarios(Api.of(workspace())))
def test_any_scenario_can_be_stored(drawn: Scenario) -> None:
    """Whatever is drawn comes back as it was, as JSON and as a scenario file."""
    case = Case("generated/x", drawn, known("reference"), 0, "sim")
    stored = StoredCase.of(Judged(Played(case)))
    again = StoredCase.parse(stored.to_json())

    assert again.scenario == stored.scenario
    assert again.digest == stored.digest


def test_the_digest_is_that_of_what_is_asked_for() -> None:
    """The same schedule under another name is the same file; another promise or seed is another."""
    one = _stored(sim_case(BUSY, name="a/b"))
    other = _stored(sim_case(BUSY, name="c/d"))
    quick = _stored(sim_case(BUSY, known("reference", "quick")))
    seeded = _stored(Case("a/b", sim_case(BUSY).scenario, known("reference"), 9, "sim"))

    assert one.digest == other.digest
    assert len({one.digest, quick.digest, seeded.digest}) == 3


def test_it_holds_what_the_clauses_said() -> None:
    """Broken clauses stand there with their sentences, kept ones without."""
    stored = _stored(sim_case(CUT, client(Escapes, "escapes")))

    assert "ERROR-01" in stored.broken
    assert "let an exception past" in stored.said["ERROR-01"].findings[0]
    assert stored.said["END-01"].verdict == "pass"
    assert stored.said["END-01"].findings == ()
    assert stored.versions["python"]
    assert stored.versions["httpx"]


def test_clients_are_found_again_by_name() -> None:
    """A contract's factory, one of the command line, and a class without a contract of its own."""
    bad = next(item for item in bad_clients() if item.name == "retries-any-method")
    hunted = asyncio.run(open_bad(bad, known("reference").contract, "published"))
    names = {
        "reference": known("reference"),
        "retries-any-method": hunted,
        "stubborn": client(Stubborn, "stubborn"),
    }
    found = {name: _stored(sim_case(BUSY, who)) for name, who in names.items()}

    assert found["reference"].client.contract.driver.python == "sadpath.subjects.reference:create"
    assert found["retries-any-method"].client.contract.driver.python == KNOWN_BAD
    assert found["stubborn"].client.contract.driver.python == "tests.campaign.small:Stubborn"
    assert {name: asyncio.run(item.open_client()).name for name, item in found.items()} == {n: n for n in names}


def test_a_client_that_cannot_be_found_again_is_named() -> None:
    """A factory that lives inside a function has no name to find it by."""

    class Hidden(Small):
        """Lives here alone."""

    stored = _stored(sim_case(BUSY, client(Hidden, "hidden")))

    with pytest.raises(UsageError, match="cannot be loaded"):
        asyncio.run(stored.open_client())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "must be a mapping"),
        ("{}", "this key is missing"),
        ('{"schema": 2}', "schema"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """One message that names the file."""
    path = tmp_path / "case.json"
    path.write_text(text)

    with pytest.raises((UsageError, FileProblems), match=said) as caught:
        StoredCase.load(path)
    assert str(path) in str(caught.value)


def test_a_mistake_in_a_file_names_its_field(tmp_path: Path) -> None:
    """A fault that nobody knows is told with its place and the nearest name."""
    data = _stored(sim_case(BUSY)).to_file()
    data["scenario"]["faults"][0]["fault"] = {"statsu": 503}
    path = tmp_path / "case.json"
    path.write_text(json.dumps(data))

    with pytest.raises(FileProblems) as caught:
        StoredCase.load(path)
    assert "scenario.faults[0].fault.statsu" in str(caught.value)
    assert "did you mean 'status'" in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """It is named, with the reason."""
    with pytest.raises(UsageError, match="No such file"):
        StoredCase.load(tmp_path / "nothing.json")


def test_what_cannot_be_stored_is_not(tmp_path: Path) -> None:
    """Without a folder, without a trace, or where a file is in the way, there is no command."""
    run = play(sim_case(BUSY))
    found = simulator().judge(run.played)
    (tmp_path / "file").write_text("")

    assert keep(found, None) is None
    assert keep(found, tmp_path / "file") is None
    assert keep(Judged(Played(run.played.case, "unsupported", "why")), tmp_path) is None
    command = keep(found, tmp_path / "it's here")
    assert command is not None
    assert command.startswith("sadpath replay '")


@pytest.mark.parametrize("data", [BUSY, CUT, LIVELY], ids=["busy", "cut", "lively"])
def test_a_case_becomes_a_scenario_file(data: dict[str, Any], tmp_path: Path) -> None:
    """It lints clean, says where it comes from, and means the same."""
    stored = _stored(sim_case(data, known("article")))
    path = tmp_path / "scenarios" / "found" / "by-a-run.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(stored.to_scenario())
    loaded = load_scenario(path, tmp_path)

    assert lint_scenario(loaded, workspace().surroundings()) == []
    assert loaded.scenario == stored.scenario
    assert f"Found by sadpath {stored.sadpath} with the client article." in loaded.intro
