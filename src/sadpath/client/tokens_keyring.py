"""A token store in the key store of the operating system, by way of the package keyring, which is optional.

macOS Keychain, Windows Credential Locker, the Secret Service of Linux desktops: whichever keyring finds. There the
session is encrypted, and asked for on the user's behalf.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from .ports import SavedSession
from .session_text import dump_session, read_session

__all__ = ["Keyring", "KeyringTokens", "MissingKeyringError"]

T = TypeVar("T")


class MissingKeyringError(ImportError):
    """The package keyring is not installed."""


class Keyring(Protocol):
    """What is used of keyring: the package itself has it, and so has each of its backends."""

    def get_password(self, service_name: str, username: str, /) -> str | None:
        """Return what is kept, or None."""
        ...

    def set_password(self, service_name: str, username: str, password: str, /) -> None:
        """Keep it in place of what was there."""
        ...

    def delete_password(self, service_name: str, username: str, /) -> None:
        """Forget it; there has to be something."""
        ...


class KeyringTokens:
    """Keeps the session as one secret: a crash leaves the old session or the new one, as far as the backend does.

    Methods may raise what the backend raises (``keyring.errors.KeyringError``), and ``load`` ``ValueError`` for a
    secret that is no session; the client survives it and says so.

    Args:
        service: whose secret it is, as the user sees it in the key store.
        account: which of the service's; two clients with the same one share a session.
        keyring: a backend to use in place of the one that keyring would choose.

    Raises:
        MissingKeyringError: the package is not installed, and no backend was handed in.
    """

    def __init__(
        self, service: str = "shop-client", account: str = "session", *, keyring: Keyring | None = None
    ) -> None:
        self._service = service
        self._account = account
        self._keyring = keyring if keyring is not None else _package()

    async def load(self) -> SavedSession | None:
        """Return what was saved last, or None."""
        text = await self._do(lambda: self._keyring.get_password(self._service, self._account))
        return None if text is None else read_session(text)

    async def save(self, session: SavedSession) -> None:
        """Replace what is saved."""
        await self._do(lambda: self._keyring.set_password(self._service, self._account, dump_session(session)))

    async def clear(self) -> None:
        """Forget the session."""
        await self._do(self._clear)

    def _clear(self) -> None:
        # Backends raise for what is not there, each in its own way, and for what goes wrong as well.
        if self._keyring.get_password(self._service, self._account) is not None:
            self._keyring.delete_password(self._service, self._account)

    async def _do(self, work: Callable[[], T]) -> T:
        # A key store may ask its user to unlock it, which takes as long as it takes.
        return await asyncio.get_running_loop().run_in_executor(None, work)


def _package() -> Any:
    try:
        return importlib.import_module("keyring")
    except ModuleNotFoundError as error:
        raise MissingKeyringError(
            "KeyringTokens needs the package keyring, which is not installed: pip install keyring", name=error.name
        ) from error
