"""A client with an HTTP cache: the reference client without its own cache, and one of URLs below its session.

It keeps what RFC 9111 lets a private cache keep, asks on condition when that is stale, and serves it stale where the
server is away. The other clients here each lack one of these manners.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sadpath.client import Failure, Parts, Policy, ShopClient
from sadpath.client.exchange import Exchange, WantsBody
from sadpath.client.freshness import CacheControl
from sadpath.client.message import Call, Headers, Reply, Request
from sadpath.drivers.messages import Hello, Outcome
from sadpath.subjects.reference import ReferenceSubject, Wiring
from sadpath.verify.contract import Contract
from sadpath.verify.contract import Policy as Promise

CAPABILITIES = (
    "retry", "token_refresh", "http_cache", "cancel", "error_kinds", "call_tag", "fake_clock", "policy_override",
)  # fmt: skip

CONTRACT = Contract(
    client="http-cache",
    capabilities=CAPABILITIES,
    policy=Promise.model_validate({"timeouts": {"read": "400ms", "total": "8s"}, "retry": {"max_retries": 0}}),
)
"""What it promises: nothing of a cache, for that is the standard's business."""

_TAG = "x-sadpath-call"


@dataclass(frozen=True)
class Stored:
    """An answer with the fields of its request that it varies with, and the Unix time at which it was good."""

    reply: Reply
    fields: tuple[tuple[str, str | None], ...]
    at: float
    control: CacheControl

    @property
    def lifetime(self) -> float:
        """For how many seconds it is fresh: what says nothing is stale at once."""
        return self.control.max_age or 0.0


class Caching(Exchange):
    """Sends requests over the pool, or answers them from what it has stored."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.stored: dict[str, list[Stored]] = {}
        self.served: dict[str, float] = {}

    async def send(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        """Send a request, unless what is stored for it is fresh."""
        if request.method != "GET" or request.field("if-none-match") is not None:
            outcome = await super().send(call, request, wants_body)
            if isinstance(outcome, Reply) and outcome.status < 400:
                self.stored.pop(str(request.url), None)
            return outcome
        known = self.select(request)
        if known is not None and self.may_serve(known):
            return self.serve(request, known)
        etag = known.reply.headers.get("etag") if known is not None else None
        asked = request.with_field("If-None-Match", etag) if etag is not None else request
        outcome = await super().send(call, asked, wants_body)
        if known is None:
            return self.keep(request, outcome)
        if isinstance(outcome, Failure) or outcome.status >= 500:
            return self.serve(request, known) if self.may_serve_stale(known) else outcome
        if outcome.status == 304 and etag is not None:
            return self.confirm(request, known, outcome)
        return self.keep(request, outcome)

    def select(self, request: Request) -> Stored | None:
        """Return the newest stored answer to this request."""
        known = self.stored.get(str(request.url), [])
        return next((item for item in reversed(known) if self.fits(item, request)), None)

    def fits(self, item: Stored, request: Request) -> bool:
        """Tell whether a stored answer is one to this request (RFC 9111 §4.1)."""
        return all(name != "*" and request.field(name) == value for name, value in item.fields)

    def age(self, item: Stored) -> float:
        """Return how old a stored answer is, in seconds."""
        return self.clock.wall() - item.at

    def may_serve(self, item: Stored) -> bool:
        """Tell whether a stored answer may be served without asking: it is fresh."""
        return item.control.revalidate != "always" and self.age(item) < item.lifetime

    def may_serve_stale(self, item: Stored) -> bool:
        """Tell whether a stored answer may be served although it is stale, the server being away."""
        return item.control.revalidate == "never"

    def may_store(self, control: CacheControl) -> bool:
        """Tell whether an answer may be kept."""
        return not control.no_store

    def keep(self, request: Request, outcome: Reply | Failure) -> Reply | Failure:
        """Store what may be stored."""
        if isinstance(outcome, Reply) and outcome.status == 200:
            control = CacheControl.of(outcome.headers)
            if self.may_store(control):
                names = [part.strip().lower() for line in outcome.headers.get_all("vary") for part in line.split(",")]
                fields = tuple((name, request.field(name)) for name in names if name)
                entry = Stored(outcome, fields, self.clock.wall() - control.age, control)
                self.stored.setdefault(str(request.url), []).append(entry)
        return outcome

    def confirm(self, request: Request, known: Stored, confirmation: Reply) -> Reply | Failure:
        """Answer a 304 with what is stored, which is as good as new (RFC 9111 §4.3.4)."""
        said = CacheControl.of(confirmation.headers)
        control = said if confirmation.headers.get("cache-control") is not None else known.control
        renewed = replace(known, at=self.clock.wall() - said.age, control=control)
        self.stored[str(request.url)].append(renewed)
        return replace(known.reply, request=request)

    def serve(self, request: Request, item: Stored) -> Reply:
        """Answer with what is stored, and note for which call."""
        self.served[request.field(_TAG) or ""] = self.age(item)
        return replace(item.reply, request=request)


class HttpCache(ReferenceSubject):
    """The client with the good cache."""

    name: ClassVar[str] = "http-cache"
    parts: ClassVar[Parts] = Parts(exchange=Caching)

    def hello(self) -> Hello:
        """Return what the client says of itself."""
        return super().hello().model_copy(update={"capabilities": [*CAPABILITIES]})

    def policy(self, promised: Policy) -> Policy:
        """Return the policy without a cache of values."""
        return replace(promised, cache=replace(promised.cache, strategies={}))

    def build(self, wiring: Wiring) -> ShopClient:
        """Put the client together, and keep hold of its cache."""
        client = super().build(wiring)
        exchange = client.stack.exchange
        assert isinstance(exchange, Caching)
        self.cache = exchange
        return client

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make a call, and say where its answer came from."""
        outcome = await super().call(op, args, tag=tag, pages=pages, replayable=replayable)
        age = self.cache.served.pop(tag, None)
        if age is None or outcome.outcome != "ok":
            return outcome
        return outcome.model_copy(update={"source": "cache", "stale": True, "age_ms": age * 1000})


class LooksAtTheUrlAlone(Caching):
    """Takes an answer to another request for one to this."""

    def fits(self, item: Stored, request: Request) -> bool:
        """Say yes."""
        return True


class NeverAsksAgain(Caching):
    """Serves what it has, however stale."""

    def may_serve(self, item: Stored) -> bool:
        """Say yes."""
        return True


class KeepsEverything(Caching):
    """Cannot read Cache-Control, save how long an answer is fresh."""

    def may_store(self, control: CacheControl) -> bool:
        """Say yes."""
        return True

    def may_serve_stale(self, item: Stored) -> bool:
        """Say yes."""
        return True


class HandsOnThe304(Caching):
    """Asks on a condition of its own, and hands the 304 to its caller."""

    def confirm(self, request: Request, known: Stored, confirmation: Reply) -> Reply | Failure:
        """Return the confirmation itself."""
        return replace(confirmation, request=request, headers=Headers(confirmation.headers))


def with_cache(cache: type[Caching]) -> type[HttpCache]:
    """Return the client with another cache."""
    return type(cache.__name__, (HttpCache,), {"name": cache.__name__, "parts": Parts(exchange=cache)})
