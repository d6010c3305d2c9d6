"""The names that a scenario may use for faults, and the base that every fault's settings extend.

``sadpath.faults`` fills the vocabulary; the scenario model reads it. So the model can check a file without knowing
any single fault, and a new fault edits no file but its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from sadpath.core.names import nearest

__all__ = ["FAULTS", "Family", "FaultSettings", "Phase", "Vocabulary", "World"]

Phase = Literal["connection", "request", "response", "head", "body", "end"]
"""When a fault acts: before HTTP; before the backend runs; after it ran and before a byte is sent; once the head is
sent; within the body; after the answer."""

Family = Literal[
    "before HTTP", "request side", "before the response", "in the response", "lying bodies", "after it", "auth", "load",
    "caching",
]  # fmt: skip
World = Literal["sim", "live"]


class FaultSettings(BaseModel):
    """The settings of one fault, and what a reader should know about it.

    Subclasses are frozen, set the class variables, and act through the hooks that ``sadpath.faults.base`` declares.
    ``scalar`` names the one field that a bare value stands for (``status: 503``). ``bare`` says whether the name alone,
    without any setting, means something.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    family: ClassVar[Family]
    phase: ClassVar[Phase]
    summary: ClassVar[str]
    worlds: ClassVar[tuple[World, ...]] = ("sim", "live")
    scalar: ClassVar[str | None] = None
    bare: ClassVar[bool] = True
    seen_by: ClassVar[dict[str, str]] = {}

    def to_file(self) -> Any:
        """Return the settings as a scenario file would write them: None, a scalar or a mapping."""
        given = self.model_dump(mode="json", exclude_defaults=True, by_alias=True)
        if not given:
            return None
        if self.scalar is not None and set(given) == {self.scalar}:
            return given[self.scalar]
        return given


class Vocabulary:
    """Fault names, with aliases of other tools."""

    def __init__(self) -> None:
        self._kinds: dict[str, type[FaultSettings]] = {}
        self._aliases: dict[str, tuple[str, dict[str, Any]]] = {}

    def register(self, kind: type[FaultSettings]) -> None:
        """Add a fault.

        Raises:
            ValueError: if the name is taken.
        """
        if kind.name in self._kinds:
            raise ValueError(f"a fault named {kind.name!r} is registered already")
        self._kinds[kind.name] = kind

    def alias(self, name: str, stands_for: str, **settings: Any) -> None:
        """Accept another tool's name; its settings are added to ours."""
        self._aliases[name] = (stands_for, settings)

    def __iter__(self) -> Iterator[type[FaultSettings]]:
        return iter(self._kinds[name] for name in sorted(self._kinds))

    def __contains__(self, name: object) -> bool:
        return name in self._kinds or name in self._aliases

    def names(self) -> list[str]:
        """Return our own names, sorted."""
        return sorted(self._kinds)

    def get(self, name: str) -> tuple[type[FaultSettings], dict[str, Any], str | None]:
        """Return a fault's class, the settings that an alias implies, and the alias.

        Raises:
            KeyError: for an unknown name.
        """
        if name in self._kinds:
            return self._kinds[name], {}, None
        stands_for, settings = self._aliases[name]
        return self._kinds[stands_for], settings, name

    def nearest(self, name: str) -> str | None:
        """Return the known name that is most like ``name``."""
        return nearest(name, [*self._kinds, *self._aliases])


FAULTS = Vocabulary()
"""The vocabulary that ``sadpath.faults`` fills when it is imported."""
