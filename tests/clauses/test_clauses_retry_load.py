"""RETRY-04 and RETRY-16 on told traces: what retries cost a server that is in trouble already."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story, truth

ROOMY: dict[str, Any] = {"timeouts": {"total": "600s"}}
TEMPORARY = st.sampled_from([408, 429, 502, 503, 504])


def _policy(**retry: Any) -> dict[str, Any]:
    return {**ROOMY, "retry": {"budget": None, **retry}}


def _tried(story: Story, code: int, retries: int, **facts: Any) -> None:
    """Tell of a call that fails again and again."""
    call = story.call().meets(code, **facts)
    for _ in range(retries):
        call.waits(0.3).meets(code, **facts)
    call.fails("server", code)


# RETRY-04


@truth("RETRY-04")
@given(TEMPORARY, st.integers(1, 5), st.booleans())
def test_a_failed_retry_is_not_retried(code: int, retries: int, ends_well: bool) -> None:
    """RETRY-04 holds for one retry that fails, and fails from the second one on, whatever is promised."""
    story = Story(policy=_policy(max_retries=5 if retries > 1 else 1))
    call = story.call().meets(code)
    for _ in range(retries):
        call.waits(0.3).meets(code)
    if ends_well and retries > 1:
        call.waits(0.3).meets(200).ok()
    else:
        call.fails("server", code)

    assert story.verdict("RETRY-04") == ("pass" if retries == 1 else "fail")


def test_its_sentence_names_all_three() -> None:
    """RETRY-04 says which retry was retried, and upon what."""
    story = Story(policy=_policy())
    _tried(story, 503, 2)

    assert story.sentences("RETRY-04") == [
        "Call c0/0 (users.get id=1) was retried (exchange 2), and retried again (exchange 3) when the retry met a 503."
    ]
    assert story.judge("RETRY-04").findings[0].exchanges == (1, 2, 3)


def test_a_client_that_would_have_gone_on_proves_nothing() -> None:
    """RETRY-04 is not exercised where the call was over for another reason: its deadline, its cancel, its budget."""
    deadline = Story(policy={"timeouts": {"total": "1s"}, "retry": {"first_delay": "800ms", "max_delay": "800ms"}})
    _tried(deadline, 503, 1)
    left = Story(policy=_policy())
    left.call(cancel_after=0.35).meets(503).waits(0.3).meets(503).waits(0.1).cancelled()
    spent = Story(policy=_policy(budget={"tokens": 1, "cost": 1, "refill": 0}))
    _tried(spent, 503, 1)

    assert {item.verdict("RETRY-04") for item in (deadline, left, spent)} == {"not_exercised"}


def test_what_tempts_nobody_is_no_test() -> None:
    """RETRY-04 is not exercised by a retry that succeeds or meets a final answer, nor by what is no retry."""
    well, final, replay = (Story(policy=_policy(max_retries=1)) for _ in range(3))
    well.call().meets(503).waits(0.3).meets(200).ok()
    final.call().meets(503).waits(0.3).meets(404).fails("not_found", 404)
    replay.call().meets(401).meets(503).waits(0.3).meets(200).ok()

    assert {item.verdict("RETRY-04") for item in (well, final, replay)} == {"not_exercised"}


def test_who_is_asked_to_come_again_may() -> None:
    """RETRY-04 says nothing of attempts that the server asked for itself, by Retry-After."""
    story = Story(policy=_policy())
    _tried(story, 503, 2, headers=[("retry-after", "0")])

    assert story.verdict("RETRY-04") == "not_exercised"


@pytest.mark.parametrize("code", [503, 404])
def test_it_holds_for_clients_that_promise_nothing(code: int) -> None:
    """RETRY-04 is a standard's advice: it counts where nothing is promised about retries, and a temporary answer came."""
    unpromised = dict.fromkeys(("max_retries", "statuses", "transport", "methods", "first_delay", "jitter"))
    story = Story(policy=_policy(**unpromised) | {"timeouts": {"total": None}})
    _tried(story, 503, 0)
    call = story.call().meets(503).waits(0.3).meets(code)
    call.fails("server", code)

    assert story.verdict("RETRY-04") == ("pass" if code == 503 else "not_exercised")


# RETRY-16


