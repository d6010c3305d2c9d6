"""Signing in, refreshing, signing out: tokens live as long as they should and no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.backend.conftest import Enter, Visitor

HOUR = 3_600
MONTH = 30 * 24 * HOUR


def test_login_hands_out_both_tokens(enter: Enter) -> None:
    """A login answers with both tokens, their type and the access token's life, and forbids to store them."""
    answer = enter().post("/auth/login", {"email": "ada@example.com", "password": "correct-horse"})

    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert (answer.json()["expires_in"], answer.json()["token_type"]) == (HOUR, "Bearer")
    assert answer.headers["cache-control"] == "no-store"


def test_access_token_says_when_it_expires(ada: Visitor) -> None:
    """The access token is a JWT whose ``exp`` is an hour after the session's wall clock, in whole seconds."""
    claims = jwt.decode(ada.access or "", options={"verify_signature": False})

    assert claims["exp"] == int(ada.session.clock.wall()) + HOUR
    assert claims["sub"] == "1"


def test_login_ignores_case_of_address_and_unknown_members(enter: Enter) -> None:
    """An address is the same in capitals, and members that are not known are ignored (RFC 6749 §3.2)."""
    who = {"email": "ADA@Example.com", "password": "correct-horse", "device": "phone"}

    assert enter().post("/auth/login", who).status_code == 200


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@example.com", "wrong-horse"),
        ("nobody@example.com", "correct-horse"),
        ("grace@example.com", "correct-horse"),
    ],
)
def test_wrong_credentials(enter: Enter, email: str, password: str) -> None:
    """A wrong address or password is 401 with a challenge that names no token error."""
    answer = enter().post("/auth/login", {"email": email, "password": password})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="shop"'
    assert answer.json()["type"] == "/problems/bad-credentials"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/logout"),
        ("GET", "/users"),
        ("POST", "/users"),
        ("GET", "/users/1"),
        ("PUT", "/users/1"),
        ("DELETE", "/users/1"),
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", "/settings"),
    ],
)
def test_all_other_routes_need_a_token(enter: Enter, method: str, path: str) -> None:
    """Without a token, with another scheme, with an empty or a forged token, every route but three answers 401."""
    visitor = enter()
    body: Any = {} if method in {"POST", "PUT"} else None
    none = visitor.send(method, path, json=body)
    basic = visitor.send(method, path, json=body, headers={"authorization": "Basic YTpi"})
    empty = visitor.send(method, path, json=body, headers={"authorization": "Bearer "})
    forged = visitor.send(method, path, json=body, token="a.b.c")

    assert [answer.status_code for answer in (none, basic, empty, forged)] == [401] * 4
    assert none.headers["www-authenticate"] == 'Bearer realm="shop"'  # RFC 6750 §3.1: no code if nothing was tried
    assert basic.headers["www-authenticate"] == empty.headers["www-authenticate"] == 'Bearer realm="shop"'
    assert 'error="invalid_token"' in forged.headers["www-authenticate"]


