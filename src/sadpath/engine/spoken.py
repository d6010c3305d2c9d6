"""What an exchange can and cannot do by the HTTP that it is spoken in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, NoReturn

from sadpath.core.errors import AuthorError
from sadpath.core.events import ExchangeEvent
from sadpath.engine.streaming import no_wire
from sadpath.engine.streams import LastStream, StreamWire
from sadpath.engine.wire import Wire
from sadpath.faults.base import Fault
from sadpath.scenario.vocabulary import HttpVersion

__all__ = ["ExchangeOver", "Spoken"]


class ExchangeOver(Exception):
    """The exchange has ended before its answer did: by a fault, by the client, or with its session."""


class Spoken:
    """A part of the engine's side of ``sadpath.faults.base.Exchange``: what is about HTTP/1 or HTTP/2 alone."""

    event: ExchangeEvent
    wire: Wire | None
    faults: list[Fault]
    _acting: str | None
    _hold: Callable[[float | None], Awaitable[None]]

    def check_protocol(self) -> None:
        """See to it that every fault that the exchange meets exists in its HTTP.

        Raises:
            AuthorError: where one does not.
        """
        spoken: HttpVersion = "HTTP/2" if self.event.http_version == "2" else "HTTP/1"
        for fault in self.faults:
            why = fault.not_in(spoken)
            if why is not None:
                shown = f"HTTP/{self.event.http_version}"
                raise AuthorError(f"the fault {fault.name!r} does not exist in {shown}, which was spoken: {why}")

    async def reset_stream(self, error: int) -> NoReturn:
        """End the exchange by RST_STREAM.

        Raises:
            ExchangeOver: always.
        """
        await self._stream().reset(error)
        raise ExchangeOver

    async def go_away(self, error: int, last: LastStream, then: Literal["finish", "close", "stall"]) -> None:
        """Send GOAWAY; returns where this exchange is still to be answered.

        Raises:
            ExchangeOver: where it is not.
        """
        wire = self._stream()
        answered = wire.go_away(error, last, self._acting)
        if then == "close":
            await wire.connection.fin(self._acting)
        elif then == "stall":
            await self._hold(None)
        elif answered:
            return
        raise ExchangeOver

    def _stream(self) -> StreamWire:
        if isinstance(self.wire, StreamWire):
            return self.wire
        raise no_wire(self._acting)
