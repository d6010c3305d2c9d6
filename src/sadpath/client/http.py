"""The seam to the HTTP library: the one module that speaks to it.

httpx reads URLs and undoes content codings; its engine, httpcore, keeps the pool. The pool is built here and not by
``httpx.AsyncClient`` because only so can the bytes be counted that an exchange sent and received, and only those tell
whether a request may have arrived and whether a reused connection ended without a byte of answer (RFC 9112 §9.3.1).
httpx2 and its engine are the same with other names (``library``); what is said of httpx here holds for them.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from .library import Library, LibraryName, load_library

if TYPE_CHECKING:
    import httpcore
    import httpx

__all__ = ["Http", "InvalidUrlError", "Opened", "Origin", "Url", "Wire"]

Origin = tuple[str, str, int]
"""Scheme, host and port (RFC 9110 §4.3.1)."""

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_KEEP_ALIVE = 5.0
"""Seconds that an idle connection is kept: shorter than what servers commonly grant, so that races are rare."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.[01] 1\d\d\b")
"""The beginning of an interim reply, behind which another follows (RFC 9110 §15.2)."""

_CHUNK = 65_536
"""Bytes that are handed to the connection at a time, so that the write timeout is for a gap and not for the whole."""


class InvalidUrlError(ValueError):
    """A text that is no URL of an HTTP resource."""


class Url:
    """A parsed http or https URL."""

    __slots__ = ("_url", "origin")

    def __init__(self, text: str) -> None:
        """Parse ``text``. Raises ``InvalidUrlError``."""
        library = load_library().http
        try:
            url: httpx.URL = library.URL(text)
        except library.InvalidURL as error:
            raise InvalidUrlError(str(error)) from error
        # Not ``url.host``: that decodes, and raises what it likes for a name that cannot be decoded.
        host = url.raw_host.decode("ascii")
        port = _PORTS.get(url.scheme, 0) if url.port is None else url.port
        if url.scheme not in _PORTS or not _is_host(host) or not 0 < port < 65_536:
            raise InvalidUrlError("not an http or https URL with a host")
        self._url = url
        self.origin: Origin = (url.scheme, host, port)

    def __str__(self) -> str:
        return str(self._url)

    def join(self, location: str) -> Url:
        """Resolve a reference against this URL. Raises ``InvalidUrlError``."""
        try:
            return Url(str(self._url.join(location)))
        except load_library().http.InvalidURL as error:
            raise InvalidUrlError(str(error)) from error

    @property
    def path(self) -> str:
        """The path, decoded."""
        return self._url.path

    @property
    def host_header(self) -> str:
        """The value of the Host field (RFC 9110 §7.2)."""
        return self._url.netloc.decode("ascii")

    def for_library(self, library: Library) -> httpcore.URL:
        """Return what the pool takes."""
        return library.engine.URL(  # type: ignore[no-any-return]  # the module is chosen at run time
            scheme=self._url.raw_scheme, host=self._url.raw_host, port=self._url.port, target=self._url.raw_path
        )


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return len(text) < 254 and _NAME.fullmatch(text) is not None
    return True


@dataclass
class Wire:
    """What one exchange did on the wire: whether it opened a connection, and the bytes that went out and came in.

    ``surplus`` says that more came than the reply has: its connection must not be used again, or what is left would be
    taken for the next reply (RFC 9112 §6.3).
    """

    fresh: bool = False
    sent: int = 0
    received: int = 0
    surplus: bool = False
    _head: bytes | None = b""
    _body: int = 0

    def take(self, data: bytes) -> None:
        """Count what came in, and how much of it stands behind the reply's head."""
        self.received += len(data)
        if self._head is None:
            self._body += len(data)
            return
        self._head += data
        while self._head is not None and (end := _HEAD_END.search(self._head)) is not None:
            rest = self._head[end.end() :]
            interim = _INTERIM.match(self._head) is not None
            self._head, self._body = (rest, 0) if interim else (None, len(rest))

    def read_whole(self, size: int) -> None:
        """Note that the reply's body, of ``size`` bytes as they came, has been read to its end."""
        self.surplus = self._body > size


_current: ContextVar[Wire | None] = ContextVar("_current", default=None)


