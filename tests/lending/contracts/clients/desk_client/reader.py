"""A careful client of the lending desk, on httpx alone: its passes are cookies in httpx's own jar."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from sadpath.client.message import Headers
from sadpath.client.retry_after import parse_http_date, retry_after
from sadpath.core.clock import Clock
from sadpath.drivers.messages import ClientInfo, ErrorReport, Hello, Outcome, OutcomeValue, Result, Run
from sadpath.drivers.subject import NotSupported, Subject
from sadpath.subjects.stacks.with_httpx import explain

__all__ = ["Failed", "Reader", "create"]

PASS, RENEWAL = "desk_pass", "desk_renewal"
ROUTES = {
    "sessions.open": ("POST", "/v2/sessions"),
    "sessions.close": ("DELETE", "/v2/sessions/current"),
    "readers.me": ("GET", "/v2/readers/me"),
    "titles.get": ("GET", "/v2/titles/{isbn}"),
    "titles.list": ("GET", "/v2/titles"),
    "loans.list": ("GET", "/v2/loans"),
    "loans.create": ("POST", "/v2/loans"),
    "loans.extend": ("PUT", "/v2/loans/{number}"),
    "loans.return": ("DELETE", "/v2/loans/{number}"),
}
SHAPES = {"titles.get": "isbn", "readers.me": "card", "loans.create": "number", "loans.extend": "number"}
PAGES = {"titles.list": "titles", "loans.list": "loans"}
KINDS = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    422: "validation",
    429: "rate_limited",
}
LONGEST_WAIT = 5
TRANSIENT = (408, 429, 502, 503, 504)


class Failed(Exception):
    """A call that came to nothing."""

    def __init__(self, kind: str, status: int | None = None, wait: float | None = None, items: Any = None) -> None:
        super().__init__(kind)
        self.kind, self.status, self.wait, self.items = kind, status, wait, items


@dataclass
class Asked:
    """One request, and how often it went out."""

    method: str
    path: str
    tag: str
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    key: str | None = None
    attempts: int = 0
    renewed: bool = False
    whole: bool = False


class Reader:
    """One client; twins with a defect replace one of its methods."""

    def __init__(self) -> None:
        self.logouts = 0
        self.signed_in = False
        self._renewing: asyncio.Task[None] | None = None
        self._passes = 0
        self._keys = itertools.count(1)
        self._kept: dict[str, tuple[Any, float]] = {}

    # What the driver asks

    def hello(self) -> Hello:
        """Return what the client says of itself."""
        info = ClientInfo(name="reader", version="1", language="python", http=f"httpx {httpx.__version__}")
        known = ["retry", "retry_after", "token_refresh", "cache_fallback", "cancel", "idempotency_key", "pagination"]
        known += ["error_kinds", "call_tag", "policy_override"]
        return Hello(client=info, capabilities=known, operations=["http", *ROUTES], max_parallel=16)

    async def open(self, run: Run, clock: Clock) -> None:
        """Make the client for one case."""
        self.clock, self.base = clock, run.base_url
        policy = run.policy or {}
        self.limits, self.retry = policy.get("timeouts", {}), policy.get("retry", {})
        timeout = httpx.Timeout(
            connect=self._limit("connect", 5), read=self._limit("read", 5), write=self._limit("write", 5), pool=5
        )
        size = httpx.Limits(max_connections=4)
        self.http = httpx.AsyncClient(trust_env=False, timeout=timeout, limits=size, follow_redirects=False)
        await self.resume(run)

    def _limit(self, name: str, usual: float) -> float:
        return float(self.limits.get(f"{name}_ms", usual * 1000)) / 1000

    async def resume(self, run: Run) -> None:
        """Go on as somebody else: the jar gets the passes of ``run.auth``."""
        self.auth, prefix = run.auth, urlsplit(run.base_url).path
        self.http.cookies.clear()
        host = urlsplit(run.base_url).hostname or ""
        given = {} if run.auth is None else {PASS: run.auth.access_token, RENEWAL: run.auth.refresh_token}
        for name, path in ((PASS, "/v2"), (RENEWAL, "/v2/sessions")):
            if (value := given.get(name)) is not None:
                self.http.cookies.set(name, value, domain=host, path=prefix + path)
        self.signed_in = any(given.values())

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call."""
        name, _, index = tag.rpartition("/")
        if not replayable or (op != "http" and op not in ROUTES):
            raise NotSupported(f"the client cannot do {op}")
        begun: list[Asked] = []
        try:
            async with asyncio.timeout(self._limit("total", 20)):
                answered = await (self._walk(op, args, tag, begun) if pages else self._one(op, args, tag, begun))
        except Failed as failed:
            report = ErrorReport(kind=failed.kind, status=failed.status, message=failed.kind)
            if failed.wait is not None:
                report = report.model_copy(update={"retry_after_ms": failed.wait * 1000})
            unknown = failed.status is None and bool(begun) and begun[-1].method != "GET"
            report = report.model_copy(update={"effect_unknown": unknown})
            value = None if failed.items is None else OutcomeValue(data=failed.items)
            outcome = Outcome(call=name, outcome="error", error=report, value=value)
        except TimeoutError:
            report = ErrorReport(kind="timeout.total", effect_unknown=bool(begun) and begun[-1].method != "GET")
            outcome = Outcome(call=name, outcome="error", error=report)
        else:
            outcome = answered.model_copy(update={"call": name})
        return outcome.model_copy(update={"i": int(index), "attempts": sum(asked.attempts for asked in begun)})

    async def advance(self, seconds: float) -> None:
        """Refuse: there is no clock that could be moved."""
        raise NotSupported("the client has the system's clock")

    async def offline(self, hint: bool) -> None:
        """Refuse: nobody is asked."""
        raise NotSupported("the client asks nobody whether it is online")

    async def settle(self) -> Result:
        """Say how the client stands."""
        if self._renewing is not None:
            await asyncio.wait({self._renewing})
        return Result(signed_in=self.signed_in, logouts=self.logouts)

    async def close(self) -> None:
        """Close the client."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait({self._renewing})
        await self.http.aclose()

    # Calls

    def _asked(self, op: str, args: dict[str, Any], tag: str, begun: list[Asked]) -> Asked:
        rest = dict(args)
        if op == "http":
            asked = Asked(rest["method"], rest["path"], tag, body=rest.get("json"), key=rest.get("idempotency_key"))
        else:
            method, template = ROUTES[op]
            names = [name for name in rest if "{" + name + "}" in template]
            path = template.format(**{name: rest.pop(name) for name in names})
            asked = Asked(method, path, tag, body=rest.pop("data", None), query=rest)
            if op == "sessions.open" and self.auth is not None:
                asked.body = {"card": self.auth.email, "pin": self.auth.password}
            if op == "loans.create":
                asked.key = self.new_key()
        begun.append(asked)
        return asked

    def new_key(self) -> str:
        """Return a key for one logical request."""
        return f"loan-{next(self._keys)}"

    async def _one(self, op: str, args: dict[str, Any], tag: str, begun: list[Asked]) -> Outcome:
        asked = self._asked(op, args, tag, begun)
        try:
            answer = await self.insist(asked)
            value = self.decode(answer) if answer.content or asked.method != "DELETE" else None
            if op in SHAPES and not (isinstance(value, dict) and SHAPES[op] in value):
                raise Failed("decode", answer.status_code)
        except Failed as failed:
            kept = self.fallback(op, asked, failed)
            if kept is None:
                raise
            data, since = kept
            age = (self.clock.now() - since) * 1000
            value = OutcomeValue(status=200, data=data)
            return Outcome(call="", outcome="ok", value=value, source="cache", stale=True, age_ms=age)
        self.note(op, asked, value)
        value = OutcomeValue(status=answer.status_code, data=value)
        return Outcome(call="", outcome="ok", value=value, source="network", stale=False)

    def decode(self, answer: httpx.Response) -> Any:
        """Return what an answer says; one without content says nothing."""
        if answer.status_code == 204:
            return None
        try:
            value = json.loads(answer.content)
        except (ValueError, RecursionError):
            raise Failed("decode", answer.status_code) from None
        return value

    def note(self, op: str, asked: Asked, value: Any) -> None:
        """Keep what was read, and forget it where the reader changes."""
        if op == "titles.get":
            self._kept[self.slot(asked)] = (value, self.clock.now())
        elif op in ("sessions.open", "sessions.close"):
            self.signed_in = op == "sessions.open"
            self.forget()

    def slot(self, asked: Asked) -> str:
        """Return under which name an answer is kept."""
        return f"{self.auth.email if self.auth is not None else ''} {asked.path}"

    def forget(self) -> None:
        """Empty the shelf of kept answers."""
        self._kept.clear()

    def fallback(self, op: str, asked: Asked, failed: Failed) -> tuple[Any, float] | None:
        """Return what was kept, where the network or the server failed."""
        if op != "titles.get" or not (failed.status is None or failed.status >= 500) or failed.kind == "decode":
            return None
        return self._kept.get(self.slot(asked))

    async def _walk(self, op: str, args: dict[str, Any], tag: str, begun: list[Asked]) -> Outcome:
        items: list[Any] = []
        offset = int(args.get("offset", 0))
        while True:
            asked = self._asked(op, {**args, "offset": offset}, tag, begun)
            try:
                page = self.decode(await self.insist(asked))
                found, total = page[PAGES[op]], page["part"]["total"]
            except Failed as failed:
                raise Failed(failed.kind, failed.status, failed.wait, self.so_far(items)) from failed
            except (KeyError, TypeError):
                raise Failed("decode", 200, items=self.so_far(items)) from None
            items += found
            offset += len(found)
            if not self.goes_on(offset, total, found):
                return Outcome(call="", outcome="ok", value=OutcomeValue(status=200, data=items), source="network")

    def so_far(self, items: list[Any]) -> list[Any]:
        """Return what is shown of a walk that failed."""
        return items

    def goes_on(self, offset: int, total: int, found: list[Any]) -> bool:
        """Tell whether there is another page."""
        return bool(found) and offset < total

    # Attempts

    async def insist(self, asked: Asked) -> httpx.Response:
        """Send a request until it succeeds, or its attempts are over."""
        most = int(self.retry.get("max_retries", 1))
        wait = float(self.retry.get("first_delay_ms", 200)) / 1000
        repeatable = asked.method in ("GET", "PUT", "DELETE") or asked.key is not None
        for left in range(most, -1, -1):
            try:
                answer = await self.signed(asked)
            except Failed as lost:
                again = lost.kind not in ("timeout.pool", "tls", "bug", "decode") and lost.status is None
                failed = lost
            else:
                if answer.status_code < 300:
                    return answer
                failed = self.failed(answer)
                again = answer.status_code in TRANSIENT or self.in_progress(answer, asked)
            if not left or not repeatable or not again or (failed.wait or 0) > LONGEST_WAIT:
                raise failed
            await self.clock.sleep(self.pause(wait, failed.wait))
            wait *= 2
        raise AssertionError("the last attempt returns or raises")

    def pause(self, wait: float, told: float | None) -> float:
        """Return how long to wait before the next attempt."""
        return max(wait, told or 0.0)

    def in_progress(self, answer: httpx.Response, asked: Asked) -> bool:
        """Tell whether the first request with this key is still under way."""
        return asked.key is not None and self.code(answer) == "loan_in_progress"

    def code(self, answer: httpx.Response) -> Any:
        """Return the code of an error, None where it has none."""
        try:
            body = json.loads(answer.content)
        except (ValueError, RecursionError):
            return None
        error = body.get("error") if isinstance(body, dict) else None
        return error.get("code") if isinstance(error, dict) else None

    def failed(self, answer: httpx.Response) -> Failed:
        """Return the failure that an answer is: its status decides."""
        status = answer.status_code
        now = parse_http_date(answer.headers.get("date", ""), 0.0) or 0.0
        wait = retry_after(Headers(answer.headers.multi_items()), now)
        other = "redirect" if status < 400 else "server" if status >= 500 else "unexpected_status"
        return Failed(KINDS.get(status, other), status, wait)

    async def signed(self, asked: Asked) -> httpx.Response:
        """Send a request; once, after a 401, with a new pass."""
        passes = self._passes
        answer = await self.send(asked)
        elsewhere = "://" in asked.path or asked.path in ("/v2/sessions", "/status")
        if answer.status_code == 401 and not asked.renewed and not elsewhere and self.signed_in:
            asked.renewed = True
            if passes == self._passes:
                await self.renew()
            answer = await self.send(asked)
        if answer.status_code == 304:  # nothing was asked under a condition: the whole answer is wanted
            asked.whole = True
            answer = await self.send(asked)
        return answer

    async def renew(self) -> None:
        """Get new passes; whoever comes meanwhile waits for the same."""
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self.renew_once())
        await asyncio.shield(self._renewing)

    async def renew_once(self) -> None:
        """Ask for new passes once."""
        answer = await self.exchange("POST", "/v2/sessions/renewal", {}, {}, None)
        if answer.status_code >= 400 or PASS not in answer.cookies:
            if answer.status_code == 401:
                self.sign_out()
            raise self.failed(answer) if answer.status_code >= 300 else Failed("decode", answer.status_code)
        self._passes += 1

    def sign_out(self) -> None:
        """End the session on this side."""
        self.logouts += self.signed_in
        self.signed_in = False
        self.http.cookies.clear()
        self.forget()

    async def send(self, asked: Asked) -> httpx.Response:
        """Send a request once."""
        headers = {"X-Sadpath-Call": asked.tag}
        if asked.key is not None:
            headers["X-Loan-Key"] = asked.key
        if asked.whole:
            headers["Cache-Control"] = "no-cache"
        asked.attempts += 1
        return await self.exchange(asked.method, asked.path, asked.query, headers, asked.body)

    async def exchange(
        self, method: str, path: str, query: dict[str, Any], headers: dict[str, str], body: Any
    ) -> httpx.Response:
        """Send a request and read its answer; an error's status counts, whatever becomes of its body.

        Raises ``Failed`` where there is no answer.
        """
        url = path if "://" in path else f"{self.base}{path}"
        request = self.http.build_request(method, url, params=query or None, headers=headers, json=body)
        try:
            answer = await self.http.send(request, stream=True)
            try:
                await answer.aread()
            except httpx.HTTPError:
                if answer.status_code < 400:
                    raise
                return httpx.Response(answer.status_code, headers=_without_framing(answer), request=request)
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            raise Failed(explain(error) or "other") from error
        return answer


def _without_framing(answer: httpx.Response) -> list[tuple[str, str]]:
    framing = ("content-length", "transfer-encoding", "content-encoding")
    return [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in framing]


def create() -> Subject:
    """Return a new client."""
    return Reader()
