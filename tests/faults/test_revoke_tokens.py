"""``revoke_tokens`` and ``reject_login`` on the wire, before backends with hooks and without."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sadpath.server.runner import hooks_of
from sadpath.workspace import Workspace
from tests.engine.bench import Bench, Received, get, post, run
from tests.support.places import REFERENCE

CLOSE = "Connection: close"
JSON = "Content-Type: application/json"
LOGIN = post("/auth/login", b'{"email": "ada@example.com", "password": "correct-horse"}', JSON, CLOSE)


def _members(received: Received) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(received.body)
    return members


def _me(token: str) -> bytes:
    return get("/me", f"Authorization: Bearer {token}", CLOSE)


def _refresh(token: str) -> bytes:
    return post("/auth/refresh", json.dumps({"refresh_token": token}).encode(), JSON, CLOSE)


@pytest.mark.parametrize(
    ("kind", "access", "refresh"), [("all", 401, 400), ("access", 401, 200), ("refresh", 200, 400)]
)
def test_the_backend_itself_refuses_them(kind: str, access: int, refresh: int) -> None:
    """Tokens of the kind are dead at the backend from then on, for every call; a later login is good."""

    async def scene() -> None:
        async with Bench() as bench:
            pair = _members(await bench.ask(LOGIN))
            bench.inject({"revoke_tokens": kind})
            carrier = _refresh(pair["refresh_token"]) if kind == "refresh" else _me(pair["access_token"])
            assert (await bench.ask(carrier)).status == (refresh if kind == "refresh" else access)
            event = await bench.ended(2)
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "revoke_tokens", "as": None, "phase": "request", "byte": None}
            ]
            assert (await bench.ask(_me(pair["access_token"]))).status == access
            assert (await bench.ask(_refresh(pair["refresh_token"]))).status == refresh
            again = _members(await bench.ask(LOGIN))
            assert (await bench.ask(_me(again["access_token"]))).status == 200

    run(scene)


def test_the_reference_backend_says_why() -> None:
    """With its own hooks the answers are its own: revoked, and the refresh is refused for good."""

    async def scene() -> None:
        workspace = Workspace(REFERENCE)
        backend = workspace.backend()
        async with Bench(app=backend, hooks=hooks_of(backend), roles=workspace.roles()) as bench:
            pair = _members(await bench.ask(LOGIN))
            bench.inject("revoke_tokens")
            refused = await bench.ask(get("/users/1", f"Authorization: Bearer {pair['access_token']}", CLOSE))
            assert (refused.status, "revoked" in refused.body.decode()) == (401, True)
            last = await bench.ask(_refresh(pair["refresh_token"]))
            assert (last.status, _members(last)["error"]) == (400, "invalid_grant")

    run(scene)


@pytest.mark.parametrize(("kind", "status"), [("all", 401), ("access", 401), ("refresh", 200)])
def test_without_a_hook_one_request_is_refused(kind: str, status: int) -> None:
    """The answer is made up, the backend does not run, and the tokens go on being valid."""

    async def scene() -> None:
        async with Bench(hooks=None) as bench:
            pair = _members(await bench.ask(LOGIN))
            bench.inject({"revoke_tokens": kind})
            assert (await bench.ask(_me(pair["access_token"]))).status == status
            assert (await bench.ask(_me(pair["access_token"]))).status == 200
            bench.inject({"revoke_tokens": kind})
            assert (await bench.ask(_refresh(pair["refresh_token"]))).status == (200 if kind == "access" else 400)

    run(scene)


def test_it_fires_only_on_tokens_that_were_valid() -> None:
    """Without a token, with one unknown, or with one that is revoked already, it has not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            pair = _members(await bench.ask(LOGIN))
            bench.inject("revoke_tokens", then="repeat")
            for request in (get("/item", CLOSE), _me("unknown"), _me(pair["access_token"]), _me(pair["access_token"])):
                await bench.ask(request)
            fired = [event.fired_names() for event in bench.session.journal.exchanges]
            assert fired == [[], [], [], ["revoke_tokens"], []]

    run(scene)


def test_a_login_is_rejected_without_the_backend() -> None:
    """401 with a challenge, not to be stored; the same login is good afterwards."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("reject_login")
            received = await bench.ask(LOGIN)
            event = await bench.ended()
            assert (received.status, bench.backend.runs) == (401, [])
            assert received.header("www-authenticate") == 'Bearer realm="api"'
            assert received.header("cache-control") == "no-store"
            assert received.header("content-type") == "application/problem+json"
            assert received.header("content-length") == str(len(received.body))
            assert [(fault.name, fault.phase) for fault in event.fired] == [("reject_login", "request")]
            assert (await bench.ask(LOGIN)).status == 200

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl exits 0, or 22 when told to fail; httpx returns the response."""

    async def scene() -> None:
        async with Bench(hooks=None, roles=None) as bench:
            for fault in ("revoke_tokens", "reject_login"):
                bench.inject(fault, then="repeat")
                bearer = ("--header", "Authorization: Bearer x")
                assert (await bench.curl("/item", *bearer))[0] == 0
                assert (await bench.curl("/item", *bearer, "--fail"))[0] == 22
                async with bench.httpx(headers={"Authorization": "Bearer x"}) as client:
                    assert (await client.get("/item")).status_code == 401

    run(scene)
