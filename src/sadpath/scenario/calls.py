"""What the client is asked to do: calls, calls at the same time, and what changes between them."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from sadpath.core.names import nearest, shown
from sadpath.core.units import Duration, Seconds, format_seconds
from sadpath.scenario.filemodel import FileModel, Several, Trouble, complain, complain_of, explain
from sadpath.scenario.rules import OPERATION_ID, Rule, is_file

__all__ = [
    "CALL_OPTIONS",
    "OTHER_ORIGIN",
    "RAW_OPERATION",
    "RESERVED",
    "RESTART_OPERATION",
    "STEP_WORDS",
    "Advance",
    "Call",
    "CallStep",
    "ChangeFaults",
    "Offline",
    "Parallel",
    "StepOfCalls",
]

CALL_OPTIONS = ("times", "cancel_after", "start_after", "replayable")
"""What may stand beside the operation of a call."""

STEP_WORDS = ("parallel", "advance", "offline", "faults")
"""The keys by which an entry of ``calls`` is something else than a call."""

RESERVED = (*CALL_OPTIONS, *STEP_WORDS, "pages", "op")
"""What no operation can be called in a scenario."""

RAW_OPERATION = "http"
"""The operation by which any request can be asked for; no roles file lists it."""

RESTART_OPERATION = "app.restart"
"""The operation by which a client is killed and begins again on what it had stored; no roles file lists it.

With ``lost_writes`` it loses the last so many writes to its storage, as a crash before them would have.
"""

OTHER_ORIGIN = "{other_origin}"
"""What the path of an ``http`` call begins with to go to the server's second origin: ``{other_origin}/users/1``."""

_MAX_DEPTH = 64


def _not_json(value: Any, *place: str | int) -> list[Trouble]:
    """Return what in an argument no JSON can hold."""
    if len(place) > _MAX_DEPTH:
        return [Trouble(place, f"the nesting is too deep: at most {_MAX_DEPTH} levels")]
    if isinstance(value, dict):
        wrong = [Trouble((*place, key), "a key of an argument must be text") for key in value if type(key) is not str]
        return wrong + [t for key, item in value.items() if type(key) is str for t in _not_json(item, *place, key)]
    if isinstance(value, list):
        return [t for index, item in enumerate(value) for t in _not_json(item, *place, index)]
    if isinstance(value, float) and not math.isfinite(value):
        return [Trouble(place, f"must be a finite number, not {value}")]
    if value is None or isinstance(value, str | bool | int | float):
        return []
    return [Trouble(place, f"must be a value that JSON can hold, not {shown(value)}")]


def _arguments(value: Any) -> Any:
    if isinstance(value, dict) and (wrong := _not_json(value)):
        raise complain_of(wrong)
    return value


def _operation(value: str) -> str:
    if value in RESERVED:
        raise ValueError(f"{value!r} is a word of scenario files and cannot be an operation")
    if re.fullmatch(OPERATION_ID, value) is None:
        raise ValueError(f"must be the id of an operation, not {shown(value)}")
    return value


class Call(FileModel):
    """One operation asked of the client; ``pages`` asks for every page of it.

    ``http`` asks for any request by ``method`` and ``path``; a path that begins with ``{other_origin}`` goes to the
    server's second origin, where no token belongs.

    ``times`` asks for it more than once: at the same time within ``parallel``, else one after another. A
    ``cancel_after`` of zero cancels beforehand. A call that is not ``replayable`` has a body that can be read once.
    """

    op: Annotated[str, AfterValidator(_operation)]
    args: Annotated[dict[str, Any], BeforeValidator(_arguments)] = Field(default_factory=dict)
    pages: bool = False
    times: Annotated[int, Field(ge=1, le=1000)] = 1
    cancel_after: Seconds | None = None
    start_after: Seconds | None = None
    replayable: bool = True

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str):
            return {"op": _checked(value)}
        if not isinstance(value, dict) or ("op" in value and not is_file(info)):
            return value
        return _written_call(value)

    @model_serializer
    def to_file(self) -> dict[str, Any]:
        """Return the call as a file writes it."""
        out: dict[str, Any] = {"pages": {self.op: self.args}} if self.pages else {self.op: self.args}
        if self.times != 1:
            out["times"] = self.times
        if self.cancel_after is not None:
            out["cancel_after"] = format_seconds(self.cancel_after)
        if self.start_after is not None:
            out["start_after"] = format_seconds(self.start_after)
        if not self.replayable:
            out["replayable"] = False
        return out


