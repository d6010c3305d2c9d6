"""TIME-02 and TIME-03 on told traces: what a client makes of a server that says nothing, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, USER_BODY, Story, Telling, truth

READ = {"timeouts": {"read": "1s", "total": "500s"}}
PAUSE = [FiredFault("delay", "body", 20)]
IN_PIECES = [FiredFault("dribble", "body", 0)]


def _silent(*gaps: float, kind: str | None = "timeout.read") -> Story:
    """Tell of a call whose attempts were given up after so many seconds of silence each."""
    story = Story(policy=READ)
    call = story.call()
    for gap in gaps:
        call.gives_up(after=gap).waits(0.02)
    return _ended(story, call, kind)


def _ended(story: Story, call: Telling, kind: str | None) -> Story:
    if kind is None:
        call.meets(200).ok()
    else:
        call.fails(kind)
    return story


def _in_the_body(gap: float, *, status: int = 200, kind: str | None = "timeout.read", before: float = 0.0) -> Story:
    """Tell of an answer whose bytes came for ``before`` seconds, until the client left after a silence of ``gap``."""
    story = Story(policy=READ)
    call, t = story.call(), story.t
    first, last = t + 0.01, t + 0.01 + before
    call.gives_up(
        after=0.01 + before + gap, status=status, first=first, last=last, sent=220, body=USER_BODY, fired=IN_PIECES
    )
    return _ended(story, call, kind)


def _whole(takes: float, fired: list[FiredFault], *, again: bool = False) -> Story:
    """Tell of an answer that was read to its end, which came so many seconds after its head."""
    story = Story(policy=READ)
    call, t = story.call(), story.t
    end = t + 0.01 + takes
    call._add(t, status=200, first=t + 0.01, last=end, ended=end, body=USER_BODY, fired=fired)
    story.t = end
    if again:
        call.meets(200)
    call.ok()
    return story


# TIME-02


@given(st.floats(0.0, 0.6), st.booleans())
def test_a_connection_may_be_kept_through_the_wait(waited: float, at_once: bool) -> None:
    """TIME-02 lets a client that has timed out keep its connection while it backs off, and no longer than that."""
    story = Story(policy={**READ, "retry": {"first_delay": "300ms", "max_delay": "1s", "jitter": "none"}})
    call = story.call().gives_up(after=1.0 + waited)
    call.waits(0.0 if at_once else 0.2).meets(200).ok()

    if not 0.0 < waited < 0.001 and abs(waited - 0.3) > 0.001:
        assert story.verdict("TIME-02") == ("fail" if waited > (0.3 if at_once else 0.0) else "pass")


@truth("TIME-02")
@given(st.floats(0.0, 0.99), st.floats(1.01, 50.0), st.booleans())
def test_a_silence_has_its_limit(short: float, long: float, then_fine: bool) -> None:
    """TIME-02 holds exactly where a client gives up when its read timeout says, whether it tries again or not."""
    kind = None if then_fine else "timeout.read"
    assert _silent(1.0, kind=kind).verdict("TIME-02") == "pass"
    assert _silent(short, kind=kind).verdict("TIME-02") == "fail"
    assert _silent(long, kind=kind).verdict("TIME-02") == "fail"


@given(st.sampled_from(["timeout.connect", "refused", "offline", "closed", "server", "other"]))
def test_a_silence_has_its_name(kind: str) -> None:
    """TIME-02 fails where a call that ended with a silence is reported as anything but a read timeout."""
    assert _silent(1.0, 1.0, kind=kind).verdict("TIME-02") == "fail"
    assert "due is timeout.read" in _silent(1.0, kind=kind).sentences("TIME-02")[0]


def test_patience_without_end_is_too_long() -> None:
    """TIME-02 fails for a client that never leaves a silent server."""
    story = Story(policy=READ)
    story.call()._add(story.t, fired=[FiredFault("stall", "response")])

    assert "without end" in story.sentences("TIME-02")[0]


def test_an_answer_that_comes_too_late_is_not_waited_for() -> None:
    """TIME-02 fails where a client takes an answer that came after its limit."""
    for takes, verdict in ((0.9, "not_exercised"), (1.2, "fail")):
        story = Story(policy=READ)
        story.call().meets(200, takes=takes).ok()
        assert story.verdict("TIME-02") == verdict


def test_an_attempt_that_was_left_behind_is_not_waited_for() -> None:
    """TIME-02 and TIME-03 say nothing of an exchange that was still open when the next attempt came."""
    story = Story(policy=READ)
    call = story.call()
    start = story.t
    call.meets(200, takes=3.0)
    story.t = start + 1.1
    call.meets(200).ok()

    assert story.verdict("TIME-02") == "pass"


def test_other_limits_may_come_first() -> None:
    """TIME-02 is not about a wait that the call's deadline or its cancel has ended."""
    deadline = Story(policy={"timeouts": {"read": "1s", "total": "500ms"}})
    deadline.call().gives_up(after=0.499).fails("timeout.total")
    cancelled = Story(policy=READ)
    cancelled.call(cancel_after=0.5).gives_up(after=0.5).cancelled()

    assert deadline.verdict("TIME-02") == cancelled.verdict("TIME-02") == "not_exercised"


def test_the_deadline_may_end_the_wait_behind_a_silence() -> None:
    """TIME-02 lets a call whose deadline is near be reported as out of time, and no other."""
    for total, verdict in (("1.1s", "pass"), ("50s", "fail")):
        story = Story(policy={"timeouts": {"read": "1s", "total": total}})
        story.call().gives_up(after=1.0).waits(0.09).fails("timeout.total")
        assert story.verdict("TIME-02") == verdict