def test_public_routes_need_none(enter: Enter) -> None:
    """Health answers without a token, and is not to be stored."""
    answer = enter().get("/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"


def test_scheme_is_read_without_regard_to_case(ada: Visitor) -> None:
    """``bearer`` in small letters is the same scheme (RFC 9110 §11.1)."""
    answer = ada.get("/settings", token=None, headers={"authorization": f"bearer {ada.access}"})

    assert answer.status_code == 200


def test_token_signed_with_another_key_is_refused(ada: Visitor) -> None:
    """A token with the right claims and a wrong signature, or none at all, is not valid."""
    claims = jwt.decode(ada.access or "", options={"verify_signature": False})
    resigned = jwt.encode(claims, "x" * 32, "HS256")
    unsigned = jwt.encode(claims, "", "none")

    assert ada.get("/settings", token=resigned).status_code == 401
    assert ada.get("/settings", token=unsigned).status_code == 401


def test_refresh_token_opens_no_route(ada: Visitor) -> None:
    """A refresh token is no access token, and an access token cannot be traded in."""
    assert ada.get("/settings", token=ada.refresh).status_code == 401
    assert ada.trade_in(ada.access).json()["error"] == "invalid_grant"
    assert ada.get("/settings").status_code == 200


def test_access_token_lives_an_hour(ada: Visitor) -> None:
    """An access token is valid for up to an hour of the session's clock and expired from then on."""
    ada.session.clock.advance(HOUR - 1)
    before = ada.get("/settings")
    ada.session.clock.advance(1)
    after = ada.get("/settings")

    assert (before.status_code, after.status_code) == (200, 401)
    assert after.headers["www-authenticate"] == (
        'Bearer realm="shop", error="invalid_token", error_description="The access token has expired"'
    )


def test_token_expires_on_the_second(enter: Enter) -> None:
    """At the very second of ``exp`` a token is no longer accepted (RFC 7519 §4.1.4)."""
    visitor = enter()
    visitor.session.clock.start = 1_800_000_000.0
    visitor.sign_in()
    visitor.session.clock.advance(HOUR)

    assert visitor.get("/settings").status_code == 401


def test_refresh_token_lives_thirty_days(ada: Visitor) -> None:
    """A refresh token works just before thirty days have passed; its successor has thirty days of its own."""
    ada.session.clock.advance(MONTH - 1)
    traded = ada.trade_in(ada.refresh)
    ada.session.clock.advance(MONTH)
    late = ada.trade_in(traded.json()["refresh_token"])

    assert traded.status_code == 200
    assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")


def test_refresh_rotates(ada: Visitor) -> None:
    """A refresh hands out two new tokens; the old access token stays valid until it expires."""
    traded = ada.trade_in(ada.refresh)

    assert traded.status_code == 200
    assert traded.headers["cache-control"] == "no-store"
    assert traded.json()["refresh_token"] != ada.refresh
    assert ada.get("/settings", token=traded.json()["access_token"]).status_code == 200
    assert ada.get("/settings").status_code == 200


def test_used_refresh_token_ends_the_family(ada: Visitor) -> None:
    """A used refresh token is ``invalid_grant``, and takes every token of its family with it."""
    newer = ada.trade_in(ada.refresh).json()
    reused = ada.trade_in(ada.refresh)

    assert reused.status_code == 400
    assert reused.headers["content-type"] == "application/problem+json"
    assert reused.headers["cache-control"] == "no-store"
    assert reused.json()["error"] == "invalid_grant"
    assert reused.json()["type"] == "/problems/invalid-grant"
    assert reused.json()["message"]
    assert ada.get("/settings").status_code == 401
    assert ada.get("/settings", token=newer["access_token"]).status_code == 401
    assert ada.trade_in(newer["refresh_token"]).json()["error"] == "invalid_grant"


def test_end_of_one_sign_in_leaves_others(enter: Enter, ada: Visitor, grace: Visitor) -> None:
    """Reuse ends its own family only: another sign-in of the same user, and other users, go on."""
    second = enter(ada.session).sign_in()
    ada.trade_in(ada.refresh)
    ada.trade_in(ada.refresh)

    assert ada.get("/settings").status_code == 401
    assert second.get("/settings").status_code == 200
    assert grace.get("/settings").status_code == 200


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_nonsense_refresh_token(enter: Enter, token: str) -> None:
    """What is no refresh token at all is ``invalid_grant`` too."""
    answer = enter().trade_in(token)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_logout_ends_the_sign_in(enter: Enter, ada: Visitor) -> None:
    """After logout neither token of the family works; another sign-in does."""
    other = enter(ada.session).sign_in()
    answer = ada.post("/auth/logout")

    assert (answer.status_code, answer.content) == (204, b"")
    assert ada.get("/settings").status_code == 401
    assert ada.trade_in(ada.refresh).json()["error"] == "invalid_grant"
    assert ada.post("/auth/logout").status_code == 401
    assert other.get("/settings").status_code == 200


def test_without_rotation_the_old_token_stays(enter: Enter) -> None:
    """With ``rotate = False`` at the seam a refresh hands out no refresh token, and the old one works again."""
    visitor = enter(rotate=False).sign_in()
    first, second = visitor.trade_in(visitor.refresh), visitor.trade_in(visitor.refresh)

    assert "refresh_token" not in first.json()
    assert (first.status_code, second.status_code) == (200, 200)
    visitor.session.rotate = True
    assert visitor.trade_in(visitor.refresh).status_code == 200
    assert visitor.trade_in(visitor.refresh).json()["error"] == "invalid_grant"


def test_number_of_sign_ins_is_bounded(enter: Enter, ada: Visitor) -> None:
    """Of more than ten thousand sign-ins the oldest end, so a session's memory does not grow for ever."""
    tokens = ada.app.state.shops.find(ada.session.session).tokens
    for _ in range(9_999):
        tokens.begin(2, ada.session.clock.wall())
    assert ada.get("/settings").status_code == 200
    enter(ada.session).sign_in()

    assert ada.get("/settings").status_code == 401


@given(st.lists(st.sampled_from(["newest", "used", "access", "login", "late"]), max_size=12))
def test_rotation_follows_its_model(enter: Enter, steps: list[str]) -> None:
    """Whatever is traded in, in whatever order: only the newest token of a live family works, reuse ends the family."""
    visitor = enter().sign_in()
    used: list[str] = []
    newest, access, alive = visitor.refresh or "", visitor.access or "", True
    for step in steps:
        if step == "login":
            visitor.sign_in()
            used, newest, access, alive = [], visitor.refresh or "", visitor.access or "", True
        elif step == "newest":
            answer = visitor.trade_in(newest)
            assert answer.status_code == (200 if alive else 400)
            if alive:
                used.append(newest)
                newest, access = answer.json()["refresh_token"], answer.json()["access_token"]
        elif step == "used" and used:
            assert visitor.trade_in(used[0]).json()["error"] == "invalid_grant"
            alive = False
        elif step == "late":
            visitor.session.clock.advance(60)
        assert visitor.get("/settings", token=access).status_code == (200 if alive else 401)
