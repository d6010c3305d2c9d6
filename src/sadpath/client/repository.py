"""Where the network and the cache meet: the outermost layer, which decides where an answer comes from.

An entry is overwritten only by a newer success that was decoded; it stands in for the network only on the failures that
the policy names; and it says that it is old. A cache that cannot be read or written costs its answers, nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from .background import Background, Refreshed
from .calls import CallBook
from .connectivity import Connectivity
from .deadline import Deadline
from .drops import Drops, Scope
from .failures import Bug, CacheFailure, Failure, StatusFailure, Timeout
from .freshness import CacheControl, age_of, may_serve
from .json_text import canonical, parse
from .ledger import Ledger
from .log import CallLog
from .message import Call, Headers, is_field_value
from .operations import Arguments, Operation
from .policy import TRANSPORT_CLASSES, CachePolicy, transport_kinds
from .ports import Clock, Entry, EntryKey, LocalDataSource
from .remote import Fetched, NotModified, Remote
from .result import Err, Result, Success
from .session import Session
from .tasks import end_of, heed_cancellation

__all__ = ["Held", "Reading", "Repository"]

T = TypeVar("T")

_OF_TRANSPORT = transport_kinds(frozenset(TRANSPORT_CLASSES)) | {"timeout.total"}
"""What `transport` means for a fallback: what may be retried, and the end of the call's own deadline."""


@dataclass(frozen=True)
class Reading(Generic[T]):
    """A read under way: for which call, and whose answer to what."""

    call: Call
    operation: Operation[T]
    arguments: Arguments
    key: EntryKey
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Held(Generic[T]):
    """An entry that could be read, with its value."""

    entry: Entry
    value: T
    json: Any


