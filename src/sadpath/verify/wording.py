"""How findings put numbers and names into their one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.messages import Outcome
from sadpath.verify.sight import Sight

__all__ = ["answer_of", "count", "ended_as", "exchanges", "joined", "seconds"]


def seconds(value: float) -> str:
    """Return seconds with the digits that matter: ``0.020 s``, ``12.5 s``."""
    return f"{value:.3f} s" if abs(value) < 10 else f"{value:.1f} s"


def joined(items: Iterable[object], word: str = "and") -> str:
    """Return items as a sentence lists them: ``1, 2 and 3``."""
    texts = [str(item) for item in items]
    return f"{', '.join(texts[:-1])} {word} {texts[-1]}" if len(texts) > 1 else "".join(texts) or "none"


def exchanges(items: Sequence[ExchangeEvent]) -> str:
    """Return ``exchange 3`` or ``exchanges 3, 4 and 5``."""
    numbers = [item.exchange for item in items]
    return f"exchange{'' if len(numbers) == 1 else 's'} {joined(numbers)}"


def count(number: int, word: str, plural: str | None = None) -> str:
    """Return ``1 attempt`` or ``3 attempts``."""
    return f"{number} {word if number == 1 else plural or word + 's'}"


def answer_of(sight: Sight) -> str:
    """Return what the client met in an exchange, as a noun: ``a 503``, ``a connection reset before any answer``."""
    if sight.status is not None and sight.whole:
        return f"a {sight.status}"
    how = {"fin": "closed", "rst": "reset"}.get(sight.exchange.ended.how, "lost")
    if sight.exchange.ended.by == "client":
        return "silence, until the client gave up"
    if sight.exchange.ended.by is None:
        return "an answer that never ended"
    return f"a connection {how} in the middle of a {sight.status}" if sight.status is not None else (
        f"a connection {how} before any answer"
    )  # fmt: skip


def ended_as(outcome: Outcome | None) -> str:
    """Return how a call ended, as a verb: ``ended well``, ``failed as server (503)``."""
    if outcome is None:
        return "never ended"
    if outcome.outcome == "cancelled":
        return "ended cancelled"
    if outcome.outcome == "ok":
        return "ended well" + (" from the cache" if outcome.source == "cache" else "")
    error = outcome.error
    if error is None:
        return "failed without saying why"
    return f"failed as {error.kind}" + (f" ({error.status})" if error.status is not None else "")
