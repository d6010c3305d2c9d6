"""Traces told as stories: what was asked, what the client met, and how it said that things ended.

    story = Story()
    story.call().meets(503).waits(0.02).meets(200).ok()
    assert story.verdict("RETRY-01") == "pass"

Time goes on by itself; ``waits`` adds to it. Exchanges get their numbers in order of arrival. Whatever a clause reads
of the policy is recorded, and must be declared.

Each clause has at least one property test that is marked as its truth: Hypothesis draws times, counts, statuses and
orders, a trace built to satisfy the clause passes, and each smallest change that breaks it fails.

    @truth("RETRY-01")
    @given(st.integers(1, 8), st.integers(0, 4))
    def test_attempts_are_bounded(attempts: int, retries: int) -> None:
        ...
        assert story.verdict("RETRY-01") == ("pass" if attempts <= 1 + retries else "fail")

``truth`` stands above ``given``. It fails a test in which Hypothesis never drew a story that passes, or never one that
fails: a truth that has one side only proves nothing. ``test_truth_registry.py`` holds that no clause is without one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Any, ParamSpec, Self, cast

from pydantic import BaseModel

from sadpath.core.events import ConnectionEvent, Effect, Ended, ExchangeEvent, FiredFault
from sadpath.drivers.messages import CAPABILITIES, ErrorReport, Outcome, OutcomeValue, Result
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.roles import Roles
from sadpath.verify.clauses import Judgement, clause, judge
from sadpath.verify.contract import Policy, load_contract
from sadpath.verify.trace import CallRecord, Trace
from sadpath.workspace import find_workspace

__all__ = ["ALL", "RecordingPolicy", "Story", "Telling", "reference_policy", "shop_roles", "truth"]

P = ParamSpec("P")

ALL = frozenset(CAPABILITIES)
USER = {"id": 1, "user_name": "Ada Lovelace", "email_address": "ada@example.com", "avatar_url": None}
USER_BODY = json.dumps(USER).encode()

_JUDGED: dict[str, set[str]] = {}
"""What stories were found to be since a truth began, by clause."""


def truth(*ids: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Mark a property test as the truth about clauses; of each it must have judged a story that passes and one that fails."""

    def mark(test: Callable[P, None]) -> Callable[P, None]:
        @wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            _JUDGED.clear()
            test(*args, **kwargs)
            for name in ids:
                missing = {"pass", "fail"} - _JUDGED.get(name, set())
                assert not missing, f"no story that was drawn is a {' or a '.join(sorted(missing))} of {name}"

        return run

    return mark


@cache
def shop_roles() -> Roles:
    """Return what the reference API's operations are for."""
    roles = find_workspace().roles()
    assert roles is not None
    return roles


@cache
def reference_policy() -> Policy:
    """Return the numbers by which live runs of the reference client are judged."""
    return load_contract("reference", find_workspace().root).with_profile("quick").policy


class RecordingPolicy:
    """A policy that remembers which of its values were looked at."""

    def __init__(self, policy: Policy) -> None:
        self.read: set[str] = set()
        self._policy = policy

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._policy, name)
        return _RecordingSection(name, value, self.read) if isinstance(value, BaseModel) else value

    def value(self, path: str) -> Any:
        """Return a value by its dotted path."""
        section, _, name = path.partition(".")
        return getattr(getattr(self, section), name)

    def missing(self, paths: Any) -> list[str]:
        """Return those that are not promised."""
        return [path for path in paths if all(self.value(part) is None for part in path.split("|"))]


class _RecordingSection:
    """A section of it: its methods run on this view, so what they read is recorded too."""

    def __init__(self, name: str, section: BaseModel, read: set[str]) -> None:
        self._name = name
        self._section = section
        self._read = read

    def __getattr__(self, name: str) -> Any:
        kind = type(self._section)
        if name in kind.model_fields or name == "operations":
            self._read.add(f"{self._name}.{name}")
            return getattr(self._section, name)
        method = getattr(kind, name)
        return method.__get__(self)