def _written_call(value: dict[Any, Any]) -> dict[str, Any]:
    """Return the fields of a call that a file writes as ``operation: arguments`` with options beside it.

    What is wrong with operation and arguments is found here, where their place in the file is known.
    """
    options = {key: item for key, item in value.items() if key in CALL_OPTIONS}
    rest = {key: item for key, item in value.items() if key not in CALL_OPTIONS}
    if len(rest) > 1:
        misspelt = {key: nearest(str(key), CALL_OPTIONS) for key in rest}
        if troubles := [Trouble((key,), "unknown key", near) for key, near in misspelt.items() if near]:
            raise complain_of(troubles)
    if len(rest) != 1:
        raise complain("a call names one operation, for example `users.get: {id: 1}`")
    ((op, args),) = rest.items()
    if op != "pages":
        return {"op": _checked(op, op), "args": _mapping(op, args, op), **options}
    if isinstance(args, str):
        return {"op": _checked(args, "pages"), "pages": True, **options}
    if not isinstance(args, dict) or len(args) != 1:
        raise complain("`pages` names one operation, for example `pages: {orders.list: {limit: 5}}`", "pages")
    ((op, args),) = args.items()
    return {"op": _checked(op, "pages", op), "args": _mapping(op, args, "pages", op), "pages": True, **options}


def _checked(op: Any, *place: str | int) -> str:
    if not isinstance(op, str):
        raise complain(f"must be the id of an operation, not {shown(op)}", *place)
    try:
        return _operation(op)
    except ValueError as error:
        raise complain(str(error), *place) from error


def _mapping(op: str, args: Any, *place: str | int) -> dict[str, Any]:
    if args is None:
        return {}
    if not isinstance(args, dict):
        near = nearest(op, (*STEP_WORDS, "pages"))
        raise complain(f"the arguments of `{op}` must be a mapping, not {shown(args)}", *place, near=near)
    if wrong := _not_json(args):
        raise complain_of(Trouble((*place, *item.place), item.message) for item in wrong)
    return args


class Parallel(FileModel):
    """Calls made at the same time."""

    parallel: Annotated[Several[Call], Field(min_length=1)]

    @model_serializer
    def to_file(self) -> dict[str, Any]:
        """Return the step as a file writes it."""
        return {"parallel": [call.to_file() for call in self.parallel]}


class Advance(FileModel):
    """Move the session's time forward."""

    advance: Duration

    @model_serializer
    def to_file(self) -> dict[str, Any]:
        """Return the step as a file writes it."""
        return {"advance": format_seconds(self.advance)}


class Offline(FileModel):
    """The connectivity hint that the client is given, right or wrong."""

    offline: bool

    @model_serializer
    def to_file(self) -> dict[str, Any]:
        """Return the step as a file writes it."""
        return {"offline": self.offline}


class ChangeFaults(FileModel):
    """Replace the rules from here on."""

    faults: Several[Rule]

    @model_serializer
    def to_file(self) -> dict[str, Any]:
        """Return the step as a file writes it."""
        return {"faults": [rule.to_file() for rule in self.faults]}


CallStep = Call | Parallel | Advance | Offline | ChangeFaults
"""One entry of ``calls``."""

_STEPS: dict[str, type[FileModel]] = {
    "parallel": Parallel,
    "advance": Advance,
    "offline": Offline,
    "faults": ChangeFaults,
}


def parse_call_step(value: Any, info: ValidationInfo) -> Any:
    """Choose the model of one entry of ``calls`` by its key, so that errors speak of that model alone."""
    if isinstance(value, FileModel):
        return value
    model = next((_STEPS[word] for word in STEP_WORDS if isinstance(value, dict) and word in value), Call)
    try:
        return model.model_validate(value, context=info.context)
    except ValidationError as error:
        raise complain_of(explain(error, value, model)) from error


StepOfCalls = Annotated[CallStep, BeforeValidator(parse_call_step)]
"""One entry of ``calls``, read by its key."""
