"""Replacing attributes for the length of a run, and putting every one back."""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ["Patches"]

_MISSING: Any = object()


class Patches:
    """A stack of replaced attributes; `undo` restores them in reverse order.

    A module's attributes are replaced in its dictionary, which takes half the time; runs are short and patches many.
    """

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        self._saved: list[tuple[Any, str, Any]] = []

    def set(self, owner: ModuleType | type, name: str, value: Any) -> None:
        """Replace (or add) an attribute of a module or class."""
        namespace: Any = vars(owner)  # a class's is a read-only view
        before = namespace.get(name, _MISSING)
        if isinstance(namespace, dict):
            self._saved.append((namespace, name, before))
            namespace[name] = value
        else:
            self._saved.append((owner, name, before))
            setattr(owner, name, value)

    def undo(self) -> None:
        """Put everything back."""
        saved, self._saved = self._saved, []
        for owner, name, value in reversed(saved):
            if isinstance(owner, dict):
                if value is _MISSING:
                    del owner[name]
                else:
                    owner[name] = value
            elif value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