@dataclass
class Telling:
    """One call as it is told."""

    story: Story
    call: str
    op: str
    args: dict[str, Any]
    options: dict[str, Any]
    i: int = 0
    started: float = 0.0
    ended: float | None = None
    outcome: Outcome | None = None
    key: str | None = None
    token: int | None = 1

    @property
    def tag(self) -> str:
        """What its exchanges carry."""
        return f"{self.call}/{self.i}"

    def waits(self, seconds: float) -> Self:
        """Let time pass before the next exchange."""
        self.story.t += seconds
        return self

    def meets(self, status: int, *, takes: float = 0.005, **facts: Any) -> Self:
        """Send a request and get a whole answer after ``takes`` seconds."""
        facts.setdefault("body", USER_BODY if status < 400 else _problem(status))
        arrived = self.story.t
        self.story.t += takes
        self._add(arrived, status=status, first=self.story.t, last=self.story.t, ended=self.story.t, **facts)
        return self

    def breaks(self, how: str = "rst", *, takes: float = 0.005, fault: str | None = None, **facts: Any) -> Self:
        """Send a request; the server ends the connection without a byte of answer."""
        arrived = self.story.t
        self.story.t += takes
        name = fault or {"rst": "reset", "fin": "close"}[how]
        facts.setdefault("fired", [FiredFault(name, "response")])
        self._add(arrived, how=how, by="server", ended=self.story.t, **facts)
        return self

    def breaks_off(self, status: int = 200, *, how: str = "fin", byte: int = 20, **facts: Any) -> Self:
        """Send a request; the server ends the connection in the middle of the body."""
        arrived = self.story.t
        self.story.t += 0.005
        facts.setdefault("body", USER_BODY if status < 400 else _problem(status))
        facts.setdefault("fired", [FiredFault("truncate", "body", byte)])
        t = self.story.t
        self._add(arrived, status=status, first=t, last=t, ended=t, how=how, by="server", sent=200 + byte, **facts)
        return self

    def gives_up(self, after: float | None = None, **facts: Any) -> Self:
        """Send a request into silence; the client leaves after ``after`` seconds, by default its read timeout."""
        read = reference_policy().timeouts.read
        assert read is not None
        arrived = self.story.t
        self.story.t += read if after is None else after
        facts.setdefault("fired", [FiredFault("stall", "response")])
        self._add(arrived, how="fin", by="client", ended=self.story.t, **facts)
        return self

    def ok(self, *, source: str | None = "network", **facts: Any) -> Self:
        """End well; ``source="cache"`` marks it stale as well."""
        stale = source == "cache"
        value = OutcomeValue.model_validate({"status": 200, "json": facts.pop("value", USER)})
        return self._end(
            Outcome(
                call=self.call, i=self.i, outcome="ok", source=cast("Any", source), stale=stale, value=value, **facts
            )
        )

    def fails(self, kind: str, status: int | None = None, **facts: Any) -> Self:
        """End in a failure."""
        error = ErrorReport(kind=kind, status=status, native="Failure", message="it failed")
        return self._end(Outcome(call=self.call, i=self.i, outcome="error", error=error, **facts))

    def cancelled(self) -> Self:
        """End cancelled."""
        return self._end(Outcome(call=self.call, i=self.i, outcome="cancelled", cancelled_ms=1.0))

    def hangs(self) -> Self:
        """Never end."""
        return self

    def _end(self, outcome: Outcome) -> Self:
        self.story.t += 0.001
        self.outcome, self.ended = outcome, self.story.t
        return self

    def _add(self, arrived: float, **facts: Any) -> None:
        operation = shop_roles().operations.get(self.op)
        method, path = ("GET", "/users/1") if operation is None else (operation.method, operation.path)
        if self.op == "http":
            method, path = str(self.args["method"]), str(self.args["path"])
        for name, value in self.args.items():
            path = path.replace("{" + name + "}", str(value))
        facts = {"method": method, "path": path, "call": self.tag, "token": self.token, "key": self.key, **facts}
        self.story.exchange(arrived, **facts)