@truth("RETRY-16")
@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 2), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_an_outage_spends_the_budget_and_no_more(calls: int, tokens: int, retries: int, refill: float) -> None:
    """RETRY-16 holds exactly where no more retries are made than the budget pays for."""
    story = Story(policy=_policy(budget={"tokens": tokens, "cost": 1, "refill": refill}))
    for _ in range(calls):
        _tried(story, 503, retries)

    # With two promised retries a call wants at least one more than it made, unless it made both.
    wanted = calls * (retries if retries == 2 else retries + 1)
    exercised = wanted > tokens
    assert story.verdict("RETRY-16") == (
        "not_exercised" if not exercised else "fail" if calls * retries > tokens else "pass"
    )


@given(st.integers(0, 30))
def test_successes_earn_retries(successes: int) -> None:
    """RETRY-16 counts what went well before a retry, by the promised refill."""
    story = Story(policy=_policy(budget={"tokens": 1, "cost": 1, "refill": 0.1}))
    _tried(story, 503, 1)
    for _ in range(successes):
        story.call().meets(200).ok()
    _tried(story, 503, 1)
    for _ in range(4):
        _tried(story, 503, 0)

    assert story.verdict("RETRY-16") == ("pass" if successes >= 10 else "fail")


@pytest.mark.parametrize(("kind", "verdict"), [("server", "fail"), ("timeout.pool", "pass"), ("unauthorized", "pass")])
def test_first_attempts_are_free(kind: str, verdict: str) -> None:
    """RETRY-16 fails where a call fails without a request once the budget is spent, unless its kind says why."""
    story = Story(policy=_policy(budget={"tokens": 2, "cost": 1, "refill": 0}))
    _tried(story, 503, 2)
    _tried(story, 503, 0)
    story.call().waits(0.01).fails(kind)

    assert story.verdict("RETRY-16") == verdict


def test_a_budget_that_is_not_spent_blocks_nobody() -> None:
    """RETRY-16 does not take a call without a request for one that the budget had blocked while there was some left."""
    story = Story(policy=_policy(budget={"tokens": 5, "cost": 1, "refill": 0}))
    story.call().waits(0.01).fails("server")
    for _ in range(4):
        _tried(story, 503, 1)

    assert story.verdict("RETRY-16") == "pass"


def test_one_call_is_no_outage() -> None:
    """RETRY-16 is not exercised where the budget suffices, and unsupported without one."""
    story = Story(policy=_policy(budget={"tokens": 10, "cost": 1, "refill": 0.1}))
    _tried(story, 503, 2)
    assert story.verdict("RETRY-16") == "not_exercised"

    without = Story(policy=_policy())
    _tried(without, 503, 2)
    assert without.verdict("RETRY-16") == "unsupported"


# More of RETRY-04


@pytest.mark.parametrize("code", [400, 407, 408, 409, 424, 425, 426, 428, 429, 430, 500, 501, 502, 503, 504, 505])
def test_what_is_taken_for_temporary(code: int) -> None:
    """RETRY-04 expects a retry, where nothing is promised, upon 408, 425, 429, 502, 503 and 504 alone."""
    unpromised = dict.fromkeys(("max_retries", "statuses", "transport", "methods", "first_delay", "jitter"))
    story = Story(policy=_policy(**unpromised) | {"timeouts": {"total": None}})
    story.call().meets(503).waits(0.3).meets(code).fails("server", code)

    assert story.verdict("RETRY-04") == ("pass" if code in (408, 425, 429, 502, 503, 504) else "not_exercised")


@pytest.mark.parametrize(("transport", "verdict"), [(None, "pass"), (False, "not_exercised"), (True, "pass")])
def test_a_broken_retry_tempts_where_it_may_be_retried(transport: bool | None, verdict: str) -> None:
    """RETRY-04 is exercised by a retry whose connection broke, where that is promised to be retried, or nothing is."""
    story = Story(policy=_policy(max_retries=2, transport=transport))
    story.call().meets(503).waits(0.3).breaks("rst").fails("reset")

    assert story.verdict("RETRY-04") == verdict


ASKS: dict[str, Any] = {"headers": [("retry-after", "0")]}


