"""Requests that no honest client sends: each is answered or its connection closed, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.engine.limits import MAX_FIELDS, MAX_HEAD, MAX_TARGET
from sadpath.scenario.model import Scenario
from sadpath.server.runner import LiveServer
from tests.support.siege import HOST, LAST, PATIENCE, PING, PONG, Siege, besieged

Serve = Callable[..., LiveServer]
POST = b"POST /ping HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


def lay(serve: Serve, attack: Callable[[Siege], Awaitable[None]]) -> None:
    """Run an attack on a server of its own."""

    async def main() -> None:
        async with besieged(serve()) as siege:
            await attack(siege)

    asyncio.run(main())


TWO_MEANINGS = {
    "length and chunks": POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunks and length": POST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "the same length twice": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": POST + b"Content-Length: 4, 5\r\n\r\nabcde",
    "a negative length": POST + b"Content-Length: -4\r\n\r\nabcd",
    "a signed length": POST + b"Content-Length: +4\r\n\r\nabcd",
    "a hexadecimal length": POST + b"Content-Length: 0x4\r\n\r\nabcd",
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\nabcd",
    "chunked is not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "nearly chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked behind a control character": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "a folded line": PING + b"X-A: b\r\n c\r\n\r\n",
    "a folded transfer encoding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "lines that end with LF": b"GET /ping HTTP/1.1\nHost: localhost\n\n",
    "a field that ends with LF": b"GET /ping HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n",
    "a CR within a field": b"GET /ping HTTP/1.1\r\nHost: localhost\rX-A: b\r\n\r\n",
    "a space before the colon": b"GET /ping HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a space before the colon of a coding": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a space before the first field": b"GET /ping HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "no name": PING + b": b\r\n\r\n",
    "no colon": PING + b"X-A\r\n\r\n",
    "NUL in a field": PING + b"X-A: a\0b\r\n\r\n",
    "NUL in the path": b"GET /pi\0ng HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes beyond ASCII in the path": b"GET /ping\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes beyond ASCII in the query": b"GET /ping?\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a chunk's size that is none": POST + CHUNKED + b"\r\nzz\r\nab\r\n0\r\n\r\n",
    "a chunk's size with 0x": POST + CHUNKED + b"\r\n0x2\r\nab\r\n0\r\n\r\n",
    "a chunk's size beyond 64 bits": POST + CHUNKED + b"\r\nfffffffffffffffff\r\nab\r\n0\r\n\r\n",
    "a chunk longer than its size": POST + CHUNKED + b"\r\n2\r\nabcd\r\n0\r\n\r\n",
    "chunk lines that end with LF": POST + CHUNKED + b"\r\n2\nab\n0\n\n",
    "LF in a chunk extension": POST + CHUNKED + b"\r\n2;a\nb\r\nab\r\n0\r\n\r\n",
    "a method in lower case": b"get /ping HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method of nobody's": b"BREW /ping HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target without a path": b"GET http://localhost HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\r\n\r\n",
}


@pytest.mark.parametrize("request_", TWO_MEANINGS.values(), ids=TWO_MEANINGS.keys())
def test_what_could_be_read_in_two_ways_is_not_read_at_all(serve: Serve, request_: bytes) -> None:
    """It gets one 400 and the end of the connection; what follows it is no request, whoever would read it as one."""

    async def attack(siege: Siege) -> None:
        received = await siege.ask(request_ + SMUGGLED)
        assert (received.statuses, received.ending) == ([400], "fin")
        assert received.body == b"Invalid HTTP request received."
        assert "/smuggled" not in [event.path for event in siege.server.sessions.default.journal.exchanges]

    lay(serve, attack)


@pytest.mark.parametrize(
    "request_",
    [b"GET /ping\r\n\r\n", PING.replace(b"1.1", b"2.0") + b"\r\n", PING.replace(b"1.1", b"0.9") + b"\r\n"],
    ids=["without a version", "2.0", "0.9"],
)
def test_other_versions_of_http_are_not_spoken(serve: Serve, request_: bytes) -> None:
    """HTTP/0.9 and HTTP/2.0 in the manner of HTTP/1 get 505, which names what is spoken."""

    async def attack(siege: Siege) -> None:
        received = await siege.ask(request_)
        assert (received.statuses, received.ending) == ([505], "fin")
        assert received.message == "Only HTTP/1.1 and HTTP/1.0 are spoken here"

    lay(serve, attack)


@pytest.mark.parametrize(
    "coding",
    [b"gzip, chunked", b"deflate,chunked", b"chunked\r\nX-A: b\r\nTransfer-Encoding: gzip, chunked", b"x, y , chunked",
     b"gzip\r\nTransfer-Encoding: chunked", b"identity, chunked"],
)  # fmt: skip
def test_transfer_codings_that_nobody_knows_are_not_read(serve: Serve, coding: bytes) -> None:
    """A body in another coding than chunked gets 501, which names that one, and the connection ends behind it."""

    async def attack(siege: Siege) -> None:
        received = await siege.ask(POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n" + SMUGGLED)
        assert received.ending == "fin"
        assert received.statuses in ([501], [400])
        assert received.statuses == [400] or received.message == "The only transfer coding that is read here is chunked"
        assert siege.server.sessions.default.journal.exchanges == []

    lay(serve, attack)


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b" ,chunked", b"\tchunked "])
def test_chunked_is_read_however_it_is_written(serve: Serve, coding: bytes) -> None:
    """Case, blanks and empty places in the list change nothing."""

    async def attack(siege: Siege) -> None:
        body = b"Transfer-Encoding: " + coding + b"\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        received = await siege.ask(POST + body + PING + LAST)
        assert (received.statuses, received.ending) == ([200, 200], "fin")

    lay(serve, attack)


@pytest.mark.parametrize("target", ["localhost:80", "/ping", "*", "http://localhost/ping", "[::1]:80", "//a/b"])
@pytest.mark.parametrize("field", [b"", b"Connection: upgrade\r\nUpgrade: x\r\n"], ids=["plain", "upgrade"])
def test_no_tunnels_are_made(serve: Serve, target: str, field: bytes) -> None:
    """CONNECT is refused whatever its target looks like, and what is to go through the tunnel is not read."""

    async def attack(siege: Siege) -> None:
        received = await siege.ask(f"CONNECT {target} HTTP/1.1\r\n".encode() + HOST + field + b"\r\n" + SMUGGLED)
        assert received.ending == "fin"
        assert received.statuses in ([400], [501])
        assert siege.server.sessions.default.journal.exchanges == []

    lay(serve, attack)


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c", b"\xff"])
def test_upgrades_are_declined(serve: Serve, upgrade: bytes) -> None:
    """An upgrade is declined by an answer in HTTP/1.1; rubbish behind it ends the connection."""

    async def attack(siege: Siege) -> None:
        fields = b"Connection: UpGrade,, upgrade\r\nConnection: upgrade\r\nUpgrade: " + upgrade + b"\r\n"
        received = await siege.ask(PING + fields + b"\r\n" + b"\0\0\0")
        assert (received.statuses, received.ending) == ([200], "fin")

    lay(serve, attack)


def test_chunk_extensions_are_passed_over(serve: Serve) -> None:
    """Extensions change nothing about a body, nor where it ends."""

    async def attack(siege: Siege) -> None:
        body = b'2;a=b;c="d"\r\nab\r\n0;e\r\n\r\n'
        received = await siege.ask(POST + CHUNKED + b"\r\n" + body + PING + LAST)
        assert (received.statuses, received.ending) == ([200, 200], "fin")

    lay(serve, attack)


def test_trailers_are_no_headers(serve: Serve) -> None:
    """A field behind the body is not among the request's own: neither the backend nor the journal has it."""

    async def attack(siege: Siege) -> None:
        trailer = b"X-Late: 1\r\nAuthorization: Bearer late\r\n\r\n"
        received = await siege.ask(POST + LAST[:-2] + CHUNKED + b"\r\n2\r\nab\r\n0\r\n" + trailer)
        assert received.statuses == [200]
        event = siege.server.sessions.default.journal.exchanges[0]
        assert [name.lower() for name, _ in event.request_headers] == ["host", "connection", "transfer-encoding"]

    lay(serve, attack)


