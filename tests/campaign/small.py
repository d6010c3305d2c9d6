"""Small real clients for tests of the campaign: httpx over real sockets, one good, the others each bad in one way."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any, ClassVar

import httpx

from sadpath.core.clock import Clock
from sadpath.drivers.messages import ClientInfo, ErrorReport, Hello, Outcome, OutcomeValue, Result, Run
from sadpath.drivers.subject import NotSupported

CAPABILITIES = ["retry", "token_refresh", "cancel", "error_kinds", "call_tag", "policy_override"]

POLICY: dict[str, Any] = {
    "timeouts": {"connect": "1s", "read": "500ms", "total": "2s"},
    "retry": {
        "max_retries": 1,
        "first_delay": "150ms",
        "factor": 2,
        "jitter": "none",
        "transport": True,
        "statuses": [503],
        "methods": "idempotent",
    },
    "auth": {"refreshes_per_call": 1, "single_flight": True},
    "errors": {"map": {"401": "unauthorized", "404": "not_found", "4xx": "unexpected_status", "5xx": "server"}},
    "cancel": {"within": "200ms"},
    "heal": {"within": "1s"},
}
"""What the good client promises."""

_PATHS = {"users.get": "/users/{id}", "settings.get": "/settings"}


class Small:
    """A client that reads, retries, refreshes under a lock, and reports every failure by its kind."""

    retries: ClassVar[int] = 1
    read_timeout: ClassVar[float | None] = 0.5
    first_delay: ClassVar[float] = 0.15

    def hello(self) -> Hello:
        """Say what it can do."""
        return Hello(
            client=ClientInfo(name="small", version="1", language="python", http="httpx"),
            capabilities=CAPABILITIES,
            operations=[*_PATHS, "auth.login", "http"],
            max_parallel=16,
        )

    async def open(self, run: Run, clock: Clock) -> None:
        """Make an HTTP client for the base URL."""
        self.clock, self.auth = clock, run.auth
        self.access = run.auth.access_token if run.auth else None
        self.refresh = run.auth.refresh_token if run.auth else None
        self.logouts = 0
        self.lock = asyncio.Lock()
        timeout = httpx.Timeout(1.0, read=self.read_timeout)
        self.http = httpx.AsyncClient(base_url=run.base_url, timeout=timeout, verify=False, trust_env=False)  # noqa: S501 - plain HTTP on loopback

    async def resume(self, run: Run) -> None:
        """Take over another session."""
        self.access = run.auth.access_token if run.auth else None
        self.refresh = run.auth.refresh_token if run.auth else None

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call."""
        if pages or not replayable:
            raise NotSupported(op)
        if op == "auth.login":
            return await self.login(tag)
        if op == "http":
            return await self.send(args["method"], args["path"], tag)
        if op not in _PATHS:
            raise NotSupported(op)
        return await self.send("GET", _PATHS[op].format(**args), tag)

    async def login(self, tag: str) -> Outcome:
        """Sign in with the credentials of the run."""
        if self.auth is None:
            raise NotSupported("auth.login")
        data = {"email": self.auth.email, "password": self.auth.password}
        answer = await self.http.post("/auth/login", json=data, headers={"X-Sadpath-Call": tag})
        self.access, self.refresh = answer.json()["access_token"], answer.json()["refresh_token"]
        return _well(answer)

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Send a request until it is answered, or was sent often enough."""
        replayed = False
        failure = ErrorReport(kind="other")
        for attempt in itertools.count():
            token = self.access
            headers = {"X-Sadpath-Call": tag} | ({"Authorization": f"Bearer {token}"} if token else {})
            try:
                answer = await self.http.request(method, path, headers=headers)
            except httpx.HTTPError as error:
                failure = ErrorReport(kind=_kind(error), native=type(error).__name__)
            else:
                if answer.status_code < 400:
                    return _well(answer)
                failure = ErrorReport(kind=_status_kind(answer.status_code), status=answer.status_code)
                if answer.status_code == 401 and not replayed and await self.renew(token):
                    replayed = True
                    continue
                if answer.status_code != 503:
                    break
            if attempt - replayed >= self.retries:
                break
            await self.wait(attempt - replayed)
        return Outcome(call="", outcome="error", error=failure)

    async def wait(self, retry: int) -> None:
        """Wait before a retry."""
        await self.clock.sleep(self.first_delay * 2**retry + 0.001)

    async def renew(self, used: str | None) -> bool:
        """Renew the session, once for all who wait; tell whether there is a new token."""
        async with self.lock:
            if self.access != used:
                return self.access is not None
            if self.refresh is None:
                return False
            answer = await self.http.post("/auth/refresh", json={"refresh_token": self.refresh})
            if answer.status_code != 200:
                return False
            self.access, self.refresh = answer.json()["access_token"], answer.json()["refresh_token"]
            return True

    async def advance(self, seconds: float) -> None:
        """Refuse: it has no clock of its own."""
        raise NotSupported("fake_clock")

    async def offline(self, hint: bool) -> None:
        """Refuse: it takes no hints."""
        raise NotSupported("connectivity")

    async def settle(self) -> Result:
        """Say how it stands."""
        return Result(signed_in=self.access is not None, logouts=self.logouts)

    async def close(self) -> None:
        """Close its connections."""
        await self.http.aclose()


def _well(answer: httpx.Response) -> Outcome:
    value = OutcomeValue(status=answer.status_code, data=answer.json() if answer.content else None)
    return Outcome(call="", outcome="ok", value=value, source="network", stale=False)


def _kind(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.ReadTimeout):
        return "timeout.read"
    if isinstance(error, httpx.ConnectError):
        return "refused"
    return "reset" if isinstance(error, httpx.ReadError) else "closed"


def _status_kind(status: int) -> str:
    named = {401: "unauthorized", 404: "not_found"}
    return named.get(status) or ("server" if status >= 500 else "unexpected_status")


class Hangs(Small):
    """Waits for ever for an answer."""

    read_timeout = None


class Impatient(Small):
    """Waits a tenth of a second for an answer, and tries once."""

    retries = 0
    read_timeout = 0.1


class Stubborn(Small):
    """Tries far too often."""

    retries = 3


class Hasty(Small):
    """Does not wait before a retry."""

    async def wait(self, retry: int) -> None:
        """Wait not at all."""


class Escapes(Small):
    """Lets an exception of its HTTP library out where a connection breaks."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Send once, unguarded."""
        answer = await self.http.request(method, path, headers={"X-Sadpath-Call": tag})
        return _well(answer)


