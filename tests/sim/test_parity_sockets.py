"""Sockets below transports: ``loop.sock_*`` calls and the errors of sockets, real and simulated alike."""

from __future__ import annotations

import asyncio
import errno
import gc
import select
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.sim.errors import SimUnsupported
from sadpath.sim.names import WILDCARD
from sadpath.sim.ordered import OrderedSet
from sadpath.sim.sockets import SocketView
from sadpath.sim.tcp import SimSocket
from sadpath.sim.world import SimWorld, run_sim

SETTLE = 0.05


class Ends:
    """A connected pair of sockets and the listener they came from, of one kind or the other."""

    def __init__(self, listener: Any, client: Any, server: Any) -> None:
        self.listener = listener
        self.client = client
        self.server = server

    def close(self) -> None:
        """Close all three."""
        for sock in (self.client, self.server, self.listener):
            sock.close()


async def _ends(world: SimWorld | None) -> Ends:
    loop = asyncio.get_running_loop()
    listener: Any
    client: Any
    if world is None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        client = socket.socket()
        client.setblocking(False)
    else:
        listener, client = world.network.listen("127.0.0.1"), SimSocket(world.network)
    await loop.sock_connect(client, listener.getsockname())
    server, address = await loop.sock_accept(listener)
    server.setblocking(False)
    assert address == client.getsockname()
    return Ends(listener, client, server)


def _both(main: Callable[[Ends], Coroutine[Any, Any, Any]], kind: str) -> Any:
    async def run(world: SimWorld | None) -> Any:
        ends = await _ends(world)
        try:
            return await main(ends)
        finally:
            ends.close()

    return asyncio.run(run(None)) if kind == "real" else run_sim(run).value


def _error(call: Callable[[], Any]) -> Any:
    """Return what the call returns, or the name of its errno."""
    try:
        return call()
    except OSError as exc:
        return errno.errorcode[exc.errno or 0]