def test_pipelined_requests_are_answered_in_their_order(serve: Serve) -> None:
    """Two hundred requests in one piece are all answered, one after another; rubbish behind them ends it."""

    async def attack(siege: Siege) -> None:
        for number in range(5):
            siege.server.sessions.create(f"p{number}")
        asked = b"".join(b"GET /s/p%d/ping HTTP/1.1\r\n%s\r\n" % (number % 5, HOST) for number in range(200))
        received = await siege.ask(asked + b"\0rubbish\r\n\r\n")
        assert (received.statuses, received.ending) == ([200] * 200, "fin")
        places = [received.data.split(b'"pong": "')[number + 1][:2] for number in range(200)]
        assert places == [b"p%d" % (number % 5) for number in range(200)]

    lay(serve, attack)


@pytest.mark.parametrize(
    "last",
    [PING + LAST, PING.replace(b"1.1", b"1.0") + b"\r\n", POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n"],
    ids=["close", "1.0", "1.0 with chunks"],
)
def test_nothing_behind_the_last_request_is_served(serve: Serve, last: bytes) -> None:
    """A request behind one after which the connection ends has no effect, for its client cannot hear of any."""

    async def attack(siege: Siege) -> None:
        received = await siege.ask(last + SMUGGLED)
        assert (received.statuses, received.ending) == ([200], "fin")
        assert [event.path for event in siege.server.sessions.default.journal.exchanges] == ["/ping"]

    lay(serve, attack)


def test_a_bad_body_behind_a_request_takes_no_answer_away(serve: Serve, scenario: Callable[..., Scenario]) -> None:
    """What is wrong with a body ends the connection behind the answers to earlier requests, and gets no answer itself."""

    async def attack(siege: Siege) -> None:
        slow = scenario(faults=[{"on": "*", "fault": {"delay": "100ms"}}])
        siege.server.sessions.create("slow", scenario=slow)
        asked = b"GET /s/slow/ping HTTP/1.1\r\n" + HOST + b"\r\n"
        for before in (1, 2):
            received = await siege.ask(asked * before + POST + CHUNKED + b"\r\nzz\r\n" + SMUGGLED)
            assert (received.statuses, received.ending) == ([200] * before, "fin")
            assert received.data.count(b'"pong": "slow"') == before
        journal = siege.server.sessions.default.journal
        assert "/smuggled" not in [event.path for event in journal.exchanges]

    lay(serve, attack)


def test_a_body_that_turns_bad_behind_its_answer_gets_no_second_one(serve: Serve) -> None:
    """Where a request was answered before its body ended, rubbish in the rest ends the connection without a word."""

    async def attack(siege: Siege) -> None:
        head = b"POST /__admin/sessions HTTP/1.1\r\n" + HOST
        raw = await siege.connect()
        await raw.send(head + CHUNKED + b"\r\n" + b"100000\r\n" + bytes(0x100000) + b"\r\n2\r\nab\r\n")
        async with asyncio.timeout(PATIENCE):
            await raw.until(b"\r\n\r\n")
        await raw.send(b"zz\r\n" + SMUGGLED)
        received = await raw.receive()
        assert (received.statuses, received.ending) == ([], "fin")

    lay(serve, attack)


def head_of(size: int) -> bytes:
    """Return a whole request, after which the connection is to close, with a head of about so many bytes."""
    return PING + b"X-A: " + b"a" * (size - len(PING) - len(LAST) - 7) + b"\r\n" + LAST


TOO_LARGE = {
    "a field": (head_of(MAX_HEAD + 200), 431),
    "a field of megabytes": (head_of(3_000_000), 431),
    "a field without an end": (PING + b"X-A: " + b"a" * 3_000_000, 431),
    "a field's name without an end": (PING + b"a" * 3_000_000, 431),
    "many fields": (PING + b"X-A: b\r\n" * MAX_FIELDS + b"\r\n", 431),
    "fields without an end": (PING + b"X-A: b\r\n" * 200_000, 431),
    "many fields, and no end": (PING + b"X-A: b\r\n" * (MAX_FIELDS + 1), 431),
    "many long fields, and no end": (PING + (b"X-A: " + b"b" * 500 + b"\r\n") * 200, 431),
    "a target": (b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "a target without an end": (b"GET /" + b"a" * 3_000_000, 414),
    "a query without an end": (b"GET /?" + b"a" * 3_000_000, 414),
    "empty lines without an end": (b"\r\n" * 1_000_000, 400),
    "a chunk extension without an end": (POST + CHUNKED + b"\r\n2;" + b"a" * 3_000_000, 400),
    "a trailer without an end": (POST + CHUNKED + b"\r\n0\r\nX-A: " + b"a" * 3_000_000, 400),
    "trailers without an end": (POST + CHUNKED + b"\r\n0\r\n" + b"X-A: b\r\n" * 200_000, 400),
}


@pytest.mark.parametrize(("request_", "status"), TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_heads_are_bounded(serve: Serve, request_: bytes, status: int) -> None:
    """What is too large is refused with the bound's name, before it is whole, and its connection closed."""

    async def attack(siege: Siege) -> None:
        received = await siege.ask(request_)
        assert (received.statuses, received.ending) == ([status], "fin")
        bound = {431: f"{MAX_FIELDS} fields and {MAX_HEAD} bytes", 414: f"{MAX_TARGET} bytes", 400: f"{MAX_HEAD} bytes"}
        assert bound[status] in received.message

    lay(serve, attack)


def test_heads_within_the_bounds_are_read(serve: Serve) -> None:
    """A head just within each bound is answered, be it sent in one piece or in many."""

    async def attack(siege: Siege) -> None:
        many = b"".join(b"X-%d: b\r\n" % number for number in range(MAX_FIELDS - 2))
        target = b"GET /ping?" + b"a" * (MAX_TARGET - 6) + b" HTTP/1.1\r\n"
        for request_ in (head_of(MAX_HEAD - 100), PING + many + LAST, target + HOST + LAST):
            assert (await siege.ask(request_)).body == PONG
            raw = await siege.connect()
            for begin in range(0, len(request_), 5_000):
                await raw.send(request_[begin : begin + 5_000])
                await siege.more_answers(1)
            assert (await raw.receive()).body == PONG

    lay(serve, attack)


def test_a_large_body_is_not_taken_for_a_head(serve: Serve) -> None:
    """Bodies beyond a head's bound are read, plain or in many small chunks, and so is the request behind them."""

    async def attack(siege: Siege) -> None:
        plain = POST + b"Content-Length: 300000\r\n\r\n" + b"a" * 300_000
        chunks = POST + CHUNKED + b"\r\n" + b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n"
        received = await siege.ask(plain + chunks + plain + PING + LAST)
        assert (received.statuses, received.ending) == ([200] * 4, "fin")

    lay(serve, attack)


STRANGE = {
    "NUL in a session's path": (b"GET /s/%00/ping HTTP/1.1\r\n" + HOST, 404),
    "no UTF-8 in a session's path": (b"GET /s/%ff%fe/ping HTTP/1.1\r\n" + HOST, 404),
    "half a surrogate in a session's path": (b"GET /s/%ed%a0%80/ping HTTP/1.1\r\n" + HOST, 404),
    "no UTF-8 in a session's header": (PING + b"X-Sadpath-Session: \xff\xfe\r\n", 404),
    "no UTF-8 in a session's cookie": (PING + b"Cookie: sadpath_session=\xff\r\n", 404),
    "no UTF-8 in the path": (b"GET /ping%ff%00 HTTP/1.1\r\n" + HOST, 401),
    "no UTF-8 in the query": (b"GET /ping?a=%ff%00&%fe HTTP/1.1\r\n" + HOST, 200),
    "no percent encoding": (b"GET /ping?%zz%&=&&? HTTP/1.1\r\n" + HOST, 200),
    "no UTF-8 in a field": (PING + b"X-A: \xff\xfe\r\nAccept: \xff\r\n", 200),
    "no UTF-8 in sadpath's own fields": (PING + b"X-Sadpath-Call: \xff\r\nIdempotency-Key: \xff\r\n", 200),
    "no UTF-8 in an origin": (PING + b"Origin: http://\xff\r\n", 200),
    "an origin that is none": (PING + b"Origin: http://[::1\r\n", 200),
    "a preflight of rubbish": (
        b"OPTIONS /ping HTTP/1.1\r\n" + HOST + b"Origin: http://localhost:1\r\nAccess-Control-Request-Method: \xff\r\n",
        204,
    ),
    "a preflight from nowhere": (
        b"OPTIONS /ping HTTP/1.1\r\n" + HOST + b"Origin: http://localhost:x\r\nAccess-Control-Request-Method: GET\r\n",
        200,
    ),
    "no UTF-8 in a control path": (b"GET /__admin/sessions/%ff%00 HTTP/1.1\r\n" + HOST, 404),
    "no UTF-8 in a control body": (b"POST /__admin/sessions HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n", 400),
    "a control method of nobody's": (b"PATCH /__admin/sessions HTTP/1.1\r\n" + HOST, 405),
    "no host": (b"GET /__admin/health HTTP/1.1\r\n", 403),
    "two hosts": (b"GET /__admin/health HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n", 403),
    "a foreign host": (b"GET /__admin/health HTTP/1.1\r\nHost: evil.example\r\n", 403),
    "no UTF-8 in the host": (b"GET /__admin/health HTTP/1.1\r\nHost: localhost\xff\r\n", 403),
    "a foreign host, disguised path": (b"GET /%5F%5Fadmin/health HTTP/1.1\r\nHost: evil.example\r\n", 403),
    "a foreign origin": (b"POST /__admin/sessions HTTP/1.1\r\n" + HOST + b"Origin: http://evil.example\r\n", 403),
    "an origin without a name": (b"POST /__admin/sessions HTTP/1.1\r\n" + HOST + b"Origin: null\r\n", 403),
    "a foreign origin deletes": (b"DELETE /__admin/sessions/neighbour HTTP/1.1\r\n" + HOST + b"Origin: x://y\r\n", 403),
}


@pytest.mark.parametrize(("head", "status"), STRANGE.values(), ids=STRANGE.keys())
def test_strange_requests_are_answered(serve: Serve, head: bytes, status: int) -> None:
    """Strange bytes, foreign hosts and foreign origins get a clear answer, and the connection goes on."""

    async def attack(siege: Siege) -> None:
        body = b"\xff\xfe" if b"Content-Length" in head else b""
        received = await siege.ask(head + b"\r\n" + body + PING + LAST)
        assert (received.statuses, received.ending) == ([status, 200], "fin")
        assert len(siege.server.sessions) == 2

    lay(serve, attack)


def test_a_token_that_is_no_text_is_an_unknown_one(serve: Serve) -> None:
    """Half a surrogate in a refresh token, which JSON can spell and UTF-8 cannot, is for the backend to refuse."""

    async def attack(siege: Siege) -> None:
        body = b'{"renewal": "\\ud800"}'
        head = b"POST /gate/renewal HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n" % len(body)
        received = await siege.ask(head + LAST + body)
        assert (received.statuses, received.body) == ([400], b'{"error": "invalid_grant"}')

    lay(serve, attack)


PIECES = st.sampled_from(
    [
        *(
            b"GET ",
            b"POST ",
            b"CONNECT ",
            b"HEAD ",
            b"/ping",
            b"/s/",
            b"/__admin/sessions",
            b" HTTP/1.1",
            b" HTTP/1.0",
            b": ",
        ),
        *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b"\xff", HOST, CHUNKED, PING + b"\r\n"),
        *(b"Content-Length: 3\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n"),
        *(b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"Expect: 100-continue\r\n"),
    ]
)


def test_any_bytes_at_all_leave_the_server_as_it_was(serve: Serve) -> None:
    """Whatever is sent, the connection is answered or closed once the client is done, and other clients' are not."""

    async def attack(siege: Siege, parts: list[list[bytes]]) -> None:
        async def send(some: list[bytes]) -> None:
            raw = await siege.connect()
            for part in some:
                await raw.send(part)
            raw.shut()
            assert (await raw.receive()).ending != "open"

        await asyncio.gather(*(send(some) for some in parts))

    @given(st.lists(st.lists(PIECES | st.binary(max_size=20), max_size=12), min_size=1, max_size=8))
    @settings(max_examples=40, deadline=None)
    def run(parts: list[list[bytes]]) -> None:
        async def main() -> None:
            async with besieged(serve()) as siege:
                await attack(siege, parts)

        asyncio.run(main())

    run()
