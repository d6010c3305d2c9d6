"""The ports that sessions of a server own, and the certificate authority of those that speak TLS."""

from __future__ import annotations

from typing import Any

import uvicorn

from sadpath.core.clock import Clock
from sadpath.engine.limits import UNLIMITED, Limits
from sadpath.engine.protocol import protocol_class
from sadpath.engine.session import Session
from sadpath.server.certificates import Authority
from sadpath.server.gate import SocketGate
from sadpath.server.own_port import Factory, OwnPort

__all__ = ["OwnPorts", "reachable"]


def reachable(host: str) -> str:
    """Return the name or address by which a host is reached that a server listens at."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound to, told apart


class OwnPorts:
    """The ports of one server; ``host`` is where they listen, ``limits`` what the server's clients may take up.

    ``http2`` says whether they speak HTTP/2, too.
    """

    def __init__(self, host: str, limits: Limits = UNLIMITED, *, http2: bool = False) -> None:
        self.host = host
        self.limits = limits
        self.http2 = http2
        self._authority: Authority | None = None
        self._ports: dict[str, OwnPort] = {}

    @property
    def authority(self) -> Authority:
        """The certificate authority of ports that speak TLS."""
        if self._authority is None:
            self._authority = Authority(reachable(self.host), http2=self.http2)
        return self._authority

    def url_of(self, session_id: str) -> str | None:
        """Return the base URL of a session's own port, None where it has none."""
        port = self._ports.get(session_id)
        return None if port is None or port.closed else port.base_url

    def open(self, session: Session, server: uvicorn.Server, clock: Clock, *, tls: bool) -> OwnPort:
        """Open a port for a session, behind which an HTTP server's protocol speaks, by that server's clock.

        Raises:
            OSError: where no port can be had.
        """
        protocol = protocol_class(clock, session=session, limits=self.limits, http2=self.http2)

        def factory(number: int, heard: tuple[bytes, float] | None) -> Any:
            made = protocol(config=server.config, server_state=server.server_state, app_state=server.lifespan.state)
            made.wire_number, made.wire_heard = number, heard
            return made

        self._ports = {name: port for name, port in self._ports.items() if not port.closed}
        port = self._ports[session.id] = self.make(session, factory, clock, self.authority if tls else None)
        port.open()
        return port

    def make(self, session: Session, factory: Factory, clock: Clock, authority: Authority | None) -> OwnPort:
        """Return a port that does not listen yet.

        Raises:
            OSError: where none can be had.
        """
        gate, host = SocketGate(self.host), reachable(self.host)
        return OwnPort(session, gate, factory, clock=clock, host=host, authority=authority)

    async def gone(self) -> None:
        """Wait until the ports of sessions that have ended have let go of everything."""
        for port in self._ports.values():
            await port.gone()
        self._ports.clear()
