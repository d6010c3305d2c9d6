"""Faults over HTTP/2, frame by frame: RST_STREAM, GOAWAY, and what those of HTTP/1 are there."""

from __future__ import annotations

import json
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.errors import AuthorError
from sadpath.faults import FAULTS
from sadpath.faults.error_codes import ErrorCode, number_of
from tests.engine.bench import BODY, Bench, get, run
from tests.engine.frames import frames

PRIOR = "--http2-prior-knowledge"
CODES = {
    "NO_ERROR": 0x0, "PROTOCOL_ERROR": 0x1, "INTERNAL_ERROR": 0x2, "FLOW_CONTROL_ERROR": 0x3, "SETTINGS_TIMEOUT": 0x4,
    "STREAM_CLOSED": 0x5, "FRAME_SIZE_ERROR": 0x6, "REFUSED_STREAM": 0x7, "CANCEL": 0x8, "COMPRESSION_ERROR": 0x9,
    "CONNECT_ERROR": 0xA, "ENHANCE_YOUR_CALM": 0xB, "INADEQUATE_SECURITY": 0xC, "HTTP_1_1_REQUIRED": 0xD,
}  # fmt: skip
"""RFC 9113 §7."""


def test_error_codes_are_those_of_the_standard() -> None:
    """Each name stands for the number that RFC 9113 gives it."""
    assert {name: number_of(name) for name in get_args(ErrorCode)} == CODES


# RST_STREAM


@settings(deadline=None, max_examples=30)
@given(
    error=st.sampled_from(sorted(CODES)),
    place=st.sampled_from(["request", "response", "head"]) | st.integers(1, len(BODY) - 1),
)
def test_rst_stream_says_what_it_is_told_where_it_is_told(error: str, place: str | int) -> None:
    """Exactly the bytes before the place come, then RST_STREAM with the code; the next stream is served."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            where = {"after": place} if isinstance(place, int) else {"at": place}
            bench.inject({"rst_stream": {"error": error, **where}})
            client = await frames(bench)
            stream = await client.ask()
            await client.until(lambda seen: ("RST_STREAM", stream, CODES[error]) in seen)
            sent = place if isinstance(place, int) else 0
            assert client.body(stream) == BODY[:sent]
            assert ("HEADERS" in client.of(stream)) is (place == "head" or bool(sent))
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("rst_stream", "server")
            assert event.bytes_sent == client.sizes.get(stream, 0)
            assert event.status == (200 if "HEADERS" in client.of(stream) else None)
            assert [(fault.name, fault.byte) for fault in event.fired] == [("rst_stream", sent or None)]
            assert await client.answered(await client.ask()) == BODY
            assert bench.backend.runs == ["GET /item"] * (1 if place == "request" else 2)
            assert bench.happened() == [("opened", "client")]

    run(scene)


def test_rst_stream_leaves_the_other_streams_alone() -> None:
    """One of three streams is reset; the two others are answered."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"delay": "50ms"}, "rst_stream", {"delay": "50ms"})
            client = await frames(bench)
            first, second, third = await client.ask(), await client.ask(), await client.ask()
            assert await client.answered(first) == await client.answered(third) == BODY
            assert client.of(second) == ["RST_STREAM"]

    run(scene)


def test_a_refused_stream_may_be_sent_again() -> None:
    """curl sends a request again that was refused before anything was done, and the effect happens once."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"rst_stream": {"error": "REFUSED_STREAM", "at": "request"}})
            code, body = await bench.curl("/items", PRIOR, "--request", "POST")
            assert (code, body) == (0, b'{"created":1}')
            first, second = await bench.ended(1), await bench.ended(2)
            assert (first.effect.committed, second.effect.committed) == (False, True)

    run(scene)


def test_a_silence_before_the_reset() -> None:
    """``time`` lets nothing come for so long."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"rst_stream": {"time": "150ms"}})
            client = await frames(bench)
            start = client.connection.loop.time()
            stream = await client.ask()
            await client.until(lambda seen: ("RST_STREAM", stream, 2) in seen)
            assert client.connection.loop.time() - start >= 0.149

    run(scene)


