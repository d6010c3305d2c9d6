"""Transports: each test runs on real loopback sockets and on the simulated network, with one expectation."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sim.conftest import Arena, Connect, End

SETTLE = 0.05
BIG = 8 * 1024 * 1024


class TestData:
    """Bytes arrive whole and in order."""

    def test_echo(self, arena: Arena, connect: Connect, end: type[End]) -> None:
        """What is written arrives, and what is answered comes back."""

        async def main() -> list[Any]:
            pair = await connect(server=lambda log: end(log, "server", data=lambda e: e.transport.write(b"pong")))
            pair.client.transport.write(b"ping")
            await pair.client.has(1)
            pair.client.transport.close()
            await pair.both_lost()
            return [pair.log.of("client"), pair.log.of("server")]

        assert arena.run(main) == [[b"pong", "lost cleanly"], [b"ping", "eof", "lost cleanly"]]

    def test_large_transfer_both_ways(self, arena: Arena, connect: Connect, end: type[End]) -> None:
        """Eight mebibytes each way arrive unchanged, through buffers that are smaller."""
        payload = bytes(range(256)) * (BIG // 256)

        async def main() -> tuple[bool, bool]:
            pair = await connect()
            pair.client.transport.write(payload)
            pair.server.transport.write(payload)
            await asyncio.gather(pair.client.has(BIG), pair.server.has(BIG))
            pair.client.transport.close()
            await pair.both_lost()
            joined = [b"".join(x for x in pair.log.of(who) if isinstance(x, bytes)) for who in ("client", "server")]
            return joined[0] == payload, joined[1] == payload

        assert arena.run(main) == (True, True)

    def test_close_flushes_what_was_written(self, arena: Arena, connect: Connect) -> None:
        """Closing right after a large write still delivers all of it, then EOF."""

        async def main() -> tuple[int, list[Any]]:
            pair = await connect()
            pair.client.transport.write(bytes(BIG))
            pair.client.transport.close()
            await pair.both_lost()
            return pair.server.received, [x for x in pair.log.of("server") if isinstance(x, str)]

        assert arena.run(main) == (BIG, ["eof", "lost cleanly"])

    def test_writelines(self, arena: Arena, connect: Connect) -> None:
        """A list of buffers arrives joined."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.client.transport.writelines([b"a", bytearray(b"bc"), memoryview(b"def")])
            pair.client.transport.close()
            await pair.both_lost()
            return pair.log.of("server")

        assert arena.run(main) == [b"abcdef", "eof", "lost cleanly"]

    def test_writes_in_one_turn_coalesce(self, arena: Arena, connect: Connect, end: type[End]) -> None:
        """Two small writes of one turn are one read on the other side."""
        cuts: list[int] = []

        async def main() -> list[Any]:
            pair = await connect(server=lambda log: end(log, "server", data=lambda e: cuts.append(e.received)))
            pair.server.transport.pause_reading()
            pair.client.transport.write(b"one")
            pair.client.transport.write(b"two")
            await asyncio.sleep(SETTLE)
            pair.server.transport.resume_reading()
            await asyncio.sleep(SETTLE)
            pair.client.transport.close()
            await pair.both_lost()
            return pair.log.of("server")

        assert arena.run(main) == [b"onetwo", "eof", "lost cleanly"]
        assert cuts == [6]

    def test_pause_reading_holds_data_back(self, arena: Arena, connect: Connect) -> None:
        """While reading is paused nothing arrives; after resuming everything does."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.server.transport.pause_reading()
            pair.client.transport.write(b"later")
            pair.client.transport.write_eof()
            await asyncio.sleep(SETTLE)
            before = list(pair.log.of("server"))
            reading = [pair.server.transport.is_reading()]
            pair.server.transport.resume_reading()
            reading.append(pair.server.transport.is_reading())
            await pair.both_lost()
            return [before, reading, pair.log.of("server")]

        assert arena.run(main) == [[], [False, True], [b"later", "eof", "lost cleanly"]]

    def test_buffered_protocol(self, arena: Arena, connect: Connect) -> None:
        """A buffered protocol has its own buffer filled, as often as it takes."""

        class Buffered(asyncio.BufferedProtocol):
            def __init__(self) -> None:
                self.buffer = bytearray(4)
                self.got = b""
                self.ended = asyncio.get_running_loop().create_future()

            def get_buffer(self, sizehint: int) -> bytearray:
                return self.buffer

            def buffer_updated(self, nbytes: int) -> None:
                self.got += self.buffer[:nbytes]

            def eof_received(self) -> None:
                self.ended.set_result(None)

        async def main() -> bytes:
            pair = await connect()
            buffered = Buffered()
            pair.server.transport.set_protocol(buffered)
            pair.client.transport.write(b"0123456789")
            pair.client.transport.write_eof()
            await buffered.ended
            await pair.client.lost
            return buffered.got

        assert arena.run(main) == b"0123456789"

    def test_set_protocol_moves_the_connection(self, arena: Arena, connect: Connect, end: type[End]) -> None:
        """After ``set_protocol`` the new protocol gets what comes, the old one nothing."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.client.transport.write(b"old")
            await pair.server.has(1)
            second = end(pair.log, "second")
            pair.server.transport.set_protocol(second)
            assert pair.server.transport.get_protocol() is second
            pair.client.transport.write(b"new")
            pair.client.transport.close()
            await second.lost
            return [pair.log.of("server"), pair.log.of("second")]

        assert arena.run(main) == [[b"old"], [b"new", "eof", "lost cleanly"]]


