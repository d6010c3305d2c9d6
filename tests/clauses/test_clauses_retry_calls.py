"""RETRY-14 and RETRY-17 on told traces: what is promised for a call as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import Story

TOTAL = {"timeouts": {"total": "1s"}}

# RETRY-14


@given(st.floats(0.0, 0.98), st.floats(1.01, 5.0))
def test_a_call_ends_in_its_time(short: float, long: float) -> None:
    """RETRY-14 holds exactly where a call ends within its total deadline."""
    for wait, verdict in ((short, "pass"), (long, "fail")):
        story = Story(policy=TOTAL)
        story.call().meets(503).waits(wait).fails("server", 503)
        assert story.verdict("RETRY-14") == verdict


def test_a_hang_is_beyond_every_deadline() -> None:
    """RETRY-14 fails for a call that never ends."""
    story = Story(policy=TOTAL)
    story.call().gives_up().hangs()

    assert story.verdict("RETRY-14") == "fail"


def test_nothing_is_sent_after_the_deadline() -> None:
    """RETRY-14 fails for an attempt that comes after the call has reported its end."""
    story = Story(policy=TOTAL)
    call = story.call().meets(503).waits(0.9).fails("timeout.total")
    call.waits(0.5).meets(200)

    assert "after its 1.000 s were over" in story.sentences("RETRY-14")[0]


@pytest.mark.parametrize(("kind", "verdict"), [("timeout.total", "fail"), ("server", "pass")])
def test_no_wait_begins_that_would_cross_it(kind: str, verdict: str) -> None:
    """RETRY-14 fails where the deadline meets a call in its wait; one that ends for another reason is let be."""
    story = Story(policy=TOTAL)
    story.call().meets(503).waits(0.99).fails(kind)

    assert story.verdict("RETRY-14") == verdict


def test_waiting_for_the_answer_is_no_vain_wait() -> None:
    """RETRY-14 lets the deadline end an attempt that is under way, or a refresh."""
    silent = Story(policy=TOTAL | {"timeouts": {"total": "1s", "read": "5s"}})
    silent.call().meets(503).waits(0.1).gives_up(after=0.89).fails("timeout.total")
    assert silent.verdict("RETRY-14") == "pass"

    refreshing = Story(policy=TOTAL)
    call = refreshing.call().meets(401)
    refreshing.refresh(takes=0.99)
    call.fails("timeout.total")
    assert refreshing.verdict("RETRY-14") == "pass"


def test_a_quick_call_proves_nothing() -> None:
    """RETRY-14 is not exercised by a call that just went well, and unsupported without a total."""
    story = Story()
    story.call().meets(200).ok()
    assert story.verdict("RETRY-14") == "not_exercised"

    unbounded = Story(policy={"timeouts": {"total": None}})
    unbounded.call().breaks().fails("reset")
    assert unbounded.verdict("RETRY-14") == "unsupported"


# RETRY-17


def _two(first: int, second: int) -> Story:
    """Tell of two calls one after another on a server that is away, with so many retries each."""
    story = Story(policy={"retry": {"budget": None}})
    for retries in (first, second):
        call = story.call().meets(503)
        for _ in range(retries):
            call.waits(0.3).meets(503)
        call.fails("server", 503)
    return story


@given(st.integers(0, 2))
def test_each_call_has_its_own_retries(second: int) -> None:
    """RETRY-17 holds exactly where the second call is retried as often as the first."""
    assert _two(2, second).verdict("RETRY-17") == ("pass" if second == 2 else "fail")


def test_too_few_for_both_is_not_this_clause_s_business() -> None:
    """RETRY-17 does not see a shared count where nobody retried at all: that is RETRY-03."""
    assert _two(0, 0).verdict("RETRY-17") == "pass"
    assert _two(0, 0).verdict("RETRY-03") == "fail"


def test_a_budget_may_be_spent() -> None:
    """RETRY-17 lets a shared budget, which is promised, stop the second call."""
    story = _two(2, 0)
    story.policy = {"retry": {"budget": {"tokens": 2, "cost": 1, "refill": 0}}}

    assert story.verdict("RETRY-17") == "pass"


def test_another_sort_of_failure_is_another_matter() -> None:
    """RETRY-17 accuses no client that retries answers and no bodies that broke off: that is RETRY-03."""
    for broken, verdict in ((True, "pass"), (False, "fail")):
        story = Story(policy={"retry": {"budget": None}})
        call = story.call().meets(503)
        for _ in range(2):
            call.waits(0.3).meets(503)
        call.fails("server", 503)
        other = story.call()
        (other.breaks_off().fails("truncated") if broken else other.meets(503).fails("server", 503))
        assert story.verdict("RETRY-17") == verdict
        assert story.verdict("RETRY-03") == "fail"


def test_who_gives_up_early_by_itself_shares_nothing() -> None:
    """RETRY-17 accuses no client whose first call fell short with nobody beside it: that is RETRY-03."""
    assert _two(1, 1).verdict("RETRY-17") == "pass"
    assert _two(1, 1).verdict("RETRY-03") == "fail"


def test_one_failing_call_proves_nothing() -> None:
    """RETRY-17 needs two calls that should be retried."""
    story = Story()
    story.call().meets(503).fails("server", 503)
    story.call().meets(200).ok()

    assert story.verdict("RETRY-17") == "not_exercised"


@pytest.mark.parametrize(
    ("first", "second", "failing"), [(0, 2, 0), (1, 0, 0), (1, 1, 0), (2, 0, 1), (2, 1, 1), (2, 2, 0)]
)
def test_what_looks_like_a_shared_count(first: int, second: int, failing: int) -> None:
    """RETRY-17 asks whether all retries up to a call's end make up what each was promised; later ones do not count."""
    assert len(_two(first, second).sentences("RETRY-17")) == failing


