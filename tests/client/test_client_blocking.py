"""The façade for threads: the same calls with the same results, cancelled and closed from any thread."""

from __future__ import annotations

import asyncio
import gc
import inspect
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, assert_type

import pytest

from sadpath.client import (
    AppConfig,
    BlockingPager,
    BlockingShopClient,
    CallCancelled,
    CancelToken,
    InvalidUrlError,
    Parts,
    Result,
    ShopClient,
    User,
)
from sadpath.client.blocking import BlockingOrders, BlockingSettings, BlockingUsers, ClosedError
from sadpath.client.repositories import OrderRepository, SettingsRepository, UserRepository
from sadpath.client.retry import Retry
from tests.client.scripted import Server, problem, reply, serving, stall
from tests.client.shopside import LOGGED_IN, ORDER, PATIENT, QUICK, SESSION, SETTINGS, USER, failure_of, success_of

PAGES = [
    {
        "success": True,
        "data": [{**USER, "id": number}],
        "meta": {"current_page": number, "last_page": 3, "per_page": 1, "total": 3},
    }
    for number in (1, 2, 3)
]


ON_THE_LOOP = {"background_work", "connectivity_changes"}
"""What is told on the event loop, or of its tasks: nothing for another thread."""


@contextmanager
def served(server: Server) -> Iterator[Server]:
    """Run a server in a loop and thread of its own."""
    started, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(server):
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def came(server: Server, route: str, times: int = 1) -> None:
    """Wait until requests have come to a server that runs in another thread."""
    waiting = threading.Event()
    for _ in range(2000):
        if server.count(route) >= times:
            return
        waiting.wait(0.005)
    raise AssertionError(f"{route} was asked for {server.count(route)} times")


@contextmanager
def blocking(server: Server, **options: Any) -> Iterator[BlockingShopClient]:
    """Run a client of the server, signed in."""
    with BlockingShopClient.create(server.url, **{"policy": QUICK, **options}) as client:
        client.restore(SESSION)
        yield client


@pytest.mark.parametrize(
    ("facade", "original"),
    [
        (BlockingShopClient, ShopClient),
        (BlockingUsers, UserRepository),
        (BlockingOrders, OrderRepository),
        (BlockingSettings, SettingsRepository),
    ],
)
def test_nothing_is_missing(facade: type, original: type) -> None:
    """Whatever the client offers, its façade offers, but for what only code on the event loop can use."""
    wanted = {name for name in vars(original) if not name.startswith("_")} - ON_THE_LOOP

    assert wanted <= {name for name in dir(facade) if not name.startswith("_")}


def test_methods_are_those_of_the_client() -> None:
    """A method takes what the client's takes, and type checkers know what it returns."""
    with BlockingShopClient.create("http://127.0.0.1:9") as client:
        assert inspect.signature(client.users.get) == inspect.signature(client._client.users.get)
        assert_type(client.users.pages(), BlockingPager[User])
        result = client.users.get(1)

    assert_type(result, Result[User])
    assert failure_of(result).kind == "refused"


def test_every_kind_of_call_comes_through() -> None:
    """Signing in, reads, writes, any request and signing out end as they do with the client itself."""
    server = Server().on("POST /auth/login", reply(200, LOGGED_IN)).on("POST /auth/logout", reply(204))
    server.on("GET /users/1", reply(200, USER)).on("PUT /users/1", reply(200, USER)).on(
        "GET /settings", reply(200, SETTINGS)
    )
    server.on("GET /orders", reply(200, {"data": [ORDER], "next_cursor": None})).on("POST /orders", problem(422))
    with served(server), BlockingShopClient.create(server.url, policy=QUICK) as client:
        assert success_of(client.login("ada@example.com", "secret")).value.user == "ada@example.com"
        assert client.signed_in
        assert success_of(client.users.get(1)).value.name == "Ada"
        success_of(client.users.update(1, {"user_name": "Ada"}))
        assert success_of(client.settings.get()).value.theme == "dark"
        assert [order.id for order in success_of(client.orders.list()).value.items] == [7]
        assert failure_of(client.orders.create({})).kind == "validation"
        assert success_of(client.http("GET", "/users/1")).value.status == 200
        success_of(client.logout())
        assert (client.signed_in, client.logouts, client.background_errors) == (False, 0, [])


def test_pages_are_loaded_one_after_another() -> None:
    """A pager loads as it is asked, begins anew, and goes to the end."""
    server = Server().on("GET /users", *(reply(200, page) for page in [PAGES[0], *PAGES]))
    with served(server), blocking(server) as client:
        pager = client.users.pages(1)
        success_of(pager.load_next())
        assert ([user.id for user in pager.items], pager.done) == ([1], False)
        pager.restart()
        assert pager.items == []
        assert [user.id for user in success_of(pager.load_all()).value] == [1, 2, 3]
        assert (pager.done, len(pager.json)) == (True, 3)


def test_a_configuration_and_a_replaced_part_are_used() -> None:
    """``from_config`` builds what it is told, and a part that was put in is the one that works."""

    class Never(Retry):
        def may_retry(self, *args: Any, **options: Any) -> bool:
            return False

    server = Server().on("*", problem(503))
    with served(server):
        config = AppConfig(server.url, policy=QUICK, log_level="off")
        with BlockingShopClient.from_config(config) as client:
            assert failure_of(client.users.get(1)).attempts == 3
        with BlockingShopClient.from_config(config, parts=Parts(retry=Never)) as client:
            assert failure_of(client.users.get(1)).kind == "server"


