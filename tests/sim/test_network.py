"""The network: latency, segments, faults before a connection, frozen connections, queues, names, the trace."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from sadpath.sim.listener import SimListener
from sadpath.sim.network import Network
from sadpath.sim.rules import ConnectAttempt, Decision, Verdict, Window
from sadpath.sim.trace import Trace
from sadpath.sim.world import SimWorld, run_sim

T = TypeVar("T")
PORT = 80


class Notes(asyncio.Protocol):
    """Notes what arrives when."""

    def __init__(self, *, echo: bool = False) -> None:
        self.echo = echo
        self.seen: list[tuple[float, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Note the data, and send it back where that is wanted."""
        self.seen.append((round(asyncio.get_running_loop().time(), 9), data))
        if self.echo:
            self.transport.write(data)


async def _pair(*, echo: bool = False) -> tuple[Notes, Notes]:
    """Return a client's and a server's protocol, connected."""
    loop = asyncio.get_running_loop()
    servers: list[Notes] = []

    def accept() -> Notes:
        servers.append(Notes(echo=echo))
        return servers[-1]

    await loop.create_server(accept, "api.test", PORT)
    _, client = await loop.create_connection(Notes, "api.test", PORT)
    await asyncio.sleep(1)
    return client, servers[0]


def _run(main: Callable[[SimWorld], Coroutine[Any, Any, T]], network: Network | None = None) -> T:
    return run_sim(main, network=network).value


async def _attempt(world: SimWorld, host: str = "api.test", timeout: float | None = None) -> tuple[str, float]:
    """Connect once; return what came of it and how long it took."""
    start = world.now()
    try:
        async with asyncio.timeout(timeout):
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, PORT)
    except OSError as exc:
        return type(exc).__name__, round(world.now() - start, 9)
    transport.close()
    return "connected", round(world.now() - start, 9)


class TestLatency:
    """Time on the wire."""

    def test_each_direction_has_its_own(self) -> None:
        """A segment takes the latency of its direction, and the handshake both."""

        async def main(world: SimWorld) -> tuple[float, list[float]]:
            client, server = await _pair(echo=True)
            start = world.now()
            client.transport.write(b"x")
            await asyncio.sleep(1)
            return start, [server.seen[0][0] - start, client.seen[0][0] - start]

        start, times = _run(main, Network(up=0.1, down=0.02))
        assert start == pytest.approx(1.12)
        assert times == pytest.approx([0.1, 0.12])

    def test_without_latency_everything_happens_at_once(self) -> None:
        """A network without latency is allowed, and time stands still in it."""

        async def main(world: SimWorld) -> float:
            client, server = await _pair(echo=True)
            start = world.now()
            client.transport.write(b"x")
            for _turn in range(20):
                await asyncio.sleep(0)
            assert (len(server.seen), len(client.seen)) == (1, 1)
            return world.now() - start

        assert _run(main, Network(latency=0)) == 0.0

    def test_a_shorter_latency_does_not_overtake(self) -> None:
        """When the latency falls while segments are under way, they still arrive in order."""

        async def main(world: SimWorld) -> list[tuple[float, bytes]]:
            client, server = await _pair()
            client.transport.write(b"first")
            world.network.connections[1].up.latency = 0.001
            client.transport.write(b"second")
            await asyncio.sleep(1)
            return server.seen

        assert _run(main, Network(latency=0.5)) == [(2.5, b"firstsecond")]

    def test_connections_may_be_slow_one_by_one(self) -> None:
        """A rule gives the n-th connection its own latency; the others keep the network's."""

        async def main(world: SimWorld) -> list[float]:
            world.network.slow("api.test", nth=2, up=0.3, down=0.2)
            await asyncio.get_running_loop().create_server(asyncio.Protocol, "api.test", PORT)
            return [(await _attempt(world))[1] for _ in range(3)]

        assert _run(main) == pytest.approx([0.002, 0.5, 0.002])

    @pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
    def test_impossible_latencies(self, wrong: float) -> None:
        """A latency that is negative or not finite is refused."""
        with pytest.raises(ValueError, match="finite number of seconds"):
            Network(latency=wrong)


