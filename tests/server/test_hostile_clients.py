"""Clients that are slow, many, or gone: others get all of their answers meanwhile."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import resource
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sadpath.core.clock import LoopClock
from sadpath.engine.limits import Limits, fitting
from sadpath.scenario.model import Scenario
from sadpath.server.event_stream import MAX_WATCHERS
from sadpath.server.runner import LiveServer
from tests.support.siege import HOST, LAST, PATIENCE, PING, PONG, Raw, Received, Siege, besieged

Serve = Callable[..., LiveServer]
ScenarioOf = Callable[..., Scenario]

SOON = 0.3
"""Seconds that a head may take here."""

QUICK = Limits(head_seconds=SOON)
QUICK_BODIES = Limits(body_seconds=SOON)
POST = b"POST /ping HTTP/1.1\r\n" + HOST


def lay(server: LiveServer, attack: Callable[[Siege], Awaitable[None]]) -> None:
    """Run an attack."""

    async def main() -> None:
        async with besieged(server) as siege:
            await attack(siege)

    asyncio.run(main())


async def trickle(raw: Raw, data: bytes, pause: float = 0.02) -> Received:
    """Send byte by byte until the server has had enough, and return what it said."""
    receiving = asyncio.create_task(raw.receive())
    for byte in itertools.cycle(data):
        await raw.send(bytes([byte]))
        await asyncio.wait([receiving], timeout=pause)
        if receiving.done():
            break
    return await receiving


# Slow ones


def test_a_head_that_is_never_whole_is_given_up(serve: Serve) -> None:
    """Twenty clients that add a byte to their heads now and then get 408, which names the bound, and are let go."""

    async def attack(siege: Siege) -> None:
        raws = [await siege.connect() for _ in range(20)]
        for raw in raws:
            await raw.send(PING + b"X-A: ")
        for received in await asyncio.gather(*(trickle(raw, b"a") for raw in raws)):
            assert (received.statuses, received.ending) == ([408], "fin")
            assert received.message == f"A request's head has to be whole within {SOON} seconds"

    lay(serve(limits=QUICK), attack)


def test_a_later_head_is_given_up_too(serve: Serve) -> None:
    """The bound counts from a head's first byte where the connection was used before."""

    async def attack(siege: Siege) -> None:
        raw = await siege.connect()
        await raw.send(PING + b"\r\n")
        await raw.send(PING[:8])
        received = await trickle(raw, b"a")
        assert (received.statuses, received.ending) == ([200, 408], "fin")

    lay(serve(limits=QUICK), attack)


def test_a_connection_without_a_request_is_closed(serve: Serve) -> None:
    """A client that says nothing, or only empty lines, is let go without an answer."""

    async def attack(siege: Siege) -> None:
        silent, idle = await siege.connect(), await siege.connect()
        assert await silent.receive() == Received(b"", "fin")
        assert await trickle(idle, b"\r\n") == Received(b"", "fin")

    lay(serve(limits=QUICK), attack)


def test_empty_lines_on_their_way_are_met_by_no_reset(serve: Serve) -> None:
    """A client that sends empty lines without a pause is let go by FIN, though some cross with it."""

    async def attack(siege: Siege) -> None:
        for _ in range(5):
            assert await trickle(await siege.connect(), b"\r\n", pause=0) == Received(b"", "fin")

    lay(serve(limits=QUICK), attack)


@pytest.mark.parametrize(
    "begun",
    [
        b"Content-Length: 9\r\n\r\n",
        b"Content-Length: 9\r\n\r\nabcd",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    ],
    ids=["nothing", "a part", "no chunk", "a chunk", "no end", "told to go on"],
)
def test_a_body_that_does_not_go_on_is_given_up(serve: Serve, begun: bytes) -> None:
    """Its client gets 408, which names the bound, and is let go; the journal says that the server ended it."""

    async def attack(siege: Siege) -> None:
        raws = [await siege.connect() for _ in range(5)]
        for raw in raws:
            await raw.send(POST + begun)
        for received in await asyncio.gather(*(raw.receive() for raw in raws)):
            assert (received.statuses, received.ending) == ([408], "fin")
            said = json.loads(received.data.rpartition(b"\r\n\r\n")[2])
            assert said["message"] == f"A request's body has to go on within {SOON} seconds"
        for raw in raws:
            raw.drop()
        await siege.more_answers()
        exchanges = siege.server.sessions.default.journal.exchanges
        assert [(event.ended.how, event.ended.by) for event in exchanges] == [("fin", "server")] * 5

    lay(serve(limits=QUICK_BODIES), attack)


