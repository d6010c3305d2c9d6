"""What the stacks share: an operation becomes one request, and what the library gives back becomes the outcome.

Nothing is added that a caller of the library would not have by itself: no retries, no refresh, no cache. A status of
400 or more is an error, as ``raise_for_status`` makes it in all of these libraries; a body is read as JSON.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sadpath.core.clock import Clock
from sadpath.drivers.messages import AuthGrant, ClientInfo, ErrorReport, Hello, Outcome, OutcomeValue, Result, Run
from sadpath.drivers.subject import NotSupported

__all__ = ["IDEMPOTENT", "Answered", "Asked", "PlainSubject", "Settings", "kind_of_status"]

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that may be sent again (RFC 9110 §9.2.2)."""

_REQUESTS: dict[str, tuple[str, str]] = {
    "auth.login": ("POST", "/auth/login"),
    "auth.logout": ("POST", "/auth/logout"),
    "users.get": ("GET", "/users/{id}"),
    "users.list": ("GET", "/users"),
    "users.create": ("POST", "/users"),
    "users.update": ("PUT", "/users/{id}"),
    "users.delete": ("DELETE", "/users/{id}"),
    "orders.list": ("GET", "/orders"),
    "orders.create": ("POST", "/orders"),
    "settings.get": ("GET", "/settings"),
}
"""Method and path of each operation of the reference API; whatever else its arguments hold goes into the query."""

_KINDS = {401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 422: "validation",
          429: "rate_limited"}  # fmt: skip
_AFTER_SENDING = frozenset({"timeout.read", "timeout.total", "reset", "closed", "truncated", "protocol"})
"""Failures whose own names say that the request had been sent: whoever catches one knows that its effect is unknown."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500
_FIRST_REDIRECT = 300


@dataclass(frozen=True)
class Asked:
    """One request to send: ``path`` begins with a slash, or is an absolute URL; ``body`` is what JSON is made of."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True)
class Answered:
    """What a library handed back; ``from_cache`` is None where it does not say."""

    status: int
    content: bytes
    from_cache: bool | None = None


class Settings:
    """The numbers of a ``run`` message, where the contract's profile changes the library's own.

    Args:
        policy: the message's policy; None leaves everything at its default.
    """

    def __init__(self, policy: Mapping[str, Any] | None) -> None:
        self._policy = policy or {}

    def seconds(self, section: str, name: str, usual: float) -> float:
        """Return a duration in seconds."""
        value = self._policy.get(section, {}).get(f"{name}_ms")
        return usual if value is None else float(value) / 1000

    def number(self, section: str, name: str, usual: int) -> int:
        """Return a whole number."""
        value = self._policy.get(section, {}).get(name)
        return usual if value is None else int(value)

    @property
    def careful(self) -> bool:
        """Whether retries are for idempotent methods alone, which loops around whole calls have to be told."""
        return bool(self._policy.get("retry", {}).get("methods") == "idempotent")

    @property
    def statuses(self) -> frozenset[int]:
        """The statuses that are worth another try."""
        return frozenset(self._policy.get("retry", {}).get("statuses") or ())


