"""What a client promises: a policy, the clauses that apply, and the failures that are expected.

``load_contract`` reads ``contracts/clients/<name>.yaml``. There ``extends`` takes another contract's values: mappings
are merged key by key, lists and ``driver`` are replaced, and ``null`` takes a promise back.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import AfterValidator, Field, model_validator

from sadpath.core.errors import UsageError
from sadpath.core.events import ExchangeEvent
from sadpath.core.names import nearest, shown
from sadpath.core.units import Duration
from sadpath.drivers.messages import CAPABILITIES
from sadpath.scenario.filemodel import FileModel, Several, TextOf, complain
from sadpath.verify.policy import (
    STRATEGIES,
    TRANSPORT,
    AuthPolicy,
    Budget,
    CachePolicy,
    CancelPolicy,
    ErrorPolicy,
    HealPolicy,
    Policy,
    Pool,
    Redirects,
    RetryPolicy,
    Timeouts,
)

__all__ = [
    "LEVELS",
    "STRATEGIES",
    "TRANSPORT",
    "AuthPolicy",
    "Budget",
    "CachePolicy",
    "CancelPolicy",
    "Contract",
    "ContractFile",
    "DriverSpec",
    "ErrorPolicy",
    "ExpectedFailure",
    "HealPolicy",
    "Levels",
    "Policy",
    "Pool",
    "Redirects",
    "RetryPolicy",
    "Rule",
    "Timeouts",
    "When",
    "contract_paths",
    "load_contract",
]

LEVELS = ("must", "should", "policy")
"""How binding a clause is, the strictest first."""

Level = Literal["must", "should", "policy"]


class Rule(Protocol):
    """What a contract asks a clause for, to say whether it applies."""

    @property
    def id(self) -> str:
        """The stable id."""
        ...

    @property
    def family(self) -> str:
        """The part of the id before the number."""
        ...

    def level_for(self, capabilities: Collection[str]) -> Level:
        """Return how binding it is for a client that declares these capabilities."""
        ...


def _capability(value: str) -> str:
    if value not in CAPABILITIES:
        raise complain(f"unknown capability {shown(value)}", near=nearest(value, CAPABILITIES))
    return value


Capability = Annotated[str, AfterValidator(_capability), Field(json_schema_extra={"enum": list(CAPABILITIES)})]
Text = Annotated[str, Field(min_length=1)]


Words = Text | Annotated[Several[str], Field(min_length=1)]
"""A command: a text that is split as a shell splits words, or the words. No shell runs it."""

Variable = Annotated[str, TextOf(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")]

_WAYS = ("python", "exec", "stdio", "http", "shipped")
_COMMANDS = ("exec", "stdio")


class DriverSpec(FileModel):
    """How the client is driven: one of the ways. Commands run in the contract's folder, or in ``folder`` below it.

    ``shipped`` names a driver of sadpath's own for a library of another language.
    """

    python: Text | None = None
    exec: Words | None = None
    stdio: Words | None = None
    http: Annotated[str, TextOf(r"https?://[^\s/]\S*", "a URL such as http://127.0.0.1:9000/")] | None = None
    shipped: Text | None = None
    folder: Text | None = None
    env: dict[Variable, str] = Field(default_factory=dict)
    start_within: Duration | None = None

    @property
    def given(self) -> dict[str, str | tuple[str, ...]]:
        """The ways that are given; a contract that can be used has one."""
        ways = {name: getattr(self, name) for name in _WAYS}
        return {name: value for name, value in ways.items() if value is not None}

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = self.given
        if len(given) > 1:
            raise complain(f"one way to drive the client is enough, here are {' and '.join(given)}")
        if given and not set(given) & set(_COMMANDS):
            for name in ("folder", "env"):
                if getattr(self, name):
                    raise complain(f"belongs to a command ({' or '.join(_COMMANDS)}), and here is none", name)
        return self


class When(FileModel):
    """Narrows an expected failure to cases in which a fault fired: one of these names, at one of these phases.

    ``scenario`` narrows it to scenarios with these names, which may be patterns; cases that are drawn have none.
    ``profile`` narrows it to runs by one of these profiles of the contract.
    """

    fault: Several[Text] = ()
    phase: Several[Literal["connection", "request", "response", "head", "body", "end"]] = ()
    scenario: Several[Text] = ()
    profile: Several[Text] = ()

    def holds(self, exchanges: Iterable[ExchangeEvent], scenario: str = "") -> bool:
        """Tell whether this is one of the scenarios, and one fault that fired has both a name and a phase meant."""
        if self.scenario and not any(fnmatch.fnmatchcase(scenario, pattern) for pattern in self.scenario):
            return False
        if (self.scenario or self.profile) and not self.fault and not self.phase:
            return True
        return any(
            (not self.fault or fault.name in self.fault) and (not self.phase or fault.phase in self.phase)
            for exchange in exchanges
            for fault in exchange.fired
        )


class ExpectedFailure(FileModel):
    """A clause that this client is known to fail, and why. ``clause`` is an id, or a pattern such as ``RETRY-*``.

    ``sometimes``: not every run shows it, for instance because no scenario does and cases are drawn by chance; that the
    clause holds does not make such an entry stale.
    """

    clause: Text
    reason: Text
    when: When | None = None
    sometimes: bool = False

    def covers(self, clause_id: str, exchanges: Iterable[ExchangeEvent], scenario: str = "") -> bool:
        """Tell whether a failure of this clause is expected in a case of a scenario with these exchanges."""
        if not fnmatch.fnmatchcase(clause_id, self.clause):
            return False
        return self.when is None or self.when.holds(exchanges, scenario)


class Levels(FileModel):
    """A selection of clauses by level: one level, or a list of them."""

    level: Level | Annotated[Several[Level], Field(min_length=1)]

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels."""
        return (self.level,) if isinstance(self.level, str) else self.level


