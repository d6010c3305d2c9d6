"""``unauthorized`` on the wire."""

from __future__ import annotations

import json

import pytest

from tests.engine.bench import Bench, get, run

TOKEN = "Authorization: Bearer any-token"


def test_a_refused_token_is_named_so() -> None:
    """To a request with a token the 401 says ``invalid_token`` (RFC 6750 §3.1); the backend does not run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("unauthorized")
            received = await bench.ask(get("/me", TOKEN, "Connection: close"))
            event = await bench.ended()
            assert received.status == 401
            assert received.header("www-authenticate") == (
                'Bearer realm="api", error="invalid_token", error_description="The access token is not valid"'
            )
            assert json.loads(received.body)["status"] == 401
            assert bench.backend.runs == []
            assert [(fault.name, fault.phase) for fault in event.fired] == [("unauthorized", "request")]

    run(scene)


def test_without_a_token_no_error_is_named() -> None:
    """To a request without credentials the challenge bears no error code (RFC 6750 §3)."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("unauthorized")
            received = await bench.ask(get("/me", "Connection: close"))
            assert received.header("www-authenticate") == 'Bearer realm="api"'

    run(scene)


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        ("", b"", None),
        ("<h1>no</h1>", b"<h1>no</h1>", "text/plain; charset=utf-8"),
        ({"json": ["no"]}, b'["no"]', "application/json"),
    ],
)
def test_any_body(body: object, sent: bytes, kind: str | None) -> None:
    """The body can be text, also none at all, or JSON; the challenge stays."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"unauthorized": {"body": body}})
            received = await bench.ask(get("/me", TOKEN, "Connection: close"))
            assert (received.body, received.header("content-type")) == (sent, kind)
            assert "invalid_token" in (received.header("www-authenticate") or "")

    run(scene)


def test_the_token_stays_valid() -> None:
    """Only this exchange is refused: the same token is taken next time."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.backend.tokens["any-token"] = "valid"
            bench.inject("unauthorized")
            assert (await bench.ask(get("/me", TOKEN, "Connection: close"))).status == 401
            assert (await bench.ask(get("/me", TOKEN, "Connection: close"))).status == 200

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl exits 0, or 22 when told to fail; httpx returns the response."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("unauthorized", then="repeat")
            assert (await bench.curl("/me"))[0] == 0
            assert (await bench.curl("/me", "--fail"))[0] == 22
            assert await bench.httpx_raises("/me") == "no exception, but 401"

    run(scene)
