"""Demonstrations: retries, timeouts, redirects, idempotency, recovery and honesty."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from tests.client.scripted import Seen, problem, reply, serving, stall, wait
from tests.client.shopside import ORDER, USER
from tests.subjects.driving import driven, policy, said
from tests.subjects.showing import Create, after, gaps, patient, shows, single, user

BUY = {"data": {"items": [{"sku": "TEA-250", "quantity": 2}]}}


@shows("counts-on-the-client", good=["ok", "ok"], bad=["server", "server"])
async def two_calls_share_their_retries(create: Create) -> Any:
    """Two calls at the same time, each of which is fine at the third attempt."""
    async with serving() as server, driven(create, server.url) as client:
        for number in (1, 2):
            server.on(f"GET /users/{number}", problem(503), problem(503), user(number))
        return list(await asyncio.gather(*(said(client.get(number)) for number in (1, 2))))


@shows("doubles-the-first-wait", good=1, bad=2)
async def first_wait(create: Create) -> Any:
    """How many times 200 ms pass before the first retry, where 200 ms are promised."""
    async with serving() as server, driven(create, server.url, promised=patient(200)) as client:
        server.on("GET /users/1", problem(503), user())
        await client.get()
        return int(gaps(server, "GET /users/1")[0] / 0.2)


@shows("retries-at-once", good=True, bad=False)
async def wait_before_a_retry(create: Create) -> Any:
    """Whether the wait that is promised passes before a retry."""
    async with serving() as server, driven(create, server.url, promised=patient(100)) as client:
        server.on("GET /users/1", problem(503), user())
        await client.get()
        return gaps(server, "GET /users/1")[0] >= 0.09


@shows("takes-a-bad-date-for-now", good=True, bad=False)
async def unreadable_retry_after(create: Create) -> Any:
    """Whether the usual wait is kept when Retry-After cannot be read."""
    async with serving() as server, driven(create, server.url, promised=patient(100)) as client:
        server.on("GET /users/1", problem(503, Retry_After="as soon as possible"), user())
        await client.get()
        return gaps(server, "GET /users/1")[0] >= 0.09


@shows("no-jitter", good=False, bad=True)
async def longest_waits(create: Create) -> Any:
    """Whether each of eight waits is as long as the longest that full jitter allows."""
    promised = policy(retry={"jitter": "full", "first_delay_ms": 40, "factor": 1})
    async with serving() as server, driven(create, server.url, promised=promised) as client:
        server.on("*", problem(503))
        for number in range(1, 5):
            await client.get(number)
        return all(gap >= 0.039 for number in range(1, 5) for gap in gaps(server, f"GET /users/{number}"))


@shows("replays-a-spent-body", good=[True], bad=[True, False])
async def body_that_can_be_read_once(create: Create) -> Any:
    """Whether each request for an order, whose body can be read once, had one."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("POST /orders", problem(503), reply(201, ORDER))
        await client.call("orders.create", BUY, replayable=False)
        return [bool(seen.body) for seen in server.seen]


@shows("reports-the-first-error", good="server", bad="timeout.read")
async def what_a_call_failed_with(create: Create) -> Any:
    """The kind of failure of a call that met silence once and 503 twice."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", stall, problem(503), problem(503))
        return await client.said("users.get", {"id": 1})


@shows("no-budget", good=4, bad=9)
async def requests_in_an_outage(create: Create) -> Any:
    """How many requests three calls make in an outage with one token for retries."""
    promised = policy(retry={"budget": {"tokens": 1, "cost": 1, "refill": 0}})
    async with serving() as server, driven(create, server.url, promised=promised) as client:
        server.on("*", problem(503))
        for number in range(3):
            await client.get(number)
        return len(server.seen)


@shows("retries-certificate-failures", good=("tls", 1), bad=("tls", 3))
async def connections_that_are_no_tls(create: Create) -> Any:
    """The failure, and how often the client connects, where the handshake cannot succeed."""
    connections = 0

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with listener, driven(create, f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}") as client:
        return await client.said("users.get", {"id": 1}), connections


@shows("no-total-deadline", good="timeout.total", bad="timeout.read")
async def where_a_silent_server_ends(create: Create) -> Any:
    """The limit that ends a call to a silent server: three attempts of 150 ms, and 300 ms in all."""
    promised = policy(timeouts={"total_ms": 300})
    async with serving() as server, driven(create, server.url, promised=promised) as client:
        server.on("*", stall)
        return await client.said("users.get", {"id": 1})


@shows("no-read-timeout", good="timeout.read", bad="timeout.total")
async def where_a_silence_ends(create: Create) -> Any:
    """The limit that ends a silence: 150 ms for reading, and 600 ms in all."""
    promised = single(timeouts={"total_ms": 600})
    async with serving() as server, driven(create, server.url, promised=promised) as client:
        server.on("*", stall)
        return await client.said("users.get", {"id": 1})


@shows("calls-a-failed-connect-silence", good="timeout.connect", bad="timeout.read")
async def place_that_takes_no_connections(create: Create) -> Any:
    """The failure where the server's queue of connections is full."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    try:
        for queued in waiting:
            queued.setblocking(False)
            queued.connect_ex(full.getsockname())
        promised = single(timeouts={"connect_ms": 200})
        async with driven(create, f"http://127.0.0.1:{full.getsockname()[1]}", promised=promised) as client:
            return await client.said("users.get", {"id": 1})
    finally:
        for opened in (*waiting, full):
            opened.close()


