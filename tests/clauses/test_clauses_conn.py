"""CONN clauses on told traces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import ALL, USER_BODY, Story, Telling

REPOSITORY = ALL - {"http_cache"}
GET = {"users.get": {"id": 1}}
OFFLINE, ONLINE = {"offline": True}, {"offline": False}


def _story(*steps: Any, **options: Any) -> Story:
    """Begin a story whose scenario makes these steps; its calls are named a, b, … in their order."""
    return Story(**{"capabilities": REPOSITORY, "scenario": {"calls": list(steps)}, **options})


# CONN-01


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [("network", "pass"), ("cache", "fail"), ("offline", "fail"), ("cache failure", "fail"), ("hangs", "fail")],
)
def test_a_server_that_can_be_reached_is_used(ends: str, verdict: str) -> None:
    """CONN-01 fails where a call under an offline hint ends, or hangs, without having asked the server."""
    story = _story(GET, OFFLINE, GET)
    story.call(call="a").meets(200).ok()
    call = story.call(call="b")
    if ends == "network":
        call.meets(200).ok()
    elif ends == "cache":
        call.ok(source="cache")
    elif ends != "hangs":
        call.fails("offline" if ends == "offline" else "cache")

    assert story.verdict("CONN-01") == verdict


def test_trouble_under_a_hint_is_trouble() -> None:
    """CONN-01 fails where a call that had reached the server says that the device was offline, whatever the hint said."""
    for hint in (OFFLINE, ONLINE):
        for kind, verdict in (("reset", "pass"), ("offline", "fail")):
            story = _story(hint, GET)
            story.call(call="a").breaks().waits(0.3).breaks().fails(kind)
            assert story.verdict("CONN-01") == verdict


@pytest.mark.parametrize("kind", ["timeout.pool", "timeout.total", "unauthorized", "bug", "tls"])
def test_what_a_call_may_meet_before_the_server(kind: str) -> None:
    """CONN-01 leaves failures alone that have nothing to do with a hint."""
    story = _story(OFFLINE, GET)
    story.call(call="a").fails(kind)

    assert story.verdict("CONN-01") == "pass"


@pytest.mark.parametrize("how", ["no hint", "right online", "cache first", "cancelled", "signed out", "unreachable"])
def test_what_no_hint_is_wrong_about(how: str) -> None:
    """CONN-01 is not exercised where nothing was hinted, the hint was right, or the call needed no network."""
    known: dict[str, list[Any]] = {"no hint": [GET], "right online": [ONLINE, GET]}
    steps = known.get(how, [OFFLINE, GET])
    faults = [{"on": "connection", "fault": "accept_close"}] if how == "unreachable" else []
    story = _story(scenario={"calls": steps, "faults": faults})
    if how == "cache first":
        story.call("settings.get", {}, call="w", phase="warmup").meets(200).ok()
        story.call("settings.get", {}, call="a").ok(source="cache")
    elif how == "signed out":
        story.call("auth.logout", {}, call="a").ok()
    elif how == "cancelled":
        story.call(call="a", cancel_after=0.0).cancelled()
    elif how == "unreachable":
        story.call(call="a").fails("closed")
    else:
        story.call(call="a").meets(200).ok()

    assert story.verdict("CONN-01") == "not_exercised"


@given(st.lists(st.booleans(), min_size=1, max_size=5), st.booleans())
def test_the_last_hint_counts(said: list[bool], asked: bool) -> None:
    """CONN-01 goes by the hint in force when a call was made."""
    story = _story(*({"offline": item} for item in said), GET, OFFLINE)
    call = story.call(call="a")
    (call.meets(200).ok() if asked else call.fails("other"))
    expected = ("pass" if asked else "fail") if said[-1] else "not_exercised"

    assert story.verdict("CONN-01") == expected


# CONN-02


def _away(story: Story, name: str) -> Telling:
    """Let a read fall back on the cache."""
    return story.call(call=name).meets(503).waits(0.3).meets(503).ok(source="cache")


def _back(*steps: Any) -> Story:
    """Tell of a user who is shown from the cache twice while the device is offline, and of its return."""
    story = _story(GET, OFFLINE, GET, GET, ONLINE, *steps)
    story.call(call="a").meets(200).ok()
    _away(story, "b")
    _away(story, "c")
    return story


def _refreshed(story: Story, at: float, status: int = 200, *, takes: float = 0.005, path: str = "/users/1") -> None:
    done = at + takes
    story.exchange(
        at, method="GET", path=path, token=1, status=status, body=USER_BODY, first=done, last=done, ended=done
    )
    story.t = max(story.t, done)


@given(st.lists(st.floats(0.0, 2.0), max_size=4))
def test_each_thing_is_refreshed_once(starts: list[float]) -> None:
    """CONN-02 fails exactly where one thing is refreshed more than once when the device is back."""
    story = _back()
    base = story.t
    for start in starts:
        _refreshed(story, base + start)

    assert story.verdict("CONN-02") == ("fail" if len(starts) > 1 else "pass")


def test_retries_and_other_things_are_no_second_refresh() -> None:
    """CONN-02 counts a refresh with its retries once, and each thing by itself."""
    story = _back()
    base = story.t
    _refreshed(story, base, 503)
    _refreshed(story, base + 0.3)
    _refreshed(story, base + 0.01, path="/users/2")
    _refreshed(story, base + 0.02, path="/users/3")

    assert story.verdict("CONN-02") == "pass"


def test_what_is_asked_for_later_is_refreshed_for_that() -> None:
    """CONN-02 counts up to the next call that asks for the same thing."""
    story = _back(GET)
    _refreshed(story, story.t)
    story.call(call="d").meets(200).ok()
    _refreshed(story, story.t + 0.1)

    assert story.verdict("CONN-02") == "pass"


def test_each_return_counts_by_itself() -> None:
    """CONN-02 allows one refresh for each time that the device comes back with something shown stale meanwhile."""
    story = _story(GET, OFFLINE, GET, ONLINE, OFFLINE, GET, ONLINE)
    story.call(call="a").meets(200).ok()
    for name in "bc":
        _away(story, name)
        _refreshed(story, story.t + 0.01)

    assert story.verdict("CONN-02") == "pass"


@pytest.mark.parametrize("how", ["never gone", "never back", "nothing stale", "shown before", "asks the cache first"])
def test_what_is_no_return(how: str) -> None:
    """CONN-02 is not exercised where the device was not gone, did not come back, or showed nothing stale meanwhile."""
    steps = {
        "never gone": (GET, ONLINE, GET, ONLINE),
        "never back": (GET, OFFLINE, GET),
        "nothing stale": (GET, OFFLINE, GET, ONLINE),
        "shown before": (GET, GET, OFFLINE, ONLINE),
        "asks the cache first": (GET, OFFLINE, GET, ONLINE),
    }[how]
    story = _story(*steps)
    story.call(call="a").meets(200).ok()
    if how == "nothing stale":
        story.call(call="b").meets(200).ok()
    elif how == "asks the cache first":
        story.call("settings.get", {}, call="b").ok(source="cache")
    else:
        _away(story, "b")
    path = "/settings" if how == "asks the cache first" else "/users/1"
    _refreshed(story, story.t, path=path)
    _refreshed(story, story.t, path=path)

    assert story.verdict("CONN-02") == "not_exercised"


def test_its_sentences_on_what_was_not_asked() -> None:
    """CONN-01 says how a call ended that did not ask, whichever call needed no network before it."""
    story = _story(OFFLINE, {"settings.get": {}}, GET, GET, GET)
    story.call("settings.get", {}, call="w", phase="warmup").meets(200).ok()
    story.call("settings.get", {}, call="a").ok(source="cache")
    story.call(call="b").fails("other")
    story.call(call="c").ok(source="cache")
    story.call(call="d").hangs()

    assert story.sentences("CONN-01") == [
        "Call b/0 (users.get id=1) failed as other without asking the server, which could be reached, because a hint said "
        "offline.",
        "Call c/0 (users.get id=1) was answered from the cache without asking the server, which could be reached, because "
        "a hint said offline.",
        "Call d/0 (users.get id=1) never ended: it did not ask the server, because a hint said offline.",
    ]
