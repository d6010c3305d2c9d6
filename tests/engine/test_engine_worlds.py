"""One engine, two worlds: the same faults give the same bytes, endings and journal on real and simulated networks."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trustme

from sadpath.sim.world import run_sim, run_twice
from tests.engine.bench import Bench, get, post

STEPS: list[Any] = [
    "pass", {"status": 503}, {"status": {"code": 503, "committed": True}}, {"close": "request"}, "close",
    {"close": "head"}, {"close": {"after": 20}}, {"close": {"time": "30ms"}}, {"reset": "request"}, "reset",
    {"reset": "head"}, {"reset": {"after": 20}}, "truncate", {"truncate": {"after": 0, "ending": "reset"}},
    {"truncate": {"after": 9, "ending": "reset"}}, {"truncate": {"after": 65}}, {"limit_data": 30}, {"limit_data": 190},
    {"delay": "20ms"}, {"delay": {"time": "20ms", "after": 5}}, {"stall": "20ms"},
    {"stall": {"time": "20ms", "then": "close"}}, {"stall": {"time": "20ms", "then": "reset", "at": "head"}},
    "html", "malformed_json", "unauthorized", "invalid_grant", [{"delay": "10ms"}, {"status": 500}, {"truncate": 7}],
]  # fmt: skip
REQUESTS = {
    "get": get("/item", "Connection: close"),
    "post": post("/items", b"x" * 100_000, "Connection: close"),
    "chunked": get("/chunked", "Connection: close"),
    "head": get("/item", "Connection: close", method="HEAD"),
    "big": get("/big?700000", "Connection: close"),
}
TIMES = ("t_arrived", "t_first_byte", "t_last_byte", "t_ended", "t")

Main = Callable[[], Coroutine[Any, Any, Any]]
WORLDS: dict[str, Callable[[Main], Any]] = {
    "live": lambda main: asyncio.run(main()),
    "sim": lambda main: run_sim(lambda _: main()).value,
}


async def _ask(bench: Bench, request: bytes, tls: ssl.SSLContext | None = None) -> tuple[bytes, str]:
    """Send a request and read to the end, through asyncio's own streams, which both worlds have."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port, ssl=tls)
    data, ending = b"", "fin"
    try:
        writer.write(request)
        while part := await reader.read(65536):
            data += part
    except ConnectionResetError:
        ending = "rst"
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return re.sub(rb"\r\ndate: [^\r]*", b"", data), ending


def _timeless(bench: Bench) -> list[dict[str, Any]]:
    """Return the journal without what differs between any two runs."""
    out = []
    for event in bench.session.journal.events:
        shown = {key: value for key, value in event.to_json().items() if key not in TIMES}
        if "response_headers" in shown:
            shown["response_headers"] = [pair for pair in shown["response_headers"] if pair[0] != "date"]
        out.append(shown)
    return out


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_the_same_in_both_worlds(name: str) -> None:
    """Bytes, endings and journals of every fault are equal, for each kind of request."""

    async def scene() -> list[Any]:
        async with Bench() as bench:
            bench.inject(*STEPS)
            seen: list[Any] = []
            for count in range(len(STEPS)):
                seen.append(await _ask(bench, REQUESTS[name]))
                await bench.ended(count + 1)
                await bench.until(lambda: not bench.session.wires)
            return [*seen, _timeless(bench)]

    live, sim = (world(scene) for world in WORLDS.values())
    assert len(live) == len(sim) == len(STEPS) + 1
    for step, in_live, in_sim in zip([*STEPS, "journal"], live, sim, strict=True):
        assert in_live == in_sim, step


def test_the_same_over_tls_in_both_worlds() -> None:
    """Over TLS too, an orderly end and a reset are the same in both worlds, behind the same bytes."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    steps = ["pass", "close", {"close": {"after": 20}}, "reset", {"truncate": {"after": 20, "ending": "reset"}}]

    async def scene() -> list[Any]:
        async with Bench(tls=server) as bench:
            bench.inject(*steps)
            seen = [await _ask(bench, REQUESTS["get"], client) for _ in steps]
            await bench.until(lambda: not bench.session.wires)
            return seen

    live, sim = (world(scene) for world in WORLDS.values())
    assert live == sim
    assert [ending for _, ending in live] == ["fin", "fin", "fin", "rst", "rst"]


def test_a_simulated_run_is_exact_and_replays() -> None:
    """In the simulated world delays and stalls last exactly as long as they say, and two runs are the same."""

    async def scene() -> list[float]:
        async with Bench() as bench:
            bench.inject({"delay": "20s"}, {"stall": "10m"}, {"reset": {"after": 5, "time": "3s"}})
            lasted = []
            for count in range(3):
                await _ask(bench, REQUESTS["get"])
                event = await bench.ended(count + 1)
                assert event.t_ended is not None
                lasted.append(round(event.t_ended - event.t_arrived, 2))
            return lasted

    report, difference = run_twice(lambda: run_sim(lambda _: scene()))
    assert report.value == [20.0, 600.0, 3.0]
    assert difference is None
