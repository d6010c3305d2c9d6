"""CANCEL-03 and CANCEL-04 on told traces: what a cancel leaves alone, and what must not begin at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import ALL, Story, Telling, truth

AT = 0.08
SLOW: dict[str, Any] = {"timeouts": {"read": "5s"}, "cache": {"fallback_after": None}}


def _two(
    story: Story, *, left_after: float | None, begins: float = 0.0, op: str = "users.get", **facts: Any
) -> Telling:
    """Tell of a call that is cancelled in its silence at 80 ms, and one beside it; return the other, not ended yet.

    The client leaves the other's exchange ``left_after`` seconds after its beginning; None: the server answers it.
    """
    start = story.t + 0.001
    first = story.call(at=start, cancel_after=AT, parallel=True)
    first.gives_up(after=AT).cancelled()
    other = story.call(op, {"id": 2} if op == "users.get" else None, at=start + begins, parallel=True)
    if left_after is None:
        return other.meets(200, takes=0.3, **facts)
    return other.gives_up(after=left_after - begins, **facts)


# CANCEL-03


@truth("CANCEL-03")
@given(st.floats(0.0, 0.07), st.sampled_from(["ok", "server", "cancelled", "escaped", "given up"]))
def test_the_other_goes_on(begins: float, how: str) -> None:
    """CANCEL-03 fails where the call beside a cancelled one ends by a cancel too, or loses its exchange with it."""
    story = Story(policy=SLOW)
    other = _two(story, left_after=AT if how == "given up" else None, begins=begins)
    match how:
        case "ok":
            other.ok()
        case "server":
            other.fails("server", 503)
        case "cancelled":
            other.cancelled()
        case "escaped":
            other.fails("other", escaped=True)
            assert other.outcome is not None
            assert other.outcome.error is not None
            other.outcome.error.native = "CancelledError"
        case _:
            other.meets(200).ok()

    assert story.verdict("CANCEL-03") == ("pass" if how in ("ok", "server") else "fail")


@given(st.floats(0.0, 1.0))
def test_an_exchange_is_lost_with_it_only_where_it_is_left_at_that_moment(left: float) -> None:
    """CANCEL-03 asks about exchanges that the client leaves from the cancel on, within the promised time."""
    story = Story(policy=SLOW)
    _two(story, left_after=left).waits(0.5).meets(200).ok()

    near = AT - 0.001 <= left <= AT + 0.102
    if not near or AT + 0.001 < left < AT + 0.09:
        assert story.verdict("CANCEL-03") == ("fail" if near else "pass")


@pytest.mark.parametrize(
    ("policy", "facts"),
    [
        ({"timeouts": {"read": "80ms"}}, {}),
        ({"timeouts": {"read": "5s", "total": "80ms"}}, {}),
        (SLOW, {"status": 503, "first": 1.05, "last": 1.05, "sent": 20}),
    ],
)
def test_a_reason_of_its_own(policy: dict[str, Any], facts: dict[str, Any]) -> None:
    """CANCEL-03 lets a call leave its exchange at that moment by a limit of its own, or an error's body unread."""
    story = Story(policy=policy)
    _two(story, left_after=AT, **facts).waits(0.2).meets(200).ok()

    assert story.verdict("CANCEL-03") == "pass"


def test_a_call_may_end_with_the_exchange_that_it_loses() -> None:
    """CANCEL-03 also finds a call that fails at once, by whatever name, when another one's cancel takes its exchange."""
    story = Story(policy=SLOW)
    _two(story, left_after=AT).fails("closed")

    assert "gave up exchange 2 of call c1/0" in story.sentences("CANCEL-03")[0]


def test_a_call_that_falls_back_leaves_too() -> None:
    """CANCEL-03 lets a read leave its exchange when it is answered from the cache."""
    story = Story(policy={"timeouts": {"read": "5s"}, "cache": {"fallback_after": "80ms"}})
    _two(story, left_after=AT).ok(source="cache")

    assert story.verdict("CANCEL-03") == "pass"


def test_who_signs_out_ends_everything() -> None:
    """CANCEL-03 says nothing of exchanges that end while somebody signs out."""
    story = Story(policy=SLOW)
    _two(story, left_after=AT).fails("unauthorized")
    story.call("auth.logout", {}, at=1.02, parallel=True).meets(204, takes=0.2).ok()

    assert story.verdict("CANCEL-03") == "pass"