def test_an_own_port_gives_up_bodies_too(serve: Serve) -> None:
    """The bound holds at a session's own port as well."""

    async def attack(siege: Siege) -> None:
        session = siege.server.sessions.create("own")
        raw = await siege.connect(siege.server.open_port(session).port)
        await raw.send(POST + b"Content-Length: 9\r\n\r\na")
        assert (await raw.receive()).statuses == [408]

    lay(serve(limits=QUICK_BODIES), attack)


def test_answers_to_earlier_requests_come_before_a_body_is_given_up(serve: Serve, scenario: ScenarioOf) -> None:
    """A request behind one that is still being answered is not cut for its body, which nobody reads meanwhile."""

    async def attack(siege: Siege) -> None:
        faults = [{"on": "*", "fault": {"delay": f"{3 * SOON}s"}}]
        siege.server.sessions.create("slow", scenario=scenario(faults=faults))
        raw = await siege.connect()
        await raw.send(b"GET /s/slow/ping HTTP/1.1\r\n" + HOST + b"\r\n" + POST + b"Content-Length: 9\r\n\r\na")
        received = await raw.receive()
        assert (received.statuses, received.ending) == ([200, 408], "fin")

    lay(serve(limits=QUICK_BODIES), attack)


def test_a_body_that_goes_on_and_one_that_a_fault_does_not_read_may_last(serve: Serve, scenario: ScenarioOf) -> None:
    """A byte now and then is enough; and what a fault keeps from being read is not the client's fault."""

    async def attack(siege: Siege) -> None:
        siege.server.sessions.create("deaf", scenario=scenario(faults=[{"on": "*", "fault": {"request_stall": 1}}]))
        slow, deaf = [await siege.connect() for _ in range(2)]
        await slow.send(POST + b"Content-Length: 9\r\n" + LAST)
        await deaf.send(b"POST /s/deaf/ping HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\nab")
        for _ in range(9):
            await LoopClock().sleep(SOON / 3)
            await slow.send(b"a")
        assert (await slow.receive()).statuses == [200]
        assert await deaf.receive(SOON) == Received(b"", "open")

    lay(serve(limits=QUICK_BODIES), attack)


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_nothing_is_kept_of_a_connection_that_is_over(serve: Serve, how: str) -> None:
    """Once its client has gone, by RST or FIN, no timer holds on to it until it would have been idle for too long."""

    async def attack(siege: Siege) -> None:
        raw = await siege.connect()
        await raw.send(PING + b"\r\n")
        await raw.until(PONG)
        wires = siege.server.sessions.default.wires
        kept = [weakref.ref(wire) for wire in wires]
        assert len(kept) == 1
        if how == "rst":
            raw.reset()
        else:
            raw.drop()
        async with asyncio.timeout(PATIENCE):
            while wires:
                await siege.more_answers(1)
        await siege.more_answers()
        gc.collect()
        assert kept[0]() is None

    lay(serve(), attack)


def test_what_has_begun_is_not_cut(serve: Serve, scenario: ScenarioOf) -> None:
    """Faults that let time pass, idle times between requests and slow bodies may all be longer than a head."""

    async def attack(siege: Siege) -> None:
        for name, fault in (("delayed", {"delay": f"{4 * SOON}s"}), ("stalled", "stall")):
            siege.server.sessions.create(name, scenario=scenario(faults=[{"on": "*", "fault": fault}]))
        delayed, stalled, idle, slow = [await siege.connect() for _ in range(4)]
        await delayed.send(b"GET /s/delayed/ping HTTP/1.1\r\n" + HOST + LAST)
        await stalled.send(b"GET /s/stalled/ping HTTP/1.1\r\n" + HOST + b"\r\n")
        await stalled.send(PING)
        await idle.send(PING + b"\r\n")
        await slow.send(b"POST /ping HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n" + LAST)
        for _ in range(9):
            await LoopClock().sleep(SOON / 4)
            await slow.send(b"a")
        await idle.send(PING + LAST)
        assert (await slow.receive()).statuses == [200]
        assert (await idle.receive()).statuses == [200, 200]
        assert (await delayed.receive()).statuses == [200]
        assert await stalled.receive(0.0) == Received(b"", "open")

    lay(serve(limits=QUICK), attack)


