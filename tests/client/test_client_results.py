"""What a caller gets: values to match on, mistakes as bugs, empty answers as promised, any request, and no escape."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sadpath.client import (
    Bug,
    Err,
    HttpAnswer,
    Order,
    OrderLine,
    Parts,
    Result,
    Settings,
    ShopClient,
    Success,
    User,
)
from sadpath.client.exchange import Exchange
from sadpath.client.http import InvalidUrlError, Url, Wire
from sadpath.client.message import Call, Reply, Request
from sadpath.client.policy import ErrorPolicy
from tests.client.scripted import Server, Step, problem, reply, serving
from tests.client.shopside import ORDER, QUICK, SETTINGS, USER, failure_of, shop, success_of

WHEN = datetime(2024, 2, 29, 12, tzinfo=UTC)


def test_results_are_made_to_be_matched() -> None:
    """A caller takes results apart with ``match``."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(200, USER), problem(503)).on("GET /users/2", problem(404))
        async with serving(script) as server, shop(server) as client:

            async def show(number: int) -> str:
                match await client.users.get(number):
                    case Success(user, stale=True):
                        return f"old {user.name}"
                    case Success(user):
                        return user.name
                    case Err(failure):
                        return failure.kind

            assert [await show(1), await show(1), await show(2)] == ["Ada", "old Ada", "not_found"]

    asyncio.run(run())


def test_values_are_the_domains() -> None:
    """Callers get the domain's objects; the JSON they were read from is beside them."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(200, USER)).on("GET /settings", reply(200, SETTINGS))
        script.on("POST /orders", reply(201, ORDER)).on("PUT /users/1", reply(200, USER)).on(
            "DELETE /users/1", reply(204)
        )
        async with serving(script) as server, shop(server) as client:
            user = User(1, "Ada", "ada@example.com", None, WHEN)
            read = success_of(await client.users.get(1))
            assert (read.value, read.json, read.status, read.attempts) == (user, USER, 200, 1)
            assert success_of(await client.settings.get()).value == Settings("dark", "en-GB", True)
            order = success_of(await client.orders.create({"items": []}))
            assert order.value == Order(7, 1, (OrderLine("TEA-250", 2),), 1198, "paid", WHEN)
            assert order.status == 201
            assert success_of(await client.users.update(1, {"user_name": "Ada"})).value == user
            gone = success_of(await client.users.delete(1))
            assert (gone.value, gone.json, gone.status) == (None, None, 204)

    asyncio.run(run())


def test_any_request_goes_through_the_stack() -> None:
    """A request that no operation stands for is signed, retried and answered like the others, and not cached."""

    async def run() -> None:
        script = Server().on("PATCH /things/1", reply(200, {"a": [1]})).on("GET /things/1", problem(503), reply(200, 5))
        async with serving(script) as server, shop(server) as client:
            answer = success_of(await client.http("patch", "/things/1?x=1", json={"b": 2}, headers={"X-Y": "z"}))
            assert (answer.value, answer.status) == (HttpAnswer(200, {"a": [1]}), 200)
            seen = server.seen[0]
            assert (seen.target, seen.json, seen.headers["x-y"]) == ("/things/1?x=1", {"b": 2}, "z")
            assert (seen.token, seen.headers["content-type"]) == ("access-token-1", "application/json")
            assert success_of(await client.http("GET", "things/1")).value == HttpAnswer(200, 5)

    asyncio.run(run())


Mistake = Callable[[ShopClient], Awaitable[Result[Any]]]


@pytest.mark.parametrize(
    "mistake",
    [
        lambda client: client.http("GET", "http://["),
        lambda client: client.http("GET", "ftp://shop.example/x"),
        lambda client: client.http("GET", "http:///x"),
        lambda client: client.http("GET", "/a\x00b"),
        lambda client: client.http("GE T", "/x"),
        lambda client: client.http("", "/x"),
        lambda client: client.http("CONNECT", "/x"),
        lambda client: client.http("GET", "/x", headers={"X-A": "b\r\nX-C: d"}),
        lambda client: client.http("GET", "/x", headers={"X A": "b"}),
        lambda client: client.http("GET", "/x", headers={"X-A": "caf\u00e9"}),
        lambda client: client.http("GET", "/x", headers={"Host": "elsewhere.example"}),
        lambda client: client.http("POST", "/x", json={"a": float("nan")}),
        lambda client: client.http("POST", "/x", json={"a": object()}),
        lambda client: client.http("POST", "/x", json={"a": "\ud800"}),
        lambda client: client.users.get(""),
        lambda client: client.users.get(".."),
        lambda client: client.users.get(1, headers={"X-A": "b\n"}),
        lambda client: client.users.create({"a": {1, 2}}),
        lambda client: client.users.list(headers={"": "x"}),
        lambda client: client.login("a@b.example", "\ud800"),
    ],
)
def test_callers_mistakes_are_bugs(mistake: Mistake) -> None:
    """What cannot be sent is the caller's bug: a result, not an exception, and nothing is connected or sent."""

    async def run() -> None:
        async with serving() as server, shop(server) as client:
            failure = failure_of(await mistake(client))
            assert isinstance(failure, Bug)
            assert failure.message
            assert (failure.attempts, server.connections) == (0, [])

    asyncio.run(run())


