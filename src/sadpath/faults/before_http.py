"""Faults that come before HTTP: no connection is made, or none that is good for a request.

A helper of several faults; it registers none. Such a fault belongs to a rule ``on: connection`` and needs a port of
the session's own, for nothing but the port says whose a connection is before its first request.

    bars          no connection is made: the connect is refused, goes unanswered, or the server's name is not found
    on_accept     the connection is made; what happens to it before TLS and HTTP begin
    certificate   TLS begins; what the server shows there
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import ConfigDict, Field

from sadpath.core.units import Duration
from sadpath.faults.base import Ending, Fault
from sadpath.scenario.vocabulary import Family, Phase, World

__all__ = ["Bar", "Barring", "BeforeHttp", "Certificate", "Opening"]

Bar = Literal["refuse", "blackhole", "lookup"]
"""Why no connection is made: an RST answers the connect, nothing does, or the name is unknown."""

Certificate = Literal["good", "expired", "wrong_host", "self_signed"]
"""What a server shows in the handshake. All but the last come from the authority that clients are told to trust."""


class Opening(Protocol):
    """What the engine offers a fault of a connection that has just been accepted, before a byte of it was read."""

    async def pause(self, fault: BeforeHttp, seconds: float) -> None:
        """Let the connection be for so long; what the client sends meanwhile is read afterwards."""
        ...

    async def end(self, fault: BeforeHttp, how: Ending, farewell: bytes = b"") -> None:
        """End the connection, or keep silent until the client leaves; ``farewell`` is sent before. Does not return."""
        ...

    async def hear(self) -> bytes:
        """Return what the client sends first, empty where it leaves without a word."""
        ...


class BeforeHttp(Fault):
    """Base of the faults that come before HTTP."""

    family: ClassVar[Family] = "before HTTP"
    phase: ClassVar[Phase] = "connection"
    bars: ClassVar[Bar | None] = None
    certificate: ClassVar[Certificate | None] = None

    def in_force(self, elapsed: float) -> bool:
        """Tell whether the fault acts ``elapsed`` seconds after its rules were put in force."""
        del elapsed
        return True

    def ends_at(self) -> float | None:
        """Return when it stops acting, in seconds after its rules were put in force; None: never by itself."""
        return None

    async def on_accept(self, opening: Opening) -> None:
        """Act on a connection that was made."""


class Barring(BeforeHttp):
    """Base of the faults that let no connection come into being.

    ``for`` makes it a window that begins when the rules are put in force; without it they act until other rules are.
    On real sockets only such windows exist: the kernel answers connects, or does not, without telling anybody.
    """

    model_config = ConfigDict(populate_by_name=True)

    counted: ClassVar[tuple[World, ...]] = ("sim",)
    scalar: ClassVar[str | None] = "lasts"

    lasts: Annotated[Duration | None, Field(alias="for")] = None

    def in_force(self, elapsed: float) -> bool:
        """Tell whether the window is open."""
        return self.lasts is None or elapsed < self.lasts

    def ends_at(self) -> float | None:
        """Return when the window closes."""
        return self.lasts