class TestSegments:
    """How what is sent is cut up and put together."""

    def test_split_with_gaps(self) -> None:
        """A splitter cuts a write into segments that arrive one after the other."""

        async def main(_: SimWorld) -> list[tuple[float, bytes]]:
            client, server = await _pair()
            client.transport.write(b"abcdefghij")
            await asyncio.sleep(1)
            return server.seen

        assert _run(main, Network(latency=0, split=lambda _: (3, 0, 4), gap=0.25)) == [
            (1.0, b"abc"),
            (1.25, b"defg"),
            (1.5, b"hij"),
        ]

    def test_segments_of_one_moment(self) -> None:
        """Segments that arrive together are one read with coalescing, and a read each without."""

        async def main(_: SimWorld) -> list[bytes]:
            client, server = await _pair()
            client.transport.write(b"abcdef")
            client.transport.write(b"ghi")
            await asyncio.sleep(1)
            return [data for _, data in server.seen]

        assert _run(main, Network(split=lambda _: (2, 100))) == [b"abcdefghi"]
        assert _run(main, Network(split=lambda _: (2, 100), coalesce=False)) == [b"ab", b"cdef", b"gh", b"i"]

    def test_receive_window_bounds_what_is_under_way(self) -> None:
        """At most a window's worth is unread or on its way, however much was sent."""

        async def main(world: SimWorld) -> list[int]:
            client, server = await _pair()
            server.transport.pause_reading()
            client.transport.write(bytes(10_000))
            await asyncio.sleep(1)
            transport: Any = client.transport
            connection = world.network.connections[1]
            stuck = [
                connection.server.unread_bytes(),
                connection.client.unsent_bytes(),
                transport.get_write_buffer_size(),
            ]
            assert transport.unsent_bytes() == 9_000
            assert transport.get_extra_info("socket").unsent_bytes() == 2_000
            server.transport.resume_reading()
            await asyncio.sleep(1)
            assert transport.unsent_bytes() == 0
            return [*stuck, sum(len(data) for _, data in server.seen)]

        assert _run(main, Network(receive_window=1_000, send_buffer=2_000)) == [1_000, 2_000, 7_000, 10_000]

    def test_buffer_sizes_can_be_set_on_a_listener(self) -> None:
        """``SO_RCVBUF`` on a listener holds for the connections accepted later, as on Linux."""

        async def main(world: SimWorld) -> int:
            loop = asyncio.get_running_loop()
            servers: list[Notes] = []

            def accept() -> Notes:
                servers.append(Notes())
                return servers[-1]

            listener = await loop.create_server(accept, "api.test", PORT)
            sock = listener.sockets[0]
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 8_192
            transport, _ = await loop.create_connection(Notes, "api.test", PORT)
            await asyncio.sleep(1)
            servers[0].transport.pause_reading()
            transport.write(bytes(100_000))
            await asyncio.sleep(1)
            return world.network.connections[1].server.unread_bytes()

        assert _run(main) == 4_096


