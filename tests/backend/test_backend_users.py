"""The directory of users."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.backend.conftest import Enter, Visitor

NEW = {"user_name": "Mary Somerville", "email_address": "mary@example.com"}


def test_list_has_its_envelope(ada: Visitor) -> None:
    """The first page has twenty users by default, in the order of ids, and says where it stands."""
    answer = ada.get("/users")

    assert set(answer.json()) == {"success", "data", "meta"}
    assert answer.json()["success"] is True
    assert [user["id"] for user in answer.json()["data"]] == list(range(1, 21))
    assert answer.json()["meta"] == {"current_page": 1, "last_page": 3, "per_page": 20, "total": 50}


def test_user_has_its_shape(ada: Visitor) -> None:
    """A single user comes bare and has exactly the documented members."""
    user = ada.get("/users/1").json()

    assert list(user) == ["id", "user_name", "email_address", "avatar_url", "created_at"]
    assert (user["id"], user["email_address"]) == (1, "ada@example.com")
    assert user["created_at"].endswith("Z")


def test_some_avatars_are_null(ada: Visitor) -> None:
    """Among the users are some with and some without an avatar, so that clients meet both."""
    avatars = [user["avatar_url"] for user in ada.get("/users?limit=50").json()["data"]]

    assert None in avatars
    assert any(avatars)


@given(limit=st.integers(1, 100))
def test_pages_are_the_collection(enter: Enter, limit: int) -> None:
    """For any limit the pages, one after the other, hold every user exactly once."""

    async def collect() -> tuple[list[int], int]:
        visitor = await enter().asign_in()
        seen: list[int] = []
        page = last = 1
        while page <= last:
            answer = (await visitor.asend("GET", f"/users?page={page}&limit={limit}")).json()
            assert len(answer["data"]) == (limit if page < answer["meta"]["last_page"] else 50 - limit * (page - 1))
            seen += [user["id"] for user in answer["data"]]
            last = answer["meta"]["last_page"]
            page += 1
        return seen, last

    seen, last = asyncio.run(collect())

    assert seen == list(range(1, 51))
    assert last == -(-50 // limit)


def test_page_beyond_the_last_is_empty(ada: Visitor) -> None:
    """A page after the last one is empty, not an error, however far off it is."""
    for page in (4, 10**30):
        answer = ada.get(f"/users?page={page}")
        assert (answer.status_code, answer.json()["data"]) == (200, [])
        assert answer.json()["meta"]["last_page"] == 3


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "limit=0", "limit=101", "limit=", "page=1.5"])
def test_bad_page_numbers(ada: Visitor, query: str) -> None:
    """A page or limit out of bounds is 422 and named."""
    answer = ada.get(f"/users?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.split("=", maxsplit=1)[0]


@pytest.mark.parametrize(("path", "status"), [("99", 404), ("0", 422), ("-1", 422), ("x", 422), ("9" * 5000, 422)])
def test_no_such_user(ada: Visitor, path: str, status: int) -> None:
    """An id that nobody has is 404; what is no id is 422, even if it is endless."""
    answer = ada.get(f"/users/{path}")

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_create(ada: Visitor) -> None:
    """A new user gets the next id and the session's time, and can be found where Location says."""
    answer = ada.post("/users", NEW)
    found = ada.get("/" + answer.headers["location"])

    assert answer.status_code == 201
    assert answer.json() == {"id": 51, **NEW, "avatar_url": None, "created_at": "2027-01-15T08:00:00Z"}
    assert answer.headers["location"] == "users/51"
    assert found.json() == answer.json()
    assert found.headers["etag"] == answer.headers["etag"]
    assert ada.get("/users").json()["meta"]["total"] == 51
    assert ada.session.effects == ["e1"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/user_name"),
        ({"user_name": "", "email_address": "a@b"}, "#/user_name"),
        ({"user_name": "x" * 101, "email_address": "a@b"}, "#/user_name"),
        ({"user_name": 1, "email_address": "a@b"}, "#/user_name"),
        ({"user_name": "x", "email_address": "no address"}, "#/email_address"),
        ({"user_name": "x", "email_address": "a@b\n"}, "#/email_address"),
        ({"user_name": "x", "email_address": "a@b", "avatar_url": "ftp://x"}, "#/avatar_url"),
        ({"user_name": "x", "email_address": "a@b", "id": 3}, "#/id"),
        ({"user_name": "x", "email_address": "a@b", "a/b~": 3}, "#/a~1b~0"),
        ([], "#"),
        (None, "#"),
    ],
)
def test_create_refuses_what_does_not_fit(ada: Visitor, body: Any, pointer: str) -> None:
    """A body that does not fit its schema is 422, the place is named, nothing is made and nothing echoed."""
    answer = ada.post("/users", body)

    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert "x" * 101 not in answer.text
    assert ada.session.effects == []


