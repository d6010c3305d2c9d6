"""``accept_stall``, ``accept_close`` and ``accept_reset`` on the wire: silence, FIN and RST on a connection just made."""

from __future__ import annotations

import pytest

from tests.engine.bench import BODY
from tests.faults.doorside import Doorside, get, run


def test_close_is_a_fin_and_nothing_else() -> None:
    """The client reads the end of the stream without a byte, also behind a request that it has sent meanwhile."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "accept_close"}]) as side:
            for request in (b"", get("/item"), b"x" * 300_000):
                connection = await side.connect()
                await connection.send(request)
                received = await connection.receive()
                assert (received.data, received.ending) == (b"", "fin")
                connection.close()
            await side.quiet()
            assert side.backend.runs == []
            assert side.session.journal.exchanges == []
            for number in (1, 2, 3):
                assert side.happened(number) == [
                    ("opened", "client", None),
                    ("fin", "server", "accept_close"),
                    ("fin", "client", None),
                ]

    run(scene)


def test_close_waits_a_second_for_the_client() -> None:
    """A client that keeps its side open is let go of after one second."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "accept_close"}]) as side:
            connection = await side.connect()
            assert (await connection.receive()).ending == "fin"
            start = connection.loop.time()
            await side.quiet()
            assert connection.loop.time() - start < 2.0
            assert side.happened(1)[1:] == [("fin", "server", "accept_close")]

    run(scene)


def test_reset_is_an_rst() -> None:
    """The client's next read says that the connection was reset."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "accept_reset"}]) as side:
            connection = await side.connect()
            received = await connection.receive()
            assert (received.data, received.ending) == (b"", "rst")
            await side.quiet()
            assert side.happened() == [("opened", "client", None), ("rst", "server", "accept_reset")]

    run(scene)


def test_stall_is_silence_until_the_client_leaves() -> None:
    """The connection is made and takes a request, but nothing comes; the journal has its end and no exchange."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "accept_stall"}]) as side:
            connection = await side.connect()
            await connection.send(get("/item"))
            received = await connection.receive(patience=0.2)
            assert (received.data, received.ending) == (b"", "open")
            connection.close()
            await side.quiet()
            assert side.backend.runs == []
            assert side.session.journal.exchanges == []
            assert side.happened() == [
                ("opened", "client", None),
                ("stalled", "server", "accept_stall"),
                ("fin", "client", None),
            ]

    run(scene)


def test_a_client_may_leave_a_stall_with_an_rst() -> None:
    """The journal tells a client that resets from one that closes."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "accept_stall"}]) as side:
            connection = await side.connect()
            await connection.send(b"x")
            connection.reset()
            await side.quiet()
            assert side.happened()[-1] == ("rst", "client", None)

    run(scene)


def test_a_stall_for_a_time_goes_on_afterwards() -> None:
    """What was sent meanwhile is read after the time, and answered whole."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": {"accept_stall": "80ms"}}]) as side:
            connection = await side.connect()
            start = connection.loop.time()
            await connection.send(get("/item"))
            answer = await connection.answer()
            assert connection.loop.time() - start >= 0.08
            assert answer.body == BODY
            connection.close()
            await side.quiet()
            assert side.happened()[:2] == [("opened", "client", None), ("stalled", "server", "accept_stall")]
            assert [event.connection for event in side.session.journal.exchanges] == [1]

    run(scene)


def test_a_request_arrives_when_it_is_sent_not_when_it_is_read() -> None:
    """The journal's time of arrival is that of the bytes, also where they waited for the server; in several parts."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": {"accept_stall": "200ms"}}]) as side:
            connection = await side.connect()
            begun, request = side.session.clock.now(), get("/item")
            await connection.send(request[:10])
            await connection.receive(patience=0.05)
            await connection.send(request[10:])
            assert (await connection.answer()).body == BODY
            event = side.session.journal.exchanges[0]
            assert event.t_first_byte is not None
            assert begun <= event.t_arrived < begun + 0.05
            assert event.t_first_byte - event.t_arrived >= 0.15
            await connection.send(get("/item"))
            assert (await connection.answer()).body == BODY
            assert side.session.journal.exchanges[1].t_arrived > begun + 0.15

    run(scene)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_who_leaves_before_the_time_is_over_is_let_go(how: str) -> None:
    """A client that has sent its request and left is not served when the time is over: nothing takes effect."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": {"accept_stall": "150ms"}}]) as side:
            connection = await side.connect()
            await connection.send(get("/item"))
            await connection.receive(patience=0.02)
            connection.close() if how == "fin" else connection.reset()
            await side.quiet()
            await (await side.connect()).receive(patience=0.2)
            assert side.session.journal.exchanges == []
            assert side.happened(1) == [
                ("opened", "client", None),
                ("stalled", "server", "accept_stall"),
                (how, "client", None),
            ]

    run(scene)


def test_each_connection_meets_the_next_step() -> None:
    """A plan counts connections, not requests; when it is used up, they are served."""

    async def scene() -> None:
        async with Doorside() as side:
            side.inject("accept_close", "pass", "accept_reset")
            endings: list[str] = []
            for _ in range(4):
                connection = await side.connect()
                if len(endings) % 2 == 0:
                    endings.append((await connection.receive(patience=0.3)).ending)
                else:
                    for _ in range(2):
                        await connection.send(get("/item"))
                        assert (await connection.answer()).body == BODY
                    endings.append("served")
                connection.close()
            assert endings == ["fin", "served", "rst", "served"]

    run(scene)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("fault", "codes", "exceptions"),
    [
        ("accept_close", (52, 35), ("RemoteProtocolError", "ConnectError")),
        ("accept_reset", (56, 35), ("ReadError", "ConnectError")),
        ("accept_stall", (28, 28), ("ReadTimeout", "ConnectTimeout")),
    ],
)
def test_curl_and_httpx_see_it(fault: str, codes: tuple[int, int], exceptions: tuple[str, str], *, tls: bool) -> None:
    """curl's exit code and httpx's exception are those that the fault's own description names, with TLS and without."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": fault}], tls=tls) as side:
            assert await side.curl("--max-time", "0.5", "--insecure") == codes[tls]
            assert await side.httpx_raises(connect=0.3, read=0.3) == exceptions[tls]

    run(scene)


def test_the_end_of_the_session_ends_a_stall() -> None:
    """Deleting the session lets go of a stalled connection, and of the port."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "accept_stall"}]) as side:
            connection = await side.connect()
            await side.until(lambda: side.door.busy)
            side.server.sessions.delete("own")
            assert (await connection.receive(patience=1.0)).ending != "open"
            with pytest.raises(ConnectionRefusedError):
                await side.connect()

    run(scene)
