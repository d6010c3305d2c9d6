"""The reference client in front of the real server, in the simulated world: how the specifications in tests/ run it.

``play`` runs one case from its parts, in milliseconds and the same on every run; a ``Story`` is what came of it: what
the server saw, and what the client said. Nothing here judges.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.messages import Outcome, Result
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Fault
from sadpath.strategies import Api, Times, faults
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.generate import case_of
from sadpath.verify.played import Client
from sadpath.verify.policy import Policy
from sadpath.verify.simworld import Simulator
from sadpath.verify.trace import CallRecord, Trace
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

SHOP = Workspace(REFERENCE)
SIMULATOR = Simulator(SHOP)
API = Api.of(SHOP)

PROMISED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How thoroughly each promise is tried."""

TRIP = 0.004
"""Seconds by which a time that the server measures may differ from the client's: a few trips over the network."""


@cache
def reference() -> Client:
    """Return the reference client, with the promises of its contract."""
    return asyncio.run(open_client(ClientRequest("reference", SHOP)))


POLICY: Policy = reference().contract.policy
TIMES = Times.of(POLICY)

Written = dict[str, Any]


def read(user: int = 1, **options: Any) -> Written:
    """Return the call that reads a user."""
    return {"users.get": {"id": user}, **options}


def create(**options: Any) -> Written:
    """Return the call that places an order; the client gives it an idempotency key."""
    return {"orders.create": API.arguments["orders.create"][0], **options}


def unkeyed_post() -> Written:
    """Return the call that places an order by a plain POST, without a key."""
    return {"http": {"method": "POST", "path": "/orders", "json": API.arguments["orders.create"][0]["data"]}}


def rule(on: str, *steps: Any, then: str = "pass") -> Written:
    """Return a rule: what one exchange of an operation after another meets."""
    return {"on": on, "plan": [_written(step) for step in steps], "then": then}


def _written(step: Any) -> Any:
    if isinstance(step, Fault):
        return step.to_file()
    if isinstance(step, tuple):
        return [fault.to_file() for fault in step] or "pass"
    return step


def ends_the_connection() -> st.SearchStrategy[Any]:
    """Draw what surely keeps an answer from the client: the connection ends before it is whole, or nothing comes."""
    ends = faults(["request", "response", "head"], ["close", "reset"], times=TIMES)
    cuts = [{"truncate": {"after": 1, "ending": ending}} for ending in ("close", "reset", "stall")]
    return st.one_of(ends, st.sampled_from(["truncate", *cuts, "stall"]))


@dataclass(frozen=True)
class Story:
    """What came of a case: the server's journal and the client's account of it."""

    trace: Trace

    @property
    def calls(self) -> list[CallRecord]:
        """The calls, in the order in which they were asked for."""
        return list(self.trace.case_calls())

    @property
    def call(self) -> CallRecord:
        """The only call."""
        (call,) = self.calls
        return call

    def outcome(self, index: int = 0) -> Outcome:
        """Return how a call ended. Each must."""
        outcome = self.calls[index].outcome
        assert outcome is not None, "the call never ended"
        return outcome

    def ended(self, index: int = 0) -> str:
        """Return ``ok``, ``cancelled`` or the kind of failure that a call ended with."""
        outcome = self.outcome(index)
        return outcome.error.kind if outcome.error is not None else outcome.outcome

    def took(self, index: int = 0) -> float:
        """Return the seconds that a call took."""
        call = self.calls[index]
        return (call.t_ended or float("inf")) - call.t_started

    def attempts(self, index: int = 0) -> list[ExchangeEvent]:
        """Return the requests that reached the server for a call."""
        return list(self.trace.exchanges_of(self.calls[index]))

    def retries(self, index: int = 0) -> int:
        """Return how often a call was tried again.

        Three things are none: the replay after a 401, the plain fetch after a 304 for which there is no entry, and the one
        repeat of a request whose reused connection turned out to be dead (RFC 9112 §9.3.1), the HTTP library's affair.
        """
        attempts = self.attempts(index)
        replayed = any(attempt.status == 401 for attempt in attempts[:-1])
        plain = any(attempt.status == 304 for attempt in attempts[:-1])
        dead = any(not attempt.bytes_sent and self._reused(attempt) for attempt in attempts[:-1])
        return len(attempts) - 1 - replayed - plain - dead

    def _reused(self, attempt: ExchangeEvent) -> bool:
        former = [item for item in self.trace.exchanges if item.exchange < attempt.exchange]
        return attempt.ended.by == "server" and any(item.connection == attempt.connection for item in former)

    @property
    def refreshes(self) -> list[ExchangeEvent]:
        """The renewals of the session."""
        return list(self.trace.refreshes())

    @property
    def account(self) -> Result:
        """How the client stands at the end, by its own account."""
        assert self.trace.result is not None
        return self.trace.result


def waits(attempts: Sequence[ExchangeEvent]) -> list[float]:
    """Return the seconds between the end of one attempt and the arrival of the next."""
    return [after.t_arrived - (before.t_ended or before.t_arrived) for before, after in pairwise(attempts)]


def play(
    *calls: Written,
    faults: Sequence[Written] = (),
    given: Written | None = None,
    policy: Policy = POLICY,
    client: Client | None = None,
) -> Story:
    """Play a case: this world, these faults, these calls; nothing is asked for behind them."""
    data = {"title": "A promise", "given": given or {}, "faults": list(faults), "calls": list(calls), "heal": False}
    who = client or reference()
    if policy != who.contract.policy:
        who = replace(who, contract=who.contract.model_copy(update={"policy": policy}))
    played = SIMULATOR.play(case_of(read_scenario(data), who)).played
    assert played.trace is not None, f"{played.ending}: {played.why}"
    return Story(played.trace)
