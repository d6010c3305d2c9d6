"""What the engine costs: every figure beside the same backend under plain uvicorn, from one run on one machine.

    python benchmarks/serve.py [--rounds N] [--seconds S]
    python benchmarks/serve.py --others [--folder DIR]        beside WireMock, Prism, mountebank and Mockoon

Server and clients are two processes. The server is started anew for each row and round, with the same event loop
(asyncio), the same parser (httptools), the same settings of the garbage collector, and no access log: the backend
alone under uvicorn, the same behind the engine, a bare ASGI application alone and behind the engine. Sixteen keep-
alive connections ask for `/health`, with no fault in the way; where there are sessions, for that of each in turn. A
server is warmed for a third of the time. Rows take turns within a round, so that what else the machine does meets all
of them, and figures are compared within their round; of the rounds the median counts.

`CPU` is the server's own, in microseconds an exchange (user and system), so it does not depend on how fast the clients
are; `more` is what the engine adds. `serve` is the command itself, which also prints a line for each exchange (to
nowhere). Start-up is the time from the start of the process to its first answer; memory is resident after the load.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from measuring import CONNECTIONS, Load, free_port, load, machine, serving
from rich.console import Console
from rich.table import Table

_HERE = Path(__file__).parent

_UVICORN = """
import sys, uvicorn
sys.path.insert(0, {here!r})
{app}
{collector}
uvicorn.run(app, port={port}, loop="asyncio", http="httptools", access_log=False, log_level="warning")
"""
_ENGINE = """
import asyncio, sys
sys.path.insert(0, {here!r})
from sadpath.scenario.loader import read_scenario
from sadpath.server.runner import LiveServer
from sadpath.workspace import find_workspace
{app}
async def main():
    async with LiveServer(find_workspace(), backend=app, port={port}) as server:
        never = [{{"method": "GET", "path": f"/never/{{n}}"}} for n in range({rules})]
        faults = [{{"on": match, "fault": {{"status": 503}}}} for match in never]
        for n in range({sessions}):
            session = server.sessions.create(f"s{{n}}")
            session.set_scenario("rules", read_scenario({{"title": "Rules", "faults": faults}}))
        {collector}
        await asyncio.Event().wait()
asyncio.run(main())
"""
_COLLECTOR = "import gc; gc.freeze(); gc.set_threshold(*gc.get_threshold()[:2], 50)"
"""As ``sadpath serve`` does."""

_SHOP = "from sadpath.workspace import find_workspace; app = find_workspace().backend()"
_BARE = "from answering import app"


@dataclass
class Row:
    """One way to serve, and what was measured of it, a figure a round."""

    name: str
    code: str | None = None
    app: str = _SHOP
    sessions: int = 0
    rules: int = 0
    loads: list[Load] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Return what is asked for, in turns."""
        return [f"/s/s{number}/health" for number in range(self.sessions)] or ["/health"]

    def command(self, port: int) -> list[str]:
        """Return the command that serves at a port."""
        if self.code is None:
            return [sys.executable, "-m", "sadpath", "serve", "--port", str(port)]
        names = {"here": str(_HERE), "app": self.app, "port": port, "sessions": self.sessions, "rules": self.rules}
        names["collector"] = _COLLECTOR
        return [sys.executable, "-c", self.code.format(**names)]


PLAIN = Row("backend under plain uvicorn", _UVICORN)
BEHIND = Row("behind the engine", _ENGINE)
SERVE = Row("sadpath serve")
SESSIONS = [
    Row(f"behind the engine, {count:,} session{'s'[: count - 1]}", _ENGINE, sessions=count) for count in (1, 100, 1000)
]
RULES = Row("behind the engine, 200 rules", _ENGINE, sessions=1, rules=200)
BARE = Row("bare ASGI application", _UVICORN, _BARE)
BARE_BEHIND = Row("the same behind the engine", _ENGINE, _BARE)
ROWS = [PLAIN, BEHIND, *SESSIONS, RULES, SERVE, BARE, BARE_BEHIND]


def measure(row: Row, seconds: float) -> None:
    """Start the row's server, warm it, load it."""
    port = free_port()
    with serving(row.command(port), port, row.paths()[-1]) as served:
        row.start.append(served.start)
        load(served, row.paths(), seconds / 3)
        row.loads.append(load(served, row.paths(), seconds))
        row.memory.append(served.memory())


def ratio(row: Row, other: Row) -> float:
    """Return how many exchanges a second a row makes of another's."""
    return statistics.median(one.rate / two.rate for one, two in zip(row.loads, other.loads, strict=True))


def more(row: Row, other: Row) -> float:
    """Return how many microseconds of CPU a row takes more than another."""
    return statistics.median(one.cpu - two.cpu for one, two in zip(row.loads, other.loads, strict=True))


def show(console: Console) -> None:
    """Print a table, and what was asked of the engine."""
    table = Table(title=f"GET /health, {CONNECTIONS} connections")
    heads = ("served by", "a second", "ratio", "CPU µs", "more µs", "median ms", "99 % ms", "start s", "MiB")
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number == 0 else "right")
    median = statistics.median
    for row in ROWS:
        base = BARE if row is BARE_BEHIND else PLAIN
        table.add_row(
            row.name,
            f"{median(one.rate for one in row.loads):,.0f}",
            f"{ratio(row, base):.2f}",
            f"{median(one.cpu for one in row.loads):.0f}",
            f"{more(row, base):+.0f}",
            f"{median(one.median for one in row.loads):.2f}",
            f"{median(one.late for one in row.loads):.2f}",
            f"{median(row.start):.2f}",
            f"{median(row.memory):.0f}",
        )
    console.print(table)
    kept = min(ratio(row, BEHIND) for row in (*SESSIONS, RULES))
    for text, value, good in (
        ("throughput of plain uvicorn kept, at least 0.80", f"{ratio(BEHIND, PLAIN):.2f}", ratio(BEHIND, PLAIN) >= 0.8),
        ("CPU added to an exchange, at most 40 µs", f"{more(BEHIND, PLAIN):.0f}", more(BEHIND, PLAIN) <= 40),
        ("throughput kept with sessions and rules, at least 0.90", f"{kept:.2f}", kept >= 0.9),
        ("first answer of sadpath serve, under 1.0 s", f"{median(SERVE.start):.2f}", median(SERVE.start) < 1.0),
    ):
        console.print(f"{'met ' if good else 'MISSED'}  {text}: {value}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="default: 5, with --others 3")
    parser.add_argument("--seconds", type=float, help="how long each load lasts (default: 3, with --others 2)")
    parser.add_argument("--others", action="store_true", help="measure other mock servers beside sadpath serve")
    parser.add_argument("--folder", type=Path, help="where the others are installed (default: a cache of the user's)")
    options = parser.parse_args()
    console = Console(width=120)
    console.print(machine())
    if options.others:
        from others import compare  # noqa: PLC0415 - only here

        compare(console, options.folder, options.rounds or 3, options.seconds or 2.0)
        return
    for _ in range(options.rounds or 5):
        for row in ROWS:
            measure(row, options.seconds or 3.0)
    show(console)


if __name__ == "__main__":
    main()
