"""The names that a scenario may use for faults, and the base that every fault's settings extend.

``sadpath.faults`` fills the vocabulary; the scenario model reads it. So the model can check a file without knowing
any single fault, and a new fault edits no file but its own.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sadpath.core.names import nearest, shown
from sadpath.scenario.filemodel import FileModel, Trouble, complain, complain_of, explain

__all__ = ["FAULTS", "Alias", "Family", "FaultSettings", "HttpVersion", "Phase", "Vocabulary", "World"]

Phase = Literal["connection", "request", "response", "head", "body", "end"]
"""When a fault acts: before HTTP; before the backend runs; after it ran and before a byte is sent; once the head is
sent; within the body; after the answer."""

Family = Literal[
    "before HTTP", "request side", "before the response", "in the response", "lying bodies", "after it", "auth", "load",
    "caching",
]  # fmt: skip
World = Literal["sim", "live"]
HttpVersion = Literal["HTTP/1", "HTTP/2"]


class FaultSettings(FileModel):
    """The settings of one fault, and what a reader should know about it.

    Subclasses set the class variables, and act through the hooks that ``sadpath.faults.base`` declares. ``scalar``
    names the one field that a bare value stands for (``status: 503``). ``bare`` says whether the name alone, without
    any setting, means something. ``worlds`` says where the fault exists, ``counted`` where a plan can count it: a
    listener that refuses cannot be counted attempt by attempt on real sockets. ``secure`` faults exist only where the
    connection speaks TLS. ``protocols`` says in which HTTP the fault exists, and ``in_http2`` what it is in HTTP/2
    where that is not the same, or why it is not there.
    """

    name: ClassVar[str]
    family: ClassVar[Family]
    phase: ClassVar[Phase]
    summary: ClassVar[str]
    worlds: ClassVar[tuple[World, ...]] = ("sim", "live")
    counted: ClassVar[tuple[World, ...]] = ("sim", "live")
    secure: ClassVar[bool] = False
    protocols: ClassVar[tuple[HttpVersion, ...]] = ("HTTP/1", "HTTP/2")
    in_http2: ClassVar[str] = ""
    scalar: ClassVar[str | None] = None
    bare: ClassVar[bool] = True
    seen_by: ClassVar[dict[str, str]] = {}

    @classmethod
    def from_file(cls, raw: Any, implied: dict[str, Any] | None = None, context: Any = None) -> Self:
        """Return the settings that a file gives: nothing (None), a scalar or a mapping.

        Raises:
            ValidationError: with places as the author wrote them, below the fault's name.
        """
        implied = implied or {}
        if raw is None:
            if not cls.bare and not implied:
                example = f"{cls.name}: …" if cls.scalar else f"{cls.name}: {{…: …}}"
                raise complain(f"the fault {cls.name!r} needs settings, for example `{example}`")
            written: dict[str, Any] = {}
            hidden = 0
        elif cls._is_scalar(raw):
            if cls.scalar is None:
                raise complain(f"the fault {cls.name!r} takes a mapping of settings, not {shown(raw)}")
            written, hidden = {cls.scalar: raw}, 1
        else:
            written, hidden = raw, 0
        data = {**implied, **written}
        try:
            return cls.model_validate(data, context=context)
        except ValidationError as error:
            found = explain(error, data, cls)
        raise complain_of(
            Trouble(item.place[hidden:] if item.place[:1] == (cls.scalar,) else item.place, item.message, item.nearest)
            for item in found
        )

    @classmethod
    def _is_scalar(cls, raw: Any) -> bool:
        """Tell whether a value stands for the one obvious setting; a mapping may, too (``delay: {uniform: …}``)."""
        if not isinstance(raw, dict):
            return True
        fields = {name for key, info in cls.model_fields.items() for name in (key, info.alias) if name}
        if cls.scalar is None or fields & set(raw):
            return False
        return bool(raw) and _accepts_mapping(cls.model_fields[cls.scalar].annotation)

    def to_file(self, implied: dict[str, Any] | None = None) -> Any:
        """Return the settings as a scenario file would write them: None, a scalar or a mapping.

        What an alias implies (``implied``) is left out, unless the settings differ from it.
        """
        given = self.model_dump(mode="json", exclude_defaults=True, by_alias=True)
        if implied:
            everything = self.model_dump(mode="json", by_alias=True)
            given |= {key: everything[key] for key in implied}
            given = {key: value for key, value in given.items() if key not in implied or value != implied[key]}
        if not given:
            return None
        if self.scalar is not None and set(given) == {self.scalar}:
            value = given[self.scalar]
            if value is not None and self._is_scalar(value):
                return value
        return given


def _accepts_mapping(annotation: Any) -> bool:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return True
    return get_origin(annotation) is dict or any(_accepts_mapping(argument) for argument in get_args(annotation))


@dataclass(frozen=True)
class Alias:
    """Another tool's name for a fault of ours, with the settings that it implies."""

    name: str
    stands_for: str
    implied: dict[str, Any] = field(default_factory=dict)


class Vocabulary:
    """Fault names, with aliases of other tools."""

    def __init__(self) -> None:
        self._kinds: dict[str, type[FaultSettings]] = {}
        self._aliases: dict[str, Alias] = {}

    def register(self, kind: type[FaultSettings]) -> None:
        """Add a fault.

        Raises:
            ValueError: if the name is taken, is none, or if ``scalar`` names no field.
        """
        self._check_name(kind.name)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", kind.name) or kind.name == "pass":
            raise ValueError(f"{kind.name!r} is no name for a fault")
        if kind.scalar is not None and kind.scalar not in kind.model_fields:
            raise ValueError(f"the fault {kind.name!r} has no setting {kind.scalar!r} for a scalar to stand for")
        self._kinds[kind.name] = kind

    def alias(self, name: str, stands_for: str, **settings: Any) -> None:
        """Accept another tool's name; its settings are added to ours.

        The fault need not be registered yet: files are imported in the order of the alphabet.

        Raises:
            ValueError: if the name is taken.
        """
        self._check_name(name)
        self._aliases[name] = Alias(name, stands_for, settings)

    def _check_name(self, name: str) -> None:
        if name in self:
            raise ValueError(f"a fault named {name!r} is registered already")

    def __iter__(self) -> Iterator[type[FaultSettings]]:
        return iter(self._kinds[name] for name in self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._kinds or name in self._aliases

    def names(self) -> list[str]:
        """Return our own names, sorted."""
        return sorted(self._kinds)

    def aliases(self, of: str | None = None) -> list[Alias]:
        """Return the aliases, sorted; those of one fault if ``of`` names it."""
        return [self._aliases[name] for name in sorted(self._aliases) if of in (None, self._aliases[name].stands_for)]

    def get(self, name: str) -> tuple[type[FaultSettings], dict[str, Any], str | None]:
        """Return a fault's class, the settings that an alias implies, and the alias.

        Raises:
            KeyError: for an unknown name.
        """
        if name in self._kinds:
            return self._kinds[name], {}, None
        alias = self._aliases[name]
        return self._kinds[alias.stands_for], alias.implied, name

    def nearest(self, name: str) -> str | None:
        """Return the known name that is most like ``name``."""
        return nearest(name, [*self._kinds, *self._aliases])


FAULTS = Vocabulary()
"""The vocabulary that ``sadpath.faults`` fills when it is imported."""