def test_nobody_beside_it() -> None:
    """CANCEL-03 is not exercised by a call that is alone, by one that had ended, or where both are cancelled."""
    alone = Story()
    alone.call(cancel_after=AT).gives_up(after=AT).cancelled()
    before = Story()
    before.call(args={"id": 2}).meets(200).ok()
    before.call(cancel_after=AT).gives_up(after=AT).cancelled()
    both = Story()
    both.call(at=1.0, cancel_after=AT).gives_up(after=AT).cancelled()
    both.call(args={"id": 2}, at=1.0, cancel_after=0.2).gives_up(after=0.2).cancelled()

    assert {item.verdict("CANCEL-03") for item in (alone, before)} == {"not_exercised"}
    assert both.verdict("CANCEL-03") == "not_exercised"


# CANCEL-04


@truth("CANCEL-04")
@given(st.integers(0, 3), st.sampled_from(["users.get", "users.list", "orders.create"]), st.floats(0.0, 1.0))
def test_what_is_cancelled_beforehand_sends_nothing(sent: int, op: str, later: float) -> None:
    """CANCEL-04 fails for any exchange of a call that was cancelled before it began, however late it comes."""
    story = Story()
    call = story.call(op, {"data": {}} if op == "orders.create" else None, cancel_after=0.0).cancelled()
    for _ in range(sent):
        call.waits(later).meets(200)
    story.call(args={"id": 9}).meets(200).ok()

    assert story.verdict("CANCEL-04") == ("fail" if sent else "pass")


def test_cancelled_under_way_is_another_matter() -> None:
    """CANCEL-04 is not exercised by a call that is cancelled after it began."""
    story = Story()
    story.call(cancel_after=0.05).gives_up(after=0.05).cancelled()

    assert story.verdict("CANCEL-04") == "not_exercised"


@pytest.mark.parametrize(("beside", "verdict"), [(True, "not_exercised"), (False, "fail")])
def test_without_tags_it_must_be_certain_whose_exchange_it_is(beside: bool, verdict: str) -> None:
    """CANCEL-04 holds nothing against a call whose exchange may be that of another call for the same thing."""
    story = Story(capabilities=ALL - {"call_tag"})
    call = story.call(cancel_after=0.0, at=1.0).meets(200)
    call.cancelled()
    if beside:
        story.call(at=1.0).waits(0.001).ok()

    assert story.verdict("CANCEL-04") == verdict


def _lost(left: float = AT, policy: dict[str, Any] | None = None, **story: Any) -> Story:
    """Tell of a call that loses its exchange when another is cancelled, and goes on."""
    found = Story(policy=policy or SLOW, **story)
    _two(found, left_after=left).waits(0.5).meets(200).ok()
    return found


def test_whoever_else_there_is() -> None:
    """CANCEL-03 finds each call that loses its exchange once, whoever was there before it, and however many are cancelled."""
    story = Story(policy=SLOW)
    story.call("users.list").meets(200).ok()
    start = story.t + 0.001
    for number in (1, 2):
        story.call(at=start, args={"id": number}, cancel_after=AT, parallel=True).gives_up(after=AT).cancelled()
    well = story.call(at=start, args={"id": 3}, parallel=True).meets(200, takes=0.3)
    well.ok()
    for number in (4, 5):
        story.call(at=start, args={"id": number}, parallel=True).gives_up(after=AT).fails("closed")
    for number in (6, 7):
        story.call(at=start, args={"id": number}, parallel=True).meets(200, takes=0.3).cancelled()

    assert [found.call for found in story.judge("CANCEL-03").findings] == ["c4/0", "c5/0", "c6/0", "c7/0"]


def test_beside_it_means_before_it() -> None:
    """CANCEL-03 is not exercised by a call that began when the other was being cancelled, as far as that can be seen."""
    for begins, verdict in ((0.03, "not_exercised"), (0.02, "pass")):
        story = Story(policy=SLOW, scenario={"given": {"network": {"latency": "50ms"}}})
        _two(story, left_after=None, begins=begins).ok()
        assert story.verdict("CANCEL-03") == verdict


def test_a_call_that_ended_well_before_says_nothing() -> None:
    """CANCEL-03 says how a call ended that nobody had cancelled."""
    for escaped, said in ((True, "let CancelledError escape"), (False, "ended cancelled")):
        story = Story(policy=SLOW)
        other = _two(story, left_after=None)
        if escaped:
            other.fails("other", escaped=True)
            assert other.outcome is not None
            assert other.outcome.error is not None
            other.outcome.error.native = "CancelledError"
        else:
            other.cancelled()
        assert story.sentences("CANCEL-03") == [
            "Call c0/0 (users.get id=1) was cancelled, and call c1/0 (users.get id=2), which was not, " + said + "."
        ]


