"""An exchange with a private HTTP cache in front of it (RFC 9111): below the session, so that it sees every field.

A call asks what is held once. Its later attempts, after a failure or with another token, go out on the same condition:
what another call has stored meanwhile changes nothing of a request that is being repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sadpath.client import Failure, StatusFailure
from sadpath.client.exchange import Exchange, WantsBody
from sadpath.client.http import InvalidUrlError
from sadpath.client.json_text import InvalidJsonError, parse
from sadpath.client.message import Call, Headers, Reply, Request, is_field_value
from sadpath.client.policy import TRANSPORT_CLASSES, transport_kinds
from sadpath.subjects.http_cache.rules import directives, freshened, same_tag, seconds, varies
from sadpath.subjects.http_cache.store import Question, Store, Stored

__all__ = ["CachingExchange", "Served"]

_OF_ITS_CALLER = ("if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range")
"""Fields by which a caller does a cache's work itself."""

_AWAY = transport_kinds(frozenset(TRANSPORT_CLASSES)) | {"timeout.total"}
"""Failures that mean: the server cannot be reached."""

_ERRORS = frozenset({500, 502, 503, 504})
"""Statuses for which stale-if-error is meant (RFC 5861 §4)."""

_GONE = frozenset({404, 410})


@dataclass(frozen=True)
class Served:
    """An answer came from the cache: how many seconds old it was, and whether it was stale."""

    age: float
    stale: bool


@dataclass
class _Asking:
    """What a call asks: on which condition it goes to each URL, and its newest request."""

    known: dict[str, tuple[Stored, ...]] = field(default_factory=dict)
    request: Request | None = None


