"""The truth about the AUTH clauses: stories drawn to hold them, and the smallest changes that break them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, Story, Telling, truth

ABROAD = {"method": "GET", "path": "{other_origin}/users/1"}
LATER = {"timeouts": {"total": "60s"}}


def _refused(story: Story, count: int, token: int = 1) -> list[Telling]:
    """Let so many calls meet a 401 for the same token at the same time."""
    start, calls = story.t, []
    for number in range(count):
        story.t = start
        calls.append(story.call(args={"id": number + 1}, at=start, parallel=True, token=token).meets(401))
    return calls


def _replayed(calls: list[Telling], token: int) -> None:
    for call in calls:
        call.meets(200, token=token).ok()


@truth("AUTH-01")
@given(st.integers(1, 5), st.integers(1, 3), st.sampled_from(["nothing", "twice", "used", "needless"]), st.booleans())
def test_once_per_generation(count: int, rounds: int, wrong: str, rotates: bool) -> None:
    """AUTH-01 holds for one refresh a generation; it fails for a second beside it, after it, or of its fresh tokens."""
    story = Story(policy=LATER)
    held, refresh_token = 1, 1
    for _ in range(rounds):
        calls = _refused(story, count, held)
        story.refresh(presents=refresh_token, issues=held + 1, rotates=rotates)
        held, refresh_token = held + 1, held + 1 if rotates else refresh_token
        _replayed(calls, held)
    if wrong == "twice":
        calls = _refused(story, count, held)
        start = story.t
        story.refresh(presents=refresh_token, issues=held + 1, at=start, takes=0.02)
        story.refresh(503, presents=refresh_token, at=start + 0.01)
        _replayed(calls, held + 1)
    elif wrong == "used":
        story.refresh(400, presents=refresh_token - 1 if rotates else refresh_token)
    elif wrong == "needless":
        story.refresh(presents=refresh_token, issues=held + 1)

    assert story.verdict("AUTH-01") == ("pass" if wrong == "nothing" else "fail")


@truth("AUTH-01")
@given(st.integers(1, 5), st.integers(0, 4), st.sampled_from(["well", "again", "alone", "too soon", "replayed"]))
def test_nobody_is_left_behind(count: int, who: int, how: str) -> None:
    """AUTH-01 holds where all calls refused at once succeed, and fails where one of them fails on its 401."""
    story = Story(policy=LATER)
    calls = _refused(story, count)
    one = calls[who % count]
    if how == "too soon":
        one.fails("unauthorized", 401)
    story.refresh()
    for call in calls:
        if call is not one or how in ("well", "again"):
            call.meets(200, token=2).ok()
        elif how == "replayed":
            call.meets(200, token=2).fails("unauthorized", 401)
        elif how == "alone":
            call.fails("unauthorized", 401)
    if how == "again":
        late = story.call(args={"id": 77}, token=2).meets(401)
        story.refresh(presents=2, issues=3)
        late.meets(200, token=3).ok()

    assert story.verdict("AUTH-01") == ("pass" if how in ("well", "again") else "fail")


@truth("AUTH-01")
@given(st.integers(60, 7200), st.integers(0, 60), st.floats(-0.2, 0.2), st.booleans())
def test_renewed_no_earlier_than_promised(lifetime: int, early: int, off: float, refused: bool) -> None:
    """AUTH-01 fails where fresh tokens are renewed before their time is near, unless they had been refused."""
    early = min(early, lifetime // 2)
    story = Story(policy={"auth": {"refresh_early": f"{early}s" if early else "1ms"}, **LATER})
    first = story.call().meets(401)
    issued = story.t
    body = f'{{"access_token": "a2", "refresh_token": "r2", "expires_in": {lifetime}}}'.encode()
    story.refresh(body=body)
    first.meets(200, token=2).ok()
    due = issued + lifetime - (early or 0.001) - 1.0  # lifetimes are whole seconds
    story.t = due + off - 0.001
    call = story.call(token=2)
    if refused:
        call.meets(401)
    story.refresh(presents=2, issues=3)
    call.meets(200, token=3).ok()
    too_soon = off < 0.0 and not refused

    if abs(off) > 0.01 or refused:
        assert story.verdict("AUTH-01") == ("fail" if too_soon else "pass")


@truth("AUTH-01")
@given(st.sampled_from(["valid", "expired", "none"]), st.integers(0, 2), st.integers(1, 3), st.booleans())
def test_a_call_may_have_had_its_refreshes(given_token: str, allowed: int, made: int, renewed: bool) -> None:
    """AUTH-01 asks for a refresh only while a call may have one left."""
    story = Story(
        policy={"auth": {"refreshes_per_call": allowed}, **LATER}, scenario={"given": {"access_token": given_token}}
    )
    call = story.call()
    if renewed:
        for n in range(made):
            story.refresh(presents=1 + n, issues=2 + n)
            if n + 1 < made:
                # Each of these was refused by somebody: none of them is needless.
                story.exchange(story.t, method="GET", path="/users/9", status=401, first=story.t, last=story.t,
                               ended=story.t, token=2 + n, body=b"{}")  # fmt: skip
    call.meets(401, token=1 + made if renewed else 1).fails("unauthorized", 401)
    good = made >= allowed if renewed else allowed == 0

    assert story.verdict("AUTH-01") == ("pass" if good else "fail")


@truth("AUTH-03")
@given(
    st.integers(2, 5),
    st.lists(st.sampled_from([503, 429, 502]), max_size=2),
    st.sampled_from([("unauthorized", 401), ("unauthorized", None), ("server", 503), ("ok", 200), ("cache", None)]),
    st.sampled_from([None, 200, 503]),
)
def test_one_replay(refused: int, between: list[int], ends: tuple[str, int | None], then: int | None) -> None:
    """AUTH-03 holds where a second 401 is the end, as unauthorized; a third attempt or another end breaks it."""
    story = Story(policy=LATER)
    call = story.call().meets(401)
    story.refresh()
    for trouble in between:
        call.waits(0.3).meets(trouble, token=2)
    for _ in range(refused - 1):
        call.meets(401, token=2)
    if then is not None:
        call.meets(then, token=2)
    kind, status = ends
    if kind in ("ok", "cache"):
        call.ok(source="network" if kind == "ok" else "cache")
    else:
        call.fails(kind, status)
    good = refused == 2 and then is None and kind == "unauthorized"

    assert story.verdict("AUTH-03") == ("pass" if good else "fail")


@truth("AUTH-03")
@given(st.floats(0.0, 0.3), st.floats(0.3, 0.79), st.booleans())
def test_another_limit_may_have_struck(quick: float, slow: float, late: bool) -> None:
    """AUTH-03 lets a call report its deadline where that may have struck after the second 401, and nothing earlier."""
    story = Story(policy={"timeouts": {"total": "1s", "read": "900ms"}})
    call = story.call().meets(401)
    story.refresh()
    call.meets(401, token=2)
    story.t = call.started + (0.9999 if late else min(quick + slow, 0.95))
    call.fails("timeout.total")

    assert story.verdict("AUTH-03") == ("pass" if late else "fail")


@truth("AUTH-04")
@given(st.lists(st.booleans(), min_size=1, max_size=5), st.integers(0, 2), st.booleans())
def test_its_own_401_asks_for_nothing(refused: list[bool], extra: int, early: bool) -> None:
    """AUTH-04 holds for a refresh for each call that had cause, however they end, and fails for one more."""
    story = Story(scenario={"given": {"access_token": "expired"}} if early else {})
    for number, bad in enumerate([*refused, True]):
        call = story.call(args={"id": number + 1})
        if not early:
            call.meets(401)
        story.refresh(401 if bad else 503)
        call.fails("unauthorized", 401)
    for _ in range(extra):
        story.refresh(401)

    assert story.verdict("AUTH-04") == ("fail" if extra else "pass")


TRANSIENT = st.sampled_from([429, 500, 502, 503, 504, "rst", "silence", "cut"])


def _fails_by(story: Story, how: int | str) -> None:
    """Let a refresh fail in passing."""
    if isinstance(how, int):
        story.refresh(how)
    elif how == "rst":
        story.refresh(None)
    else:
        facts: dict[str, Any] = {"method": "POST", "path": "/auth/refresh", "presents": 1}
        at = story.t
        if how == "silence":
            story.t += 0.4
            story.exchange(at, how="fin", by="client", ended=story.t, fired=[FiredFault("stall", "request")], **facts)
        else:
            story.exchange(at, status=200, first=at, last=at, ended=at, how="rst", by="server", sent=210,
                           body=b'{"access_token": "a2"}', fired=[FiredFault("truncate", "body", 5)], **facts)  # fmt: skip


@truth("AUTH-07")
@given(
    st.lists(TRANSIENT, min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from([0, 1, 2, None]),
    st.sampled_from([True, False, None]),
)
def test_only_a_refusal_for_good_ends_the_session(
    passing: list[int | str], ended: bool, logouts: int | None, signed_in: bool | None
) -> None:
    """AUTH-07 wants no logout for what passes, and exactly one, with nobody signed in after it, on invalid_grant."""
    story = Story(policy=LATER, result=Result(logouts=logouts, signed_in=signed_in))
    for number, how in enumerate(passing):
        call = story.call(args={"id": number + 1}).meets(401)
        _fails_by(story, how)
        call.fails("unauthorized", 401)
        story.t += 1.0
    if ended:
        call = story.call(args={"id": 99}).meets(401)
        story.refresh(400)
        call.fails("unauthorized", 401)
    if logouts is None and signed_in is None:
        expected = "not_exercised"
    elif ended:
        expected = "pass" if logouts in (1, None) and not signed_in else "fail"
    else:
        expected = "pass" if not logouts and signed_in is not False else "fail"

    assert story.verdict("AUTH-07") == expected


@truth("AUTH-07")
@given(st.integers(1, 3), st.integers(-1, 1), st.booleans())
def test_each_session_ends_once(sessions: int, off: int, in_again: bool) -> None:
    """AUTH-07 counts a logout for each session that was refused for good, with a login between them."""
    story = Story(policy=LATER, result=Result(logouts=sessions + off, signed_in=in_again))
    token = 1
    for number in range(sessions):
        call = story.call(args={"id": number + 1}, token=token).meets(401)
        story.refresh(400, presents=token)
        call.fails("unauthorized", 401)
        story.t += 1.0
        if number + 1 < sessions or in_again:
            token += 1
            story.call("auth.login", {}, token=None).meets(200, issued=token).ok()
            story.t += 1.0

    assert story.verdict("AUTH-07") == ("fail" if off else "pass")


@truth("AUTH-15")
@given(
    st.lists(st.sampled_from(["bare", "own", "home"]), min_size=1, max_size=4),
    st.sampled_from(["nothing", "token", "header", "HEADER", "query", "path"]),
    st.booleans(),
)
def test_the_token_stays_at_home(others: list[str], wrong: str, tagged: bool) -> None:
    """AUTH-15 fails as soon as one request to another origin carries a token, in whatever place."""
    story = Story(facts={"secrets": ("s3cret", "other-s3cret")}, capabilities=ALL if tagged else ALL - {"call_tag"})
    given_header = {"headers": {"Authorization": "Basic eDp5"}}
    carried: dict[str, dict[str, Any]] = {
        "nothing": {}, "token": {"token": 1}, "query": {"query": "access_token=other-s3cret"},
        "header": {"sent_headers": [("authorization", "Bearer #1a2b3c4d")]},
        "HEADER": {"sent_headers": [("accept", "json"), ("AUTHORIZATION", "Basic #1a2b3c4d")]},
        "path": {"path": "/users/s3cret"},
    }  # fmt: skip
    for number, kind in enumerate([*others, "wrong"]):
        if kind == "home":
            story.call(args={"id": number}).meets(200, sent_headers=[("authorization", "Bearer #1a2b3c4d")]).ok()
            continue
        own = kind == "own" and tagged
        call = story.call("http", ABROAD | (given_header if own else {}), token=None)
        facts: dict[str, Any] = {"path": "/users/1", **(carried[wrong] if kind == "wrong" else {})}
        if own:
            facts["sent_headers"] = [("authorization", "Basic #5e6f")]
        if not tagged:
            facts["call"] = None
        call.meets(200, **facts).ok()
        story.events[-1].operation = story.events[-1].role = "other_origin"

    assert story.verdict("AUTH-15") == ("pass" if wrong == "nothing" else "fail")
