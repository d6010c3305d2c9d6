"""The base of everything that stands in a file, and how a model says what is wrong with it.

A model speaks to an author. ``complain`` makes a problem at a place below the value being read, in the author's own
words; ``explain`` turns whatever Pydantic found into such problems, one for each mistake, without Pydantic's
vocabulary. A model that accepts a shorthand keeps the places true: a place is always what the author wrote.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from sadpath.core.names import nearest, shown

__all__ = [
    "FileContext",
    "FileModel",
    "Place",
    "Several",
    "TextOf",
    "Trouble",
    "below",
    "complain",
    "complain_of",
    "explain",
    "field_path",
]

Place = tuple[str | int, ...]
"""A place in a file's data: keys and indexes from the root."""

Item = TypeVar("Item")

Several = Annotated[tuple[Item, ...], Strict(False)]
"""A list in the file, a tuple in the model. A plain ``tuple`` would refuse lists, because file models are strict."""


@dataclass(frozen=True)
class FileContext:
    """Pydantic's context while a file is read: then only what a file may hold is accepted.

    Without it the models also take their own fields, as code that builds one gives them.
    """


class FileModel(BaseModel):
    """Base of the models that files are read into: frozen, strict about types, and no key passes unknown.

    In a file a key without a value is a mistake, even where leaving the key out means the same as null would.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _nothing_empty(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(info.context, FileContext) and isinstance(value, dict) and None in value.values():
            absent = {info.alias or name for name, info in cls.model_fields.items() if info.default is None}
            empty = [key for key, item in value.items() if item is None and key in absent]
            if empty:
                raise complain_of(Trouble((key,), "is empty: give it a value or leave it out") for key in empty)
        return value


@dataclass(frozen=True)
class TextOf:
    """An annotation: the text must match ``pattern`` as a whole; ``form`` says so in words.

    The pattern is written without anchors, and means the same in Python and in ECMAScript.
    """

    pattern: str
    form: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Add the check to the text's own schema."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say the pattern in the JSON Schema."""
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}

    def _check(self, value: str) -> str:
        if re.fullmatch(self.pattern, value) is None:
            raise ValueError(f"must be {self.form}, not {shown(value)}")
        return value


@dataclass(frozen=True)
class Trouble:
    """One mistake: where it is in the data, what is wrong, and the nearest known name."""

    place: Place
    message: str
    nearest: str | None = None


def field_path(place: Place, data: Any = None) -> str | None:
    """Return a place as an author would write it, such as ``faults[0].plan[1].status.code``; None for the root.

    Where ``data`` is known, a number that is the key of a mapping (``401``) is told from the index of a list.
    """
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) and not isinstance(data, dict) else f".{part}"
        key = _step(data, part)
        data = None if key is None else data[key]
    return text.removeprefix(".") or None


def complain(message: str, *place: str | int, near: str | None = None) -> ValidationError:
    """Return the error that a validator raises for one mistake at ``place`` below the value that it validates."""
    return complain_of([Trouble(place, message, near)])


def complain_of(troubles: Iterable[Trouble]) -> ValidationError:
    """Return the error that a validator raises for several mistakes; Pydantic puts the outer place in front."""
    details: list[InitErrorDetails] = []
    for trouble in troubles:
        facts = {"message": trouble.message, "nearest": trouble.nearest}
        kind = PydanticCustomError("sadpath", "{message}", facts)
        details.append({"type": kind, "loc": trouble.place, "input": None})
    return ValidationError.from_exception_data("file", details)


def below(place: Place, error: ValidationError) -> ValidationError:
    """Return an error that ``complain`` made, moved to ``place`` below the value that is validated now."""
    troubles: list[Trouble] = []
    for item in error.errors(include_url=False):
        facts = item.get("ctx", {})
        troubles.append(Trouble((*place, *item["loc"]), facts.get("message", item["msg"]), facts.get("nearest")))
    return complain_of(troubles)


def explain(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Trouble]:
    """Return what is wrong with ``data``, one entry for each mistake, in the order in which the model met them.

    Args:
        error: what validating ``data`` as ``model`` raised.
        data: the plain data, by which the labels that Pydantic puts into places are told from the author's keys.
        model: the model, which knows the names that an unknown key may have been meant for.
    """
    findings = [_Finding.of(item, data, model) for item in error.errors(include_url=False)]
    by_place: dict[Place, list[_Finding]] = {}
    for finding in _one_member_of_each_union(findings):
        by_place.setdefault(finding.place, []).append(finding)
    troubles = [trouble for group in by_place.values() for trouble in _merge(group)]
    meant = {(*item.place[:-1], item.nearest) for item in troubles if item.nearest and item.message == _UNKNOWN_KEY}
    return [item for item in troubles if not (item.message == _MISSING_KEY and item.place in meant)]


_MISSING_KEY = "this key is missing"
_UNKNOWN_KEY = "unknown key"