class Repository:
    """Reads and writes, over the remote and the local data source."""

    def __init__(
        self,
        policy: CachePolicy,
        *,
        remote: Remote,
        local: LocalDataSource,
        session: Session,
        book: CallBook,
        background: Background,
        connectivity: Connectivity,
        clock: Clock,
        log: CallLog,
    ) -> None:
        self.policy = policy
        self.remote = remote
        self.local = local
        self.session = session
        self.book = book
        self.background = background
        self.connectivity = connectivity
        self.clock = clock
        self.log = log
        self.ledger = Ledger()
        self.drops = Drops(local)
        self._changes = asyncio.Lock()

    async def read(
        self,
        operation: Operation[T],
        arguments: Arguments,
        *,
        headers: Mapping[str, str] | None = None,
        deadline: Deadline | None = None,
    ) -> Result[T]:
        """Answer a read by the operation's strategy. ``headers`` go out with this call's own requests only."""
        await heed_cancellation()
        await self.session.load()
        call = self.book.open(operation.name, deadline)
        try:
            return await self.answer(call, operation, arguments, headers)
        except Exception as error:  # noqa: BLE001 - what nobody foresaw is a failure too, not an escape
            return Err(self.bug(call, error))

    async def write(
        self,
        operation: Operation[T],
        arguments: Arguments,
        data: Any,
        *,
        headers: Mapping[str, str] | None = None,
        replayable: bool = True,
    ) -> Result[T]:
        """Carry out a write, and drop from the cache what it made out of date."""
        await heed_cancellation()
        await self.session.load()
        call = self.book.open(operation.name)
        try:
            fetched = await self.remote.fetch(
                call, operation, arguments, data=data, headers=headers, replayable=replayable
            )
            await self.after_write(call, operation, arguments, fetched)
        except Exception as error:  # noqa: BLE001 - what nobody foresaw is a failure too, not an escape
            return Err(self.bug(call, error))
        if isinstance(fetched, Fetched):
            return Success(fetched.value, fetched.json, fetched.status, attempts=call.attempts)
        return Err(fetched)

    async def forget(self, user: str) -> None:
        """Drop everything of a user whose session has ended."""
        self.connectivity.forget(user)
        async with self._changes:
            await self.safely("cache", self.drops.drop(Scope(user)))

    # Reading

    async def answer(
        self, call: Call, operation: Operation[T], arguments: Arguments, headers: Mapping[str, str] | None
    ) -> Result[T]:
        """Answer a read by its strategy; whoever is signed out has no cache."""
        strategy = self.policy.strategies.get(operation.name, "network_only")
        user = self.session.user_of(call.epoch)
        if user is None or strategy == "network_only":
            fetched = await self.remote.fetch(call, operation, arguments, headers=headers)
            if isinstance(fetched, Failure):
                return Err(fetched)
            return Success(fetched.value, fetched.json, fetched.status, attempts=call.attempts)
        reading = Reading(call, operation, arguments, self.key(user, operation.name, arguments), headers)
        held = await self.held(reading.key, operation)
        if strategy == "cache_first" and held is not None and self.may_serve(held.entry):
            self.refresh_later(reading)
            return self.serve(call, held, None)
        outcome = await self.fetch_patiently(reading, held)
        if isinstance(outcome, Failure) and self.may_fall_back(outcome):
            return await self.fall_back(reading, outcome)
        return Err(outcome) if isinstance(outcome, Failure) else outcome

    async def fetch_patiently(self, reading: Reading[T], held: Held[T] | None) -> Success[T] | Failure:
        """Fetch, but no longer than the fallback deadline where there is something to fall back on."""
        patience = self.policy.fallback_after
        if patience is None or held is None or not self.may_serve(held.entry):
            return await self.refresh(reading, held)
        fetching = asyncio.ensure_future(self.refresh(reading, held))
        try:
            await asyncio.wait({fetching}, timeout=patience)
            if not fetching.done() and await self.at_hand(reading) is None:
                # What there was to fall back on is gone meanwhile: only the network is left.
                await asyncio.wait({fetching})
            if fetching.done():
                return fetching.result()
        finally:
            if not fetching.done():
                fetching.cancel()
                await end_of(fetching)
        # The call is answered from the cache now; what is newer is fetched for the next one.
        self.refresh_later(reading)
        message = "no answer within the fallback deadline"
        return self.remote.finish(reading.call, Timeout("total", message=message))

    async def refresh(self, reading: Reading[T], held: Held[T] | None, *, evict: bool = True) -> Success[T] | Failure:
        """Fetch, and settle what the cache holds."""
        call, key = reading.call, reading.key
        number = self.ledger.begin()
        try:
            fetched = await self.ask(reading, held)
            if isinstance(fetched, Failure):
                if evict and self.evicts(fetched):
                    await self.settle(call, key, number, None)
                return fetched
            if isinstance(fetched, Fetched):
                if fetched.status == 200:
                    await self.settle(call, key, number, self.entry(key, fetched.body, fetched.headers, None))
                return Success(fetched.value, fetched.json, fetched.status, attempts=call.attempts)
            if held is None:
                return self.remote.finish(call, Bug(message="a 304 without a condition"))
            await self.settle(call, key, number, self.entry(key, held.entry.body, fetched.headers, held.entry))
            return Success(held.value, held.json, attempts=call.attempts)
        finally:
            self.ledger.end()

    async def ask(self, reading: Reading[T], held: Held[T] | None) -> Fetched[T] | NotModified | Failure:
        """Ask the server, on condition where the cache holds something with an entity tag."""
        call, operation, arguments = reading.call, reading.operation, reading.arguments
        tag = held.entry.etag if held is not None else None
        if tag is None or not is_field_value(tag):
            return await self.remote.fetch(call, operation, arguments, headers=reading.headers)
        return await self.remote.fetch_if_changed(call, operation, arguments, tag, headers=reading.headers)

    def refresh_later(self, reading: Reading[Any]) -> None:
        """Fetch in the background, unless that is under way."""
        self.background.start(reading.key, lambda: self.refresh_alone(reading))

    async def refresh_alone(self, reading: Reading[Any]) -> Failure | None:
        """Fetch for the cache alone. It evicts nothing: a failure here takes no answer away from anybody."""
        call = self.book.open(reading.operation.name)
        if call.epoch != reading.call.epoch:
            return None
        try:
            held = await self.held(reading.key, reading.operation)
            alone = replace(reading, call=call, headers=None)
            outcome = await self.refresh(alone, held, evict=False)
            if isinstance(outcome, Success) and self.session.user_of(call.epoch) == reading.key.user:
                changed = held is None or held.json != outcome.json
                self.background.tell(Refreshed(reading.operation.name, reading.arguments, outcome, changed))
        except Exception as error:  # noqa: BLE001 - it is reported, since nobody waits for it
            return self.bug(call, error)
        return outcome if isinstance(outcome, Failure) else None

    async def fall_back(self, reading: Reading[T], failure: Failure) -> Result[T]:
        """Answer from the cache as it is now, if it holds something that may be served."""
        held = await self.at_hand(reading)
        if held is None:
            return Err(failure)
        self.connectivity.served_stale(reading.key, lambda: self.refresh_alone(reading))
        return self.serve(reading.call, held, failure)

    async def at_hand(self, reading: Reading[T]) -> Held[T] | None:
        """Return what the cache holds now, if it may be served and its user is still the one who is signed in."""
        if self.session.user_of(reading.call.epoch) != reading.key.user:
            return None
        held = await self.held(reading.key, reading.operation)
        return held if held is not None and self.may_serve(held.entry) else None

    def serve(self, call: Call, held: Held[T], because: Failure | None) -> Success[T]:
        """Answer with an entry, and say that it is one."""
        age = age_of(held.entry, self.clock.wall())
        self.log.note(f"{call.operation}: from the cache, {age:.0f} s old")
        return Success(
            held.value, held.json, source="cache", stale=True, age=age, attempts=call.attempts, because=because
        )

    # Deciding

    def key(self, user: str, operation: str, arguments: Arguments) -> EntryKey:
        """Return whose entry of what this is."""
        given = {name: value for name, value in arguments.items() if value is not None}
        return EntryKey(user, operation, canonical(given))

    def may_fall_back(self, failure: Failure) -> bool:
        """Tell whether the cache may stand in for this failure."""
        if isinstance(failure, StatusFailure):
            return failure.status in self.policy.fallback_on
        return failure.kind in _OF_TRANSPORT and "transport" in self.policy.fallback_on

    def may_serve(self, entry: Entry) -> bool:
        """Tell whether the entry is young enough, and not one that must be asked about first."""
        return may_serve(entry, self.clock.wall(), self.policy.max_stale)

    def evicts(self, failure: Failure) -> bool:
        """Tell whether the server says that there is nothing any more."""
        return isinstance(failure, StatusFailure) and not failure.of_refresh and failure.status in self.policy.evict_on

    def may_settle(self, call: Call, key: EntryKey, number: int) -> bool:
        """Tell whether this answer is the newest word, and its user is still the one who is signed in."""
        return self.session.user_of(call.epoch) == key.user and self.ledger.is_newest(key, number)

    # Storing

    def entry(self, key: EntryKey, body: bytes, headers: Headers, old: Entry | None) -> Entry | None:
        """Return the entry that an answer makes, None if it may not be stored (RFC 9111 §3 and §4.3.4)."""
        control = CacheControl.of(headers)
        if control.no_store:
            return None
        fresh = Entry(
            key, body, self.clock.wall() - control.age, headers.get("etag"), control.max_age, control.revalidate
        )
        if old is not None and headers.get("cache-control") is None:
            fresh = replace(fresh, max_age=old.max_age, revalidate=old.revalidate)
        if old is not None and fresh.etag is None:
            fresh = replace(fresh, etag=old.etag)
        return fresh

    async def held(self, key: EntryKey, operation: Operation[T]) -> Held[T] | None:
        """Read an entry. One that cannot be read, makes no sense, or should be gone, counts as none."""
        if not self.drops.trusts(key):
            return None
        entry = await self.safely(operation.name, self.local.get(key))
        if entry is None:
            return None
        try:
            data = parse(entry.body)
            return Held(entry, operation.read(data), data)
        except (ValueError, TypeError) as error:
            self.trouble(operation.name, error)
            return None

    async def settle(self, call: Call, key: EntryKey, number: int, entry: Entry | None) -> None:
        """Put an entry in place, or drop what is there, unless somebody newer was here."""
        async with self._changes:
            if not self.may_settle(call, key, number):
                return
            self.ledger.settled(key, number)
            if entry is None:
                await self.safely(key.operation, self.drops.drop(Scope.of_key(key)))
                return
            if not self.drops.trusts(key):
                await self.safely(key.operation, self.drops.catch_up())
            if self.drops.trusts(key):
                await self.safely(key.operation, self.local.put(entry))

    async def after_write(
        self, call: Call, operation: Operation[Any], arguments: Arguments, outcome: Fetched[Any] | Failure
    ) -> None:
        """Drop what a write made out of date (RFC 9111 §4.4)."""
        user = self.session.user_of(call.epoch)
        if user is None:
            return
        succeeded = isinstance(outcome, Fetched)
        async with self._changes:
            if operation.item and (isinstance(outcome, Fetched) or self.evicts(outcome)):
                key = self.key(user, operation.item, {"id": arguments["id"]})
                self.ledger.wrote(user, operation.item, key)
                await self.safely(operation.item, self.drops.drop(Scope.of_key(key)))
            for name in operation.lists if succeeded else ():
                self.ledger.wrote(user, name)
                await self.safely(name, self.drops.drop(Scope(user, name)))

    async def safely(self, operation: str, work: Awaitable[T]) -> T | None:
        """Do something with the local data source; if it cannot, report that and go on."""
        try:
            return await work
        except Exception as error:  # noqa: BLE001 - a store may raise what it likes, no call fails because of it
            self.trouble(operation, error)
            return None

    def trouble(self, operation: str, error: Exception) -> None:
        """Report that the cache failed."""
        message = self.remote.failures.sentence(f"the cache: {error}")
        self.background.report(operation, CacheFailure(message=message, native=type(error).__name__, sent=False))

    def bug(self, call: Call, error: Exception) -> Failure:
        """Return the failure that an exception is which nobody foresaw."""
        return self.remote.finish(call, self.remote.failures.of_exception(error))
