"""The grammar of a scenario file as models. See the loader for reading one, with line numbers in its errors.

A scenario says what goes wrong (``faults``), in which world it begins (``given``), and what the client is asked to do
(``calls``). Everything is frozen: a run never changes its scenario.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator

from sadpath.core.units import Duration, Seconds
from sadpath.scenario.vocabulary import FAULTS, FaultSettings

__all__ = [
    "Advance",
    "Call",
    "ChangeFaults",
    "Expect",
    "Fault",
    "Given",
    "Match",
    "Network",
    "Offline",
    "Parallel",
    "Rule",
    "Scenario",
    "Step",
    "StepOfCalls",
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Fault(_Model):
    """One fault with its settings: ``name`` or ``name: settings``."""

    name: str
    settings: FaultSettings
    alias: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any) -> Any:
        if isinstance(value, Fault) or (isinstance(value, dict) and "settings" in value and "name" in value):
            return value
        name, raw = _split_fault(value)
        if name not in FAULTS:
            near = FAULTS.nearest(name)
            hint = f" (did you mean {near!r}?)" if near else ""
            raise ValueError(f"unknown fault {name!r}{hint}")
        kind, implied, alias = FAULTS.get(name)
        return {"name": kind.name, "settings": _settings(kind, raw, implied), "alias": alias}

    @model_serializer
    def _to_file(self) -> Any:
        written = self.settings.to_file()
        return self.name if written is None else {self.name: written}


def _split_fault(value: Any) -> tuple[str, Any]:
    if isinstance(value, str):
        return value, None
    if isinstance(value, dict) and len(value) == 1:
        ((name, raw),) = value.items()
        return str(name), raw
    raise ValueError("a fault is `name` or `name: settings`; several that act together are a list")


def _settings(kind: type[FaultSettings], raw: Any, implied: dict[str, Any]) -> FaultSettings:
    if raw is None and not kind.bare and not implied:
        raise ValueError(f"the fault {kind.name!r} needs a setting, for example `{kind.name}: …`")
    if raw is None:
        raw = {}
    elif not isinstance(raw, dict) or (kind.scalar and set(raw) - set(kind.model_fields) == set(raw) and raw):
        if kind.scalar is None:
            raise ValueError(f"the fault {kind.name!r} takes a mapping of settings, not {raw!r}")
        raw = {kind.scalar: raw}
    return kind.model_validate({**implied, **raw})


Step = tuple[Fault, ...]
"""What one matching exchange meets: no fault (``pass``), one, or several that act together."""


def _parse_step(value: Any) -> Any:
    if value == "pass":
        return ()
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value,)


class Match(_Model):
    """Which exchanges a rule is about: a role, an operation, a method and path, everything, or connections."""

    role: str | None = None
    operation: str | None = None
    method: str | None = None
    path: str | None = None
    connection: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any) -> Any:
        if value == "*":
            return {}
        if value == "connection":
            return {"connection": True}
        if isinstance(value, str):
            return {"operation": value}
        return value

    @model_serializer
    def _to_file(self) -> Any:
        if self.connection:
            return "connection"
        given = {k: v for k, v in self.__dict__.items() if v and k != "connection"}
        if not given:
            return "*"
        return self.operation if set(given) == {"operation"} else given


class Rule(_Model):
    """Which exchanges meet which faults; the first rule that matches and decides wins."""

    on: Match
    plan: tuple[Step, ...] | None = None
    then: Literal["pass", "repeat", "last"] = "pass"
    chance: Annotated[float, Field(ge=0, le=1)] | None = None
    fault: Step | None = None

    @field_validator("plan", mode="before")
    @classmethod
    def _plan(cls, value: Any) -> Any:
        return [_parse_step(step) for step in value] if isinstance(value, list | tuple) else value

    @field_validator("fault", mode="before")
    @classmethod
    def _fault(cls, value: Any) -> Any:
        return None if value is None else _parse_step(value)

    @model_validator(mode="after")
    def _one_of(self) -> Rule:
        if (self.plan is None) == (self.fault is None):
            raise ValueError("a rule has either `plan` (step by step) or `fault` (each time), not both and not neither")
        if self.plan is None and self.then != "pass":
            raise ValueError("`then` belongs to a `plan`")
        return self

    @model_serializer
    def _to_file(self) -> dict[str, Any]:
        out: dict[str, Any] = {"on": self.on}
        if self.chance is not None:
            out["chance"] = self.chance
        if self.plan is not None:
            out["plan"] = [_step_to_file(step) for step in self.plan]
        if self.fault is not None:
            out["fault"] = _step_to_file(self.fault)
        if self.then != "pass":
            out["then"] = self.then
        return out


def _step_to_file(step: Step) -> Any:
    if not step:
        return "pass"
    return step[0] if len(step) == 1 else list(step)


class Network(_Model):
    """The network between client and server."""

    latency: Seconds = 0.0


class DataSet(_Model):
    """Which data set of ``fixtures/`` the backend starts from."""

    fixture: str


class Given(_Model):
    """The world before the first call."""

    access_token: Literal["valid", "expired", "revoked", "none"] = "valid"  # noqa: S105 - a state, not a secret
    refresh_token: Literal["valid", "expired", "revoked", "used", "none"] = "valid"  # noqa: S105 - a state, not a secret
    cache: Literal["empty", "fresh", "stale", "too_old", "other_user", "corrupt", "unwritable"] = "empty"
    data: DataSet | None = None
    network: Network = Network()
    tls: bool = False


_CALL_OPTIONS = {"times", "cancel_after", "start_after", "as", "replayable"}


class Call(_Model):
    """One operation asked of the client; ``pages`` asks for every page of it."""

    op: str
    args: dict[str, Any] = Field(default_factory=dict)
    pages: bool = False
    times: Annotated[int, Field(ge=1, le=1000)] = 1
    cancel_after: Seconds | None = None
    start_after: Seconds | None = None
    replayable: bool = True

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"op": value}
        if not isinstance(value, dict) or "op" in value:
            return value
        options = {key: item for key, item in value.items() if key in _CALL_OPTIONS}
        rest = {key: item for key, item in value.items() if key not in _CALL_OPTIONS}
        if len(rest) != 1:
            raise ValueError("a call names one operation, for example `users.get: {id: 1}`")
        ((op, args),) = rest.items()
        if op == "pages":
            if isinstance(args, str):
                return {"op": args, "pages": True, **options}
            if not isinstance(args, dict) or len(args) != 1:
                raise ValueError("`pages` names one operation, for example `pages: {orders.list: {limit: 5}}`")
            ((op, args),) = args.items()
            options["pages"] = True
        return {"op": op, "args": args or {}, **options}

    @model_serializer
    def _to_file(self) -> dict[str, Any]:
        out: dict[str, Any] = {"pages": {self.op: self.args}} if self.pages else {self.op: self.args}
        shown = self.__pydantic_fields_set__ & {"times", "replayable"}
        out.update({key: getattr(self, key) for key in sorted(shown)})
        if self.cancel_after is not None:
            out["cancel_after"] = _dump_seconds(self.cancel_after)
        if self.start_after is not None:
            out["start_after"] = _dump_seconds(self.start_after)
        return out


def _dump_seconds(seconds: float) -> str:
    from sadpath.core.units import format_seconds

    return format_seconds(seconds)


class Parallel(_Model):
    """Calls made at the same time."""

    parallel: Annotated[tuple[Call, ...], Field(min_length=1)]


class Advance(_Model):
    """Move the session's time forward."""

    advance: Duration