# GOAWAY


def test_goaway_lets_the_answer_come_and_then_closes() -> None:
    """A graceful end: GOAWAY names the stream, its answer is whole, and FIN follows; the journal tells all three."""

    async def scene() -> None:
        async with Bench(http2=True, own_port=True) as bench:
            bench.inject("goaway")
            client = await frames(bench)
            stream = await client.ask()
            seen = await client.end()
            assert (seen[0], client.ending) == (("GOAWAY", stream, 0), "fin")
            assert client.body(stream) == BODY
            event = await bench.ended()
            assert (event.ended.how, event.fired_names()) == ("complete", ["goaway"])
            told = [(one.what, one.by, one.fault) for one in bench.connections()]
            assert told[:3] == [("opened", "client", None), ("goaway", "server", "goaway"), ("fin", "server", "goaway")]

    run(scene)


@settings(deadline=None, max_examples=25)
@given(error=st.sampled_from(sorted(CODES)), last=st.integers(0, 0x7FFFFFFF) | st.sampled_from([0, 1, 3, 5]))
def test_goaway_says_what_it_is_told(error: str, last: int) -> None:
    """Any code and any last stream; the answer comes where its stream is not beyond that one, and FIN in any case."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject("pass", {"goaway": {"error": error, "last_stream": last}})
            client = await frames(bench)
            assert await client.answered(await client.ask()) == BODY
            stream = await client.ask()
            seen = await client.end()
            assert ("GOAWAY", last, CODES[error]) in seen
            answered = stream <= last
            assert client.body(stream) == (BODY if answered else b"")
            assert client.ending == "fin"
            event = await bench.ended(2)
            assert (event.ended.how, event.ended.by) == (("complete", None) if answered else ("fin", "server"))

    run(scene)


def test_goaway_finishes_what_it_has_promised_and_nothing_beyond() -> None:
    """Behind ``before`` the streams under way are answered; this one, and one that is begun later, are not."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"delay": "150ms"}, {"goaway": {"last_stream": "before"}})
            client = await frames(bench)
            early, this = await client.ask(), await client.ask()
            await client.until(lambda seen: ("GOAWAY", early, 0) in seen)
            late = await client.ask()
            await client.end()
            assert client.body(early) == BODY
            assert client.of(this) == client.of(late) == []
            assert bench.backend.runs == ["GET /item"]
            assert len(bench.session.journal.exchanges) == 2

    run(scene)


def test_goaway_lets_streams_go_that_it_disowns() -> None:
    """A stream with a higher number that is under way gets no answer any more, and its exchange ends with it."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"goaway": {"last_stream": 1, "at": "response"}}, "stall")
            client = await frames(bench)
            bench.session.latency = 0.05
            first, second = await client.ask(), await client.ask()
            seen = await client.end()
            assert ("GOAWAY", 1, 0) in seen
            assert (client.body(first), client.of(second)) == (BODY, [])
            event = await bench.ended(2)
            assert (event.ended.how, event.ended.by) == ("fin", "server")

    run(scene)


def test_goaway_and_close_at_once() -> None:
    """``then: close`` ends the connection with whatever is under way on it."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject("stall", {"goaway": {"error": "ENHANCE_YOUR_CALM", "then": "close"}})
            client = await frames(bench)
            await client.ask()
            stream = await client.ask()
            assert await client.end() == [("GOAWAY", stream, 11)]
            for count in (1, 2):
                assert ((await bench.ended(count)).ended.how, client.ending) == ("fin", "fin")

    run(scene)


def test_goaway_and_silence() -> None:
    """``then: stall`` leaves the connection open, and this stream without an answer."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"goaway": {"then": "stall"}})
            client = await frames(bench)
            stream = await client.ask()
            assert await client.still() == [("GOAWAY", stream, 0)]
            assert client.ending == "open"

    run(scene)


def test_goaway_within_a_body() -> None:
    """In mid-body the frame comes between two pieces of it, and the body goes on."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"goaway": {"after": 20}})
            client = await frames(bench)
            stream = await client.ask()
            seen = await client.end()
            assert [one[0] for one in seen] == ["HEADERS", "DATA", "GOAWAY", "DATA", "END"]
            assert (seen[1][2], client.body(stream)) == (BODY[:20], BODY)
            assert (await bench.ended()).fired[0].byte == 20

    run(scene)