class TestConnects:
    """Refused, black-holed and queued connects."""

    def test_windows_of_time(self) -> None:
        """Inside the window connects are refused, before and after it they are not."""

        async def main(world: SimWorld) -> list[str]:
            await asyncio.get_running_loop().create_server(asyncio.Protocol, "api.test", PORT)
            world.network.refuse("api.test", PORT, start=10, until=20)
            found = []
            for moment in (0, 10, 19.99, 20):
                await asyncio.sleep(moment - world.now())
                found.append((await _attempt(world))[0])
            return found

        assert _run(main) == ["connected", "ConnectionRefusedError", "ConnectionRefusedError", "connected"]

    def test_counted_connects(self) -> None:
        """The n-th connects of a host are refused or swallowed; those of other hosts do not count."""

        async def main(world: SimWorld) -> list[tuple[str, float]]:
            loop = asyncio.get_running_loop()
            for host in ("api.test", "other.test"):
                await loop.create_server(asyncio.Protocol, host, PORT)
            world.network.refuse("api.test", nth=(1, 3))
            world.network.blackhole("api.test", nth=4)
            hosts = ("api.test", "other.test", "api.test", "api.test", "api.test", "api.test")
            return [await _attempt(world, host, timeout=5) for host in hosts]

        assert [outcome for outcome, _ in _run(main)] == [
            "ConnectionRefusedError", "connected", "connected", "ConnectionRefusedError", "TimeoutError", "connected",
        ]  # fmt: skip

    def test_a_swallowed_syn_is_sent_again(self) -> None:
        """A black hole of two seconds: SYNs go out after 0, 1 and 3 seconds, and the third gets through."""

        async def main(world: SimWorld) -> tuple[str, float]:
            await asyncio.get_running_loop().create_server(asyncio.Protocol, "api.test", PORT)
            world.network.blackhole(until=2)
            return await _attempt(world)

        assert _run(main) == ("connected", 3.002)

    def test_the_kernel_gives_up_in_the_end(self) -> None:
        """A connect that is never answered fails after 127 seconds, as Linux' does."""

        async def main(world: SimWorld) -> tuple[str, float]:
            world.network.names.add("api.test")
            world.network.blackhole()
            outcome = await _attempt(world)
            assert [event.kind for event in world.trace].count("syn") == 7
            return outcome

        assert _run(main) == ("TimeoutError", 127.0)

    def test_a_policy_decides_first(self) -> None:
        """A policy sees every SYN and may leave the decision to the rules."""
        seen: list[ConnectAttempt] = []

        def policy(attempt: ConnectAttempt) -> Decision | Verdict | None:
            seen.append(attempt)
            verdicts: tuple[Decision | Verdict | None, ...] = (None, "accept", "refuse", Decision(up=1.0))
            return verdicts[attempt.number - 1]

        async def main(world: SimWorld) -> list[tuple[str, float]]:
            await asyncio.get_running_loop().create_server(asyncio.Protocol, "api.test", PORT)
            world.network.refuse()
            world.network.policy = policy
            return [await _attempt(world) for _ in range(4)]

        assert _run(main) == [
            ("ConnectionRefusedError", 0.002),
            ("connected", 0.002),
            ("ConnectionRefusedError", 0.002),
            ("connected", 1.001),
        ]
        assert seen[0] == ConnectAttempt(1, "api.test", "10.0.0.1", PORT, 0.0, client_port=50_001)

    def test_rules_can_be_removed(self) -> None:
        """A removed rule no longer decides, the newest rule decides first, and healing drops them all."""

        async def main(world: SimWorld) -> list[str]:
            await asyncio.get_running_loop().create_server(asyncio.Protocol, "api.test", PORT)
            rule = world.network.refuse()
            newer = world.network.blackhole()
            outcomes = [(await _attempt(world, timeout=0.5))[0]]
            newer.remove()
            outcomes.append((await _attempt(world))[0])
            rule.remove()
            outcomes.append((await _attempt(world))[0])
            world.network.refuse()
            dns = world.network.fail_dns()
            world.network.heal()
            outcomes.append((await _attempt(world))[0])
            world.network.fail_dns()
            dns.remove()
            outcomes.append((await _attempt(world))[0])
            return outcomes

        assert _run(main) == ["TimeoutError", "ConnectionRefusedError", "connected", "connected", "gaierror"]

    @pytest.mark.parametrize("wrong", [(2.0, 1.0), (float("nan"), 1.0), (0.0, float("nan"))])
    def test_impossible_windows(self, wrong: tuple[float, float]) -> None:
        """A window that ends before it starts, or has no bounds, is refused; so is the zeroth connect."""
        with pytest.raises(ValueError, match="start <= until"):
            Window(*wrong)
        with pytest.raises(ValueError, match="counted from 1"):
            Network().refuse(nth=0)

    def test_a_full_queue_loses_syns(self) -> None:
        """Connections wait up to the backlog; the next client's SYN is lost and sent again until there is room."""

        async def main(world: SimWorld) -> list[Any]:
            loop = asyncio.get_running_loop()
            listener = world.network.listen("api.test", PORT, backlog=2)
            outcomes = [await _attempt(world) for _ in range(2)]
            third = asyncio.create_task(_attempt(world))
            await asyncio.sleep(2)
            outcomes.append(("waiting", float(listener.waiting())))
            sock, address = await loop.sock_accept(listener)  # type: ignore[arg-type,unused-ignore] # one of ours
            assert await loop.sock_recv(sock, 10) == b""
            assert address[0] == "10.0.255.1"
            return [*outcomes, await third]

        assert _run(main) == [("connected", 0.002), ("connected", 0.002), ("waiting", 2.0), ("connected", 3.002)]

    def test_closing_a_listener_resets_who_waits(self) -> None:
        """Connections that nobody accepted are reset when the listener closes, half-open ones too."""

        async def main(world: SimWorld) -> list[Any]:
            loop = asyncio.get_running_loop()
            listener: SimListener = world.network.listen("api.test", PORT)
            lost: list[Any] = []

            class Watch(asyncio.Protocol):
                def connection_lost(self, exc: Exception | None) -> None:
                    lost.append(type(exc).__name__)

            await loop.create_connection(Watch, "api.test", PORT)
            await asyncio.sleep(1)
            late = asyncio.create_task(loop.create_connection(Watch, "api.test", PORT))
            await asyncio.sleep(0.0015)
            listener.close()
            listener.close()
            await late
            await asyncio.sleep(1)
            return lost

        assert _run(main) == ["ConnectionResetError"] * 2

    def test_cancelled_on_the_way(self) -> None:
        """A client that gives up before the answer arrives leaves no connection on the server."""

        async def main(world: SimWorld) -> tuple[str, int, int]:
            listener = world.network.listen("api.test", PORT)
            outcome, _ = await _attempt(world, timeout=0.0015)
            await asyncio.sleep(1)
            return outcome, listener.waiting(), len(world.network.connections)

        assert _run(main) == ("TimeoutError", 0, 0)

    def test_a_bound_port_that_does_not_listen_refuses(self) -> None:
        """Binding alone takes no connections; the address is free again after closing."""

        async def main(world: SimWorld) -> list[str]:
            sock = world.network.listener("api.test", PORT)
            outcomes = [(await _attempt(world))[0]]
            with pytest.raises(OSError, match="Address already in use") as caught:
                world.network.listen("api.test", PORT)
            assert caught.value.errno == errno.EADDRINUSE
            sock.close()
            world.network.listen("api.test", PORT)
            return [*outcomes, (await _attempt(world))[0]]

        assert _run(main) == ["ConnectionRefusedError", "connected"]


