"""``expire_token``: on the backend's own truth, or, without hooks, in its place."""

from __future__ import annotations

import json
from typing import Any

from tests.engine.bench import Bench, Received, get, post, run


async def _login(bench: Bench) -> dict[str, Any]:
    pair: dict[str, Any] = json.loads((await bench.ask(post("/auth/login", b"{}", "Connection: close"))).body)
    return pair


async def _me(bench: Bench, token: str) -> Received:
    return await bench.ask(get("/me", f"Authorization: Bearer {token}", "Connection: close"))


async def _refresh(bench: Bench, token: str) -> Received:
    return await bench.ask(post("/auth/refresh", json.dumps({"refresh_token": token}).encode(), "Connection: close"))


def test_the_backend_itself_refuses_the_token() -> None:
    """With hooks the token really expires: the backend's own 401 comes, now and every time after."""

    async def scene() -> None:
        async with Bench() as bench:
            token = (await _login(bench))["access_token"]
            assert (await _me(bench, token)).status == 200
            bench.inject("expire_token")
            refused = await _me(bench, token)
            assert (refused.status, refused.body) == (401, b'{"me":false}')
            assert (await _me(bench, token)).status == 401
            event = await bench.ended(3)
            assert [(fault.name, fault.phase) for fault in event.fired] == [("expire_token", "request")]
            assert bench.backend.runs.count("GET /me") == 3

    run(scene)


def test_a_token_issued_later_is_valid() -> None:
    """Only tokens issued so far expire; the next login's is taken."""

    async def scene() -> None:
        async with Bench() as bench:
            old = (await _login(bench))["access_token"]
            bench.inject("expire_token")
            assert (await _me(bench, old)).status == 401
            new = (await _login(bench))["access_token"]
            assert (await _me(bench, new)).status == 200

    run(scene)


def test_it_does_not_fire_where_there_is_nothing_to_expire() -> None:
    """No token, a token never issued here, or one that has expired before: armed, not fired, and nothing expires."""

    async def scene() -> None:
        async with Bench() as bench:
            token = (await _login(bench))["access_token"]
            bench.inject("expire_token", "expire_token", "expire_token", "expire_token")
            assert (await bench.ask(get("/me", "Connection: close"))).status == 401
            assert (await _me(bench, "never-issued")).status == 401
            assert bench.backend.tokens[token] == "valid"
            assert (await _me(bench, token)).status == 401
            assert (await _me(bench, token)).status == 401
            fired = [event.fired_names() for event in bench.session.journal.exchanges[1:]]
            assert fired == [[], [], ["expire_token"], []]

    run(scene)


def test_without_hooks_a_401_is_made_up() -> None:
    """A backend without the hook is not asked: this one request is refused, and the token goes on being valid."""

    async def scene() -> None:
        async with Bench(hooks=None) as bench:
            token = (await _login(bench))["access_token"]
            bench.inject("expire_token")
            refused = await _me(bench, token)
            assert refused.status == 401
            assert 'error="invalid_token"' in (refused.header("www-authenticate") or "")
            assert "GET /me" not in bench.backend.runs
            assert (await _me(bench, token)).status == 200

    run(scene)


def test_without_roles_any_token_is_taken_for_valid() -> None:
    """Where nothing is known of tokens, a request with one is enough for the fault to fire."""

    async def scene() -> None:
        async with Bench(hooks=None, roles=None) as bench:
            bench.inject("expire_token", "expire_token")
            assert (await _me(bench, "who-knows")).status == 401
            await bench.ask(get("/item", "Connection: close"))
            assert [event.fired_names() for event in bench.session.journal.exchanges] == [["expire_token"], []]

    run(scene)


def test_the_refresh_token_can_expire_too() -> None:
    """``expire_token: refresh`` acts on refreshes alone: with hooks by the backend's own refusal, without by ours."""

    async def scene(hooks: Any) -> None:
        async with Bench(hooks=hooks) as bench:
            pair = await _login(bench)
            bench.inject({"expire_token": "refresh"}, {"expire_token": "refresh"})
            assert (await _me(bench, pair["access_token"])).status == 200
            refused = await _refresh(bench, pair["refresh_token"])
            assert (refused.status, json.loads(refused.body)["error"]) == (400, "invalid_grant")
            fired = [event.fired_names() for event in bench.session.journal.exchanges[1:]]
            assert fired == [[], ["expire_token"]]

    run(lambda: scene(True))
    run(lambda: scene(None))


def test_curl_and_httpx_see_it() -> None:
    """curl exits 0, or 22 when told to fail; httpx returns the response."""

    async def scene() -> None:
        async with Bench(hooks=None, roles=None) as bench:
            bench.inject("expire_token", then="repeat")
            header = ("--header", "Authorization: Bearer any")
            assert (await bench.curl("/me", *header))[0] == 0
            assert (await bench.curl("/me", "--fail", *header))[0] == 22
            async with bench.httpx() as client:
                assert (await client.get("/me", headers={"Authorization": "Bearer any"})).status_code == 401

    run(scene)