def test_httpx_and_curl_meet_goaway() -> None:
    """After a graceful GOAWAY curl has its answer and takes a new connection; one that disowns the request fails it."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject("goaway")
            code, body = await bench.curl("/item", PRIOR, bench.url + "/item")
            assert (code, body) == (0, BODY + BODY)
            assert [event.connection for event in bench.session.journal.exchanges] == [1, 2]
            bench.inject({"goaway": {"last_stream": "before"}})
            async with bench.httpx(http1=False, http2=True) as client:
                with pytest.raises(httpx.HTTPError):
                    await client.get("/item")
                assert (await client.get("/item")).content == BODY

    run(scene)


# What faults of HTTP/1 are


@pytest.mark.parametrize("at", ["request", "response", "head", "body"])
def test_reset_is_rst_stream(at: str) -> None:
    """``reset`` ends the stream, wherever it acts, and the connection lives on."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"reset": at})
            client = await frames(bench)
            stream = await client.ask()
            await client.until(lambda seen: ("RST_STREAM", stream, 2) in seen)
            assert client.body(stream) == (BODY[:32] if at == "body" else b"")
            assert await client.answered(await client.ask()) == BODY

    run(scene)


@pytest.mark.parametrize("fault", ["close", "half_close"])
@pytest.mark.parametrize("at", ["request", "response", "head", "body"])
def test_close_is_goaway_and_fin(fault: str, at: str) -> None:
    """They end the connection: GOAWAY with the latest stream, then FIN, and whatever else is under way ends too."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject("stall", {fault: at})
            client = await frames(bench)
            await client.ask()
            stream = await client.ask()
            seen = await client.end()
            assert (seen[-1], client.ending) == (("GOAWAY", stream, 0), "fin")
            assert client.body(stream) == (BODY[:32] if at == "body" else b"")
            client.connection.close()
            for count in (1, 2):
                event = await bench.ended(count)
                assert (event.ended.how, event.ended.by) == ("fin", "server")
            assert [(one.what, one.fault) for one in bench.connections()][1:3] == [("goaway", fault), ("fin", fault)]

    run(scene)


@pytest.mark.parametrize("ending", ["close", "reset", "stall"])
@settings(deadline=None, max_examples=10)
@given(after=st.integers(0, len(BODY) - 1))
def test_truncate_in_the_midst_of_a_stream(ending: str, after: int) -> None:
    """Exactly so many bytes come; then the stream, the connection or nothing more."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"truncate": {"after": after, "ending": ending}})
            client = await frames(bench)
            stream = await client.ask()
            if ending == "reset":
                await client.until(lambda seen: ("RST_STREAM", stream, 2) in seen)
            elif ending == "close":
                assert ("GOAWAY", stream, 0) in await client.end()
            else:
                await client.until(lambda seen: len(client.body(stream)) == after and seen)
                await client.still(0.03)
            assert client.body(stream) == BODY[:after]
            assert ("END", stream) not in client.seen
            assert client.head(stream)["content-length"] == str(len(BODY))

    run(scene)


