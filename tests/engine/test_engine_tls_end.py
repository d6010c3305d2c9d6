"""The end of a TLS connection as a client sees it that reads bytes: ``close_notify``, and FIN without delay."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from tests.engine.bench import BODY, Bench, get, run, tls_contexts

SOON = 5.0
"""Seconds: much less than the half minute for which asyncio waits for a client's own ``close_notify``."""


class Peer:
    """TLS by hand over a plain connection, so that its two ends can be told apart."""

    def __init__(self, context: ssl.SSLContext, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")

    async def do(self, step: Any) -> Any:
        """Take a step of TLS, and read and send for it what it needs."""
        while True:
            try:
                done = step(self._tls)
            except ssl.SSLWantReadError:
                self.flush()
                data = await self.reader.read(65_536)
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                self.flush()
                return done

    def flush(self) -> None:
        """Send what TLS has to say."""
        if data := self._out.read():
            self.writer.write(data)

    async def read(self) -> bytes:
        """Read up to the server's ``close_notify``; an end without one raises."""
        parts = []
        while part := await self.do(lambda tls: tls.read(65_536)):
            parts.append(part)
        return b"".join(parts)

    async def ended(self) -> bytes:
        """Wait for FIN, without a word; return what was still sent before it."""
        async with asyncio.timeout(SOON):
            return await self.reader.read()


async def _peer(bench: Bench, context: ssl.SSLContext) -> Peer:
    peer = Peer(context, await asyncio.open_connection("127.0.0.1", bench.port))
    await peer.do(lambda tls: tls.do_handshake())
    return peer


@pytest.mark.parametrize("step", ["pass", "close", "close_after", {"truncate": 20}])
def test_fin_follows_close_notify_at_once(step: object) -> None:
    """A client that does not answer the ``close_notify`` sees FIN all the same, and nothing between the two."""
    server, client = tls_contexts()

    async def scene() -> None:
        async with Bench(tls=server) as bench:
            bench.inject(step)
            peer = await _peer(bench, client)
            await peer.do(lambda tls: tls.write(get("/item", "Connection: close")))
            data = await peer.read()
            assert data.endswith(BODY) == (step in ("pass", "close_after"))
            assert await peer.ended() == b""
            peer.writer.close()
            await bench.until(lambda: not bench.session.wires)

    run(scene)


def test_a_slow_reader_gets_all_of_it_before_the_end() -> None:
    """FIN overtakes nothing that waits for its client to read."""
    server, client = tls_contexts()

    async def scene() -> None:
        async with Bench(tls=server) as bench:
            peer = await _peer(bench, client)
            await peer.do(lambda tls: tls.write(get("/big?6000000", "Connection: close")))
            await bench.until(lambda: bool(bench.session.wires) and next(iter(bench.session.wires)).unsent() > 100_000)
            data = await peer.read()
            assert len(data.partition(b"\r\n\r\n")[2]) == 6_000_000
            assert await peer.ended() == b""
            peer.writer.close()

    run(scene)


@pytest.mark.parametrize("step", [{"early_response": 413}, {"request_close": 1000}])
def test_an_upload_that_goes_on_does_not_take_the_answer_away(step: object) -> None:
    """What a client still sends when it is answered is read and dropped; its answer and the end arrive."""
    server, client = tls_contexts()

    async def scene() -> None:
        async with Bench(tls=server) as bench:
            bench.inject(step)
            peer = await _peer(bench, client)
            body = b"x" * 3_000_000
            await peer.do(
                lambda tls: tls.write(get("/item", f"Content-Length: {len(body)}", "Connection: close", method="POST"))
            )
            for begin in range(0, len(body), 100_000):
                await peer.do(lambda tls, begin=begin: tls.write(body[begin : begin + 100_000]))
                await asyncio.sleep(0)
            data = await peer.read()
            assert data.startswith(b"HTTP/1.1 413 ") == (step == {"early_response": 413})
            assert await peer.ended() == b""
            peer.writer.close()

    run(scene)
