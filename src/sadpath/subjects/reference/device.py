"""The storage of the device that a client runs on, which outlives the client.

It keeps values by name, each written as a whole, and remembers what it held before each write: so a case can take back
the last of them, as a crash does that comes before they reach the disk.
"""

from __future__ import annotations

from collections.abc import Mapping

from sadpath.client import SavedSession
from sadpath.client.session_text import dump_session, read_session

__all__ = ["Device", "DeviceTokens"]

_SESSION = "session"


class Device:
    """What is stored, with its history since ``keep``."""

    def __init__(self, stored: Mapping[str, str] | None = None) -> None:
        self._states: list[dict[str, str]] = [dict(stored or {})]

    def get(self, name: str) -> str | None:
        """Return a value, None where there is none."""
        return self._states[-1].get(name)

    def put(self, name: str, value: str) -> None:
        """Write a value."""
        self._states.append({**self._states[-1], name: value})

    def remove(self, *names: str) -> None:
        """Take values away, in one write."""
        self._states.append({name: value for name, value in self._states[-1].items() if name not in names})

    def keep(self) -> None:
        """Let nothing be lost any more of what has been written so far."""
        del self._states[:-1]

    def after_crash(self, lost_writes: int) -> Device:
        """Return what is left after a crash that took the last writes along.

        It is another object: whoever died with the old one writes nothing any more.
        """
        return Device(self._states[max(0, len(self._states) - 1 - lost_writes)])


class DeviceTokens:
    """Keeps the session on a device, in one value: what is written is the old session or the new one."""

    def __init__(self, device: Device) -> None:
        self.device = device

    async def load(self) -> SavedSession | None:
        """Return what was saved last, or None."""
        text = self.device.get(_SESSION)
        return None if text is None else read_session(text)

    async def save(self, session: SavedSession) -> None:
        """Replace what is saved."""
        self.device.put(_SESSION, dump_session(session))

    async def clear(self) -> None:
        """Forget the session."""
        self.device.remove(_SESSION)
