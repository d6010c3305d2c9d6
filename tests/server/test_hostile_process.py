"""``sadpath serve`` as a process under attack, and what is promised of it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from sadpath.engine.asgi import MAX_BODY
from sadpath.engine.limits import MAX_FIELDS, MAX_HEAD, MAX_TARGET, Limits
from sadpath.server.guard import MAX_BODY as CONTROL_BODY
from sadpath.server.runner import LiveServer
from sadpath.server.sessions import MAX_SESSIONS
from sadpath.server.upstream import Upstream
from tests.support.places import TOP
from tests.support.siege import HOST, LAST, PING, besieged

FILES = 256


@contextlib.contextmanager
def served(stderr: Path) -> Iterator[str]:
    """Run ``sadpath serve`` with few files, and yield its URL."""
    command = [sys.executable, "-m", "sadpath.cli", "serve", "--port", "0"]
    limited = ["sh", "-c", f'ulimit -n {FILES}; exec "$@"', "-", *command]
    with stderr.open("wb") as errors, subprocess.Popen(limited, stdout=subprocess.PIPE, stderr=errors) as process:
        if process.stdout is None:
            pytest.fail("there is no stdout")
        try:
            found = re.search(rb" at (http://\S+)", process.stdout.readline())
            yield found[1].decode() if found else pytest.fail("it did not start")
        finally:
            process.terminate()
            process.wait(timeout=10)


def test_more_connections_than_files(tmp_path: Path) -> None:
    """Three hundred connections to a process of 256 files cost it nothing: no traceback, and the next is answered."""
    errors = tmp_path / "stderr"
    with served(errors) as url:
        address = "127.0.0.1", int(url.rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(socket.create_connection(address, timeout=20)).sendall(PING[:20])
        answer = httpx.get(f"{url}/__admin/health", timeout=20)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert errors.read_bytes() == b""


def test_rubbish_is_one_line_each(tmp_path: Path) -> None:
    """What is refused is said in a line on stderr, and nothing that the client has sent is in it."""
    errors = tmp_path / "stderr"
    rubbish = [b"\x1b[31mred\r\n\r\n", PING + b"X-A: a\0\x1b[31m\r\n\r\n", PING + b"X-A: b\r\n" * 20_000]
    with served(errors) as url:
        address = "127.0.0.1", int(url.rpartition(":")[2])
        for sent in [*rubbish, b"GET /\x1b[31m%1b[31m HTTP/1.1\r\n" + HOST + b"\r\n"]:
            with socket.create_connection(address, timeout=20) as sock:
                sock.sendall(sent)
                assert sock.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 431")
    lines = errors.read_text().splitlines()
    invalid = "Invalid HTTP request received."
    assert lines == [invalid, invalid, "A request's head has at most 256 fields and 65536 bytes.", invalid]


def test_it_listens_at_one_loopback_address_alone(tmp_path: Path) -> None:
    """Without ``--host`` another address of the same machine finds nobody at the port."""
    with served(tmp_path / "stderr") as url:
        assert url.startswith("http://127.0.0.1:")
        port = int(url.rpartition(":")[2])
        with socket.socket() as sock:
            sock.settimeout(5)
            assert sock.connect_ex(("127.0.0.2", port)) != 0
        with socket.create_connection(("127.0.0.1", port), timeout=20):
            pass


@pytest.mark.parametrize("base", ["", "/s/inner"])
def test_strange_targets_go_through_to_an_upstream(serve: Callable[..., LiveServer], base: str) -> None:
    """``OPTIONS *``, empty segments and bytes that are no UTF-8 reach the upstream as they were sent."""
    targets = [b"*", b"//evil.example/ping", b"/a//b/../ping;x?y=%ff&&z", b"/%ff%00?", b"/ping?" + b"a" * 30_000]

    async def main() -> None:
        async with serve() as upstream:
            upstream.sessions.create("inner")
            name = "inner" if base else "default"
            async with besieged(LiveServer(backend=Upstream(upstream.base_url + base)), pong=name) as siege:
                for target in targets:
                    received = await siege.ask(b"OPTIONS " + target + b" HTTP/1.1\r\n" + HOST + LAST)
                    assert received.statuses in ([200], [401])
            paths = [event.path for event in upstream.sessions.get(name).journal.exchanges]
            assert {"/a//b/../ping;x", "//evil.example/ping", "/\ufffd\0"} <= set(paths)
            assert "*" in [event.path for event in upstream.sessions.default.journal.exchanges]

    asyncio.run(main())


def test_what_is_promised_is_what_holds() -> None:
    """The bounds in SECURITY.md are those of the code, and every promise names its tests."""
    text = re.sub(r"\s+", " ", (TOP / "SECURITY.md").read_text(encoding="utf-8"))
    promises = text.partition(" * ")[2].partition(" These bounds ")[0].split(" * ")
    assert [promise for promise in promises if "](tests/" not in promise] == []
    assert f"at most {MAX_HEAD:,} bytes and {MAX_FIELDS} fields (431), its target {MAX_TARGET:,} bytes (414)" in text
    limits = Limits()
    assert f"At most {limits.connections:,} connections" in text
    assert f"whole {limits.head_seconds:g} seconds after" in text
    assert f"go on within {limits.body_seconds:g} seconds" in text
    assert f"at most {MAX_SESSIONS:,} sessions" in text
    assert f"control body has at most {CONTROL_BODY // 1024**2} MiB" in text
    assert f"a request's body {MAX_BODY // 1024**2} MiB" in text
    journal_limit = inspect.signature(LiveServer).parameters["journal_limit"].default
    assert f"a journal of {journal_limit:,} events" in text
