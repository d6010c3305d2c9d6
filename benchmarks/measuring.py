"""What the benchmarks share: servers as processes, the load on them, and what the system says of both.

The load comes from `wrk` (one thread) where that is installed, else from asyncio in this process; both keep sixteen
connections busy, each asking as soon as it has its answer, for so many seconds. CPU time and resident memory are those
of the server's whole process tree, read from /proc, so that they do not depend on how fast the load is.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONNECTIONS", "ROOT", "Load", "Served", "free_port", "generator", "load", "machine", "serving"]

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 16
PATIENCE = 60.0
"""Seconds within which a server has to give its first answer."""

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass
class Load:
    """What clients saw: exchanges a second, and milliseconds until an answer was whole."""

    rate: float
    median: float
    late: float
    """The 99th percentile."""
    cpu: float
    """Microseconds of the server's CPU time an exchange."""


@dataclass
class Served:
    """A server that has given its first answer, ``start`` seconds after its process was started."""

    process: subprocess.Popen[bytes]
    port: int
    start: float

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes so far."""
        ticks = 0
        for one in _tree(self.process.pid):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Return the resident memory of all its processes, in MiB."""
        pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _tree(self.process.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _tree(int(child)))]


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(command: list[str], port: int, path: str, folder: Path = ROOT) -> Iterator[Served]:
    """Start a server, wait for its first answer 200 to ``path``, and stop it in the end with all its processes."""
    started = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - commands of these files
        command, cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _first_answer(port, path, process)
        yield Served(process, port, time.perf_counter() - started)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _first_answer(port: int, path: str, process: subprocess.Popen[bytes]) -> None:
    end = time.perf_counter() + PATIENCE
    while process.poll() is None and time.perf_counter() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                if connection.recv(1 << 16).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        select.select([], [], [], 0.005)
    sys.exit(f"no answer from {process.args!r}")


def generator() -> str:
    """Return where the load comes from."""
    return "wrk" if shutil.which("wrk") else "asyncio"


def load(served: Served, paths: list[str], seconds: float) -> Load:
    """Load a server with requests for ``paths`` in turn."""
    before, started = served.cpu_seconds(), time.perf_counter()
    if generator() == "wrk":
        count, median, late = _wrk(served.port, paths, seconds)
    else:
        times = sorted(asyncio.run(_asyncio(served.port, paths, started + seconds)))
        count, median, late = len(times), statistics.median(times) * 1e3, times[int(len(times) * 0.99)] * 1e3
    took = time.perf_counter() - started
    return Load(count / took, median, late, (served.cpu_seconds() - before) / count * 1e6)


def _wrk(port: int, paths: list[str], seconds: float) -> tuple[int, float, float]:
    """Return how many were answered, and the latencies, as wrk has them."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        listed = ", ".join(f'"{path}"' for path in paths)
        script.write(
            f"local paths = {{{listed}}}\nlocal made, n = {{}}, 0\n"
            "init = function() for i, path in ipairs(paths) do made[i] = wrk.format('GET', path) end end\n"
            "request = function() n = n % #made + 1; return made[n] end\n"
        )
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency"]
        command += ["-s", script.name, f"http://127.0.0.1:{port}/"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - as above
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"not every answer was good:\n{said}")
    found = {
        name: float(value) * _UNITS[unit] for name, value, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s|m)", said)
    }
    return int(re.findall(r"(\d+) requests in", said)[0]), found["50"], found["99"]


async def _asyncio(port: int, paths: list[str], end: float) -> list[float]:
    times: list[float] = []
    await asyncio.gather(*(_ask(port, paths, number, end, times) for number in range(CONNECTIONS)))
    return times


async def _ask(port: int, paths: list[str], number: int, end: float, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (start := time.perf_counter()) < end:
        writer.write(f"GET {paths[number % len(paths)]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            sys.exit(f"not every answer was good: {head!r}")
        if b"\r\ncontent-length:" in head:
            await reader.readexactly(int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]))
        else:
            await reader.readuntil(b"0\r\n\r\n")
        times.append(time.perf_counter() - start)
        number += CONNECTIONS
    writer.close()
    await writer.wait_closed()


def machine() -> str:
    """Return what the figures were taken on, in a line."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    python = ".".join(map(str, sys.version_info[:3]))
    busy = os.getloadavg()[0]
    name = found[1] if found is not None else "unknown processor"
    return (
        f"{os.cpu_count()} × {name}, {memory:.0f} GiB, Python {python}, load by {generator()}, load average {busy:.1f}"
    )
