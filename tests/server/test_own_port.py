"""Ports of sessions' own on real sockets: how they listen, shut, open again, and end with their session."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario
from sadpath.server.certificates import Authority
from sadpath.server.runner import LiveServer

Serve = Callable[..., LiveServer]
REFUSE = {"faults": [{"on": "connection", "fault": "refuse"}]}


def _scenario(**content: Any) -> Scenario:
    return read_scenario({"title": "A test", **content})


async def _opens(host: str, port: int) -> bool:
    """Tell whether somebody listens."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return True


def test_each_session_has_its_own(serve: Serve) -> None:
    """Sessions at two ports and one behind a path see their own requests alone, and each finds its own base URL."""

    async def main() -> None:
        async with serve() as server, httpx.AsyncClient() as client:
            sessions = [server.sessions.create(name) for name in ("one", "two", "three")]
            ports = [server.open_port(session) for session in sessions[:2]]
            for _ in range(3):
                for session in sessions:
                    answer = await client.get(f"{server.url_of(session.id)}/ping")
                    assert answer.json() == {"pong": session.id}
            assert [len(session.journal.exchanges) for session in sessions] == [3, 3, 3]
            assert [server.url_of(session.id) for session in sessions] == [
                ports[0].base_url, ports[1].base_url, f"{server.base_url}/s/three",
            ]  # fmt: skip
            assert len({server.port, *(port.port for port in ports)}) == 3

    asyncio.run(main())


def test_a_path_names_a_session_at_another_s_port_too(serve: Serve) -> None:
    """A path counts more than a port, as it does everywhere."""

    async def main() -> None:
        async with serve() as server, httpx.AsyncClient() as client:
            one, two = server.sessions.create("one"), server.sessions.create("two")
            port = server.open_port(one)
            answer = await client.get(f"{port.base_url}/s/two/ping")
            assert answer.json() == {"pong": "two"}
            assert (len(one.journal.exchanges), len(two.journal.exchanges)) == (0, 1)

    asyncio.run(main())


@pytest.mark.parametrize("how", ["deleted", "over", "stopped"])
def test_a_port_ends_with_its_session(serve: Serve, how: str) -> None:
    """Deletion, the end of its time and the end of the server free the port, and close what is open on it."""

    async def main() -> None:
        server = serve()
        async with server:
            session = server.sessions.create("own", ttl=0.2 if how == "over" else None)
            port = server.open_port(session)
            reader, writer = await asyncio.open_connection("127.0.0.1", port.port)
            writer.write(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            if how == "deleted":
                server.sessions.delete("own")
            if how != "stopped":
                async with asyncio.timeout(2):
                    await reader.read()
                assert not await _opens("127.0.0.1", port.port)
                assert server.url_of("own") == f"{server.base_url}/s/own"
        assert not await _opens("127.0.0.1", port.port)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    asyncio.run(main())


def test_a_refused_port_stays_taken(serve: Serve) -> None:
    """While connects are refused nobody else gets the port; afterwards it is the session's again."""

    async def main() -> None:
        async with serve() as server:
            session = server.sessions.create("own", scenario=_scenario(**REFUSE))
            port = server.open_port(session)
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port.port))
            session.heal()
            assert await _opens("127.0.0.1", port.port)

    asyncio.run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize("fault", ["refuse", "blackhole"])
def test_it_can_be_shut_at_any_address(serve: Serve, host: str, fault: str) -> None:
    """Refusal and silence work by IPv4, by IPv6 and by name, and end when they are to."""

    async def main() -> None:
        async with serve(host=host) as server:
            session = server.sessions.create("own")
            port = server.open_port(session)
            session.set_rules(_scenario(faults=[{"on": "connection", "fault": fault}]).faults)
            with pytest.raises(ConnectionRefusedError if fault == "refuse" else TimeoutError):
                async with asyncio.timeout(0.3):
                    await asyncio.open_connection("::1" if ":" in host else "127.0.0.1", port.port)
            session.heal()
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"{port.base_url}/ping")).json() == {"pong": "own"}

    asyncio.run(main())


def test_nothing_is_lost_at_an_open_port(serve: Serve) -> None:
    """A hundred connections at once are all served, before and after the port was shut."""

    async def ask(url: str) -> str:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{url}/ping", timeout=20)
        found: str = answer.json()["pong"]
        return found

    async def main() -> None:
        async with serve() as server:
            session = server.sessions.create("own")
            url = server.open_port(session).base_url
            for fault in ("refuse", "blackhole"):
                session.set_rules(_scenario(faults=[{"on": "connection", "fault": fault}]).faults)
                session.heal()
                assert await asyncio.gather(*(ask(url) for _ in range(50))) == ["own"] * 50

    asyncio.run(main())


def test_a_reset_begins_the_rules_anew(serve: Serve) -> None:
    """A session that is reset goes through its plan for connections once more."""

    async def main() -> None:
        async with serve() as server, httpx.AsyncClient() as client:
            plan = {"on": "connection", "plan": ["accept_close"]}
            session = server.sessions.create("own", scenario=_scenario(faults=[plan]))
            url = server.open_port(session).base_url
            for _ in range(2):
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(f"{url}/ping")
                assert (await client.get(f"{url}/ping", headers={"Connection": "close"})).status_code == 200
                server.sessions.reset("own")

    asyncio.run(main())


def test_one_authority_vouches_for_all_ports_of_a_server(serve: Serve) -> None:
    """Whoever trusts the server's authority is served at each port that speaks TLS."""

    async def main() -> None:
        async with serve() as server:
            ports = [server.open_port(server.sessions.create(name), tls=True) for name in ("one", "two")]
            trusting = ssl.create_default_context(cadata=server.ports.authority.pem)
            async with httpx.AsyncClient(verify=trusting) as client:
                pongs = [(await client.get(f"{port.base_url}/ping")).json()["pong"] for port in ports]
            assert pongs == ["one", "two"]
            assert all(port.base_url.startswith("https://127.0.0.1:") for port in ports)

    asyncio.run(main())


def test_certificates_are_made_once() -> None:
    """An authority makes each of its certificates when it is first shown, and shows the same one again."""
    authority = Authority("shop.test")

    assert authority.context("good") is authority.context("good")
    assert authority.context("expired") is not authority.context("good")
    assert authority.pem.startswith("-----BEGIN CERTIFICATE-----")
    assert authority.pem != Authority().pem
