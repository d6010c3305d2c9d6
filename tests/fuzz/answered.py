"""What servers answer: raw bytes, as the reference client reads them; whatever they are, its callers get a result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from sadpath.client import Err, Policy, Result, SavedSession, ShopClient, Success, Tokens
from sadpath.client.policy import AuthPolicy, RetryPolicy, Timeouts
from sadpath.drivers.messages import ERROR_KINDS
from sadpath.sim.limits import Limits
from sadpath.sim.world import SimWorld, run_sim

__all__ = ["ANSWERED_TARGETS"]

POLICY = Policy(
    timeouts=Timeouts(connect=5.0, read=3.0, write=3.0, pool=3.0, total=15.0),
    retry=RetryPolicy(max_retries=1, first_delay=0.01, max_delay=0.05, jitter="none"),
    auth=AuthPolicy(refresh_early=None),
)
SESSION = SavedSession("ada@example.com", Tokens("access-token-1", "refresh-token-1"))


class Silent:
    """A log that keeps nothing."""

    def write(self, line: str) -> None:
        """Look at a line."""
        assert "-token-1" not in line


def answer(data: bytes) -> None:
    """Raw bytes as the answer to calls of several kinds: each comes to a success, or to a failure of a known kind."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            await writer.drain()
        writer.close()

    async def main(_: SimWorld) -> None:
        async with (
            await asyncio.start_server(serve, "api.test", 80),
            ShopClient.create("http://api.test", policy=POLICY, log=Silent()) as client,
        ):
            await client.restore(SESSION)
            calls: list[Callable[[], Awaitable[Result[Any]]]] = [
                lambda: client.users.get(1),
                client.settings.get,
                client.users.list,
                lambda: client.login("ada@example.com", "x"),
            ]
            for call in calls:
                result = await call()
                assert isinstance(result, Success | Err)
                if isinstance(result, Err):
                    assert result.failure.kind in ERROR_KINDS
                    assert result.failure.kind != "bug", result.failure

    report = run_sim(main, limits=Limits(virtual_seconds=10_000.0))
    assert report.warnings == ()


def _of(body: Any, *fields: str, status: str = "200 OK") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Content-Type: application/json", *fields, "", ""]
    return "\r\n".join(lines).encode() + content


def _answers() -> list[bytes]:
    user = {
        "id": 1, "user_name": "Ada", "email_address": "ada@example.com", "avatar_url": None,
        "created_at": "2024-02-29T12:00:00Z",
    }  # fmt: skip
    meta = {"current_page": 1, "last_page": 2, "per_page": 1, "total": 2}
    tokens = {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "token_type": "Bearer"}
    problem = {
        "type": "/problems/x",
        "title": "t",
        "status": 422,
        "detail": "d",
        "errors": {"a": ["b"]},
        "message": "m",
    }
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [
        _of(user, 'ETag: "x"', "Cache-Control: max-age=60"), _of({"success": True, "data": [user], "meta": meta}),
        _of({"theme": "dark", "locale": "en-GB", "notifications": True}), _of(tokens),
        _of(problem, "Retry-After: 1", status="503 Busy"), _of(problem, status="422 Unprocessable Content"),
        _of(problem, "WWW-Authenticate: Bearer", status="401 Unauthorized"), _of([1, [2]], status="400 Bad Request"),
        _of(b"", "Location: /users/2", status="302 Found"), _of(b"", "Location: http://[::1]:x/", status="307 Again"),
        _of(b"", status="204 No Content"), _of(b"", status="304 Not Modified"), _of(b"\xff\xfe"), _of(b"[" * 500),
        _of(b"\x1f\x8b\x08\0", "Content-Encoding: gzip"), chunks + b"2\r\n{}\r\n0\r\n\r\n", chunks + b"zz\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + _of(user), b"HTTP/1.0 200 OK\r\n\r\n{}", b"nonsense\r\n\r\n", b"",
        _of(user, "X-A: \xff", "Date: Tue, 14 Nov 2023 22:13:20 GMT", "Age: 5", "Vary: *"),
    ]  # fmt: skip


ANSWERED_TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {"answer": (answer, _answers)}
"""The target about what is answered: what runs it, and its seeds."""