def test_a_server_that_ends_the_connection_is_not_silent() -> None:
    """TIME-02 is not exercised where the server breaks the connection before the limit."""
    story = Story(policy=READ)
    story.call().breaks(takes=0.5).fails("reset")

    assert story.verdict("TIME-02") == "not_exercised"


@pytest.mark.parametrize(("gap", "verdict"), [(1.3, "pass"), (1.6, "fail"), (0.8, "pass"), (0.7, "fail")])
def test_real_machines_get_slack(gap: float, verdict: str) -> None:
    """TIME-02 leaves room for a busy machine where time is real."""
    story = _silent(gap)
    story.world = "live"

    assert story.verdict("TIME-02") == verdict


# TIME-03


@truth("TIME-03")
@given(st.floats(0.0, 0.99), st.floats(1.01, 50.0), st.floats(0.0, 30.0))
def test_a_gap_in_the_body_has_its_limit(short: float, long: float, before: float) -> None:
    """TIME-03 holds exactly where a gap within the body ends by the read timeout, however long the body took before."""
    assert _in_the_body(1.0, before=before).verdict("TIME-03") == "pass"
    assert _in_the_body(short, before=before).verdict("TIME-03") == "fail"
    assert _in_the_body(long, before=before).verdict("TIME-03") == "fail"


@given(st.floats(0.0, 0.99), st.floats(1.01, 50.0))
def test_a_body_as_a_whole_has_no_limit(short: float, long: float) -> None:
    """TIME-03 holds where a body that took longer than any gap may is read to its end, and says nothing of others."""
    assert _whole(long, IN_PIECES).verdict("TIME-03") == "pass"
    assert _whole(short, IN_PIECES).verdict("TIME-03") == "not_exercised"


@given(st.floats(1.01, 50.0))
def test_one_pause_beyond_the_limit_is_too_long(gap: float) -> None:
    """TIME-03 fails where the only pause of a body lasted longer than the limit, and was waited for."""
    assert _whole(gap, PAUSE).verdict("TIME-03") == "fail"


def test_trying_again_is_giving_up_too() -> None:
    """TIME-03 fails where a client leaves a body that goes on, and asks again."""
    assert _in_the_body(0.3, kind=None).verdict("TIME-03") == "fail"
    assert _in_the_body(1.0, kind=None).verdict("TIME-03") == "pass"


def test_a_gap_has_its_name() -> None:
    """TIME-03 fails where a silence in the body is reported as a connect timeout or a lost connection."""
    for kind in ("timeout.connect", "truncated", "decode"):
        assert _in_the_body(1.0, kind=kind).verdict("TIME-03") == "fail"


@pytest.mark.parametrize("status", [301, 401, 404, 503])
def test_only_the_content_of_a_success_must_be_read(status: int) -> None:
    """TIME-03 lets a client leave the body of any other answer early, and report the status."""
    assert _in_the_body(0.3, status=status, kind=None).verdict("TIME-03") == "not_exercised"
    assert _in_the_body(1.0, status=status, kind="server").verdict("TIME-03") == "pass"
    assert _in_the_body(3.0, status=status, kind="server").verdict("TIME-03") == "fail"


def test_a_head_that_may_have_come_too_late_is_no_body() -> None:
    """TIME-03 does not hold a client to the body of an answer whose head was still on its way at the limit."""
    story = Story(policy=READ, scenario={"given": {"network": {"latency": "300ms"}}})
    call, t = story.call(), story.t
    call.gives_up(after=1.0, status=200, first=t + 0.9, last=t + 0.9, sent=220, body=USER_BODY, fired=IN_PIECES)
    call.waits(0.02).meets(200).ok()

    assert story.verdict("TIME-03") != "fail"


def test_silence_before_the_answer_is_another_matter() -> None:
    """TIME-03 is not exercised by a silence before the head, nor TIME-02 by one after it."""
    assert _silent(1.0).verdict("TIME-03") == "not_exercised"
    assert _in_the_body(1.0).verdict("TIME-02") == "not_exercised"


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (2.0, "waited for 2.000 s for the answer of exchange 1, where the contract promises to give up after 1.000 s."),
        (0.5, "gave up on exchange 1 after 0.500 s for the answer of it, where the contract promises to wait 1.000 s."),
    ],
)
def test_the_sentences_on_a_limit(gap: float, said: str) -> None:
    """TIME-02 says how long a client waited and what the contract promises."""
    assert [sentence.partition(") ")[2] for sentence in _silent(gap).sentences("TIME-02")] == [said]


def test_only_a_failure_by_the_last_silence_has_its_name() -> None:
    """TIME-02 asks for no name where the cache has answered, where an answer came behind it, and where none is told."""
    cached, behind, untold = Story(policy=READ), Story(policy=READ), _silent(1.0, kind="other")
    cached.call().gives_up(after=1.0).ok(source="cache")
    behind.call().gives_up(after=1.0).waits(0.02).meets(503).fails("server", 503)
    untold.capabilities = ALL - {"error_kinds"}

    assert {story.verdict("TIME-02") for story in (cached, behind, untold)} == {"pass"}


def test_a_late_head_is_no_gap_in_the_body() -> None:
    """TIME-03 is not exercised by an answer of which only the head was long in coming."""
    story = Story(policy=READ)
    story.call().meets(200, takes=1.2).ok()

    assert story.verdict("TIME-03") == "not_exercised"


@pytest.mark.parametrize(("status", "early", "named"), [(299, "fail", "fail"), (300, "not_exercised", "pass")])
def test_where_success_ends(status: int, early: str, named: str) -> None:
    """TIME-03 asks for patience, and for a name, in the body of a status from 200 to 299."""
    assert _in_the_body(0.3, status=status, kind=None).verdict("TIME-03") == early
    assert _in_the_body(1.0, status=status, kind="server").verdict("TIME-03") == named
