"""AUTH-08, AUTH-11 and AUTH-17 on told traces: what a client keeps of its session, and what it lets go."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.drivers.messages import RESTART, Result
from sadpath.scenario.calls import RESTART_OPERATION
from sadpath.verify.renewals import BESIDE
from tests.clauses.stories import ALL, Story, Telling, truth


def _renewed(story: Story, *, rotates: bool = True, token: int = 1, presents: int = 1, issues: int = 2) -> None:
    """Let a call be refused, and go well with the tokens of a refresh."""
    call = story.call(token=token).meets(401)
    story.refresh(presents=presents, issues=issues, rotates=rotates)
    call.meets(200, token=issues).ok()


def _restarted(story: Story, **args: int) -> Telling:
    return story.call(RESTART, dict(args)).ok(attempts=0, value=None)


# AUTH-08


@truth("AUTH-08")
@given(st.lists(st.booleans(), min_size=1, max_size=4), st.sampled_from(["right", "old", "unknown"]))
def test_the_newest_refresh_token_is_presented(rotations: list[bool], how: str) -> None:
    """AUTH-08 holds where each refresh presents the newest token; it fails for an older one, or one nobody issued."""
    story = Story(policy={"timeouts": {"total": "60s"}})
    held, refresh_token = 1, 1
    for rotates in rotations:
        _renewed(story, rotates=rotates, token=held, presents=refresh_token, issues=held + 1)
        held, refresh_token = held + 1, held + 1 if rotates else refresh_token
    call = story.call(token=held).meets(401)
    wrong = {"right": refresh_token, "old": refresh_token - 1, "unknown": None}[how]
    story.refresh(400 if how != "right" else 200, presents=wrong, issues=held + 1)  # type: ignore[arg-type] # None: a text that is no token
    if how == "right":
        call.meets(200, token=held + 1).ok()
    else:
        call.fails("unauthorized", 401)

    assert story.verdict("AUTH-08") == ("pass" if how == "right" else "fail")


@truth("AUTH-08")
@given(st.booleans(), st.booleans(), st.floats(0.001, 5.0))
def test_a_token_that_was_lost(rotates: bool, lost: bool, later: float) -> None:
    """AUTH-08 fails where a session that could be renewed is not: its refresh token is gone."""
    story = Story()
    _renewed(story, rotates=rotates)
    story.t += later
    call = story.call(args={"id": 2}, token=2).meets(401)
    if lost:
        call.fails("unauthorized", 401)
    else:
        story.refresh(presents=2 if rotates else 1, issues=3)
        call.meets(200, token=3).ok()

    assert story.verdict("AUTH-08") == ("fail" if lost else "pass")


@truth("AUTH-08")
@given(st.sampled_from([(2, 2), (2, None), (1, None), (2, 1), (None, 1), (None, 2)]))
def test_what_was_sent_had_been_stored(came: tuple[int | None, int | None]) -> None:
    """AUTH-08 fails where a client that was killed comes back with tokens older than those it had sent."""
    access, refresh = came
    story = Story()
    _renewed(story)
    _restarted(story)
    call = story.call(args={"id": 2}, token=access)
    if access is not None and refresh is not None:
        call.meets(401)
    if refresh is not None:
        story.refresh(presents=refresh, issues=3)
    call.meets(200, token=access if refresh is None else 3).ok()

    assert story.verdict("AUTH-08") == ("fail" if 1 in came else "pass")


def test_a_crash_may_take_the_last_write_along() -> None:
    """AUTH-08 does not blame a client whose last write was lost for coming back with the old tokens."""
    story = Story()
    _renewed(story)
    _restarted(story, lost_writes=1)
    call = story.call(args={"id": 2}, token=1).meets(401)
    story.refresh(400, presents=1)
    call.fails("unauthorized", 401)

    assert story.verdict("AUTH-08") != "fail"


def test_what_does_not_show_which_token_is_kept() -> None:
    """AUTH-08 is not exercised by one refresh alone, by tokens that were never used, nor across a login."""
    once, unused, login = Story(), Story(), Story()
    _renewed(once)
    call = unused.call().meets(401)
    unused.refresh()
    call.fails("unauthorized", 401)
    unused.refresh(400, presents=1)
    _renewed(login)
    login.call("auth.login", {}, token=None).meets(200, issued=3, body=json.dumps({"access_token": "a"}).encode()).ok()
    call = login.call(args={"id": 2}, token=3).meets(401)
    login.refresh(presents=3, issues=4)
    call.meets(200, token=4).ok()

    assert {item.verdict("AUTH-08") for item in (once, unused, login)} == {"not_exercised"}


# AUTH-11


def _signed_out(after: float, answered: float, result: Result | None = None) -> tuple[Story, Telling]:
    """Let the user sign out ``after`` so many seconds of a refresh that takes ``answered`` seconds."""
    story = Story(result=result or Result(signed_in=False))
    call = story.call(parallel=True).meets(401)
    begun = story.t
    story.t = begun + after
    logout = story.call("auth.logout", {}, at=story.t, parallel=True)
    logout.meets(204, body=b"").ok()
    story.refresh(at=begun, takes=answered)
    story.t = max(story.t, begun + answered) + 0.001
    return story, call


@truth("AUTH-11")
@given(st.floats(0.0, 0.1), st.sampled_from(["dropped", "replayed", "used later", "presented", "signed in"]))
def test_late_tokens_are_dropped(after: float, how: str) -> None:
    """AUTH-11 holds where nothing comes of tokens that arrive after a logout, and fails for any use of them."""
    story, call = _signed_out(after, 0.2, Result(signed_in=how == "signed in"))
    if how == "replayed":
        call.meets(200, token=2).ok()
    else:
        call.fails("unauthorized", 401)
    if how in ("used later", "presented", "dropped"):
        later = story.call(args={"id": 2}, token=2 if how == "used later" else None).meets(401)
        if how == "presented":
            story.refresh(400, presents=2)
        later.fails("unauthorized", 401)

    assert story.verdict("AUTH-11") == ("pass" if how == "dropped" else "fail")


def test_a_refresh_before_the_logout_is_another_matter() -> None:
    """AUTH-11 is not exercised where the answer came first, where nothing was issued, or where the logout failed."""
    first, _ = _signed_out(0.2, 0.1)
    refused, failed = Story(), Story()
    for story in (refused, failed):
        call = story.call(parallel=True).meets(401)
        begun = story.t
        logout = story.call("auth.logout", {}, at=begun, parallel=True)
        logout.meets(503) if story is failed else logout.meets(204, body=b"")
        logout.fails("server", 503) if story is failed else logout.ok()
        story.refresh(200 if story is failed else 400, at=begun, takes=0.2)
        call.fails("unauthorized", 401)

    assert {item.verdict("AUTH-11") for item in (first, refused, failed)} == {"not_exercised"}


def test_who_signs_in_again_is_signed_in() -> None:
    """AUTH-11 does not mistake the tokens of a login for those that came late."""
    story, call = _signed_out(0.05, 0.2, Result(signed_in=True))
    call.fails("unauthorized", 401)
    story.call("auth.login", {}, token=None).meets(200, issued=3, body=json.dumps({"access_token": "a3"}).encode()).ok()
    story.call(args={"id": 2}, token=3).meets(200).ok()

    assert story.verdict("AUTH-11") == "pass"


# AUTH-17


@truth("AUTH-17")
@given(st.sampled_from([1, 2]), st.sampled_from([1, 2, None]), st.booleans(), st.integers(0, 3))
def test_a_pair_comes_back_as_one(access: int, refresh: int | None, rotates: bool, lost: int) -> None:
    """AUTH-17 holds where both tokens are of one pair, the old or the new, and fails for a half of each."""
    story = Story()
    _renewed(story, rotates=rotates)
    _restarted(story, lost_writes=lost)
    call = story.call(args={"id": 2}, token=access).meets(401)
    story.refresh(400, presents=refresh)  # type: ignore[arg-type] # None: a text that is no token
    call.fails("unauthorized", 401)

    one = refresh == (access if rotates else 1) or (access == 1 and refresh is None)
    assert story.verdict("AUTH-17") == ("pass" if one else "fail")


def test_one_token_shows_nothing() -> None:
    """AUTH-17 needs to see both tokens after the restart, and a refresh before it."""
    unseen, early, fresh, none = Story(), Story(), Story(), Story()
    _renewed(unseen)
    _restarted(unseen)
    unseen.call(args={"id": 2}, token=2).meets(200).ok()
    _renewed(early)
    _restarted(early)
    call = early.call(args={"id": 2}, token=2)
    early.refresh(presents=2, issues=3)
    call.meets(200, token=3).ok()
    _restarted(fresh)
    call = fresh.call(token=1).meets(401)
    fresh.refresh()
    call.meets(200, token=2).ok()
    _renewed(none)

    assert {item.verdict("AUTH-17") for item in (unseen, early, fresh, none)} == {"not_exercised"}


def test_tokens_after_the_next_login_or_restart_do_not_count() -> None:
    """AUTH-17 looks at what the client came back with, and not at what it was given since."""
    story = Story()
    _renewed(story)
    _restarted(story, lost_writes=1)
    story.call(args={"id": 2}, token=1).meets(200).ok()
    story.call("auth.login", {}, token=None).meets(200, issued=3, body=json.dumps({"access_token": "a3"}).encode()).ok()
    call = story.call(args={"id": 3}, token=3).meets(401)
    story.refresh(presents=3, issues=4)
    call.meets(200, token=4).ok()

    assert story.verdict("AUTH-17") == "not_exercised"


def test_lost_writes_excuse_what_the_client_no_longer_knows() -> None:
    """AUTH-01 does not blame a client for presenting a used token after a crash that lost the new one."""
    story = Story()
    _renewed(story)
    _restarted(story, lost_writes=1)
    call = story.call(args={"id": 2}, token=1).meets(401)
    story.refresh(400, presents=1)
    call.fails("unauthorized", 401)

    assert story.verdict("AUTH-01") != "fail"


@pytest.mark.parametrize("need", ["token_refresh", "restart"])
def test_what_the_client_must_offer(need: str) -> None:
    """AUTH-17 is unsupported for a client that renews no tokens or cannot be killed and opened again."""
    assert Story(capabilities=ALL - {need}).verdict("AUTH-17") == "unsupported"


def test_scenarios_and_drivers_call_it_the_same() -> None:
    """A restart has one name in scenario files and in the driver protocol."""
    assert RESTART_OPERATION == RESTART


# More of AUTH-08


@pytest.mark.parametrize(("after", "verdict"), [(BESIDE / 2, "not_exercised"), (BESIDE * 4, "fail")])
def test_a_login_beside_a_refresh_leaves_it_open_too(after: float, verdict: str) -> None:
    """AUTH-08 says nothing of a refresh beside which somebody signs in."""
    story = Story()
    _renewed(story)
    call = story.call(args={"id": 2}, token=2).meets(401)
    at = story.t
    story.refresh(400, presents=1)
    call.fails("unauthorized", 401)
    story.call("auth.login", {}, token=None, at=at + after).meets(503).fails("server", 503)

    assert story.verdict("AUTH-08") == verdict


@pytest.mark.parametrize(
    ("rotates", "said"),
    [
        (True, "brought a new refresh token, which replaces the old one"),
        (False, "brought no new refresh token, so that the old one stays in force"),
    ],
)
def test_what_a_refresh_brought(rotates: bool, said: str) -> None:
    """AUTH-08 says which token was due, and who came with another or with none."""
    story, none = Story(), Story()
    for target in (story, none):
        _renewed(target, rotates=rotates)
        target.t += 1.0
        call = target.call(args={"id": 2}, token=2).meets(401)
        if target is story:
            target.refresh(400, presents=1 if rotates else 2)
        call.fails("unauthorized", 401)

    assert story.sentences("AUTH-08") == [f"Exchange 2 {said}; exchange 5 presented another one."]
    assert none.sentences("AUTH-08") == [
        f"Exchange 2 {said}; when its access token was refused in exchange 4, the client had none to present: call c1/0 "
        "(users.get id=2) failed as unauthorized (401)."
    ]


def test_what_a_restart_shows() -> None:
    """AUTH-08 needs tokens from before and after a restart, and goes by the newest and the first."""
    silent, plain, old = Story(), Story(), Story()
    _renewed(silent)
    _restarted(silent)
    plain.call().meets(200).ok()
    _restarted(plain)
    plain.call().meets(200).ok()
    _renewed(old)
    _renewed(old, token=2, presents=2, issues=3)
    _restarted(old)
    for _ in range(2):
        old.call(args={"id": 2}, token=2).meets(200).ok()

    assert {silent.verdict("AUTH-08"), plain.verdict("AUTH-08")} == {"not_exercised"}
    assert [found.exchanges for found in old.judge("AUTH-08").findings] == [(5, 7)]


# More of AUTH-11


def test_whichever_logout_and_refresh_it_was() -> None:
    """AUTH-11 looks at each logout and at each refresh under way, and names the first use of what came late."""
    story = Story(result=Result(signed_in=False))
    story.call("auth.login", {}, token=None).meets(200, issued=1, body=b"{}").ok()
    story.call("auth.logout", {}, parallel=True).meets(503).fails("server", 503)
    call = story.call(parallel=True).meets(401)
    begun = story.t
    story.call("auth.logout", {}, at=begun + 0.01, parallel=True).meets(204, body=b"").ok()
    story.refresh(400, at=begun, takes=0.2)
    story.refresh(200, at=begun + 0.001, takes=0.2)
    story.t = begun + 0.3
    call.meets(200, token=2).meets(200, token=2).ok()
    found = story.judge("AUTH-11").findings

    assert [item.exchanges for item in found] == [(5, 7)]
    assert found[0].sentence.endswith("had ended, and exchange 7 went out with them.")


@pytest.mark.parametrize(("first", "verdict"), [(0.1, "not_exercised"), (0.13, "not_exercised"), (0.2, "fail")])
def test_tokens_that_had_come_before_the_logout_ended(first: float, verdict: str) -> None:
    """AUTH-11 counts from the head of an answer, and leaves a round trip open."""
    story = Story(scenario={"given": {"network": {"latency": "50ms"}}})
    call = story.call(parallel=True).meets(401)
    begun = story.t
    logout = story.call("auth.logout", {}, at=begun, parallel=True)
    story.t = begun + 0.1
    logout.meets(204, body=b"", takes=0.0)
    story.t = begun + 0.104
    logout.ok()
    story.refresh(at=begun, takes=0.3)
    story.events[-1].t_first_byte = begun + first
    story.t = begun + 0.4
    call.meets(200, token=2).ok()

    assert story.verdict("AUTH-11") == verdict


# More of AUTH-17


def test_each_restart_is_looked_at_and_only_after_a_renewal() -> None:
    """AUTH-17 finds halves of pairs behind a restart that came back whole, and needs new tokens before it."""
    story = Story()
    _renewed(story)
    for access, refresh in ((2, 2), (2, 1)):
        _restarted(story)
        call = story.call(args={"id": 2}, token=access).meets(401)
        story.refresh(503, presents=refresh)
        call.fails("server", 503)
    assert len(story.sentences("AUTH-17")) == 1

    plain = Story()
    plain.call().meets(200).ok()
    _restarted(plain)
    call = plain.call(token=1).meets(401)
    plain.refresh(400, presents=1)
    call.fails("unauthorized", 401)
    assert plain.verdict("AUTH-17") == "not_exercised"
