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
