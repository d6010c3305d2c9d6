"""Other mock servers beside ``sadpath serve``, each giving the same small JSON answer to ``GET /health``.

They are installed by npm, at the versions pinned here, into a folder of their own; WireMock's package ships its jar,
which wants Java 17. Each is set up as its manual says for one stub, and quiet where it has a switch for that; sadpath
prints its line for each exchange. Two settings are not the defaults, and both help the others: mountebank keeps
connections alive, and WireMock's journal is bounded to what sadpath keeps, since it would grow without end.

In each round every server is started anew, in turn. Start-up is the time from the start of its process to the first
answer; memory is that of all its processes, once when idle and once after the load. *Cold* is the load that comes right
behind the first answer; then loads of the same length follow until three of them are not a tenth faster than the best
before (a JVM compiles meanwhile), twelve at most, and *warm* is the one after that. The two sadpath rows are the same
command: one serves an application that does nothing but answer, as a stub does; the other serves the reference backend,
a whole FastAPI application. The last row is that first application under plain uvicorn, by which to see how fast the
load generator can be.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from answering import BODY
from measuring import CONNECTIONS, Load, Served, free_port, load, serving
from rich.console import Console
from rich.table import Table

__all__ = ["PACKAGES", "compare"]

PACKAGES = {"wiremock": "3.13.2", "@stoplight/prism-cli": "5.16.0", "mountebank": "2.9.1", "@mockoon/cli": "9.9.0"}

_HERE = Path(__file__).parent
_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_TEXT = BODY.decode()
_MOST, _LATEST = 12, 3


@dataclass
class Server:
    """One of them; ``command`` writes what it needs into a folder, and returns how it is started."""

    name: str
    command: Callable[[Path, Path, int], list[str]]
    start: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    loaded: list[float] = field(default_factory=list)
    cold: list[Load] = field(default_factory=list)
    warm: list[Load] = field(default_factory=list)


def _write(folder: Path, name: str, value: Any) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return str(path)


def _wiremock(installed: Path, folder: Path, port: int) -> list[str]:
    request = {"method": "GET", "urlPath": "/health"}
    response = {"status": 200, "headers": _HEADERS, "body": _TEXT}
    _write(folder, "mappings/health.json", {"request": request, "response": response})
    jar = next((installed / "node_modules/wiremock/build").glob("*.jar"))
    options = ["--bind-address", "127.0.0.1", "--disable-banner", "--max-request-journal-entries", "10000"]
    return ["java", "-jar", str(jar), "--port", str(port), "--root-dir", str(folder), *options]


def _prism(installed: Path, folder: Path, port: int) -> list[str]:
    schema = {"type": "object", "properties": {"status": {"type": "string"}}}
    answer = {
        "description": "It lives",
        "headers": {"Cache-Control": {"schema": {"type": "string"}, "example": "no-store"}},
        "content": {"application/json": {"schema": schema, "example": json.loads(_TEXT)}},
    }
    paths = {"/health": {"get": {"responses": {"200": answer}}}}
    document = _write(folder, "api.json", {"openapi": "3.1.0", "info": {"title": "A", "version": "1"}, "paths": paths})
    prism = str(installed / "node_modules/.bin/prism")
    return [prism, "mock", "-h", "127.0.0.1", "-p", str(port), "-v", "error", document]


def _mountebank(installed: Path, folder: Path, port: int) -> list[str]:
    answer = {"statusCode": 200, "headers": {**_HEADERS, "Connection": "keep-alive"}, "body": _TEXT}
    stub = {"predicates": [{"equals": {"method": "GET", "path": "/health"}}], "responses": [{"is": answer}]}
    imposter = {"port": port, "protocol": "http", "host": "127.0.0.1", "stubs": [stub]}
    known = _write(folder, "imposters.json", {"imposters": [imposter]})
    options = ["--port", str(free_port()), "--host", "127.0.0.1", "--nologfile", "--loglevel", "error"]
    return [str(installed / "node_modules/.bin/mb"), *options, "--pidfile", str(folder / "pid"), "--configfile", known]


def _mockoon(installed: Path, folder: Path, port: int) -> list[str]:
    answer = {
        "uuid": "answer", "body": _TEXT, "latency": 0, "statusCode": 200, "label": "", "bodyType": "INLINE",
        "headers": [{"key": key, "value": value} for key, value in _HEADERS.items()], "filePath": "",
        "databucketID": "", "sendFileAsBody": False, "rules": [], "rulesOperator": "OR", "disableTemplating": True,
        "fallbackTo404": False, "default": True, "crudKey": "id", "callbacks": [],
    }  # fmt: skip
    route = {
        "uuid": "route", "type": "http", "documentation": "", "method": "get", "endpoint": "health",
        "responses": [answer], "responseMode": None,
    }  # fmt: skip
    tls = {
        "enabled": False,
        "type": "CERT",
        "pfxPath": "",
        "certPath": "",
        "keyPath": "",
        "caPath": "",
        "passphrase": "",
    }
    environment = {
        "uuid": "environment", "lastMigration": 33, "name": "Health", "endpointPrefix": "", "latency": 0,
        "port": port, "hostname": "127.0.0.1", "folders": [], "routes": [route], "proxyMode": False, "proxyHost": "",
        "rootChildren": [{"type": "route", "uuid": "route"}], "proxyRemovePrefix": False, "tlsOptions": tls,
        "cors": False, "headers": [], "proxyReqHeaders": [], "proxyResHeaders": [], "data": [], "callbacks": [],
    }  # fmt: skip
    data = _write(folder, "environment.json", environment)
    return [str(installed / "node_modules/.bin/mockoon-cli"), "start", "--data", data, "--disable-log-to-file"]


def _sadpath(*source: str) -> Callable[[Path, Path, int], list[str]]:
    return lambda _installed, _folder, port: [sys.executable, "-m", "sadpath", "serve", *source, "--port", str(port)]


def _uvicorn(_installed: Path, _folder: Path, port: int) -> list[str]:
    options = ["--loop", "asyncio", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", "answering:app", "--port", str(port), "--lifespan", "off", *options]


def _servers() -> list[Server]:
    return [
        Server("sadpath serve, a stub", _sadpath("answering:app")),
        Server("sadpath serve, the reference backend", _sadpath()),
        Server(f"WireMock {PACKAGES['wiremock']}", _wiremock),
        Server(f"Prism {PACKAGES['@stoplight/prism-cli']}", _prism),
        Server(f"mountebank {PACKAGES['mountebank']}", _mountebank),
        Server(f"Mockoon {PACKAGES['@mockoon/cli']}", _mockoon),
        Server("(the stub under plain uvicorn)", _uvicorn),
    ]


def install(folder: Path | None) -> Path:
    """Install what is not there at its version; return where it is."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sadpath-benchmarks" if folder is None else folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)

    def there(name: str, version: str) -> bool:
        manifest = folder / "node_modules" / name / "package.json"
        return manifest.exists() and json.loads(manifest.read_text())["version"] == version

    if not all(there(*one) for one in PACKAGES.items()):
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel", "error", *wanted]
        subprocess.run(command, check=True, cwd=folder)  # noqa: S603 - names and versions of this file
    return folder