def test_the_sentence_on_a_shared_count() -> None:
    """RETRY-17 names the answer that was not retried, both counts, and what the other call did first."""
    found = _two(2, 1).judge("RETRY-17").findings[0]

    assert found.sentence == (
        "Call c1/0 (users.get id=1) met a 503 in exchange 5 and failed as server (503) after 1 of 2 promised retries, "
        "while other calls made 2: they seem to share one count."
    )
    assert found.exchanges == (4, 5, 1, 2, 3)


def test_walks_are_left_out_and_others_are_not() -> None:
    """RETRY-17 leaves out walks, which are several requests, and looks at the calls behind them."""
    story = Story(policy={"retry": {"budget": None}})
    story.call("orders.list", {"limit": 2}, pages=True).meets(503).fails("server", 503)
    for retries in (2, 0):
        call = story.call().meets(503)
        for _ in range(retries):
            call.waits(0.3).meets(503)
        call.fails("server", 503)

    assert [found.call for found in story.judge("RETRY-17").findings] == ["c2/0"]


# More of RETRY-14


def test_a_second_exchange_is_enough_for_time_to_matter() -> None:
    """RETRY-14 is exercised by a call that needed two exchanges, by one that met a fault, and by one that never ended."""
    two, slow, hanging = Story(), Story(), Story()
    two.call().meets(200).meets(200).ok()
    slow.call().meets(200, fired=[FiredFault("delay", "request")]).ok()
    hanging.call().hangs()

    assert [story.verdict("RETRY-14") for story in (two, slow, hanging)] == ["pass", "pass", "fail"]


@pytest.mark.parametrize(("took", "verdict"), [(1.45, "pass"), (1.55, "fail")])
def test_a_real_machine_takes_its_time(took: float, verdict: str) -> None:
    """RETRY-14 leaves half a second to a busy machine where time is real."""
    story = Story(policy=TOTAL, world="live")
    call = story.call().breaks()
    story.t = call.started + took - 0.001
    call.fails("reset")

    assert story.verdict("RETRY-14") == verdict


@pytest.mark.parametrize(("took", "verdict"), [(900.0, "pass"), (1100.0, "fail")])
def test_the_driver_s_own_clock_goes_first(took: float, verdict: str) -> None:
    """RETRY-14 goes by the times that the driver reports of a call, where it does."""
    for lasts in (0.5, 3.0):
        story = Story(policy=TOTAL)
        call = story.call().breaks()
        story.t = call.started + lasts
        call.fails("reset", started_ms=100.0, ended_ms=100.0 + took)
        assert story.verdict("RETRY-14") == verdict


@pytest.mark.parametrize(("late", "verdict"), [(0.5, "pass"), (2.5, "pass"), (3.5, "fail")])
def test_a_clock_that_was_moved_is_no_late_attempt(late: float, verdict: str) -> None:
    """RETRY-14 allows for the time by which the clock was moved on while an attempt was made."""
    story = Story(policy=TOTAL, scenario={"calls": [{"advance": "2s"}]})
    call = story.call().meets(503).waits(0.5).fails("server", 503)
    call.story.t = call.started + late
    call.meets(200)

    assert story.verdict("RETRY-14") == verdict


def test_the_sentences_on_a_call_s_time() -> None:
    """RETRY-14 says how long a call took, or what was sent too late, and what is promised."""
    long, late, vain = Story(policy=TOTAL), Story(policy=TOTAL), Story(policy=TOTAL)
    call = long.call().meets(503)
    long.t = call.started + 2.499
    call.fails("server", 503)
    call = late.call().meets(503).waits(0.9).fails("server", 503)
    late.t = call.started + 1.5
    call.meets(503).meets(200)
    call = vain.call().meets(500).meets(503)
    vain.t = call.started + 0.999
    call.fails("timeout.total")

    assert long.sentences("RETRY-14")[0].endswith(
        "failed as server (503) after 2.500 s, where the contract promises an end after 1.000 s."
    )
    assert late.sentences("RETRY-14")[0].endswith("sent exchanges 2 and 3 after its 1.000 s were over.")
    assert vain.sentences("RETRY-14")[0].endswith(
        "met a 503 in exchange 2, and then waited the 0.990 s to its deadline for an attempt that could not come."
    )


