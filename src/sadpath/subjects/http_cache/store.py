"""The answers that an HTTP cache holds, in memory, and the questions whose answers may still be put there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from sadpath.client.message import Reply
from sadpath.subjects.http_cache.rules import directives, lifetime, seconds

__all__ = ["Question", "Store", "Stored"]

_MOST_URLS = 256
_MOST_VARIANTS = 8


@dataclass(frozen=True)
class Stored:
    """An answer that may be used again.

    ``fields`` are the request fields that it varies with, as its own request had them; ``session`` is the number of
    the session that it belongs to; ``good_at`` is the reading of the client's clock at which the server stood by it.
    """

    reply: Reply
    fields: tuple[tuple[str, str | None], ...]
    session: int
    good_at: float

    @property
    def url(self) -> str:
        """What it is an answer of."""
        return str(self.reply.request.url)

    @property
    def etag(self) -> str | None:
        """Its entity tag."""
        return self.reply.headers.get("etag")

    @cached_property
    def lifetime(self) -> float:
        """For how many seconds it is fresh."""
        return lifetime(self.reply.headers)

    @cached_property
    def always_asks(self) -> bool:
        """Whether it may never be served before the server has confirmed it (RFC 9111 §5.2.2.4)."""
        return "no-cache" in directives(self.reply.headers.get_all("cache-control"))

    @cached_property
    def asks_when_stale(self) -> bool:
        """Whether it may not be served stale, whatever happens (RFC 9111 §5.2.2.2)."""
        said = directives(self.reply.headers.get_all("cache-control"))
        return "must-revalidate" in said or self.always_asks

    @cached_property
    def good_for_errors(self) -> float:
        """For how many seconds after it went stale it may stand in for a server error (RFC 5861 §4)."""
        return seconds(directives(self.reply.headers.get_all("cache-control")).get("stale-if-error"))


@dataclass(eq=False)
class Question:
    """A request under way. Its answer may be stored unless something newer is known of the URL meanwhile."""

    url: str
    number: int
    counts: bool = True


class Store:
    """Answers by their URLs, the newest first; what has not been used for longest makes room."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, tuple[Stored, ...]] = OrderedDict()
        self._open: list[Question] = []
        self._asked = 0

    def answers(self, url: str) -> tuple[Stored, ...]:
        """Return what is held of a URL."""
        found = self._answers.get(url, ())
        if found:
            self._answers.move_to_end(url)
        return found

    @contextmanager
    def asking(self, url: str) -> Iterator[Question]:
        """Hold a question open while its answer is on its way."""
        self._asked += 1
        question = Question(url, self._asked)
        self._open.append(question)
        try:
            yield question
        finally:
            self._open.remove(question)

    def put(self, question: Question, stored: Stored) -> None:
        """Store the answer to a question in place of the one it replaces, unless something newer is known."""
        if not question.counts:
            return
        self._outdate(question.url, before=question.number)
        others = [
            item
            for item in self._answers.get(question.url, ())
            if item.session == stored.session and item.fields != stored.fields
        ]
        self._answers[question.url] = (stored, *others)[:_MOST_VARIANTS]
        self._answers.move_to_end(question.url)
        while len(self._answers) > _MOST_URLS:
            self._answers.popitem(last=False)

    def answered_otherwise(self, question: Question) -> None:
        """Drop what is held of a URL whose answer now is one that is not kept, unless something newer is known."""
        if question.counts:
            self._outdate(question.url, before=question.number)
            self._answers.pop(question.url, None)

    def drop(self, url: str) -> None:
        """Drop what is held of a URL that was changed, and what is on its way."""
        self._outdate(url, before=self._asked + 1)
        self._answers.pop(url, None)

    def clear(self) -> None:
        """Drop everything, and what is on its way."""
        for question in self._open:
            question.counts = False
        self._answers.clear()

    def _outdate(self, url: str, *, before: int) -> None:
        for question in self._open:
            if question.url == url and question.number < before:
                question.counts = False