class _CountingStream:
    """A connection that counts for the exchange in whose task it is used: an ``AsyncNetworkStream`` of the engine."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, library: Library, ca_pem: str | None) -> None:
        self._stream = stream
        self._library = library
        self._ca_pem = ca_pem
        self._wire: Wire | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        if wire := _current.get():
            wire.take(data)
            self._wire = wire
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Counted before: a write that fails may have sent some of it.
        if wire := _current.get():
            wire.sent += len(buffer)
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # a placeholder: the real one is made when it is first needed
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _CountingStream:
        try:
            stream = await self._stream.start_tls(_tls_context(self._ca_pem, self._library), server_hostname, timeout)
        except BaseException:
            # httpcore closes what it could not secure, but not when it was cancelled meanwhile.
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise
        return await _kept_or_closed(_CountingStream(stream, self._library, self._ca_pem))

    def get_extra_info(self, info: str) -> Any:
        # The engine drops an idle connection on which something can be read; what it has read already it forgets.
        if info == "is_readable" and self._wire is not None and self._wire.surplus:
            return True
        return self._stream.get_extra_info(info)


class _CountingBackend:
    """Opens counting connections: an ``AsyncNetworkBackend`` of the engine."""

    def __init__(self, library: Library, ca_pem: str | None) -> None:
        self._backend: httpcore.AsyncNetworkBackend = library.engine.AnyIOBackend()
        self._library = library
        self._ca_pem = ca_pem

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _CountingStream:
        if wire := _current.get():
            wire.fresh = True
        stream = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return await _kept_or_closed(_CountingStream(stream, self._library, self._ca_pem))

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


async def _kept_or_closed(stream: _CountingStream) -> _CountingStream:
    """Close a new connection whose exchange was given up meanwhile.

    httpcore would keep it for ever in a state that is neither idle nor closed: between the end of connecting and the
    first byte it has a moment in which a cancellation goes by unnoticed.
    """
    try:
        await anyio.lowlevel.checkpoint_if_cancelled()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await stream.aclose()
        raise
    return stream


@lru_cache(maxsize=8)
def _tls_context(ca_pem: str | None, library: Library) -> ssl.SSLContext:
    """Return the context for these certificate authorities: reading them costs tens of milliseconds, so once."""
    usual = ca_pem is None
    if usual:
        context: ssl.SSLContext = library.http.create_ssl_context(trust_env=False)
    else:
        context = ssl.create_default_context(cadata=ca_pem)
    context.set_alpn_protocols(["http/1.1"])
    return context


@cache
def _raw_body_of(library: Library) -> Callable[[httpcore.Response], httpx.AsyncByteStream]:
    """Return the class of a body as it came, for the library to undo its coding: it insists on a base of its own."""
    base: Any = library.http.AsyncByteStream

    class RawBody(base):  # type: ignore[misc]  # the base is chosen at run time
        def __init__(self, response: httpcore.Response) -> None:
            self._response = response

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async with aclosing(self._response.aiter_stream()) as parts:  # type: ignore[type-var]  # it is a generator
                async for part in parts:
                    yield part

    return RawBody


class Opened:
    """A reply whose head has arrived; its body can be read, and it must be closed."""

    def __init__(self, response: httpcore.Response, library: Library, method: str, wire: Wire) -> None:
        self._response = response
        self._library = library
        self._wire = wire
        self._no_body = method == "HEAD" or response.status in (204, 304)
        self.status = response.status
        self.headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body, its content coding undone. Raises the library's exceptions."""
        codings = [(name, value) for name, value in self.headers if name == "content-encoding"]
        async with aclosing(self._decoded(codings) if codings else self._response.aiter_stream()) as parts:  # type: ignore[type-var]  # both are generators
            async for part in parts:
                yield part
        size = "0" if self._no_body else self._declared()
        if size is not None and size.isascii() and size.isdecimal():
            self._wire.read_whole(int(size))

    def _declared(self) -> str | None:
        """Return the Content-Length; None where there is none, or where chunks say how long the body is."""
        fields = dict(self.headers)
        return None if "transfer-encoding" in fields else fields.get("content-length")

    def _decoded(self, codings: list[tuple[str, str]]) -> AsyncIterator[bytes]:
        raw = _raw_body_of(self._library)(self._response)
        fields = [(name.encode("ascii"), value.encode("latin-1")) for name, value in codings]  # as they came
        decoding: httpx.Response = self._library.http.Response(self.status, headers=fields, stream=raw)
        return decoding.aiter_bytes()

    async def close(self) -> None:
        """Give the connection back, or close it where the body was not read to its end."""
        with anyio.CancelScope(shield=True):
            await self._response.aclose()


class Http:
    """A pool of HTTP/1.1 connections. Nothing is opened before the first request.

    Raises ``MissingLibraryError`` when the HTTP library asked for is not installed.
    """

    def __init__(self, *, size: int, ca_pem: str | None = None, library: LibraryName | None = None) -> None:
        self._library = load_library(library)
        self._size = size
        self._ca_pem = ca_pem
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def open(
        self,
        method: str,
        url: Url,
        *,
        headers: Iterable[tuple[str, str]],
        body: AsyncIterator[bytes] | bytes | None,
        timeouts: Mapping[str, float | None],
        wire: Wire,
    ) -> Opened:
        """Send a request and wait for the head of the reply; ``wire`` is kept up to date until the reply is closed.

        Raises the library's exceptions, and ``UnicodeEncodeError`` for what cannot stand in a field.
        """
        _current.set(wire)
        request = self._library.engine.Request(
            method,
            url.for_library(self._library),
            headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in headers],
            content=_pieces(body),
            extensions={"timeout": dict(timeouts)},
        )
        response = await self._library_pool().handle_async_request(request)
        return Opened(response, self._library, method, wire)

    async def drop_idle(self) -> None:
        """Close the connections that nobody uses, so that the next request gets a fresh one."""
        for connection in self._pool.connections if self._pool else ():
            if connection.is_idle():
                await connection.aclose()

    @property
    def connections(self) -> int:
        """How many connections are open, in use or idle."""
        return sum(not connection.is_closed() for connection in self._pool.connections) if self._pool else 0

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            await self._pool.aclose()

    def _library_pool(self) -> httpcore.AsyncConnectionPool:
        pool = self._pool
        if pool is None:
            pool = self._pool = self._library.engine.AsyncConnectionPool(
                ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                max_connections=self._size,
                max_keepalive_connections=self._size,
                keepalive_expiry=_KEEP_ALIVE,
                network_backend=_CountingBackend(self._library, self._ca_pem),
            )
        return pool


async def _pieces(body: AsyncIterator[bytes] | bytes | None) -> AsyncIterator[bytes]:
    if body is None:
        return
    if isinstance(body, bytes):
        for start in range(0, len(body), _CHUNK):
            yield body[start : start + _CHUNK]
        return
    async for piece in body:
        yield piece
