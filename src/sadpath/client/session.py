"""Who is signed in, with which tokens, and where that is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .failures import CacheFailure, Failure
from .json_text import ShapeError
from .ports import Clock, SavedSession, Tokens, TokenStore
from .redaction import Redactor

__all__ = ["Report", "Session", "read_tokens"]

Report = Callable[[str, Failure], None]
"""Takes what went wrong beside a call: the operation, and the failure."""

EndOfSession = Callable[[str], Awaitable[None]]
"""Hears of the user whose session has ended."""


def read_tokens(data: Any, clock: Clock, old: Tokens | None = None) -> Tokens:
    """Read the answer of a token endpoint (RFC 6749 §5.1).

    A refresh token that is not sent leaves the old one in force (§6). Raises ``ShapeError`` for an answer that is none;
    the message quotes nothing.
    """
    if not isinstance(data, dict):
        raise ShapeError("the token answer is not an object")
    access = data.get("access_token")
    refresh = data.get("refresh_token")
    kind = data.get("token_type", "Bearer")
    if not _is_token(access):
        raise ShapeError("the token answer has no usable access_token")
    if refresh is not None and not _is_token(refresh):
        raise ShapeError("the token answer has no usable refresh_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ShapeError("the token answer is not for bearer tokens")
    lifetime = data.get("expires_in")
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not 0 < lifetime < 2**31:
        # Not knowing when it ends is no reason to lose a token that was rotated for this one.
        lifetime = None
    return Tokens(
        access,
        refresh if refresh is not None else (old.refresh if old else None),
        None if lifetime is None else clock.wall() + lifetime,
        lifetime,
    )


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and value != "" and all("!" <= char <= "~" for char in value)


class Session:
    """The session in force. Whatever ends or replaces it makes a new ``epoch``, so that late news can be told apart."""

    def __init__(self, store: TokenStore, redactor: Redactor, report: Report) -> None:
        self._store = store
        self._redactor = redactor
        self._report = report
        self._lock = asyncio.Lock()
        self._loaded = False
        self.epoch = 0
        self.user: str | None = None
        self.tokens: Tokens | None = None
        self.logouts = 0
        self.on_end: EndOfSession | None = None

    @property
    def signed_in(self) -> bool:
        """Whether there is a session."""
        return self.tokens is not None

    def user_of(self, epoch: int) -> str | None:
        """Return whose session that is, None if it is not the one in force or nobody's."""
        return self.user if epoch == self.epoch else None

    def access_for(self, epoch: int) -> str | None:
        """Return the access token for a call of that session; a call never gets another session's."""
        return self.tokens.access if self.tokens is not None and epoch == self.epoch else None

    async def load(self) -> None:
        """Take up the stored session, once."""
        if self._loaded:
            return
        async with self._lock:
            if self._loaded:
                return
            try:
                saved = await self._store.load()
            except Exception as error:  # noqa: BLE001 - a store that cannot be read must not stop the client
                self._complain("the stored session could not be read", error)
                saved = None
            if not self._loaded:
                self._loaded = True
                self._take(saved)

    async def begin(self, user: str, tokens: Tokens) -> None:
        """Sign a user in."""
        self._loaded = True
        self._take(SavedSession(user, tokens))
        epoch = self.epoch
        async with self._lock:
            if epoch == self.epoch:
                await self._save(SavedSession(user, tokens))

    async def restore(self, saved: SavedSession | None) -> None:
        """Go on with this session, as if it had been in the store from the start. It is no logout."""
        if saved is not None:
            await self.begin(saved.user, saved.tokens)
            return
        self._loaded = True
        self._take(None)
        await self._clear()

    async def renew(self, epoch: int, tokens: Tokens) -> bool:
        """Put new tokens in place of the old, stored first. False if that session is over: then they are dropped."""
        self._redactor.add(tokens.access, tokens.refresh)
        async with self._lock:
            if epoch != self.epoch or self.user is None:
                return False
            await self._save(SavedSession(self.user, tokens))
            if epoch != self.epoch:
                # It ended while they were written. Whoever ended it waits for the lock and clears the store.
                return False
            self.tokens = tokens
        return True

    async def end(self, epoch: int, *, by_itself: bool) -> bool:
        """End a session. False if it was over already. ``by_itself`` counts as a logout that nobody asked for."""
        if epoch != self.epoch or self.tokens is None:
            return False
        user = self.user
        self.logouts += by_itself
        self._take(None)
        await self._clear()
        if self.on_end is not None and user is not None:
            await self.on_end(user)
        return True

    def _take(self, saved: SavedSession | None) -> None:
        self.epoch += 1
        self.user = saved.user if saved else None
        self.tokens = saved.tokens if saved else None
        if saved:
            self._redactor.add(saved.tokens.access, saved.tokens.refresh)

    async def _save(self, saved: SavedSession) -> None:
        try:
            await self._store.save(saved)
        except Exception as error:  # noqa: BLE001 - the session goes on in memory
            self._complain("the session could not be stored", error)

    async def _clear(self) -> None:
        async with self._lock:
            if self.tokens is not None:
                return
            try:
                await self._store.clear()
            except Exception as error:  # noqa: BLE001 - it is over in memory all the same
                self._complain("the stored session could not be cleared", error)

    def _complain(self, sentence: str, error: Exception) -> None:
        message = self._redactor.clean(f"{sentence}: {error}")
        self._report("session", CacheFailure(message=message, native=type(error).__name__, sent=False))