def test_an_early_answer_asks_for_no_more_of_the_request() -> None:
    """An answer before the request is over is whole, and RST_STREAM (NO_ERROR) says that the rest is not needed."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject("early_response")
            client = await frames(bench)
            stream = await client.ask("/items", "POST", b"x" * 1000, whole=False)
            await client.until(lambda seen: ("RST_STREAM", stream, 0) in seen)
            assert client.of(stream)[-2:] == ["END", "RST_STREAM"]
            assert client.head(stream)[":status"] == "413"
            assert (await bench.ended()).ended.how == "complete"
            assert await client.answered(await client.ask()) == BODY

    run(scene)


@pytest.mark.parametrize("fault", ["request_reset", "request_close"])
def test_an_upload_that_is_broken_off(fault: str) -> None:
    """Within the request's body the stream or the connection ends, and the backend does not run."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({fault: 500})
            client = await frames(bench)
            stream = await client.ask("/items", "POST", b"x" * 1000, whole=False)
            if fault == "request_reset":
                await client.until(lambda seen: ("RST_STREAM", stream, 2) in seen)
                await client.send(stream, b"y" * 1000)
                assert await client.answered(await client.ask()) == BODY
                assert bench.backend.runs == ["GET /item"]
            else:
                assert ("GOAWAY", stream, 0) in await client.end()
                assert bench.backend.runs == []

    run(scene)


def test_request_stall_reads_nothing_more() -> None:
    """The whole connection is left unread: not even a ping is answered, until the client leaves."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"request_stall": 500})
            client = await frames(bench)
            await client.ask("/items", "POST", b"x" * 1000, whole=False)
            await bench.until(lambda: any(event.fired for event in bench.session.journal.exchanges))
            await client.still(0.05)
            await client.ping()
            await client.still(0.05)
            assert "PingFrame" not in client.kinds
            client.connection.close()
            assert ((await bench.ended()).ended.by, bench.backend.runs) == ("client", [])

    run(scene)


def test_close_after_says_nothing() -> None:
    """The answer is whole and FIN comes without GOAWAY."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject("close_after")
            client = await frames(bench)
            stream = await client.ask()
            assert [one[0] for one in await client.end()] == ["HEADERS", "DATA", "END"]
            assert (client.body(stream), client.ending) == (BODY, "fin")
            assert (await bench.ended()).fired_names() == ["close_after"]

    run(scene)


def test_idle_close_waits_for_streams_and_not_for_other_frames() -> None:
    """A ping does not put it off, a stream does; FIN comes without GOAWAY."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"idle_close": "150ms"}, {"delay": "300ms"})
            client = await frames(bench)
            await client.answered(await client.ask())
            start = client.connection.loop.time()
            slow = await client.ask()
            assert await client.answered(slow) == BODY
            bench.inject({"idle_close": "150ms"})
            await client.answered(await client.ask())
            await client.still(0.08)
            await client.ping()
            seen = await client.end()
            assert client.connection.loop.time() - start < 2
            assert all(one[0] != "GOAWAY" for one in seen)
            assert (await bench.ended(3)).fired_names() == ["idle_close"]

    run(scene)


@pytest.mark.parametrize("size", [1, 512, 20_000])
def test_garbage_stands_where_a_frame_should(size: int) -> None:
    """Random bytes, the same each time, and then FIN: no client can read a frame behind them."""

    async def scene() -> None:
        got = []
        for _ in range(2):
            async with Bench(http2=True) as bench:
                bench.inject({"garbage": size})
                client = await frames(bench)
                await client.still(0.05)
                before = len(client.raw)
                await client.ask()
                received = await client.connection.receive()
                got.append(received.data)
                assert before
                assert received.ending == "fin"
                assert (await bench.ended()).bytes_sent == size
        assert got[0] == got[1]
        assert len(got[0]) == size

    run(scene)


@pytest.mark.parametrize("by", [5, -5])
def test_a_length_that_lies(by: int) -> None:
    """Content-Length promises more or less than the frames bring, and h2 finds that the answer is malformed."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject({"wrong_length": by})
            client = await frames(bench)
            stream = await client.ask()
            await client.until(lambda seen: seen and seen[-1][0] in ("END", "GOAWAY"))
            assert client.head(stream)["content-length"] == str(len(BODY) + by)
            assert client.body(stream) == BODY
            event = await bench.ended()
            assert [fault.byte for fault in event.fired] == [len(BODY) + min(by, 0)]
            assert ("content-length", str(len(BODY) + by)) in event.response_headers
            bench.inject({"wrong_length": by})
            async with bench.httpx(http1=False, http2=True) as other:
                with pytest.raises(httpx.ProtocolError):
                    await other.get("/item")

    run(scene)


