"""Error answers: one form for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.backend.conftest import Enter, Visitor

JSON = {"content-type": "application/json"}


def _is_problem(answer: Any) -> bool:
    body = answer.json()
    return (
        answer.headers["content-type"] == "application/problem+json"
        and body["status"] == answer.status_code
        and body["type"].startswith("/problems/")
        and bool(body["title"])
        and bool(body["detail"])
        and body["message"] == body["detail"]
    )


@pytest.mark.parametrize("path", ["/", "/nothing", "/users/1/orders", "/users/", "//users", "/docs", "/redoc"])
def test_unknown_route(ada: Visitor, path: str) -> None:
    """A route that is not there is a 404 problem, without any redirect for a slash."""
    answer = ada.get(path)

    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/no-such-route"
    assert _is_problem(answer)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/users", "GET, POST"),
        ("PATCH", "/users/1", "DELETE, GET, PUT"),
        ("POST", "/users/1", "DELETE, GET, PUT"),
        ("PUT", "/orders", "GET, POST"),
        ("POST", "/settings", "GET"),
        ("GET", "/auth/login", "POST"),
        ("DELETE", "/health", "GET"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
def test_method_not_allowed(ada: Visitor, method: str, path: str, allow: str) -> None:
    """A method that a route does not have is a 405 problem whose Allow names all that it has."""
    answer = ada.send(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    assert _is_problem(answer)


@pytest.mark.parametrize("content", [b"{", b"nonsense", b'{"a":}', b"\xff\xfe", b'"\xc3"', b"[" * 100_000])
@pytest.mark.parametrize("path", ["/auth/login", "/orders"])
def test_bad_json(ada: Visitor, path: str, content: bytes) -> None:
    """A body that is not JSON, badly encoded or endlessly deep is a 400 problem."""
    answer = ada.send("POST", path, content=content, headers=JSON)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-json")
    assert _is_problem(answer)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "", "json"])
def test_other_media_types(ada: Visitor, content_type: str) -> None:
    """JSON under another name is a 415 problem that says what to send."""
    body = b'{"email":"ada@example.com","password":"correct-horse"}'
    answer = ada.send("POST", "/auth/login", content=body, headers={"content-type": content_type})

    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")
    assert "application/json" in answer.json()["message"]
    assert _is_problem(answer)


def test_json_with_a_charset_or_a_suffix(enter: Enter) -> None:
    """A charset parameter and a ``+json`` suffix are still JSON."""
    body = b'{"email":"ada@example.com","password":"correct-horse"}'
    for name in ("application/json; charset=utf-8", "application/problem+json"):
        assert enter().send("POST", "/auth/login", content=body, headers={"content-type": name}).status_code == 200


def test_no_body(ada: Visitor) -> None:
    """A missing body is a 422 problem that points at it."""
    answer = ada.send("POST", "/orders", headers=JSON)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "#", "detail": "Field required"}]
    assert _is_problem(answer)


def test_secrets_are_not_echoed(enter: Enter) -> None:
    """A refused login does not repeat what was sent."""
    answer = enter().post("/auth/login", {"email": 1, "password": ["hunter2"]})

    assert answer.status_code == 422
    assert "hunter2" not in answer.text


def test_lone_surrogates_and_long_numbers(ada: Visitor) -> None:
    """What JSON can write and no store can hold is refused, not met with an internal error."""
    surrogate = b'{"user_name": "\\ud800", "email_address": "a@b"}'
    number = b'{"items": [{"sku": "A", "quantity": ' + b"9" * 5_000 + b"}]}"
    nan = b'{"items": [{"sku": "A", "quantity": NaN}]}'

    assert ada.send("POST", "/users", content=surrogate, headers=JSON).status_code == 422
    assert ada.send("POST", "/orders", content=number, headers=JSON).status_code in {400, 422}
    assert ada.send("POST", "/orders", content=nan, headers=JSON).status_code == 422


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(
    route=st.sampled_from(["POST /auth/login", "POST /auth/refresh", "POST /users", "PUT /users/1", "POST /orders"]),
    body=JSON_VALUES,
)
def test_any_json_is_answered(enter: Enter, route: str, body: Any) -> None:
    """Any JSON to any route is a success or a problem of the client's; never an internal error."""
    answer = enter().sign_in().send(*route.split(), json=body)

    assert answer.status_code < 500
    assert answer.is_success or _is_problem(answer)


def test_bug_is_a_problem_too(backend: Callable[[str], ModuleType], enter: Enter) -> None:
    """An exception that nobody expected becomes a 500 problem that tells no details, and reaches the server's log."""
    broken: FastAPI = backend("app").create_app()

    async def break_down() -> None:
        raise RuntimeError("a secret of the house")

    broken.add_api_route("/broken", break_down)
    visitor = enter()
    visitor.app = broken
    with pytest.raises(RuntimeError, match="a secret of the house"):
        visitor.get("/broken")
    visitor.swallow = True
    answer = visitor.get("/broken")

    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert "secret" not in answer.text
    assert _is_problem(answer)