class TestFreezing:
    """Connections whose packets get lost."""

    def test_frozen_both_ways_until_thawed(self) -> None:
        """While a connection is frozen nothing arrives; afterwards everything does, in order."""

        async def main(world: SimWorld) -> list[Any]:
            client, server = await _pair(echo=True)
            connection = world.network.connections[1]
            connection.freeze()
            client.transport.write(b"one")
            await asyncio.sleep(10)
            client.transport.write(b"two")
            before = list(server.seen)
            connection.thaw()
            connection.thaw()
            await asyncio.sleep(1)
            return [before, server.seen[0], client.seen[-1][1][-3:]]

        assert _run(main) == [[], (11.002, b"one"), b"two"]

    def test_a_writer_resumes_after_the_thaw(self) -> None:
        """A writer that was stuck because acknowledgements were lost goes on once they are not."""

        async def main(world: SimWorld) -> list[int]:
            client, server = await _pair()
            connection = world.network.connections[1]
            connection.down.freeze()
            client.transport.write(bytes(10_000))
            await asyncio.sleep(10)
            got = [sum(len(data) for _, data in server.seen)]
            connection.down.thaw()
            await asyncio.sleep(10)
            return [*got, sum(len(data) for _, data in server.seen)]

        stuck, whole = _run(main, Network(receive_window=1_000, send_buffer=2_000))
        assert 0 < stuck < 10_000
        assert whole == 10_000


