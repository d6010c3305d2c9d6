"""How a request finds its session, and how sessions are made, bounded and ended."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.clock import LoopClock
from sadpath.engine.asgi import Found, Refused
from sadpath.server.errors import (
    BadSessionName,
    DefaultSessionStays,
    SessionExists,
    TooManySessions,
    UnknownSession,
)
from sadpath.server.sessions import SessionStore


class Clock:
    """A clock that moves when told to; who sleeps on it is woken by that."""

    def __init__(self) -> None:
        self.time = 0.0
        self.sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        """Seconds since the start."""
        return self.time

    def wall(self) -> float:
        """Unix seconds."""
        return 1_700_000_000 + self.time

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved that far."""
        woken = asyncio.Event()
        self.sleepers.append((self.time + seconds, woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Move, and let those who are due go on."""
        self.time += seconds
        for due, woken in self.sleepers:
            if due <= self.time:
                woken.set()
        for _ in range(3):
            await LoopClock().sleep(0)


class Forgetful:
    """Hooks that only keep whom they were told to forget."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def reset(self, session: str) -> None:
        """Keep the name."""
        self.forgotten.append(session)

    def expire(self, session: str, kind: str) -> None:
        """Do nothing."""

    def revoke(self, session: str, kind: str) -> None:
        """Do nothing."""


def in_store(test: Callable[[SessionStore, Clock], Awaitable[None]], limit: int = 10) -> None:
    """Run a test with a store of its own in a loop."""

    async def main() -> None:
        clock = Clock()
        store = SessionStore(clock, limit=limit)
        await test(store, clock)
        await store.close()

    asyncio.run(main())


def found(store: SessionStore, path: str, port: int | None = None, **headers: str) -> str:
    """Return the id and prefix of the session that a request finds, or the status and the text of its refusal."""
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    got = store.find(path, listed, port)
    if isinstance(got, Found):
        return f"{got.session.id}|{got.prefix}"
    return f"{got.answer.status}|{json.loads(got.answer.body)['message']}"


NAMES = [None, "a", "b", "gone"]


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from([None, "a", "b"]))
def test_path_goes_before_header_before_cookie_before_port(
    path: str | None, header: str | None, cookie: str | None, port: str | None
) -> None:
    """The first of path, header, cookie and port that names a session decides alone, also where it names none."""
    store = SessionStore(Clock())
    store.create("a")
    store.create("b")
    if port is not None:
        store.own_port(4000, port)
    headers = {} if header is None else {"x_sadpath_session": header}
    headers |= {} if cookie is None else {"cookie": f"theme=dark; sadpath_session={cookie}; x=1"}
    url = "/users/1" if path is None else f"/s/{path}/users/1"

    got = found(store, url, 4000, **headers)

    decides = next((name for name in (path, header, cookie, port) if name is not None), "default")
    if decides == "gone":
        assert got.startswith("404|There is no session 'gone'")
    else:
        assert got == f"{decides}|{f'/s/{path}' if path is not None else ''}"
    assert store.default_requests == (decides == "default")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/s/a", "a|/s/a"),
        ("/s/a/", "a|/s/a"),
        ("/s/a/s/b/x", "a|/s/a"),
        ("/s/default/x", "default|/s/default"),
        ("/s", "default|"),
        ("/sessions/a", "default|"),
        ("/x/s/a", "default|"),
    ],
)
def test_only_a_prefix_names_a_session(path: str, expected: str) -> None:
    """A session's path is ``/s/<id>`` with or without more behind it, and nothing else."""
    store = SessionStore(Clock())
    store.create("a")

    assert found(store, path) == expected


@pytest.mark.parametrize("path", ["/s/", "/s//users", "/s/A/users", "/s/a b/users"])
def test_a_path_that_names_no_session_is_refused(path: str) -> None:
    """An empty, differently written or unknown id in the path is a 404, never the default session."""
    store = SessionStore(Clock())
    store.create("a")

    assert found(store, path).startswith("404|There is no session")


