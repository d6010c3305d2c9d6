"""From messages to lines and back: what a driver may write, and what is wrong with what it wrote.

Whatever bytes come, the answer is a message or a ``BrokenMessage``; nothing else is raised.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from sadpath.core.errors import DriverError
from sadpath.core.names import nearest
from sadpath.drivers.messages import (
    ERROR_KINDS,
    CallStep,
    DriverFault,
    Hello,
    Ok,
    Outcome,
    ParallelStep,
    Pong,
    Result,
    Run,
    Unsupported,
)
from sadpath.drivers.process import Tail

__all__ = ["KINDS", "MARK", "Answer", "Awaited", "BrokenMessage", "excerpt", "message", "read_answer", "with_log"]

MARK = b"@sadpath "
"""How a line of a driver begins that is a message; every other line is its log."""

Answer = Hello | Outcome | Result | Unsupported | DriverFault | Pong | Ok

KINDS: Mapping[str, type[Answer]] = {
    "hello": Hello,
    "outcome": Outcome,
    "result": Result,
    "unsupported": Unsupported,
    "driver_error": DriverFault,
    "pong": Pong,
    "ok": Ok,
}
"""The messages of a driver, by their ``t``."""

_DEEPEST = 500
_EXCERPT = 160
_SAID = 300
_LONGEST_NAME = 80


class BrokenMessage(DriverError):
    """A driver's message that cannot be understood, or does not belong where it came."""


def message(kind: str, body: BaseModel | Mapping[str, Any] | None = None) -> bytes:
    """Return one of our messages as a line of JSON, all ASCII, with its line feed."""
    fields = body.model_dump(mode="json", by_alias=True) if isinstance(body, BaseModel) else dict(body or {})
    return json.dumps({"t": kind, **fields}, separators=(",", ":")).encode() + b"\n"


def excerpt(raw: bytes | str) -> str:
    """Return what a driver wrote as a message shows it: printable, and not long."""
    text = raw[: 4 * _EXCERPT].decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    text = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


def read_answer(raw: bytes, defaults: Mapping[str, Any] | None = None) -> Answer:
    """Return the message that a driver's JSON text is; ``defaults`` stand for fields that it leaves out.

    Raises:
        BrokenMessage: with what is wrong with it, where it is none.
    """
    data = _object(raw)
    kind = data.pop("t", None)
    if not isinstance(kind, str) or kind not in KINDS:
        near = nearest(kind, KINDS) if isinstance(kind, str) else None
        hint = f", did you mean {near!r}?" if near else ""
        said = "there is no `t`" if kind is None else f"there is no message {excerpt(json.dumps(kind))}{hint}"
        raise BrokenMessage(f"{said}; a driver answers with {', '.join(KINDS)}: {excerpt(raw)}")
    model = KINDS[kind]
    given = {name: value for name, value in (defaults or {}).items() if name in model.model_fields}
    try:
        found = model.model_validate({**given, **data}, strict=True)
    except ValidationError as error:
        raise BrokenMessage(f"the message `{kind}` is not as it has to be: {_problem(error, model)}") from error
    except RecursionError as error:
        raise BrokenMessage(f"the message `{kind}` is nested too deep") from error
    if isinstance(found, Outcome):
        _check_outcome(found)
    if isinstance(found, Hello):
        _check_hello(found)
    if isinstance(found, DriverFault):
        return found.model_copy(update={"message": found.message[:_SAID] or "the driver says so, and not why"})
    if isinstance(found, Unsupported):
        return found.model_copy(update={"why": found.why[:_SAID]})
    return found


def _object(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8")
        if text.count("{") + text.count("[") > _DEEPEST and _depth(text) > _DEEPEST:
            raise BrokenMessage(f"the message is nested deeper than {_DEEPEST} levels: {excerpt(raw)}")
        data = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        if "\\ud" in text.lower():  # half a character: it could be printed nowhere
            data = json.loads(json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))
    except UnicodeDecodeError as error:
        raise BrokenMessage(f"the message is not UTF-8 (byte {error.start}): {excerpt(raw)}") from error
    except (ValueError, RecursionError) as error:
        raise BrokenMessage(f"the message is not JSON ({error}): {excerpt(raw)}") from error
    if not isinstance(data, dict):
        raise BrokenMessage(f"the message is no JSON object: {excerpt(raw)}")
    return data


