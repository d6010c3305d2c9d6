"""``invalid_grant`` on the wire."""

from __future__ import annotations

import json

from tests.engine.bench import Bench, post, run


def test_the_answer_of_a_token_endpoint() -> None:
    """400 with ``error`` and ``error_description``, not to be stored (RFC 6749 §5.2); the backend does not run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("invalid_grant")
            received = await bench.ask(post("/auth/refresh", b'{"refresh_token":"x"}', "Connection: close"))
            event = await bench.ended()
            assert received.status == 400
            assert received.header("content-type") == "application/json"
            assert received.header("cache-control") == "no-store"
            body = json.loads(received.body)
            assert body["error"] == "invalid_grant"
            assert set(body) == {"error", "error_description"}
            assert bench.backend.runs == []
            assert [(fault.name, fault.phase) for fault in event.fired] == [("invalid_grant", "request")]
            assert event.issued_generation is None

    run(scene)


def test_the_backend_keeps_its_tokens() -> None:
    """The refresh token that was refused is still good at the backend."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.backend.tokens["refresh-secret"] = "valid"
            request = post("/auth/refresh", b'{"refresh_token":"refresh-secret"}', "Connection: close")
            bench.inject("invalid_grant")
            assert (await bench.ask(request)).status == 400
            assert (await bench.ask(request)).status == 200

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl exits 0, or 22 when told to fail; httpx returns the response."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("invalid_grant", then="repeat")
            assert (await bench.curl("/auth/refresh", "--data", "{}"))[0] == 0
            assert (await bench.curl("/auth/refresh", "--data", "{}", "--fail"))[0] == 22
            assert await bench.httpx_raises("/auth/refresh") == "no exception, but 400"

    run(scene)