@pytest.mark.parametrize("rest", ["/__admin", "/__admin/", "/__admin/sessions"])
def test_there_is_no_control_api_below_a_session(rest: str) -> None:
    """Below a session's path the control API is a 404 that says where it is."""
    store = SessionStore(Clock())
    store.create("a")

    assert found(store, f"/s/a{rest}") == "404|There is no control API below a session's path: it is at /__admin"
    assert found(store, "/s/a/__administration") == "a|/s/a"


@given(st.text(max_size=70))
def test_a_name_is_refused_or_can_be_found_in_a_path(name: str) -> None:
    """Whatever name is accepted is the session's id and leads to it; every other is refused with a clear error."""
    store = SessionStore(Clock())
    try:
        session = store.create(name)
    except (BadSessionName, SessionExists):
        assert len(store) == 1
        return

    assert session.id == name
    assert found(store, f"/s/{name}/x") == f"{name}|/s/{name}"


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "a/b", "a%2Fb", "ä", "a b", "a\n", "x" * 65])
def test_names_that_do_not_fit_into_a_path_are_refused(name: str) -> None:
    """Names that a URL or a client's path handling would change are refused."""
    with pytest.raises(BadSessionName, match="cannot name a session"):
        SessionStore(Clock()).create(name)


def test_a_name_is_given_once() -> None:
    """A name that a living session has is refused; after its end it is free again."""
    store = SessionStore(Clock())
    store.create("a")

    with pytest.raises(SessionExists):
        store.create("a")
    with pytest.raises(SessionExists):
        store.create("default")
    store.delete("a")
    assert store.create("a").id == "a"


def test_ids_depend_on_the_count_alone_and_differ() -> None:
    """Sessions without a name get the same short ids in every run, all different and fit for a path."""
    first, second = SessionStore(Clock()), SessionStore(Clock())
    ids = [first.create().id for _ in range(500)]

    assert [second.create().id for _ in range(500)] == ids
    assert len(set(ids)) == 500
    assert all(found(first, f"/s/{one}/") == f"{one}|/s/{one}" for one in ids)


def test_an_id_does_not_come_back_after_deletion() -> None:
    """A deleted session's id is not handed out again: its client would find itself in another's world."""
    store = SessionStore(Clock())
    ids = []
    for _ in range(500):
        ids.append(store.create().id)
        store.delete(ids[-1])

    assert len(set(ids)) == 500


def test_draws_are_keyed_by_name_or_ordinal_never_by_id() -> None:
    """What a session leaves to chance depends on its name, else on how many were made before it."""
    store = SessionStore(Clock(), seed=5)

    assert [store.create("a").key(), store.create().key(), store.create(seed=9).key()] == [(5, "a"), (5, 2), (9, 3)]


def test_the_number_of_sessions_is_bounded() -> None:
    """Beyond the bound a session is refused with an error that names it; deleting one makes room."""
    store = SessionStore(Clock(), limit=2)
    store.create("a")
    store.create("b")

    with pytest.raises(TooManySessions, match="There are 2 sessions"):
        store.create("c")
    store.delete("a")
    store.create("c")
    assert [session.id for session in store] == ["default", "b", "c"]


def test_the_default_session_stays() -> None:
    """The default session cannot be deleted, and a refused attempt leaves it as it was."""
    store = SessionStore(Clock())

    with pytest.raises(DefaultSessionStays):
        store.delete("default")
    assert not store.default.ended.is_set()


def test_what_was_deleted_is_unknown() -> None:
    """A deleted session is ended, its port is nobody's, and asking for it or deleting it again is refused."""
    hooks = Forgetful()
    store = SessionStore(Clock(), hooks=hooks)
    session = store.create("a")
    store.own_port(4000, "a")

    store.delete("a")

    assert session.ended.is_set()
    assert hooks.forgotten == ["a"]
    assert found(store, "/x", 4000) == "default|"
    for ask in (store.get, store.delete, store.reset):
        with pytest.raises(UnknownSession, match="There is no session 'a'"):
            ask("a")
    with pytest.raises(UnknownSession):
        store.remaining(session)


