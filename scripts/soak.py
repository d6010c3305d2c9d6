"""Run a server for long: many exchanges with random faults over many sessions, and count what is left of them.

    scripts/soak                       1,000,000 exchanges over 200 sessions
    scripts/soak --exchanges 20000     a short one

The server runs in this process, the clients in another one, on raw sockets: each session has one that asks, keeps its
connection where it can, and gives up after a moment. Afterwards three things have to hold. Memory: after a tenth of
the work caches and journals are full; from then on the resident set grows by less than a tenth. Leftovers: as many
tasks and open files as before the first session. Books: for each session the journal's exchanges are as many as its
client sent, and as many of them complete as the client read to the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sadpath.core.chance import draw
from sadpath.core.events import ExchangeEvent
from sadpath.scenario.loader import read_scenario
from sadpath.server.runner import LiveServer
from sadpath.workspace import find_workspace

FAULTS: list[Any] = [
    {"status": 503}, {"status": {"code": 429, "retry_after": "1s"}}, {"delay": "2ms"},
    {"delay": {"time": "2ms", "at": "body"}}, {"stall": "5ms"}, {"stall": {"time": "5ms", "then": "reset"}}, "close",
    {"close": "request"}, {"close": "body"}, "reset", {"reset": "request"}, {"reset": "head"}, {"truncate": 5},
    {"truncate": {"after": 5, "ending": "reset"}}, "html", "malformed_json", "unauthorized", "expire_token",
]  # fmt: skip
PATHS = ("/health", "/users/1", "/users?page=1&limit=5", "/nowhere")
PATIENCE = 2.0
"""Seconds after which a client gives up: far more than any fault takes, so that it shows what is stuck."""


@dataclass
class Books:
    """What was counted on one side."""

    exchanges: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)
    stuck: int = 0


def main() -> int:
    """Run, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)  # where this process's clients ask
    options = parser.parse_args()
    return asyncio.run(_soak(options) if not options.port else _clients(options))


async def _soak(options: argparse.Namespace) -> int:
    served = Books()
    async with LiveServer(find_workspace(), journal_limit=200) as server:
        server.sessions.watch(lambda event: _count(served, event))
        before = _left()
        names = [f"s{number}" for number in range(options.sessions)]
        for number, name in enumerate(names):
            session = server.sessions.create(name, seed=number)
            session.set_scenario("soak", _scenario(options.seed, name))
        sizes, asked = await _run(server.port, served, options)
        await _settle(server)
        wrong = list(_books(names, served, asked))
        for name in names:
            server.sessions.delete(name)
        await _settle(server)
        after = _left()
    return _tell(sizes, before, after, wrong, asked)


def _scenario(seed: int, name: str) -> Any:
    first = int(draw(seed, "faults", name) * len(FAULTS))
    faults = [FAULTS[(first + 5 * step) % len(FAULTS)] for step in range(6)]
    rules = [{"on": "*", "chance": 0.03, "fault": fault} for fault in faults]
    return read_scenario({"title": "Anything may happen", "faults": rules})


def _count(books: Books, event: ExchangeEvent) -> None:
    books.exchanges[event.session] += 1
    books.whole[event.session] += event.ended.how == "complete"


