"""What the reference client promises about answering from its cache, and how each promise is checked.

An old answer is better than none while the server is away, and worse than the truth when it is not. The contract
(``contracts/clients/reference.yaml``, section ``cache``) says when which is due:

    users.get, users.list   network first: the cache stands in for failures of the transport and for 500, 502, 503, 504
    settings.get            cache first: answered at once, and fetched again behind the caller's back

Each test states a promise and lets Hypothesis draw what goes wrong; the real client talks to the real server in a
simulated world. ``given={"cache": "fresh"}`` means that the client has read everything once before, without trouble.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sadpath.scenario.model import Fault, Step
from sadpath.strategies import DRAWN_IN_SCENARIOS, faults, plans, steps
from tests.support.shop import POLICY, PROMISED, TIMES, TRIP, play, read, rule

FALLS = [code for code in POLICY.cache.fallback_on or () if isinstance(code, int)]
TRUTHS = (401, 403, 404, 410, 422)
MAX_STALE = POLICY.cache.max_stale or 0.0

FRESH = {"cache": "fresh"}
READS = st.sampled_from([read(), read(3), {"users.list": {}}, {"users.list": {"limit": 5}}])

away = st.one_of(
    st.sampled_from(FALLS).map(lambda code: {"status": code}),
    faults(["request", "response"], ["close", "reset"], times=TIMES),
    st.just("stall"),
)
"""The server is away: one of the statuses that say so, or no answer at all."""

Failure = Fault | dict[str, Any] | str


def _op(call: dict[str, Any]) -> str:
    return next(name for name in call if "." in name)


# When it stands in


@PROMISED
@given(READS, st.lists(away, min_size=3, max_size=4))
def test_the_cache_stands_in_while_the_server_is_away(call: dict[str, Any], failures: list[Failure]) -> None:
    """Once all attempts have failed, the entry is served, and says that it is one: from the cache, stale, so old."""
    story = play(call, given=FRESH, faults=[rule(_op(call), *failures, then="last")])

    outcome = story.outcome()
    assert (outcome.outcome, outcome.source, outcome.stale) == ("ok", "cache", True)
    assert (outcome.age_ms or 0) >= 0


@PROMISED
@given(READS, st.lists(away, min_size=3, max_size=4))
def test_what_it_serves_is_what_the_server_last_said(call: dict[str, Any], failures: list[Failure]) -> None:
    """The entry's value is the whole answer that filled it, not a piece of one that broke off meanwhile."""
    story = play(call, {"faults": [rule(_op(call), *failures, then="last")]}, call)

    first, second = story.outcome(0), story.outcome(1)
    assert (first.source, second.source) == ("network", "cache")
    assert first.value is not None
    assert second.value is not None
    assert second.value.data == first.value.data


@PROMISED
@given(READS, st.lists(away, min_size=3, max_size=4))
def test_without_an_entry_the_failure_is_reported(call: dict[str, Any], failures: list[Failure]) -> None:
    """What was never read cannot be served: the caller gets the network's failure."""
    story = play(call, faults=[rule(_op(call), *failures, then="last")])

    assert story.outcome().outcome == "error"


@PROMISED
@given(st.sampled_from([0.1, 0.5, 0.9, 1.01, 2.0]), st.lists(away, min_size=3, max_size=3))
def test_what_is_too_old_is_not_served(part: float, failures: list[Failure]) -> None:
    """An entry stands in until max_stale is over, and never after."""
    later: list[dict[str, Any]] = [
        {"advance": f"{round(MAX_STALE * part)}s"},
        {"faults": [rule("users.get", *failures, then="last")]},
    ]
    story = play(read(), *later, read())

    served = story.outcome(1).outcome == "ok"
    assert served == (part < 1)
    assert not served or (story.outcome(1).age_ms or 0) >= MAX_STALE * part * 1000


# When it must not


@PROMISED
@given(READS, st.sampled_from(TRUTHS))
def test_the_truth_is_not_hidden(call: dict[str, Any], status: int) -> None:
    """That something is forbidden, gone or not valid is the answer; yesterday's is none."""
    story = play(call, given=FRESH, faults=[rule(_op(call), {"status": status}, then="last")])

    outcome = story.outcome()
    assert outcome.outcome == "error"
    assert outcome.error is not None
    assert outcome.error.status == status


@PROMISED
@given(READS, st.integers(1, 3))
def test_a_captive_portal_is_no_reason_to_show_yesterday(call: dict[str, Any], calls: int) -> None:
    """A success that cannot be read is a decode error, also where the cache holds something."""
    story = play({**call, "times": calls}, given=FRESH, faults=[rule(_op(call), "html", then="last")])

    assert [story.ended(index) for index in range(calls)] == ["decode"] * calls


