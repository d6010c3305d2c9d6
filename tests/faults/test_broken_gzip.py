"""``broken_gzip`` on the wire: honest length, and a stream that no client can decompress."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.faults.broken_gzip import How, accepts_gzip, broken
from tests.engine.bench import BODY, Bench, get, post, run

CLOSE = "Connection: close"
GZIP = "Accept-Encoding: br, gzip;q=0.5"


@pytest.mark.parametrize(
    ("written", "body"),
    [
        ("broken_gzip", broken(BODY, "corrupt")),
        ({"broken_gzip": "cut"}, broken(BODY, "cut")),
        ({"broken_gzip": "plain"}, BODY),
    ],
)
def test_the_bytes(written: Any, body: bytes) -> None:
    """The encoding is named, the length is that of the stream, and the backend has run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(written, written)
            received = await bench.ask(get("/item", GZIP, CLOSE))
            event = await bench.ended()
            assert received.header("content-encoding") == "gzip"
            assert (received.header("content-length"), received.body) == (str(len(body)), body)
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [
                ("broken_gzip", "response", None)
            ]
            assert event.ended.how == "complete"
            await bench.ask(post("/items", b"{}", CLOSE))
            assert (await bench.ended(2)).effect.committed

    run(scene)


@given(st.binary(max_size=3000))
def test_no_stream_is_whole(body: bytes) -> None:
    """A corrupt stream cannot be decompressed at all; one that was cut never comes to its end."""
    with pytest.raises(zlib.error):
        gzip.decompress(broken(body, "corrupt"))
    decompressor = zlib.decompressobj(wbits=31)
    part = decompressor.decompress(broken(body, "cut"))
    assert not decompressor.eof
    assert body.startswith(part)


@pytest.mark.parametrize(
    ("header", "accepts"),
    [
        (None, True), (b"gzip", True), (b"br, GZIP ; q=0.1", True), (b"*", True), (b"deflate, *;q=0.5", True),
        (b"identity", False), (b"", False), (b"gzip;q=0", False), (b"gzip;q=0.000, *", False), (b"*;q=0", False),
    ],
)  # fmt: skip
def test_who_accepts_it(header: bytes | None, accepts: bool) -> None:
    """The header is read as RFC 9110 §12.5.3 has it."""
    assert accepts_gzip(header) is accepts


@pytest.mark.parametrize(
    "request_",
    [get("/item", "Accept-Encoding: identity", CLOSE), get("/empty", CLOSE), get("/item", CLOSE, method="HEAD")],
)
def test_whoever_does_not_accept_it_is_answered_as_ever(request_: bytes) -> None:
    """Nothing is encoded for a client that does not want it, nor where there is no body; the fault has not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            plain = await bench.ask(request_)
            bench.inject("broken_gzip")
            assert (await bench.ask(request_)).undated == plain.undated
            assert (await bench.ended(2)).fired == ()

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """Both say that decoding failed, but for a stream that was cut: of that they make a part of the body."""

    async def scene() -> None:
        async with Bench() as bench:
            expected: list[tuple[How, int, bool]] = [("corrupt", 61, True), ("plain", 61, True), ("cut", 0, False)]
            for how, curl, error in expected:
                bench.inject({"broken_gzip": how}, then="repeat")
                assert (how, (await bench.curl("/item", "--compressed"))[0]) == (how, curl)
                assert await bench.curl("/item") == (0, broken(BODY, how))
                async with bench.httpx() as client:
                    if error:
                        with pytest.raises(httpx.DecodingError):
                            await client.get("/item")
                    else:
                        part = (await client.get("/item")).content
                        assert BODY.startswith(part)
                        assert len(part) < len(BODY)

    run(scene)
