"""AUTH clauses on told traces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, Story, Telling

STALL = [FiredFault("stall", "request")]


def _refused_at_once(story: Story, count: int) -> list[Telling]:
    """Let so many calls meet a 401 for the same token at the same time."""
    start = story.t
    calls = []
    for number in range(count):
        story.t = start
        calls.append(story.call(args={"id": number + 1}, at=start, parallel=True).meets(401))
    return calls


# AUTH-01


@given(st.integers(1, 8))
def test_one_refresh_for_all(count: int) -> None:
    """AUTH-01 holds where N calls refused at once share one refresh and all succeed."""
    story = Story()
    calls = _refused_at_once(story, count)
    story.refresh()
    for call in calls:
        call.token = 2
        call.meets(200).ok()

    assert story.verdict("AUTH-01") == "pass"


@given(st.integers(2, 6), st.floats(0.0001, 0.004))
def test_two_refreshes_at_a_time(count: int, apart: float) -> None:
    """AUTH-01 fails where a refresh comes before another with the same token was over."""
    story = Story()
    calls = _refused_at_once(story, count)
    start = story.t
    story.refresh(at=start).refresh(400, at=start + apart)
    calls[0].meets(200, token=2).ok()

    assert story.verdict("AUTH-01") == "fail"
    assert "under way at once" in story.sentences("AUTH-01")[0]


def test_a_used_refresh_token_is_not_presented_again() -> None:
    """AUTH-01 fails where a token that was exchanged for a new one is presented once more."""
    story = Story()
    call = story.call().meets(401)
    story.refresh().refresh(400, presents=1)
    call.meets(200, token=2).ok()

    assert story.verdict("AUTH-01") == "fail"


def test_a_lock_without_comparison_refreshes_needlessly() -> None:
    """AUTH-01 fails where the second waiting call refreshes the new token, which nobody had refused."""
    story = Story()
    first, second = _refused_at_once(story, 2)
    story.refresh(presents=1, issues=2)
    first.meets(200, token=2).ok()
    story.refresh(presents=2, issues=3)
    second.meets(200, token=3).ok()

    assert story.verdict("AUTH-01") == "fail"
    assert "renewed the tokens that exchange 3 had just brought" in story.sentences("AUTH-01")[0]


def test_each_generation_may_be_refreshed_once() -> None:
    """AUTH-01 holds where the new token is refused too and renewed in its turn."""
    story = Story()
    first = story.call().meets(401)
    story.refresh(presents=1, issues=2)
    first.meets(200, token=2).ok()
    second = story.call(token=2).meets(401)
    story.refresh(presents=2, issues=3)
    second.meets(200, token=3).ok()

    assert story.verdict("AUTH-01") == "pass"


def test_a_refresh_that_failed_may_be_tried_by_a_later_call() -> None:
    """AUTH-01 holds where a broken or refused-for-now refresh is followed by another call's, with the same token."""
    story = Story()
    first = story.call().meets(401)
    story.refresh(None)
    first.fails("reset")
    second = story.call(args={"id": 2}).meets(401)
    story.refresh(503)
    second.fails("server", 503)
    third = story.call(args={"id": 3}).meets(401)
    story.refresh()
    third.meets(200, token=2).ok()

    assert story.verdict("AUTH-01") == "pass"


def test_without_rotation_the_token_comes_again() -> None:
    """AUTH-01 holds where the server does not rotate: the same refresh token renews each access token once."""
    story = Story()
    first = story.call().meets(401)
    story.refresh(presents=1, issues=2, rotates=False)
    first.meets(200, token=2).ok()
    second = story.call(token=2).meets(401)
    story.refresh(presents=1, issues=3, rotates=False)
    second.meets(200, token=3).ok()

    assert story.verdict("AUTH-01") == "pass"


@pytest.mark.parametrize("token", ["expired", "none"])
def test_a_token_known_to_be_over_is_renewed_early(token: str) -> None:
    """AUTH-01 holds where a session that begins with an expired token, or none, is renewed before anything is sent."""
    story = Story(scenario={"given": {"access_token": token}})
    call = story.call()
    story.refresh()
    call.meets(200, token=2).ok()

    assert story.verdict("AUTH-01") == "pass"


