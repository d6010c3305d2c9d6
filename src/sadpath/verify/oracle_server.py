"""The other side of the model: rules that decide what an exchange meets, tokens as the backend knows them, answers.

A part of the oracle. The backend behaves well: what is asked for is there unless nothing ever had that id or it was
deleted, and requests are as the API wants them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sadpath.scenario.model import Call, Match, Rule, Scenario, Step
from sadpath.scenario.roles import Operation, Roles
from sadpath.verify.oracle_load import Load, Memory
from sadpath.verify.oracle_seen import ZERO, Answer, Choose, Seen, Span, add, meet, past
from sadpath.verify.policy import Policy

__all__ = ["LIFETIME", "RAW", "Facts", "Lost", "Server", "Target", "matches", "target_of"]

RAW = "http"
LIFETIME = 3600.0
"""Seconds that an access token is good for."""

_NOBODY = "404404"
"""What stands in the ids of things that no data set has."""

_LARGE = 100_000.0
_TOKEN: Span = (20, 4000)
"""Bytes of a request that presents a refresh token."""

Token = Literal["good", "bad", "none"]


class Lost(Exception):
    """From here on the model cannot follow; the text says why."""


@dataclass(frozen=True)
class Facts:
    """What a case is: ``trip`` is how long the network takes there and back, in seconds.

    ``bodies`` are those that the backend surely takes, by operation; None: all are.
    """

    scenario: Scenario
    policy: Policy
    roles: Roles
    trip: float
    bodies: Mapping[str, Collection[Any]] | None = None


@dataclass(frozen=True)
class Target:
    """What a request is about; ``absent`` says that there is no such thing, ``body`` what it carries.

    ``asked`` tells requests for different things of one path from each other.
    """

    operation: Operation
    path: str
    absent: bool = False
    body: Any = None
    asked: str = ""


def target_of(call: Call, roles: Roles) -> Target:
    """Return what a call's requests are about.

    Raises:
        Lost: for a request of the caller's own making, or an operation that is none of the API's.
    """
    if call.op == RAW:
        path = str(call.args.get("path")).partition("?")[0]
        operation = roles.match(str(call.args.get("method")), path)
        if operation is None or "idempotency_key" in call.args or "headers" in call.args:
            raise Lost("a request of the caller's own making")
        return Target(operation, path, _NOBODY in path, call.args.get("json"), str(call.args.get("path")))
    known = roles.operations.get(call.op)
    if known is None:
        raise Lost(f"{call.op} is no operation of the API")
    path = re.sub(r"\{([^}]+)\}", lambda name: str(call.args.get(name[1])), known.path)
    asked = json.dumps(call.args, sort_keys=True)
    return Target(known, path, _NOBODY in path, call.args.get("data"), asked)


def matches(on: Match, target: Target) -> bool:
    """Tell whether a rule is about the exchanges of a target.

    Raises:
        Lost: for rules about connections.
    """
    if on.connection:
        raise Lost("a rule is about connections")
    if on.path is not None:
        parts = re.split(r"(\*\*|\*)", on.path)
        pattern = "".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)
        if re.fullmatch(pattern, target.path) is None:
            return False
    operation = target.operation
    return (
        on.operation in (None, operation.id)
        and on.role in (None, operation.role)
        and on.method in (None, operation.method)
    )


def _sent_by(target: Target) -> Span:
    """Return how many bytes a request's body may have."""
    if target.body is not None:
        least = len(json.dumps(target.body, ensure_ascii=False, separators=(",", ":")).encode())
        return least, 2 * len(json.dumps(target.body)) + 64
    return ZERO if target.operation.method in ("GET", "HEAD", "DELETE") else (0, math.inf)


