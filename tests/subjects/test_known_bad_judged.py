"""Known-bad clients before the judge: each is caught by the clauses that it names, where the good client holds."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

import sadpath.faults  # noqa: F401 - fills the vocabulary
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.scenario.loader import read_scenario
from sadpath.subjects.http_cache import create as create_with_http_cache
from sadpath.subjects.known_bad import KnownBad, all_known_bad
from sadpath.subjects.known_bad.retries_a_failed_retry import Client as RetriesAFailedRetry
from sadpath.subjects.reference import create
from sadpath.verify.clauses import all_clauses
from sadpath.verify.clients import make_client
from sadpath.verify.contract import load_contract
from sadpath.verify.expectation import SCEN_01
from sadpath.verify.judging import Judged
from sadpath.verify.played import Case
from sadpath.verify.simworld import Simulator
from sadpath.workspace import find_workspace
from tests.subjects.exhibits import EXHIBITS, GET, met

BAD = {bad.name: bad for bad in all_known_bad()}
GOOD = {"reference": create, "http-cache": create_with_http_cache}
"""The good clients, by the names of the contracts that known-bad ones are judged by."""


@cache
def simulator() -> Simulator:
    """Return the simulated world of the reference workspace."""
    return Simulator(find_workspace())


def judged(name: str, factory: Any, story: dict[str, Any], promises: str = "reference") -> Judged:
    """Play a scenario with a client that promises what another promises, and judge it by every clause."""
    contract = load_contract(promises, find_workspace().root).model_copy(update={"client": name})
    driver = InProcessDriver(factory, name=name)
    client = make_client(contract, driver, factory().hello(), profile="quick", command="")
    played = simulator().play(Case(f"exhibits/{name}", read_scenario(story), client, world="sim")).played
    assert played.ending == "played", played.why
    return simulator().judge(played)


def built(bad: KnownBad) -> set[str]:
    """Return those of a client's clauses that there are."""
    return {item.id for item in all_clauses()} & set(bad.clauses)


FIRST = {
    "END-01", "RETRY-01", "RETRY-02", "RETRY-03", "RETRY-05", "RETRY-07", "RETRY-12", "AUTH-01", "AUTH-03", "AUTH-04",
    "AUTH-07", "CACHE-01", "CACHE-02", "CACHE-06", "ERROR-01", "ERROR-02", "ERROR-03", "ERROR-05", "POOL-01", "IDEM-01",
    "IDEM-02",
}  # fmt: skip
"""The clauses that were built first; each has clients here to prove its teeth."""


def test_the_first_clauses_have_exhibits() -> None:
    """Each clause of the first ones is named by a client that has an exhibit."""
    assert {clause for name in EXHIBITS for clause in built(BAD[name])} >= FIRST


@pytest.mark.parametrize("name", EXHIBITS)
def test_a_known_bad_client_is_caught(name: str) -> None:
    """Every clause that a client names fails it in one of its exhibits, in which nothing fails the good client."""
    bad = BAD[name]
    assert built(bad)
    caught: set[str] = set()
    for story in EXHIBITS[name]:
        good = judged(bad.contract, GOOD[bad.contract], story, bad.contract)
        worse = judged(name, bad.create, story, bad.contract)
        assert good.unexpected() == []
        assert good.played.left_over == worse.played.left_over == []
        caught.update(worse.failing())

    assert built(bad) <= caught


def test_a_wait_that_is_too_long_shows_where_time_is_exact() -> None:
    """In the simulated world RETRY-05 also catches waits that are longer than promised; the client does not name it.

    On real sockets such a wait may be the machine's, so there the clause says nothing of it.
    """
    story = met({"status": 503}, GET, {"users.get": {"id": 2}})
    name = "doubles-the-first-wait"
    good, worse = judged("reference", create, story), judged(name, BAD[name].create, story)

    assert "RETRY-05" in good.exercised()
    assert good.unexpected() == []
    assert worse.unexpected() == ["RETRY-05"]


@pytest.mark.slow
def test_the_client_that_retries_retries_is_good_if_it_retries_once() -> None:
    """With one retry, promised and kept, the client that is known for two breaks nothing in any scenario of retries."""

    class Once(RetriesAFailedRetry):
        name = "retries-once"
        retries = 1

    promised = {"retry": {"max_retries": 1}}
    contract = load_contract("reference", find_workspace().root).with_profile("quick")
    once = contract.model_copy(
        update={"client": Once.name, "expected_failures": (), "policy": contract.policy.merged(promised)}
    )
    client = make_client(once, InProcessDriver(Once, name=Once.name), Once().hello(), profile="published", command="")
    tested = 0
    for loaded in find_workspace().find("retry/*"):
        played = simulator().play(Case(loaded.name, loaded.scenario, client, world="sim")).played
        assert played.ending == "played", played.why
        found = simulator().judge(played)
        assert (loaded.name, [name for name in found.failing() if name != SCEN_01.id]) == (loaded.name, [])
        tested += "RETRY-04" in found.exercised()

    assert tested >= 3


def test_the_judge_sees_the_same_each_time() -> None:
    """A case with the reference client is the same on every run, down to the last byte."""
    story = EXHIBITS["new-key-each-attempt"][0]
    contract = load_contract("reference", find_workspace().root)
    client = make_client(
        contract, InProcessDriver(create, name="reference"), create().hello(), profile="quick", command=""
    )
    case = Case("exhibits/twice", read_scenario(story), client, world="sim")

    assert simulator().play(case).digest == simulator().play(case).digest