def test_an_early_refresh_near_the_end_is_no_breach() -> None:
    """AUTH-01 holds where new tokens are renewed shortly before their hour is over, and fails long before."""
    for later, verdict in ((3580.0, "pass"), (1800.0, "fail")):
        story = Story(scenario={"given": {"access_token": "expired"}})
        call = story.call()
        story.refresh()
        call.meets(200, token=2).ok()
        story.t += later
        call = story.call(token=3)
        story.refresh(presents=2, issues=3)
        call.meets(200).ok()
        assert story.verdict("AUTH-01") == verdict


def test_the_first_refresh_may_have_any_cause() -> None:
    """AUTH-01 does not judge why tokens are renewed that no refresh had brought: a client may do so when it starts."""
    story = Story()
    call = story.call()
    story.refresh()
    call.meets(200, token=2).ok()

    assert story.verdict("AUTH-01") == "pass"


def test_a_login_beside_a_refresh_leaves_things_open() -> None:
    """AUTH-01 does not blame an old session's refresh that crosses with a login, nor trust a login that was cut."""
    crossing = Story(scenario={"given": {"access_token": "expired"}})
    crossing.call("auth.login", {}, token=None).meets(200, issued=2, body=b'{"access_token": "a2"}').ok()
    call = crossing.call()
    crossing.refresh(presents=1, issues=3)
    call.meets(200, token=2).ok()
    cut = Story(scenario={"given": {"access_token": "none"}})
    cut.call("auth.login", {}, token=None).breaks_off(issued=2).fails("truncated")
    call = cut.call()
    cut.refresh(presents=1, issues=3)
    call.meets(200, token=3).ok()

    assert (crossing.verdict("AUTH-01"), cut.verdict("AUTH-01")) == ("pass", "pass")


def test_a_call_left_behind() -> None:
    """AUTH-01 fails where a call fails on its 401 though the session was renewed, or though it went well afterwards."""
    for tell in ("never sent again", "went well", "did not wait"):
        story = Story()
        calls = _refused_at_once(story, 2)
        if tell == "did not wait":
            calls[1].fails("unauthorized", 401)
        story.refresh()
        calls[0].meets(200, token=2).ok()
        if tell == "went well":
            calls[1].meets(200, token=2)
        if tell != "did not wait":
            calls[1].fails("unauthorized", 401)
        assert story.verdict("AUTH-01") == "fail"
        assert tell in story.sentences("AUTH-01")[0]


def test_a_client_that_never_refreshes() -> None:
    """AUTH-01 fails for a call refused with a good refresh token at hand, unless refreshes are faulted."""
    plain = Story()
    plain.call().meets(401).fails("unauthorized", 401)
    faulted = Story(scenario={"faults": [{"on": "auth.refresh", "fault": {"status": 503}}]})
    faulted.call().meets(401).fails("unauthorized", 401)
    spoilt = Story(scenario={"given": {"refresh_token": "used"}})
    spoilt.call().meets(401).fails("unauthorized", 401)
    signed_out = Story(facts={"started_signed_in": False, "granted_generation": None})
    signed_out.call(token=None).meets(401).fails("unauthorized", 401)

    assert [item.verdict("AUTH-01") for item in (plain, faulted, spoilt, signed_out)] == [
        "fail", "pass", "pass", "not_exercised",
    ]  # fmt: skip


def test_a_call_that_has_had_its_refresh() -> None:
    """AUTH-01 asks for no second refresh of a call whose token was renewed early and is refused all the same."""
    for allowed, verdict in ((1, "pass"), (2, "fail")):
        story = Story(policy={"auth": {"refreshes_per_call": allowed}}, scenario={"given": {"access_token": "expired"}})
        call = story.call()
        story.refresh()
        call.meets(401, token=2).fails("unauthorized", 401)
        assert story.verdict("AUTH-01") == verdict


def test_trouble_after_the_refresh_excuses_a_call() -> None:
    """AUTH-01 asks for success only where the replay met no failure."""
    story = Story()
    call = story.call().meets(401)
    story.refresh()
    call.meets(503, token=2).waits(0.3).meets(503, token=2).waits(0.3).meets(503, token=2).fails("server", 503)

    assert story.verdict("AUTH-01") == "pass"


def test_a_wrong_password_has_nothing_to_do_with_it() -> None:
    """AUTH-01 is not exercised by a 401 from login."""
    story = Story()
    story.call("auth.login", {}, token=None).meets(401).fails("unauthorized", 401)

    assert story.verdict("AUTH-01") == "not_exercised"


