"""REDIR-01 on told traces: how far redirects are followed, and what may not change on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story, Telling, truth

STATUSES = [301, 302, 303, 307, 308]


def _led(call: Telling, status: int, to: str, **facts: object) -> Telling:
    """Meet a redirect."""
    return call.meets(status, headers=[("location", to)], body=b"", **facts)  # type: ignore[arg-type] # facts of any exchange


@truth("REDIR-01")
@given(st.integers(1, 9), st.integers(1, 6), st.lists(st.sampled_from(STATUSES), min_size=9, max_size=9))
def test_redirects_are_bounded(hops: int, most: int, statuses: list[int]) -> None:
    """REDIR-01 holds for as many redirects in a row as are promised, and fails for one more."""
    story = Story(policy={"redirects": {"follow": True, "max": most}})
    call = story.call()
    for number in range(hops):
        _led(call, statuses[number], f"/s/s/users/{number + 2}", path=f"/users/{number + 1}")
    call.meets(200, path=f"/users/{hops + 1}").ok()

    assert story.verdict("REDIR-01") == ("pass" if hops <= most else "fail")


@truth("REDIR-01")
@given(st.sampled_from(STATUSES), st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]), st.booleans())
def test_a_method_keeps_its_meaning(status: int, method: str, as_get: bool) -> None:
    """REDIR-01 holds where a method stays, or a POST becomes a GET as is the custom; it fails where a write is lost."""
    story = Story()
    call = story.call("http", {"method": method, "path": "/users/1"})
    _led(call, status, "/s/s/users/2", digest="d1")
    new = "GET" if as_get else method
    call.meets(200, method=new, path="/users/2", digest=None if as_get else "d1").ok()

    lost = as_get and (method in ("PUT", "PATCH", "DELETE") or (method == "POST" and status in (307, 308)))
    assert story.verdict("REDIR-01") == ("fail" if lost else "pass")


@given(st.sampled_from([307, 308]), st.sampled_from(["POST", "PUT", "PATCH"]))
def test_a_body_goes_along(status: int, method: str) -> None:
    """REDIR-01 fails where a request that keeps its method loses its body."""
    story = Story()
    call = story.call("http", {"method": method, "path": "/users/1"})
    _led(call, status, "/s/s/users/2", digest="d1").meets(200, path="/users/2", digest="d0").ok()

    assert story.verdict("REDIR-01") == "fail"


@pytest.mark.parametrize("to", ["/s/s/users/2", "http://127.0.0.1:1/s/s/users/2", "2", "../users/2", "//h/s/s/users/2"])
@pytest.mark.parametrize(("went", "verdict"), [("/users/2", "pass"), ("/users/1", "fail"), ("/orders", "fail")])
def test_where_it_leads(to: str, went: str, verdict: str) -> None:
    """REDIR-01 fails where a call goes elsewhere than it was sent, however the place is written."""
    story = Story()
    _led(story.call(), 302, to).meets(200, path=went).ok()

    assert story.verdict("REDIR-01") == verdict


def test_none_may_be_followed() -> None:
    """REDIR-01 fails where a client that promises to follow none follows one, and holds where it reports it."""
    for follows, verdict in ((True, "fail"), (False, "pass")):
        story = Story(policy={"redirects": {"follow": False, "max": None}})
        call = _led(story.call(), 302, "/s/s/users/2")
        if follows:
            call.meets(200, path="/users/2").ok()
        else:
            call.fails("redirect", 302)
        assert story.verdict("REDIR-01") == verdict


@pytest.mark.parametrize(
    ("method", "to", "kind", "verdict"),
    [
        ("GET", "/s/s/users/2", "redirect", "fail"),
        ("GET", "/s/s/users/2", "unexpected_status", "fail"),
        ("GET", "/s/s/users/2", "timeout.pool", "pass"),
        ("GET", "mailto:ada@example.com", "redirect", "pass"),
        ("GET", "http://[", "redirect", "pass"),
        ("GET", "http://elsewhere.example/", "redirect", "pass"),
        ("PUT", "/s/s/users/2", "redirect", "pass"),
    ],
)
def test_a_read_is_followed(method: str, to: str, kind: str, verdict: str) -> None:
    """REDIR-01 fails where a read stops at a redirect that it promises to follow; a write may, and so may odd places."""
    story = Story()
    _led(story.call("http", {"method": method, "path": "/users/1"}), 307, to).fails(kind, 307)

    assert story.verdict("REDIR-01") == verdict


def test_the_bound_is_a_good_reason_to_stop() -> None:
    """REDIR-01 holds where a call gives up after as many redirects as are promised."""
    story = Story(policy={"redirects": {"follow": True, "max": 2}})
    call = story.call()
    for number in range(3):
        _led(call, 302, f"/s/s/users/{number + 2}", path=f"/users/{number + 1}")
    call.fails("redirect", 302)

    assert story.verdict("REDIR-01") == "pass"


def test_a_retry_begins_again() -> None:
    """REDIR-01 counts redirects in a row: what a failure lies between is not one way."""
    story = Story(policy={"redirects": {"follow": True, "max": 1}})
    call = story.call()
    for _ in range(2):
        _led(call, 302, "/s/s/users/2").breaks(path="/users/2").waits(0.3)
    _led(call, 302, "/s/s/users/2").meets(200, path="/users/2").ok()

    assert story.verdict("REDIR-01") == "pass"


@pytest.mark.parametrize("how", ["no place", "not modified", "too late", "cancelled"])
def test_what_is_no_redirect(how: str) -> None:
    """REDIR-01 is not exercised by a status without a place, a 304, one that came too late, or a cancelled call."""
    story = Story()
    if how == "cancelled":
        _led(story.call(cancel_after=0.05), 302, "/s/s/users/2").cancelled()
    elif how == "too late":
        _led(story.call(), 302, "/s/s/users/2", takes=0.5).fails("timeout.read")
    elif how == "not modified":
        story.call().meets(304, headers=[("location", "/")], body=b"").ok()
    else:
        story.call().meets(302, body=b"").fails("redirect", 302)

    assert story.verdict("REDIR-01") == "not_exercised"


def test_it_must_be_promised() -> None:
    """REDIR-01 is unsupported where the contract does not say whether redirects are followed."""
    assert Story(policy={"redirects": {"follow": None}}).verdict("REDIR-01") == "unsupported"
