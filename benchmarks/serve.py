"""What the engine costs: every figure beside the same backend under plain uvicorn, from one run on one machine.

    python benchmarks/serve.py [--rounds N] [--requests N]

Server and clients are two processes. The server is started anew for each row and round, with the same event loop
(asyncio), the same parser (httptools), and no access log: the backend alone under uvicorn, the same behind the engine,
and a bare ASGI application. Sixteen keep-alive connections ask for `/health`, each as soon as it has its answer. Rows
take turns within a round, so that what else the machine does meets all of them; of the rounds the median counts.

`CPU` is the server's own, in microseconds an exchange (user and system, from /proc), so it does not depend on how fast
the clients are. `serve` is the command itself, which also prints a line for each exchange (to nowhere). Start-up is the
time from the start of the process to its first answer; memory is its resident set after the requests.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 16

_PLAIN = """
import uvicorn
from sadpath.workspace import find_workspace
app = find_workspace().backend()
uvicorn.run(app, port={port}, loop="asyncio", http="httptools", access_log=False, log_level="warning")
"""
_BARE = """
import uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    headers = [(b"content-length", b"15"), (b"content-type", b"application/json")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": b'{{"status":"ok"}}'}})
uvicorn.run(app, port={port}, loop="asyncio", http="httptools", access_log=False, log_level="warning", lifespan="off")
"""
_ENGINE = """
import asyncio
from sadpath.scenario.loader import read_scenario
from sadpath.server.runner import LiveServer
from sadpath.workspace import find_workspace
async def main():
    async with LiveServer(find_workspace(), port={port}) as server:
        never = [{{"method": "GET", "path": f"/never/{{n}}"}} for n in range({rules})]
        faults = [{{"on": match, "fault": {{"status": 503}}}} for match in never]
        for n in range({sessions}):
            session = server.sessions.create(f"s{{n}}")
            session.set_scenario("rules", read_scenario({{"title": "Rules", "faults": faults}}))
        await asyncio.Event().wait()
asyncio.run(main())
"""


@dataclass
class Row:
    """One way to serve, and what was measured of it."""

    name: str
    code: str | None
    sessions: int = 0
    rules: int = 0
    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Return what is asked for, in turns."""
        return [f"/s/s{number}/health" for number in range(self.sessions)] or ["/health"]


def rows() -> list[Row]:
    """Return what is measured; the first is what the others are compared with."""
    return [
        Row("backend under plain uvicorn", _PLAIN),
        Row("behind the engine", _ENGINE),
        Row("behind the engine, 1 session", _ENGINE, sessions=1),
        Row("behind the engine, 100 sessions", _ENGINE, sessions=100),
        Row("behind the engine, 1,000 sessions", _ENGINE, sessions=1000),
        Row("behind the engine, 200 rules", _ENGINE, sessions=1, rules=200),
        Row("sadpath serve", None),
        Row("bare ASGI application", _BARE),
    ]


@contextmanager
def _served(row: Row) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    if row.code is None:
        command = [sys.executable, "-m", "sadpath", "serve", "--port", str(port)]
    else:
        command = [sys.executable, "-c", row.code.format(port=port, sessions=row.sessions, rules=row.rules)]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603 - commands of this file
    try:
        _first_answer(port, row.paths()[-1], process)
        row.start.append(time.perf_counter() - started)
        yield port, process
    finally:
        process.terminate()
        process.wait()


def _first_answer(port: int, path: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                if connection.recv(1 << 16).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            select.select([], [], [], 0.01)
    sys.exit("a server ended before it answered")


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(process: subprocess.Popen[bytes]) -> float:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _ask(port: int, paths: list[str], first: int, count: int, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(count):
        path = paths[(first + number * CONNECTIONS) % len(paths)]
        start = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - start)
    writer.close()
    await writer.wait_closed()


async def _load(port: int, paths: list[str], requests: int) -> list[float]:
    times: list[float] = []
    share = requests // CONNECTIONS
    await asyncio.gather(*(_ask(port, paths, number, share, times) for number in range(CONNECTIONS)))
    return times


def measure(row: Row, requests: int) -> None:
    """Start the row's server, warm it, load it."""
    with _served(row) as (port, process):
        asyncio.run(_load(port, row.paths(), max(requests // 10, len(row.paths()))))
        before, started = _cpu_seconds(process), time.perf_counter()
        times = sorted(asyncio.run(_load(port, row.paths(), requests)))
        seconds = time.perf_counter() - started
        row.rate.append(len(times) / seconds)
        row.cpu.append((_cpu_seconds(process) - before) / len(times) * 1e6)
        row.median.append(statistics.median(times) * 1e3)
        row.late.append(times[int(len(times) * 0.99)] * 1e3)
        row.memory.append(_resident(process))


def show(measured: list[Row]) -> None:
    """Print a table."""
    table = Table(title=f"GET /health, {CONNECTIONS} connections")
    heads = ("served by", "a second", "ratio", "CPU µs", "more µs", "median ms", "99 % ms", "start s", "MiB")
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number == 0 else "right")
    plain = measured[0]
    for row in measured:
        ratio = statistics.median(own / other for own, other in zip(row.rate, plain.rate, strict=True))
        more = statistics.median(own - other for own, other in zip(row.cpu, plain.cpu, strict=True))
        median = statistics.median
        table.add_row(
            row.name, f"{median(row.rate):,.0f}", f"{ratio:.2f}", f"{median(row.cpu):.0f}", f"{more:+.0f}",
            f"{median(row.median):.2f}", f"{median(row.late):.2f}", f"{median(row.start):.2f}",
            f"{median(row.memory):.0f}",
        )  # fmt: skip
    Console(width=120).print(table)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    measured = rows()
    for _ in range(options.rounds):
        for row in measured:
            measure(row, options.requests)
    show(measured)


if __name__ == "__main__":
    main()