def test_bodies_that_never_end_hold_nobody_up(serve: Serve) -> None:
    """Clients whose bodies stop half-way keep neither others nor the server's end waiting."""

    async def attack(siege: Siege) -> None:
        for framing in (b"Content-Length: 9\r\n\r\na", b"Transfer-Encoding: chunked\r\n\r\n9\r\na"):
            for path in (b"/ping", b"/__admin/sessions"):
                raw = await siege.connect()
                await raw.send(b"POST " + path + b" HTTP/1.1\r\n" + HOST + framing)
        await siege.more_answers(20)

    lay(serve(), attack)


def test_an_answer_that_nobody_reads_holds_nobody_up(serve: Serve) -> None:
    """Clients that ask for twenty megabytes and read none of it are waited for alone."""

    async def attack(siege: Siege) -> None:
        for _ in range(3):
            raw = await siege.connect(limit=1024)
            await raw.send(b"GET /flood HTTP/1.1\r\n" + HOST + b"\r\n")
        journal = siege.server.sessions.default.journal
        async with asyncio.timeout(PATIENCE):
            while sum(event.bytes_sent > 0 for event in journal.exchanges) < 3:
                await siege.more_answers(1)
        await siege.more_answers(20)
        assert {event.t_ended for event in journal.exchanges} == {None}

    lay(serve(), attack)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET", PING, PING + b"\r\n", PING.replace(b"GET", b"POST") + b"Content-Length: 9\r\n\r\nabc"],
    ids=["nothing", "a method", "half a head", "a request", "half a body"],
)
def test_a_half_open_connection_is_closed(serve: Serve, sent: bytes) -> None:
    """A client that sends FIN is gone: the server closes too, whatever was there of a request."""

    async def attack(siege: Siege) -> None:
        raw = await siege.connect()
        await raw.send(sent)
        raw.shut()
        received = await raw.receive()
        assert received.ending == "fin"
        assert set(received.statuses) <= {200}

    lay(serve(), attack)


def test_what_is_no_tls_ends_before_http(serve: Serve) -> None:
    """At a port that speaks TLS, plain HTTP, rubbish and hellos that are never whole harm nobody."""

    async def attack(siege: Siege) -> None:
        hello = bytes.fromhex("16030100c8010000c40303")
        for sent in (PING + LAST, b"\0" * 100_000, hello + b"\xff" * 300):
            received = await siege.ask(sent)
            assert (received.statuses, received.ending != "open") == ([], True)
        for sent in (b"", hello):
            await (await siege.connect()).send(sent)
        await siege.more_answers(20)

    lay(serve(tls=True), attack)


# Many