@pytest.mark.parametrize("asking", [0, 1, 2])
def test_whichever_attempt_the_server_asked_for(asking: int) -> None:
    """RETRY-04 is not exercised where the server asked for one of the last two attempts, and it is by what came before."""
    story = Story(policy=_policy(max_retries=3))
    call = story.call()
    for number in range(3):
        call.waits(0.3 if number else 0.0).meets(503, **(ASKS if number == asking else {}))
    call.fails("server", 503)

    assert story.verdict("RETRY-04") == {0: "pass", 1: "not_exercised", 2: "fail"}[asking]


def test_the_last_step_must_be_a_retry() -> None:
    """RETRY-04 is not exercised by a replay behind a retry."""
    story = Story(policy=_policy(max_retries=2))
    call = story.call().meets(503).waits(0.3).meets(401)
    story.refresh()
    call.meets(503).fails("server", 503)

    assert story.verdict("RETRY-04") == "not_exercised"


# More of RETRY-16


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, "pass"), (404, "pass"), (499, "pass"), (500, "fail"), (501, "fail"), (503, "fail"), (429, "fail")],
)
def test_which_answers_earn(status: int, verdict: str) -> None:
    """RETRY-16 takes every answer for earned that is no server's error and not promised to be retried."""
    story = Story(policy=_policy(statuses=[429, 503], budget={"tokens": 1, "cost": 1, "refill": 1.0}))
    _tried(story, 503, 1)
    call = story.call().meets(status)
    (call.ok() if status == 200 else call.fails("server", status))
    _tried(story, 503, 1)
    for _ in range(4):
        _tried(story, 503, 0)

    assert story.verdict("RETRY-16") == verdict


@pytest.mark.parametrize("how", ["promised", "cancelled", "hanging", "all made", "final", "redirected"])
def test_what_is_wanted(how: str) -> None:
    """RETRY-16 is exercised by requests that would have been retried, and not by others."""
    story = Story(policy=_policy(max_retries=2, statuses=[503], budget={"tokens": 1, "cost": 1, "refill": 0}))
    _tried(story, 503, 1)
    call = story.call(cancel_after=60.0 if how == "cancelled" else None)
    if how == "redirected":
        call.meets(302, headers=[("location", "/s/s/users/2")]).meets(302, headers=[("location", "/s/s/users/1")])
    call.meets(404 if how == "final" else 503)
    if how == "cancelled":
        call.cancelled()
    elif how == "hanging":
        call.hangs()
    else:
        call.fails("server", 503)
    if how == "all made":
        story.policy["retry"]["max_retries"] = 1
        story.tellings.pop()
        story.events.pop()
    # The first call made one of its two retries, and wants another; that alone is more than the budget.
    story.policy["retry"]["budget"]["tokens"] = 2 if how != "all made" else 1
    exercised = how in ("promised", "redirected")

    assert story.verdict("RETRY-16") == ("pass" if exercised else "not_exercised")


def test_a_retry_that_is_too_many_is_named_once() -> None:
    """RETRY-16 names the first retry that the budget did not pay for, and all that were made."""
    story = Story(policy=_policy(budget={"tokens": 1, "cost": 1, "refill": 0}))
    _tried(story, 503, 2)
    _tried(story, 503, 2)

    assert story.sentences("RETRY-16") == [
        "The client made 4 retries in this outage; its budget of 1 was used up before the retry in exchange 3."
    ]
    assert story.judge("RETRY-16").findings[0].exchanges == (2, 3, 5, 6)


def _blocked(tokens: float = 2, *, spends: int = 2, kind: str = "server", **story: Any) -> Story:
    """Tell of a call that fails without a request when others have spent the budget."""
    found = Story(policy=_policy(budget={"tokens": tokens, "cost": 1, "refill": 0}), **story)
    _tried(found, 503, spends)
    found.call(call="blocked").waits(0.01).fails(kind)
    return found


@pytest.mark.parametrize(
    ("tokens", "spends", "verdict"),
    [(2, 2, "fail"), (2.5, 2, "fail"), (3, 2, "not_exercised"), (4, 2, "not_exercised")],
)
def test_when_a_budget_is_spent(tokens: float, spends: int, verdict: str) -> None:
    """RETRY-16 takes the budget for spent where it does not pay for one more retry."""
    assert _blocked(tokens, spends=spends).verdict("RETRY-16") == verdict