ClauseChoice = Literal["all"] | Levels | Annotated[Several[Text], Field(min_length=1)]
"""``all``, a level or levels, or a list of ids and families."""


class ContractFile(FileModel):
    """A contract as one file holds it; what is left out comes from the contract that ``extends`` names.

    ``baseline`` is a file of further expected failures (``sadpath.verify.baseline``), as seen from this one's folder.
    """

    extends: Text | None = None
    client: Text | None = None
    driver: DriverSpec | None = None
    capabilities: Several[Capability] | None = None
    profiles: dict[str, Policy] = Field(default_factory=dict)
    policy: Policy = Policy()
    clauses: ClauseChoice | None = None
    expected_failures: Several[ExpectedFailure] | None = None
    baseline: Text | None = None


class Contract(FileModel):
    """A client's whole promise, with ``extends`` resolved.

    ``profiles`` holds plain data, as files give it: what a profile changes in the policy. ``folder`` is where the
    contract's file is, and where its commands run; None for one made in code.
    """

    client: Text
    driver: DriverSpec = DriverSpec()
    capabilities: Several[Capability] = ()
    profiles: dict[str, dict[str, Any]] = Field(default={"published": {}})
    policy: Policy = Policy()
    clauses: ClauseChoice = "all"
    expected_failures: Several[ExpectedFailure] = ()
    folder: Annotated[Path | None, Field(exclude=True, strict=False)] = None

    def with_profile(self, name: str) -> Contract:
        """Return the contract with a profile's values put over its policy, and what is expected to fail by it.

        Raises:
            UsageError: for a profile that the contract does not have; ``published`` always exists.
        """
        if name not in self.profiles and name != "published":
            near = nearest(name, self.profiles)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(sorted(self.profiles))}"
            raise UsageError(f"the contract of {self.client} has no profile {name!r}; {hint}")
        expected = tuple(
            item for item in self.expected_failures if item.when is None or name in (item.when.profile or (name,))
        )
        policy = self.policy.merged(self.profiles.get(name, {}))
        return self.model_copy(update={"policy": policy, "expected_failures": expected})

    def applies(self, clause: Rule) -> bool:
        """Tell whether this client is judged by a clause."""
        if self.clauses == "all":
            return True
        if isinstance(self.clauses, Levels):
            return clause.level_for(self.capabilities) in self.clauses.levels
        return clause.id in self.clauses or clause.family in self.clauses

    def expecting(self, more: Iterable[ExpectedFailure]) -> Contract:
        """Return the contract with further expected failures."""
        return self.model_copy(update={"expected_failures": (*self.expected_failures, *more)})

    def expected(
        self, clause_id: str, exchanges: Iterable[ExchangeEvent] = (), scenario: str = ""
    ) -> ExpectedFailure | None:
        """Return the entry that expects a clause to fail in a case of a scenario with these exchanges, if any does."""
        seen = tuple(exchanges)
        return next((item for item in self.expected_failures if item.covers(clause_id, seen, scenario)), None)


def contract_paths(workspace_root: Path) -> dict[str, Path]:
    """Return the contract files of a workspace by the name of their client, in the order of names."""
    folder = workspace_root / "contracts" / "clients"
    found = {path.stem: path for path in sorted(folder.glob("*.yaml")) if not path.name.startswith(".")}
    return dict(sorted(found.items()))


def load_contract(path_or_name: str | Path, workspace_root: Path) -> Contract:
    """Read a contract: ``reference``, the name of one in ``contracts/clients/``, or the path of a file.

    Raises:
        UsageError: if the workspace has none of that name.
        FileProblems: with everything that is wrong with the file or with one that it extends.
    """
    from sadpath.verify.contractfile import read_contract  # noqa: PLC0415 - it knows the clauses, and they this module

    path = Path(path_or_name)
    if isinstance(path_or_name, str) and path.suffix not in (".yaml", ".yml") and len(path.parts) == 1:
        known = contract_paths(workspace_root)
        if path_or_name not in known:
            near = nearest(path_or_name, known)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known) or 'none'}"
            raise UsageError(f"no contract is named {path_or_name!r} in contracts/clients; {hint}")
        path = known[path_or_name]
    return read_contract(path, workspace_root)