class Offline(_Model):
    """The connectivity hint that the client is given, right or wrong."""

    offline: bool


class ChangeFaults(_Model):
    """Replace the rules from here on."""

    faults: tuple[Rule, ...]


StepOfCalls = Call | Parallel | Advance | Offline | ChangeFaults
"""One entry of ``calls``."""

_STEPS: dict[str, type[_Model]] = {
    "parallel": Parallel,
    "advance": Advance,
    "offline": Offline,
    "faults": ChangeFaults,
}


def parse_call_step(value: Any) -> Any:
    """Choose the model of one entry of ``calls`` by its key, so that errors speak of that model alone."""
    if isinstance(value, _Model):
        return value
    if isinstance(value, dict):
        for key, model in _STEPS.items():
            if key in value:
                return model.model_validate(value)
    return Call.model_validate(value)


class Expect(_Model):
    """What must come of it, beyond the clauses, for one named client; reported as SCEN-01."""

    client: str = Field(default="reference", alias="for")
    outcome: str | tuple[str, ...] | None = None
    attempts: dict[str, int | Literal["max"]] = Field(default_factory=dict)


class Scenario(_Model):
    """A named plan: which fault meets which exchange, and which calls the client makes."""

    title: str
    seed: int | None = None
    given: Given = Given()
    faults: tuple[Rule, ...] = ()
    calls: tuple[StepOfCalls, ...] = ()
    heal: bool = True
    expect: Expect | None = None

    @field_validator("calls", mode="before")
    @classmethod
    def _calls(cls, value: Any) -> Any:
        return tuple(parse_call_step(step) for step in value) if isinstance(value, list | tuple) else value

    def all_faults(self) -> list[Fault]:
        """Return every fault that any rule can inject, in file order, later ``faults:`` steps included."""
        rules = list(self.faults)
        for step in self.calls:
            if isinstance(step, ChangeFaults):
                rules.extend(step.faults)
        return [fault for rule in rules for step in [*(rule.plan or ()), rule.fault or ()] for fault in step]

    def all_calls(self) -> list[Call]:
        """Return every call, parallel ones included, in file order."""
        out: list[Call] = []
        for step in self.calls:
            if isinstance(step, Call):
                out.append(step)
            elif isinstance(step, Parallel):
                out.extend(step.parallel)
        return out
