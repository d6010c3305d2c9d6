"""Edges of REDIR-01 on told traces: who tried again before, and who was to be cancelled."""

from __future__ import annotations

from tests.clauses.stories import Story, Telling


def _led(call: Telling, number: int) -> Telling:
    """Meet a redirect to the user after this one."""
    place = [("location", f"/s/s/users/{number + 1}")]
    return call.meets(302, headers=place, body=b"", path=f"/users/{number}")


def test_who_tried_again_must_not_follow_then() -> None:
    """REDIR-01 fails where a client that follows none takes a redirect for a failure first, and follows it then."""
    story = Story(policy={"redirects": {"follow": False}})
    _led(_led(story.call(), 1), 1).meets(200, path="/users/2").ok()

    assert [found.exchanges for found in story.judge("REDIR-01").findings] == [(2, 3)]


def test_who_was_to_be_cancelled_may_stop() -> None:
    """REDIR-01 lets a read stop that was to be cancelled, also where it had followed a redirect before."""
    for after, verdict in ((60.0, "pass"), (None, "fail")):
        story = Story(policy={"redirects": {"follow": True, "max": 5}})
        _led(_led(story.call(cancel_after=after), 1), 2).fails("redirect", 302)
        assert story.verdict("REDIR-01") == verdict
