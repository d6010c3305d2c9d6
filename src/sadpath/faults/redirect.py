"""The fault ``redirect``: the answer is elsewhere."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sadpath.faults.base import Answer, Exchange, Fault
from sadpath.faults.payload import HeaderText
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Redirect"]


class Redirect(Fault):
    """Answers with a status of RFC 9110 §15.4 and a ``Location``; the backend does not run.

    ``to`` is a path of the API, which stays in the session, such a path behind ``{other_origin}``, which leads to the
    server's second origin, or any other reference. With ``times`` it acts on so many exchanges, those that meet it
    first, and then lets pass. Where the path leads back to its own rule, a client without a bound goes round for ever.
    """

    name: ClassVar[str] = "redirect"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = (
        "A redirect to a path of the API or to another origin, each time or the first so many times."
    )
    scalar: ClassVar[str | None] = "to"
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0 (302) without a body; exit 0 with --location; exit 47 in a circle with --location",
        "httpx": (
            "302, HTTPStatusError from raise_for_status; 200 with follow_redirects; TooManyRedirects in a circle "
            "with follow_redirects"
        ),
        "browser": "200; net::ERR_TOO_MANY_REDIRECTS in a circle",
    }

    to: HeaderText
    code: Literal[301, 302, 303, 307, 308] = 302
    times: Annotated[int, Field(ge=1)] | None = None

    async def on_request(self, exchange: Exchange) -> None:
        """Answer, so that the backend does not run."""
        if exchange.answer is not None:
            return
        memory = exchange.memory(self)
        met = memory["met"] = memory.get("met", 0) + 1
        if self.times is not None and met > self.times:
            return
        answer = Answer(self.code)
        answer.set_header(b"location", exchange.location(self.to).encode("latin-1"))
        answer.set_body(b"")
        exchange.answer = answer
        exchange.fire(self, "request")

    def answers(self) -> bool:
        """Tell that the backend is left out."""
        return True


FAULTS.register(Redirect)
