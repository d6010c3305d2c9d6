"""``omit_refresh_token`` on the wire, before backends that rotate, that do not, and that do not listen."""

from __future__ import annotations

import json
from typing import Any

from sadpath.workspace import Workspace
from tests.engine.bench import ROLES, Bench, Received, get, post, run
from tests.support.places import REFERENCE

CLOSE = "Connection: close"
LOGIN = json.dumps({"email": "ada@example.com", "password": "correct-horse"}).encode()


def _members(received: Received) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(received.body)
    return members


def _refresh(token: str) -> bytes:
    body = json.dumps({"refresh_token": token}).encode()
    return post("/auth/refresh", body, "Content-Type: application/json", CLOSE)


def test_the_reference_backend_does_not_rotate() -> None:
    """The answer has an access token alone; the refresh token that was sent works again, and then rotates."""

    async def scene() -> None:
        workspace = Workspace(REFERENCE)
        async with Bench(app=workspace.backend(), hooks=None, roles=workspace.roles()) as bench:
            login = await bench.ask(post("/auth/login", LOGIN, "Content-Type: application/json", CLOSE))
            token = _members(login)["refresh_token"]
            bench.inject("omit_refresh_token", "omit_refresh_token")
            for number in (2, 3):
                refreshed = await bench.ask(_refresh(token))
                event = await bench.ended(number)
                assert refreshed.status == 200
                assert set(_members(refreshed)) == {"access_token", "expires_in", "token_type"}
                assert [(fault.name, fault.phase) for fault in event.fired] == [("omit_refresh_token", "response")]
                assert (event.refresh_generation, event.issued_generation) == (1, number)
            access = _members(refreshed)["access_token"]
            assert (await bench.ask(get("/users/1", f"Authorization: Bearer {access}", CLOSE))).status == 200

            assert _members(await bench.ask(_refresh(token)))["refresh_token"] != token
            assert (await bench.ask(_refresh(token))).status == 400

    run(scene)


async def _echoes(scope: Any, receive: Any, send: Any) -> None:
    """Answer a refresh with the very token that was sent."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    sent = json.loads((await receive())["body"])
    body = json.dumps({"access_token": "fresh", "refresh_token": sent["refresh_token"]}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def test_a_backend_that_hands_out_the_same_token() -> None:
    """The token is taken out of the answer, whose framing stays honest."""

    async def scene() -> None:
        async with Bench(app=_echoes, hooks=None, roles=ROLES) as bench:
            bench.inject("omit_refresh_token")
            received = await bench.ask(_refresh("forever"))
            assert _members(received) == {"access_token": "fresh"}
            assert received.header("content-length") == str(len(received.body))
            assert (await bench.ended()).fired_names() == ["omit_refresh_token"]

    run(scene)


def test_a_backend_that_rotates_all_the_same() -> None:
    """Its answer stays, since the old token is dead, and the fault has not fired; nor on what is no refresh."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("omit_refresh_token", then="repeat")
            bench.backend.tokens["refresh-secret"] = "valid"
            received = await bench.ask(_refresh("refresh-secret"))
            assert set(_members(received)) == {"access_token", "refresh_token"}
            await bench.ask(_refresh("unknown"))
            await bench.ask(post("/auth/login", b"{}", CLOSE))
            await bench.ask(get("/item", CLOSE))
            assert [event.fired for event in bench.session.journal.exchanges] == [()] * 4

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """To both it is a response like any other."""

    async def scene() -> None:
        async with Bench(app=_echoes, hooks=None, roles=ROLES) as bench:
            bench.inject("omit_refresh_token", then="repeat")
            code, output = await bench.curl("/auth/refresh", "--data", '{"refresh_token": "forever"}')
            assert (code, json.loads(output)) == (0, {"access_token": "fresh"})
            async with bench.httpx() as client:
                response = await client.post("/auth/refresh", json={"refresh_token": "forever"})
            assert response.json() == {"access_token": "fresh"}

    run(scene)