def test_a_ttl_ends_a_session_by_itself() -> None:
    """When its time is over a session ends without anybody asking for it, and the backend forgets it."""

    async def test(store: SessionStore, clock: Clock) -> None:
        hooks = store.hooks = Forgetful()
        session = store.create("a", ttl=5.0)
        lasting = store.create("b")
        await clock.advance(4.9)
        assert not session.ended.is_set()
        assert store.remaining(session) == pytest.approx(0.1)

        await clock.advance(0.2)

        assert session.ended.is_set()
        assert hooks.forgotten == ["a"]
        assert store.remaining(lasting) is None

    in_store(test)


def test_a_ttl_holds_where_its_timer_is_late() -> None:
    """A request that comes after a session's time finds it ended, even before its timer ran."""

    async def test(store: SessionStore, clock: Clock) -> None:
        store.create("a", ttl=5.0)
        clock.time = 5.0

        assert found(store, "/s/a/x").startswith("404|")
        assert [session.id for session in store] == ["default"]

    in_store(test)


def test_a_ttl_makes_room() -> None:
    """Sessions whose time is over do not count towards the bound."""

    async def test(store: SessionStore, clock: Clock) -> None:
        store.create("a", ttl=1.0)
        clock.time = 2.0
        store.create("a", ttl=1.0)

        assert len(store) == 2

    in_store(test, limit=1)


def test_a_ttl_of_a_name_used_again_is_its_own() -> None:
    """A session that takes over the name of a deleted one is not ended by the former's timer."""

    async def test(store: SessionStore, clock: Clock) -> None:
        store.create("a", ttl=1.0)
        store.delete("a")
        session = store.create("a")
        await clock.advance(2.0)

        assert store.get("a") is session

    in_store(test)


def test_ttl_counts_the_servers_time_not_the_sessions() -> None:
    """Advancing a session's clock does not shorten its life."""

    async def test(store: SessionStore, _clock: Clock) -> None:
        session = store.create("a", ttl=60.0)
        session.clock.advance(3_600.0)

        assert store.get("a") is session
        assert store.remaining(session) == 60.0

    in_store(test)


def test_reset_begins_anew_and_keeps_the_session() -> None:
    """A reset forgets clock, tokens, journal and the backend's state; id, seed and scenario stay."""
    hooks = Forgetful()
    store = SessionStore(Clock(), hooks=hooks)
    session = store.create("a", seed=4)
    session.clock.advance(60.0)
    session.tokens.issue("access", "refresh")
    found(store, "/x")

    assert store.reset("a") is session
    assert (session.clock.now(), session.tokens.count, session.seed) == (0.0, 0, 4)
    assert hooks.forgotten == ["a"]
    assert store.default_requests == 1
    store.reset("default")
    assert store.default_requests == 0


def test_a_port_is_given_only_to_a_session_that_exists() -> None:
    """No port can be given to a session that is not there."""
    with pytest.raises(UnknownSession):
        SessionStore(Clock()).own_port(4000, "a")


def test_requests_that_name_nothing_are_counted() -> None:
    """Only requests that name no session at all count as those of a client that has lost its base path."""
    store = SessionStore(Clock())
    store.create("a")
    for path in ("/x", "/s/a/x", "/s/default/x", "/s/gone/x", "/y"):
        found(store, path)

    assert store.default_requests == 2
    assert isinstance(store.find("/", [(b"x-sadpath-session", b"gone")], None), Refused)
    assert store.default_requests == 2


def test_the_nearer_of_two_headers_counts_once() -> None:
    """Of a header and a cookie the header decides in whichever order they come; the first of two cookies counts."""
    store = SessionStore(Clock())
    store.create("a")
    store.create("b")
    pairs = [(b"cookie", b"sadpath_session=b"), (b"x-sadpath-session", b"a"), (b"cookie", b"sadpath_session=a")]

    for order in itertools.permutations(pairs):
        got = store.find("/", list(order), None)
        assert isinstance(got, Found)
        assert got.session.id == "a"