def measure(server: Server, installed: Path, seconds: float) -> None:
    """Start a server, load it cold, warm it, load it again."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with serving(server.command(installed, Path(folder), port), port, "/health", _HERE) as served:
            server.start.append(served.start)
            server.idle.append(served.memory())
            server.cold.append(load(served, ["/health"], seconds))
            _warm(served, seconds)
            server.warm.append(load(served, ["/health"], seconds))
            server.loaded.append(served.memory())


def _warm(served: Served, seconds: float) -> None:
    rates: list[float] = []
    while len(rates) < _MOST:
        rates.append(load(served, ["/health"], seconds).rate)
        if len(rates) > _LATEST and max(rates[-_LATEST:]) < 1.1 * max(rates[:-_LATEST]):
            return


def compare(console: Console, folder: Path | None, rounds: int, seconds: float) -> None:
    """Measure all of them, and print a table."""
    installed = install(folder)
    node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()  # noqa: S607 - as npm
    java = subprocess.run(["java", "-version"], check=True, capture_output=True, text=True).stderr.splitlines()[0]  # noqa: S607 - any 17
    console.print(f"node {node}, {java}")
    servers = _servers()
    for _ in range(rounds):
        for server in servers:
            measure(server, installed, seconds)
    table = Table(title=f"GET /health, {CONNECTIONS} connections")
    heads = (
        "served by",
        "start s",
        "idle MiB",
        "loaded MiB",
        "cold a second",
        "warm a second",
        "CPU µs",
        "median ms",
        "99 % ms",
    )
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number == 0 else "right")
    median = statistics.median
    for server in servers:
        table.add_row(
            server.name,
            f"{median(server.start):.2f}",
            f"{median(server.idle):.0f}",
            f"{median(server.loaded):.0f}",
            f"{median(one.rate for one in server.cold):,.0f}",
            f"{median(one.rate for one in server.warm):,.0f}",
            f"{median(one.cpu for one in server.warm):.0f}",
            f"{median(one.median for one in server.warm):.2f}",
            f"{median(one.late for one in server.warm):.2f}",
        )
    console.print(table)
    own = servers[0]
    for other in servers[2:-1]:
        pairs = zip(own.warm, other.warm, strict=True)
        warm = median(one.rate / two.rate for one, two in pairs)
        cold = median(one.rate / two.rate for one, two in zip(own.cold, other.cold, strict=True))
        memory, start = median(other.loaded) / median(own.loaded), median(other.start) / median(own.start)
        console.print(f"a stub of sadpath's beside {other.name}: {warm:.2f} of its throughput warm, {cold:.2f} cold;")
        console.print(f"    it takes {memory:.1f} times the memory, and {start:.1f} times as long to start")
