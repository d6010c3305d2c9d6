"""A session's own port on the simulated network, where each connect and each name lookup can be told apart.

What a connection meets is decided when its first segment is sent, or when the server's name is looked up for it; so
``refuse``, ``blackhole`` and ``dns_fail`` can be counted. Where a scenario has ``dns_fail``, clients are given a name
instead of an address, for only a name is looked up.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Any

from sadpath.core.clock import Clock
from sadpath.engine.connecting import Meeting
from sadpath.engine.session import Session
from sadpath.faults.before_http import Bar
from sadpath.server.certificates import Authority
from sadpath.server.gate import Arrived
from sadpath.server.own_port import Factory, OwnPort
from sadpath.server.own_ports import OwnPorts
from sadpath.sim.network import Network
from sadpath.sim.rules import ConnectAttempt, LookupAttempt, Verdict

__all__ = ["SERVER_NAME", "SimPorts"]

SERVER_NAME = "server.test"
"""The name of the server where clients are to look one up (RFC 6761 reserves ``test``)."""


class SimPorts(OwnPorts):
    """The ports of one simulated server; ``authority`` is the process's, for certificates cost real time."""

    def __init__(self, host: str, authority: Authority) -> None:
        super().__init__(host)
        self._authority = authority

    def make(self, session: Session, factory: Factory, clock: Clock, authority: Authority | None) -> OwnPort:
        """Return a port that does not listen yet, on the network of the running loop."""
        loop: Any = asyncio.get_running_loop()
        gate = _SimGate(self.host, loop.network)
        return _SimPort(session, gate, factory, clock=clock, host=self.host, authority=authority)


class _SimGate:
    """A listener of the simulated network; it is always open, since the network itself bars connects."""

    def __init__(self, host: str, network: Network) -> None:
        self.network = network
        self._listener = network.listen(host)
        self._arrived: Arrived | None = None
        self.port: int = self._listener.getsockname()[1]

    def open(self, arrived: Arrived) -> None:
        """Begin to let connections in."""
        self._arrived = arrived
        asyncio.get_running_loop().add_reader(self._listener, self._take)

    def _take(self) -> None:
        while self._arrived is not None and self._listener.readable():
            sock, _ = self._listener.accept()
            self._arrived(sock)

    def bar(self, how: Bar | None) -> None:
        """Do nothing: each connect is decided about when it is made."""

    def close(self) -> None:
        """Free the port."""
        if self._arrived is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._arrived = None
        self._listener.close()


class _SimPort(OwnPort):
    """A port at which connects are decided about before they are made."""

    def __init__(self, session: Session, gate: _SimGate, factory: Factory, **options: Any) -> None:
        super().__init__(session, gate, factory, **options)
        self._network = gate.network
        self._network.names.add(SERVER_NAME, [self._host])
        self._network.policy, self._network.lookup_policy = self._connect, self._look_up
        self._looked_up: deque[tuple[int, Meeting]] = deque()
        self._on_the_way: dict[int, tuple[int, Meeting]] = {}
        self._barred: dict[int, tuple[Any, Meeting]] = {}

    @property
    def base_url(self) -> str:
        """Where the session's client finds it, without a path."""
        url = super().base_url
        return url.replace(self._host, SERVER_NAME) if self.by_name else url

    def put_in_force(self, rules: tuple[Any, ...]) -> None:
        """Let rules act, with counters that start anew."""
        self._looked_up.clear()
        super().put_in_force(rules)

    def met(self, sock: Any) -> tuple[int, Meeting]:
        """Return the number of a connection that was accepted, and what it was decided to meet."""
        return self._on_the_way.pop(sock.getpeername()[1], None) or super().met(sock)

    def _connect(self, attempt: ConnectAttempt) -> Verdict | None:
        """Decide about a SYN. One that is sent again meets what it met before, unless other rules act by now."""
        if attempt.port != self.port or self.closed:
            return None
        key = attempt.client_port
        if attempt.again and key in self._on_the_way:
            return None
        rules, meeting = self._barred.get(key, (None, None))
        if not attempt.again or meeting is None or rules is not self._rules or meeting.bar(self.elapsed) is None:
            number, meeting = self._looked_up.popleft() if self._looked_up else super().met(None)
            fault = meeting.bar(self.elapsed)
            if fault is None or fault.bars == "lookup":
                self._on_the_way[key] = number, meeting
                return None
            self.tell(number, "unreachable", fault)
            self._barred[key] = self._rules, meeting
        fault = meeting.bar(self.elapsed)
        return "refuse" if fault is not None and fault.bars == "refuse" else "blackhole"

    def _look_up(self, attempt: LookupAttempt) -> int | None:
        if attempt.host != SERVER_NAME or self.closed:
            return None
        number, meeting = super().met(None)
        fault = meeting.bar(self.elapsed)
        if fault is not None and fault.bars == "lookup":
            self.tell(number, "unreachable", fault)
            return socket.EAI_NONAME
        self._looked_up.append((number, meeting))
        return None