@pytest.mark.parametrize("how", ["open", "by the server", "whole"])
def test_what_the_client_did_not_leave(how: str) -> None:
    """CANCEL-03 does not ask about an exchange that is open, that the server ended, or that was answered whole."""
    story = Story(policy=SLOW)
    known: dict[str, dict[str, Any]] = {
        "open": {"ended": None},
        "by the server": {"how": "fin", "by": "server"},
        "whole": {"how": "fin", "by": "client", "status": 200, "first": 1.08, "last": 1.08},
    }
    start = story.t + 0.001
    story.call(at=start, cancel_after=AT, parallel=True).gives_up(after=AT).cancelled()
    other = story.call(args={"id": 2}, at=start, parallel=True)
    other._add(start, **{"ended": start + AT, "how": "open", "fired": [], **known[how]})
    story.t = start + 0.5
    other.meets(200).ok()

    assert story.verdict("CANCEL-03") == "pass"


@pytest.mark.parametrize(("status", "verdict"), [(200, "fail"), (299, "fail"), (300, "pass"), (301, "pass")])
def test_only_a_success_is_lost(status: int, verdict: str) -> None:
    """CANCEL-03 lets a call leave the body of any answer but a success."""
    story = Story(policy=SLOW)
    facts: dict[str, Any] = {"status": status, "first": 1.05, "last": 1.05, "sent": 20, "body": b"{}" * 40}
    _two(story, left_after=AT, **facts).waits(0.2).meets(200).ok()

    assert story.verdict("CANCEL-03") == verdict


@pytest.mark.parametrize(
    ("left", "moved", "verdict"), [(5.0, 0, "pass"), (5.0, 8, "fail"), (0.23, 0, "fail"), (0.26, 0, "pass")]
)
def test_until_when_it_is_lost_with_it(left: float, moved: int, verdict: str) -> None:
    """CANCEL-03 asks about what is left within the promised time, a round trip, and by how much the clock was moved."""
    scenario: dict[str, Any] = {"given": {"network": {"latency": "50ms"}}}
    scenario |= {"calls": [{"advance": f"{moved}s"}]} if moved else {}
    policy = {"timeouts": {"read": "90s", "total": "100s"}, "cache": {"fallback_after": None}}

    assert _lost(left, {**policy, "cancel": {"within": "110ms"}}, scenario=scenario).verdict("CANCEL-03") == verdict


def test_who_ends_well_at_that_moment_leaves_for_that() -> None:
    """CANCEL-03 lets a call leave its exchange as it ends well; one that fails as it leaves has lost it."""
    for well, verdict in ((True, "pass"), (False, "fail"), (None, "fail")):
        story = Story(policy=SLOW)
        other = _two(story, left_after=AT)
        story.t -= 0.001
        if well is None:
            other.hangs()
        elif well:
            other.ok(source="cache")
        else:
            other.fails("closed")
        assert story.verdict("CANCEL-03") == verdict


@pytest.mark.parametrize(("sent", "said"), [(1, "and exchange 1 was"), (2, "and exchanges 1 and 2 were")])
def test_what_was_sent_after_a_cancel_beforehand(sent: int, said: str) -> None:
    """CANCEL-04 says what was sent for a call that had been cancelled, and how long after its beginning the first came."""
    for later, first in ((0.25, "0.250 s"), (-0.002, "0.000 s")):
        story = Story()
        call = story.call(cancel_after=0.0)
        story.t = call.started + later
        for _ in range(sent):
            call.meets(200).waits(0.4)
        call.cancelled()
        assert story.sentences("CANCEL-04") == [
            f"Call c0/0 (users.get id=1) was cancelled before it began, {said} sent for it all the same, the first "
            f"after {first}."
        ]


@pytest.mark.parametrize(("left", "verdict"), [(AT, "fail"), (AT + 0.5, "pass")])
def test_without_a_promise_it_is_lost_at_that_moment_alone(left: float, verdict: str) -> None:
    """CANCEL-03 asks about what is left as the other call is cancelled, where no time for that is promised."""
    assert _lost(left, {**SLOW, "cancel": {"within": None}}).verdict("CANCEL-03") == verdict


def test_what_each_cancel_takes_with_it() -> None:
    """CANCEL-03 finds what a second cancel takes, also behind a call that has lost something to the first already."""
    story = Story(policy=SLOW)
    start = story.t + 0.001
    for number, after in ((1, AT), (2, 5 * AT)):
        call = story.call(at=start, args={"id": number}, cancel_after=after, parallel=True)
        call.gives_up(after=after).cancelled()
    for number, after in ((3, AT), (4, 5 * AT)):
        call = story.call(at=start, args={"id": number}, parallel=True)
        call.gives_up(after=after).waits(0.5).meets(200).ok()

    assert [found.call for found in story.judge("CANCEL-03").findings] == ["c2/0", "c3/0"]


def test_another_exception_is_no_cancel() -> None:
    """CANCEL-03 leaves exceptions of other names to ERROR-01."""
    story = Story(policy=SLOW)
    _two(story, left_after=None).fails("other", escaped=True)

    assert story.verdict("CANCEL-03") == "pass"
