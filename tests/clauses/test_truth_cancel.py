"""The truth about the CANCEL clauses: stories drawn to hold them, and the smallest changes that break them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sadpath.drivers.messages import Result
from tests.clauses.stories import Story, Telling, truth

AFTER = st.integers(20, 390).map(lambda ms: ms / 1000)
"""When a call is cancelled: before its read timeout of 0.4 s."""


def _asked(call: Telling, after: float) -> None:
    """Let the driver say when it asked for the cancel."""
    assert call.outcome is not None
    update = {"started_ms": 7.0, "cancelled_ms": 7.0 + after * 1000}
    call.outcome = call.outcome.model_copy(update=update)


def _offset(call: Telling, after: float, off: float) -> None:
    call.story.t = call.started + after + off


@truth("CANCEL-01")
@given(AFTER, st.floats(-0.005, 0.005), st.integers(10, 500), st.booleans())
def test_its_connection_is_given_up(after: float, off: float, within: int, told: bool) -> None:
    """CANCEL-01 holds where the open exchange ends within the promised time after the cancel, and fails beyond."""
    story = Story(policy={"cancel": {"within": f"{within}ms"}})
    call = story.call(cancel_after=after).gives_up(after=after + within / 1000 + off)
    call.cancelled()
    if told:
        _asked(call, after)
    if abs(off) > 0.0005:
        assert story.verdict("CANCEL-01") == ("fail" if off > 0 else "pass")


@truth("CANCEL-01")
@given(AFTER, st.integers(1, 3), st.sampled_from([-0.008, -0.001, 0.001, 0.4]), st.booleans())
def test_nothing_is_sent_afterwards(after: float, before: int, off: float, open_still: bool) -> None:
    """CANCEL-01 fails for any exchange that arrives after the cancel, and for one that is never given up."""
    story = Story()
    call = story.call(cancel_after=after)
    for _ in range(before):
        call.meets(503, takes=0.001)
    _offset(call, after, off)
    call.meets(200)
    call.cancelled()
    if open_still:
        story.events[before - 1].t_ended = None

    assert story.verdict("CANCEL-01") == ("fail" if off > 0.0 or open_still else "pass")


@truth("CANCEL-01")
@given(AFTER, st.sampled_from(["same", "another", "earlier"]), st.floats(0.2, 3.0))
def test_what_another_waits_for_may_go_on(after: float, other: str, takes: float) -> None:
    """CANCEL-01 lets an exchange go on that another call for the same thing may share, and no other."""
    story = Story()
    sharing = story.call(args={"id": 2 if other == "another" else 1}, call="x", at=1.0)
    if other == "earlier":
        sharing.ok()
    call = story.call(cancel_after=after, at=1.01)
    call.meets(200, takes=after + takes).cancelled()
    if other != "earlier":
        sharing.ok()

    assert story.verdict("CANCEL-01") == ("pass" if other == "same" else "fail")


@truth("CANCEL-02")
@given(
    AFTER, st.sampled_from(["cancelled", "closed", "timeout.read", "ok", "cache"]), st.sampled_from(["silence", "wait"])
)
def test_a_cancel_is_reported_as_one(after: float, ends: str, where: str) -> None:
    """CANCEL-02 holds where a call cancelled in silence, or in its back-off, says so, and fails for any other end."""
    story = Story()
    call = story.call(cancel_after=after)
    if where == "wait":
        call.meets(503)
        _offset(call, after, 0.0)
    else:
        call.gives_up(after=after)
    if ends == "cancelled":
        call.cancelled()
    elif ends in ("ok", "cache"):
        call.ok(source="cache" if ends == "cache" else "network")
    else:
        call.fails(ends)
    _asked(call, after)

    assert story.verdict("CANCEL-02") == ("pass" if ends == "cancelled" else "fail")


@truth("CANCEL-02")
@given(AFTER, st.sampled_from(["first byte", "end", "read", "total", "connect", "pool", "fallback"]), st.booleans())
def test_what_may_have_come_first(after: float, what: str, near: bool) -> None:
    """CANCEL-02 leaves it open where the server or a limit struck at the moment of the cancel, not some time before."""
    limit = after if near else after * 3 + 1
    text = f"{round(limit * 1000)}ms"
    policy: dict[str, dict[str, str]] = {"timeouts": {"read": "90s", "total": "99s", "connect": "95s", "pool": "97s"}}
    if what in ("read", "total", "connect", "pool"):
        policy["timeouts"][what] = text
    elif what == "fallback":
        policy["cache"] = {"fallback_after": text}
    story = Story(policy=policy)
    call = story.call(cancel_after=after)
    if what in ("first byte", "end"):
        takes = after if near else after - 0.01
        call.breaks(takes=takes) if what == "end" else call.meets(503, takes=takes)
        _offset(call, after, 0.0)
    else:
        call.gives_up(after=after)
    call.fails("closed")
    _asked(call, after)

    assert story.verdict("CANCEL-02") == ("pass" if near else "fail")


@truth("CANCEL-02")
@given(AFTER, st.sampled_from([0, 1, 2, None]), st.sampled_from(["nothing", "refused", "logout", "not valid"]))
def test_a_cancel_signs_nobody_out(after: float, logouts: int | None, reason: str) -> None:
    """CANCEL-02 fails where the client ended its session and nothing but the cancel can have been the reason."""
    story = Story(result=Result(logouts=logouts))
    if reason == "not valid":
        story.scenario = {"given": {"refresh_token": "used"}}
    if reason == "logout":
        story.call("auth.logout", {}).meets(204, body=b"").ok()
    call = story.call(cancel_after=after)
    if reason == "refused":
        call.meets(401, takes=0.001)
        story.refresh(400)
    _offset(call, after, 0.0)
    call.cancelled()

    assert story.verdict("CANCEL-02") == ("fail" if logouts and reason == "nothing" else "pass")
