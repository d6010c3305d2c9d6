"""Over TLS the faults are the same to a client as in the clear."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.engine.bench import BODY, Bench, get, run, tls_contexts

FORMS: tuple[Any, ...] = (
    {"redirect": "/x"}, "wrong_shape", {"dribble": {"chunks": 3, "over": "20ms"}}, {"throttle": 2000}, "empty", "half_close", {"half_close": {"after": 9}}, {"slice": 9}, {"wrong_length": 5},
    {"wrong_length": {"by": 5, "ending": "reset"}}, {"wrong_length": -5}, "broken_chunk", "broken_gzip",
    "bad_status_line", "garbage", "oversized_header", "request_close", "request_reset", "request_stall",
    "early_response", {"bursts": {"bad": 1, "good": 0}},
)  # fmt: skip


async def _seen(bench: Bench, **options: Any) -> list[Any]:
    """Return what httpx makes of three posts, the middle one of which meets the fault, and what the journal says."""
    seen: list[Any] = []
    async with bench.httpx(timeout=httpx.Timeout(5, read=0.3), **options) as client:
        for _ in range(3):
            try:
                response = await client.post("/items", json={"sku": 1})
                seen.append((response.status_code, len(response.content)))
            except httpx.HTTPError as error:
                seen.append(type(error).__name__)
            await bench.clock.sleep(0.03)  # so that an end behind the answer has arrived before the next request
    for number in range(1, 4):
        event = await bench.ended(number)
        seen.append(
            (event.status, event.effect.committed, [(item.name, item.phase, item.byte) for item in event.fired])
        )
    return seen


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_same_as_in_the_clear(form: Any) -> None:
    """httpx gets the same answers and raises the same exceptions, and the same fires at the same byte."""
    server, client = tls_contexts()

    async def scene() -> None:
        found = []
        for tls, options in ((None, {}), (server, {"verify": client})):
            async with Bench(tls=tls) as bench:
                bench.inject("pass", form)
                found.append(await _seen(bench, **options))
        assert found[0] == found[1]
        assert found[0][0] == (201, 13)
        assert found[0][2] == ("RemoteProtocolError" if form == {"wrong_length": -5} else (201, 13))
        name = form if isinstance(form, str) else next(iter(form))
        assert [item[0] for item in found[0][4][2]] == [name]

    run(scene)


@pytest.mark.parametrize("form", ["close_after", {"idle_close": "10ms"}], ids=str)
def test_a_silent_end_is_orderly(form: Any) -> None:
    """Behind the whole answer comes an orderly end; httpx does not look for one, and may fail with the next request."""
    server, client = tls_contexts()

    async def scene() -> None:
        async with Bench(tls=server) as bench:
            bench.inject(form)
            reader, writer = await asyncio.open_connection("127.0.0.1", bench.port, ssl=client)
            writer.write(get("/item"))
            async with asyncio.timeout(5):
                data = await reader.read()
            assert data.endswith(BODY)
            assert b"connection: close" not in data
            writer.close()
            await writer.wait_closed()
            event = await bench.ended()
            name = form if isinstance(form, str) else next(iter(form))
            assert [(item.name, item.phase) for item in event.fired] == [(name, "end")]
            assert event.ended.how == "complete"
            fin = next(item for item in bench.connections() if item.what == "fin")
            assert (fin.by, fin.fault) == ("server", name)

    run(scene)