def test_base_url_that_is_none_is_refused_at_once() -> None:
    """A client of nothing is not made."""
    with pytest.raises(InvalidUrlError):
        ShopClient.create("shop.example")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop.example",
        "//a/x",
        "ftp://a",
        "http:///x",
        "http://[",
        "http://.",
        "http://a..b",
        "http://a b/",
        "http://a%41",
        "http://a:0",
        "http://a:99999",
        "http://" + "a" * 64,
        "http://" + "a." * 130,
    ],
)
def test_what_is_no_url_is_told_apart(text: str) -> None:
    """A text that names no host over http is no URL, however kindly a library takes it."""
    with pytest.raises(InvalidUrlError):
        Url(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a/x", "http://a:80/y", True),
        ("https://A.example", "https://a.example:443/z", True),
        ("http://a", "https://a", False),
        ("http://a", "http://a:8080", False),
        ("http://a", "http://b", False),
        ("http://[::1]/", "http://[::1]:80/", True),
        ("http://user@a/", "http://a/", True),
        ("http://xn--a/", "http://xn--a:80/", True),
    ],
)
def test_origins_are_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    """Two URLs are of one origin exactly if scheme, host and port are the same (RFC 9110 §4.3.1)."""
    assert (Url(one).origin == Url(other).origin) is same


@pytest.mark.parametrize("segment", ["a/b", "a b", "ä", "a?b=c", "a#b", "%2e%2e"])
def test_arguments_stay_in_their_segment(segment: str) -> None:
    """Whatever an id is made of, it stays one segment of the path."""

    async def run() -> None:
        async with serving(Server().on("*", reply(200, USER))) as server, shop(server) as client:
            success_of(await client.users.get(segment))
            path = server.seen[0].target
            assert path.startswith("/users/")
            assert not set("/?# ") & set(path.removeprefix("/users/"))

    asyncio.run(run())


def test_base_url_with_a_path_is_kept() -> None:
    """Everything goes below the base URL's path, renewals included."""

    async def run() -> None:
        async with serving(Server().on("*", reply(401))) as server:
            async with shop(server) as probe:
                await probe.restore(None)
            client = ShopClient.create(f"{server.url}/s/abc/", policy=QUICK)
            async with client:
                await client.login("ada@example.com", "correct-horse")
                await client.users.get(1)
                await client.http("GET", "health")
                assert [seen.target for seen in server.seen] == ["/s/abc/auth/login", "/s/abc/users/1", "/s/abc/health"]

    asyncio.run(run())


