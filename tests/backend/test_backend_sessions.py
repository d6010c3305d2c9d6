"""Sessions: each has a world of its own, and an engine's hooks act on one alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.places import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from fastapi import FastAPI

    from tests.backend.conftest import Enter, Visitor

TEA = {"items": [{"sku": "TEA", "quantity": 1}]}
MARY = {"user_name": "Mary Somerville", "email_address": "mary@example.com"}


def _hooks(visitor: Visitor) -> Any:
    return visitor.app.state.sadpath_hooks


def _everything(visitor: Visitor) -> list[bytes]:
    return [visitor.get(path).content for path in ("/users?limit=100", "/orders?limit=100", "/settings")]


def test_tokens_are_valid_only_in_their_session(enter: Enter, ada: Visitor) -> None:
    """A token of one session is no token in another, even for the same user with the same seed."""
    other = enter().sign_in()

    assert other.get("/settings", token=ada.access).status_code == 401
    assert other.trade_in(ada.refresh).json()["error"] == "invalid_grant"
    assert ada.get("/settings").status_code == other.get("/settings").status_code == 200


CHANGES = st.sampled_from(
    [
        ("POST", "/users", MARY),
        ("PUT", "/users/3", {"user_name": "Third"}),
        ("DELETE", "/users/4", None),
        ("POST", "/orders", TEA),
        ("POST", "/auth/logout", None),
    ]
)


@given(st.lists(CHANGES, max_size=6))
def test_changes_stay_in_their_session(enter: Enter, changes: list[tuple[str, str, Any]]) -> None:
    """Whatever is changed in one session, another with the same data set and seed sees the data as made."""
    untouched, changed = enter().sign_in(), enter().sign_in()
    before = _everything(untouched)
    for method, path, body in changes:
        changed.send(method, path, json=body)

    assert _everything(untouched) == before
    assert _everything(enter().sign_in()) == before
    assert untouched.session.effects == []


def test_seed_makes_the_data(enter: Enter) -> None:
    """The same seed gives the same world, another seed another one; the accounts are there in each."""
    first, same, other = (_everything(enter(seed=seed).sign_in()) for seed in (1, 1, 2))

    assert first == same
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_data_set_is_chosen_by_name(enter: Enter) -> None:
    """Without a name the alphabetically first data set is used; a name picks another."""
    unnamed, small, wide = (enter(data=name).sign_in() for name in (None, "small-shop", "wide-shop"))

    assert _everything(unnamed) == _everything(small)
    assert wide.get("/users").json()["meta"]["total"] == 500


def test_unknown_data_set_is_named(enter: Enter) -> None:
    """A data set that is not there is a 500 problem that names the nearest one; health does not need any."""
    visitor = enter(data="smal-shop")
    answer = visitor.post("/auth/login", {"email": "ada@example.com", "password": "correct-horse"})

    assert answer.status_code == 500
    assert answer.json()["message"] == "there is no data set 'smal-shop'; did you mean 'small-shop'?"
    assert visitor.get("/health").status_code == 200


def test_other_data_set_keeps_who_is_signed_in(enter: Enter, ada: Visitor) -> None:
    """A session that names another data set gets its data, and nothing else changes: tokens and effects go on."""
    ada.post("/orders", TEA, headers={"idempotency-key": "k"})
    ada.session.data = "small-shop"
    same = ada.get("/orders").json()["data"][0]["id"]
    ada.session.data = "wide-shop"
    total = ada.get("/users").json()["meta"]["total"]
    ada.post("/orders", TEA, headers={"idempotency-key": "k"})

    assert same == 28
    assert total == 500
    assert _everything(ada)[0] == _everything(enter(data="wide-shop").sign_in())[0]
    assert ada.session.effects == ["e1", "e2"]
    assert ada.trade_in(ada.refresh).status_code == 200


def test_other_data_set_without_the_account(backend: Callable[[str], ModuleType], enter: Enter, tmp_path: Path) -> None:
    """Who has no account in the new data set is signed out."""
    one = (REFERENCE / "fixtures" / "small-shop.yaml").read_text()
    (tmp_path / "first.yaml").write_text(one)
    (tmp_path / "second.yaml").write_text(one[: one.index("  - email: grace")])
    visitor = enter()
    visitor.app = backend("app").create_app(tmp_path)
    visitor.sign_in({"email": "grace@example.com", "password": "battery-staple"})
    visitor.session.data = "second"

    assert visitor.get("/orders").status_code == 401
    assert visitor.trade_in(visitor.refresh).json()["error"] == "invalid_grant"


def test_seed_counts_when_data_are_loaded(enter: Enter, ada: Visitor) -> None:
    """A seed that changes under way changes nothing, until the session is reset."""
    before = _everything(ada)
    ada.session.seed = 2
    kept = _everything(ada)
    _hooks(ada).reset(ada.session.session)
    after = _everything(ada.sign_in())

    assert kept == before
    assert after == _everything(enter(seed=2).sign_in())
    assert after != before


def test_reset_forgets_everything(enter: Enter, ada: Visitor) -> None:
    """After ``reset`` data, tokens and idempotency keys are as at the start; other sessions keep theirs."""
    other = enter().sign_in()
    before = _everything(ada)
    ada.post("/users", MARY)
    first = ada.post("/orders", TEA, headers={"idempotency-key": "k"})
    ada.session.clock.advance(5)
    _hooks(ada).reset(ada.session.session)
    stale = ada.get("/settings")
    ada.sign_in()
    again = _everything(ada)
    repeated = ada.post("/orders", TEA, headers={"idempotency-key": "k"})

    assert stale.status_code == 401
    assert again == before
    assert repeated.json()["created_at"] != first.json()["created_at"]
    assert other.get("/settings").status_code == 200


def test_token_of_before_a_reset_stays_dead(ada: Visitor) -> None:
    """A token from before a reset is not taken for one of the sign-in that has its number now."""
    old_access, old_refresh = ada.access, ada.refresh
    ada.session.clock.advance(5)
    _hooks(ada).reset(ada.session.session)
    ada.sign_in()

    assert ada.get("/settings", token=old_access).status_code == 401
    assert ada.trade_in(old_refresh).json()["error"] == "invalid_grant"
    assert ada.get("/settings").status_code == 200


@pytest.mark.parametrize("what", ["expire", "revoke"])
def test_access_tokens_can_be_ended(enter: Enter, ada: Visitor, what: str) -> None:
    """``expire`` and ``revoke`` end the access tokens issued so far, in one session; a refresh gets a valid one."""
    other = enter().sign_in()
    getattr(_hooks(ada), what)(ada.session.session, "access")
    refused = ada.get("/settings")
    traded = ada.trade_in(ada.refresh)

    assert refused.status_code == 401
    assert ("expired" if what == "expire" else "revoked") in refused.headers["www-authenticate"]
    assert ada.get("/settings", token=traded.json()["access_token"]).status_code == 200
    assert other.get("/settings").status_code == 200


@pytest.mark.parametrize("what", ["expire", "revoke"])
def test_refresh_tokens_can_be_ended(ada: Visitor, what: str) -> None:
    """Ended refresh tokens are ``invalid_grant``; access tokens go on, and a new login gets valid ones."""
    getattr(_hooks(ada), what)(ada.session.session, "refresh")
    refused = ada.trade_in(ada.refresh)

    assert refused.json()["error"] == "invalid_grant"
    assert ("expired" if what == "expire" else "revoked") in refused.json()["error_description"]
    assert ada.get("/settings").status_code == 200
    ada.sign_in()
    assert ada.trade_in(ada.refresh).status_code == 200


def test_all_tokens_can_be_revoked(ada: Visitor) -> None:
    """``revoke`` of all ends both kinds; a login works."""
    _hooks(ada).revoke(ada.session.session, "all")

    assert ada.get("/settings").status_code == 401
    assert ada.trade_in(ada.refresh).json()["error"] == "invalid_grant"
    assert ada.sign_in().get("/settings").status_code == 200


def test_hooks_of_an_unknown_session_do_nothing(app: FastAPI) -> None:
    """A hook for a session without state neither fails nor makes one."""
    hooks = app.state.sadpath_hooks
    hooks.reset("nobody")
    hooks.expire("nobody", "access")
    hooks.revoke("nobody", "all")

    assert app.state.shops.find("nobody") is None


def test_fresh_session_is_cheap(app: FastAPI, enter: Enter) -> None:
    """Once its data set is made, a session's state costs far less than half a millisecond."""
    enter(data="wide-shop").sign_in()
    times = []
    for _ in range(50):
        seam = enter(data="wide-shop").session
        start = time.perf_counter()
        app.state.shops.get(seam)
        times.append(time.perf_counter() - start)

    assert sorted(times)[25] < 0.5e-3
