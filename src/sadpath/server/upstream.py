"""A reverse proxy as an ASGI application: what stands behind ``sadpath serve https://…``.

It passes on what it gets, byte for byte: methods, paths, queries and bodies, without following redirects, keeping
cookies, or decoding content (RFC 9110 §7.6). Hop-by-hop fields stay on their hop; ``Via`` says that there was one.
Where the upstream fails, the answer is 502 or 504 and carries ``Proxy-Status`` (RFC 9209), so that nobody takes it for
a fault of sadpath's making.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from sadpath.core.errors import UsageError
from sadpath.faults.base import problem

__all__ = ["LIMITS", "Upstream"]

LIMITS = {"connect": 10.0, "read": 120.0, "write": 120.0, "pool": None}
"""Seconds that an upstream may take for each step: more than clients wait, so that it is theirs to give up."""

_HOP = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip
"""Fields that are about one hop alone (RFC 9110 §7.6.1)."""

_OURS = frozenset({b"x-sadpath-session", b"x-sadpath-call", b"expect", b"host"})
_COOKIE = b"sadpath_session="
_VIA = (b"via", b"1.1 sadpath")

Headers = list[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class UpstreamFailed(Exception):
    """The upstream gave no whole answer; ``error`` is the type of RFC 9209 §2.3."""

    def __init__(self, status: int, error: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.error = error


class Upstream:
    """An ASGI application that asks another server.

    Args:
        url: the upstream's, with or without a path; requests go below it.
        transport: default: TCP and TLS with the system's certificate authorities, ignoring proxies of the environment.

    Raises:
        UsageError: for a URL without a host, or with a query, fragment or password.
    """

    def __init__(self, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        parts = urlsplit(url)
        try:
            unwelcome = [bool(parts.query), bool(parts.fragment), parts.username is not None, parts.port == 0]
        except ValueError as error:
            raise UsageError(f"{url!r} is no URL of a server: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or any(unwelcome):
            raise UsageError(f"{url!r} is no URL of a server: wanted is http(s)://host[:port][/path]")
        self.url = url.rstrip("/")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path.rstrip("/").encode()
        self._base = httpx.URL(self._origin)
        self._given = transport
        self._transport: httpx.AsyncBaseTransport | None = transport

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request, or end with the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                await self.close()
                return

    async def close(self) -> None:
        """Close the connections to the upstream."""
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = self._given

    async def _http(self, scope: Any, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        passing = asyncio.ensure_future(self._pass_on(scope, body, send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not passing.done():
                passing.cancel()
                await asyncio.wait({passing})
        if not passing.cancelled():
            passing.result()

    async def _pass_on(self, scope: Any, body: bytes, send: Send) -> None:
        try:
            response = await self._ask(scope, body)
        except UpstreamFailed as failure:
            await _send_failure(failure, send)
            return
        try:
            await self._answer(scope, response, send)
        finally:
            await response.aclose()

    async def _ask(self, scope: Any, body: bytes) -> httpx.Response:
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(
                trust_env=False, limits=httpx.Limits(max_connections=None, max_keepalive_connections=100)
            )
        target = _target(scope)
        path = target.startswith(b"/")  # `*` is none (RFC 9112 §3.2.4)
        sent = self._path + target if path else target
        extensions = {"timeout": dict(LIMITS), "target": sent}  # a URL would lose its dot segments
        request = httpx.Request(
            scope["method"],
            self._base.copy_with(raw_path=sent if path else b"/"),
            headers=[*_request_headers(scope["headers"]), _VIA],
            content=body or None,
            extensions=extensions,
        )
        if not body and scope["method"] in ("POST", "PUT", "PATCH"):
            request.headers["content-length"] = "0"
        try:
            return await self._transport.handle_async_request(request)
        except (httpx.HTTPError, OSError, ssl.SSLError) as error:
            raise _failure(error, self.url) from error

    async def _answer(self, scope: Any, response: httpx.Response, send: Send) -> None:
        headers = self._response_headers(response.headers.raw, scope.get("root_path", ""))
        pieces = _pieces(response, self.url)
        try:
            first = await anext(pieces, b"")
        except UpstreamFailed as failure:
            await _send_failure(failure, send)
            return
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _response_headers(self, headers: Headers, prefix: str) -> Headers:
        """Return the end-to-end fields; what leads to the upstream itself leads back to this server."""
        kept = _end_to_end(headers)
        origin = self._origin.encode()
        found = []
        for name, value in kept:
            if name in (b"location", b"content-location") and _leads_to(value, origin):
                target = value[len(origin) :]
                if target == self._path or target.startswith(self._path + b"/"):
                    target = target[len(self._path) :]
                found.append((name, prefix.encode() + (target or b"/")))
            else:
                found.append((name, value))
        return [*found, _VIA]


def _leads_to(value: bytes, origin: bytes) -> bool:
    return value.startswith(origin) and value[len(origin) :][:1] in (b"", b"/", b"?", b"#")


def _end_to_end(headers: Headers) -> Headers:
    named = {
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    }
    return [(name.lower(), value) for name, value in headers if name.lower() not in _HOP | named]


def _request_headers(headers: Headers) -> Headers:
    found = []
    for name, value in _end_to_end(headers):
        if name in _OURS or name == b"content-length":
            continue
        if name == b"cookie":
            others = [one for one in value.split(b";") if not one.strip().startswith(_COOKIE)]
            if others:
                found.append((name, b";".join(others).strip()))
            continue
        found.append((name, value))
    return found


def _target(scope: Any) -> bytes:
    """Return the request's target without the part of the path that names the session, as it was sent."""
    prefix = scope.get("root_path", "").encode()
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = _without(prefix, raw) or b"/"
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def _without(prefix: bytes, raw: bytes) -> bytes:
    """Return a path without its beginning, be that written in percent-encodings or not (RFC 3986 §2.3)."""
    rest = raw
    for byte in prefix:
        if rest[:1] == bytes([byte]):
            rest = rest[1:]
        elif rest[:3].lower() == b"%%%02x" % byte:
            rest = rest[3:]
        else:
            return raw
    return b"/" + rest[3:] if prefix and rest[:3].lower() == b"%2f" else rest


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _pieces(response: httpx.Response, url: str) -> AsyncIterator[bytes]:
    """Yield the body as it comes, still encoded as it was."""
    try:
        async for piece in response.aiter_raw():
            yield piece
    except (httpx.HTTPError, OSError) as error:
        failure = _failure(error, url)
        if failure.status == 502:
            failure.error = "http_response_incomplete"
        raise failure from error


