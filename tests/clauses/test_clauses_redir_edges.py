"""Edges of REDIR-01 on told traces: who tried again before, and who was to be cancelled."""

from __future__ import annotations

import pytest

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


def _way(story: Story, *numbers: int) -> Telling:
    """Tell of a call that meets a redirect at each of these users, each to the next number."""
    call = story.call()
    for number in numbers:
        _led(call, number)
    return call


def test_what_is_named_of_a_way_that_is_begun_again() -> None:
    """REDIR-01 names a way that was too long and is begun again, from its first redirect to where it begins again."""
    story = Story(policy={"redirects": {"follow": True, "max": 2}})
    call = story.call().meets(503).waits(0.3)
    for number in (1, 2, 3, 1):
        _led(call, number)
    call.meets(200, path="/users/2").ok()

    assert [found.exchanges for found in story.judge("REDIR-01").findings] == [(2, 3, 4, 5)]


@pytest.mark.parametrize(("hops", "verdict"), [(1, "pass"), (2, "pass"), (3, "fail")])
def test_a_way_that_is_begun_again_is_counted_anew(hops: int, verdict: str) -> None:
    """REDIR-01 counts the redirects of a way that was begun again from its beginning, up to the most and no further."""
    story = Story(policy={"redirects": {"follow": True, "max": 2}})
    call = _way(story, 1, 2, *range(1, hops + 1))
    call.meets(200, path=f"/users/{hops + 1}").ok()

    assert story.verdict("REDIR-01") == verdict


def test_a_circle_is_no_new_beginning() -> None:
    """REDIR-01 counts on where a redirect itself leads back to where the way began."""
    story = Story(policy={"redirects": {"follow": True, "max": 2}})
    call = story.call()
    for here, there in ((1, 2), (2, 1), (1, 2)):
        call.meets(302, headers=[("location", f"/s/s/users/{there}")], body=b"", path=f"/users/{here}")
    call.meets(200, path="/users/2").ok()

    assert [found.exchanges for found in story.judge("REDIR-01").findings] == [(1, 2, 3, 4)]
