"""Run a server for long: many exchanges with random faults over many sessions, and count what is left of them.

    scripts/soak                       1,000,000 exchanges over 200 sessions
    scripts/soak --exchanges 100000    a short one

The server runs in this process, the clients in another one, on raw sockets: each session has one that asks, keeps its
connection where it can, and gives up after a moment. Afterwards four things have to hold.

Memory: it is warm once every journal is full, for from then on the server keeps as much as it lets go. The resident
set may still grow by ``SLACK`` MiB, since the allocator never gives back all that a busy moment took; and by
``PER_EXCHANGE`` bytes for each exchange, which is less than anything that is kept by mistake takes: an empty object
has 16 bytes, a dict with one key 184. Compared are the medians of the first and of the last tenth of what was measured.

Leftovers: as many tasks and open files, sockets among them, as before the first session; and no connection, session or
journal's entry of one that is over is held by anything.

Books: for each session the journal's exchanges are as many as its client sent, numbered without a gap, and as many of
them complete as the client read to the end.

Time: all of it is done within ``--minutes``; what is not, is not passed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sadpath.core.chance import draw
from sadpath.core.events import ExchangeEvent
from sadpath.engine.session import Session
from sadpath.engine.wire import Wire
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
PATIENCE = 20.0
"""Seconds after which a client gives up: far more than any fault takes, so that it shows what is stuck."""

JOURNAL = 100
"""Events that a session's journal keeps: few, so that it is full soon."""

SLACK = 6.0
PER_EXCHANGE = 8
GRACE = 30.0
"""Seconds that the clients' process gets to end by itself when its time is over."""


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
    parser.add_argument("--minutes", type=float, default=25.0, help="how long it may take (default: 25)")
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)  # where this process's clients ask
    options = parser.parse_args()
    return asyncio.run(_soak(options) if not options.port else _clients(options))


async def _soak(options: argparse.Namespace) -> int:
    served = Books()
    async with LiveServer(find_workspace(), journal_limit=JOURNAL) as server:
        server.sessions.watch(lambda event: _count(served, event))
        before = _left()
        names = [f"s{number}" for number in range(options.sessions)]
        for number, name in enumerate(names):
            session = server.sessions.create(name, seed=number)
            session.set_scenario("soak", _scenario(options.seed, name))
        watched = [server.sessions.get(name) for name in names]
        sizes, asked = await _run(server.port, served, watched, options)
        await _settle(server)
        wrong = list(_books(watched, served, asked))
        session = None
        watched.clear()
        for name in names:
            server.sessions.delete(name)
        await _settle(server)
        after = _left()
        wrong += _held({id(server.sessions.default)})
    if asked.exchanges.total() < options.exchanges:
        wrong.append(f"not done within {options.minutes:g} minutes")
    return _tell(sizes, before, after, wrong, asked)


def _held(mine: set[int]) -> Iterator[str]:
    """Yield what is still there of connections, sessions and exchanges that are over."""
    gc.collect()
    kinds = (Wire, Session, ExchangeEvent)
    left = Counter(type(item).__name__ for item in gc.get_objects() if isinstance(item, kinds) and id(item) not in mine)
    for name, count in sorted(left.items()):
        yield f"{count} of {name} are still held"


def _scenario(seed: int, name: str) -> Any:
    first = int(draw(seed, "faults", name) * len(FAULTS))
    faults = [FAULTS[(first + 5 * step) % len(FAULTS)] for step in range(6)]
    rules = [{"on": "*", "chance": 0.03, "fault": fault} for fault in faults]
    return read_scenario({"title": "Anything may happen", "faults": rules})


def _count(books: Books, event: ExchangeEvent) -> None:
    books.exchanges[event.session] += 1
    books.whole[event.session] += event.ended.how == "complete"