def _failure(error: Exception, url: str) -> UpstreamFailed:
    """Return what RFC 9209 §2.3 calls it."""
    text = f"The upstream {url} gave no whole answer: {error or type(error).__name__}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return UpstreamFailed(502, "tls_certificate_error", text)
        if isinstance(cause, ssl.SSLError):
            return UpstreamFailed(502, "tls_protocol_error", text)
        if isinstance(cause, ConnectionRefusedError):
            return UpstreamFailed(502, "connection_refused", text)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectTimeout):
        return UpstreamFailed(504, "connection_timeout", text)
    if isinstance(error, httpx.ReadTimeout):
        return UpstreamFailed(504, "connection_read_timeout", text)
    if isinstance(error, httpx.WriteTimeout):
        return UpstreamFailed(504, "connection_write_timeout", text)
    if isinstance(error, httpx.ConnectError):
        known = "resolution" in str(error) or "not known" in str(error) or "No address" in str(error)
        return UpstreamFailed(502, "dns_error" if known else "destination_unavailable", text)
    if isinstance(error, httpx.ProtocolError) and "disconnected" not in str(error) and "closed" not in str(error):
        return UpstreamFailed(502, "http_protocol_error", text)
    return UpstreamFailed(502, "connection_terminated", text)


async def _send_failure(failure: UpstreamFailed, send: Send) -> None:
    answer = problem(failure.status, str(failure))
    answer.headers.append((b"proxy-status", f"sadpath; error={failure.error}".encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
