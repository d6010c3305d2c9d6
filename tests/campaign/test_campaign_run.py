"""Campaigns: order, several at a time, failures that are looked at again alone, and being stopped."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sadpath.core.errors import UsageError
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.server.runner import LiveServer
from sadpath.verify.campaign import Campaign, Silent, fill_results
from sadpath.verify.judging import case_result
from sadpath.verify.played import Case, Played
from sadpath.verify.results import CaseResult, Results, exit_code
from sadpath.verify.run import live_world
from sadpath.verify.summary import client_result, facts_of, summarize
from sadpath.verify.world import LiveWorld
from tests.campaign.arranged import BUSY_ONCE, READ, SILENT, campaign, case, client, workspace
from tests.campaign.small import Broken, Hangs, Hasty, Impatient, LosesBase, Slow, Stubborn, moody

BUSY = {"faults": [{"on": {"role": "read"}, "fault": {"status": 503}}], "calls": READ}


class Listening(Silent):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def began(self, cases: int) -> None:
        """Keep it."""
        self.heard.append(f"began {cases}")

    def judged(self, case: CaseResult) -> None:
        """Keep it."""
        self.heard.append(f"{case.scenario} {case.verdict}")

    def again(self, cases: int) -> None:
        """Keep it."""
        self.heard.append(f"again {cases}")

    def judged_again(self, case: CaseResult) -> None:
        """Keep it."""
        self.heard.append(f"{case.scenario} {case.verdict}")


class First(Silent):
    """Tells when the first case has ended."""

    def __init__(self) -> None:
        self.first = asyncio.Event()

    def judged(self, case: CaseResult) -> None:
        """Tell."""
        self.first.set()


def test_results_come_in_the_order_of_cases() -> None:
    """However cases overlap, they are listed as they were given, and several run at a time."""
    slow = client(Slow, "slow")
    cases = [case(BUSY_ONCE, slow, f"t/{n}", heal=False) for n in range(6)]
    started = time.monotonic()
    found = campaign(cases, jobs=6)

    assert [item.played.case for item in found.judged] == cases
    assert all(item.played.ending == "played" for item in found.judged)
    assert time.monotonic() - started < 4  # one after another it would be at least 6


def test_a_client_that_takes_one_case_at_a_time_gets_one() -> None:
    """``max_parallel`` holds, however many jobs there are."""
    alone = client(Slow, "slow")
    cases = [Case(f"t/{n}", case(BUSY_ONCE).scenario, alone) for n in range(2)]
    object.__setattr__(alone, "max_parallel", 1)
    started = time.monotonic()
    campaign(cases, jobs=8)

    assert time.monotonic() - started >= 2


def test_a_timed_failure_counts_only_if_it_happens_again_alone() -> None:
    """What failed once and held alone is flaky: shown, and no reason to fail the run."""
    watcher = Listening()
    who = client(moody(Hasty, 3), "moody")  # the first two lives say hello
    found = campaign([case(BUSY, who, heal=False)], watcher=watcher)
    (judged,) = found.judged
    clauses = found.clauses_of(who)
    result = next(
        item
        for item in client_result(facts_of(who), [summarize(j) for j in found.judged], clauses).clauses
        if item.id == "RETRY-05"
    )

    assert watcher.heard == ["began 1", "topic/case fail", "again 1", "topic/case flaky"]
    assert judged.failing() == []
    assert list(judged.flaky) == ["RETRY-05"]
    assert result.verdict == "flaky"
    assert result.findings
    assert result.findings[0].timeline


def test_a_failure_that_happens_again_counts() -> None:
    """What fails beside others and alone is the client's failure."""
    watcher = Listening()
    found = campaign([case(BUSY, client(Hasty, "hasty"), heal=False)], watcher=watcher)

    assert "RETRY-05" in found.judged[0].failing()
    assert watcher.heard == ["began 1", "topic/case fail", "again 1", "topic/case fail"]


def test_what_has_nothing_to_do_with_time_is_run_again_once() -> None:
    """A clause that fails in several cases gets one second look, which confirms it for all of them."""
    watcher = Listening()
    who = client(Stubborn, "stubborn", policy={"retry": {"max_retries": 2}})
    cases = [Case(f"t/{n}", case(BUSY, heal=False).scenario, who) for n in range(3)]
    found = campaign(cases, watcher=watcher)

    assert [judged.failing() for judged in found.judged] == [["RETRY-01", "RETRY-04"]] * 3
    assert [line for line in watcher.heard if line.startswith("again")] == ["again 1"]
    assert not any(judged.flaky for judged in found.judged)


def test_one_failure_beside_other_cases_proves_nothing() -> None:
    """A failure that does not come back alone is flaky, whatever it is about; the next case then gets its look."""
    watcher = Listening()
    who = client(moody(Stubborn, 4), "moody", policy={"retry": {"max_retries": 2}})  # two lives say hello, two fail
    object.__setattr__(who, "max_parallel", 1)
    cases = [Case(f"t/{n}", case(BUSY, heal=False).scenario, who) for n in range(2)]
    found = campaign(cases, watcher=watcher)

    assert [judged.failing() for judged in found.judged] == [[], []]
    assert [sorted(judged.flaky) for judged in found.judged] == [["RETRY-01", "RETRY-04"]] * 2
    assert [line for line in watcher.heard if line.startswith("again")] == ["again 1", "again 1"]


