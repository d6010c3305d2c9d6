"""Signing in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from .background import Background
from .calls import CallBook
from .domain import SignedIn
from .failures import Failure
from .operations import AUTH_LOGIN, AUTH_LOGOUT
from .ports import Clock, SavedSession
from .redaction import Redactor
from .remote import Remote
from .result import Err, Result, Success
from .session import Session, read_tokens
from .tasks import Tasks, heed_cancellation

__all__ = ["Account"]


class Account:
    """Begins and ends sessions."""

    def __init__(
        self,
        *,
        remote: Remote,
        session: Session,
        book: CallBook,
        background: Background,
        redactor: Redactor,
        clock: Clock,
        tasks: Tasks,
    ) -> None:
        self.remote = remote
        self.session = session
        self.book = book
        self.background = background
        self.redactor = redactor
        self.clock = clock
        self.tasks = tasks

    async def login(self, email: str, password: str, *, headers: Mapping[str, str] | None = None) -> Result[SignedIn]:
        """Sign in. A failure leaves the session as it was. The tokens stay inside: the result shows none."""
        await heed_cancellation()
        await self.session.load()
        call = self.book.open(AUTH_LOGIN.name)
        self.redactor.add(password)
        data = {"email": email, "password": password}
        outcome = await self.remote.fetch(call, AUTH_LOGIN, {}, data=data, headers=headers)
        if isinstance(outcome, Failure):
            return Err(outcome)
        try:
            tokens = read_tokens(outcome.json, self.clock)
        except ValueError as error:
            return Err(self.remote.undecodable(call, outcome.status, error))
        self.leave()
        await self.session.begin(email, tokens)
        return Success(SignedIn(email), status=outcome.status, attempts=call.attempts)

    async def restore(self, saved: SavedSession | None) -> None:
        """Go on with this session, or with none, as if it had been in the store from the start."""
        self.leave()
        await self.session.restore(saved)

    def leave(self) -> None:
        """End what goes on in the background for the session that is being left."""
        if self.session.user is not None:
            self.background.stop(self.session.user)

    async def logout(self, *, headers: Mapping[str, str] | None = None) -> Result[None]:
        """Sign out: here at once, whatever comes of telling the server, and whether or not the caller waits for it."""
        await self.session.load()
        call = self.book.open(AUTH_LOGOUT.name)
        token = self.session.access_for(call.epoch)
        self.leave()
        ending = self.tasks.start(self.session.end(call.epoch, by_itself=False), AUTH_LOGOUT.name)
        await asyncio.shield(ending)
        # The session is over, so the token goes out by hand, and a 401 has nothing to renew.
        fields = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        outcome = await self.remote.fetch(call, AUTH_LOGOUT, {}, headers=fields)
        if isinstance(outcome, Failure):
            return Err(outcome)
        return Success(None, outcome.json, outcome.status, attempts=call.attempts)
