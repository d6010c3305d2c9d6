"""What goes wrong, and when: faults, the exchanges that meet them, and the rules that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, model_serializer, model_validator

from sadpath.core.names import shown
from sadpath.scenario.filemodel import FileContext, FileModel, Several, TextOf, below, complain
from sadpath.scenario.vocabulary import FAULTS, FaultSettings, Vocabulary

__all__ = [
    "OPERATION_ID",
    "ROLES",
    "Fault",
    "Match",
    "Method",
    "OperationId",
    "PathPattern",
    "Reading",
    "Role",
    "Rule",
    "Step",
    "is_file",
    "step_to_file",
    "vocabulary_of",
]

Role = Literal["login", "refresh", "logout", "read", "list", "page", "write", "create", "delete", "public"]
"""What an operation is for."""

ROLES: tuple[Role, ...] = ("login", "refresh", "logout", "read", "list", "page", "write", "create", "delete", "public")
"""All roles."""


@dataclass(frozen=True)
class Reading(FileContext):
    """What a scenario file is read with, handed to the models as Pydantic's context."""

    vocabulary: Vocabulary = FAULTS


def vocabulary_of(info: ValidationInfo) -> Vocabulary:
    """Return the vocabulary that a validation is made with."""
    return info.context.vocabulary if isinstance(info.context, Reading) else FAULTS


def is_file(info: ValidationInfo) -> bool:
    """Tell whether a file is read, not a model built in code."""
    return isinstance(info.context, FileContext)


class Fault(FileModel):
    """One fault with its settings: ``name`` or ``name: settings``."""

    name: str
    settings: FaultSettings
    alias: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, Fault) or (isinstance(value, dict) and isinstance(value.get("settings"), FaultSettings)):
            return value
        name, raw = _split_fault(value)
        here = (name,) if isinstance(value, dict) else ()
        vocabulary = vocabulary_of(info)
        if name not in vocabulary:
            raise complain(f"unknown fault {shown(name)}", *here, near=vocabulary.nearest(name))
        kind, implied, alias = vocabulary.get(name)
        try:
            settings = kind.from_file(raw, implied, info.context)
        except ValidationError as error:
            raise below(here, error) from error
        return {"name": kind.name, "settings": settings} | ({} if alias is None else {"alias": alias})

    @model_serializer
    def to_file(self) -> Any:
        """Return the fault as a file writes it; under another tool's name where it was given so."""
        implied: dict[str, Any] | None = None
        if self.alias is not None:
            known = self.alias in FAULTS
            implied = FAULTS.get(self.alias)[1] if known else dict.fromkeys(self.settings.model_dump(by_alias=True))
        written = self.settings.to_file(implied)
        name = self.alias or self.name
        return name if written is None else {name: written}


def _split_fault(value: Any) -> tuple[str, Any]:
    if value == "pass":
        raise complain("`pass` stands alone: it means that no fault acts")
    if isinstance(value, str):
        return value, None
    if isinstance(value, dict) and len(value) == 1:
        ((name, raw),) = value.items()
        if isinstance(name, str):
            return name, raw
    raise complain("a fault is `name` or `name: settings`; several that act together are a list")


def _parse_step(value: Any, info: ValidationInfo) -> Any:
    """Return the faults of one step; a single one is checked here, so that its place has no index."""
    if value == "pass":
        return ()
    if isinstance(value, list | tuple):
        return tuple(value)
    return (Fault.model_validate(value, context=info.context),)


Step = Annotated[tuple[Fault, ...], BeforeValidator(_parse_step)]
"""What one matching exchange meets: no fault (``pass``), one, or several that act together."""


def step_to_file(step: tuple[Fault, ...]) -> Any:
    """Return a step as a file writes it."""
    if not step:
        return "pass"
    return step[0].to_file() if len(step) == 1 else [fault.to_file() for fault in step]


OPERATION_ID = r"[^ \x00-\x1f\x7f]+(?: [^ \x00-\x1f\x7f]+)*"
"""An ``operationId`` of OpenAPI: any words in one line."""

OperationId = Annotated[str, TextOf(OPERATION_ID, "the id of an operation")]
"""A text that may be an ``operationId``."""

Method = Annotated[str, TextOf("[A-Z][A-Z-]*", "a method in capitals, such as GET")]
"""A method; methods are case-sensitive (RFC 9110 §9.1)."""

PathPattern = Annotated[str, TextOf(r"/[^?# \x00-\x1f\x7f]*", "a path that begins with `/`, without a query")]
"""A path in which ``*`` stands for one segment or a part of it, and ``**`` for anything."""


class Match(FileModel):
    """Which exchanges a rule is about: a role, an operation, a method and path, everything, or connections.

    All the fields that are given must hold.
    """

    role: Role | None = None
    operation: OperationId | None = None
    method: Method | None = None
    path: PathPattern | None = None
    connection: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str):
            return _short_match(value)
        if is_file(info) and isinstance(value, dict):
            if not value:
                raise complain("matches nothing in particular: write `*` for every exchange")
            if "connection" in value:
                raise complain("write `on: connection`, without anything beside it", "connection")
        return value

    @model_validator(mode="after")
    def _alone(self) -> Self:
        if self.connection and (self.role or self.operation or self.method or self.path):
            raise complain("a connection has no role, operation, method or path yet")
        return self

    @model_serializer
    def to_file(self) -> Any:
        """Return the match as a file writes it."""
        if self.connection:
            return "connection"
        given = {key: value for key, value in self.__dict__.items() if value is not None and key != "connection"}
        if not given:
            return "*"
        short = set(given) == {"operation"} and _short_match(given["operation"]) == given
        return self.operation if short else given


def _short_match(value: str) -> dict[str, Any]:
    if value == "*":
        return {}
    return {"connection": True} if value == "connection" else {"operation": value}


class Rule(FileModel):
    """Which exchanges meet which faults; the first rule that matches and decides wins."""

    on: Match
    plan: Annotated[Several[Step], Field(min_length=1)] | None = None
    then: Literal["pass", "repeat", "last"] = "pass"
    chance: Annotated[float, Field(ge=0, le=1)] | None = None
    fault: Step | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.plan is None) == (self.fault is None):
            raise complain("a rule has either `plan` (step by step) or `fault` (each time), not both and not neither")
        if self.plan is None and self.then != "pass":
            raise complain("`then` belongs to a `plan`", "then")
        return self

    @model_serializer
    def to_file(self) -> dict[str, Any]:
        """Return the rule as a file writes it."""
        out: dict[str, Any] = {"on": self.on.to_file()}
        if self.chance is not None:
            out["chance"] = self.chance
        if self.plan is not None:
            out["plan"] = [step_to_file(step) for step in self.plan]
        if self.fault is not None:
            out["fault"] = step_to_file(self.fault)
        if self.then != "pass":
            out["then"] = self.then
        return out

    def steps(self) -> tuple[tuple[Fault, ...], ...]:
        """Return every step that the rule can choose."""
        return self.plan if self.plan is not None else (self.fault or (),)
