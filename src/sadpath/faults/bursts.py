"""The fault ``bursts``: answers get lost, many in a row and then none."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Bursts"]

Probability = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""


class Bursts(Fault):
    """Loses answers as a bad radio link does: by the model of Gilbert and Elliott.

    The link is good at first. With each exchange that the rule is about it becomes bad with the probability ``bad``,
    or, if it is bad, good again with ``good``; while it is bad an answer is lost with ``loss``. A loss is an RST in the
    place of the answer: the backend has run. Draws are keyed, so a rule's n-th match fares the same in every run.
    (E. N. Gilbert, Capacity of a burst-noise channel, 1960; E. O. Elliott, 1963.)
    """

    name: ClassVar[str] = "bursts"
    family: ClassVar[Family] = "load"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "Answers are lost in bursts, each loss an RST: the model of Gilbert and Elliott."
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 56",
        "httpx": "ReadError",
        "browser": "net::ERR_CONNECTION_RESET",
    }

    bad: Probability
    good: Probability
    loss: Probability = 1.0

    async def on_response(self, exchange: Exchange) -> None:
        """Lose the answer, if it is its turn."""
        if self.loses(exchange):
            exchange.fire(self, "response")
            await exchange.end("reset")

    def loses(self, exchange: Exchange) -> bool:
        """Tell whether this exchange's answer is lost."""
        return self._is_bad(exchange) and exchange.draw(self.name, "loss") < self.loss

    def _is_bad(self, exchange: Exchange) -> bool:
        """Tell how the link is at this match: what it was before, and one move further."""
        states: list[bool] = exchange.memory(self).setdefault("states", [])
        while len(states) <= exchange.match:
            was_bad = bool(states) and states[-1]
            moves = exchange.draw_at(len(states), self.name, "move") < (self.good if was_bad else self.bad)
            states.append(was_bad is not moves)
        return states[exchange.match]


FAULTS.register(Bursts)
