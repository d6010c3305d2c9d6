"""Faults that have a place: before the backend, before the answer, after its head, or within its body.

A helper of several faults; it registers none.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable
from typing import Any, Self

from pydantic import model_validator

from sadpath.core.units import Duration, Size, parse_duration
from sadpath.faults.base import At, Delivery, Exchange, Fault
from sadpath.scenario.filemodel import complain
from sadpath.scenario.vocabulary import Phase

__all__ = ["Ends", "Placed"]


class Placed(Fault):
    """Base of faults that act at a place.

    Subclasses say in ``act`` what happens there. ``after`` counts bytes of the body as sent, without head and chunk
    framing, and implies ``at: body``; ``at: body`` alone means the middle. A place behind the last byte is not reached.
    """

    at: At = "response"
    after: Size | None = None

    @model_validator(mode="before")
    @classmethod
    def _after_implies_body(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("after") is not None and "at" not in value:
            return {**value, "at": "body"}
        return value

    @model_validator(mode="after")
    def _after_needs_body(self) -> Self:
        if self.after is not None and self.at != "body":
            raise complain(f"counts bytes of the body, so it goes with `at: body`, not `at: {self.at}`", "after")
        return self

    async def act(self, exchange: Exchange) -> None:
        """Do what the fault is about; its place is reached."""
        raise NotImplementedError

    async def on_request(self, exchange: Exchange) -> None:
        """Act, if this is the place."""
        if self.at == "request":
            await self._here(exchange, "request")

    async def on_response(self, exchange: Exchange) -> None:
        """Act, if this is the place."""
        if self.at == "response":
            await self._here(exchange, "response")

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Wait for the place, if it is in the answer."""
        if self.at == "head":
            delivery.interrupt(0, functools.partial(self._here, exchange, "head"))
        elif self.at == "body":
            after = exchange.body_size // 2 if self.after is None else self.after
            delivery.interrupt(after, functools.partial(self._here, exchange, "body", after))

    def _here(self, exchange: Exchange, phase: Phase, byte: int | None = None) -> Awaitable[None]:
        exchange.fire(self, phase, byte)
        return self.act(exchange)


class Ends(Placed):
    """Base of the faults that end the connection; a bare duration (``reset: 2s``) is the silence before it."""

    time: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_duration(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("at"), str) and "time" not in value:
            try:
                parse_duration(value["at"])
            except ValueError:
                return value
            return {key: item for key, item in value.items() if key != "at"} | {"time": value["at"]}
        return value

    async def silence(self, exchange: Exchange) -> None:
        """Let the time pass, if any was asked for."""
        if self.time is not None:
            await exchange.sleep(self.time)