@dataclass(frozen=True)
class _Finding:
    """One of Pydantic's errors; ``label`` and ``union`` say which member of the union at which place it is about."""

    place: Place
    union: Place | None
    label: str | int | None
    expected: str | None
    message: str
    nearest: str | None
    value: Any

    @classmethod
    def of(cls, item: ErrorDetails, data: Any, model: type[BaseModel]) -> _Finding | None:
        place, union, label = _locate(item, data)
        context = item.get("ctx", {})
        expected, message, near = None, "", None
        if item["type"] == "sadpath":
            message, near = context["message"], context["nearest"]
        elif item["type"] == "missing":
            message = _MISSING_KEY
        elif item["type"] in ("extra_forbidden", "invalid_key"):
            message, near = _UNKNOWN_KEY, nearest(str(place[-1]), _known_keys(model, place[:-1]))
            near = None if near == place[-1] else near  # known, but to another member of a union
        elif item["type"] in ("value_error", "assertion_error"):
            message = str(context["error"])
        elif item["type"] in ("literal_error", "enum"):
            expected, near = _choice(context["expected"], item["input"])
        elif item["type"] in ("too_short", "too_long") and _counts_survivors(item):
            return None
        elif item["type"] in ("too_short", "string_too_short") and context["min_length"] == 1:
            message = "must not be empty"
        elif item["type"] in _EXPECTED:
            numbers = {key: f"{fact:g}" if isinstance(fact, float) else fact for key, fact in context.items()}
            expected = _EXPECTED[item["type"]].format(**numbers)
        else:
            message = re.sub(r"^Input should be", "must be", item["msg"])
        return cls(place, union, label, expected, message, near, item["input"])


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "none_required": "null",
    "dict_type": "a mapping (`key: value`)",
    "mapping_type": "a mapping (`key: value`)",
    "model_type": "a mapping (`key: value`)",
    "model_attributes_type": "a mapping (`key: value`)",
    "list_type": "a list",
    "tuple_type": "a list",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "a list or mapping of {min_length} entries at least",
    "too_long": "a list or mapping of {max_length} entries at most",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
}
"""What a value must be, by the type of Pydantic's error."""


def _counts_survivors(item: ErrorDetails) -> bool:
    """Tell whether a list seems too short only because its broken entries, reported themselves, were not counted."""
    value, context = item["input"], item.get("ctx", {})
    return isinstance(value, Sequence) and len(value) >= context.get("min_length", len(value) + 1)


def _choice(expected: str, value: Any) -> tuple[str, str | None]:
    names = re.findall(r"'([^']*)'", expected)
    phrase = expected if len(names) <= 1 else f"one of {expected}"
    return phrase, nearest(value, names) if isinstance(value, str) else None


def _locate(item: ErrorDetails, data: Any) -> tuple[Place, Place | None, str | int | None]:
    """Split Pydantic's place into the author's place and the label of the first union member in it."""
    place: list[str | int] = []
    union: Place | None = None
    label: str | int | None = None
    last = len(item["loc"]) - 1
    for index, part in enumerate(item["loc"]):
        key = _step(data, part)
        if key is not None:
            place.append(key)
            data = data[key]
        elif index == last and _names_a_key(item["type"], part, data):
            place.append(part)
        elif union is None:
            union, label = tuple(place), part
    return tuple(place), union, label


def _names_a_key(kind: str, part: str | int, data: Any) -> bool:
    """Tell whether a part of a place that is not in the data is a key that should be there, not a union's label."""
    if kind == "missing":
        return True
    return kind == "sadpath" and isinstance(data, dict) and not re.search(r"^[A-Z]|[\[(]", str(part))


def _step(data: Any, part: str | int) -> str | int | None:
    if isinstance(data, dict):
        return part if part in data else next((key for key in data if str(key) == str(part)), None)
    if isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
        return part
    return None


def _one_member_of_each_union(findings: Sequence[_Finding | None]) -> list[_Finding]:
    """Keep, of a union's members, the one that the data fits best: the one whose mistakes lie deepest."""
    kept = [finding for finding in findings if finding is not None]
    for union in dict.fromkeys(finding.union for finding in kept if finding.union is not None):
        members: dict[str | int | None, list[_Finding]] = {}
        for finding in kept:
            if finding.union == union:
                members.setdefault(finding.label, []).append(finding)
        fitting = [group for group in members.values() if all(finding.place != union for finding in group)]
        if fitting:
            best = min(fitting, key=len)
            kept = [finding for finding in kept if finding.union != union or finding in best]
    return kept


def _merge(group: list[_Finding]) -> Iterator[Trouble]:
    told = [finding for finding in group if finding.expected is None]
    if told:
        yield from dict.fromkeys(Trouble(finding.place, finding.message, finding.nearest) for finding in told)
        return
    phrases = dict.fromkeys(finding.expected for finding in group if finding.expected is not None)
    near = next((finding.nearest for finding in group if finding.nearest is not None), None)
    message = f"must be {' or '.join(phrases)}, not {shown(group[0].value)}"
    yield Trouble(group[0].place, message, near)


def _known_keys(model: type[BaseModel], place: Place) -> list[str]:
    """Return the keys that a mapping at ``place`` may have, as far as the annotations tell."""
    models = [model]
    for part in place:
        inner = [
            found
            for candidate in models
            for name, info in candidate.model_fields.items()
            if part in (name, info.alias)
            for found in _models_in(info.annotation)
        ]
        models = inner or models
    return [info.alias or name for candidate in models for name, info in candidate.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
