"""Every exception of the libraries below is a failure, every body is survived, and the HTTP status wins."""

from __future__ import annotations

import asyncio
import errno
import inspect
import json
import socket
import ssl
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import anyio
import h11
import httpcore
import httpcore2
import httpx
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.client.failures import Failure, StatusFailure
from sadpath.client.http import Url
from sadpath.client.json_text import InvalidJsonError, parse
from sadpath.client.mapping import FailureMap, read_problem
from sadpath.client.message import Headers, Reply, Request
from sadpath.client.policy import ErrorPolicy
from sadpath.client.ports import SystemClock
from tests.client.scripted import Server, raw, reply, serving
from tests.client.shopside import USER, failure_of, shop, success_of

MAP = FailureMap(ErrorPolicy(), SystemClock(), str)

# What each exception of the libraries is. A new one fails the test until somebody has decided what it means.
KINDS = {
    "BrokenResourceError": "reset",
    "CloseError": "reset",
    "ConnectError": "refused",
    "ConnectTimeout": "timeout.connect",
    "ConnectionFailed": "refused",
    "ConnectionNotAvailable": "closed",
    "CookieConflict": "bug",
    "DecodingError": "decode",
    "EndOfStream": "closed",
    "HTTPError": "protocol",
    "HTTPStatusError": "unexpected_status",
    "InvalidURL": "bug",
    "LocalProtocolError": "bug",
    "NetworkError": "reset",
    "PoolTimeout": "timeout.pool",
    "ProtocolError": "protocol",
    "ProxyError": "protocol",
    "ReadError": "reset",
    "ReadTimeout": "timeout.read",
    "RemoteProtocolError": "protocol",
    "RequestError": "protocol",
    "RequestNotRead": "bug",
    "ResponseNotRead": "bug",
    "SSEError": "decode",
    "StreamClosed": "bug",
    "StreamConsumed": "bug",
    "StreamError": "bug",
    "TimeoutException": "timeout.read",
    "TooManyRedirects": "redirect",
    "TransportError": "protocol",
    "UnsupportedProtocol": "bug",
    "WriteError": "reset",
    "WriteTimeout": "timeout.write",
}
MODULES: list[ModuleType] = [httpx, httpcore, httpx2, httpcore2, h11, anyio]


def exceptions() -> Iterator[type[Exception]]:
    """Yield every exception that the libraries show."""
    for module in MODULES:
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, Exception):
                yield value


def made(kind: type[Exception]) -> Exception:
    """Make an exception without its constructor: what its class is, is all that matters."""
    error = kind.__new__(kind)
    error.args = ("words",)
    return error