def test_threads_share_a_client() -> None:
    """Calls of many threads run side by side, each with its own answer."""
    server = Server()
    for number in range(1, 21):
        server.on(f"GET /users/{number}", reply(200, {**USER, "id": number}))
    with served(server), blocking(server) as client, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(client.users.get, range(1, 21)))

    assert [success_of(result).value.id for result in results] == list(range(1, 21))


def test_a_token_cancels_from_another_thread() -> None:
    """The calls under a token end when another thread says so, and the client goes on."""
    server = Server().on("GET /users/1", stall).on("GET /users/2", reply(200, USER))
    with served(server), blocking(server, policy=PATIENT) as client, ThreadPoolExecutor(2) as pool:
        token = CancelToken()
        under = client.cancelled_by(token)
        calls = [pool.submit(under.users.get, 1) for _ in range(2)]
        came(server, "GET /users/1", 2)
        token.cancel("the window was closed")

        for call in calls:
            with pytest.raises(CallCancelled, match="the window was closed"):
                call.result(10)
        with pytest.raises(CallCancelled):
            under.users.get(2)
        success_of(client.users.get(2))
        assert token.running == 0


def test_closing_ends_what_other_threads_wait_for() -> None:
    """A call under way fails when the client is closed, later ones are the caller's mistake, and no thread is left."""
    before = threading.active_count()
    server = Server().on("*", stall)
    with served(server), ThreadPoolExecutor(1) as pool:
        client = BlockingShopClient.create(server.url, policy=PATIENT)
        call = pool.submit(client.users.get, 1)
        came(server, "GET /users/1")
        client.close()
        client.close()

        assert failure_of(call.result(10)).kind == "closed"
        assert failure_of(client.users.get(1)).kind == "bug"
        with pytest.raises(ClosedError):
            client.settle()
    assert threading.active_count() == before


def test_a_client_that_cannot_be_built_leaves_no_thread() -> None:
    """A bad base URL is the same error as with the client itself, and the thread is gone."""
    before = threading.active_count()
    with pytest.raises(InvalidUrlError):
        BlockingShopClient.create("ftp://example.com")

    assert threading.active_count() == before


def test_hints_reach_the_client() -> None:
    """Back on the network, what was served stale is fetched again in the background, and waited for on request."""
    server = Server().on(
        "GET /users/1", reply(200, USER), *[problem(503)] * 3, reply(200, {**USER, "user_name": "Eva"})
    )
    with served(server), blocking(server) as client:
        success_of(client.users.get(1))
        client.hint(offline=True)
        assert success_of(client.users.get(1)).stale
        client.hint(offline=False)
        client.settle()
        assert server.count("GET /users/1") == 5


def test_a_program_that_forgets_to_close_ends_all_the_same() -> None:
    """The interpreter does not wait for a client that nobody closed, and a call under way ends with it."""
    server = Server().on("GET /users/1", reply(200, USER)).on("GET /users/2", stall)
    code = """
import sys, threading
from sadpath.client import BlockingShopClient
client = BlockingShopClient.create(sys.argv[1])
print(client.users.get(1).value.name)
threading.Thread(target=lambda: client.users.get(2), daemon=True).start()
"""
    with served(server):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, server.url], capture_output=True, timeout=10, check=False
        )

    assert (done.stdout, done.stderr, done.returncode) == (b"Ada\n", b"", 0)


def test_clients_that_were_closed_are_forgotten() -> None:
    """Whoever opens and closes clients all day keeps none of them."""
    with BlockingShopClient.create("http://127.0.0.1:9") as client:
        gone = weakref.ref(client._client)
        failure_of(client.users.get(1))
    del client
    gc.collect()

    assert gone() is None


def test_listeners_hear_of_what_happens_beside_the_calls() -> None:
    """What is fetched in the background is told in the client's thread, until the listener is taken away."""
    server = Server().on("GET /settings", reply(200, SETTINGS))
    heard: list[tuple[str, int]] = []
    with served(server), blocking(server) as client:
        stop = client.listen(lambda news: heard.append((news.operation, threading.get_ident())))
        for _ in range(2):
            success_of(client.settings.get())
            client.settle()
        stop()
        success_of(client.settings.get())
        client.settle()
        assert server.count("GET /settings") == 3
    stop()

    assert [operation for operation, _ in heard] == ["settings.get"]
    assert heard[0][1] != threading.get_ident()


def test_an_interrupt_ends_the_wait_and_the_call() -> None:
    """Ctrl-C while a call waits ends the program at once: the call is cancelled and the client closed."""
    server = Server().on("*", stall)
    code = """
import sys
from sadpath.client import BlockingShopClient
try:
    with BlockingShopClient.create(sys.argv[1]) as client:
        client.users.get(1)
except KeyboardInterrupt:
    print("interrupted")
"""
    with served(server):
        command = [sys.executable, "-c", code, server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            came(server, "GET /users/1")
            program.send_signal(signal.SIGINT)
            out, err = program.communicate(timeout=10)

    assert (out, err, program.returncode) == ("interrupted\n", "", 0)
