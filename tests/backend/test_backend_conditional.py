"""Entity tags and conditional requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.backend.conftest import Enter, Visitor

FIELDS = ("etag", "cache-control", "vary")


def test_tag_is_strong_and_follows_the_content(ada: Visitor) -> None:
    """The same user has the same strong tag until something changes, and differs from other users'."""
    first, again, other = ada.get("/users/1"), ada.get("/users/1"), ada.get("/users/2")
    updated = ada.send("PUT", "/users/1", json={"user_name": "Ada King"})
    after = ada.get("/users/1")

    assert first.headers["etag"].startswith('"')
    assert first.headers["etag"] == again.headers["etag"] != other.headers["etag"]
    assert updated.headers["etag"] == after.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("path", ["/users/1", "/settings"])
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{etag}", 304),
        ("W/{etag}", 304),
        ('"other", {etag}', 304),
        ('"a,b",W/"x" ,\t{etag}', 304),
        ("*", 304),
        (" * ", 304),
        ('"other"', 200),
        ('W/"other"', 200),
        ("", 200),
        ("not-a-tag", 200),
        ("{bare}", 200),
        ('"*"', 200),
    ],
)
def test_if_none_match(ada: Visitor, path: str, sent: str, status: int) -> None:
    """If-None-Match compares weakly with each tag of its list, and ``*`` matches anything there is."""
    etag = ada.get(path).headers["etag"]
    answer = ada.get(path, headers={"if-none-match": sent.format(etag=etag, bare=etag.strip('"'))})

    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/users/1", "/settings"])
def test_not_modified_has_no_body_and_the_same_fields(ada: Visitor, path: str) -> None:
    """A 304 has no body and repeats the fields that a cache needs (RFC 9110 §15.4.5)."""
    full = ada.get(path)
    answer = ada.get(path, headers={"if-none-match": full.headers["etag"]})

    assert (answer.status_code, answer.content) == (304, b"")
    assert [answer.headers[name] for name in FIELDS] == [full.headers[name] for name in FIELDS]
    assert "content-type" not in answer.headers


def test_several_lines_are_one_list(ada: Visitor) -> None:
    """Two If-None-Match lines are read as one list (RFC 9110 §5.3)."""
    etag = ada.get("/users/1").headers["etag"]

    lines = httpx.Headers([("if-none-match", '"x"'), ("if-none-match", etag)])

    assert ada.get("/users/1", headers=lines).status_code == 304


def test_missing_user_has_no_preconditions(ada: Visitor) -> None:
    """What would be 404 anyway stays 404, whatever the preconditions (RFC 9110 §13.2.1)."""
    for method in ("GET", "PUT", "DELETE"):
        for name in ("if-match", "if-none-match"):
            body: Any = {} if method == "PUT" else None
            assert ada.send(method, "/users/99", json=body, headers={name: "*"}).status_code == 404


@pytest.mark.parametrize(
    ("sent", "matches"),
    [("{etag}", True), ('"x", {etag}', True), ("*", True), ("W/{etag}", False), ('"x"', False), ("", False)],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_if_match(ada: Visitor, method: str, sent: str, matches: bool) -> None:
    """If-Match compares strongly; where it fails, nothing changes and the answer is 412."""
    etag = ada.get("/users/3").headers["etag"]
    body = {"user_name": "Third"} if method == "PUT" else None
    answer = ada.send(method, "/users/3", json=body, headers={"if-match": sent.format(etag=etag)})

    assert answer.is_success if matches else answer.status_code == 412
    if not matches:
        assert answer.json()["type"] == "/problems/precondition-failed"
        assert ada.get("/users/3").headers["etag"] == etag
        assert ada.session.effects == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_if_none_match_on_a_change(ada: Visitor, method: str) -> None:
    """If-None-Match: * on a change of what exists is 412, not 304 (RFC 9110 §13.1.2)."""
    body: Any = {} if method == "PUT" else None

    assert ada.send(method, "/users/3", json=body, headers={"if-none-match": "*"}).status_code == 412
    assert ada.send(method, "/users/3", json=body, headers={"if-none-match": '"x"'}).is_success


def test_lost_update_is_prevented(ada: Visitor, grace: Visitor) -> None:
    """Of two who read the same state and change it with If-Match, the second is told."""
    seen = {"if-match": ada.get("/users/3").headers["etag"]}
    first = ada.send("PUT", "/users/3", json={"user_name": "Ada's"}, headers=seen)
    second = grace.send("PUT", "/users/3", json={"user_name": "Grace's"}, headers=seen)

    assert (first.status_code, second.status_code) == (200, 412)
    assert ada.get("/users/3").json()["user_name"] == "Ada's"


OPAQUE = st.text(st.characters(codec="ascii", min_codepoint=0x21, exclude_characters='"'), max_size=12)


@given(tags=st.lists(st.tuples(st.booleans(), OPAQUE), max_size=5), place=st.none() | st.integers(0, 5))
def test_any_list_of_tags_is_read(enter: Enter, tags: list[tuple[bool, str]], place: int | None) -> None:
    """In any list of well-formed tags, weak or strong, commas inside or not, the right one is found and no other."""
    visitor = enter().sign_in()
    etag = visitor.get("/users/1").headers["etag"]
    written = [("W/" if weak else "") + f'"{opaque}"' for weak, opaque in tags]
    if place is not None:
        written.insert(place, etag)
    answer = visitor.get("/users/1", headers={"if-none-match": ", ".join(written)})

    assert answer.status_code == (304 if place is not None else 200)