@pytest.mark.parametrize("kind", list(exceptions()), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_exception_of_the_libraries_is_mapped(kind: type[Exception]) -> None:
    """Each exception of httpx, httpcore, their successors, h11 and anyio is the failure that was decided on."""
    failure = MAP.of_exception(made(kind))
    assert kind.__name__ in KINDS, "decide what this exception means"
    assert (failure.kind, failure.native) == (KINDS[kind.__name__], kind.__name__)


def caused(error: Exception, cause: BaseException) -> Exception:
    """Return the error with its cause, as ``raise … from`` leaves it."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (caused(httpcore.ConnectError("x"), ConnectionRefusedError()), "refused"),
        (caused(httpcore.ConnectError("x"), socket.gaierror(-2, "unknown")), "dns"),
        (caused(httpcore.ConnectError("x"), ssl.SSLCertVerificationError("x")), "tls"),
        (caused(httpcore.ConnectError("x"), ConnectionResetError()), "reset"),
        (caused(httpcore.ConnectError("x"), anyio.EndOfStream()), "closed"),
        (caused(httpcore.ConnectError("x"), OSError(errno.ENETUNREACH, "x")), "offline"),
        (caused(httpcore.ConnectError("x"), OSError(errno.EHOSTUNREACH, "x")), "offline"),
        (caused(httpcore.ConnectError("x"), TimeoutError(errno.ETIMEDOUT, "x")), "timeout.connect"),
        (
            caused(
                httpcore.ConnectError("x"),
                caused(OSError("all failed"), ExceptionGroup("x", [ConnectionRefusedError(), OSError()])),
            ),
            "refused",
        ),
        (caused(httpcore.ReadError("x"), caused(anyio.BrokenResourceError(), ConnectionResetError())), "reset"),
        (caused(httpcore.ConnectError("x"), caused(ConnectionResetError(), ssl.SSLWantReadError(2, "x"))), "reset"),
        (caused(httpcore.ConnectError("x"), caused(ssl.SSLWantReadError(2, "x"), ssl.SSLError(1, "alert"))), "tls"),
        (httpcore.RemoteProtocolError("Server disconnected without sending a response."), "closed"),
        (
            httpcore.RemoteProtocolError(
                "peer closed connection without sending complete message body (received 1 bytes, expected 2)"
            ),
            "truncated",
        ),
        (httpcore.RemoteProtocolError("illegal status line"), "protocol"),
        (ssl.SSLError(1, "bad record"), "tls"),
        (BrokenPipeError(), "reset"),
        (RuntimeError("something else"), "bug"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"), "bug"),
        (KeyError("x"), "bug"),
    ],
)
def test_causes_tell_connection_errors_apart(error: Exception, kind: str) -> None:
    """Where the library's name says too little, the system's own error decides; what nobody knows is a bug."""
    assert MAP.of_exception(error).kind == kind


def test_exception_without_words_has_a_message() -> None:
    """A failure has a message also when the exception has none."""
    assert MAP.of_exception(httpcore.ReadError()).message == "ReadError"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "unexpected_status"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (409, "conflict"),
        (410, "unexpected_status"),
        (418, "unexpected_status"),
        (422, "validation"),
        (429, "rate_limited"),
        (500, "server"),
        (501, "server"),
        (599, "server"),
        (300, "unexpected_status"),
    ],
)
def test_statuses_are_the_promised_failures(status: int, kind: str) -> None:
    """Each error status is the failure that the policy names, with the status kept."""
    failure = MAP.of_reply(answer(status, b""))
    assert (failure.kind, failure.status) == (kind, status)
    assert str(status) in failure.message


def answer(status: int, body: bytes, **headers: str) -> Reply:
    """Return a reply."""
    return Reply(Request("GET", Url("http://shop.example/users/1")), status, Headers(headers.items()), body)


def test_policy_can_map_statuses_otherwise() -> None:
    """A policy may name other failures, for single statuses and for classes."""
    policy = ErrorPolicy(map={404: "validation", "5xx": "unexpected_status"})
    other = FailureMap(policy, SystemClock(), str)
    assert [other.of_reply(answer(status, b"")).kind for status in (404, 503, 400)] == [
        "validation",
        "unexpected_status",
        "unexpected_status",
    ]


members = st.sampled_from(["type", "title", "detail", "message", "status", "error", "instance", "errors"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | members, inner, max_size=4),
    max_leaves=20,
)
bodies = st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode())


@settings(deadline=None)
@given(st.integers(300, 599), bodies)
def test_no_error_body_is_too_strange(status: int, body: bytes) -> None:
    """Whatever an error body is, the failure has the HTTP status, a kind and a printable message."""
    failure = MAP.of_reply(answer(status, body))
    assert isinstance(failure, StatusFailure)
    assert failure.status == status
    assert failure.message
    assert failure.message.isprintable()
    assert len(failure.message) <= 500


@settings(deadline=None)
@given(st.dictionaries(members, anything, max_size=8))
def test_members_of_the_wrong_type_are_ignored(problem: dict[str, Any]) -> None:
    """RFC 9457 §3.1: a member of the wrong type counts as absent, and a body's own status counts for nothing."""
    read = read_problem(json.dumps(problem).encode())
    if any(isinstance(value, float) for value in flat(problem)):
        return  # NaN and infinity are not JSON, so such a body says nothing at all
    for name in ("type", "title", "detail", "message", "error"):
        value = problem.get(name)
        assert getattr(read, name) == (value if isinstance(value, str) else None)


def flat(value: Any) -> Iterator[Any]:
    """Yield every scalar in a JSON value."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from flat(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from flat(inner)
    else:
        yield value


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"text"',
        b"5",
        b"null",
        b"true",
        b"<html>503</html>",
        b"",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"message": NaN}',
        b'{"message": ["a"]}',
        b'{"message": {"a": 1}}',
        b"1" * 5000,
        '{"message": "caf\u00e9"}'.encode("latin-1"),
    ],
)
def test_strange_error_bodies_keep_the_status(body: bytes) -> None:
    """Over the wire, too, no error body takes the status away or escapes the result."""

    async def run() -> None:
        async with serving(Server().on("*", reply(404, body))) as server, shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.status) == ("not_found", 404)

    asyncio.run(run())


def test_message_is_the_problems_best_sentence() -> None:
    """The message is the body's message, its detail or its title, in this order."""
    texts = {"title": "a title", "detail": "a detail", "message": "a message"}
    for name in ("message", "detail", "title"):
        assert MAP.of_reply(answer(400, json.dumps(texts).encode())).message == texts.pop(name)


def test_message_is_bounded_and_printable() -> None:
    """A long message with control characters is made fit to be shown."""
    failure = MAP.of_reply(answer(400, json.dumps({"message": "a\r\nb\x1b[31m" + "x" * 5000}).encode()))
    assert len(failure.message) == 500
    assert failure.message.startswith("a  b [31mx")


@pytest.mark.parametrize(
    "body",
    [b"", b"  ", b"{", b"<html>", b"\xff", b"NaN", b'{"id": 1e999}', b"[" * 100_000, b'{"id": ' + b"1" * 5000 + b"}"],
)
def test_success_that_is_no_json_is_a_decode_error(body: bytes) -> None:
    """A 2xx that is no JSON is a decode error: not retried, and with the status kept."""

    async def run() -> None:
        async with serving(Server().on("*", reply(200, body))) as server, shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.status, failure.attempts) == ("decode", 200, 1)

    asyncio.run(run())