def test_a_cancelled_caller_leaves_open_what_the_client_got() -> None:
    """AUTH-01 says nothing of a second refresh where a cancel may have thrown the first one's tokens away."""
    story = Story()
    first = story.call(cancel_after=0.008).meets(401)
    story.refresh(takes=0.01)
    first.cancelled()
    second = story.call(args={"id": 2}).meets(401)
    story.refresh(400, presents=1)
    second.fails("unauthorized", 401)

    assert story.verdict("AUTH-01") == "pass"


def test_single_flight_must_be_promised() -> None:
    """AUTH-01 is unsupported where the contract promises no single flight, or the client renews no tokens."""
    for story in (
        Story(policy={"auth": {"single_flight": False}}),
        Story(policy={"auth": {"single_flight": None}}),
        Story(capabilities=ALL - {"token_refresh"}),
    ):
        call = story.call().meets(401)
        story.refresh()
        call.meets(200, token=2).ok()
        assert story.verdict("AUTH-01") == "unsupported"


# AUTH-03


def test_one_replay_and_then_an_auth_failure() -> None:
    """AUTH-03 holds where a second 401 ends the call as unauthorized, and fails for anything else."""
    good, again, cached, other = Story(), Story(), Story(), Story()
    for story in (good, again, cached, other):
        call = story.call().meets(401)
        story.refresh()
        call.meets(401, token=2)
    good.tellings[0].fails("unauthorized", 401)
    again.tellings[0].meets(200, token=2).ok()
    cached.tellings[0].ok(source="cache")
    other.tellings[0].fails("server", 401)

    assert [item.verdict("AUTH-03") for item in (good, again, cached, other)] == ["pass", "fail", "fail", "fail"]


def test_one_refusal_does_not_exercise_it() -> None:
    """AUTH-03 needs a second 401."""
    story = Story()
    call = story.call().meets(401)
    story.refresh()
    call.meets(200, token=2).ok()

    assert story.verdict("AUTH-03") == "not_exercised"


def test_a_refusal_that_may_have_come_too_late_is_none() -> None:
    """AUTH-03 counts a 401 only if the client surely read it before its own limit struck."""
    story = Story()
    story.call().meets(401, takes=0.5).waits(0.02).meets(401).meets(200, token=2).ok()

    assert story.verdict("AUTH-03") == "not_exercised"


def test_two_calls_are_not_one() -> None:
    """AUTH-03 counts refusals for each call."""
    story = Story()
    for call in _refused_at_once(story, 2):
        call.fails("unauthorized", 401)

    assert story.verdict("AUTH-03") == "not_exercised"


def test_without_error_kinds_a_failure_is_enough() -> None:
    """AUTH-03 asks for the kind only of clients that have kinds."""
    story = Story(capabilities=ALL - {"error_kinds"})
    story.call().meets(401).meets(401).fails("other")

    assert story.verdict("AUTH-03") == "pass"


# AUTH-04


@given(st.integers(1, 4), st.integers(0, 3))
def test_the_refresh_endpoint_does_not_ask_for_a_refresh(calls: int, extra: int) -> None:
    """AUTH-04 holds for one refused refresh for each refused call, and fails for more."""
    story = Story()
    for number in range(calls):
        call = story.call(args={"id": number + 1}).meets(401)
        story.refresh(401)
        for _ in range(extra if number == calls - 1 else 0):
            story.refresh(401)
        call.fails("unauthorized", 401)

    assert story.verdict("AUTH-04") == ("fail" if extra else "pass")


def test_an_early_refresh_has_cause_too() -> None:
    """AUTH-04 counts a call that began with an expired token as a cause."""
    story = Story(scenario={"given": {"access_token": "expired"}})
    call = story.call()
    story.refresh(401)
    call.fails("unauthorized", 401)
    assert story.verdict("AUTH-04") == "pass"

    story.refresh(401).refresh(401)
    assert story.verdict("AUTH-04") == "fail"


def test_other_answers_do_not_exercise_it() -> None:
    """AUTH-04 is about a 401 from the refresh endpoint alone."""
    story = Story()
    call = story.call().meets(401)
    story.refresh(503)
    call.fails("server", 503)

    assert story.verdict("AUTH-04") == "not_exercised"


# AUTH-07


def _after_refresh(status: int | None, result: Result | None, **facts: object) -> Story:
    story = Story(result=result)
    call = story.call().meets(401)
    story.refresh(status, **facts)  # type: ignore[arg-type] # facts of any exchange
    call.fails("unauthorized", 401)
    return story