class TestEnding:
    """FIN, RST and half-close, as the other side sees them."""

    def test_half_close_leaves_the_other_way_open(self, arena: Arena, connect: Connect, end: type[End]) -> None:
        """After ``write_eof`` the other side may go on sending, and closes when it likes."""

        async def main() -> list[Any]:
            pair = await connect(
                server=lambda log: end(log, "server", keep_open=True, eof=lambda e: e.transport.write(b"after"))
            )
            pair.client.transport.write(b"before")
            assert pair.client.transport.can_write_eof()
            pair.client.transport.write_eof()
            await pair.client.has(1)
            pair.server.transport.write(b" all")
            pair.server.transport.close()
            await pair.both_lost()
            return [pair.log.of("client"), pair.log.of("server")]

        assert arena.run(main) == [[b"after all", "eof", "lost cleanly"], [b"before", "eof", "lost cleanly"]]

    def test_write_after_write_eof_is_an_error(self, arena: Arena, connect: Connect) -> None:
        """Writing after ``write_eof`` raises; a second ``write_eof`` does nothing."""

        async def main() -> None:
            pair = await connect()
            pair.client.transport.write_eof()
            pair.client.transport.write_eof()
            with pytest.raises(RuntimeError, match="write_eof"):
                pair.client.transport.write(b"x")
            await pair.both_lost()

        arena.run(main)

    def test_reset_comes_after_what_had_arrived(self, arena: Arena, connect: Connect) -> None:
        """RST: what had arrived is read first, then the connection is lost with an error, without EOF."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.client.transport.pause_reading()
            pair.server.transport.write(b"half an ans")
            await asyncio.sleep(SETTLE)
            pair.server.reset()
            await asyncio.sleep(SETTLE)
            pair.client.transport.resume_reading()
            await pair.both_lost()
            return [pair.log.of("client"), pair.log.of("server")]

        assert arena.run(main) == [[b"half an ans", "lost ConnectionResetError"], ["lost cleanly"]]

    def test_abort_alone_sends_fin(self, arena: Arena, connect: Connect) -> None:
        """``abort`` without lingering closes in the ordinary way: the other side sees EOF."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.server.transport.abort()
            await pair.both_lost()
            return [pair.log.of("client"), pair.log.of("server")]

        assert arena.run(main) == [["eof", "lost cleanly"], ["lost cleanly"]]

    def test_abort_drops_what_the_transport_held(self, arena: Arena, connect: Connect) -> None:
        """``abort`` forgets what no kernel had taken yet; the other side gets the rest, then EOF."""

        async def main() -> tuple[bool, list[Any]]:
            pair = await connect()
            pair.client.transport.pause_reading()
            pair.server.transport.write(bytes(BIG))
            await asyncio.sleep(SETTLE)
            held = pair.server.transport.get_write_buffer_size()
            pair.server.transport.abort()
            pair.client.transport.resume_reading()
            await pair.both_lost()
            ends = [x for x in pair.log.of("client") if isinstance(x, str)]
            return held > 0 and pair.client.received == BIG - held, ends

        assert arena.run(main) == (True, ["eof", "lost cleanly"])

    @pytest.mark.parametrize("ending", ["close", "abort"])
    def test_closing_with_unread_data_sends_reset(self, arena: Arena, connect: Connect, ending: str) -> None:
        """A side that closes with data unread resets the connection, whatever it had answered."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.server.transport.pause_reading()
            pair.client.transport.write(b"request")
            await asyncio.sleep(SETTLE)
            pair.server.transport.write(b"answer")
            getattr(pair.server.transport, ending)()
            await pair.both_lost()
            return [pair.log.of("client"), pair.log.of("server")]

        assert arena.run(main) == [[b"answer", "lost ConnectionResetError"], ["lost cleanly"]]

    def test_data_for_a_closed_socket_are_answered_with_reset(
        self, arena: Arena, connect: Connect, end: type[End]
    ) -> None:
        """After the other side has closed, a first write seems to work, and the next fails with EPIPE."""

        async def main() -> list[Any]:
            pair = await connect(client=lambda log: end(log, "client", keep_open=True))
            pair.server.transport.close()
            await pair.server.lost
            await asyncio.sleep(SETTLE)
            pair.client.transport.write(b"one")
            await asyncio.sleep(SETTLE)
            closing = [pair.client.transport.is_closing()]
            pair.client.transport.write(b"two")
            closing.append(pair.client.transport.is_closing())
            await pair.client.lost
            return [closing, pair.log.of("client")]

        assert arena.run(main) == [[False, True], ["eof", "lost BrokenPipeError"]]

    def test_data_on_their_way_meet_a_closed_socket(self, arena: Arena, connect: Connect, end: type[End]) -> None:
        """A side that sends while the other closes is reset."""

        async def main() -> list[Any]:
            pair = await connect(server=lambda log: end(log, "server", data=lambda e: e.transport.close()))
            pair.client.transport.pause_reading()
            pair.client.transport.write(b"one")
            await pair.server.lost
            pair.client.transport.write(b"two")
            await asyncio.sleep(SETTLE)
            pair.client.transport.write(b"three")
            await pair.client.lost
            return pair.log.of("client")

        assert arena.run(main) == ["lost BrokenPipeError"]

    def test_write_after_the_reset_arrived(self, arena: Arena, connect: Connect) -> None:
        """A writer that has not read the RST yet learns of it by its write."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.client.transport.pause_reading()
            pair.server.reset()
            await asyncio.sleep(SETTLE)
            pair.client.transport.write(b"x")
            await pair.both_lost()
            for _ in range(3):
                pair.client.transport.write(b"ignored")
            return pair.log.of("client")

        assert arena.run(main) == ["lost ConnectionResetError"]

    def test_reset_after_fin_is_not_seen_by_a_reader(self, arena: Arena, connect: Connect, end: type[End]) -> None:
        """A reader that had EOF sees no error when an RST follows; a writer gets EPIPE."""

        async def main() -> list[Any]:
            pair = await connect(client=lambda log: end(log, "client", keep_open=True))
            pair.server.transport.write_eof()
            await asyncio.sleep(SETTLE)
            pair.server.reset()
            await asyncio.sleep(SETTLE)
            before = list(pair.log.of("client"))
            pair.client.transport.write(b"x")
            await pair.client.lost
            return [before, pair.log.of("client")]

        assert arena.run(main) == [["eof"], ["eof", "lost BrokenPipeError"]]

    def test_both_close_at_once(self, arena: Arena, connect: Connect) -> None:
        """When both sides close in the same turn, both are lost cleanly."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.client.transport.close()
            pair.server.transport.close()
            pair.client.transport.close()
            await pair.both_lost()
            return [pair.log.of("client")[-1], pair.log.of("server")[-1]]

        assert arena.run(main) == ["lost cleanly", "lost cleanly"]

    def test_writes_after_close_are_ignored(self, arena: Arena, connect: Connect) -> None:
        """What is written after ``close`` is dropped without an error."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.client.transport.write(b"kept")
            pair.client.transport.close()
            pair.client.transport.write(b"dropped")
            assert pair.client.transport.is_closing()
            await pair.both_lost()
            return pair.log.of("server")

        assert arena.run(main) == [b"kept", "eof", "lost cleanly"]

    def test_an_error_in_the_protocol_ends_the_connection(self, arena: Arena, connect: Connect, end: type[End]) -> None:
        """An exception in ``data_received`` goes to the loop's handler and to ``connection_lost``."""

        def fail(_: End) -> None:
            raise ZeroDivisionError

        async def main() -> list[Any]:
            reported: list[str] = []
            asyncio.get_running_loop().set_exception_handler(
                lambda _, context: reported.append(type(context["exception"]).__name__)
            )
            pair = await connect(server=lambda log: end(log, "server", data=fail))
            pair.client.transport.write(b"x")
            await pair.both_lost()
            return [reported, pair.log.of("server")]

        assert arena.run(main) == [["ZeroDivisionError"], [b"x", "lost ZeroDivisionError"]]


