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

    changes = method in ("PUT", "PATCH", "DELETE")
    lost = as_get and status != 303 and (changes or (method == "POST" and status in (307, 308)))
    assert story.verdict("REDIR-01") == ("fail" if lost else "pass")


@given(st.sampled_from([307, 308]), st.sampled_from(["POST", "PUT", "PATCH"]))
def test_a_body_goes_along(status: int, method: str) -> None:
    """REDIR-01 fails where a request that keeps its method loses its body."""
    story = Story()
    call = story.call("http", {"method": method, "path": "/users/1"})
    _led(call, status, "/s/s/users/2", digest="d1").meets(200, path="/users/2", digest="d0").ok()

    assert story.verdict("REDIR-01") == "fail"


@pytest.mark.parametrize(("went", "verdict"), [("/users/1", "pass"), ("/users/2", "fail")])
def test_trying_again_is_not_following(went: str, verdict: str) -> None:
    """REDIR-01 lets a client that follows none take a redirect for a failure and begin again, and go no further."""
    story = Story(policy={"redirects": {"follow": False}})
    _led(story.call(), 302, "/s/s/users/2", path="/users/1").meets(200, path=went).ok()

    assert story.verdict("REDIR-01") == verdict


@pytest.mark.parametrize("to", ["/s/s/users/2", "http://127.0.0.1:1/s/s/users/2", "2", "../users/2", "//h/s/s/users/2"])
@pytest.mark.parametrize(("went", "verdict"), [("/users/2", "pass"), ("/users/1", "fail"), ("/orders", "fail")])
def test_where_it_leads(to: str, went: str, verdict: str) -> None:
    """REDIR-01 fails where a call goes elsewhere than it was sent, however the place is written."""
    story = Story()
    _led(story.call(), 302, to).meets(200, path=went).ok()

    assert story.verdict("REDIR-01") == verdict


@pytest.mark.parametrize(("host", "verdict"), [("here:80", "pass"), ("There:80", "fail"), (None, "fail")])
def test_the_same_path_elsewhere_is_another_place(host: str | None, verdict: str) -> None:
    """REDIR-01 tells by the Host that was sent whether the same path was asked for again or a redirect followed."""
    story = Story(policy={"redirects": {"follow": False}})
    call = story.call().meets(302, headers=[("Location", "http://there:80/users/1")], body=b"")
    call.meets(302, sent_headers=[] if host is None else [("host", host)], body=b"").fails("redirect")

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


@pytest.mark.parametrize(("hops", "verdict"), [(1, "fail"), (2, "pass"), (3, "fail")])
def test_a_way_that_was_too_long_is_not_begun_again(hops: int, verdict: str) -> None:
    """REDIR-01 lets a call begin again on its way, but not at its first redirect, nor at the most that are promised."""
    story = Story(policy={"redirects": {"follow": True, "max": 2}})
    call = story.call()
    for number in range(hops):
        _led(call, 302, f"/s/s/users/{number + 2}", path=f"/users/{number + 1}")
    call.meets(200, path="/users/1").ok()

    assert story.verdict("REDIR-01") == verdict
    if hops == 3:
        said = "began again (exchange 4) after 2 redirects in a row, the most that are promised: the same ones were to come."
        assert story.sentences("REDIR-01")[0].endswith(said)


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


def _said(story: Story) -> list[str]:
    return [sentence.partition(") ")[2] for sentence in story.sentences("REDIR-01")]


def test_the_sentence_on_too_many() -> None:
    """REDIR-01 says how many redirects in a row were followed, and names them; what came before a retry is not among them."""
    story = Story(policy={"redirects": {"follow": True, "max": 2}})
    call = story.call()
    _led(call, 302, "/s/s/users/2").breaks(path="/users/2").waits(0.3)
    for number in range(1, 4):
        _led(call, 302, f"/s/s/users/{number + 1}", path=f"/users/{number}")
    call.meets(200, path="/users/4").ok()
    found = story.judge("REDIR-01").findings

    assert _said(story) == ["followed 3 redirects in a row, up to exchange 6, where at most 2 are promised."]
    assert [item.exchanges for item in found] == [(3, 4, 5, 6)]


