"""The sessions of one server: how a request finds its own, how they are made, how they end.

A request names its session by path prefix (``/s/<id>/…``), by the header ``X-Sadpath-Session``, by the cookie
``sadpath_session``, or by the port that it arrives at, in this order; one that names none is the default session's.
An unknown name is refused with a 404 that says so: it never falls through to another session.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.requests import cookie_parser

from sadpath.core.chance import draw_bytes
from sadpath.core.clock import Clock
from sadpath.core.events import ExchangeEvent
from sadpath.engine.asgi import Found, Headers, Refused
from sadpath.engine.session import Session
from sadpath.engine.wire import Wire
from sadpath.faults.base import Hooks, problem
from sadpath.scenario.model import Scenario
from sadpath.server.errors import (
    BadSessionName,
    DefaultSessionStays,
    SessionExists,
    TooManySessions,
    UnknownSession,
)

__all__ = [
    "COOKIE",
    "DEFAULT",
    "HEADER",
    "SessionStore",
]

HEADER = "X-Sadpath-Session"
COOKIE = "sadpath_session"
DEFAULT = "default"
MAX_SESSIONS = 1_000

_PREFIX = "/s/"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_ID_LENGTH = 6

Watcher = Callable[[ExchangeEvent], None]


@dataclass(slots=True)
class _Lease:
    """A session's place in the store; times are seconds of the server's clock."""

    session: Session
    created: float
    ttl: float | None
    timer: asyncio.Task[None] | None = None

    def over(self, now: float) -> bool:
        return self.ttl is not None and now >= self.created + self.ttl


class SessionStore:
    """All sessions of a server; the engine's directory.

    Args:
        clock: the server's clock; each session counts from it by a clock of its own.
        seed: the seed of sessions that are made without one.
        hooks: the backend's hooks, told when a session is forgotten; may be replaced.
        limit: how many sessions may exist besides the default one.
        journal_limit: how many events each session's journal keeps.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        hooks: Hooks | None = None,
        limit: int = MAX_SESSIONS,
        journal_limit: int = 10_000,
    ) -> None:
        self.clock = clock
        self.seed = seed
        self.hooks = hooks
        self.limit = limit
        self.journal_limit = journal_limit
        self.default_requests = 0
        """Requests that named no session. During a campaign they mean that a client lost its base path."""
        self._leases: dict[str, _Lease] = {}
        self._ports: dict[int, str] = {}
        self._watchers: list[Watcher] = []
        self._ordinal = 0
        self.default = Session(DEFAULT, ordinal=0, clock=clock, name=DEFAULT, seed=seed, journal_limit=journal_limit)
        self._leases[DEFAULT] = _Lease(self.default, clock.now(), None)

    # How a request finds its session

    def find(self, path: str, headers: Headers, port: int | None) -> Found | Refused:
        """Return the session by path prefix, header, cookie or port, else the default one, which counts them."""
        found = self.locate(path, headers, port)
        if found is None:
            self.default_requests += 1
            return Found(self.default)
        return found

    def locate(self, path: str, headers: Headers, port: int | None) -> Found | Refused | None:
        """Return the session by path prefix, header, cookie or port, None for a request that names none."""
        if path.startswith(_PREFIX):
            return self._by_path(path)
        named = _named(headers)
        if named is None and self._ports and port in self._ports:
            named = f"port {port}", self._ports[port]
        if named is None:
            return None
        source, name = named
        lease = self._lease(name)
        return Found(lease.session) if lease is not None else _unknown(name, source)

    def _by_path(self, path: str) -> Found | Refused:
        name, _, rest = path[len(_PREFIX) :].partition("/")
        lease = self._lease(name)
        if lease is None:
            return _unknown(name, "path")
        if rest == "__admin" or rest.startswith("__admin/"):
            text = "There is no control API below a session's path: it is at /__admin"
            return Refused(problem(404, text))
        return Found(lease.session, _PREFIX + name)

    def own_port(self, port: int, session_id: str) -> None:
        """Let a session answer whatever arrives at a port without naming a session.

        Raises:
            UnknownSession: for an id that no session has.
        """
        self._ports[port] = self.get(session_id).id

    # Making, asking and ending

    def create(
        self,
        name: str | None = None,
        *,
        scenario: Scenario | None = None,
        scenario_name: str | None = None,
        seed: int | None = None,
        ttl: float | None = None,
    ) -> Session:
        """Make a session; its id is its name, else a short one of its own.

        Args:
            name: letters, digits, ``.``, ``_`` and ``-``; also the key of what the session leaves to chance.
            scenario: what is in force from the start. Its ``given`` is arranged by ``sadpath.server.given``.
            scenario_name: what to call the scenario.
            seed: default: the store's.
            ttl: seconds of the server's clock, from now, after which the session ends. Needs a running loop.

        Raises:
            BadSessionName: for a name that does not fit into a path.
            SessionExists: for a name that is taken.
            TooManySessions: where the bound is reached.
        """
        self.expire()
        if name is not None:
            self._check(name)
        if len(self._leases) - 1 >= self.limit:
            raise TooManySessions(f"There are {self.limit} sessions, and no more are kept: delete some, or give a ttl")
        self._ordinal += 1
        session = Session(
            name if name is not None else self._new_id(),
            ordinal=self._ordinal,
            clock=self.clock,
            name=name,
            seed=self.seed if seed is None else seed,
            journal_limit=self.journal_limit,
        )
        if scenario is not None:
            session.set_scenario(scenario_name, scenario)
        session.watchers.extend(self._watchers)
        lease = self._leases[session.id] = _Lease(session, self.clock.now(), ttl)
        if ttl is not None:
            lease.timer = asyncio.get_running_loop().create_task(self._end_at(lease, lease.created + ttl))
        return session

    def _check(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise BadSessionName(
                f"{name!r} cannot name a session: 1 to 64 letters, digits, '.', '_' and '-', "
                "the first a letter or digit"
            )
        if name in self._leases:
            raise SessionExists(f"There is a session {name!r} already")

    def _new_id(self) -> str:
        """Return an id that depends on the count of sessions alone, so that runs can be repeated."""
        attempt = 0
        while True:
            drawn = draw_bytes(_ID_LENGTH, "session", self._ordinal, attempt)
            found = "".join(_ID_LETTERS[byte % len(_ID_LETTERS)] for byte in drawn)
            if found not in self._leases:
                return found
            attempt += 1

    async def _end_at(self, lease: _Lease, time: float) -> None:
        await self.clock.sleep(time - self.clock.now())
        lease.timer = None
        if self._leases.get(lease.session.id) is lease:
            self._end(lease)

    def get(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            UnknownSession: where there is none of that id.
        """
        lease = self._lease(session_id)
        if lease is None:
            raise UnknownSession(_no_session(session_id))
        return lease.session

    def created(self, session: Session) -> float:
        """Return when a session was made, in Unix seconds.

        Raises:
            UnknownSession: where it has ended.
        """
        return self.clock.wall() - (self.clock.now() - self._held(session).created)

    def remaining(self, session: Session) -> float | None:
        """Return the seconds that a session has left, None where it has no ttl.

        Raises:
            UnknownSession: where it has ended.
        """
        lease = self._held(session)
        return None if lease.ttl is None else max(0.0, lease.created + lease.ttl - self.clock.now())

    def __contains__(self, session_id: object) -> bool:
        return isinstance(session_id, str) and self._lease(session_id) is not None

    def __iter__(self) -> Iterator[Session]:
        self.expire()
        return iter([lease.session for lease in self._leases.values()])

    def __len__(self) -> int:
        self.expire()
        return len(self._leases)

    def delete(self, session_id: str, *, asking: Wire | None = None) -> None:
        """End a session: its stalled exchanges let go, its connections close, the backend forgets its state.

        Args:
            session_id: which one.
            asking: the connection over which this is asked for, which lives on: the answer is still to go out.

        Raises:
            UnknownSession: where there is none of that id.
            DefaultSessionStays: for the default one.
        """
        if session_id == DEFAULT:
            raise DefaultSessionStays("The default session cannot be deleted; it can be reset")
        session = self.get(session_id)
        if asking is not None:
            session.wires.pop(asking, None)
        self._end(self._held(session))

    def reset(self, session_id: str) -> Session:
        """Forget a session's data, tokens, counters, clock and journal; its scenario stays, from its start.

        Raises:
            UnknownSession: where there is none of that id.
        """
        session = self.get(session_id)
        if self.hooks is not None:
            self.hooks.reset(session.id)
        session.reset()
        if session is self.default:
            self.default_requests = 0
        return session

    def expire(self) -> None:
        """End every session whose time is over; timers do it too, but a busy loop may be late."""
        now = self.clock.now()
        for lease in [lease for lease in self._leases.values() if lease.over(now)]:
            self._end(lease)

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` of every exchange that ends, in sessions of now and later."""
        self._watchers.append(watcher)
        for lease in self._leases.values():
            lease.session.watchers.append(watcher)

    async def close(self) -> None:
        """End every session at once, with all connections that any of them has used."""
        leases = list(self._leases.values())
        timers = [lease.timer for lease in leases if lease.timer is not None]
        for timer in timers:
            timer.cancel()
        for lease in leases:
            lease.session.end()
        await asyncio.gather(*timers, return_exceptions=True)

    def _lease(self, session_id: str) -> _Lease | None:
        lease = self._leases.get(session_id)
        if lease is not None and lease.ttl is not None and lease.over(self.clock.now()):
            self._end(lease)
            return None
        return lease

    def _held(self, session: Session) -> _Lease:
        lease = self._leases.get(session.id)
        if lease is None or lease.session is not session:
            raise UnknownSession(_no_session(session.id))
        return lease

    def _end(self, lease: _Lease) -> None:
        session = lease.session
        del self._leases[session.id]
        self._ports = {port: owner for port, owner in self._ports.items() if owner != session.id}
        if lease.timer is not None:
            lease.timer.cancel()
        session.end()
        if self.hooks is not None:
            self.hooks.reset(session.id)


def _named(headers: Headers) -> tuple[str, str] | None:
    """Return where a request names its session, and the name."""
    cookie: str | None = None
    for name, value in headers:
        if name == b"x-sadpath-session":
            return "header", value.decode("latin-1").strip()
        if name == b"cookie" and cookie is None:
            cookie = cookie_parser(value.decode("latin-1")).get(COOKIE)
    return None if cookie is None else ("cookie", cookie)


def _no_session(name: str) -> str:
    return f"There is no session {name!r}: it was deleted, has expired, or was never made"


def _unknown(name: str, source: str) -> Refused:
    return Refused(problem(404, _no_session(name), named_by=source))