def test_watchers_are_bounded_and_make_room_when_they_leave(serve: Serve) -> None:
    """One watcher too many gets 503; those who leave, however early, or whose stream nobody read, are forgotten."""
    watch = b"GET /__admin/events HTTP/1.1\r\n" + HOST + b"\r\n"

    async def attack(siege: Siege) -> None:
        for _ in range(MAX_WATCHERS):
            hasty = await siege.connect()
            await hasty.send(watch)
            hasty.drop()
        await siege.more_answers()
        raws = [await siege.connect(limit=1024) for _ in range(MAX_WATCHERS)]
        for raw in raws:
            await raw.send(watch)
            assert (await raw.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        beyond = await siege.ask(watch[:-2] + LAST)
        assert (beyond.statuses, str(MAX_WATCHERS) in beyond.message) == ([503], True)
        for raw in raws:
            raw.drop()
        await siege.more_answers()
        again = await siege.connect()
        await again.send(watch)
        assert (await again.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    lay(serve(), attack)


@contextmanager
def many_files(count: int) -> Iterator[None]:
    """Let this process open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def open_many(siege: Siege, count: int) -> list[Raw]:
    """Open connections all at once."""
    return list(await asyncio.gather(*(siege.connect() for _ in range(count))))


def test_a_thousand_connections_at_once_are_served(serve: Serve) -> None:
    """All of them are answered, also while more are turned away; these get 503 or nothing."""

    async def attack(siege: Siege) -> None:
        raws = await open_many(siege, 999)  # the neighbour has one
        for raw in raws:
            await raw.send(PING + b"\r\n")
        await siege.more_answers()
        beyond = await open_many(siege, 300)
        for raw in beyond:
            await raw.send(PING + b"\r\n")
        refused = [received.statuses for received in await asyncio.gather(*(raw.receive() for raw in beyond))]
        assert [statuses for statuses in refused if statuses not in ([503], [])] == []
        assert [503] in refused
        for raw in raws:
            await raw.send(PING + LAST)
        answers = await asyncio.gather(*(raw.receive() for raw in raws))
        assert [received.statuses for received in answers] == [[200, 200]] * 999

    with many_files(4096):
        lay(serve(), attack)


def test_connections_beyond_the_bound_are_told_so(serve: Serve) -> None:
    """The bound is named in a 503; a few more are closed without a word; room that is made is used."""

    async def attack(siege: Siege) -> None:
        raws = await open_many(siege, 15)  # the neighbour has one
        first, second = [await siege.connect() for _ in range(2)]
        for raw in (first, second):
            received = await raw.receive()
            assert (received.statuses, received.ending) == ([503], "fin")
            assert "16 connections at most" in received.message
        silent = await open_many(siege, 20)
        heard = await asyncio.gather(*(raw.receive() for raw in silent))
        assert [503] in [received.statuses for received in heard]
        assert [] in [received.statuses for received in heard]
        for raw in [*raws[:2], first, second, *silent]:
            raw.drop()
        await siege.more_answers()
        assert (await siege.ask(PING + LAST)).body == PONG
        await raws[-1].send(PING + LAST)
        assert (await raws[-1].receive()).body == PONG

    lay(serve(limits=Limits(connections=16)), attack)


def test_sessions_own_ports_count_with_the_rest(serve: Serve) -> None:
    """A port of a session's own takes no more connections than are left, nor waits longer for a head."""

    async def attack(siege: Siege) -> None:
        port = siege.server.open_port(siege.server.sessions.create("own"))
        raw = await siege.connect(port.port)
        await raw.send(PING)
        assert (await raw.receive()).statuses == [408]
        raw.drop()
        await siege.more_answers()
        held = [await siege.connect(port.port) for _ in range(7)]
        for one in held:
            await one.send(PING + b"\r\n")
        await siege.more_answers()
        received = await (await siege.connect(port.port)).receive()
        assert (received.statuses, received.ending) == ([503], "fin")

    lay(serve(limits=Limits(connections=8, head_seconds=SOON)), attack)


def test_connections_that_a_fault_holds_are_bounded(serve: Serve, scenario: ScenarioOf) -> None:
    """A port of a session's own holds a thousand connections before HTTP; one more is closed, the others stay."""
    stall: Any = {"faults": [{"on": "connection", "fault": "accept_stall"}]}

    async def attack(siege: Siege) -> None:
        port = siege.server.open_port(siege.server.sessions.create("own", scenario=scenario(**stall)))
        raws = []
        for _ in range(10):
            raws += [await siege.connect(port.port) for _ in range(100)]
            await siege.more_answers(1)
        assert (await (await siege.connect(port.port)).receive()).ending == "fin"
        assert await raws[0].receive(0.0) == Received(b"", "open")
        assert await raws[-1].receive(0.0) == Received(b"", "open")

    with many_files(4096):
        lay(serve(), attack)


@pytest.mark.parametrize(("files", "connections"), [(4096, 1_000), (1024, 480), (256, 96), (40, 16)])
def test_the_bound_on_connections_fits_the_files(files: int, connections: int) -> None:
    """Half of a process's files are for connections, and a burst of connects cannot use up the rest."""
    with many_files(files):
        limits, backlog = fitting()
    assert (limits.connections, limits.head_seconds) == (connections, 75.0)
    assert backlog <= max(16, files // 4)