class TestNames:
    """Name lookups."""

    def test_unknown_names_fail(self) -> None:
        """A name that nobody listens on is unknown, as on a real network; removing one makes it so."""

        async def main(world: SimWorld) -> list[Any]:
            loop = asyncio.get_running_loop()
            await loop.create_server(asyncio.Protocol, "api.test", PORT)
            outcomes: list[Any] = [
                (await _attempt(world, host))[0] for host in ("nobody.test", "API.test.", "localhost")
            ]
            world.network.names.remove("api.test")
            with pytest.raises(socket.gaierror) as caught:
                await loop.getaddrinfo("api.test", PORT)
            return [*outcomes, caught.value.errno]

        assert _run(main) == ["gaierror", "connected", "ConnectionRefusedError", socket.EAI_NONAME]

    def test_lookups_fail_in_windows_and_by_count(self) -> None:
        """DNS fails inside a window or for the n-th lookups, for good or for now; addresses need no lookup."""

        async def main(world: SimWorld) -> list[Any]:
            loop = asyncio.get_running_loop()
            await loop.create_server(asyncio.Protocol, "api.test", PORT)
            world.network.fail_dns("api.test", until=1, temporary=True)
            world.network.fail_dns(nth=3)
            errors: list[Any] = []
            for host in ("api.test", "10.0.0.1", "api.test", "api.test", "api.test"):
                try:
                    await loop.getaddrinfo(host, PORT)
                    errors.append(None)
                except socket.gaierror as exc:
                    errors.append(exc.errno)
                await asyncio.sleep(0.7)
            return errors

        assert _run(main) == [socket.EAI_AGAIN, None, None, socket.EAI_NONAME, None]

    def test_several_addresses(self) -> None:
        """A name may have several addresses of both families; those that refuse are passed over."""

        async def main(world: SimWorld) -> list[Any]:
            loop = asyncio.get_running_loop()
            world.network.names.add("api.test", ["fd00::5", "10.9.9.8", "10.9.9.9"])
            await loop.create_server(asyncio.Protocol, "10.9.9.9", PORT)
            transport, _ = await loop.create_connection(asyncio.Protocol, "api.test", PORT)
            families = [info[0] for info in await loop.getaddrinfo("api.test", "https", family=socket.AF_INET)]
            peer = transport.get_extra_info("peername")
            transport.close()
            fast, _ = await loop.create_connection(asyncio.Protocol, "api.test", PORT, happy_eyeballs_delay=0.1)
            fast.close()
            with pytest.raises(socket.gaierror):
                await loop.getaddrinfo("localhost", PORT, family=socket.AF_INET6)
            with pytest.raises(socket.gaierror):
                await loop.getaddrinfo("api.test", "no such service")
            return [
                peer,
                families,
                await loop.getnameinfo(("10.9.9.9", PORT)),
                await loop.getnameinfo(("10.9.9.9", PORT), socket.NI_NUMERICHOST),
            ]

        assert _run(main) == [
            ("10.9.9.9", PORT), [socket.AF_INET] * 2, ("api.test", "80"), ("10.9.9.9", "80"),
        ]  # fmt: skip

    def test_ipv6(self) -> None:
        """IPv6 addresses are shown with their four fields."""

        async def main(_: SimWorld) -> list[Any]:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(asyncio.Protocol, "::1", PORT)
            transport, _protocol = await loop.create_connection(asyncio.Protocol, "::1", PORT)
            return [
                server.sockets[0].getsockname(),
                transport.get_extra_info("peername"),
                transport.get_extra_info("socket").family,
            ]

        assert _run(main) == [("::1", PORT, 0, 0), ("::1", PORT, 0, 0), socket.AF_INET6]

    def test_listening_everywhere(self) -> None:
        """A server without a host takes connections for every address, one with several hosts for those."""

        async def main(world: SimWorld) -> list[str]:
            loop = asyncio.get_running_loop()
            world.network.names.add("api.test")
            everywhere = await loop.create_server(asyncio.Protocol, None, PORT)
            outcomes = [(await _attempt(world, host))[0] for host in ("api.test", "127.0.0.1")]
            everywhere.close()
            several = await loop.create_server(asyncio.Protocol, ["api.test", "127.0.0.1"], PORT)
            outcomes += [(await _attempt(world, host))[0] for host in ("api.test", "127.0.0.1")]
            several.close()
            outcomes += [(await _attempt(world, host))[0] for host in ("api.test", "127.0.0.1")]
            return outcomes

        assert _run(main) == ["connected"] * 4 + ["ConnectionRefusedError"] * 2


class TestTrace:
    """What a run tells of its network."""

    def test_events_in_words(self) -> None:
        """Each event is one line: when, which connection and direction, what."""

        async def main(world: SimWorld) -> Trace:
            client, _server = await _pair(echo=True)
            client.transport.write(b"ping")
            await asyncio.sleep(1)
            client.transport.close()
            await asyncio.sleep(1)
            world.note("the end")
            return world.trace

        report = run_sim(main)

        assert str(report.trace).splitlines() == [
            "    0.000000  -      dns      api.test is 10.0.0.1",
            "    0.000000  #1>    syn      10.0.0.1:80",
            "    0.003000  #1>    open",
            "    1.003000  #1>    data     4 bytes",
            "    1.004000  #1<    data     4 bytes",
            "    2.003000  #1>    fin",
            "    2.004000  #1<    fin",
            "    3.002000  -      note     the end",
        ]
        assert [event.kind for event in report.trace] == [event.kind for event in report.trace.events]
        assert len(report.digest) == 32

    def test_the_list_is_bounded_and_the_digest_is_not(self) -> None:
        """Beyond the limit events are counted, not kept, and still change the digest; sealed traces do not change."""
        traces = [Trace(limit=2) for _ in "12"]
        for trace in traces:
            for number in range(5):
                trace.record(float(number), 1, ">", "data", b"x")
        traces[1].record(5.0, 1, ">", "data", b"y")

        assert [len(trace) for trace in traces] == [2, 2]
        assert [trace.dropped for trace in traces] == [3, 4]
        assert traces[0].digest != traces[1].digest
        assert str(traces[0]).endswith("... 3 more")

        before = traces[0].digest
        traces[0].seal()
        traces[0].record(9.0, 1, ">", "data", b"z")
        assert traces[0].digest == before
