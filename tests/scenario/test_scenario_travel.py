"""How an API's tokens travel, how its pages begin, and how it says that something went wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.scenario.members import filled, member, without_member
from sadpath.scenario.paging import CursorPaging, OffsetPaging, PagePaging, Paging
from sadpath.scenario.saying import Errors, Said
from sadpath.scenario.travel import (
    AsCookie,
    AsHeader,
    Login,
    Tokens,
    access_headers,
    access_of,
    carries_access,
    handed_out,
    login_request,
    refresh_of,
    refresh_request,
    without_refresh,
)

WAYS = (
    Tokens(),
    Tokens(scheme="none", header="X-Token"),
    Tokens(scheme="Token"),
    Tokens(access=AsCookie(cookie="sid"), refresh=AsCookie(cookie="rid")),
    Tokens(access="data.token", refresh="data.renewal"),
    Tokens(refresh_in=AsHeader(header="Authorization")),
    Tokens(refresh_in="grant.token"),
    Tokens(sent_as="form", refresh_body={"grant_type": "refresh_token", "refresh_token": "{token}"}),
)
TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-._~+/", min_size=1, max_size=60)


@given(st.sampled_from(WAYS), TOKENS)
def test_what_a_request_carries_is_read_from_it(tokens: Tokens, token: str) -> None:
    """Tokens that are put into a request in the API's way are found there again."""
    assert access_of(tokens, access_headers(tokens, token)) == token
    assert carries_access(tokens, access_headers(tokens, token))
    assert refresh_of(tokens, *refresh_request(tokens, token)) == token
    assert not carries_access(tokens, [(b"host", b"a"), (b"cookie", b"other=1")])


@pytest.mark.parametrize(
    ("tokens", "headers", "body", "out"),
    [
        (Tokens(), [], {"access_token": "a", "refresh_token": "r", "expires_in": 9}, ("a", "r", 9)),
        (Tokens(access="d.t"), [], {"d": {"t": "a"}}, ("a", None, None)),
        (Tokens(access="d.t"), [], {"d.t": "a", "d": {"t": "b"}}, ("a", None, None)),
        (Tokens(access=AsCookie(cookie="s")), [("set-cookie", "s=a; Path=/; Max-Age=60")], None, ("a", None, 60.0)),
        (Tokens(access=AsCookie(cookie="s")), [("Set-Cookie", 's="a"; HttpOnly')], {"expires_in": 5}, ("a", None, 5)),
        (Tokens(access=AsCookie(cookie="s")), [("set-cookie", "s=; Path=/")], {}, (None, None, None)),
        (Tokens(access=AsCookie(cookie="s")), [("set-cookie", "s=a; Max-Age=0")], {}, (None, None, 0.0)),
        (Tokens(access=AsCookie(cookie="s")), [("set-cookie", "other=a")], {"access_token": "b"}, (None, None, None)),
        (Tokens(refresh=AsHeader(header="X-R")), [("x-r", "r")], {"access_token": "a"}, ("a", "r", None)),
    ],
)
def test_what_an_answer_hands_out(tokens: Tokens, headers: list[Any], body: Any, out: tuple[Any, ...]) -> None:
    """Members, members within members, cookies that are set, and headers; a cookie that is taken back is none."""
    found = handed_out(tokens, headers, body)

    assert (found.access, found.refresh, found.expires_in) == out


def test_the_refresh_token_is_taken_out_of_an_answer_where_it_stands() -> None:
    """A member is left out of the body, a cookie out of the headers, and nothing else."""
    headers = [(b"set-cookie", b"rid=r; Path=/"), (b"set-cookie", b"sid=a"), (b"etag", b"x")]
    members = {"data": {"token": "a", "renewal": "r"}, "more": 1}

    assert without_refresh(WAYS[4], headers, members) == {"data": {"token": "a"}, "more": 1}
    assert len(headers) == 3
    assert without_refresh(WAYS[3], headers, members) == members
    assert headers == [(b"set-cookie", b"sid=a"), (b"etag", b"x")]


def test_a_login_sends_what_the_api_wants() -> None:
    """The template is filled in, as JSON or as a form."""
    login = Login(email="ida", password="p w", body={"card": "{email}", "pin": "{password}", "via": "app"})

    assert json.loads(login_request(Tokens(), login)[1]) == {"card": "ida", "pin": "p w", "via": "app"}
    assert login_request(Tokens(sent_as="form"), login)[1] == b"card=ida&pin=p+w&via=app"
    assert json.loads(login_request(Tokens(), Login(email="a", password="b"))[1]) == {"email": "a", "password": "b"}


