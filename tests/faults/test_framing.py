"""``wrong_length``, ``broken_chunk``, ``bad_status_line``, ``garbage`` and ``oversized_header`` on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.bench import BODY, HEAD, Bench, get, post, run

CLOSE = "Connection: close"
BROKEN = ("broken_chunk", "bad_status_line", "garbage")


@pytest.mark.parametrize(("ending", "seen"), [("close", "fin"), ("reset", "rst"), ("stall", "open")])
def test_more_is_promised_than_comes(ending: str, seen: str) -> None:
    """The head promises five bytes more, the whole body leaves, and then the connection ends as chosen."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"wrong_length": {"by": 5, "ending": ending}})
            received = await bench.ask(get("/item"), patience=0.5 if ending == "stall" else 5)
            event = await bench.ended()

            head = HEAD.replace(b'etag: "v1"\r\ncontent-length: 65', b'etag: "v1"\r\ncontent-length: 70')
            assert (received.undated, received.ending) == (head + BODY, seen)
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "wrong_length", "as": None, "phase": "body", "byte": 65}
            ]
            by_client = ending == "stall"
            assert (event.ended.how, event.ended.by) == (
                "fin" if by_client else seen,
                "client" if by_client else "server",
            )
            assert (event.status, event.bytes_sent, event.response_body) == (200, len(received.data), BODY)
            assert dict(event.response_headers)["content-length"] == "70"

    run(scene)


def test_less_is_promised_than_comes() -> None:
    """The head promises five bytes fewer; they leave all the same, in front of the next answer."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"wrong_length": -5})
            connection = await bench.connect()
            await connection.send(get("/item"))
            first = await connection.answer()
            assert (first.header("content-length"), first.body) == ("60", BODY[:-5])
            event = await bench.ended()
            assert [(fault.phase, fault.byte) for fault in event.fired] == [("body", 60)]
            assert (event.ended.how, event.response_body) == ("complete", BODY[:-5])
            await connection.send(get("/item", CLOSE))
            rest = await connection.receive()
            assert rest.data.startswith(BODY[-5:] + b"HTTP/1.1 200 OK\r\n")
            assert rest.data.endswith(BODY)

    run(scene)


def test_a_length_for_chunks_and_the_effect() -> None:
    """An answer that would come in chunks gets a length, a wrong one; the backend has run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"wrong_length": 1}, {"wrong_length": 1})
            received = await bench.ask(get("/chunked"))
            assert (received.header("content-length"), received.body) == ("14", b"one,two,three")
            await bench.ask(post("/items", b"{}"))
            assert (await bench.ended(2)).effect.committed

    run(scene)


@pytest.mark.parametrize(
    ("request_", "by"), [(get("/item", CLOSE, method="HEAD"), 5), (get("/empty", CLOSE), 5), (get("/item", CLOSE), -66)]
)
def test_what_cannot_lie_about_its_length(request_: bytes, by: int) -> None:
    """HEAD, 204 and a body that is too short are left alone, and the fault has not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            plain = await bench.ask(request_)
            bench.inject({"wrong_length": by})
            assert (await bench.ask(request_)).undated == plain.undated
            assert (await bench.ended(2)).fired == ()

    run(scene)


@pytest.mark.parametrize(
    ("written", "sent", "byte"),
    [
        ("broken_chunk", 32, 32),
        ({"broken_chunk": 20}, 20, 20),
        ({"broken_chunk": 65}, 65, 65),
        ("MALFORMED_RESPONSE_CHUNK", 0, 0),
    ],
)
def test_a_chunk_without_a_number(written: Any, sent: int, byte: int) -> None:
    """Behind whole chunks comes one whose size is no number, and then FIN."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(written)
            received = await bench.ask(get("/item"))
            event = await bench.ended()
            chunks = b"%x\r\n%s\r\n" % (sent, BODY[:sent]) if sent else b""
            assert (received.body, received.ending) == (chunks + b"zz\r\nthis is no chunk\r\n", "fin")
            assert received.header("transfer-encoding") == "chunked"
            assert received.header("content-length") is None
            alias = None if written != "MALFORMED_RESPONSE_CHUNK" else written
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "broken_chunk", "as": alias, "phase": "body", "byte": byte}
            ]
            assert (event.ended.how, event.ended.by, event.status) == ("fin", "server", 200)
            assert bench.connections()[1].fault == "broken_chunk"

    run(scene)


