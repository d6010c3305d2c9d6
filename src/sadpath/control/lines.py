"""Reading server-sent events (HTML Standard §9.2.6), as far as the control API sends them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["EventLines"]


class EventLines:
    """Takes lines, and gives events: ``(kind, data)``."""

    def __init__(self) -> None:
        self._kind = "message"
        self._data: list[str] = []

    def take(self, line: str) -> Iterator[tuple[str, Any]]:
        """Take a line; yield the event that it completes, if it does."""
        if not line:
            if self._data:
                yield self._kind, json.loads("\n".join(self._data))
            self._kind, self._data = "message", []
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._kind = value
            elif name == "data":
                self._data.append(value)