@pytest.fixture(params=["real", "sim"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of socket in turn."""
    return str(request.param)


def test_loop_calls(kind: str) -> None:
    """``sock_sendall``, ``sock_recv`` and ``sock_recv_into`` move bytes, in pieces as wanted."""

    async def main(ends: Ends) -> list[Any]:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(ends.client, b"0123456789")
        buffer = bytearray(4)
        got: list[Any] = [
            await loop.sock_recv(ends.server, 3),
            await loop.sock_recv_into(ends.server, buffer),
            bytes(buffer),
        ]
        got.append(await loop.sock_recv(ends.server, 100))
        waiting = asyncio.create_task(loop.sock_recv(ends.client, 10))
        await asyncio.sleep(SETTLE)
        await loop.sock_sendall(ends.server, b"late")
        return [*got, await waiting]

    assert _both(main, kind) == [b"012", 4, b"3456", b"789", b"late"]


def test_large_send(kind: str) -> None:
    """``sock_sendall`` waits for room as often as it takes."""

    async def main(ends: Ends) -> int:
        loop = asyncio.get_running_loop()
        sending = asyncio.create_task(loop.sock_sendall(ends.client, bytes(5_000_000)))
        got = 0
        while got < 5_000_000:
            got += len(await loop.sock_recv(ends.server, 65_536))
        await sending
        return got

    assert _both(main, kind) == 5_000_000


def test_errors_of_an_open_socket(kind: str) -> None:
    """Nothing to read would block; so would writing into full buffers."""

    async def main(ends: Ends) -> list[Any]:
        empty = _error(lambda: ends.server.recv(10))
        sent = 0
        while isinstance(taken := _error(lambda: ends.client.send(bytes(100_000))), int):
            sent += taken
        return [empty, taken, sent > 100_000]

    assert _both(main, kind) == ["EAGAIN", "EAGAIN", True]


def test_after_shutdown(kind: str) -> None:
    """A side that shut down writing cannot send; the other reads EOF, as often as it asks."""

    async def main(ends: Ends) -> list[Any]:
        ends.client.send(b"last")
        ends.client.shutdown(socket.SHUT_WR)
        await asyncio.sleep(SETTLE)
        return [_error(lambda: ends.client.send(b"x")), *(ends.server.recv(10) for _ in "123")]

    assert _both(main, kind) == ["EPIPE", b"last", b"", b""]


def test_after_shutting_down_reading(kind: str) -> None:
    """A side that shut down reading reads what is there, and EOF after it; data may still come."""

    async def main(ends: Ends) -> list[Any]:
        ends.server.send(b"there")
        await asyncio.sleep(SETTLE)
        ends.client.shutdown(socket.SHUT_RD)
        got = [ends.client.recv(10), ends.client.recv(10)]
        ends.server.send(b"more")
        await asyncio.sleep(SETTLE)
        return [*got, ends.client.recv(10)]

    assert _both(main, kind) == [b"there", b"", b"more"]


def test_after_a_reset(kind: str) -> None:
    """What had arrived is read, the error comes once, then EOF and EPIPE; the peer's address is gone."""

    async def main(ends: Ends) -> list[Any]:
        ends.server.send(b"some")
        ends.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ends.server.close()
        await asyncio.sleep(SETTLE)
        client = ends.client
        reads = [_error(lambda: client.recv(10)) for _ in "123"]
        return [
            *reads,
            *(_error(call) for call in (lambda: client.send(b"x"), client.getpeername, lambda: client.shutdown(1))),
        ]

    assert _both(main, kind) == [b"some", "ECONNRESET", b"", "EPIPE", "ENOTCONN", "ENOTCONN"]


def test_the_error_can_be_asked_for(kind: str) -> None:
    """``SO_ERROR`` tells of a reset once."""

    async def main(ends: Ends) -> list[int]:
        ends.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ends.server.close()
        await asyncio.sleep(SETTLE)
        return [ends.client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for _ in "12"]

    assert _both(main, kind) == [errno.ECONNRESET, 0]


def test_closed_and_unconnected(kind: str) -> None:
    """Closed sockets are bad descriptors; unconnected ones are not connected."""

    async def main(ends: Ends) -> list[Any]:
        fresh = type(ends.client)() if kind == "real" else SimSocket(ends.client.network)
        fresh.setblocking(False)
        found = [
            _error(lambda: fresh.recv(1)),
            _error(lambda: fresh.shutdown(1)),
            _error(fresh.getpeername),
            fresh.getsockname(),
        ]
        fresh.close()
        ends.client.close()
        ends.client.close()
        calls = (lambda: ends.client.recv(1), lambda: ends.client.send(b"x"), ends.client.getsockname)
        found += [_error(call) for call in calls]
        return [*found, ends.client.fileno(), _error(ends.listener.accept)]

    assert _both(main, kind) == [
        "ENOTCONN", "ENOTCONN", "ENOTCONN", (WILDCARD, 0), "EBADF", "EBADF", "EBADF", -1, "EAGAIN",
    ]  # fmt: skip


def test_options(kind: str) -> None:
    """Lingering is told as it was set, buffer sizes doubled, and others are remembered."""

    async def main(ends: Ends) -> list[Any]:
        sock = ends.client
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 7))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50_000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, struct.pack("i", 60_000))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return [
            struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)),
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0,
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM,
            sock.get_inheritable(),
            sock.gettimeout(),
        ]

    assert _both(main, kind) == [(1, 7), 100_000, 120_000, True, True, False, 0.0]


