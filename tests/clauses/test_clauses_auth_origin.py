"""AUTH-15 on told traces: where a token may go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clauses.stories import ALL, Story

ABROAD = {"method": "GET", "path": "{other_origin}/users/1"}
CREDENTIALS = [("authorization", "Bearer #1a2b3c4d")]


def _abroad(args: dict[str, Any] | None = None, **facts: Any) -> Story:
    """Tell of a call to another origin."""
    story = Story(facts={"secrets": ("s3cret",)})
    call = story.call("http", ABROAD | (args or {}), token=None)
    call.meets(200, path="/users/1", **facts).ok()
    story.events[-1].operation = story.events[-1].role = "other_origin"
    return story


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [({}, "pass"), ({"token": 1}, "fail"), ({"sent_headers": CREDENTIALS}, "fail"),
     ({"query": "access_token=s3cret"}, "fail"), ({"query": "access_token=other"}, "pass")],
)  # fmt: skip
def test_the_token_stays_at_home(facts: dict[str, Any], verdict: str) -> None:
    """AUTH-15 fails for a token that goes to another origin, in its header or in the URL."""
    assert _abroad(**facts).verdict("AUTH-15") == verdict


def test_what_the_caller_sends_is_the_caller_s() -> None:
    """AUTH-15 does not blame the client for credentials that the call itself names."""
    story = _abroad({"headers": {"Authorization": "Basic eDp5"}}, sent_headers=CREDENTIALS)

    assert story.verdict("AUTH-15") == "pass"


def test_only_another_origin_counts() -> None:
    """AUTH-15 is exercised by requests to another origin alone."""
    story = Story()
    story.call().meets(200).ok()

    assert story.verdict("AUTH-15") == "not_exercised"


def test_it_is_known_without_tags_whose_request_it_is() -> None:
    """A request to another origin is found to be the call's own by its path, also for a client without tags."""
    story = _abroad(body=b'{"origin": "other"}')
    story.capabilities = ALL - {"call_tag"}
    trace = story.trace()

    assert [item.exchange for item in trace.exchanges_of(trace.calls[0])] == [1]


@pytest.mark.parametrize("leaks", [(), (0,), (1,), (2,), (0, 1, 2)])
def test_without_a_session_at_first_only_a_token_proves_that_there_is_one(leaks: tuple[int, ...]) -> None:
    """AUTH-15 is exercised, in a case that began signed out, by whichever request to another origin has a token."""
    story = Story(facts={"started_signed_in": False})
    for number in range(3):
        call = story.call("http", ABROAD, token=1 if number in leaks else None)
        call.meets(200, path="/users/1").ok()
        story.events[-1].operation = story.events[-1].role = "other_origin"

    assert story.verdict("AUTH-15") == ("fail" if leaks else "not_exercised")


def test_whose_token_it_was() -> None:
    """AUTH-15 names the call whose request took the token abroad, or the client where that is not known."""
    story = _abroad(token=1)
    story.call().meets(200).ok()
    story.events[0].path = "/users/7"
    own = story.judge("AUTH-15").findings[0]
    story.events[0].call = None
    nobody = story.judge("AUTH-15").findings[0]

    assert (own.call, own.exchanges) == ("c0/0", (1,))
    assert own.sentence.startswith("Call c0/0 (")
    assert (nobody.call, nobody.sentence) == (None, "The client sent the API's token to another origin (exchange 1).")
