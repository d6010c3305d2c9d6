"""The kill rate: known-bad clients are caught, survivors are named, nothing is caught by chance."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sadpath.core.errors import UsageError
from sadpath.verify.clauses import clause
from sadpath.verify.contract import Contract
from sadpath.verify.hunting import verify_known_bad
from sadpath.verify.known_bad import BadClient, likeliest_first
from sadpath.verify.results import Results, exit_code
from sadpath.verify.run import Job, choose_scenarios, live_world
from sadpath.workspace import Workspace
from tests.campaign.arranged import BUSY_ONCE, CUT, READ, scenario, workspace
from tests.campaign.small import CAPABILITIES, POLICY, Broken, Escapes, Hasty, Small, Stubborn, moody

BUSY = {"faults": [{"on": {"role": "read"}, "fault": {"status": 503}}], "calls": READ}
SCENARIOS: dict[str, dict[str, Any]] = {"cache/once": BUSY_ONCE, "errors/cut": CUT, "retry/busy": BUSY}


Run = Callable[..., Results]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that tries known-bad clients in a workspace of three scenarios."""
    for name, data in SCENARIOS.items():
        path = tmp_path / "scenarios" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(scenario(data, heal=False).to_yaml("A test."))
    return functools.partial(_try, Workspace(tmp_path))


def _try(where: Workspace, *bad: BadClient, expected: str | None = None) -> Results:
    job = Job(where, choose_scenarios(where, []), live_world(where), jobs=4)
    contract = Contract.model_validate(
        {
            "client": "reference",
            "driver": {"python": "x:y"},
            "capabilities": CAPABILITIES,
            "policy": POLICY,
            "expected_failures": [] if expected is None else [{"clause": expected, "reason": "The good one does."}],
        }
    )
    return verify_known_bad(job, bad=bad, contract=contract)


def test_each_is_caught_by_the_clause_that_it_names(run: Run) -> None:
    """Every known-bad client fails its clauses, those about time alone once more; the run succeeds."""
    results = run(
        BadClient("stubborn", Stubborn, ("RETRY-01",)),
        BadClient("hasty", Hasty, ("RETRY-05",)),
        BadClient("escapes", Escapes, ("ERROR-01", "RETRY-03")),
    )
    rate = results.kill_rate

    assert rate is not None
    assert (rate.bad, rate.killed, rate.survivors) == (3, 3, [])
    assert {item.id: (item.bad, item.killed) for item in rate.clauses} == {
        "ERROR-01": (1, 1), "RETRY-01": (1, 1), "RETRY-03": (1, 1), "RETRY-05": (1, 1),
    }  # fmt: skip
    assert exit_code(results) == 0


def test_what_is_expected_of_another_excuses_nobody(run: Run) -> None:
    """The failures that the borrowed contract expects of its own client are failures of a known-bad one."""
    results = run(BadClient("stubborn", Stubborn, ("RETRY-01",)), expected="RETRY-*")

    assert [case.verdict for case in results.cases] == ["fail"]
    assert results.kill_rate is not None
    assert results.kill_rate.killed == 1


def test_the_likeliest_scenarios_come_first_and_the_rest_only_if_need_be(run: Run) -> None:
    """A client that is caught in its clause's own topic is not run through everything."""
    results = run(BadClient("stubborn", Stubborn, ("RETRY-01",)))

    assert [case.scenario for case in results.cases] == ["retry/busy"]


@pytest.mark.parametrize(
    ("name", "topic"), [("END-01", "transport"), ("IDEM-02", "idempotency"), ("PAGE-01", "pagination")]
)
def test_each_family_has_its_topics(name: str, topic: str) -> None:
    """The scenarios that are about a clause's family come before all others."""
    order = [item.name.partition("/")[0] for item in likeliest_first(workspace().find("*"), [clause(name)])]

    assert order[: order.count(topic)] == [topic] * order.count(topic)
    assert topic in order


def test_a_survivor_fails_the_run_and_is_named(run: Run) -> None:
    """A good client among the bad ones is not caught: the clause, or the client, is at fault."""
    results = run(BadClient("harmless", Small, ("RETRY-01",)), BadClient("stubborn", Stubborn, ("RETRY-01",)))
    rate = results.kill_rate

    assert rate is not None
    assert (rate.bad, rate.killed) == (2, 1)
    assert [(item.name, item.clause) for item in rate.survivors] == [("harmless", "RETRY-01")]
    assert "held in 3 cases" in rate.survivors[0].why
    assert exit_code(results) == 1


def test_a_clause_that_nothing_exercises_catches_nobody(run: Run) -> None:
    """The reason is given: no case put the clause to the test."""
    rate = run(BadClient("stubborn", Stubborn, ("IDEM-02",))).kill_rate

    assert rate is not None
    assert rate.survivors[0].why == "none of 3 cases put the clause to the test"


def test_what_fails_only_beside_others_is_not_caught(run: Run) -> None:
    """A clause about time must fail again alone; a client that was slow once is not known to be bad."""
    rate = run(BadClient("moody", moody(Hasty, 2), ("RETRY-05",))).kill_rate

    assert rate is not None
    assert rate.survivors[0].why == "it failed beside other cases, but not alone"


def test_one_that_was_not_sure_does_not_end_the_hunt(run: Run) -> None:
    """Where a clause failed beside other cases and not alone, the hunt goes on in the next scenario, and may succeed."""
    lives = itertools.count()

    def create() -> Small:
        return Small() if next(lives) == 2 else Hasty()

    results = run(BadClient("moody", create, ("RETRY-05",)))
    rate = results.kill_rate

    assert rate is not None
    assert (rate.killed, rate.survivors) == (1, [])
    assert [(case.scenario, case.verdict) for case in results.cases] == [
        ("retry/busy", "flaky"),
        ("cache/once", "fail"),
    ]


def test_a_client_that_cannot_be_made_is_no_success(run: Run) -> None:
    """A broken adapter is an error of the driver, and its client has not been caught."""
    results = run(BadClient("broken", Broken, ("RETRY-01",)))

    assert results.errors
    assert results.errors[0].party == "driver"
    assert exit_code(results) == 1


def test_clauses_are_known_by_name(run: Run) -> None:
    """A known-bad client that names an unknown clause is refused."""
    with pytest.raises(UsageError, match="no clause 'RETRY-99'"):
        run(BadClient("odd", Small, ("RETRY-99",)))