async def _run(port: int, served: Books, options: argparse.Namespace) -> tuple[list[tuple[int, float]], Books]:
    """Let clients ask; return the resident set, in MiB, as the exchanges went on, and what the clients counted."""
    sizes: list[tuple[int, float]] = []
    started = time.perf_counter()
    words = ("--port", port, "--exchanges", options.exchanges, "--sessions", options.sessions, "--seed", options.seed)
    command = [sys.executable, __file__, *map(str, words)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output = asyncio.ensure_future(process.communicate())
    while not output.done():
        await asyncio.wait({output}, timeout=1)
        done = served.exchanges.total()
        sizes.append((done, _resident()))
        if len(sizes) % 15 == 0:
            rate = done / (time.perf_counter() - started)
            print(f"  {done:>9,} exchanges, {rate:,.0f} a second, {sizes[-1][1]:.0f} MiB", flush=True)
    seconds = time.perf_counter() - started
    print(f"  {served.exchanges.total():>9,} of {options.exchanges:,} exchanges in {seconds:.0f} s")
    text, _ = output.result()
    told = json.loads(text or b"{}")
    counted = Books(Counter(told.get("exchanges", {})), Counter(told.get("whole", {})), told.get("stuck", 0))
    return sizes, counted


async def _settle(server: LiveServer) -> None:
    """Wait until the last exchanges are over and their connections gone."""
    for _ in range(100):
        if not any(session.wires for session in server.sessions):
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)


def _left() -> tuple[int, int]:
    """Return how many tasks and open files there are."""
    gc.collect()
    return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _books(names: list[str], served: Books, asked: Books) -> Iterator[str]:
    for name in names:
        if served.exchanges[name] != asked.exchanges[name]:
            yield f"{name}: the client sent {asked.exchanges[name]} requests, the journal saw {served.exchanges[name]}"
        if served.whole[name] != asked.whole[name]:
            yield f"{name}: the client read {asked.whole[name]} whole answers, the journal has {served.whole[name]}"
    if asked.stuck:
        yield f"{asked.stuck} exchanges took longer than {PATIENCE:g} s"


def _tell(
    sizes: list[tuple[int, float]], before: tuple[int, int], after: tuple[int, int], wrong: list[str], asked: Books
) -> int:
    done = asked.exchanges.total()
    settled = [size for number, size in sizes if number >= done / 10]
    if settled:
        grown = max(settled) / settled[0] - 1
        print(f"memory: {settled[0]:.0f} MiB after a tenth, at most {max(settled):.0f} MiB later ({grown:+.1%})")
        if grown >= 0.1:
            wrong.append(f"memory grew by {grown:.1%}")
    print(f"tasks and open files: {before[0]} and {before[1]} before, {after[0]} and {after[1]} after")
    if after[0] > before[0] or after[1] > before[1]:
        wrong.append("something was left over")
    print(f"whole answers: {asked.whole.total():,} of {done:,}")
    for line in wrong:
        print(f"WRONG: {line}")
    if not wrong:
        print("every journal adds up, nothing was left over")
    return 1 if wrong or not done else 0


# The clients


async def _clients(options: argparse.Namespace) -> int:
    """Ask, in a process of their own, and print what was counted."""
    books = Books()
    number = options.sessions
    async with asyncio.TaskGroup() as group:
        for one in range(number):
            share = options.exchanges // number + (one < options.exchanges % number)
            group.create_task(_ask(options.port, f"s{one}", share, options.seed, books))
    print(json.dumps(vars(books)))
    return 0


async def _ask(port: int, name: str, wanted: int, seed: int, books: Books) -> None:
    """Send requests one after another; a connection lives until the server ends it, or an answer was not whole."""
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for number in range(wanted):
        reader, writer = streams or await asyncio.open_connection("127.0.0.1", port)
        path = PATHS[int(draw(seed, name, number) * len(PATHS))]
        request = f"GET /s/{name}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        books.exchanges[name] += 1
        whole = False
        try:
            async with asyncio.timeout(PATIENCE):
                writer.write(request.encode())
                whole = await _read(reader)
        except TimeoutError:
            books.stuck += 1
        except (OSError, asyncio.IncompleteReadError):
            whole = False
        books.whole[name] += whole
        streams = (reader, writer) if whole else None
        if not whole:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    if streams is not None:
        streams[1].close()


async def _read(reader: asyncio.StreamReader) -> bool:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line[15:]))
            return True
    raise ValueError(f"an answer of unknown length: {head!r}")


if __name__ == "__main__":
    sys.exit(main())