@shows("blames-the-network-for-its-pool", good="timeout.pool", bad="offline")
async def busy_pool(create: Create) -> Any:
    """The failure of a call that finds the only connection in use."""
    promised = single(pool={"size": 1}, timeouts={"pool_ms": 100, "read_ms": 500})
    async with serving() as server, driven(create, server.url, promised=promised) as client:
        server.on("GET /users/1", stall)
        first = asyncio.ensure_future(client.get(1))
        second = await after(0.05, said(client.get(2)))
        await first
        return second


@shows("abandons-timed-out-attempts", good=False, bad=True)
async def connection_of_a_timed_out_attempt(create: Create) -> Any:
    """Whether the connection of the first attempt, which timed out, is open when the second one comes."""
    still_open = None

    async def look(seen: Seen) -> None:
        nonlocal still_open
        still_open = server.connections[0].ended is None
        await user()(seen)

    async with serving() as server, driven(create, server.url, promised=patient(100)) as client:
        server.on("GET /users/1", stall, look)
        await client.get()
        return still_open


@shows("forgets-that-a-write-left", good=True, bad=False)
async def write_without_an_answer(create: Create) -> Any:
    """Whether an order that met silence says that its effect is unknown."""
    async with serving() as server, driven(create, server.url, promised=single()) as client:
        server.on("*", stall)
        outcome = await client.call("orders.create", BUY)
        return outcome.error is not None and outcome.error.effect_unknown


@shows("holds-while-waiting", good="ok", bad="timeout.pool")
async def call_beside_a_back_off(create: Create) -> Any:
    """How a call ends that needs the only connection while another call waits for its retry."""
    promised = policy(pool={"size": 1}, timeouts={"pool_ms": 150}, retry={"first_delay_ms": 400, "max_delay_ms": 400})
    async with serving() as server, driven(create, server.url, promised=promised) as client:
        server.on("GET /users/1", problem(503), user()).on("GET /users/2", user(2))
        first = asyncio.ensure_future(client.get(1))
        second = await after(0.1, said(client.get(2)))
        await first
        return second


@shows("put-becomes-get", good=["PUT"], bad=["GET"])
async def redirected_write(create: Create) -> Any:
    """The methods with which a redirected PUT comes to its new place."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("PUT /users/1", reply(301, Location="/moved")).on("*", user())
        await client.call("users.update", {"id": 1, "data": USER})
        return [seen.method for seen in server.seen if seen.target == "/moved"]


@shows("redirects-without-end", good=("redirect", 6), bad=("redirect", 41))
async def circle_of_redirects(create: Create) -> Any:
    """The failure, and how many requests are made, where a redirect leads to itself and five are promised."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", reply(302, Location="/users/1"))
        return await client.said("users.get", {"id": 1}), len(server.seen)


@shows("gives-up-while-in-progress", good="ok", bad="conflict")
async def first_request_still_running(create: Create) -> Any:
    """How an order ends whose first request is still running when it asks again."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("POST /orders", reply(409, {"type": "/problems/idempotency-in-progress"}), reply(201, ORDER))
        return await client.said("orders.create", BUY)


@shows("stays-broken", good="ok", bad="closed")
async def server_that_is_back(create: Create) -> Any:
    """How a call ends when the server is back after three failures."""
    async with serving() as server, driven(create, server.url, promised=single()) as client:
        server.on("GET /users/1", problem(503), problem(503), problem(503), user())
        for _ in range(3):
            await client.get()
        return await client.said("users.get", {"id": 1})


@shows("says-one-attempt", good=2, bad=1)
async def attempts_as_told(create: Create) -> Any:
    """How many attempts a call says it made that was retried once."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", problem(503), user())
        return (await client.get()).attempts


@shows("answers-with-another-s-value", good=[1, 2], bad=[1, 1])
async def two_reads_at_once(create: Create) -> Any:
    """Who two reads at the same time bring."""
    async with serving() as server, driven(create, server.url) as client:
        server.on("GET /users/1", wait(0.05, user(1))).on("GET /users/2", user(2))
        outcomes = await asyncio.gather(client.get(1), client.get(2))
        return [outcome.value.data["id"] for outcome in outcomes if outcome.value is not None]


@shows("cancel-ignored-in-back-off", good=("cancelled", 1), bad=("ok", 2))
async def cancelled_in_back_off(create: Create) -> Any:
    """How a call ends that is cancelled while it waits for its retry, and how many requests it makes."""
    async with serving() as server, driven(create, server.url, promised=patient(200)) as client:
        server.on("GET /users/1", problem(503), user())
        call = asyncio.ensure_future(said(client.get()))
        await asyncio.sleep(0.1)
        call.cancel()
        return await call, len(server.seen)


@shows("cancel-is-a-failure", good="cancelled", bad="closed")
async def cancelled_under_way(create: Create) -> Any:
    """How a call ends that is cancelled while it waits for its answer."""
    async with serving() as server, driven(create, server.url, promised=single()) as client:
        server.on("*", stall)
        call = asyncio.ensure_future(said(client.get()))
        await asyncio.sleep(0.05)
        call.cancel()
        return await call


@shows("cancel-takes-neighbours", good="ok", bad="closed")
async def neighbour_of_a_cancelled_call(create: Create) -> Any:
    """How a call ends beside which another is cancelled."""
    async with serving() as server, driven(create, server.url, promised=single()) as client:
        server.on("GET /users/1", stall).on("GET /users/2", wait(0.1, user(2)))
        first, second = (asyncio.ensure_future(said(client.get(number))) for number in (1, 2))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second