wrong_users: list[Any] = [
    [],
    None,
    "user",
    {},
    {**USER, "id": "1"},
    {**USER, "id": True},
    {**USER, "id": 1.5},
    {**USER, "user_name": None},
    {**USER, "avatar_url": 5},
    {name: value for name, value in USER.items() if name != "avatar_url"},
    {**USER, "created_at": "yesterday"},
    {**USER, "created_at": 0},
    {"success": False, "message": "database is down"},
    {"type": "/problems/internal", "status": 500},
]


@pytest.mark.parametrize("body", wrong_users)
def test_success_of_the_wrong_shape_is_a_decode_error(body: Any) -> None:
    """A 2xx of the wrong shape is a decode error, also when it is an error in a success's clothes."""

    async def run() -> None:
        async with serving(Server().on("*", reply(200, body))) as server, shop(server) as client:
            assert failure_of(await client.users.get(1)).kind == "decode"

    asyncio.run(run())


def test_unknown_members_are_ignored() -> None:
    """The API can grow: members that nobody knows do no harm, and are still in the JSON."""

    async def run() -> None:
        grown = {**USER, "nickname": "Countess"}
        async with serving(Server().on("*", reply(200, grown))) as server, shop(server) as client:
            result = success_of(await client.users.get(1))
            assert (result.value.name, result.json) == ("Ada", grown)

    asyncio.run(run())


def test_broken_coding_is_a_decode_error() -> None:
    """A body that says it is compressed and is not is a decode error."""

    async def run() -> None:
        broken = reply(200, b"not gzip at all", Content_Encoding="gzip")
        async with serving(Server().on("*", broken)) as server, shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.attempts, failure.native) == ("decode", 1, "DecodingError")

    asyncio.run(run())


@pytest.mark.parametrize("coding", [b"\xe9", b"gzip\xff\xff", b"\xc3\xa9, nonsense", b""])
def test_a_coding_of_nobodys_is_passed_over(coding: bytes) -> None:
    """A Content-Encoding that names no coding, be it no ASCII, is the server's mistake and no bug of the client's."""

    async def run() -> None:
        body = json.dumps(USER).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))
        async with serving(Server().on("*", raw(head + body))) as server, shop(server) as client:
            assert success_of(await client.users.get(1)).value.name == "Ada"

    asyncio.run(run())


def test_header_that_is_too_large_is_a_protocol_failure() -> None:
    """A reply whose head is larger than the library reads is a failure, not a crash."""

    async def run() -> None:
        huge = raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n")
        async with serving(Server().on("*", huge)) as server, shop(server) as client:
            assert failure_of(await client.users.get(1)).kind == "protocol"

    asyncio.run(run())


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_parsing_gives_json_or_its_own_error(body: bytes) -> None:
    """Any bytes are JSON or an ``InvalidJsonError``; what is accepted is JSON for everybody."""
    try:
        value = parse(body)
    except InvalidJsonError:
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_failures_are_values() -> None:
    """Failures compare by value and print their kind and message."""
    one = MAP.of_reply(answer(404, b'{"message": "no such user"}'))
    same = MAP.of_reply(answer(404, b'{"message": "no such user"}'))
    assert one == same
    assert str(one) == "not_found: no such user"
    assert isinstance(one, Failure)