async def _run(
    port: int, served: Books, watched: list[Session], options: argparse.Namespace
) -> tuple[list[tuple[int, float]], Books]:
    """Let clients ask; return the resident set in MiB, by exchanges, once warm, and what the clients counted."""
    sizes: list[tuple[int, float]] = []
    started = printed = time.perf_counter()
    words = ("--port", port, "--exchanges", options.exchanges, "--sessions", options.sessions, "--seed", options.seed)
    command = [sys.executable, __file__, *map(str, (*words, "--minutes", options.minutes))]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output = asyncio.ensure_future(process.communicate())
    warm = False
    while not output.done():
        await asyncio.wait({output}, timeout=1)
        done, now = served.exchanges.total(), time.perf_counter()
        if not warm and all(session.journal.dropped for session in watched):
            warm = True
            print(f"  {done:>9,} exchanges: every journal is full", flush=True)
        if warm:
            sizes.append((done, _resident()))
        if now - printed >= 15:
            printed = now
            print(f"  {done:>9,} exchanges, {done / (now - started):,.0f} a second, {_resident():.0f} MiB", flush=True)
        if now - started > 60 * options.minutes + GRACE:
            process.kill()
    seconds, own = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"  {served.exchanges.total():>9,} of {options.exchanges:,} exchanges in {seconds:.0f} s; CPU: the server "
        f"{own.ru_utime + own.ru_stime:.0f} s, the clients {others.ru_utime + others.ru_stime:.0f} s"
    )
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


def _books(watched: list[Session], served: Books, asked: Books) -> Iterator[str]:
    for session in watched:
        name, journal = session.id, session.journal
        numbers = [event.exchange for event in journal.exchanges]
        if served.exchanges[name] != asked.exchanges[name]:
            yield f"{name}: the client sent {asked.exchanges[name]} requests, the journal saw {served.exchanges[name]}"
        if served.whole[name] != asked.whole[name]:
            yield f"{name}: the client read {asked.whole[name]} whole answers, the journal has {served.whole[name]}"
        if numbers and numbers != list(range(numbers[0], served.exchanges[name] + 1)):
            yield f"{name}: the journal's numbers have gaps, or do not end with the last exchange: {numbers}"
        if session.problems:
            yield f"{name}: sadpath failed: {session.problems[0]}"
    if asked.stuck:
        yield f"{asked.stuck} exchanges took longer than {PATIENCE:g} s"


def _tell(
    sizes: list[tuple[int, float]], before: tuple[int, int], after: tuple[int, int], wrong: list[str], asked: Books
) -> int:
    wrong += _memory(sizes)
    print(f"tasks and open files: {before[0]} and {before[1]} before, {after[0]} and {after[1]} after")
    if after[0] > before[0] or after[1] > before[1]:
        wrong.append("something was left over")
    print(f"whole answers: {asked.whole.total():,} of {asked.exchanges.total():,}")
    for line in wrong:
        print(f"WRONG: {line}")
    if not wrong:
        print("memory is flat, every journal adds up, nothing was left over")
    return 1 if wrong else 0


def _memory(sizes: list[tuple[int, float]]) -> Iterator[str]:
    """Yield that the resident set grew, or that nobody can tell."""
    tenth = len(sizes) // 10
    if not tenth:
        yield "too short to say anything of memory: fewer than ten seconds after every journal was full"
        return
    first, last = sizes[:tenth], sizes[-tenth:]
    begin, end = (statistics.median(size for _, size in part) for part in (first, last))
    count = last[len(last) // 2][0] - first[len(first) // 2][0]
    allowed = SLACK + count * PER_EXCHANGE / 2**20
    print(
        f"memory: {begin:.1f} MiB once warm, {end:.1f} MiB after {count:,} more exchanges, {max(sizes)[1]:.1f} at the "
        f"end; {end - begin:+.1f} MiB, at most {allowed:.1f} allowed"
    )
    if end - begin > allowed:
        yield f"memory grew by {(end - begin) * 2**20 / max(count, 1):.0f} bytes an exchange"


# The clients


async def _clients(options: argparse.Namespace) -> int:
    """Ask, in a process of their own, and print what was counted."""
    books = Books()
    number = options.sessions
    until = time.perf_counter() + 60 * options.minutes
    async with asyncio.TaskGroup() as group:
        for one in range(number):
            share = options.exchanges // number + (one < options.exchanges % number)
            group.create_task(_ask(options, f"s{one}", share, books, until))
    print(json.dumps(vars(books)))
    return 0


async def _ask(options: argparse.Namespace, name: str, wanted: int, books: Books, until: float) -> None:
    """Send requests one after another; a connection lives until the server ends it, or an answer was not whole."""
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for number in range(wanted):
        if time.perf_counter() > until:
            break
        reader, writer = streams or await asyncio.open_connection("127.0.0.1", options.port)
        path = PATHS[int(draw(options.seed, name, number) * len(PATHS))]
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
