"""aiohttp under aiohttp-retry's ``RetryClient``, with its exponential waits as they come."""

from __future__ import annotations

import ssl
from importlib.metadata import version

import aiohttp
from aiohttp_retry import ExponentialRetry, RetryClient

from sadpath.drivers.messages import Run
from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import Answered, Asked, PlainSubject, Settings

__all__ = ["create"]

_TOTAL, _SOCK_CONNECT = 300.0, 30.0
_CONNECTIONS = 100


class _OnAiohttp(PlainSubject):
    name = "aiohttp-retry"
    http = f"aiohttp {aiohttp.__version__} with aiohttp-retry {version('aiohttp-retry')}"

    async def start(self, run: Run, settings: Settings) -> None:
        """Make the session and the client around it."""
        verify: ssl.SSLContext | bool = ssl.create_default_context(cadata=run.tls_ca) if run.tls_ca else True
        timeout = aiohttp.ClientTimeout(
            total=_TOTAL,
            sock_connect=settings.seconds("timeouts", "connect", _SOCK_CONNECT),
            sock_read=settings.seconds("timeouts", "read", 0.0) or None,
        )
        connector = aiohttp.TCPConnector(limit=settings.number("pool", "size", _CONNECTIONS), ssl=verify)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        options = ExponentialRetry(
            attempts=settings.number("retry", "max_retries", 2) + 1,
            start_timeout=settings.seconds("retry", "first_delay", 0.2) / 2,  # it doubles before its first wait
        )
        self._client = RetryClient(client_session=self._session, retry_options=options)

    async def send(self, asked: Asked, url: str) -> Answered:
        """Send one request."""
        async with self._client.request(
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
        await self._client.close()


def create() -> Subject:
    """Return a new, unopened subject."""
    return _OnAiohttp()