@pytest.mark.parametrize(
    ("logouts", "signed_in", "verdict"),
    [
        (1, False, "pass"),
        (0, True, "fail"),
        (2, False, "fail"),
        (1, True, "fail"),
        (None, False, "pass"),
        (None, True, "fail"),
    ],
)
def test_invalid_grant_ends_the_session_once(logouts: int | None, signed_in: bool | None, verdict: str) -> None:
    """AUTH-07 wants exactly one logout on invalid_grant, by whichever of the two the client tells."""
    assert _after_refresh(400, Result(logouts=logouts, signed_in=signed_in)).verdict("AUTH-07") == verdict


@pytest.mark.parametrize("status", [429, 500, 503, None])
def test_passing_trouble_keeps_the_session(status: int | None) -> None:
    """AUTH-07 wants no logout on 429, 5xx and broken connections."""
    assert _after_refresh(status, Result(logouts=0, signed_in=True)).verdict("AUTH-07") == "pass"
    assert _after_refresh(status, Result(logouts=1, signed_in=False)).verdict("AUTH-07") == "fail"
    assert _after_refresh(status, Result(signed_in=False)).verdict("AUTH-07") == "fail"


def test_a_refresh_that_times_out_keeps_the_session() -> None:
    """AUTH-07 wants no logout where the refresh met silence."""
    for logouts, verdict in ((0, "pass"), (1, "fail")):
        story = Story(result=Result(logouts=logouts))
        call = story.call().meets(401)
        story.exchange(story.t, method="POST", path="/auth/refresh", presents=1, how="fin", by="client",
                       ended=story.t + 0.4, fired=STALL)  # fmt: skip
        story.t += 0.4
        call.fails("timeout.read")
        assert story.verdict("AUTH-07") == verdict


def test_a_login_begins_another_session() -> None:
    """AUTH-07 counts sessions: two that were ended, with a login in between, are two logouts."""
    story = Story(result=Result(logouts=2, signed_in=False))
    call = story.call().meets(401)
    story.refresh(400)
    call.fails("unauthorized", 401)
    story.call("auth.login", {}, token=None).meets(200, issued=5).ok()
    call = story.call(token=5).meets(401)
    story.refresh(400, presents=5)
    call.fails("unauthorized", 401)

    assert story.verdict("AUTH-07") == "pass"


def test_what_the_account_covers_beyond_the_case() -> None:
    """AUTH-07 counts a session that was found to be over only when the faults had stopped."""
    story = Story(result=Result(logouts=1, signed_in=True))
    call = story.call().meets(401)
    story.refresh(None)
    call.fails("reset")
    healing = story.call(args={"id": 2}, phase="heal").meets(401)
    story.refresh(400)
    healing.fails("unauthorized", 401)
    story.call("auth.login", {}, phase="heal", token=None).meets(200, issued=3).ok()

    assert story.verdict("AUTH-07") == "pass"


def test_a_login_beside_a_refused_refresh_is_left_alone() -> None:
    """AUTH-07 does not ask for a logout where a login had replaced the session while its refresh was refused."""
    story = Story(result=Result(logouts=0, signed_in=True))
    login = story.call("auth.login", {}, token=None)
    story.refresh(400)
    login.meets(200, issued=2, body=b'{"access_token": "a2"}').ok()

    assert story.verdict("AUTH-07") == "pass"


def test_the_users_own_logout_is_not_the_clients() -> None:
    """AUTH-07 does not blame a client for being signed out after its user signed out."""
    story = _after_refresh(503, Result(logouts=0, signed_in=False))
    story.call("auth.logout", {}).meets(204, body=b"").ok()

    assert story.verdict("AUTH-07") == "pass"


def test_answers_that_say_nothing_clear() -> None:
    """AUTH-07 judges nothing where a refresh also failed in another way: a 403, or an answer that cannot be read."""
    for facts in ({"status": 403}, {"status": 200, "issued": None, "body": b"<html>"}):
        story = _after_refresh(503, Result(logouts=1, signed_in=False))
        story.refresh(facts.pop("status"), **facts)  # type: ignore[arg-type] # as above
        assert story.verdict("AUTH-07") == "pass"


def test_an_account_is_needed() -> None:
    """AUTH-07 is not exercised where the client says nothing of its session, nor where every refresh went well."""
    silent = _after_refresh(503, Result())
    fine = _after_refresh(200, Result(logouts=0, signed_in=True))

    assert {silent.verdict("AUTH-07"), fine.verdict("AUTH-07")} == {"not_exercised"}