def test_a_view_polls_as_the_socket_does(kind: str) -> None:
    """``select.poll`` on a transport's socket tells whether there is something to read."""

    async def main(ends: Ends) -> list[Any]:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ends.server)
        transport.pause_reading()
        sock = transport.get_extra_info("socket")
        found = [_readable(sock)]
        ends.client.send(b"x")
        await asyncio.sleep(SETTLE)
        found.append(_readable(sock))
        assert sock.gettimeout() == 0
        assert not sock.get_inheritable()
        sock.settimeout(0)
        sock.setblocking(False)
        for name, wrong in (("settimeout", 1), ("setblocking", True)):
            with pytest.raises(ValueError, match="transport sockets"):
                getattr(sock, name)(wrong)
        sock.shutdown(socket.SHUT_WR)
        transport.abort()
        await asyncio.sleep(SETTLE)
        return [*found, sock.fileno()]

    assert _both(main, kind) == [False, True, -1]


def _readable(sock: Any) -> bool:
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class TestSimulatedOnly:
    """What only a simulated socket has to say."""

    def test_blocking_is_refused(self) -> None:
        """A simulated socket cannot be made to block, nor be duplicated."""

        async def main(world: SimWorld) -> None:
            ends = await _ends(world)
            for name, wrong in (("setblocking", True), ("settimeout", 3)):
                with pytest.raises(SimUnsupported, match="cannot block"):
                    getattr(ends.client, name)(wrong)
            view = SocketView(ends.listener)
            with pytest.raises(SimUnsupported, match="no descriptor"):
                view.dup()
            assert (view.unsent_bytes(), _error(lambda: view.shutdown(1))) == (0, "ENOTCONN")
            assert "SocketView of <SimListener ('127.0.0.1'" in repr(view)
            with ends.client as sock:
                assert sock.fileno() > 0
            assert repr(sock).endswith("closed>")

        run_sim(main)

    def test_a_real_socket_that_is_dropped(self) -> None:
        """A real socket that was connected and is never used ends its simulated connection when it goes."""

        async def main(world: SimWorld) -> list[Any]:
            loop = asyncio.get_running_loop()
            listener: Any = world.network.listen("127.0.0.1", 80)
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", 80))
            server, _ = await loop.sock_accept(listener)
            sock.close()
            del sock
            gc.collect()
            return [await loop.sock_recv(server, 10)]

        assert run_sim(main).value == [b""]

    def test_cancelled_while_real_socket_connects(self) -> None:
        """A connect of a real socket that is cancelled leaves no connection."""

        async def main(world: SimWorld) -> int:
            world.network.names.add("api.test")
            world.network.blackhole()
            with socket.socket() as sock:
                sock.setblocking(False)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(5):
                        await asyncio.get_running_loop().sock_connect(sock, ("api.test", 80))
            return len(world.network.connections)

        assert run_sim(main).value == 0


small = st.lists(st.integers(0, 9), max_size=8)


@given(first=small, second=small, third=small)
def test_ordered_sets_are_sets(first: list[int], second: list[int], third: list[int]) -> None:
    """An ordered set does what the built-in one does, and keeps the order of insertion."""
    ordered, plain = OrderedSet(first), set(first)

    assert list(ordered) == list(dict.fromkeys(first))
    assert set(ordered.union(second, third)) == plain.union(second, third)
    assert set(ordered.difference(second, third)) == plain.difference(second, third)
    assert set(ordered.intersection(second, third)) == plain.intersection(second, third)
    assert ordered.issubset(second) == plain.issubset(second)
    assert ordered.issuperset(second) == plain.issuperset(second)
    assert set(ordered | OrderedSet(second)) == plain | set(second)
    assert set(ordered - OrderedSet(second)) == plain - set(second)
    copy = ordered.copy()
    copy.difference_update(second)
    assert set(copy) == plain - set(second)
    for item in second:
        copy.add(item)
        copy.add(item)
        assert list(copy)[-1] == item
        copy.remove(item)
        copy.discard(item)
        with pytest.raises(KeyError):
            copy.remove(item)
    copy.update(third)
    assert set(copy) == plain - set(second) | set(third)
    assert repr(OrderedSet([3, 1])) == "OrderedSet([3, 1])"
    copy.clear()
    assert (len(copy), bool(ordered)) == (0, bool(plain))