@dataclass
class Server:
    """What the client's requests meet.

    ``access`` and ``refresh`` are the tokens that the client holds, as good as they are: none, good, or no longer.
    """

    facts: Facts
    choose: Choose
    access: Token = "good"
    refresh: Token = "good"
    access_age: Span = ZERO
    exchanges: int = 0
    rules: tuple[Rule, ...] = ()
    _spent: bool = False
    _taken_twice: bool = False
    _decided: list[int] = field(default_factory=list)
    _load: Load = field(init=False)
    _met: frozenset[str] = frozenset()
    _presented: str | None = None
    _gone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        given = self.facts.scenario.given
        states: dict[str, Token] = {"valid": "good", "none": "none"}
        self.access = states.get(given.access_token, "bad")
        self.refresh = states.get(given.refresh_token, "bad")
        self._spent = given.refresh_token == "used"  # noqa: S105 - a state, not a secret
        self.exchanges = int(given.cache != "empty")  # a connection may still be there from the warm-up
        self.set_rules(self.facts.scenario.faults)

    def set_rules(self, rules: tuple[Rule, ...]) -> None:
        """Replace the rules; their counters begin anew."""
        self.rules = rules
        self._decided = [0] * len(rules)
        self._load = Load(self.choose)

    def issue(self, *, renewed: bool = False) -> None:
        """Let the client have new tokens; those of a renewal that was delivered twice are no good any more."""
        state: Token = "bad" if renewed and self._taken_twice else "good"
        self.access, self.refresh, self.access_age, self._spent = state, state, ZERO, False

    def take_tokens(self) -> None:
        """Let the client have no tokens."""
        self.access = self.refresh = "none"

    def pass_time(self, time: Span) -> None:
        """Let time pass."""
        self.access_age = add(self.access_age, time)
        self._load.pass_time(time)

    # Exchanges

    def ask(self, target: Target, *, signed: bool, conditional: bool) -> Seen:
        """Return what the client sees of a request; ``signed`` says that it carries the access token, if there is one.

        ``conditional`` says that it may ask whether what it knows is still true.
        """
        self._presented = "access" if signed else None

        def answer() -> Answer:
            holds = conditional and "etag_mismatch" not in self._met
            return self._answer(target, signed=signed, conditional=holds)

        return self._meet(target, answer, may_ask=conditional)

    def renew(self) -> Seen:
        """Return what the client sees of a renewal; the refresh token works once, whatever comes of the answer."""
        operation = self.facts.roles.operations_of("refresh")[0]
        self._taken_twice = traded = False
        self._presented = "refresh"

        def answer() -> Answer:
            nonlocal traded
            if self.refresh != "good":
                self._taken_twice = traded
                if self._spent and self.access == "good":
                    self.access = "bad"  # a token that was used before is taken for stolen: all of them end
                return Answer(400, refuses=True)
            traded = True
            if "omit_refresh_token" not in self._met:
                self.refresh, self._spent = "bad", True
            return Answer(200, (100, 4000))

        return self._meet(Target(operation, operation.path), answer, sent=_TOKEN)

    def _meet(
        self, target: Target, backend: Callable[[], Answer], *, sent: Span | None = None, may_ask: bool = False
    ) -> Seen:
        rule, step = self._step(target)
        self.exchanges += 1
        self._met = frozenset(fault.name for fault in step)
        is_read = target.operation.method in ("GET", "HEAD")
        return meet(
            step,
            backend,
            self._expire,
            read=self.facts.policy.timeouts.read,
            trip=self.facts.trip,
            choose=self.choose,
            sent=_sent_by(target) if sent is None else sent,
            memory=Memory(self._load, rule, f"{target.path} {target.asked}", is_read=is_read),
            unconditional=(None if may_ask else True) if is_read else False,
        )

    def _expire(self, kind: str) -> None:
        """Let the tokens of a kind, or all, end just now, if the request carries a good one of that kind."""
        if kind not in ("all", self._presented):
            return
        held = self.access if self._presented == "access" else self.refresh
        # The engine does not know of every token that it is no good, and then lets the fault act.
        if held == "good" or (held == "bad" and kind == "all" and self.choose((False, True))):
            self.access = "bad" if kind != "refresh" and self.access == "good" else self.access
            self.refresh = "bad" if kind != "access" and self.refresh == "good" else self.refresh

    def _step(self, target: Target) -> tuple[int, Step]:
        """Return which rule decides what the next exchange meets, and what; a rule's counter moves when it decides."""
        for index, rule in enumerate(self.rules):
            if not matches(rule.on, target):
                continue
            if rule.chance is not None:
                raise Lost("a rule acts by chance")
            n = self._decided[index]
            self._decided[index] += 1
            if rule.plan is None:
                return index, rule.fault or ()
            if n < len(rule.plan):
                return index, rule.plan[n]
            return index, {"repeat": rule.plan[n % len(rule.plan)], "last": rule.plan[-1]}.get(rule.then, ())
        return -1, ()

    def _answer(self, target: Target, *, signed: bool, conditional: bool) -> Answer:
        """Return what the well-behaved backend answers."""
        role = target.operation.role
        if signed and (self.access != "good" or past(LIFETIME, self.access_age, self.choose)):
            return Answer(401, (60, 600))
        if target.absent or target.path in self._gone:
            return Answer(404, (60, 400))
        if not self._surely_takes(target) and self.choose((False, True)):
            return Answer(401 if role == "login" else self.choose((422, 400)), (60, 1000))
        if role in ("delete", "logout"):
            if role == "delete":
                self._gone.add(target.path)
            return Answer(204, ZERO)
        whole = Answer(201 if role == "create" else 200, (20, _LARGE))
        if conditional and role in ("read", "list", "page"):
            return Answer(304, ZERO) if self.choose((False, True)) else whole
        return whole

    def _surely_takes(self, target: Target) -> bool:
        """Tell whether the backend has no reason to refuse what a request carries."""
        known = self.facts.bodies
        return known is None or target.body is None or target.body in known.get(target.operation.id, ())
