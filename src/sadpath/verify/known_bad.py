"""Proving the clauses' teeth: clients with one planted defect each, every one of which a clause must catch.

A known-bad client is judged by the contract of the good client that it would be without its defect, in the scenarios
that are likeliest to catch it first, until every clause that it must fail has failed. Where it was caught, and where
not, is the kill rate.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sadpath.core.errors import UsageError
from sadpath.core.names import nearest
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.scenario.model import Scenario
from sadpath.verify.clauses import Clause, all_clauses, clause
from sadpath.verify.clients import make_client
from sadpath.verify.contract import Contract
from sadpath.verify.played import Client
from sadpath.verify.pooled import Pooled
from sadpath.verify.results import ErrorEntry, KilledClause, KillRate, Results, Survivor
from sadpath.verify.summary import ClientFacts, Summary, Tally, client_result

__all__ = ["BadClient", "Hunted", "bad_clients", "fill_kill_rate", "likeliest_first", "open_bad"]

CONTRACT = "reference"
"""The contract by which known-bad clients are judged that do not name another."""

_REGISTRY = "sadpath.subjects.known_bad"

_TOPICS = {
    "AUTH": ("refresh", "login"),
    "CACHE": ("cache",),
    "CANCEL": ("cancellation",),
    "CONN": ("transport", "cache"),
    "END": ("transport",),
    "ERROR": ("errors",),
    "HEAL": ("transport", "refresh"),
    "HONEST": ("cache", "retry"),
    "IDEM": ("idempotency",),
    "PAGE": ("pagination",),
    "POOL": ("transport", "cancellation"),
    "REDIR": ("redirects", "errors", "transport"),
    "RETRY": ("retry",),
    "TIME": ("transport", "retry"),
}
"""In which folders of ``scenarios/`` a family's clauses are likeliest to be put to the test."""


class Named(Protocol):
    """A scenario with its name."""

    @property
    def name(self) -> str:
        """The name."""
        ...

    @property
    def scenario(self) -> Scenario:
        """The scenario."""
        ...


Item = TypeVar("Item", bound=Named)


@dataclass(frozen=True)
class BadClient:
    """A client with one planted defect, the clauses that must catch it, and the name of the contract it is held to."""

    name: str
    factory: Callable[[], Any]
    clauses: tuple[str, ...]
    contract: str = CONTRACT


def bad_clients(names: Sequence[str] = ()) -> list[BadClient]:
    """Return the known-bad clients that ship with us, in the order of the registry; with ``names``, those alone.

    Raises:
        UsageError: for an unknown name.
    """
    built = {item.id for item in all_clauses()}
    listed: Iterable[Any] = importlib.import_module(_REGISTRY).all_known_bad()
    wanted = [(bad, tuple(name for name in bad.clauses if name in built)) for bad in listed]
    found = [BadClient(bad.name, bad.create, clauses, bad.contract) for bad, clauses in wanted if clauses]
    known = [bad.name for bad in found]
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise UsageError(f"there is no known-bad client {name!r}" + (f" (did you mean {near!r}?)" if near else ""))
    return [bad for bad in found if not names or bad.name in names]


async def open_bad(bad: BadClient, contract: Contract, profile: str | None) -> Client:
    """Return a known-bad client, ready to be judged by another's contract; what that expects to fail excuses nobody.

    Raises:
        DriverError: where it cannot start.
        UsageError: where it offers less than the contract promises.
    """
    driver = InProcessDriver(bad.factory, name=bad.name)
    promise = contract.model_copy(update={"client": bad.name, "expected_failures": ()})
    command = f"--known-bad {bad.name}"
    return make_client(promise, driver, await driver.hello(), profile=profile, command=command)


def likeliest_first(scenarios: Sequence[Item], clauses: Sequence[Clause]) -> list[Item]:
    """Return the scenarios that make calls, those first in which these clauses are likeliest to be tested."""
    topics = {topic for item in clauses for topic in _TOPICS.get(item.family, ())}
    callable_ = [loaded for loaded in scenarios if loaded.scenario.all_calls()]
    return sorted(callable_, key=lambda loaded: loaded.name.partition("/")[0] not in topics)