def test_nobody_is_blocked_by_what_was_not_spent_yet() -> None:
    """RETRY-16 looks at what was spent up to the end of a call, and names that."""
    assert _blocked().sentences("RETRY-16") == [
        "Call blocked/0 (users.get id=1) failed as server without a single request, when exchanges 2 and 3 had used up "
        "the retry budget: first attempts cost nothing."
    ]
    story = Story(policy=_policy(budget={"tokens": 2, "cost": 1, "refill": 0}))
    story.call().waits(0.01).fails("server")
    _tried(story, 503, 2)
    assert story.verdict("RETRY-16") == "not_exercised"
    none = Story(policy=_policy(budget={"tokens": 0, "cost": 1, "refill": 0}))
    none.call().waits(0.01).fails("server")
    assert none.verdict("RETRY-16") == "not_exercised"


@pytest.mark.parametrize(
    ("kind", "how", "verdict"),
    [("offline", "offline", "not_exercised"), ("server", "offline", "fail"), ("offline", "", "fail"),
     ("server", "shut", "not_exercised"), ("server", "to be cancelled", "not_exercised"), ("", "hangs", "not_exercised"),
     ("", "ok", "not_exercised")],
)  # fmt: skip
def test_what_else_may_have_kept_a_call_from_asking(kind: str, how: str, verdict: str) -> None:
    """RETRY-16 finds nothing where something else may have kept a call from making its request."""
    known: dict[str, dict[str, Any]] = {
        "offline": {"calls": [{"offline": True}, {"users.get": {"id": 1}}]},
        "shut": {"faults": [{"on": "connection", "fault": "accept_close"}]},
    }
    story = _blocked(kind=kind or "server", scenario=known.get(how, {}))
    call = story.tellings[-1]
    if how == "to be cancelled":
        call.options["cancel_after"] = 60.0
    elif how == "hangs":
        call.outcome = call.ended = None
    elif how == "ok":
        call.ok()

    assert story.verdict("RETRY-16") == verdict


def test_the_server_may_have_asked_in_its_last_answer_or_its_first() -> None:
    """RETRY-04 goes by what came before and behind the last step, whatever the first one's answer said."""
    last = Story(policy=_policy(max_retries=2))
    last.call().meets(503).waits(0.3).meets(429, **ASKS).fails("rate_limited", 429)
    middle = Story(policy=_policy(max_retries=3))
    middle.call().meets(503).waits(0.3).meets(429, **ASKS).waits(0.3).meets(503).waits(0.3).meets(503, **ASKS).fails(
        "server", 503
    )

    assert last.verdict("RETRY-04") == middle.verdict("RETRY-04") == "not_exercised"


def test_the_last_answer_says_whether_more_is_wanted() -> None:
    """RETRY-16 asks of a request's last answer whether it would be retried, not of its first."""
    for last, verdict in ((404, "not_exercised"), (503, "pass")):
        story = Story(policy=_policy(max_retries=2, statuses=[503], budget={"tokens": 1, "cost": 1, "refill": 0}))
        story.call().meets(503).waits(0.3).meets(last).fails("server", last)
        assert story.verdict("RETRY-16") == verdict


def test_a_renewal_that_fails_later_kept_nobody_from_asking() -> None:
    """RETRY-16 excuses a call by a renewal that failed meanwhile, not by one that failed when the call was over."""
    story = _blocked()
    call = story.call(args={"id": 2}, at=story.t + 1.0).meets(401)
    story.refresh(400)
    call.fails("unauthorized", 401)

    assert story.verdict("RETRY-16") == "fail"


def test_what_was_earned_does_not_matter_for_who_is_blocked() -> None:
    """RETRY-16 takes the budget for spent by what was taken out of it, however early something went well."""
    story = Story(policy=_policy(budget={"tokens": 2, "cost": 1, "refill": 1.0}), t=0.0)
    story.call().meets(200).ok()
    _tried(story, 503, 2)
    story.call(call="blocked").waits(0.01).fails("server")

    assert story.verdict("RETRY-16") == "fail"


def test_who_was_asked_for_an_early_retry_may_be_let_be_later() -> None:
    """RETRY-04 is exercised by a retry that nobody asked for, though the server had asked for the first one."""
    story = Story(policy=_policy(max_retries=5))
    call = story.call().meets(503)
    for asks in (True, False, False):
        call.waits(0.3).meets(503, **(ASKS if asks else {}))
    call.fails("server", 503)

    assert story.verdict("RETRY-04") == "pass"
