"""What the reference client promises about trying again, and how each promise is checked.

The promises stand in ``contracts/clients/reference.yaml``. Each test states one of them and lets Hypothesis look for a
way to break it: it draws what goes wrong, the real client talks to the real server in a simulated world (so waits cost
nothing), and the promise is held against the server's journal.

    attempt    a request that reached the server for one call
    plan       what the attempts meet, one after another: nothing, or a fault
    story      what came of it: the server's journal, and the client's own account

No clause of ``sadpath verify`` is used here; these are the same promises, written down a second time.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.scenario.model import Fault, Step
from sadpath.strategies import DRAWN_IN_SCENARIOS, faults, plans, policies, steps
from sadpath.subjects.known_bad.registry import all_known_bad
from sadpath.verify.bodies import same_body
from sadpath.verify.policy import Policy
from tests.support.shop import (
    POLICY,
    PROMISED,
    TIMES,
    TRIP,
    create,
    ends_the_connection,
    play,
    read,
    reference,
    rule,
    unkeyed_post,
    waits,
)

MAX_RETRIES = POLICY.retry.max_retries or 0
RETRIED = POLICY.retry.statuses or ()
FINAL = (400, 403, 404, 405, 409, 410, 418, 422, 500, 501, 505)

anything = plans(steps(names=DRAWN_IN_SCENARIOS, times=TIMES), max_size=6)
"""Up to six attempts may meet anything: pass, a status, a delay, a cut or lying body, an end, silence."""

busy = st.sampled_from(RETRIED).map(lambda code: {"status": code})
"""An answer that says: not now."""

broken = ends_the_connection()
"""A connection that ends, or goes silent, before the answer is whole."""

Failure = Fault | dict[str, int] | str
"""One of the two."""


# How often


@PROMISED
@given(anything)
def test_a_call_is_sent_at_most_three_times(plan: tuple[Step, ...]) -> None:
    """Whatever goes wrong, a call is tried again at most max_retries times."""
    story = play(read(), faults=[rule("users.get", *plan)])

    assert story.retries() <= MAX_RETRIES


@PROMISED
@given(st.lists(st.one_of(busy, broken), min_size=MAX_RETRIES + 1, max_size=5))
def test_what_is_promised_to_be_retried_is_retried_as_often_as_promised(failures: list[Failure]) -> None:
    """Busy answers and broken connections use up all retries before the call fails."""
    story = play(read(), faults=[rule("users.get", *failures, then="last")])

    assert story.retries() == MAX_RETRIES
    assert story.outcome().outcome == "error"


@PROMISED
@given(st.lists(st.one_of(busy, broken), max_size=MAX_RETRIES))
def test_a_call_succeeds_as_soon_as_the_server_does(failures: list[Failure]) -> None:
    """With no more failures than retries the caller never hears of them."""
    story = play(read(), faults=[rule("users.get", *failures, "pass")])

    assert story.ended() == "ok"
    assert len(story.attempts()) == 1 + len(failures)


@PROMISED
@given(st.sampled_from(FINAL))
def test_a_final_answer_is_final(status: int) -> None:
    """A status that is not promised to be retried is reported after one attempt."""
    story = play(read(), faults=[rule("users.get", {"status": status}, "pass")])

    error = story.outcome().error
    assert len(story.attempts()) == 1
    assert error is not None
    assert error.status == status


@PROMISED
@given(plans(steps(names=DRAWN_IN_SCENARIOS, times=TIMES), max_size=4), st.integers(2, 5))
def test_attempts_are_counted_for_each_call_alone(plan: tuple[Step, ...], calls: int) -> None:
    """Of many calls at the same time each has its own retries: one that fails takes none from the others."""
    story = play({"parallel": [read(times=calls)]}, faults=[rule("users.get", *plan, then="repeat")])

    for index in range(calls):
        assert story.retries(index) <= MAX_RETRIES


# What


@PROMISED
@given(anything)
def test_a_post_without_a_key_is_never_sent_twice(plan: tuple[Step, ...]) -> None:
    """A POST may have taken effect though its answer never came: only a 401, which did nothing, allows another."""
    story = play(unkeyed_post(), faults=[rule("orders.create", *plan)])

    first, *others = story.attempts()
    assert len(others) <= 1
    assert not others or first.status == 401


@PROMISED
@given(anything)
def test_an_order_is_placed_at_most_once(plan: tuple[Step, ...]) -> None:
    """Attempts of one order share one idempotency key, so the server has one effect of them, or none."""
    story = play(create(), faults=[rule("orders.create", *plan)])

    attempts = story.attempts()
    assert len({attempt.idempotency_key for attempt in attempts}) == 1
    assert attempts[0].idempotency_key
    effects = {attempt.effect.id for attempt in attempts if attempt.effect.committed}
    assert len(effects) <= 1


@PROMISED
@given(st.sampled_from([read(), create(), {"users.update": {"id": 2, "data": {"user_name": "Ada King"}}}]), anything)
def test_every_attempt_asks_for_the_same(call: dict[str, object], plan: tuple[Step, ...]) -> None:
    """Method, path, query, body, key and headers stay the same through all attempts; only the token may change.

    After a 304 for which there is no entry, the fetch says that it wants no cache's answer. Of a body that the server
    stopped reading the length is known.
    """
    story = play(call, faults=[rule("*", *plan)])
    confirmed = any(attempt.status == 304 for attempt in story.attempts())

    def asked(attempt: ExchangeEvent) -> object:
        may_change = ("authorization", "cache-control") if confirmed else ("authorization",)
        headers = tuple(item for item in attempt.request_headers if item[0].lower() not in may_change)
        return attempt.method, attempt.path, attempt.query, attempt.idempotency_key, headers

    attempts = story.attempts()
    assert len({asked(attempt) for attempt in attempts}) == 1
    assert all(same_body(one, other) for one, other in combinations(attempts, 2))


# When


@PROMISED
@given(
    policies(
        POLICY, vary=("retry.first_delay", "retry.factor", "retry.max_delay", "retry.jitter", "retry.max_retries")
    ),
    st.lists(busy, min_size=1, max_size=4),
)
def test_waits_grow_as_promised(policy: Policy, failures: list[dict[str, int]]) -> None:
    """Retry n comes after first_delay · factor^(n−1), at most max_delay, less what the jitter may take off."""
    story = play(read(), faults=[rule("users.get", *failures)], policy=policy)

    for n, waited in enumerate(waits(story.attempts()), 1):
        least, longest = policy.retry.bounds(n) or (0.0, 0.0)
        assert least - TRIP <= waited <= longest + TRIP


@PROMISED
@given(st.sampled_from([429, 503]), st.integers(0, 4), st.sampled_from(["seconds", "imf", "rfc850", "asctime"]))
def test_nobody_comes_back_earlier_than_told(code: int, told: int, form: str) -> None:
    """Retry-After is waited for, as seconds and in all three forms of a date."""
    asked = f"{told}s" if form == "seconds" else {"date": f"{told}s", "form": form}
    story = play(read(), faults=[rule("users.get", {"status": {"code": code, "retry_after": asked}})])

    assert story.ended() == "ok"
    rounding = 0 if form == "seconds" else 1  # a date names whole seconds, and so does the answer's own
    (waited,) = waits(story.attempts())
    assert waited >= told - rounding - TRIP


@PROMISED
@given(st.sampled_from([429, 503]), st.sampled_from(["6s", "1m", "1h", {"date": "10m"}]))
def test_who_would_have_to_wait_too_long_gives_up_and_says_how_long(code: int, asked: object) -> None:
    """Beyond the cap nothing is sent early: the call fails at once and hands on what the server asked for."""
    story = play(read(), faults=[rule("users.get", {"status": {"code": code, "retry_after": asked}})])

    error = story.outcome().error
    assert len(story.attempts()) == 1
    assert error is not None
    assert error.status == code
    assert (error.retry_after_ms or 0) > (POLICY.retry.retry_after_cap or 0) * 1000


@PROMISED
@given(st.sampled_from(["-1", "1.5", "soon", "", "Mon, 99 Foo 2020 99:99:99 GMT"]))
def test_an_unreadable_retry_after_means_the_usual_wait(raw: str) -> None:
    """Nonsense in Retry-After neither crashes the client nor makes it come back at once or never."""
    story = play(read(), faults=[rule("users.get", {"status": {"code": 503, "retry_after": {"raw": raw}}})])

    least, longest = POLICY.retry.bounds(1) or (0.0, 0.0)
    assert story.ended() == "ok"
    assert least - TRIP <= waits(story.attempts())[0] <= longest + TRIP


# How long, how much


@PROMISED
@given(plans(steps(faults(names=["delay", "stall", "status", "truncate"], times=TIMES)), max_size=4))
def test_a_call_ends_within_its_deadline(plan: tuple[Step, ...]) -> None:
    """Attempts and waits together never take longer than ``timeouts.total``, and no wait is begun that would."""
    total = POLICY.timeouts.total or 0
    story = play(read(), faults=[rule("users.get", *plan, then="last")])

    assert story.took() <= total + TRIP
    assert all(attempt.t_arrived - story.call.t_started < total for attempt in story.attempts())


@PROMISED
@given(st.integers(1, 12), st.sampled_from([0.0, 1.0, 3.0, 10.0]))
def test_in_an_outage_retries_stay_within_their_budget(calls: int, tokens: float) -> None:
    """Retries cost tokens that only successes earn; first attempts are free, so nobody is kept from trying."""
    policy = POLICY.merged({"retry": {"budget": {"tokens": tokens, "cost": 1, "refill": 0.1}}})
    story = play(read(404404, times=calls), faults=[rule("users.get", {"status": 503}, then="last")], policy=policy)

    made = [len(story.attempts(index)) for index in range(calls)]
    assert all(made)
    assert sum(made) - calls == min(tokens, calls * MAX_RETRIES)


@PROMISED
@given(st.lists(st.one_of(busy, broken), min_size=1, max_size=3), st.sampled_from(TIMES.cancels))
def test_a_cancelled_call_is_not_tried_again(failures: list[Failure], after: float) -> None:
    """Once a call is cancelled nothing more is sent for it, and it ends as cancelled unless it was over already."""
    call = read(cancel_after=f"{round(after * 1000)}ms")
    story = play(call, faults=[rule("users.get", *failures, then="last")])

    cancelled = story.call.t_started + after
    assert all(attempt.t_arrived <= cancelled + TRIP for attempt in story.attempts())
    assert story.ended() == "cancelled" or story.took() <= after + TRIP


def test_the_tests_can_fail() -> None:
    """A client that retries any method breaks the promise about POST, and the journal shows it."""
    bad = next(item for item in all_known_bad() if item.name == "retries-any-method")
    client = replace(reference(), name=bad.name, driver=InProcessDriver(bad.create, name=bad.name))
    story = play(unkeyed_post(), faults=[rule("orders.create", "reset")], client=client)

    assert len(story.attempts()) > 1