class Deaf(Small):
    """Goes on when it is cancelled."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Send in a task of its own, which no cancel reaches."""
        task = asyncio.ensure_future(super().send(method, path, tag))
        while True:
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                continue


class LosesBase(Small):
    """Forgets the path of its base URL."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Send to the host's root."""
        root = str(self.http.base_url).split("/s/")[0]
        return await super().send(method, root + path, tag)


class YesMan(Small):
    """Takes every operation, and says that it went well."""

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Do nothing."""
        return Outcome(call="", outcome="ok", value=OutcomeValue(status=200))


class Blocks(Small):
    """Keeps the whole event loop waiting."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Block, as a sync HTTP library would."""
        time.sleep(60)  # noqa: TID251, ASYNC251 - this is the defect
        return await super().send(method, path, tag)


class Slow(Small):
    """Takes a second for each call, so that a run can be stopped in its middle."""

    async def send(self, method: str, path: str, tag: str) -> Outcome:
        """Wait, then send."""
        await self.clock.sleep(1.0)
        return await super().send(method, path, tag)


class Broken(Small):
    """Cannot be opened: its adapter has a mistake."""

    async def open(self, run: Run, clock: Clock) -> None:
        """Fail."""
        raise KeyError("SHOP_API_KEY")


def moody(bad: type[Small], lives: int, good: type[Small] = Small) -> Callable[[], Small]:
    """Return a factory whose clients behave badly for their first lives, and well from then on."""
    count = itertools.count()

    def create() -> Small:
        return bad() if next(count) < lives else good()

    return create


good = Small