@pytest.mark.parametrize("answer", [reply(204), reply(200), reply(200, b" \n")])
@pytest.mark.parametrize("allowed", [False, True])
def test_empty_success_is_what_the_policy_says(answer: Step, allowed: bool) -> None:
    """A success without content, where content was promised, is an error or a success without a value."""

    async def run() -> None:
        policy = replace(QUICK, errors=ErrorPolicy(empty_success="ok" if allowed else "error"))
        script = Server().on("GET /users/1", answer).on("GET /x", answer)
        async with serving(script) as server, shop(server, policy=policy) as client:
            for result in (await client.users.get(1), await client.http("GET", "/x")):
                if allowed:
                    assert success_of(result).json is None
                else:
                    assert failure_of(result).kind == "decode"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "answer"), [("DELETE", reply(200)), ("POST", reply(204)), ("HEAD", reply(200, USER))]
)
def test_no_content_is_no_error_where_none_is_due(method: str, answer: Step) -> None:
    """Where an answer need not have content, having none is a success."""

    async def run() -> None:
        async with serving(Server().on("*", answer)) as server, shop(server) as client:
            assert success_of(await client.http(method, "/x")).json is None

    asyncio.run(run())


def test_answer_that_is_too_large_is_not_held() -> None:
    """An answer larger than the client is ready to hold is a failure of its own, compressed or not."""

    class Small(Exchange):
        """An exchange that holds a kilobyte."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, max_body=1024, **options)

    async def run() -> None:
        script = (
            Server().on("GET /big", reply(200, b'"' + b"x" * 5000 + b'"')).on("GET /error", reply(500, b"x" * 5000))
        )
        async with serving(script) as server, shop(server, parts=Parts(exchange=Small)) as client:
            failure = failure_of(await client.http("GET", "/big"))
            assert (failure.kind, failure.status, failure.attempts) == ("too_large", 200, 1)
            assert failure_of(await client.http("GET", "/error")).kind == "server"

    asyncio.run(run())


@pytest.mark.parametrize("layer", ["exchange", "calls"])
def test_nothing_escapes_the_result(layer: str) -> None:
    """A mistake in a layer below is a bug in the result, not an exception in the caller's face."""

    class Broken(Exchange):
        """An exchange with a mistake in it."""

        async def send(self, call: Call, request: Request, wants_body: Callable[[Reply], bool]) -> Any:
            """Stumble."""
            raise ZeroDivisionError("a mistake")

        async def talk(self, request: Request, wire: Wire, wants_body: Callable[[Reply], bool]) -> Any:
            """Stumble, further down."""
            raise ZeroDivisionError("a mistake")

    class Lower(Broken):
        """The same, further down."""

        send = Exchange.send

    async def run() -> None:
        parts = Parts(exchange=Lower if layer == "exchange" else Broken)
        async with serving() as server, shop(server, parts=parts) as client:
            for call in (client.users.get(1), client.users.create({}), client.http("GET", "/x"), client.settings.get()):
                failure = failure_of(await call)
                assert (failure.kind, failure.native) == ("bug", "ZeroDivisionError")

    asyncio.run(run())


def test_refused_connection_and_unknown_host_have_their_kinds() -> None:
    """A closed port is refused, a name that nobody knows is a matter of DNS; neither has an effect."""

    async def run() -> None:
        async with serving() as server:
            pass
        async with shop(server) as client:
            failure = failure_of(await client.users.update(1, {}))
            assert (failure.kind, failure.attempts, failure.effect_unknown) == ("refused", 3, False)
        async with ShopClient.create("http://nobody.invalid", policy=QUICK) as client:
            assert failure_of(await client.users.get(1)).kind == "dns"

    asyncio.run(run())


def test_compressed_answers_are_read() -> None:
    """Answers that come compressed are read like others."""
    import gzip
    import json

    async def run() -> None:
        packed = reply(200, gzip.compress(json.dumps(USER).encode()), Content_Encoding="gzip")
        async with serving(Server().on("*", packed)) as server, shop(server) as client:
            assert success_of(await client.users.get(1)).json == USER
            assert server.seen[0].headers["accept-encoding"] == "gzip, deflate"

    asyncio.run(run())