@pytest.mark.parametrize(("wait", "verdict"), [(0.13, "pass"), (0.17, "fail")])
def test_three_round_trips_are_no_wait(wait: float, verdict: str) -> None:
    """RETRY-14 does not take for a wait what a few round trips may be."""
    story = Story(policy=TOTAL, scenario={"given": {"network": {"latency": "50ms"}}})
    call = story.call()
    story.t = call.started + 1.0 - wait - 0.005
    call.meets(503)
    story.t = call.started + 0.999
    call.fails("timeout.total")

    assert story.verdict("RETRY-14") == verdict


@pytest.mark.parametrize("how", ["beside another", "a walk", "a 401", "left", "behind a port", "well", "a good answer"])
def test_other_waits_than_for_a_retry(how: str) -> None:
    """RETRY-14 says nothing of a wait that may be for something else than the next attempt."""
    faults = {"faults": [{"on": "connection", "fault": "accept_close"}]} if how == "behind a port" else {}
    story = Story(policy=TOTAL, scenario=faults)
    call = story.call(parallel=how == "beside another", pages=how == "a walk")
    if how == "left":
        call.gives_up(after=0.1)
    elif how == "well":
        call.meets(503).meets(200)
    else:
        call.meets({"a 401": 401, "a good answer": 200}.get(how, 503), fired=[FiredFault("delay", "request")])
    story.t = call.started + 0.999
    call.fails("timeout.total")

    assert story.verdict("RETRY-14") == "pass"


@pytest.mark.parametrize(("at", "verdict"), [(-0.4, "fail"), (0.1, "pass"), (0.6, "pass"), (1.2, "fail")])
def test_only_a_refresh_meanwhile_is_a_reason_to_wait(at: float, verdict: str) -> None:
    """RETRY-14 excuses a wait by a refresh that was under way between the failure and the deadline."""
    story = Story(policy=TOTAL, t=2.0)
    story.call("users.list").meets(200).ok()
    story.t = 3.0
    call = story.call().meets(503)
    began = call.started
    story.refresh(at=began + at, takes=0.1)
    story.t = began + 0.999
    call.fails("timeout.total")

    assert story.verdict("RETRY-14") == verdict


def test_an_attempt_just_before_the_deadline_is_none_after_it() -> None:
    """RETRY-14 counts an attempt as late only where it came after the deadline by more than a round trip."""
    for at, verdict in ((0.98, "pass"), (1.03, "pass"), (1.2, "fail")):
        story = Story(policy=TOTAL, scenario={"given": {"network": {"latency": "50ms"}}})
        call = story.call().meets(503)
        story.t = call.started + 0.9
        call.fails("server", 503)
        story.t = call.started + at
        call.meets(200)
        assert story.verdict("RETRY-14") == verdict


def test_half_a_clock_is_none() -> None:
    """RETRY-14 goes by the trace's times where a driver does not report both of its own, and says what it went by."""
    half: list[dict[str, Any]] = [{"ended_ms": 5000.0}, {"started_ms": 0.0}]
    for facts in half:
        story = Story(policy=TOTAL)
        story.call().breaks().fails("reset", **facts)
        assert story.verdict("RETRY-14") == "pass"

    story = Story(policy=TOTAL)
    story.call().breaks().fails("reset", started_ms=0.0, ended_ms=5000.0)
    assert "failed as reset after 5.000 s, " in story.sentences("RETRY-14")[0]


def test_an_exchange_without_an_end_was_no_wait() -> None:
    """RETRY-14 does not know from when on a call waited whose last exchange has no end."""
    story = Story(policy=TOTAL)
    call = story.call().meets(503)
    story.events[0].t_ended = None
    story.t = call.started + 0.999
    call.fails("timeout.total")

    assert story.verdict("RETRY-14") == "pass"


def test_a_walk_is_never_blamed_and_the_first_of_the_others_is_named() -> None:
    """RETRY-17 leaves out a walk that fails at the end, and names the first of the calls that made retries."""
    story = _two(2, 1)
    story.call("orders.list", {"limit": 2}, pages=True).meets(503).fails("server", 503)
    assert [found.call for found in story.judge("RETRY-17").findings] == ["c1/0"]

    story = _two(2, 1)
    story.call().meets(503).fails("server", 503)
    assert story.judge("RETRY-17").findings[-1].exchanges == (6, 1, 2, 3)
