"""One request and its reply, with the body: below this layer nothing is left unread, above it nothing is read.

Whatever goes wrong comes back as a failure, a broken body included, so that the retry above sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from .failures import ConnectionFailure, Failure, Timeout, TooLarge
from .guard import GivenUpError, PoolBusyError, PoolGuard
from .http import Http, Opened, Wire
from .log import CallLog
from .mapping import FailureMap
from .message import Call, Headers, Reply, Request
from .policy import Timeouts
from .ports import Clock

__all__ = ["KEY_FIELD", "MAX_BODY", "REDIRECTS", "Exchange", "WantsBody"]

WantsBody = Callable[[Reply], bool]
"""Decides by the head alone whether the body is worth reading."""

KEY_FIELD = "Idempotency-Key"
MAX_BODY = 16 * 1024 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_USER_AGENT = "shop-client/1"


class Exchange:
    """Sends requests over the pool."""

    def __init__(
        self,
        http: Http,
        *,
        guard: PoolGuard,
        timeouts: Timeouts,
        failures: FailureMap,
        clock: Clock,
        log: CallLog,
        max_body: int = MAX_BODY,
    ) -> None:
        self.http = http
        self.guard = guard
        self.timeouts = timeouts
        self.failures = failures
        self.clock = clock
        self.log = log
        self.max_body = max_body

    async def send(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        """Send ``request`` and return the reply, or why there is none."""
        outcome = await self.once(call, request, wants_body)
        if isinstance(outcome, Failure) and self.may_repeat_unseen(call, request, outcome):
            call.repeats += 1
            self.log.note(f"{call.operation}: the reused connection was dead, asking once more on a fresh one")
            await self.http.drop_idle()
            outcome = await self.once(call, request, wants_body)
        return outcome

    def may_repeat_unseen(self, call: Call, request: Request, failure: Failure) -> bool:
        """Tell whether a dead reused connection is to blame: no byte came, and asking twice does no harm.

        Source: RFC 9112 §9.3.1.
        """
        return (
            failure.kind in ("closed", "reset")
            and not call.given_up
            and not call.wire.fresh
            and call.wire.received == 0
            and call.repeats == 0
            and request.idempotent
            and request.replayable
        )

    async def once(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        """Send ``request`` once, when the pool has a place."""
        try:
            return await self.guard.run(lambda: self._exchange(call, request, wants_body), self.timeouts.pool)
        except PoolBusyError as error:
            return Timeout("pool", message=str(error), sent=False)
        except GivenUpError as error:
            call.given_up = True
            return ConnectionFailure("closed", message=str(error))

    async def _exchange(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        wire = call.begin(request)
        started = self.clock.now()
        self.log.sending(call.operation, request, call.attempts)
        try:
            outcome = await self.talk(request, wire, wants_body)
        except Exception as error:  # noqa: BLE001 - every exception of the library is a failure of this exchange
            outcome = self.failures.of_exception(error)
        seconds = self.clock.now() - started
        if isinstance(outcome, Failure):
            call.broken_off()
            outcome = replace(outcome, sent=wire.sent > 0)
            self.log.failed(call.operation, outcome, seconds)
        else:
            call.answered()
            self.log.received(call.operation, outcome, seconds)
        return outcome

    async def talk(self, request: Request, wire: Wire, wants_body: WantsBody) -> Reply | Failure:
        """Send, and read what is wanted. Raises the library's exceptions up to the head of the reply."""
        opened = await self.http.open(
            request.method,
            request.url,
            headers=self.fields(request),
            body=request.body.content() if request.body else None,
            timeouts=self.limits(),
            wire=wire,
        )
        try:
            head = Reply(request, opened.status, Headers(opened.headers))
            if not has_content(head) or wants_body(head):
                return await self.read(head, opened)
            return head
        finally:
            await opened.close()

    async def read(self, head: Reply, opened: Opened) -> Reply | Failure:
        """Read the body to its end."""
        parts: list[bytes] = []
        size = 0
        try:
            async with aclosing(opened.chunks()) as chunks:  # type: ignore[type-var]  # chunks() is a generator
                async for part in chunks:
                    size += len(part)
                    if size > self.max_body:
                        return self.too_large(head)
                    parts.append(part)
        except Exception as error:  # noqa: BLE001 - every exception of the library is a failure of this body
            return self.on_broken_body(head, b"".join(parts), error)
        return replace(head, body=b"".join(parts))

    def on_broken_body(self, head: Reply, received: bytes, error: Exception) -> Reply | Failure:
        """Judge a body that broke off after ``received``: an error keeps its status, a success is none."""
        del received
        if head.status >= 400:
            self.log.note(f"the body of the {head.status} broke off: {type(error).__name__}")
            return head
        return replace(self.failures.of_exception(error), status=head.status, in_body=True)

    def too_large(self, head: Reply) -> Reply | Failure:
        """Judge a body that is larger than this client holds."""
        if head.status >= 400:
            return head
        return TooLarge(message=f"the answer has more than {self.max_body} bytes", status=head.status, in_body=True)

    def limits(self) -> dict[str, float | None]:
        """Return the limits of one exchange, in seconds."""
        limits = self.timeouts
        return {"connect": limits.connect, "read": limits.read, "write": limits.write, "pool": limits.pool}

    def fields(self, request: Request) -> list[tuple[str, str]]:
        """Return all header fields that go out."""
        fields = [("Host", request.url.host_header)]
        given = {name.lower() for name, _ in request.headers}
        defaults = [("Accept", "application/json"), ("Accept-Encoding", "gzip, deflate"), ("User-Agent", _USER_AGENT)]
        if request.body is not None:
            defaults.append(("Content-Type", "application/json"))
        fields += [(name, value) for name, value in defaults if name.lower() not in given]
        fields += request.headers
        if request.key is not None:
            fields.append((KEY_FIELD, request.key))
        if request.body is not None and request.body.length is None:
            fields.append(("Transfer-Encoding", "chunked"))
        elif request.body is not None or request.method in ("POST", "PUT", "PATCH"):
            fields.append(("Content-Length", str(request.body.length if request.body else 0)))
        return fields


def has_content(head: Reply) -> bool:
    """Tell whether there is anything to read that could keep the reader waiting."""
    return head.headers.get("content-length") != "0" and head.status not in (204, 304)