class TestFlowControl:
    """Backpressure: a reader that stops makes the writer stop."""

    def test_writer_is_paused_and_resumed(self, arena: Arena, connect: Connect) -> None:
        """A full buffer pauses the writer once; reading resumes it once."""

        async def main() -> tuple[list[Any], int, int]:
            pair = await connect()
            pair.server.transport.pause_reading()
            pair.client.transport.write(bytes(BIG))
            await asyncio.sleep(SETTLE)
            stuck = pair.client.transport.get_write_buffer_size()
            early = list(pair.log.of("client"))
            assert early == ["pause"]
            pair.server.transport.resume_reading()
            await pair.server.has(BIG)
            await asyncio.sleep(SETTLE)
            left = pair.client.transport.get_write_buffer_size()
            pair.client.transport.close()
            await pair.both_lost()
            return pair.log.of("client"), stuck, left

        log, stuck, left = arena.run(main)
        assert log == ["pause", "resume", "lost cleanly"]
        assert 0 < stuck < BIG
        assert left == 0

    def test_write_buffer_limits_are_kept(self, arena: Arena, connect: Connect) -> None:
        """With limits of zero a writer is paused as soon as anything is buffered, and resumed when nothing is."""

        async def main() -> list[Any]:
            pair = await connect()
            transport = pair.client.transport
            assert transport.get_write_buffer_limits() == (16_384, 65_536)
            transport.set_write_buffer_limits(high=0)
            assert transport.get_write_buffer_limits() == (0, 0)
            with pytest.raises(ValueError, match="must be"):
                transport.set_write_buffer_limits(high=1, low=2)
            transport.write(b"small")
            await asyncio.sleep(SETTLE)
            small = list(pair.log.of("client"))
            transport.write(bytes(BIG))
            await pair.server.has(BIG + 5)
            await asyncio.sleep(SETTLE)
            transport.close()
            await pair.both_lost()
            return [small, pair.log.of("client")]

        assert arena.run(main) == [[], ["pause", "resume", "lost cleanly"]]

    def test_peer_that_dies_while_the_writer_is_stuck(self, arena: Arena, connect: Connect) -> None:
        """A stuck writer whose peer closes with data unread is lost with an error."""

        async def main() -> list[Any]:
            pair = await connect()
            pair.server.transport.pause_reading()
            pair.client.transport.write(bytes(BIG))
            await asyncio.sleep(SETTLE)
            pair.server.transport.close()
            await pair.both_lost()
            return pair.log.of("client")

        assert arena.run(main) == ["pause", "lost ConnectionResetError"]

    def test_drain_waits_for_the_reader(self, arena: Arena, connect: Connect) -> None:
        """``StreamWriter.drain`` waits while the other side does not read, and returns once it does."""

        async def main() -> bool:
            pair = await connect()
            pair.server.transport.pause_reading()
            transport = pair.client.transport
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
            writer.write(bytes(BIG))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SETTLE):
                    await writer.drain()
            pair.server.transport.resume_reading()
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            await pair.server.lost
            return pair.server.received == BIG

        assert arena.run(main)


