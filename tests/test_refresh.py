"""What the reference client promises about its session, and how each promise is checked.

An access token ends, or the server stops taking it (401). Then the client trades its refresh token for a new pair, once,
for all calls that need it, and sends each of them again, once. A refresh token works once: whoever presents it a second
time is taken for a thief, and the session ends. So almost every mistake here signs out a user who did nothing wrong.

Each test states a promise of ``contracts/clients/reference.yaml`` (section ``auth``) and lets Hypothesis draw what goes
wrong; the real client talks to the real server in a simulated world, and the server's journal is the witness.

    generation   tokens are numbered as they are handed out: a renewal that presents generation n is answered with n + 1
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sadpath.scenario.model import Fault, Step
from sadpath.strategies import DRAWN_IN_SCENARIOS, faults, plans, steps
from tests.support.shop import POLICY, PROMISED, TIMES, TRIP, create, ends_the_connection, play, read, rule

REVOKED = {"access_token": "revoked"}
"""The session goes on, but the server has stopped taking the access token: the client learns of it by a 401."""

ENDED = st.sampled_from(["expired", "revoked", "none"])
"""The access token is over, and the client may or may not know."""

anything = plans(steps(names=DRAWN_IN_SCENARIOS, times=TIMES), max_size=4)

passing = st.one_of(
    faults(["request"], ["close", "reset"], times=TIMES),
    st.sampled_from([500, 502, 503, 504, 429, 408]).map(lambda code: {"status": code}),
    st.just({"stall": {"at": "request"}}),
)
"""What a renewal may meet that says nothing about the session, and leaves its refresh token unused."""

Passing = Fault | dict[str, object]


# Once for all


@PROMISED
@given(ENDED, st.integers(1, 6), st.sampled_from(["0ms", "1ms", "20ms", "200ms"]))
def test_many_calls_renew_the_session_once(access: str, calls: int, apart: str) -> None:
    """However many calls find the token refused at the same time, there is one renewal, and all of them succeed."""
    group = [read(user, start_after=apart if user % 2 else "0ms") for user in range(1, calls + 1)]
    story = play({"parallel": group}, given={"access_token": access}, faults=[rule("auth.refresh", {"delay": "100ms"})])

    assert len(story.refreshes) == 1
    assert [story.ended(index) for index in range(calls)] == ["ok"] * calls


@PROMISED
@given(anything, st.integers(1, 4))
def test_two_renewals_are_never_under_way_at_once(plan: tuple[Step, ...], calls: int) -> None:
    """Whatever renewals meet, the next begins only when the one before it is over."""
    story = play({"parallel": [read(times=calls)]}, read(), given=REVOKED, faults=[rule("auth.refresh", *plan)])

    for former, later in zip(story.refreshes, story.refreshes[1:], strict=False):
        assert former.t_ended is not None
        assert later.t_arrived >= former.t_ended - TRIP


@PROMISED
@given(anything, st.integers(1, 3))
def test_a_call_asks_for_one_renewal_and_one_replay_at_most(plan: tuple[Step, ...], calls: int) -> None:
    """A call that is refused again after a renewal has failed: it does not go round in circles."""
    story = play(read(times=calls), given=REVOKED, faults=[rule("users.get", *plan, then="repeat")])

    assert len(story.refreshes) <= calls
    for index in range(calls):
        refused = [attempt for attempt in story.attempts(index) if attempt.status == 401]
        assert len(refused) <= 2
        assert len(refused) < 2 or story.ended(index) == "unauthorized"


@PROMISED
@given(st.integers(1, 5), st.sampled_from(["", "no JSON", {"fixture": "gateway-error"}]))
def test_a_session_that_keeps_being_refused_is_an_auth_failure(calls: int, body: object) -> None:
    """If every answer is 401, each call is sent twice, reports ``unauthorized``, and nobody is signed out."""
    story = play(read(times=calls), faults=[rule("users.get", {"unauthorized": {"body": body}}, then="last")])

    for index in range(calls):
        assert story.ended(index) == "unauthorized"
        assert len(story.attempts(index)) == 2
    assert story.account.logouts == 0


# With which tokens


@PROMISED
@given(st.integers(2, 4), anything)
def test_each_renewal_presents_the_newest_refresh_token(rounds: int, plan: tuple[Step, ...]) -> None:
    """Rotation is kept up with: after a renewal that arrived, its refresh token is the one that is used."""
    calls = [item for _ in range(rounds) for item in ({"advance": "2h"}, read())]
    story = play(*calls, faults=[rule("users.get", *plan)])

    presented = [item.refresh_generation or 0 for item in story.refreshes]
    for former, later in zip(story.refreshes, story.refreshes[1:], strict=False):
        arrived = former.status == 200 and former.ended.how == "complete"
        if arrived:
            assert later.refresh_generation == former.issued_generation
    assert presented == sorted(presented)


@PROMISED
@given(ENDED, anything)
def test_what_is_sent_after_a_renewal_carries_its_token(access: str, plan: tuple[Step, ...]) -> None:
    """The new token is stored before anything is sent again: no request carries the one that it replaced."""
    story = play(create(), given={"access_token": access}, faults=[rule("orders.create", *plan)])

    renewed = [item for item in story.refreshes if item.issued_generation is not None]
    for renewal in renewed:
        later = [item for item in story.attempts() if item.t_arrived > (renewal.t_ended or 0.0)]
        assert all(item.token_generation == renewal.issued_generation for item in later)


@PROMISED
@given(st.sampled_from(["expired", "none"]), st.sampled_from([read(), create(), {"settings.get": {}}]))
def test_a_token_that_is_known_to_be_over_is_not_sent(access: str, call: dict[str, object]) -> None:
    """Who knows that the token has ended renews it first: the server never sees it."""
    story = play(call, given={"access_token": access})

    (renewal,), attempts = story.refreshes, story.attempts()
    assert story.ended() == "ok"
    assert [item.status for item in attempts] == [attempts[0].status]
    assert attempts[0].token_generation == renewal.issued_generation


# What ends a session, and what does not


@PROMISED
@given(st.lists(passing, min_size=1, max_size=3), st.integers(1, 4))
def test_trouble_with_a_renewal_signs_nobody_out(failures: list[Passing], calls: int) -> None:
    """A server that is away, slow or busy says nothing about the session: it is kept, and works when it is back."""
    troubled = [rule("auth.refresh", *failures, then="last")]
    story = play({"parallel": [read(times=calls)]}, {"faults": []}, read(2), given=REVOKED, faults=troubled)

    assert all(story.ended(index) != "ok" for index in range(calls))
    assert story.ended(calls) == "ok"
    assert (story.account.signed_in, story.account.logouts) == (True, 0)


@PROMISED
@given(st.sampled_from(["expired", "revoked", "used"]), st.integers(1, 5))
def test_a_refresh_token_that_is_no_good_signs_out_once(refresh: str, calls: int) -> None:
    """``invalid_grant`` ends the session exactly once, however many calls were waiting, and each of them is told."""
    both = {"access_token": "revoked", "refresh_token": refresh}
    story = play({"parallel": [read(times=calls)]}, given=both)

    assert len(story.refreshes) == 1
    assert [story.ended(index) for index in range(calls)] == ["unauthorized"] * calls
    assert (story.account.signed_in, story.account.logouts) == (False, 1)


@PROMISED
@given(ends_the_connection())
def test_a_renewal_whose_answer_is_lost_is_not_repeated_within_its_flight(failure: Passing) -> None:
    """The server may have used the token up: presenting it again at once would look like theft."""
    story = play({"parallel": [read(times=3)]}, given=REVOKED, faults=[rule("auth.refresh", failure)])

    assert len(story.refreshes) == 1
    assert story.account.logouts == 0


@PROMISED
@given(st.sampled_from([401, 403, 404, 422]))
def test_the_refresh_endpoint_s_own_refusal_is_no_reason_to_refresh(status: int) -> None:
    """A 401 from the endpoint that renews does not lead back to it."""
    story = play(read(), given=REVOKED, faults=[rule("auth.refresh", {"status": status}, then="last")])

    assert len(story.refreshes) == 1
    assert story.outcome().outcome == "error"
    assert story.account.logouts == 0


@PROMISED
@given(st.sampled_from([400, 403, 404, 409, 419, 422, 429, 500, 503]))
def test_only_a_401_is_a_reason_to_renew(status: int) -> None:
    """403 and the like say nothing about the token."""
    story = play(read(), faults=[rule("users.get", {"status": status}, then="last")])

    assert story.refreshes == []


# Who waits for it


@PROMISED
@given(st.sampled_from([item for item in TIMES.cancels if item > 0]), st.integers(1, 4))
def test_cancelling_the_call_that_began_a_renewal_leaves_it_to_the_others(after: float, others: int) -> None:
    """The shared renewal goes on when the call that asked for it first is cancelled; whoever waits still gets it."""
    first = read(cancel_after=f"{round(after * 1000)}ms")
    group = [first, *(read(user, start_after="1ms") for user in range(2, others + 2))]
    story = play({"parallel": group}, given=REVOKED, faults=[rule("auth.refresh", {"delay": "100ms"})])

    assert len(story.refreshes) == 1
    assert [story.ended(index) for index in range(1, others + 1)] == ["ok"] * others
    assert story.account.logouts == 0


@PROMISED
@given(st.sampled_from(["1ms", "20ms", "200ms", "300ms"]), st.sampled_from(["100ms", "360ms"]))
def test_tokens_that_arrive_after_logout_are_dropped(after: str, delay: str) -> None:
    """Whoever signed out stays signed out, though a renewal was under way."""
    group = [read(), {"auth.logout": {}, "start_after": after}]
    story = play({"parallel": group}, read(2), given=REVOKED, faults=[rule("auth.refresh", {"delay": delay})])

    assert story.account.signed_in is False
    assert story.ended(2) == "unauthorized"
    assert [item.token_generation for item in story.attempts(2)] == [None] * len(story.attempts(2))


@PROMISED
@given(plans(steps(faults(names=["stall", "delay"], times=TIMES)), max_size=3))
def test_waiting_for_a_renewal_counts_against_the_deadline(plan: tuple[Step, ...]) -> None:
    """A call that waits for a renewal ends within its own deadline all the same."""
    total = POLICY.timeouts.total or 0.0
    story = play({"parallel": [read(times=2)]}, given=REVOKED, faults=[rule("auth.refresh", *plan, then="last")])

    assert all(story.took(index) <= total + TRIP for index in range(2))