def test_a_hang_that_happens_once_is_flaky() -> None:
    """A call that hung beside other cases and ends when it runs alone is flaky as well."""
    promise: dict[str, Any] = {
        "policy": {"timeouts": {"connect": "50ms", "read": "100ms", "total": "300ms"}, "retry": {"max_retries": 0}}
    }
    who = client(moody(Hangs, 3, Impatient), "moody", **promise)
    found = campaign([case(SILENT, who, heal=False)])

    assert found.judged[0].failing() == []
    assert "END-01" in found.judged[0].flaky


def test_stopping_keeps_what_is_known() -> None:
    """An interrupted campaign holds the cases that had ended, says so, and stops at once."""
    cases = [
        case(BUSY_ONCE, None, "t/quick", heal=False),
        *(case(BUSY_ONCE, client(Slow, "slow"), f"t/{n}") for n in range(3)),
    ]
    results = Results()

    async def main() -> float:
        async with live_world(workspace()) as world:
            watcher = First()
            found = Campaign(world, cases, jobs=4, watcher=watcher)
            running = asyncio.ensure_future(found.run())
            await watcher.first.wait()
            started = time.monotonic()
            found.interrupt()
            await running
            fill_results(results, found, [cases[0].client], world)
            return time.monotonic() - started

    seconds = asyncio.run(main())

    assert seconds < 2
    assert [item.scenario for item in results.cases] == ["t/quick"]
    assert (results.interrupted, results.planned) == (True, 4)
    assert exit_code(results) == 130


def test_a_doubtful_failure_that_could_not_be_looked_at_again_does_not_count() -> None:
    """Stopped before its second look, a timed failure is flaky, with the reason."""
    cases = [case(BUSY, client(Hasty, "hasty"), "t/hasty", heal=False), case(BUSY_ONCE, client(Slow, "slow"), "t/slow")]

    async def main() -> Campaign:
        async with live_world(workspace()) as world:
            watcher = First()
            found = Campaign(world, cases, jobs=2, watcher=watcher)
            running = asyncio.ensure_future(found.run())
            await watcher.first.wait()
            found.interrupt()
            await running
            return found

    (judged,) = asyncio.run(main()).judged

    assert judged.failing() == []
    assert "RETRY-05" in judged.flaky
    assert case_result(judged).verdict == "flaky"
    assert "not run again" in str(case_result(judged).why)


def test_parties_are_told_apart_in_the_errors() -> None:
    """A driver's mistake and an author's mistake are listed with their party, and never become findings."""
    author = [{"on": {"role": "read"}, "fault": {"status": {"code": 503, "body": {"fixture": "no-such-payload"}}}}]
    broken, small = client(Broken, "broken"), client()
    found = campaign(
        [case(BUSY_ONCE, broken), case({"calls": READ}, small, faults=author, name="t/author"), case(BUSY_ONCE, small)]
    )
    results = Results()

    async def fill() -> None:
        fill_results(results, found, [broken, small], live_world(workspace()))

    asyncio.run(fill())

    assert [(error.party, error.where) for error in results.errors] == [
        ("driver", "topic/case@broken"),
        ("author", "t/author@small"),
    ]
    assert [item.verdict for item in results.cases] == ["driver_error", "not_exercised", "pass"]
    assert exit_code(results) == 2


class Failing(LiveWorld):
    """A world in which one case meets a mistake of ours."""

    async def play(self, case: Case) -> Played:
        """Fail for one case."""
        if case.scenario_name == "t/unlucky":
            raise ZeroDivisionError("oops")
        return await super().play(case)


def test_our_own_mistake_ends_one_case_only() -> None:
    """A failure of the world is sadpath's own error; the other cases are judged."""
    cases = [case(BUSY_ONCE, None, name, heal=False) for name in ("t/unlucky", "t/lucky")]
    results = Results()

    async def main() -> None:
        async with Failing(lambda: LiveServer(workspace())) as world:
            found = Campaign(world, cases)
            await found.run()
            fill_results(results, found, [item.client for item in cases], world)

    asyncio.run(main())

    assert [item.verdict for item in results.cases] == ["harness_error", "pass"]
    assert [(error.party, error.message) for error in results.errors] == [("sadpath", "ZeroDivisionError: oops")]
    assert exit_code(results) == 3


def test_traffic_without_the_base_path_is_reported_once() -> None:
    """A client that loses its base path is told so, with what reached the default session."""
    found = campaign([case(BUSY_ONCE, client(LosesBase, "lost"), heal=False)])

    assert [(error.party, error.where) for error in found.errors] == [("client", "lost")]
    assert found.errors[0].message == (
        "GET /users/1 reached the default session: the client lost the base path; use own_port"
    )


def test_two_cases_of_one_name_are_refused() -> None:
    """Cases are told apart by scenario and client, so two clients of one name cannot be judged together."""
    one = client()
    two = client()

    assert isinstance(one.driver, InProcessDriver)
    with pytest.raises(UsageError, match="asked for twice"):
        campaign([case(BUSY_ONCE, one), case(BUSY_ONCE, two)])