class PlainSubject(ABC):
    """One life of a library's client; a stack says how it is made, how it sends, and what its errors mean."""

    name: str
    http: str
    capabilities: tuple[str, ...] = ("retry", "cancel", "error_kinds", "call_tag", "policy_override")

    def __init__(self) -> None:
        self._token: str | None = None
        self._auth: AuthGrant | None = None
        self._base_url = ""

    @abstractmethod
    async def start(self, run: Run, settings: Settings) -> None:
        """Make the library's client."""

    @abstractmethod
    async def send(self, asked: Asked, url: str) -> Answered:
        """Send one request by the library's own means and read the whole answer."""

    @abstractmethod
    def explain(self, error: Exception) -> str | None:
        """Return the kind of failure that one of the library's own exceptions stands for, None for any other."""

    @abstractmethod
    async def close(self) -> None:
        """Close the library's client."""

    def hello(self) -> Hello:
        """Return what the client says of itself."""
        client = ClientInfo(name=self.name, version="1", language="python", http=self.http)
        operations = ["http", *_REQUESTS]
        return Hello(client=client, capabilities=list(self.capabilities), operations=operations, max_parallel=16)

    async def open(self, run: Run, clock: Clock) -> None:
        """Make the client for one case."""
        del clock  # a library has the system's time, which the simulated world replaces
        self._base_url = run.base_url
        await self.start(run, Settings(run.policy))
        await self.resume(run)

    async def resume(self, run: Run) -> None:
        """Go on with another session."""
        self._auth = run.auth
        self._token = run.auth.access_token if run.auth is not None else None

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Send one request and report what its caller would see.

        Raises:
            NotSupported: for pages, bodies that can be read only once, and operations that are not known.
        """
        if pages or not replayable:
            raise NotSupported("the library sends one request with a body of its own for each call")
        asked = self._asked(op, dict(args), tag)
        url = asked.path if "://" in asked.path else f"{self._base_url}{asked.path}"
        call, _, index = tag.rpartition("/")
        try:
            answered = await self.send(asked, url)
        except Exception as error:
            kind = self.explain(error)
            if kind is None:
                raise
            unknown = kind in _AFTER_SENDING and asked.method not in _SAFE
            report = ErrorReport(kind=kind, effect_unknown=unknown, native=type(error).__name__, message=str(error))
            return Outcome(call=call, i=int(index), outcome="error", error=report)
        finally:
            if op == "auth.logout":
                self._token = None
        return self._judge(op, answered).model_copy(update={"call": call, "i": int(index)})

    def _asked(self, op: str, args: dict[str, Any], tag: str) -> Asked:
        headers = {"X-Sadpath-Call": tag}
        if op == "http":
            method, path, body = args.pop("method"), args.pop("path"), args.pop("json", None)
            headers |= args.pop("headers", None) or {}
            args.setdefault("idempotency_key", None)
        elif op in _REQUESTS:
            method, template = _REQUESTS[op]
            if "{id}" in template and "id" not in args:
                raise NotSupported(f"{op} needs id")
            path = template.format(id=args.pop("id", ""))
            body = args.pop("data", None)
        else:
            raise NotSupported(f"the client has no operation {op}")
        if key := args.pop("idempotency_key", None):
            headers["Idempotency-Key"] = str(key)
        if op == "auth.login":
            if self._auth is None:
                raise NotSupported("nobody is named who could sign in")
            body = {"email": self._auth.email, "password": self._auth.password}
        elif self._token is not None and "://" not in path:
            headers["Authorization"] = f"Bearer {self._token}"
        return Asked(method, path, {name: str(value) for name, value in args.items()}, headers, body)

    def _judge(self, op: str, answered: Answered) -> Outcome:
        source: Any = None if answered.from_cache is None else ("cache" if answered.from_cache else "network")
        status = answered.status
        if status >= _FIRST_REDIRECT:
            report = ErrorReport(kind=kind_of_status(status), status=status, native="status", message=f"HTTP {status}")
            return Outcome(call="", outcome="error", error=report)
        try:
            data = json.loads(answered.content) if answered.content else None
        except (ValueError, RecursionError) as error:
            report = ErrorReport(kind="decode", status=status, native=type(error).__name__, message=str(error))
            return Outcome(call="", outcome="error", error=report)
        if op == "auth.login" and isinstance(data, dict):
            self._token = data.get("access_token")
        return Outcome(call="", outcome="ok", source=source, value=OutcomeValue(status=status, data=data))

    async def advance(self, seconds: float) -> None:
        """Refuse: the library has no clock of its own."""
        raise NotSupported("the library has no clock that could be moved")

    async def offline(self, hint: bool) -> None:
        """Refuse: the library takes no hints."""
        raise NotSupported("the library asks nobody whether it is online")

    async def settle(self) -> Result:
        """Say how the client stands; there is no background work."""
        return Result(signed_in=self._token is not None)


def kind_of_status(status: int) -> str:
    """Return the kind of failure that a status stands for."""
    if status < _FIRST_ERROR:
        return "redirect"
    return _KINDS.get(status, "server" if status >= _FIRST_SERVER_ERROR else "unexpected_status")
