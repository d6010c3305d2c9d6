"""A scenario: the world it begins in, what goes wrong, what the client is asked to do, and what must come of it.

A file says what goes wrong (``faults``), in which world it begins (``given``), and what the client is asked to do
(``calls``). Everything is frozen: a run never changes its scenario. ``to_file`` gives back what a file would hold,
``to_yaml`` its text; reading that gives an equal scenario.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, model_serializer, model_validator

from sadpath.core.names import ERROR_KINDS, nearest, shown
from sadpath.core.units import Seconds, format_seconds
from sadpath.scenario.calls import (
    Advance,
    Call,
    CallStep,
    ChangeFaults,
    Offline,
    Parallel,
    StepOfCalls,
)
from sadpath.scenario.filemodel import FileModel, Several, TextOf, complain
from sadpath.scenario.rules import Fault, Match, OperationId, Reading, Role, Rule, Step, is_file
from sadpath.scenario.yamltext import to_yaml

__all__ = [
    "OUTCOMES",
    "Advance",
    "Call",
    "CallStep",
    "ChangeFaults",
    "DataSet",
    "Expect",
    "Fault",
    "Given",
    "Match",
    "Network",
    "Offline",
    "Parallel",
    "Reading",
    "Role",
    "Rule",
    "Scenario",
    "Step",
    "StepOfCalls",
]

FixtureName = Annotated[str, TextOf(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*", "the name of a fixture")]
"""A file in ``fixtures/`` by its path; it cannot lead out of there."""


Title = Annotated[str, TextOf(r"[^\x00-\x1f\x7f]*[^ \x00-\x1f\x7f][^\x00-\x1f\x7f]*", "a title in one line")]
"""What a scenario is called in reports."""


class Network(FileModel):
    """The network between client and server; ``latency`` is in seconds."""

    latency: Seconds = 0.0


class DataSet(FileModel):
    """Which data set of ``fixtures/`` the backend starts from."""

    fixture: FixtureName


class Given(FileModel):
    """The world before the first call."""

    access_token: Literal["valid", "expired", "revoked", "none"] = "valid"  # noqa: S105 - a state, not a secret
    refresh_token: Literal["valid", "expired", "revoked", "used", "none"] = "valid"  # noqa: S105 - a state, not a secret
    cache: Literal["empty", "fresh", "stale", "too_old", "other_user", "corrupt", "unwritable"] = "empty"
    data: DataSet | None = None
    network: Network = Network()
    tls: bool = False

    @model_serializer
    def to_file(self) -> dict[str, Any]:
        """Return what a file would say of this world: only what differs from the usual one."""
        usual = Given.model_construct()
        plain = ("access_token", "refresh_token", "cache", "tls")
        out = {key: getattr(self, key) for key in plain if getattr(self, key) != getattr(usual, key)}
        if self.data is not None:
            out["data"] = {"fixture": self.data.fixture}
        if self.network.latency:
            out["network"] = {"latency": format_seconds(self.network.latency)}
        return out


OUTCOMES = ("ok", "cancelled", *ERROR_KINDS)
"""How a call may end, as ``expect`` names it: well, cancelled, or by a kind of failure."""


def _outcome(value: Any, *place: str | int) -> str:
    if isinstance(value, str) and value in OUTCOMES:
        return value
    near = nearest(value, OUTCOMES) if isinstance(value, str) else None
    raise complain(f"must be ok, cancelled or a kind of failure, not {shown(value)}", *place, near=near)


def _outcomes(value: Any) -> Any:
    """Return the allowed outcomes, checked one by one."""
    if not isinstance(value, list | tuple):
        return value if value is None else _outcome(value)
    if not value:
        raise complain("must name at least one outcome")
    return tuple(_outcome(item, index) for index, item in enumerate(value))


def _attempts(value: Any) -> Any:
    if value == "max" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"must be a whole number or `max`, not {shown(value)}")


class Expect(FileModel):
    """What must come of it, beyond the clauses, for one named client; reported as SCEN-01.

    ``outcome`` is the last call's, or the list of those allowed. ``attempts`` gives, by operation, a number or ``max``:
    1 + max_retries of the client's policy.
    """

    model_config = ConfigDict(populate_by_name=True)

    client: Annotated[str, Field(alias="for", min_length=1)] = "reference"
    outcome: Annotated[str | tuple[str, ...] | None, BeforeValidator(_outcomes)] = None
    attempts: dict[OperationId, Annotated[int | Literal["max"], BeforeValidator(_attempts)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any, info: ValidationInfo) -> Any:
        if is_file(info) and isinstance(value, dict) and "client" in value:
            raise complain("unknown key", "client", near="for")
        return value

    @model_serializer
    def to_file(self) -> dict[str, Any]:
        """Return the expectation as a file writes it."""
        out: dict[str, Any] = {"for": self.client}
        if self.outcome is not None:
            out["outcome"] = self.outcome if isinstance(self.outcome, str) else list(self.outcome)
        if self.attempts:
            out["attempts"] = dict(self.attempts)
        return out


class Scenario(FileModel):
    """A named plan: which fault meets which exchange, and which calls the client makes."""

    title: Title
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None
    given: Given = Given()
    faults: Several[Rule] = ()
    calls: Several[StepOfCalls] = ()
    heal: bool = True
    expect: Expect | None = None

    @model_serializer
    def to_file(self) -> dict[str, Any]:
        """Return what a file would hold: plain data, without what is usual."""
        out: dict[str, Any] = {"title": self.title}
        if self.seed is not None:
            out["seed"] = self.seed
        if given := self.given.to_file():
            out["given"] = given
        if self.faults:
            out["faults"] = [rule.to_file() for rule in self.faults]
        if self.calls:
            out["calls"] = [step.to_file() for step in self.calls]
        if not self.heal:
            out["heal"] = False
        if self.expect is not None:
            out["expect"] = self.expect.to_file()
        return out

    def to_yaml(self, comment: str | None = None) -> str:
        """Return the text of a scenario file, under a comment that says what, why and by which source."""
        return to_yaml(self.to_file(), comment)

    def all_rules(self) -> list[Rule]:
        """Return every rule, in file order, later ``faults:`` steps included."""
        return [*self.faults, *(rule for step in self.calls if isinstance(step, ChangeFaults) for rule in step.faults)]

    def all_faults(self) -> list[Fault]:
        """Return every fault that any rule can inject, in file order, later ``faults:`` steps included."""
        return [fault for rule in self.all_rules() for step in rule.steps() for fault in step]

    def all_calls(self) -> list[Call]:
        """Return every call, parallel ones included, in file order."""
        out: list[Call] = []
        for step in self.calls:
            if isinstance(step, Call):
                out.append(step)
            elif isinstance(step, Parallel):
                out.extend(step.parallel)
        return out