def test_update_whole(ada: Visitor) -> None:
    """A whole user as it was read can be sent back changed."""
    user = ada.get("/users/2").json()
    answer = ada.send("PUT", "/users/2", json={**user, "user_name": "Grace Murray", "avatar_url": None})

    assert answer.status_code == 200
    assert answer.json() == {**user, "user_name": "Grace Murray", "avatar_url": None}
    assert ada.get("/users/2").json() == answer.json()
    assert ada.session.effects == ["e1"]


def test_update_of_some_members(ada: Visitor) -> None:
    """Members that are not sent stay as they are; an empty update changes nothing."""
    user = ada.get("/users/2").json()

    assert ada.send("PUT", "/users/2", json={"user_name": "G"}).json() == {**user, "user_name": "G"}
    assert ada.send("PUT", "/users/2", json={}).json() == {**user, "user_name": "G"}


def test_update_keeps_what_the_server_sets(ada: Visitor) -> None:
    """The time of creation is the server's; another user's id in the body is a conflict (RFC 9110 §9.3.4)."""
    user = ada.get("/users/2").json()
    kept = ada.send("PUT", "/users/2", json={"created_at": "1999-01-01T00:00:00Z"})
    conflict = ada.send("PUT", "/users/2", json={**user, "id": 3, "user_name": "Nobody"})

    assert kept.json()["created_at"] == user["created_at"]
    assert (conflict.status_code, conflict.json()["type"]) == (409, "/problems/conflict")
    assert ada.get("/users/2").json() == user


@pytest.mark.parametrize(
    "body", [{"user_name": None}, {"user_name": ""}, {"email_address": "x"}, {"avatar_url": 1}, {"admin": True}, []]
)
def test_update_refuses_what_does_not_fit(ada: Visitor, body: Any) -> None:
    """A member with a wrong type or an unknown name is 422 and nothing changes."""
    before = ada.get("/users/2").json()

    assert ada.send("PUT", "/users/2", json=body).status_code == 422
    assert ada.get("/users/2").json() == before
    assert ada.session.effects == []


def test_delete(ada: Visitor) -> None:
    """A user is deleted once; from then on every route says 404, and the id is not given again."""
    first = ada.send("DELETE", "/users/50")
    again = ada.send("DELETE", "/users/50")

    assert (first.status_code, first.content, again.status_code) == (204, b"", 404)
    assert ada.get("/users/50").status_code == 404
    assert ada.send("PUT", "/users/50", json={}).status_code == 404
    assert ada.get("/users?page=3").json()["meta"]["total"] == 49
    assert ada.post("/users", NEW).json()["id"] == 51
    assert ada.session.effects == ["e1", "e2"]


def test_account_outlives_its_profile(enter: Enter, ada: Visitor) -> None:
    """Whoever is deleted from or renamed in the directory can still sign in: the accounts of a data set are fixed."""
    ada.send("PUT", "/users/1", json={"email_address": "new@example.com"})
    renamed = enter(ada.session).post("/auth/login", {"email": "ada@example.com", "password": "correct-horse"})
    ada.send("DELETE", "/users/1")
    again = enter(ada.session).sign_in()

    assert renamed.status_code == 200
    assert again.get("/settings").status_code == 200
    assert again.get("/orders").json()["data"][0]["user_id"] == 1


def test_everybody_sees_the_same_directory(ada: Visitor, grace: Visitor) -> None:
    """Users are shared in a shop: Grace sees what Ada changed."""
    ada.send("PUT", "/users/7", json={"user_name": "Seven"})

    assert grace.get("/users/7").json()["user_name"] == "Seven"
    assert grace.get("/users").content == ada.get("/users").content
