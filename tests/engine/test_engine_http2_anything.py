"""Whatever a client and faults do on an HTTP/2 connection: every exchange ends, and nothing breaks."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import h2.exceptions
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.bench import Bench, run
from tests.engine.frames import Frames

STEPS: list[Any] = [
    "pass", "stall", "rst_stream", "goaway", {"goaway": {"last_stream": "before"}}, {"goaway": {"then": "stall"}},
    {"goaway": {"then": "close", "at": "body"}}, "close", "half_close", "reset", {"truncate": 5}, {"delay": "5ms"},
    "early_response", "request_stall", "request_close", {"idle_close": "5ms"}, "close_after", "garbage",
    [{"delay": "5ms"}, "garbage"], {"status": 503}, {"slice": 9},
]  # fmt: skip
PATHS = ["/item", "/big?3000", "/items", "/waits", "/chunked", "/empty"]
ASK = st.tuples(st.just("ask"), st.sampled_from(PATHS), st.sampled_from(["GET", "HEAD", "POST"]))
UPLOAD = st.tuples(st.just("upload"), st.integers(0, 2000), st.booleans())
CANCEL = st.tuples(st.just("cancel"), st.integers(0, 5), st.integers(0, 13))
OPEN = st.tuples(st.just("open"), st.integers(0, 5), st.integers(1, 5000))
WAIT = st.tuples(st.just("wait"), st.sampled_from([0.0, 0.003, 0.02]), st.none())
ACTIONS = st.lists(ASK | ASK | UPLOAD | CANCEL | OPEN | WAIT, min_size=1, max_size=12)


async def _act(client: Frames, streams: list[int], action: tuple[Any, Any, Any]) -> None:
    what, first, second = action
    if what == "ask":
        streams.append(await client.ask(first, second))
    elif what == "upload":
        streams.append(await client.ask("/items", "POST", b"x" * first, whole=second))
    elif what == "wait":
        await client.still(first)
    elif streams and what == "cancel":
        await client.cancel(streams[first % len(streams)], second)
    elif streams:
        await client.open_window(streams[first % len(streams)], second)


@settings(deadline=None, max_examples=60)
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=6),
    actions=ACTIONS,
    window=st.sampled_from([None, 10, 1000]),
    leaves=st.sampled_from(["close", "reset", "stays"]),
)
def test_every_exchange_ends(
    steps: list[Any], actions: list[tuple[Any, Any, Any]], window: int | None, leaves: str
) -> None:
    """No exchange is left open, no error of ours is kept or logged, no task is left, and a newcomer is served."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject(*steps, then="repeat")
            client = Frames(await bench.connect(), window=window)
            streams: list[int] = []
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, h2.exceptions.ProtocolError):
                await client.flush()
                for action in actions:
                    await _act(client, streams, action)
            if leaves != "stays":
                (client.connection.close if leaves == "close" else client.connection.reset)()
            await asyncio.sleep(0)
            bench.inject("pass", then="pass")
            assert (await bench.curl("/item", "--http2-prior-knowledge"))[0] == 0
            journal = bench.session.journal
            if leaves == "stays":
                bench.session.end()
            await bench.until(lambda: all(event.t_ended is not None for event in journal.exchanges))
            assert bench.session.problems == []

    run(scene)


def test_garbage_is_not_written_behind_an_end() -> None:
    """Where another stream has ended the connection, bytes past HTTP's framing have nowhere to go, and are dropped."""

    async def scene() -> None:
        async with Bench(http2=True) as bench:
            bench.inject("half_close", [{"delay": "50ms"}, "garbage"])
            client = Frames(await bench.connect())
            await client.flush()
            await client.ask()
            second = await client.ask()
            assert await client.end() == [("GOAWAY", second, 0)]
            await asyncio.sleep(0.1)
            client.connection.close()
            assert (await bench.ended(2)).bytes_sent == 0
            assert bench.session.problems == []

    run(scene)
