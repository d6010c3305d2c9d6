"""An asyncio event loop on virtual time, over an in-memory network.

It is asyncio's own selector loop with another clock, another selector and other sockets: transports, servers, streams,
TLS and ``sock_*`` calls are the standard library's code, so a client cannot tell the difference.
"""

from __future__ import annotations

import asyncio
import socket
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from sadpath.sim.errors import SimUnsupported
from sadpath.sim.limits import Limits
from sadpath.sim.network import Network
from sadpath.sim.sockets import SocketBase
from sadpath.sim.tcp import SimSocket
from sadpath.sim.timeline import TimelineLoop
from sadpath.sim.transport import SimTransport, make_tls_transport

__all__ = ["SimLoop"]

T = TypeVar("T")


class SimLoop(TimelineLoop):
    """The loop of one simulated run.

    Args:
        network: the run's network, which this loop attaches.
        limits: how far the run may go.
    """

    def __init__(self, network: Network | None = None, limits: Limits | None = None) -> None:
        super().__init__(network, limits)
        self._adopted: dict[int, tuple[weakref.ref[Any], SimSocket]] = {}

    def run_in_executor(  # type: ignore[override]  # typeshed's uses a TypeVarTuple
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run ``func`` here and now, without a thread; its result is there one step later.

        Sleeps inside ``func`` delay the result instead of blocking the loop.
        """
        from sadpath.sim.workers import run_inline  # noqa: PLC0415 - the workers import this module

        del executor
        self._check_closed()
        return run_inline(self, func, args)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing: there are no threads."""

    def set_default_executor(self, executor: Any) -> None:
        """Do nothing: whatever the executor, calls run inline."""

    # Names and connections.

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the base class's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        """Resolve on the simulated network.

        Raises:
            socket.gaierror: as `Network.resolve`.
        """
        del type, proto, flags
        await asyncio.sleep(0)
        return list(self.network.resolve(host, port, family))

    async def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int = 0) -> tuple[str, str]:
        """Return the name of an address."""
        host = str(sockaddr[0])
        name = host if flags & socket.NI_NUMERICHOST else self.network.names.name_of(host)
        return name, str(sockaddr[1])

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect a socket of the simulation, or a real unconnected one that stands for it.

        Raises:
            OSError: ECONNREFUSED, ETIMEDOUT.
            socket.gaierror: for an unknown name.
        """
        infos = self.network.resolve(address[0], address[1])
        target = sock if isinstance(sock, SimSocket) else SimSocket(self.network, infos[0][0])
        waiter = self.create_future()
        handshake = self.network.connect(target, infos[0][4], waiter)
        try:
            await waiter
        except BaseException:
            handshake.cancel()
            raise
        if target is not sock:
            self._adopt(sock, target)

    def _adopt(self, sock: Any, target: SimSocket) -> None:
        key = id(sock)

        def gone(_: object) -> None:
            entry = self._adopted.pop(key, None)
            if entry is not None:
                entry[1].close()

        self._adopted[key] = (weakref.ref(sock, gone), target)

    def _simulated(self, sock: Any) -> Any:
        """Return the simulated socket that ``sock`` is or stands for; a real one is closed."""
        if sock is None or isinstance(sock, SocketBase):
            return sock
        entry = self._adopted.pop(id(sock), None)
        if entry is None:
            raise SimUnsupported(f"{sock!r} belongs to the real world; connect it with loop.sock_connect first")
        sock.close()
        return entry[1]

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        **options: Any,
    ) -> tuple[Any, Any]:
        """Connect on the simulated network; everything else is the standard library's."""
        return await super().create_connection(protocol_factory, host, port, sock=self._simulated(sock), **options)

    async def _connect_sock(
        self, exceptions: list[list[OSError]], addr_info: tuple[Any, ...], local_addr_infos: object = None
    ) -> SimSocket:
        del local_addr_infos
        own: list[OSError] = []
        exceptions.append(own)
        sock = SimSocket(self.network, addr_info[0])
        try:
            await self.sock_connect(sock, addr_info[4])
        except OSError as exc:
            own.append(exc)
            raise
        return sock

    async def create_server(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        **options: Any,
    ) -> asyncio.Server:
        """Listen on the simulated network; a name that is listened on can be looked up from then on.

        Raises:
            OSError: EADDRINUSE.
        """
        if sock is None and (host is not None or port is not None):
            hosts = [host] if host is None or isinstance(host, str) else list(host)
            try:
                socks = [self.network.listener(name, port or 0) for name in hosts]
            except OSError as exc:
                text = f"error while attempting to bind on address {(host, port)!r}: {(exc.strerror or '').lower()}"
                raise OSError(exc.errno, text) from None
            sock, *others = socks
        else:
            sock, others = self._simulated(sock), []
        for name in ("family", "flags", "reuse_address", "reuse_port", "keep_alive"):
            options.pop(name, None)
        serve_now = options.pop("start_serving", True)
        server = await super().create_server(protocol_factory, sock=sock, start_serving=False, **options)
        server._sockets.extend(others)  # type: ignore[attr-defined]  # noqa: SLF001 - several hosts share one server
        if serve_now:
            await server.start_serving()
        return server

    def _make_socket_transport(
        self,
        sock: SimSocket,
        protocol: asyncio.BaseProtocol,
        waiter: Any = None,
        *,
        extra: Any = None,
        server: Any = None,
    ) -> SimTransport:
        return SimTransport(self, sock, protocol, waiter, extra, server)

    def _make_ssl_transport(
        self, rawsock: SimSocket, protocol: Any, sslcontext: Any, waiter: Any = None, **options: Any
    ) -> Any:
        return make_tls_transport(self, rawsock, protocol, sslcontext, waiter, **options)

    def abort_connections(self) -> None:
        """Drop every transport and socket without a word; the run is over."""
        for transport in list(self._transports.values()):
            transport.drop()
        for sock in self.network.sockets():
            sock.drop()
        self._adopted.clear()

    # What has no meaning here.

    async def create_datagram_endpoint(self, *_: Any, **__: Any) -> Any:
        """Refuse.

        Raises:
            SimUnsupported: always.
        """
        raise SimUnsupported("the simulated network carries TCP only, no datagrams")

    async def create_unix_connection(self, *_: Any, **__: Any) -> Any:
        """Refuse.

        Raises:
            SimUnsupported: always.
        """
        raise SimUnsupported("the simulated network has no Unix sockets")

    async def create_unix_server(self, *_: Any, **__: Any) -> Any:
        """Refuse.

        Raises:
            SimUnsupported: always.
        """
        raise SimUnsupported("the simulated network has no Unix sockets")

    async def subprocess_exec(self, *_: Any, **__: Any) -> Any:
        """Refuse.

        Raises:
            SimUnsupported: always.
        """
        raise SimUnsupported("a process has no virtual time: run the case in the live world")

    async def subprocess_shell(self, *_: Any, **__: Any) -> Any:
        """Refuse.

        Raises:
            SimUnsupported: always.
        """
        raise SimUnsupported("a process has no virtual time: run the case in the live world")
