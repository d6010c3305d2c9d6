"""CANCEL clauses on told traces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.drivers.messages import Result
from tests.clauses.stories import ALL, Story, Telling

AFTER = 0.08


def _cancelled_call(story: Story, **options: Any) -> Telling:
    return story.call(cancel_after=AFTER, **options)


def _left(story: Story, seconds: float = AFTER) -> Telling:
    """Tell of a call that is cancelled in the silence of its server, and leaves after ``seconds``."""
    return _cancelled_call(story).gives_up(after=seconds)


def _asked(telling: Telling) -> Telling:
    """Let the driver say when it asked for the cancel."""
    assert telling.outcome is not None
    update = {"started_ms": 0.0, "cancelled_ms": AFTER * 1000}
    telling.outcome = telling.outcome.model_copy(update=update)
    return telling


# CANCEL-01


@given(st.floats(0.0, 0.09), st.floats(0.11, 2.0))
def test_its_connection_is_given_up_in_time(soon: float, late: float) -> None:
    """CANCEL-01 holds exactly where the open exchange ends within the promised time."""
    for after, verdict in ((soon, "pass"), (late, "fail")):
        story = Story()
        _left(story, AFTER + after).cancelled()
        assert story.verdict("CANCEL-01") == verdict


def test_a_connection_that_is_never_given_up() -> None:
    """CANCEL-01 fails for an exchange that stays open for good."""
    story = Story()
    _left(story).cancelled()
    story.events[0].t_ended = None

    assert "was never given up" in story.sentences("CANCEL-01")[0]


@pytest.mark.parametrize(("at", "verdict"), [(-0.02, "pass"), (0.3, "fail")])
def test_nothing_is_sent_after_it(at: float, verdict: str) -> None:
    """CANCEL-01 fails for an exchange that arrives after the cancel, and not for one before."""
    story = Story()
    call = _cancelled_call(story).meets(503)
    story.t = call.started + AFTER + at
    call.meets(200).cancelled()

    assert story.verdict("CANCEL-01") == verdict


def test_a_clock_that_is_moved_on_takes_no_time() -> None:
    """CANCEL-01 does not count seconds by which the clock was moved on before the server heard of the cancel."""
    for calls, verdict in (([], "fail"), ([{"advance": "1s"}], "pass")):
        story = Story(scenario={"calls": ["settings.get", *calls]})
        _left(story, AFTER + 1.0).cancelled()
        assert story.verdict("CANCEL-01") == verdict


def test_a_refresh_may_finish() -> None:
    """CANCEL-01 does not count a refresh that goes on: others may wait for it."""
    story = Story()
    call = _cancelled_call(story).meets(401)
    story.refresh(takes=0.5)
    call.cancelled()

    assert story.verdict("CANCEL-01") == "pass"


def test_an_exchange_that_another_call_waits_for_may_go_on() -> None:
    """CANCEL-01 does not ask to give up what another call for the same thing may share."""
    for key, verdict in ((1, "pass"), (2, "fail")):
        story = Story()
        other = story.call("users.get", {"id": key}, call="x")
        _cancelled_call(story, at=1.0).meets(200, takes=0.5).cancelled()
        other.ok()
        assert story.verdict("CANCEL-01") == verdict


def test_a_call_that_ended_first_was_not_cancelled() -> None:
    """CANCEL-01 and CANCEL-02 are not exercised by a cancel that came too late, nor without the capability."""
    story = Story()
    _cancelled_call(story).meets(200).ok()
    assert (story.verdict("CANCEL-01"), story.verdict("CANCEL-02")) == ("not_exercised", "not_exercised")

    story = Story(capabilities=ALL - {"cancel"})
    _left(story).cancelled()
    assert (story.verdict("CANCEL-01"), story.verdict("CANCEL-02")) == ("unsupported", "unsupported")


def test_whose_exchange_it_is_must_be_certain() -> None:
    """CANCEL-01 says nothing where an exchange may belong to another call that asks for the same thing."""
    story = Story(capabilities=ALL - {"call_tag"})
    story.call(call="x", at=1.0).ok()
    _cancelled_call(story, at=1.0).meets(200, takes=0.5).cancelled()

    assert story.verdict("CANCEL-01") == "pass"


# CANCEL-02


@pytest.mark.parametrize(
    ("tell", "verdict"),
    [(lambda call: call.cancelled(), "pass"), (lambda call: call.fails("closed"), "fail"),
     (lambda call: call.fails("timeout.read"), "fail"), (lambda call: call.ok(source="cache"), "fail")],
)  # fmt: skip
def test_a_cancel_is_a_cancel(tell: Any, verdict: str) -> None:
    """CANCEL-02 holds where a call that was cancelled in silence says so, and not that it failed or ended well."""
    story = Story()
    call = _left(story)
    tell(call)
    _asked(call)

    assert story.verdict("CANCEL-02") == verdict


def test_an_end_of_its_own_at_the_same_moment() -> None:
    """CANCEL-02 leaves it open which came first, where the server or a limit ended the call at the same time."""
    answered = Story()
    call = _cancelled_call(answered).breaks(takes=AFTER)
    _asked(call.fails("reset"))
    assert answered.verdict("CANCEL-02") == "pass"

    timed_out = Story(policy={"timeouts": {"read": "80ms"}})
    _asked(_left(timed_out).fails("timeout.read"))
    assert timed_out.verdict("CANCEL-02") == "pass"


def test_an_answer_long_before_is_no_excuse() -> None:
    """CANCEL-02 fails where a call is cancelled in its back-off, and reports the failure before it."""
    story = Story()
    call = _cancelled_call(story).meets(503)
    story.t = call.started + AFTER
    _asked(call.fails("server", 503))

    assert story.verdict("CANCEL-02") == "fail"


def test_a_cancel_signs_nobody_out() -> None:
    """CANCEL-02 fails where the client ends its session, though nothing but a cancel was a reason."""
    for logouts, verdict in ((0, "pass"), (1, "fail")):
        story = Story(result=Result(logouts=logouts, signed_in=not logouts))
        _left(story).cancelled()
        assert story.verdict("CANCEL-02") == verdict

    refused = Story(result=Result(logouts=1, signed_in=False))
    call = _cancelled_call(refused).meets(401)
    refused.refresh(400)
    call.cancelled()
    assert refused.verdict("CANCEL-02") == "pass"
