"""Idempotency keys of one session: which requests are under way, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

__all__ = ["KEPT_SECONDS", "MAX_ANSWERS", "Answer", "Keys", "Place"]

KEPT_SECONDS = 86_400.0
MAX_ANSWERS = 10_000

Place = tuple[int, str, str]
"""User id, operation, key: the same key of another user or operation is another key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to the first request with a key."""

    digest: bytes
    """Of the request's body."""
    response: Response
    effect: str | None
    """The id of the change that the request made."""
    given_at: float
    """Unix seconds."""


class Keys:
    """Remembers answers for a day, and at most ten thousand of them."""

    def __init__(self) -> None:
        self._under_way: set[Place] = set()
        self._answers: dict[Place, Answer] = {}

    def under_way(self, place: Place) -> bool:
        """Whether a request with this key has begun and is not yet answered."""
        return place in self._under_way

    def answer(self, place: Place, now: float) -> Answer | None:
        """What was answered to this key, if that is still remembered at ``now`` (Unix seconds)."""
        answer = self._answers.get(place)
        if answer and now - answer.given_at >= KEPT_SECONDS:
            del self._answers[place]
            return None
        return answer

    def begin(self, place: Place) -> None:
        """Note that a request with this key has begun."""
        self._under_way.add(place)

    def end(self, place: Place) -> None:
        """Note that the request is over, however it ended."""
        self._under_way.discard(place)

    def keep(self, place: Place, answer: Answer) -> None:
        """Remember an answer; the oldest makes room."""
        if len(self._answers) >= MAX_ANSWERS:
            del self._answers[next(iter(self._answers))]
        self._answers[place] = answer