@dataclass
class Story:
    """One case; ``policy`` holds what differs from the reference's numbers, ``scenario`` what its file would say."""

    policy: dict[str, Any] = field(default_factory=dict)
    scenario: dict[str, Any] = field(default_factory=dict)
    capabilities: frozenset[str] = ALL
    world: str = "sim"
    facts: dict[str, Any] = field(default_factory=dict)
    t: float = 1.0
    result: Result | None = field(default_factory=Result)
    tellings: list[Telling] = field(default_factory=list)
    events: list[ExchangeEvent] = field(default_factory=list)
    connections: list[ConnectionEvent] = field(default_factory=list)

    def call(
        self, op: str = "users.get", args: dict[str, Any] | None = None, *, at: float | None = None, **options: Any
    ) -> Telling:
        """Begin a call, now or at a time of its own."""
        self.t = self.t + 0.001 if at is None else at
        known = {"users.get": {"id": 1}, "users.list": {"page": 1, "limit": 5}}
        given = known.get(op, {}) if args is None else args
        name = options.pop("call", None) or f"c{len(self.tellings)}"
        own = {key: options.pop(key) for key in ("i", "key", "token") if key in options}
        telling = Telling(self, name, op, given, options, started=self.t, **own)
        self.tellings.append(telling)
        return telling

    def create(self, *, key: str | None = "k1", **options: Any) -> Telling:
        """Begin an order, with its key."""
        return self.call("orders.create", {"data": {"items": []}}, key=key, **options)

    def refresh(
        self,
        status: int | None = 200,
        *,
        presents: int = 1,
        issues: int | None = 2,
        at: float | None = None,
        takes: float = 0.005,
        rotates: bool = True,
        **facts: Any,
    ) -> Self:
        """Let the client refresh its session; ``status`` None leaves the connection broken before any answer."""
        arrived = self.t if at is None else at
        done = arrived + takes
        self.t = max(self.t, done)
        if status == 200:
            tokens: dict[str, Any] = {"access_token": f"a{issues}", "expires_in": 3600}
            tokens |= {"refresh_token": f"r{issues}"} if rotates else {}
            facts = {"body": json.dumps(tokens).encode(), "issued": issues, **facts}
        elif status == 400:
            facts = {"body": json.dumps({"status": 400, "error": "invalid_grant"}).encode(), **facts}
        facts = {"method": "POST", "path": "/auth/refresh", "presents": presents, **facts}
        if status is None:
            facts = {"how": "rst", "by": "server", "fired": [FiredFault("reset", "response")], "ended": done, **facts}
            self.exchange(arrived, **facts)
        else:
            facts.setdefault("body", _problem(status))
            self.exchange(arrived, status=status, first=done, last=done, ended=done, **facts)
        return self

    def exchange(self, arrived: float, **facts: Any) -> ExchangeEvent:
        """Add an exchange to the journal."""
        take = facts.pop
        method, path = take("method"), take("path")
        operation = shop_roles().match(method, path.partition("?")[0])
        body = take("body", b"")
        first = take("first", None)
        size = take("sent", 200 + len(body)) if first is not None else 0
        role = operation.role if operation is not None else None
        digest = take("digest", None if method in ("GET", "DELETE") else "d1")
        event = ExchangeEvent(
            session="s",
            connection=take("connection", len(self.events) + 1),
            exchange=0,
            method=method,
            path=path,
            query=take("query", ""),
            operation=operation.id if operation is not None else None,
            role=role,
            request_headers=take("sent_headers", [("accept", "application/json")]),
            response_headers=take("headers", [("content-type", "application/json")]),
            call=take("call", None),
            token_generation=take("token", None),
            refresh_generation=take("presents", None),
            issued_generation=take("issued", None),
            idempotency_key=take("key", None),
            body_digest=digest,
            armed=take("armed", []),
            fired=take("fired", []),
            effect=Effect(take("effect", None) is not None, facts.pop("effect_id", None)),
            status=take("status", None),
            response_body=body,
            bytes_sent=size,
            ended=Ended(take("how", "complete"), take("by", None)),
            t_arrived=arrived,
            t_first_byte=first,
            t_last_byte=take("last", None),
            t_ended=take("ended", None),
        )
        assert not facts, f"unknown facts: {facts}"
        self.events.append(event)
        return event

    def trace(self) -> Trace:
        """Return the story as the judge sees it."""
        ordered = sorted(self.events, key=lambda event: event.t_arrived)
        for number, event in enumerate(ordered, 1):
            event.exchange = number
        calls = tuple(
            CallRecord(
                telling.call,
                telling.i,
                telling.op,
                telling.args,
                t_started=telling.started,
                t_ended=telling.ended,
                outcome=telling.outcome,
                **telling.options,
            )
            for telling in self.tellings
        )
        facts: dict[str, Any] = {"granted_generation": 1, **self.facts}
        return Trace(
            case="a story",
            scenario=read_scenario({"title": "A story", **self.scenario}),
            policy=reference_policy().merged(self.policy),
            roles=shop_roles(),
            capabilities=self.capabilities,
            world=self.world,
            exchanges=tuple(ordered),
            connections=tuple(self.connections),
            calls=calls,
            result=self.result,
            **facts,
        )

    def judge(self, clause_id: str) -> Judgement:
        """Judge it by one clause, and see to it that the clause reads only what it declares."""
        trace, item = self.trace(), clause(clause_id)
        recording = RecordingPolicy(trace.policy)
        object.__setattr__(trace, "policy", cast("Policy", recording))
        found = judge(item, trace)
        declared = {part for path in (*item.reads, *item.may_read) for part in path.split("|")}
        if "call_tag" not in self.capabilities:
            declared |= {"cache.operations", "cache.fallback_after"}  # without tags: what may be background work
        _JUDGED.setdefault(item.id, set()).add(found.verdict)
        assert recording.read <= declared, f"{clause_id} reads {sorted(recording.read - declared)} undeclared"
        return found

    def together(self, clause_id: str) -> str:
        """Return what a clause says that is judged by all cases together, of this one case if it were all there is."""
        found, pooling = self.judge(clause_id), clause(clause_id).pooling
        assert pooling is not None
        enough = len(found.samples) >= pooling.at_least
        verdict = "not_exercised" if not enough else "fail" if pooling.reject(found.samples) else "pass"
        _JUDGED.setdefault(clause_id, set()).add(verdict)
        return verdict

    def verdict(self, clause_id: str) -> str:
        """Return what the clause says; a failure must have a sentence."""
        found = self.judge(clause_id)
        for finding in found.findings:
            assert finding.sentence[0].isupper()
            assert finding.sentence.endswith(".")
        return found.verdict

    def sentences(self, clause_id: str) -> list[str]:
        """Return what the clause has found."""
        return [finding.sentence for finding in self.judge(clause_id).findings]


def _problem(status: int) -> bytes:
    return json.dumps({"type": "about:blank", "status": status, "message": "no"}).encode()