def _depth(text: str) -> int:
    """Return how deep brackets nest; those inside strings are left out roughly, which is enough for a bound."""
    depth = deepest = 0
    for part in text.split('"')[::2]:
        for sign in part:
            if sign in "[{":
                depth += 1
                deepest = max(deepest, depth)
            elif sign in "]}":
                depth -= 1
    return deepest


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:30]} is beyond what can be held")
    return value


def _problem(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        names = [info.validation_alias or name for name, info in model.model_fields.items()]
        near = nearest(str(first["loc"][-1]), [str(name) for name in names])
        return excerpt(f"`{place}` is no field of it" + (f", did you mean {near!r}?" if near else ""))
    if first["type"] == "missing":
        return excerpt(f"the field `{place}` is missing")
    return excerpt(f"`{place}`: {first['msg']}, not {json.dumps(first['input'], default=str)[:_EXCERPT]}")


def _check_hello(found: Hello) -> None:
    name = found.client.name
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise BrokenMessage(f"the message `hello` needs a client.name of 1 to {_LONGEST_NAME} printable characters")
    if found.max_parallel < 1:
        raise BrokenMessage("the message `hello` has a max_parallel of less than 1")


def _check_outcome(found: Outcome) -> None:
    if found.outcome == "error" and found.error is None:
        raise BrokenMessage("the message `outcome` says `error` and does not say which: `error` is missing")
    if found.error is not None and found.error.kind not in ERROR_KINDS:
        near = nearest(found.error.kind, ERROR_KINDS)
        hint = f", did you mean {near!r}?" if near else f"; there are {', '.join(ERROR_KINDS)}"
        raise BrokenMessage(f"the message `outcome` has the unknown error.kind {excerpt(found.error.kind)!r}{hint}")


class Awaited:
    """What a run is still to be answered with."""

    def __init__(self, run: Run) -> None:
        self.id = run.id
        self._open = dict(_calls(run))
        self._seen: set[tuple[str, int]] = set()
        self._restarts = any(op == "app.restart" for op in self._open.values())

    @property
    def missing(self) -> list[str]:
        """The calls that have no outcome yet, such as ``a/0 (users.get)``."""
        return [f"{call}/{i} ({op})" for (call, i), op in self._open.items()]

    def outcome(self, found: Outcome) -> None:
        """Take an outcome.

        Raises:
            BrokenMessage: for one that was not asked for, or comes a second time.
        """
        key = found.call, found.i
        if key in self._seen:
            raise BrokenMessage(f"a second outcome came for the call {excerpt(found.call)}/{found.i}")
        if key not in self._open:
            names = ", ".join(self.missing[:5]) or "no call is left"
            raise BrokenMessage(
                f"an outcome came for {excerpt(found.call)}/{found.i}, a call that was not asked for ({names})"
            )
        del self._open[key]
        self._seen.add(key)

    def result(self) -> None:
        """Take the result.

        Raises:
            BrokenMessage: where calls have no outcome yet, and the client was not killed and begun again.
        """
        if self._open and not self._restarts:
            raise BrokenMessage(f"`result` came though there is no outcome of {', '.join(self.missing[:5])}")


def _calls(run: Run) -> Iterator[tuple[tuple[str, int], str]]:
    for step in run.calls:
        single = [step] if isinstance(step, CallStep) else []
        for call in step.parallel if isinstance(step, ParallelStep) else single:
            for i in range(call.times):
                yield (call.call, i), call.op


def with_log(result: Result, id_: str, log: Tail) -> Result:
    """Return a result with what else the driver has written added to its log."""
    text = "\n".join(part for part in (result.log, str(log)) if part)
    return result.model_copy(update={"id": id_, "log": text})