def test_a_header_beyond_a_frame() -> None:
    """64 KiB of header come in a HEADERS frame and the CONTINUATION frames that it takes."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject("oversized_header")
            client = await frames(bench)
            stream = await client.ask()
            assert await client.answered(stream) == BODY
            assert len(client.head(stream)["x-oversized"]) == 64 * 1024
            assert client.kinds.count("ContinuationFrame") == 4

    run(scene)


@pytest.mark.parametrize("fault", [{"slice": 10}, {"dribble": {"chunks": 7, "over": "100ms"}}])
def test_pieces_are_frames(fault: dict[str, Any]) -> None:
    """A body in pieces comes as so many DATA frames."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject(fault)
            client = await frames(bench)
            stream = await client.ask()
            assert await client.answered(stream) == BODY
            assert client.of(stream).count("DATA") == 7

    run(scene)


# What is not there

OF_HTTP1: list[Any] = ["bad_status_line", "broken_chunk", {"truncate": {"after": 5, "of": "answer"}}]


@pytest.mark.parametrize("fault", OF_HTTP1, ids=str)
def test_what_http2_does_not_have_is_said_so(fault: Any) -> None:
    """A fault of HTTP/1 alone is answered 500 with the reason, kept as the author's mistake, and does not fire."""

    async def scene() -> None:
        async with Bench(http2=True, logs=True) as bench:
            bench.inject(fault)
            client = await frames(bench)
            stream = await client.ask()
            told = json.loads(await client.answered(stream))["message"]
            assert client.head(stream)[":status"] == "500"
            assert "does not exist in HTTP/2" in told
            (problem,) = bench.session.problems
            assert isinstance(problem, AuthorError)
            assert ((await bench.ended()).fired, bench.backend.runs) == ((), [])

    run(scene)


@pytest.mark.parametrize("fault", ["goaway", {"rst_stream": "REFUSED_STREAM"}], ids=str)
@pytest.mark.parametrize("http2", [False, True])
def test_what_http1_does_not_have_is_said_so(fault: Any, http2: bool) -> None:
    """A fault of HTTP/2 that meets a request over HTTP/1.1 is answered 500, which names the option."""

    async def scene() -> None:
        async with Bench(http2=http2, logs=True) as bench:
            bench.inject(fault)
            received = await bench.ask(get("/item", "Connection: close"))
            assert (received.status, b"--http2" in received.body) == (500, True)
            assert isinstance(bench.session.problems[0], AuthorError)
            assert (await bench.ended()).fired == ()

    run(scene)


FORMS: dict[str, Any] = {
    "bursts": {"bursts": {"bad": 1, "good": 0}},
    "dribble": {"dribble": {"chunks": 3, "over": "30ms"}},
    "delay": {"delay": "20ms"},
    "idle_close": {"idle_close": "30ms"},
    "rate_limit": {"rate_limit": {"limit": 0, "window": "1s"}},
    "redirect": {"redirect": "/other"},
    "slice": {"slice": 7},
    "status": {"status": 503},
    "throttle": {"throttle": 5000},
    "wrong_length": {"wrong_length": -3},
}
NAMES = [kind.name for kind in FAULTS if kind.phase != "connection" and "HTTP/2" in kind.protocols]


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_ends_as_it_should(name: str) -> None:
    """Each fault that exists in HTTP/2 meets a request, and whatever it does leaves no task, no error and no stream."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject(FORMS.get(name, name))
            client = await frames(bench)
            stream = await client.ask("/item", "GET", authorization="Bearer access-secret-0", if_none_match='"v1"')
            await client.still(0.15)
            assert bench.session.problems == []
            if client.ending == "open" and name not in ("stall", "request_stall"):
                assert client.of(stream)[-1:] in (["END"], ["RST_STREAM"])
                assert await client.answered(await client.ask()) == BODY
            elif client.ending == "open":
                assert client.of(stream) == []

    run(scene)