class TestConnecting:
    """Connects, listeners and what they tell."""

    def test_refused(self, arena: Arena, connect: Connect) -> None:
        """Where nobody listens a connect fails with ECONNREFUSED and asyncio's own text."""

        async def main() -> tuple[int | None, bool]:
            pair = await connect()
            pair.listener.close()
            pair.client.transport.close()
            await pair.both_lost()
            with pytest.raises(ConnectionRefusedError, match="Connect call failed") as caught:
                await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", pair.port)
            return caught.value.errno, str(pair.port) in str(caught.value)

        assert arena.run(main) == (errno.ECONNREFUSED, True)

    def test_closing_a_listener_keeps_its_connections(self, arena: Arena, connect: Connect) -> None:
        """A closed server takes no new connections, and the old ones live on."""

        async def main() -> list[Any]:
            pair = await connect()
            assert pair.listener.is_serving()
            pair.listener.close()
            assert not pair.listener.is_serving()
            pair.client.transport.write(b"still here")
            pair.client.transport.close()
            await pair.both_lost()
            return pair.log.of("server")

        assert arena.run(main) == [b"still here", "eof", "lost cleanly"]

    def test_addresses(self, arena: Arena, connect: Connect) -> None:
        """Each end knows both addresses, and they agree."""

        async def main() -> list[Any]:
            pair = await connect()
            names = [
                [e.transport.get_extra_info(name) for name in ("sockname", "peername")]
                for e in (pair.client, pair.server)
            ]
            sock = pair.client.transport.get_extra_info("socket")
            assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            assert [sock.getsockname(), sock.getpeername()] == names[0]
            assert pair.client.transport.get_extra_info("no such thing", "default") == "default"
            pair.client.transport.close()
            await pair.both_lost()
            assert sock.fileno() == -1
            with pytest.raises(OSError, match="Bad file descriptor"):
                sock.getpeername()
            return [names[0] == names[1][::-1], names[0][1] == ("127.0.0.1", pair.port)]

        assert arena.run(main) == [True, True]

    def test_address_in_use(self, arena: Arena, connect: Connect) -> None:
        """Two listeners cannot have one address."""

        async def main() -> int | None:
            pair = await connect()
            with pytest.raises(OSError, match="address already in use") as caught:
                await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", pair.port)
            pair.client.transport.close()
            await pair.both_lost()
            return caught.value.errno

        assert arena.run(main) == errno.EADDRINUSE

    def test_cancelled_connect_leaves_nothing_behind(self, arena: Arena, connect: Connect) -> None:
        """A connect that is cancelled at once raises CancelledError and leaves no open connection on the server."""

        async def main() -> list[str]:
            pair = await connect()
            loop = asyncio.get_running_loop()
            ended: list[str] = []

            class Watch(asyncio.Protocol):
                def connection_made(self, transport: asyncio.BaseTransport) -> None:
                    ended.append("open")

                def connection_lost(self, exc: Exception | None) -> None:
                    ended.remove("open")

            server = await loop.create_server(Watch, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            attempt = asyncio.create_task(loop.create_connection(asyncio.Protocol, "127.0.0.1", port))
            await asyncio.sleep(0)
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
            await asyncio.sleep(SETTLE)
            server.close()
            pair.client.transport.close()
            await pair.both_lost()
            return ended

        assert arena.run(main) == []

    def test_server_that_closes_on_accept(self, arena: Arena, connect: Connect, end: type[End]) -> None:
        """A server may close before anything was said; the client sees EOF."""

        async def main() -> list[Any]:
            pair = await connect(server=lambda log: end(log, "server", made=lambda e: e.transport.close()))
            await pair.both_lost()
            return pair.log.of("client")

        assert arena.run(main) == ["eof", "lost cleanly"]

    def test_connections_wait_to_be_accepted(self, arena: Arena) -> None:
        """A client is connected, and may send, before the server accepts it."""

        async def main() -> list[Any]:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, start_serving=False)
            await server.start_serving()
            address = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*address[:2])
            writer.write(b"early")
            await writer.drain()
            server.close()
            writer.close()
            await writer.wait_closed()
            return [await reader.read()]

        assert arena.run(main) == [b""]


class TestStreams:
    """asyncio's streams on both worlds."""

    def test_lines_and_incomplete_reads(self, arena: Arena) -> None:
        """Lines are read one by one; a stream that ends too early says how much there was."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            writer.write(b"tail")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def main() -> list[Any]:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"shout\nand more")
            line = await reader.readline()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)) as caught:
                await reader.readexactly(10)
            writer.close()
            server.close()
            return [line, getattr(caught.value, "partial", "reset")]

        assert arena.run(main) == [b"SHOUT\n", b"tail"]

    def test_timeout_of_a_read(self, arena: Arena, connect: Connect) -> None:
        """A read that nobody answers ends with its timeout, at that time."""

        async def main() -> bool:
            pair = await connect()
            loop = asyncio.get_running_loop()
            start = loop.time()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await pair.client.lost
            took = loop.time() - start
            pair.client.transport.close()
            await pair.server.lost
            return 0.1 <= took < 5

        assert arena.run(main)
