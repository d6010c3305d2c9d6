"""The fault ``error_in_200``: the status says yes and the body says no."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Answer, Exchange, Fault
from sadpath.faults.payload import FromJson, Payload, set_payload
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["ErrorIn200"]

_ERROR = FromJson.model_validate(
    {"json": {"success": False, "data": None, "message": "Something went wrong", "error": {"code": "internal_error"}}}
)


class ErrorIn200(Fault):
    """Replaces the answer by a 200 whose body is an error, as many APIs have it behind gateways of all kinds.

    ``body`` is what it says; by default an envelope with ``success: false``, a ``message`` and an ``error``. The
    backend has run, so a write may well have happened. Nothing of its answer is left.
    """

    name: ClassVar[str] = "error_in_200"
    family: ClassVar[Family] = "lying bodies"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "A 200 whose body says that it failed."
    scalar: ClassVar[str | None] = "body"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0",
        "httpx": "200",
        "browser": "200",
    }

    body: Payload | None = None

    async def on_response(self, exchange: Exchange) -> None:
        """Replace the answer."""
        answer = Answer(200)
        set_payload(answer, _ERROR if self.body is None else self.body, exchange)
        exchange.answer = answer
        exchange.fire(self, "response")


FAULTS.register(ErrorIn200)