@pytest.mark.parametrize(
    "request_",
    [get("/item", CLOSE, method="HEAD"), get("/empty", CLOSE), get("/item", version="1.0")],
)
def test_what_has_no_chunks_does_not_break(request_: bytes) -> None:
    """HEAD, 204 and HTTP/1.0 are answered as ever, and the fault has not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            plain = await bench.ask(request_)
            bench.inject("broken_chunk")
            received = await bench.ask(request_)
            assert sorted(received.undated.split(b"\r\n")) == sorted(plain.undated.split(b"\r\n"))
            assert (await bench.ended(2)).fired == ()

    run(scene)


@pytest.mark.parametrize(
    ("written", "line"), [("bad_status_line", b"HTTP/1.1 OK"), ({"bad_status_line": "ICY 200 OK"}, b"ICY 200 OK")]
)
def test_a_line_that_is_no_status_line(written: Any, line: bytes) -> None:
    """Everything but the first line is honest; FIN follows, and the journal knows no status."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(written, written, written)
            received = await bench.ask(get("/item"))
            event = await bench.ended()
            assert (received.undated, received.ending) == (HEAD.replace(b"HTTP/1.1 200 OK", line) + BODY, "fin")
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [
                ("bad_status_line", "head", None)
            ]
            assert (event.status, event.response_body, event.response_headers) == (None, b"", [])
            assert (event.ended.how, event.ended.by, event.bytes_sent) == ("fin", "server", len(received.data))

            chunked = await bench.ask(get("/chunked"))
            assert (chunked.body, chunked.ending) == (b"one,two,three", "fin")
            assert (await bench.ask(get("/empty"))).data.startswith(line + b"\r\n")

    run(scene)


def test_a_line_that_is_one_after_all() -> None:
    """A line that clients can read is what the journal shows."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"bad_status_line": "HTTP/1.1 418 Teapot"})
            received = await bench.ask(get("/item"))
            event = await bench.ended()
            assert (received.status, event.status) == (418, 418)
            assert dict(event.response_headers)["etag"] == '"v1"'

    run(scene)


def test_garbage_and_then_fin() -> None:
    """So many bytes, none of them HTTP, the same for the same match of the same seed; the backend has run."""

    async def scene() -> None:
        seen = []
        for seed in (1, 1, 2):
            async with Bench(seed=seed) as bench:
                bench.inject("garbage", {"RANDOM_DATA_THEN_CLOSE": 2000})
                first = await bench.ask(post("/items", b"{}"))
                second = await bench.ask(get("/item"))
                event = await bench.ended()
                assert ((len(first.data), first.ending), (len(second.data), second.ending)) == (
                    (512, "fin"),
                    (2000, "fin"),
                )
                assert first.data[0] == second.data[0] == 0xFF
                assert [(fault.name, fault.phase) for fault in event.fired] == [("garbage", "response")]
                assert (event.status, event.bytes_sent, event.effect.committed) == (None, 512, True)
                assert (event.ended.how, event.ended.by) == ("fin", "server")
                assert (await bench.ended(2)).fired[0].alias == "RANDOM_DATA_THEN_CLOSE"
                assert second.data[:512] != first.data
                seen.append(first.data)
        assert seen[0] == seen[1] != seen[2]

    run(scene)


@pytest.mark.parametrize(("written", "size"), [("oversized_header", 65_536), ({"oversized_header": "1MiB"}, 1 << 20)])
def test_a_header_without_end(written: Any, size: int) -> None:
    """One header has so many bytes; the rest of the answer is whole, and the connection lives on."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(written)
            connection = await bench.connect()
            await connection.send(get("/item") + get("/item", CLOSE))
            received = await connection.receive()
            event = await bench.ended()
            assert received.header("x-oversized") == "x" * size
            assert received.data.count(BODY) == 2
            assert [(fault.name, fault.phase) for fault in event.fired] == [("oversized_header", "response")]
            assert (event.ended.how, event.status) == ("complete", 200)

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl's exit codes and httpx' exceptions are those that the catalogue tells."""

    async def scene() -> None:
        async with Bench() as bench:
            for fault, curl, exception in (
                ({"wrong_length": 5}, (18, BODY), "RemoteProtocolError"),
                ({"wrong_length": -5}, (0, BODY[:-5]), "no exception, but 200"),
                ({"broken_chunk": 20}, (56, BODY[:20]), "RemoteProtocolError"),
                ("bad_status_line", (1, b""), "RemoteProtocolError"),
                ("garbage", (1, b""), "RemoteProtocolError"),
                ("oversized_header", (0, BODY), "no exception, but 200"),
                ({"oversized_header": 1 << 20}, (27, b""), "RemoteProtocolError"),
            ):
                bench.inject(fault, then="repeat")
                assert (fault, await bench.curl("/item"), await bench.httpx_raises()) == (fault, curl, exception)
            broken = [
                event for event in bench.session.journal.exchanges if event.fired and event.fired[0].name in BROKEN
            ]
            assert len(broken) == 6
            assert {event.ended.by for event in broken} == {"server"}, "whoever leaves over such bytes has not begun it"

    run(scene)
