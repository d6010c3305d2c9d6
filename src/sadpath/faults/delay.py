"""The fault ``delay``: the answer, or the rest of it, comes later."""

from __future__ import annotations

import math
import statistics
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from sadpath.core.units import Duration, Seconds
from sadpath.faults.base import Exchange
from sadpath.faults.placed import Placed
from sadpath.scenario.filemodel import FileModel, complain
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["Delay", "LogNormal", "Uniform"]

_SMALLEST = 2.0**-54  # half of the smallest draw above zero: the normal distribution has no quantile at 0


class Uniform(FileModel):
    """Any time from ``min`` to ``max`` is equally likely."""

    min: Seconds
    max: Duration

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise complain("must not be longer than `max`", "min")
        return self

    def at(self, drawn: float) -> float:
        """Return the time for a draw from [0, 1), in seconds."""
        return self.min + (self.max - self.min) * drawn


class LogNormal(FileModel):
    """Half of the times are below ``median``; ``sigma`` is the spread of their logarithm. ``max`` caps them."""

    median: Duration
    sigma: Annotated[float, Field(gt=0, le=10)]
    max: Duration | None = None

    def at(self, drawn: float) -> float:
        """Return the time for a draw from [0, 1), in seconds."""
        time = self.median * math.exp(self.sigma * statistics.NormalDist().inv_cdf(max(drawn, _SMALLEST)))
        return time if self.max is None else min(time, self.max)


class Delay(Placed):
    """Waits before going on: fixed, or drawn for each exchange.

    The draw is keyed, so the n-th match of a rule waits equally long in every run. A client that leaves ends the wait.
    """

    name: ClassVar[str] = "delay"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The answer, or what is left of it, comes later: a fixed time or one drawn by key."
    scalar: ClassVar[str | None] = "time"
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0, slowly; exit 28 where --max-time is shorter",
        "httpx": "200, slowly; ReadTimeout where the read timeout is shorter than a pause",
        "browser": "200, slowly; TimeoutError where AbortSignal.timeout is shorter",
    }

    time: Duration | None = None
    uniform: Uniform | None = None
    lognormal: LogNormal | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if sum(given is not None for given in (self.time, self.uniform, self.lognormal)) != 1:
            raise complain("needs exactly one of `time`, `uniform` and `lognormal`")
        return self

    def seconds(self, exchange: Exchange) -> float:
        """Return how long this exchange waits."""
        drawn = self.uniform or self.lognormal
        if drawn is None:
            return self.time or 0.0
        return drawn.at(exchange.draw(self.name, self.at, -1 if self.after is None else self.after))

    async def act(self, exchange: Exchange) -> None:
        """Wait."""
        await exchange.sleep(self.seconds(exchange))


FAULTS.register(Delay)
FAULTS.alias("latency", "delay")
