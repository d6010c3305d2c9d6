"""A token store in a file that its owner alone can read. A crash leaves the old session or the new one, no mixture."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .ports import SavedSession
from .session_text import dump_session, read_session

__all__ = ["FileTokens"]

T = TypeVar("T")


class FileTokens:
    """Keeps the session in a file that is replaced as a whole. Methods may raise ``OSError``, ``load`` ``ValueError``.

    On a device with a key store, use that instead (``KeyringTokens``): this file is as safe as its owner's account.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    async def load(self) -> SavedSession | None:
        """Return what was saved last, or None."""
        return await self._do(self._load)

    async def save(self, session: SavedSession) -> None:
        """Replace what is saved."""
        await self._do(lambda: self._save(session))

    async def clear(self) -> None:
        """Remove the file."""
        await self._do(lambda: self._path.unlink(missing_ok=True))

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, work)

    def _load(self) -> SavedSession | None:
        try:
            return read_session(self._path.read_bytes())
        except FileNotFoundError:
            return None

    def _save(self, session: SavedSession) -> None:
        # A file of its own for each save, its owner's alone from the start: two processes never write to the same one.
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(dump_session(session))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