def test_templates_are_filled_in() -> None:
    """A text that is a blank and nothing else becomes the value; names that are no blanks stay."""
    template = {"status": "{status}", "text": "{status}: {title} {other}", "list": ["{title}", 1]}

    assert filled(template, {"status": 503, "title": "Busy"}) == {
        "status": 503,
        "text": "503: Busy {other}",
        "list": ["Busy", 1],
    }
    assert member({"a": {"b": [1]}}, "a.b") == [1]
    assert member([], "a") is None
    assert without_member({"a": 1}, "b.c") == {"a": 1}


@pytest.mark.parametrize(
    ("way", "asked", "body", "mark", "following"),
    [
        (PagePaging(operations=("x",), last="meta.last"), {}, {"data": [1], "meta": {"last": 3}}, None, "2"),
        (
            PagePaging(operations=("x",), last="meta.last"),
            {"page": ["3"]},
            {"data": [1], "meta": {"last": 3}},
            "3",
            None,
        ),
        (PagePaging(operations=("x",)), {"page": ["1"]}, {"data": [1]}, "1", None),
        (OffsetPaging(operations=("x",), total="total"), {}, {"data": [1, 2], "total": 3}, None, "2"),
        (OffsetPaging(operations=("x",), total="total"), {"offset": ["2"]}, {"data": [1], "total": "3"}, "2", None),
        (OffsetPaging(operations=("x",), total="total"), {"offset": ["0"]}, {"data": [], "total": 3}, "0", None),
        (OffsetPaging(operations=("x",), total="total"), {"offset": ["a"]}, {"data": [1], "total": True}, "a", None),
        (CursorPaging(operations=("x",), next="m.next"), {}, {"data": [], "m": {"next": "c"}}, None, "c"),
        (CursorPaging(operations=("x",)), {"cursor": ["c"]}, {"data": [], "next_cursor": ""}, "c", None),
    ],
)
def test_where_a_page_stands(way: Any, asked: dict[str, list[str]], body: Any, mark: str | None, following: str | None) -> None:  # fmt: skip
    """What a request asked for, and what comes behind it, as far as the answer says how much there is."""
    place = way.place(asked, body)

    assert (place.mark, place.following) == (mark, following)


def test_collections_may_come_in_pages_in_several_ways() -> None:
    """Each operation has its own way; a bare list is its own items."""
    paging = Paging(
        offset=(OffsetPaging(operations=("a",), items="as"), OffsetPaging(operations=("b",), items="r.bs")),
        cursor=CursorPaging(operations=("c",)),
    )

    assert paging.operations() == ["c", "a", "b"]
    assert [way.items_in({"r": {"bs": [1]}}) for way in [paging.of("b")] if way is not None] == [[1]]
    assert [way.items_in([2]) for way in [paging.of("a")] if way is not None] == [[2]]
    assert paging.of("d") is None


def test_errors_are_written_and_read_in_the_api_s_own_form() -> None:
    """What a fault says of a refused refresh is what the judge takes for one; other errors are not."""
    errors = Errors(
        body={"error": {"code": "{code}", "text": "{title}"}},
        code="error.code",
        refused_refresh=Said(status=401, code=("over", "ended")),
        in_progress=Said(status=409),
    )
    written = errors.written(401, "It is over", "over")

    assert (json.loads(written.content), written.kind) == ({"error": {"code": "over", "text": "It is over"}}, "application/json")  # fmt: skip
    assert errors.refuses_refresh(401, json.loads(written.content))
    assert not errors.refuses_refresh(401, {"error": {"code": "no_token"}})
    assert not errors.refuses_refresh(400, {"error": "invalid_grant"})
    assert errors.is_in_progress(409, None)
    assert json.loads(errors.written(503, "Service Unavailable").content)["error"]["code"] == "service_unavailable"
    assert errors.usual_members == {"error"}


def test_what_is_left_out_is_said_as_the_standards_have_it() -> None:
    """Without a word on errors they are problems, and RFC 6749 says what ends a session."""
    errors = Errors()

    assert errors.written(503, "Busy").kind == "application/problem+json"
    assert errors.refuses_refresh(400, {"error": "invalid_grant"})
    assert not errors.refuses_refresh(401, {"error": {"code": "over"}})
    assert errors.is_in_progress(409, {"type": "/problems/idempotency-in-progress"})
    assert not errors.is_in_progress(409, {"type": "/problems/conflict"})
