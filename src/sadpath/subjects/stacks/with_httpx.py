"""httpx alone, as its quick start shows it; and what the stacks on httpx share."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator

import httpx

from sadpath.drivers.messages import Run
from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import IDEMPOTENT, Answered, Asked, PlainSubject, Settings

__all__ = ["OnHttpx", "create"]

_USUAL = 5.0
_USUAL_CONNECTIONS = 100


class OnHttpx(PlainSubject):
    """A client on ``httpx.AsyncClient``."""

    name = "httpx"
    http = f"httpx {httpx.__version__}"

    async def start(self, run: Run, settings: Settings) -> None:
        """Make the client; what a contract does not change stays at httpx's own default."""
        verify = ssl.create_default_context(cadata=run.tls_ca) if run.tls_ca else True
        self._http = self.client(settings, verify)

    def client(self, settings: Settings, verify: ssl.SSLContext | bool) -> httpx.AsyncClient:
        """Return the client; a stack that puts something into it overrides this."""
        return httpx.AsyncClient(verify=verify, trust_env=False, timeout=timeouts(settings), limits=limits(settings))

    async def send(self, asked: Asked, url: str) -> Answered:
        """Send one request."""
        answer = await self.request(asked, url)
        return Answered(answer.status_code, answer.content)

    async def request(self, asked: Asked, url: str) -> httpx.Response:
        """Send one request by httpx."""
        return await self._http.request(
            asked.method, url, params=asked.query or None, headers=asked.headers, json=asked.body
        )

    async def insisted(self, ask: Callable[[], Awaitable[httpx.Response]]) -> Answered:
        """Return what a loop comes to that takes an error status for an exception (``raise_for_status``)."""
        try:
            answer = await ask()
        except httpx.HTTPStatusError as error:
            answer = error.response
        return Answered(answer.status_code, answer.content)

    def worth_another(self, error: BaseException, asked: Asked, settings: Settings) -> bool:
        """Tell whether a careful caller would have a request sent again: by method and status, never a mistake."""
        if asked.method not in IDEMPOTENT:
            return False
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code in settings.statuses
        return isinstance(error, httpx.TransportError) and explain(error) not in ("bug", "tls")

    def explain(self, error: Exception) -> str | None:
        """Return what httpx's exception stands for."""
        return explain(error)

    async def close(self) -> None:
        """Close the client."""
        await self._http.aclose()


def timeouts(settings: Settings) -> httpx.Timeout:
    """Return httpx's four timeouts: five seconds each, where the contract does not say otherwise."""
    return httpx.Timeout(
        connect=settings.seconds("timeouts", "connect", _USUAL),
        read=settings.seconds("timeouts", "read", _USUAL),
        write=settings.seconds("timeouts", "write", _USUAL),
        pool=settings.seconds("timeouts", "pool", _USUAL),
    )


def limits(settings: Settings) -> httpx.Limits:
    """Return httpx's limits on connections."""
    return httpx.Limits(
        max_connections=settings.number("pool", "size", _USUAL_CONNECTIONS), max_keepalive_connections=20
    )


_BY_TYPE: tuple[tuple[type[Exception], str], ...] = (
    (httpx.ConnectTimeout, "timeout.connect"),
    (httpx.ReadTimeout, "timeout.read"),
    (httpx.WriteTimeout, "timeout.write"),
    (httpx.PoolTimeout, "timeout.pool"),
    (httpx.TooManyRedirects, "redirect"),
    (httpx.DecodingError, "decode"),
    (httpx.ReadError, "reset"),
    (httpx.WriteError, "reset"),
    (httpx.LocalProtocolError, "bug"),
    (httpx.UnsupportedProtocol, "bug"),
    (httpx.InvalidURL, "bug"),
    (httpx.HTTPError, "other"),
)


def explain(error: Exception) -> str | None:
    """Return the kind of failure that one of httpx's exceptions stands for; None for what is not httpx's."""
    if isinstance(error, httpx.ConnectError):
        return _kind_of_connect_error(error)
    if isinstance(error, httpx.RemoteProtocolError):
        # One class for three things; its text is all that tells them apart.
        text = str(error)
        if text.startswith("Server disconnected"):
            return "closed"
        return "truncated" if "without sending complete" in text else "protocol"
    return next((kind for kind_of, kind in _BY_TYPE if isinstance(error, kind_of)), None)


def _kind_of_connect_error(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return "tls"
        if isinstance(cause, socket.gaierror):
            return "dns"
        if isinstance(cause, ConnectionResetError):
            return "reset"
    return "refused"


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def create() -> Subject:
    """Return a new, unopened subject."""
    return OnHttpx()
