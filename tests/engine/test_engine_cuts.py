"""For any body, any cut and any ending: what is on the wire is exactly what was declared."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.engine.bench import Bench, get, run


def _serving(body: bytes, chunked: bool) -> Any:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [] if chunked else [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=300) | st.binary(min_size=1, max_size=3).map(lambda seed: seed * 50_000),
    where=st.floats(0, 1.2),
    ending=st.sampled_from(["close", "reset", "stall"]),
    chunked=st.booleans(),
    fault=st.sampled_from(["truncate", "place"]),
)
@example(body=b"", where=0, ending="close", chunked=False, fault="truncate")
@example(body=b"", where=0, ending="reset", chunked=True, fault="truncate")
@example(body=b"abc", where=1, ending="close", chunked=False, fault="truncate")
@example(body=b"abc", where=1, ending="close", chunked=True, fault="place")
def test_a_cut_is_exact(body: bytes, where: float, ending: str, chunked: bool, fault: str) -> None:
    """Head and ``body[:after]`` arrive, then the ending; a cut that would withhold nothing does not fire."""
    after = int(where * len(body))
    withholds = after < len(body) or (chunked and after == len(body))
    cut = (
        {"truncate": {"after": after, "ending": ending}}
        if fault == "truncate"
        else {ending: {"at": "body", "after": after}}
    )

    async def scene() -> None:
        async with Bench(app=_serving(body, chunked), hooks=None, lifespan="off") as bench:
            bench.inject(cut)
            brief = ending == "stall" or not withholds
            received = await bench.ask(get("/"), patience=0.1 if brief else 5, begins=True)
            event = await bench.ended()
            sent = body[:after] if withholds else body
            if chunked:
                assert _chunks(received.body) == (sent, not withholds)
            else:
                assert received.header("content-length") == str(len(body))
                assert received.body == sent
            expected = {"close": "fin", "reset": "rst", "stall": "open"}[ending] if withholds else "open"
            assert received.ending == expected
            fired = [(item.name, item.phase, item.byte) for item in event.fired]
            assert fired == ([(next(iter(cut)), "body", after)] if withholds else [])
            assert event.bytes_sent == len(received.data)
            assert event.response_body == body

    run(scene)


def _chunks(data: bytes) -> tuple[bytes, bool]:
    """Return what a chunked body holds, and whether it has its last chunk."""
    out = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return out, rest == b"\r\n"
        out += rest[:length]
        assert rest[length : length + 2] == b"\r\n"
        data = rest[length + 2 :]
    return out, False


@settings(max_examples=25, deadline=None)
@given(size=st.integers(0, 400), chunked=st.booleans())
def test_a_limit_on_the_whole_answer_is_exact(size: int, chunked: bool) -> None:
    """``limit_data`` lets exactly so many bytes of the whole answer through, framing included."""
    body = bytes(range(200))

    async def scene() -> None:
        async with Bench(app=_serving(body, chunked), hooks=None, lifespan="off") as bench:
            bench.inject("pass", {"limit_data": size})
            whole = (await bench.ask(get("/"), patience=0.1, begins=True)).undated
            received = await bench.ask(get("/"), patience=0.1, begins=True)
            event = await bench.ended(2)
            undated = len(whole) + 28  # the date that was left out
            assert len(received.data) == min(size, undated) == event.bytes_sent
            assert received.ending == ("fin" if size < undated else "open")
            assert event.fired_names() == (["truncate"] if size < undated else [])

    run(scene)
