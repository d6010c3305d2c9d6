"""A token store in a file that its owner alone can read. A crash leaves the old session or the new one, no mixture."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from .json_text import ShapeError
from .ports import SavedSession, Tokens

__all__ = ["FileTokens"]

T = TypeVar("T")


class FileTokens:
    """Keeps the session in a file that is replaced as a whole. Methods may raise ``OSError``, ``load`` ``ShapeError``.

    On a device with a key store, use that instead: this file is as safe as its owner's account.
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
            data: Any = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        if not isinstance(data, dict) or not isinstance(data.get("user"), str):
            raise ShapeError("the file holds no session")
        members = cast("dict[str, Any]", data)
        tokens = Tokens(
            _text(members, "access"),
            _text(members, "refresh"),
            _number(members, "expires_at"),
            _number(members, "lifetime"),
        )
        return SavedSession(members["user"], tokens)

    def _save(self, session: SavedSession) -> None:
        tokens = session.tokens
        data = {
            "user": session.user,
            "access": tokens.access,
            "refresh": tokens.refresh,
            "expires_at": tokens.expires_at,
            "lifetime": tokens.lifetime,
        }
        draft = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(data, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise ShapeError(f"{name}: expected text")
    return value


def _number(data: dict[str, Any], name: str) -> float | None:
    value = data.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ShapeError(f"{name}: expected a number")
    return value