def test_the_other_sentences() -> None:
    """REDIR-01 says what a redirect was made of: another method, another body, another place, any at all, or none."""
    method, body, place, followed, stopped = (Story() for _ in range(5))
    call = method.call("http", {"method": "PUT", "path": "/users/1"})
    _led(call, 301, "/s/s/users/2").meets(200, method="GET", path="/users/2").ok()
    call = body.call("http", {"method": "PUT", "path": "/users/1"})
    _led(call, 308, "/s/s/users/2", digest="d1").meets(200, path="/users/2", digest="d0").ok()
    _led(place.call(), 302, "/s/s/users/2").meets(200, path="/users/3").ok()
    followed.policy = {"redirects": {"follow": False, "max": None}}
    _led(followed.call(), 302, "/s/s/users/2").meets(200, path="/users/2").ok()
    stopped.policy = {"redirects": {"follow": True, "max": 5}}
    _led(stopped.call(), 302, "/s/s/users/2").fails("redirect", 302)

    assert [_said(story) for story in (method, body, place, followed, stopped)] == [
        ["was sent as a GET (exchange 2) after the 301 of exchange 1, which redirects a PUT."],
        ["was sent on with another body (exchange 2) after the 308 of 1."],
        ["was redirected to /s/s/users/2 (exchange 1, 302), and went to /users/3 (exchange 2)."],
        ["followed the 302 of exchange 1 (exchange 2), where the client promises to follow none."],
        ["failed as redirect (302) on the 302 of exchange 1, where the client promises to follow up to 5 redirects."],
    ]


@pytest.mark.parametrize(
    ("old", "new", "status", "verdict"),
    [("GET", "HEAD", 307, "pass"), ("HEAD", "GET", 307, "pass"), ("POST", "HEAD", 303, "fail"),
     ("GET", "POST", 302, "fail"), ("DELETE", "GET", 303, "pass"), ("PUT", "HEAD", 303, "fail"),
     ("POST", "PUT", 302, "fail")],
)  # fmt: skip
def test_which_methods_may_become_which(old: str, new: str, status: int, verdict: str) -> None:
    """REDIR-01 lets reads become reads, a POST a GET, and anything a GET upon a 303; nothing else."""
    story = Story()
    call = story.call("http", {"method": old, "path": "/users/1"})
    _led(call, status, "/s/s/users/2").meets(200, method=new, path="/users/2").ok()

    assert story.verdict("REDIR-01") == verdict


@pytest.mark.parametrize(
    ("method", "status", "verdict"), [("GET", 308, "pass"), ("PUT", 302, "pass"), ("PUT", 308, "fail")]
)
def test_whose_body_goes_along(method: str, status: int, verdict: str) -> None:
    """REDIR-01 asks for the same body on 307 and 308 alone, and not of a read."""
    story = Story()
    call = story.call("http", {"method": method, "path": "/users/1"})
    _led(call, status, "/s/s/users/2", digest="d1").meets(200, path="/users/2", digest="d0").ok()

    assert story.verdict("REDIR-01") == verdict


@pytest.mark.parametrize(
    ("to", "went", "verdict"),
    [("/s/s", "/s/s", "pass"), ("/s/s/", "/", "pass"), ("http://h", "/", "pass"), ("/other", "/other", "pass"),
     ("?page=2", "/users/1", "pass"), ("?page=2", "/users", "fail"), ("mailto:ada@example.com", "/users/2", "pass"),
     ("ftp://h/users/2", "/users/3", "pass"), ("https://h/users/2", "/users/3", "fail"), (" /s/s/users/2 ", "/users/2", "pass"),
     (" ", "/users/9", "pass"), ("http://[", "/users/9", "pass")],
)  # fmt: skip
def test_where_odd_places_lead(to: str, went: str, verdict: str) -> None:
    """REDIR-01 reads places relative to the request, and leaves those alone that are not on the web."""
    story = Story()
    _led(story.call(), 302, to, query="q=1").meets(200, path=went).ok()

    assert story.verdict("REDIR-01") == verdict


