"""aiohttp alone, as its client quick start shows it; and what the stacks on aiohttp share."""

from __future__ import annotations

import ssl

import aiohttp

from sadpath.drivers.messages import Run
from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import Answered, Asked, PlainSubject, Settings

__all__ = ["OnAiohttp", "create"]

_TOTAL, _SOCK_CONNECT = 300.0, 30.0
_CONNECTIONS = 100


class OnAiohttp(PlainSubject):
    """A client on ``aiohttp.ClientSession``."""

    name = "aiohttp"
    http = f"aiohttp {aiohttp.__version__}"

    async def start(self, run: Run, settings: Settings) -> None:
        """Make the session; what a contract does not change stays at aiohttp's own default."""
        verify: ssl.SSLContext | bool = ssl.create_default_context(cadata=run.tls_ca) if run.tls_ca else True
        timeout = aiohttp.ClientTimeout(
            # A contract allows for the library's rounding upwards, which is not what is asked of it.
            total=min(settings.seconds("timeouts", "total", _TOTAL), _TOTAL),
            sock_connect=min(settings.seconds("timeouts", "connect", _SOCK_CONNECT), _SOCK_CONNECT),
            sock_read=settings.seconds("timeouts", "read", 0.0) or None,
        )
        connector = aiohttp.TCPConnector(limit=settings.number("pool", "size", _CONNECTIONS), ssl=verify)
        self.session = aiohttp.ClientSession(timeout=timeout, connector=connector)

    async def send(self, asked: Asked, url: str) -> Answered:
        """Send one request."""
        async with self.session.request(
            asked.method, url, params=dict(asked.query) or None, headers=dict(asked.headers), json=asked.body
        ) as answer:
            return Answered(answer.status, await answer.read())

    def explain(self, error: Exception) -> str | None:
        """Return what an exception of aiohttp stands for."""
        kinds: tuple[tuple[type[Exception], str], ...] = (
            (aiohttp.ConnectionTimeoutError, "timeout.connect"),
            (aiohttp.SocketTimeoutError, "timeout.read"),
            (aiohttp.ServerTimeoutError, "timeout.read"),
            (aiohttp.ServerDisconnectedError, "closed"),
            (aiohttp.ClientConnectorDNSError, "dns"),
            (aiohttp.ClientSSLError, "tls"),
            (aiohttp.ClientConnectorError, "refused"),
            (aiohttp.ClientOSError, "reset"),
            (aiohttp.ClientPayloadError, "truncated"),
            (aiohttp.TooManyRedirects, "redirect"),
            (aiohttp.ClientResponseError, "protocol"),
            (aiohttp.InvalidURL, "bug"),
            (aiohttp.ClientError, "other"),
            (ValueError, "bug"),  # its word for a method or header that is none
            (TimeoutError, "timeout.total"),
        )
        return next((kind for kind_of, kind in kinds if isinstance(error, kind_of)), None)

    async def close(self) -> None:
        """Close the session."""
        await self.session.close()


def create() -> Subject:
    """Return a new, unopened subject."""
    return OnAiohttp()