@dataclass
class Hunted:
    """What came of the search for cases in which a known-bad client is caught.

    ``caught`` names the clauses that failed for sure, ``suspected`` those that failed beside other cases only.
    ``drawn`` counts the cases that were drawn besides those in ``cases``, and ``pooled`` is what all of them show of
    clauses that are judged by many together.
    """

    bad: str
    clauses: tuple[str, ...]
    client: ClientFacts | None = None
    cases: list[Summary] = field(default_factory=list)
    caught: set[str] = field(default_factory=set)
    suspected: set[str] = field(default_factory=set)
    drawn: int = 0
    pooled: Pooled = field(default_factory=Pooled)
    problem: str | None = None

    def judge_together(self, clauses: Iterable[Clause]) -> None:
        """Take note of the clauses that what is known by now breaks, all cases taken together."""
        self.caught.update(item.id for item in clauses if self.pooled.finding(item) is not None)

    def missing(self) -> list[str]:
        """Return the clauses that have not caught it for sure."""
        return [name for name in self.clauses if name not in self.caught]

    def why(self, name: str) -> str:
        """Return why a clause has not caught it."""
        if self.problem is not None:
            return self.problem
        if not self.cases:
            return "no case was run"
        if name in self.suspected:
            return "it failed beside other cases, but not alone"
        said = [item.clauses[name] for item in self.cases if name in item.clauses]
        if (too_few := self.pooled.why_not(clause(name))) is not None:
            return too_few
        if said and all(item.verdict == "unsupported" for item in said):
            return f"the clause is unsupported: {said[0].why}"
        tested = sum(item.exercised for item in said)
        drawn = f", nor did it fail in {self.drawn} drawn ones" if self.drawn else ""
        if not tested:
            return f"none of {len(self.cases)} cases put the clause to the test{drawn}"
        return f"the clause held in {tested} case{'' if tested == 1 else 's'} that put it to the test{drawn}"


def fill_kill_rate(results: Results, hunted: Sequence[Hunted], *, everyone: bool) -> None:
    """Put what was found into the results; ``everyone`` says that all known-bad clients were to be tried."""
    for hunt in hunted:
        results.cases += [item.case for item in hunt.cases]
        results.errors += [error for item in hunt.cases for error in item.errors]
        if hunt.problem is not None:
            results.errors.append(ErrorEntry(party="driver", where=hunt.bad, message=hunt.problem))
        if hunt.client is not None:
            clauses, others = [clause(name) for name in hunt.clauses], Tally(pooled=hunt.pooled)
            results.clients.append(client_result(hunt.client, hunt.cases, clauses, tally=others))
    results.kill_rate = _rate(hunted, everyone)


def _rate(hunted: Sequence[Hunted], everyone: bool) -> KillRate:
    guarded: dict[str, KilledClause] = {}
    survivors: list[Survivor] = []
    for hunt in hunted:
        for name in hunt.clauses:
            entry = guarded.setdefault(name, KilledClause(id=name, bad=0, killed=0))
            entry.bad += 1
            entry.killed += name in hunt.caught
            if name not in hunt.caught:
                survivors.append(Survivor(name=hunt.bad, clause=name, why=hunt.why(name)))
    return KillRate(
        bad=len(hunted),
        killed=sum(not hunt.missing() for hunt in hunted),
        clauses=[guarded[name] for name in sorted(guarded)],
        survivors=survivors,
        unguarded=_unguarded(guarded) if everyone else [],
    )


def _unguarded(guarded: Mapping[str, KilledClause]) -> list[str]:
    """Return the clauses that no known-bad client names; those that need exact time may have been left out here."""
    exact = {name for bad in bad_clients() for name in bad.clauses if clause(name).pooling is not None}
    return [item.id for item in all_clauses() if item.id not in guarded and item.id not in exact]
