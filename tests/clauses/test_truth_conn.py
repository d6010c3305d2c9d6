"""The truth about the CONN clauses: stories drawn to hold them, and the smallest changes that break them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import ALL, USER_BODY, Story, truth

REPOSITORY = ALL - {"http_cache"}
GET = {"users.get": {"id": 1}}
OFFLINE, ONLINE = {"offline": True}, {"offline": False}


def _story(*steps: Any) -> Story:
    """Begin a story whose scenario makes these steps; its calls are named a, b, … in their order."""
    return Story(capabilities=REPOSITORY, scenario={"calls": list(steps)})


@truth("CONN-01")
@given(
    st.lists(st.booleans(), max_size=3),
    st.booleans(),
    st.sampled_from(["network", "trouble", "offline", "cache", "hangs"]),
    st.booleans(),
)
def test_a_hint_is_advice(before: list[bool], offline: bool, ends: str, asked: bool) -> None:
    """CONN-01 fails where a call ends for a hint, with a server that could be reached unasked, or is told to be offline."""
    story = _story(GET, *({"offline": item} for item in before), {"offline": offline}, GET)
    story.call(call="a").meets(200).ok()
    call = story.call(call="b")
    if ends == "network":
        call.meets(200).ok()
    elif ends == "hangs":
        call.hangs()
    else:
        if asked:
            call.breaks()
        if ends == "cache":
            call.ok(source="cache")
        else:
            call.fails("offline" if ends == "offline" else "reset")
    reached = ends == "network" or (asked and ends != "hangs")
    if not offline and not (asked and ends in ("trouble", "offline", "cache")):
        assert story.verdict("CONN-01") == "not_exercised"
    elif ends == "offline":
        assert story.verdict("CONN-01") == "fail"
    else:
        assert story.verdict("CONN-01") == ("pass" if reached else "fail")


@truth("CONN-02")
@given(st.integers(1, 3), st.lists(st.tuples(st.floats(0.0, 2.0), st.sampled_from([1, 2])), max_size=4))
def test_one_refresh_for_each_thing(shown: int, refreshes: list[tuple[float, int]]) -> None:
    """CONN-02 fails where a thing that was shown stale is refreshed more than once when the device is back."""
    story = _story(GET, OFFLINE, *[GET] * shown, ONLINE)
    story.call(call="a").meets(200).ok()
    for name in "bcd"[:shown]:
        story.call(call=name).meets(503).waits(0.3).meets(503).ok(source="cache")
    base = story.t
    for start, user in refreshes:
        done = base + start + 0.005
        story.exchange(base + start, method="GET", path=f"/users/{user}", token=1, status=200, body=USER_BODY,
                       first=done, last=done, ended=done)  # fmt: skip
        story.t = max(story.t, done)
    own = [user for _, user in refreshes if user == 1]

    assert story.verdict("CONN-02") == ("fail" if len(own) > 1 else "pass")
