"""The in-memory network: hosts, listeners, handshakes, faults before a connection exists, and the trace.

Everything that happens in it is an event on the loop's virtual time line. Nothing is drawn at random.
"""

from __future__ import annotations

import errno
import math
import socket
from asyncio import Future
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sadpath.core.errors import HarnessError
from sadpath.sim.connection import Connection
from sadpath.sim.errors import SimUnsupported
from sadpath.sim.handshake import Handshake
from sadpath.sim.listener import SimListener
from sadpath.sim.names import WILDCARD, AddressInfo, Names, address_infos, is_address, port_number
from sadpath.sim.pipe import Splitter
from sadpath.sim.rules import (
    ConnectAttempt,
    ConnectPolicy,
    ConnectRule,
    Decision,
    DnsRule,
    LookupAttempt,
    LookupPolicy,
    Verdict,
    Window,
    counted,
)
from sadpath.sim.sockets import SocketBase, os_error
from sadpath.sim.tcp import SimSocket
from sadpath.sim.trace import Trace

if TYPE_CHECKING:
    from sadpath.sim.timeline import TimelineLoop

__all__ = ["Network"]

_FIRST_DESCRIPTOR = 1_000_000
_FIRST_CLIENT_PORT = 50_000
_FIRST_SERVER_PORT = 40_000


