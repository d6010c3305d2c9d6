"""TLS: whom the client trusts, what it calls a certificate that it does not, and that no connection is lost."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251 - a seeded generator for when to cancel
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trustme

from sadpath.client import ShopClient
from sadpath.client.http import _tls_context
from sadpath.client.policy import PoolPolicy, RetryPolicy, Timeouts
from tests.client.scripted import Server, problem, reply
from tests.client.shopside import QUICK, SESSION, USER, failure_of, success_of

AUTHORITY = trustme.CA(key_type=trustme.KeyType.ECDSA)


@asynccontextmanager
async def secure(server: Server, host: str = "127.0.0.1", authority: trustme.CA = AUTHORITY) -> AsyncIterator[str]:
    """Run a server with a certificate for ``host``, and yield its base URL."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def pem(authority: trustme.CA = AUTHORITY) -> str:
    """Return an authority's certificate."""
    return authority.cert_pem.bytes().decode()


@pytest.mark.parametrize(("how", "kind"), [("reset", "reset"), ("close", "closed")])
def test_a_handshake_that_breaks_is_no_certificate_failure(how: str, kind: str) -> None:
    """A connection that ends in the midst of the handshake is what it is without TLS: one to try again."""

    async def run() -> None:
        def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if how == "reset":
                linger = b"\1\0\0\0\0\0\0\0"
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            asyncio.get_running_loop().call_later(0.02, writer.transport.abort if how == "reset" else writer.close)

        listener = await asyncio.start_server(accept, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with ShopClient.create(url, policy=QUICK, ca_pem=pem()) as client:
            failure = failure_of(await client.users.get(1))
        listener.close()
        assert (failure.kind, failure.sent) == (kind, False)
        assert failure.attempts == 1 + QUICK.retry.max_retries

    asyncio.run(run())


def test_trusted_authority_is_spoken_to() -> None:
    """A server whose certificate is of the authority that was handed in is an ordinary server."""

    async def run() -> None:
        server = Server().on("*", reply(200, USER))
        async with secure(server) as url, ShopClient.create(url, policy=QUICK, ca_pem=pem()) as client:
            success_of(await client.users.get(1))
            success_of(await client.users.get(1))

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["unknown authority", "wrong host"])
def test_certificate_failure_is_neither_retried_nor_hidden(fault: str) -> None:
    """A certificate that is not trusted is called that at once, whatever the cache holds, and nothing is sent."""

    async def run() -> None:
        host = "somewhere.example" if fault == "wrong host" else "127.0.0.1"
        authority = AUTHORITY if fault == "wrong host" else trustme.CA(key_type=trustme.KeyType.ECDSA)
        server = Server().on("*", reply(200, USER))
        trusting: dict[str, Any] = {"policy": QUICK, "ca_pem": pem()}
        async with secure(server, host, authority) as url, ShopClient.create(url, **trusting) as client:
            await client.restore(SESSION)
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.attempts, failure.sent) == ("tls", 1, False)
            assert server.seen == []

    asyncio.run(run())


def test_usual_authorities_are_trusted_by_default() -> None:
    """Without an authority of its own the client trusts the usual ones, and so not a stranger."""

    async def run() -> None:
        async with secure(Server().on("*", reply(200, USER))) as url, ShopClient.create(url, policy=QUICK) as client:
            assert failure_of(await client.users.get(1)).kind == "tls"

    asyncio.run(run())


def test_server_that_speaks_no_tls_is_a_tls_failure() -> None:
    """Plain HTTP where TLS was expected is a TLS failure, and is not retried."""

    async def run() -> None:
        async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        listener = await asyncio.start_server(plain, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with ShopClient.create(url, policy=QUICK, ca_pem=pem()) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.attempts) == ("tls", 1)
        listener.close()

    asyncio.run(run())


def test_server_that_closes_during_the_handshake_is_retried() -> None:
    """A connection that ends during the handshake has sent nothing, so the call is tried again."""

    async def run() -> None:
        async def shut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        listener = await asyncio.start_server(shut, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with ShopClient.create(url, policy=QUICK, ca_pem=pem()) as client:
            failure = failure_of(await client.http("POST", "/orders", json={}))
            assert failure.kind in ("closed", "reset")
            assert (failure.attempts, failure.sent) == (3, False)
        listener.close()

    asyncio.run(run())


def test_handshake_without_an_answer_is_a_connect_timeout() -> None:
    """A server that accepts and never shakes hands is a connect timeout."""

    async def run() -> None:
        over = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(4096):
                pass
            writer.close()
            over.set()

        listener = await asyncio.start_server(silent, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        policy = replace(QUICK, timeouts=Timeouts(connect=0.1, read=2.0, total=5.0), retry=RetryPolicy(max_retries=0))
        async with ShopClient.create(url, policy=policy, ca_pem=pem()) as client:
            assert failure_of(await client.users.get(1)).kind == "timeout.connect"
            await over.wait()
        listener.close()

    asyncio.run(run())


def test_plain_urls_pay_nothing_for_tls() -> None:
    """A client of an http URL reads no certificates, and those of one authority are read once for all clients."""

    async def run() -> None:
        before = _tls_context.cache_info().misses
        async with ShopClient.create("http://127.0.0.1:1", policy=QUICK) as client:
            await client.users.get(1)
        assert _tls_context.cache_info().misses == before
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        for _ in range(2):
            server = Server().on("*", reply(200, USER))
            url_of = secure(server, authority=authority)
            async with url_of as url, ShopClient.create(url, policy=QUICK, ca_pem=pem(authority)) as client:
                success_of(await client.users.get(1))
        assert _tls_context.cache_info().misses == before + 1

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_calls_cancelled_during_the_handshake_lose_no_connection(seed: int) -> None:
    """Calls that are cancelled at any moment of connecting over TLS leave the pool as it was."""

    async def run() -> None:
        chance = random.Random(seed)  # noqa: S311 - decides when a test cancels
        limits = Timeouts(connect=5.0, read=5.0, pool=5.0, total=20.0)
        policy = replace(QUICK, timeouts=limits, pool=PoolPolicy(size=3), retry=RetryPolicy(max_retries=0))
        server = Server().on("*", reply(200, USER, Connection="close"))
        async with secure(server) as url, ShopClient.create(url, policy=policy, ca_pem=pem()) as client:

            async def worker() -> None:
                for number in range(60):
                    call = asyncio.create_task(client.users.get(number))
                    for _ in range(chance.randrange(60)):
                        await asyncio.sleep(0)
                    call.cancel()
                    await asyncio.gather(call, return_exceptions=True)

            await asyncio.gather(*(worker() for _ in range(10)))
            await client.stack.http.drop_idle()
            assert (client.stack.guard.busy, client.stack.http.connections) == (0, 0)
            server.on("*", problem(404))
            assert failure_of(await client.users.get(1)).status == 404

    asyncio.run(run())