@PROMISED
@given(READS, st.sampled_from([item for item in TIMES.cancels if item < (POLICY.timeouts.read or 0)]))
def test_a_cancel_is_a_cancel(call: dict[str, Any], after: float) -> None:
    """A call that is cancelled while the server is silent is not answered from the cache."""
    story = play({**call, "cancel_after": f"{round(after * 1000)}ms"}, given=FRESH, faults=[rule(_op(call), "stall")])

    assert story.ended() == "cancelled"


@PROMISED
@given(st.sampled_from([404, 410]), st.lists(away, min_size=3, max_size=3))
def test_what_is_gone_is_forgotten(status: int, failures: list[Failure]) -> None:
    """A 404 or 410 evicts: the deleted thing does not come back to life when the server is away."""
    then = [{"faults": [rule("users.get", *failures, then="last")]}, read()]
    story = play(read(), *then, given=FRESH, faults=[rule("users.get", {"status": status})])

    assert story.outcome(0).outcome == "error"
    assert story.outcome(1).outcome == "error"


@PROMISED
@given(plans(steps(names=DRAWN_IN_SCENARIOS, times=TIMES), max_size=4))
def test_nobody_gets_what_another_user_has_read(plan: tuple[Step, ...]) -> None:
    """After another user's reads every answer comes from the network, or is a failure."""
    story = play(read(), {"settings.get": {}}, given={"cache": "other_user"}, faults=[rule("*", *plan, then="last")])

    assert all(story.outcome(index).source != "cache" for index in range(2))


@PROMISED
@given(st.lists(away, min_size=3, max_size=3))
def test_signing_out_empties_it(failures: list[Failure]) -> None:
    """What was read in a session is gone when it ends."""
    then = [{"faults": [rule("*", *failures, then="last")]}, read()]
    story = play(read(), {"auth.logout": {}}, *then, given=FRESH)

    assert story.outcome(2).outcome == "error"


# What goes into it


@PROMISED
@given(st.sampled_from([0, 1, 20, 60]), st.sampled_from(["close", "reset", "stall"]), READS)
def test_a_body_that_breaks_off_is_neither_served_nor_stored(after: int, ending: str, call: dict[str, Any]) -> None:
    """Half an answer is no answer, now or later (RFC 9112 §8)."""
    cut = rule(_op(call), {"truncate": {"after": after, "ending": ending}}, then="last")
    story = play(call, {"faults": [rule(_op(call), {"status": 503}, then="last")]}, call, faults=[cut])

    assert story.outcome(0).outcome == "error"
    assert story.outcome(1).outcome == "error"


@PROMISED
@given(st.sampled_from(["corrupt", "unwritable"]), READS)
def test_a_cache_that_fails_costs_its_answers_and_nothing_else(state: str, call: dict[str, Any]) -> None:
    """Whether the store cannot be read or cannot be written: the read succeeds from the network."""
    story = play(call, call, given={"cache": state})

    assert [(story.ended(index), story.outcome(index).source) for index in range(2)] == [("ok", "network")] * 2


# How fast


@PROMISED
@given(READS, st.sampled_from(["stall", {"delay": "360ms"}, {"status": {"code": 503, "retry_after": "2s"}}]))
def test_nobody_looks_at_a_spinner_while_an_answer_is_at_hand(call: dict[str, Any], slow: Any) -> None:
    """With an entry at hand a read ends within its fallback deadline, whatever the network does."""
    story = play(call, given=FRESH, faults=[rule(_op(call), slow, then="last")])

    assert story.ended() == "ok"
    assert story.took() <= (POLICY.cache.fallback_after or 0) + TRIP


@PROMISED
@given(plans(steps(names=DRAWN_IN_SCENARIOS, times=TIMES), max_size=4), st.integers(1, 4))
def test_cache_first_answers_at_once_and_asks_once(plan: tuple[Step, ...], calls: int) -> None:
    """Settings come from the cache without a request of the call's own, and are fetched at most once behind them."""
    story = play(
        {"parallel": [{"settings.get": {}, "times": calls}]}, given=FRESH, faults=[rule("settings.get", *plan)]
    )

    for index in range(calls):
        outcome = story.outcome(index)
        assert (outcome.outcome, outcome.source, outcome.stale) == ("ok", "cache", True)
        assert story.attempts(index) == []
    assert story.account.logouts == 0