def _stops(kind: str = "redirect", *, hops: int = 1, lasts: float | None = None, **options: object) -> Story:
    """Tell of a read that stops at the last of so many redirects."""
    story = Story(policy={"redirects": {"follow": True, "max": 2}, "timeouts": {"total": "5s"}})
    call = story.call(**options)  # type: ignore[arg-type] # options of any call
    for number in range(hops):
        _led(call, 302, f"/s/s/users/{number + 2}", path=f"/users/{number + 1}")
    if lasts is not None:
        story.t = call.started + lasts - 0.001
    call.fails(kind, 302)
    return story


@pytest.mark.parametrize(("hops", "verdict"), [(1, "fail"), (2, "fail"), (3, "pass")])
def test_up_to_the_bound_a_read_goes_on(hops: int, verdict: str) -> None:
    """REDIR-01 fails where a read stops before it has followed as many redirects as are promised."""
    assert _stops(hops=hops).verdict("REDIR-01") == verdict


@pytest.mark.parametrize(("lasts", "verdict"), [(4.5, "fail"), (5.0, "pass"), (6.0, "pass")])
def test_the_deadline_is_a_good_reason_to_stop(lasts: float, verdict: str) -> None:
    """REDIR-01 lets a read stop at a redirect when its time is over."""
    assert _stops(lasts=lasts).verdict("REDIR-01") == verdict


@pytest.mark.parametrize("how", ["ok", "hangs", "no bound", "follows none", "a shut port", "to be cancelled"])
def test_other_reasons_to_stop(how: str) -> None:
    """REDIR-01 finds nothing where a call did not fail, or where something else may have kept it from going on."""
    story = _stops(cancel_after=60.0) if how == "to be cancelled" else _stops()
    call = story.tellings[0]
    if how == "ok":
        call.ok()
    elif how == "hangs":
        call.outcome = call.ended = None
    elif how == "no bound":
        story.policy["redirects"] = {"follow": True, "max": None}
    elif how == "follows none":
        story.policy["redirects"] = {"follow": False, "max": 2}
    elif how == "a shut port":
        story.scenario = {"faults": [{"on": "connection", "fault": "accept_close"}]}

    assert story.verdict("REDIR-01") == ("pass" if how not in ("hangs", "to be cancelled") else "not_exercised")


def test_what_a_cancelled_call_did_before() -> None:
    """REDIR-01 looks at redirects that a call followed before it was cancelled, and at each call."""
    story = Story()
    story.call().meets(200).ok()
    call = story.call(cancel_after=5.0)
    _led(call, 302, "/s/s/users/2").meets(200, path="/users/3").cancelled()

    assert [found.call for found in story.judge("REDIR-01").findings] == ["c1/0"]


def test_without_a_bound_any_number_may_be_followed() -> None:
    """REDIR-01 counts no redirects where no bound is promised."""
    story = Story(policy={"redirects": {"follow": True, "max": None}})
    call = story.call()
    for number in range(9):
        _led(call, 302, f"/s/s/users/{number + 2}", path=f"/users/{number + 1}")
    call.meets(200, path="/users/10").ok()

    assert story.verdict("REDIR-01") == "pass"


@pytest.mark.parametrize("status", STATUSES)
def test_upon_which_redirects_a_post_may_become_a_get(status: int) -> None:
    """REDIR-01 lets a POST become a GET on 301, 302 and 303 alone."""
    story = Story()
    call = story.call("http", {"method": "POST", "path": "/users/1"})
    _led(call, status, "/s/s/users/2").meets(200, method="GET", path="/users/2", digest=None).ok()

    assert story.verdict("REDIR-01") == ("pass" if status in (301, 302, 303) else "fail")


def test_what_comes_behind_too_many_is_not_named() -> None:
    """REDIR-01 names the redirects up to the first that was too many, and where that one led."""
    story = Story(policy={"redirects": {"follow": True, "max": 1}})
    call = story.call()
    for number in range(1, 5):
        _led(call, 302, f"/s/s/users/{number + 1}", path=f"/users/{number}")
    call.meets(200, path="/users/5").ok()

    assert [found.exchanges for found in story.judge("REDIR-01").findings] == [(1, 2, 3)]
