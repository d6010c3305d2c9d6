"""Replacing attributes for the length of a run, and putting every one back."""

from __future__ import annotations

from typing import Any

__all__ = ["Patches"]

_MISSING: Any = object()


class Patches:
    """A stack of replaced attributes; `undo` restores them in reverse order."""

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        self._saved: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace (or add) an attribute of a module or class."""
        self._saved.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, value)

    def undo(self) -> None:
        """Put everything back."""
        while self._saved:
            owner, name, value = self._saved.pop()
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