class Network:
    """An in-memory network for one run.

    Args:
        latency: seconds that a segment takes, each way; ``up`` and ``down`` set one way (client to server is up).
        receive_window: bytes that a receiver holds unread before its sender has to stop.
        send_buffer: bytes that a sender's kernel accepts before the sender has to wait.
        split: cuts whatever is sent into segments; ``gap`` seconds lie between them.
        coalesce: whether a read returns all that has arrived (TCP's way) or one segment.
        keep_content: keep the bytes of each segment in the trace.
    """

    def __init__(
        self,
        *,
        latency: float = 0.001,
        up: float | None = None,
        down: float | None = None,
        receive_window: int = 131_072,
        send_buffer: int = 262_144,
        split: Splitter | None = None,
        gap: float = 0.0,
        coalesce: bool = True,
        keep_content: bool = False,
    ) -> None:
        self.up = _seconds(latency if up is None else up)
        self.down = _seconds(latency if down is None else down)
        self.receive_window, self.send_buffer = receive_window, send_buffer
        self.split, self.gap, self.coalesce = split, _seconds(gap), coalesce
        self.names = Names()
        self.trace = Trace(keep_content=keep_content)
        self.connections: dict[int, Connection] = {}
        self.policy: ConnectPolicy | None = None
        self.lookup_policy: LookupPolicy | None = None
        self.connects = 0
        self.lookups = 0
        self._connect_rules: list[ConnectRule] = []
        self._dns_rules: list[DnsRule] = []
        self._listeners: dict[tuple[str, int], SimListener] = {}
        self._sockets: dict[int, SocketBase] = {}
        self._descriptors = _FIRST_DESCRIPTOR
        self._ports = {"client": _FIRST_CLIENT_PORT, "server": _FIRST_SERVER_PORT}
        self._loop: TimelineLoop | None = None
        self.schedule: Callable[[float, Callable[[], None]], None]
        self.mark: Callable[[SocketBase], None]

    def attach(self, loop: TimelineLoop) -> None:
        """Join a loop; a network serves one run only.

        Raises:
            HarnessError: when it has served one already.
        """
        if self._loop is not None:
            raise HarnessError("a simulated network serves one run: make a new Network for each")
        self._loop = loop
        self.schedule, self.mark = loop.schedule, loop.mark

    @property
    def now(self) -> float:
        """Virtual seconds since the run began."""
        return self._loop.now if self._loop is not None else 0.0

    @property
    def loop(self) -> TimelineLoop:
        """The loop that this network is part of.

        Raises:
            HarnessError: before there is one.
        """
        if self._loop is None:
            raise HarnessError("a simulated network has no loop before its run begins")
        return self._loop

    # Faults that come before a connection exists.

    def refuse(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        start: float = 0.0,
        until: float = math.inf,
        nth: Iterable[int] | int | None = None,
    ) -> ConnectRule:
        """Refuse connects of ``host`` and ``port`` (None: any) from ``start`` to ``until``, or the n-th ones."""
        return self._add("refuse", host, port, Window(start, until), nth)

    def blackhole(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        start: float = 0.0,
        until: float = math.inf,
        nth: Iterable[int] | int | None = None,
    ) -> ConnectRule:
        """Let connects go unanswered. A window is looked at anew for each SYN: after 0, 1, 3, 7, … seconds."""
        return self._add("blackhole", host, port, Window(start, until), nth)

    def slow(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        up: float | None = None,
        down: float | None = None,
        start: float = 0.0,
        until: float = math.inf,
        nth: Iterable[int] | int | None = None,
    ) -> ConnectRule:
        """Give connections opened from ``start`` to ``until`` (or the n-th ones) their own latency for life."""
        decision = Decision("accept", None if up is None else _seconds(up), None if down is None else _seconds(down))
        return self._add(decision, host, port, Window(start, until), nth)

    def fail_dns(
        self,
        host: str | None = None,
        *,
        start: float = 0.0,
        until: float = math.inf,
        nth: Iterable[int] | int | None = None,
        temporary: bool = False,
    ) -> DnsRule:
        """Let lookups of ``host`` (None: any) fail: unknown name, or with ``temporary`` EAI_AGAIN."""
        error = socket.EAI_AGAIN if temporary else socket.EAI_NONAME
        rule = DnsRule(error, host, Window(start, until), counted(nth))
        self._dns_rules.insert(0, rule)
        return rule

    def heal(self) -> None:
        """Drop every rule and the policies, and thaw every connection."""
        self._connect_rules.clear()
        self._dns_rules.clear()
        self.policy = self.lookup_policy = None
        for connection in list(self.connections.values()):
            connection.thaw()

    def _add(
        self,
        decision: Decision | Verdict,
        host: str | None,
        port: int | None,
        window: Window,
        nth: Iterable[int] | int | None,
    ) -> ConnectRule:
        rule = ConnectRule(_decision(decision), host, port, window, counted(nth))
        self._connect_rules.insert(0, rule)
        return rule

    def decide(self, attempt: ConnectAttempt) -> Decision:
        """Return what becomes of a SYN: the policy's word, else the newest matching rule's, else accept."""
        if self.policy is not None:
            verdict = self.policy(attempt)
            if verdict is not None:
                return _decision(verdict)
        for rule in self._connect_rules:
            found = rule.decide(attempt)
            if found is not None:
                return found
        return Decision()

    # Names.

    def resolve(self, host: str | bytes | None, port: object, family: int = 0) -> list[AddressInfo]:
        """Answer ``getaddrinfo`` for a client.

        Raises:
            socket.gaierror: for a name that nobody has, or that a rule lets fail.
        """
        name = host.decode("ascii") if isinstance(host, bytes) else host
        number = port_number(port)
        if name is None:
            return address_infos(("127.0.0.1",), number, family)
        if is_address(name):
            return address_infos((name,), number, family)
        self.lookups += 1
        attempt = LookupAttempt(self.lookups, name, self.now)
        decided = None if self.lookup_policy is None else self.lookup_policy(attempt)
        for rule in [None, *self._dns_rules]:
            error = decided if rule is None else rule.decide(attempt)
            if error is not None:
                self.trace.record(self.now, 0, "", "dns", detail=f"{name} fails")
                raise socket.gaierror(error, _GAI_TEXT[error])
        try:
            infos = address_infos(self.names.lookup(name), number, family)
        except socket.gaierror:
            self.trace.record(self.now, 0, "", "dns", detail=f"{name} unknown")
            raise
        self.trace.record(self.now, 0, "", "dns", detail=f"{name} is {infos[0][4][0]}")
        return infos

    # Listening.

    def listen(self, host: str | None = None, port: int = 0, *, backlog: int = 100) -> SimListener:
        """Return a listening socket, for ``loop.create_server(sock=…)`` or ``loop.sock_accept``.

        Raises:
            OSError: EADDRINUSE.
        """
        listener = self.listener(host, port)
        listener.listen(backlog)
        return listener

    def listener(self, host: str | None = None, port: int = 0) -> SimListener:
        """Return a bound socket that does not listen yet: connects to it are refused.

        Raises:
            OSError: EADDRINUSE.
        """
        address = self.names.address_to_bind(host)
        sock = SimListener(self, socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            sock.bind((address, port))
        except OSError:
            sock.close()
            raise
        return sock

    def bind(self, listener: SimListener, address: str, port: int) -> tuple[str, int]:
        """Give a listener its address.

        Raises:
            OSError: EADDRINUSE.
        """
        number = port or self._port("server")
        if (address, number) in self._listeners:
            raise os_error(errno.EADDRINUSE)
        self._listeners[address, number] = listener
        return address, number

    def unbind(self, listener: SimListener) -> None:
        """Free a listener's address."""
        if listener.local is not None and self._listeners.get(listener.local) is listener:
            del self._listeners[listener.local]

    def find_listener(self, address: str, port: int) -> SimListener | None:
        """Return the listener that takes connects to an address, if there is one."""
        found = self._listeners.get((address, port)) or self._listeners.get((WILDCARD, port))
        return found if found is not None and found.listening else None

    # Connecting.

    def connect(self, sock: SimSocket, address: tuple[Any, ...], waiter: Future[None]) -> Handshake:
        """Begin a handshake; ``waiter`` gets its end: None, or an `OSError`."""
        self.connects += 1
        host, port = str(address[0]), int(address[1])
        local = ("127.0.0.1" if host.startswith("127.") else "10.0.255.1", self._port("client"))
        if ":" in host:
            local = ("::1", local[1])
        sock.connecting(local, (host, port))
        handshake = Handshake(self, sock, self.connects, self.names.name_of(host), waiter)
        handshake.send_syn()
        return handshake

    def _port(self, kind: str) -> int:
        self._ports[kind] += 1
        return self._ports[kind]

    # Bookkeeping.

    def register(self, sock: SocketBase) -> int:
        """Give a new socket its descriptor."""
        self._descriptors += 1
        self._sockets[self._descriptors] = sock
        return self._descriptors

    def unregister(self, descriptor: int) -> None:
        """Forget a closed socket."""
        self._sockets.pop(descriptor, None)

    def socket_of(self, descriptor: object) -> SocketBase:
        """Return the socket with a descriptor.

        Raises:
            SimUnsupported: for a descriptor of the real world.
        """
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()  # type: ignore[attr-defined]  # asyncio takes any object with a fileno
        try:
            return self._sockets[number]
        except KeyError:
            raise SimUnsupported(
                f"descriptor {number} belongs to the real world; in the simulated world only simulated sockets exist"
            ) from None

    def find(self, descriptor: int) -> SocketBase | None:
        """Return the socket with a descriptor, None where it was closed."""
        return self._sockets.get(descriptor)

    def sockets(self) -> list[SocketBase]:
        """Return every socket that is still open, in the order of creation."""
        return list(self._sockets.values())


_GAI_TEXT = {
    socket.EAI_NONAME: "Name or service not known",
    socket.EAI_AGAIN: "Temporary failure in name resolution",
}


def _decision(verdict: Decision | Verdict) -> Decision:
    return verdict if isinstance(verdict, Decision) else Decision(verdict)


def _seconds(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"a latency is a finite number of seconds, not {value}")
    return value