class CachingExchange(Exchange):
    """Sends requests over the pool, or answers them from what it has stored.

    ``max_stale`` is the oldest that a stale answer may be, in seconds. ``heard`` is told of what came from the cache.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.store = Store()
        self.max_stale = 86_400.0
        self.heard: Callable[[Request, Served], None] = _nobody
        self._asking: dict[int, _Asking] = {}

    async def send(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        """Send a request, unless what is stored for it is fresh."""
        if not self.is_question(request):
            return await self.pass_on(call, request, wants_body)
        asking, url = self._asking.setdefault(call.number, _Asking()), str(request.url)
        asking.request = request
        if url not in asking.known:
            asking.known[url] = self.own(call, url)
            selected = self.select(asking.known[url], request)
            if selected is not None and self.may_serve(selected, request):
                return self.serve(call, request, selected)
        return await self.ask(call, request, wants_body, asking.known[url])

    def done(self, call: Call) -> None:
        """Forget what a call that is over has asked."""
        self._asking.pop(call.number, None)

    # Asking

    def is_question(self, request: Request) -> bool:
        """Tell whether the cache has anything to do with a request: a plain GET."""
        plain = request.method == "GET" and request.body is None
        return plain and not any(request.field(name) is not None for name in _OF_ITS_CALLER)

    async def pass_on(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        """Send what is no question, and drop what it may have changed (RFC 9111 §4.4)."""
        outcome = await super().send(call, request, wants_body)
        if not request.safe and self.may_have_changed(outcome):
            for url in self.touched(request, outcome):
                self.store.drop(url)
        return outcome

    def may_have_changed(self, outcome: Reply | Failure) -> bool:
        """Tell whether a write may have taken effect: all but a refusal says so, or does not say."""
        return outcome.sent if isinstance(outcome, Failure) else not 400 <= outcome.status < 500

    def touched(self, request: Request, outcome: Reply | Failure) -> list[str]:
        """Return the URLs of which a write says something new: its own, and those that its answer names."""
        urls = [str(request.url)]
        headers = outcome.headers if isinstance(outcome, Reply) else Headers()
        for name in ("location", "content-location"):
            try:
                named = request.url.join(headers.get(name) or "")
            except InvalidUrlError:
                continue
            if named.origin == request.url.origin:
                urls.append(str(named))
        return urls

    async def ask(
        self, call: Call, request: Request, wants_body: WantsBody, known: Sequence[Stored]
    ) -> Reply | Failure:
        """Ask the server: whether what is known is still good, where that can be asked."""
        tags = list(dict.fromkeys(item.etag for item in known if item.etag is not None and is_field_value(item.etag)))
        asked = request.with_field("If-None-Match", ", ".join(tags)) if tags else request
        began = self.clock.now()
        with self.store.asking(str(request.url)) as question:
            outcome = await super().send(call, asked, wants_body)
            if isinstance(outcome, Reply) and outcome.status == 304 and tags:
                confirmed = self.confirmed(known, tags, outcome)
                if confirmed is not None:
                    outcome = self.renewed(confirmed, outcome)
                else:
                    # It speaks of an answer that is not here: only a whole one will do (RFC 9111 §4.3.3).
                    outcome = await super().send(call, request, wants_body)
            if isinstance(outcome, Reply):
                outcome = replace(outcome, request=request)
                self.take(call, question, outcome, began)
            return outcome

    def confirmed(self, known: Sequence[Stored], tags: Sequence[str], confirmation: Reply) -> Stored | None:
        """Return the stored answer of which a 304 says that it is good (RFC 9111 §4.3.4)."""
        etag = confirmation.headers.get("etag") or (tags[0] if len(tags) == 1 else None)
        return next((item for item in known if same_tag(item.etag, etag)), None)

    # Choosing

    def own(self, call: Call, url: str) -> tuple[Stored, ...]:
        """Return what is held of a URL for the call's session."""
        return tuple(item for item in self.store.answers(url) if item.session == call.epoch)

    def select(self, known: Sequence[Stored], request: Request) -> Stored | None:
        """Return the newest of these answers that is one to this request."""
        return next((item for item in known if self.fits(item, request)), None)

    def fits(self, item: Stored, request: Request) -> bool:
        """Tell whether a stored answer is one to this request: chosen by fields that it has too (RFC 9111 §4.1)."""
        return all(name != "*" and self.field(request, name) == value for name, value in item.fields)

    def field(self, request: Request, name: str) -> str | None:
        """Return what goes out in a header field."""
        values = [value.strip() for key, value in self.fields(request) if key.lower() == name]
        return ", ".join(values) if values else None

    def age(self, item: Stored) -> float:
        """Return how old a stored answer is, in seconds."""
        return max(0.0, self.clock.now() - item.good_at)

    def may_serve(self, item: Stored, request: Request) -> bool:
        """Tell whether a stored answer may be served without asking: it is fresh, and nobody wants to be sure."""
        wanted = directives(value for name, value in request.headers if name.lower() == "cache-control")
        if item.always_asks or wanted.keys() & {"no-cache", "no-store"}:
            return False
        limit = min(item.lifetime, seconds(wanted["max-age"])) if "max-age" in wanted else item.lifetime
        return self.age(item) < limit

    def may_serve_stale(self, item: Stored, failure: Failure) -> bool:
        """Tell whether a stored answer may stand in for this failure (RFC 9111 §4.2.4, RFC 5861 §4)."""
        if item.asks_when_stale or failure.of_refresh or self.age(item) > self.max_stale:
            return False
        if isinstance(failure, StatusFailure):
            return failure.status in _ERRORS and self.age(item) <= item.lifetime + item.good_for_errors
        return failure.kind in _AWAY

    def stand_in(self, call: Call, failure: Failure) -> Reply | None:
        """Return what may stand in for the answer that a call did not get, None if nothing may."""
        asking = self._asking.get(call.number)
        if asking is None or asking.request is None or call.given_up:
            return None
        item = self.select(self.own(call, str(asking.request.url)), asking.request)
        if item is None or not self.may_serve_stale(item, failure):
            return None
        return self.serve(call, asking.request, item)

    def serve(self, call: Call, request: Request, item: Stored) -> Reply:
        """Answer with what is stored, and say so."""
        age = self.age(item)
        self.heard(request, Served(age, stale=age >= item.lifetime))
        self.log.note(f"{call.operation}: from the HTTP cache, {age:.0f} s old")
        fields = [(name, value) for name, value in item.reply.headers if name != "age"]
        return replace(item.reply, request=request, headers=Headers([*fields, ("age", str(int(age)))]))

    # Storing

    def may_store(self, reply: Reply) -> bool:
        """Tell whether an answer may be kept, and is worth it (RFC 9111 §3).

        What is neither fresh for a time nor can be asked about, or is no JSON, as a portal's page, would help nobody.
        """
        wanted = directives(value for name, value in reply.request.headers if name.lower() == "cache-control")
        said = directives(reply.headers.get_all("cache-control"))
        if reply.status != 200 or "no-store" in said or "no-store" in wanted:
            return False
        return ("max-age" in said or not {"etag", "expires"}.isdisjoint(dict(reply.headers))) and _is_json(reply.body)

    def take(self, call: Call, question: Question, reply: Reply, began: float) -> None:
        """Store an answer, or drop what it shows to be no longer true."""
        if self.may_store(reply):
            self.store.put(question, self.stored(call, reply, began))
        elif 200 <= reply.status < 300 or reply.status in _GONE:
            self.store.answered_otherwise(question)

    def stored(self, call: Call, reply: Reply, began: float) -> Stored:
        """Return an answer as it is kept. Its age begins when it was asked for (RFC 9111 §4.2.3)."""
        fields = tuple((name, self.field(reply.request, name)) for name in varies(reply.headers))
        return Stored(reply, fields, call.epoch, began - seconds(reply.headers.get("age")))

    def renewed(self, item: Stored, confirmation: Reply) -> Reply:
        """Return the whole answer that a 304 stands for, as good as new (RFC 9111 §4.3.4)."""
        return replace(item.reply, headers=freshened(item.reply.headers, confirmation.headers))


def _is_json(body: bytes) -> bool:
    try:
        parse(body)
    except InvalidJsonError:
        return False
    return True


def _nobody(_request: Request, _served: Served) -> None:
    return None
