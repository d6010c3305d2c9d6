"""One connection of the network, for watching it and for changing it while it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sadpath.sim.pipe import Pipe
from sadpath.sim.rules import Decision
from sadpath.sim.tcp import SimSocket
from sadpath.sim.trace import CLIENT_TO_SERVER, SERVER_TO_CLIENT

if TYPE_CHECKING:
    from sadpath.sim.network import Network

__all__ = ["Connection"]


class Connection:
    """A connection whose handshake the server has answered.

    ``number`` counts connects from 1. ``up`` leads from the client to the server, ``down`` back; their ``latency``,
    ``split``, ``gap`` and ``coalesce`` may be changed at any time, and each can be frozen and thawed.
    """

    __slots__ = ("_network", "_open_sides", "carries_data", "client", "down", "host", "number", "server", "tls", "up")

    def __init__(
        self, network: Network, number: int, host: str, decision: Decision, *, ends: tuple[SimSocket, SimSocket]
    ) -> None:
        self._network = network
        self._open_sides = 2
        self.number = number
        self.host = host
        self.tls = False
        self.carries_data = False
        self.client, self.server = ends
        self.up = Pipe(network, self, CLIENT_TO_SERVER, network.up if decision.up is None else decision.up)
        self.down = Pipe(network, self, SERVER_TO_CLIENT, network.down if decision.down is None else decision.down)
        network.connections[number] = self

    def freeze(self) -> None:
        """Let nothing arrive any more, in either direction, until `thaw`."""
        self.up.freeze()
        self.down.freeze()

    def thaw(self) -> None:
        """Let everything that was held back arrive."""
        self.up.thaw()
        self.down.thaw()

    def side_closed(self) -> None:
        """Note that one of the two sockets was closed."""
        self._open_sides -= 1
        if not self._open_sides:
            self._network.connections.pop(self.number, None)

    def __str__(self) -> str:
        sides = [f"{name} {_state(side)}" for name, side in (("client", self.client), ("server", self.server))]
        return f"connection {self.number} to {self.host}: {', '.join(sides)}"


def _state(side: SimSocket) -> str:
    if side.closed:
        return "closed"
    return f"open ({side.unsent_bytes()} bytes unsent, {side.unread_bytes()} unread)"
