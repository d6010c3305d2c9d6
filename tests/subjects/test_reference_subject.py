"""The reference client's adapter against the real backend: what it asks, what it reports, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sadpath.faults  # noqa: F401 - fills the vocabulary
from sadpath.client import PolicyError
from sadpath.core.clock import LoopClock
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.messages import (
    CAPABILITIES,
    ERROR_KINDS,
    AuthGrant,
    CacheEntry,
    CallStep,
    Outcome,
    Result,
    Run,
    Unsupported,
)
from sadpath.drivers.subject import NotSupported, Resumable
from sadpath.engine.session import Session
from sadpath.scenario.loader import read_scenario
from sadpath.server.given import prepare
from sadpath.server.runner import LiveServer
from sadpath.subjects.reference import ReferenceSubject, create
from sadpath.subjects.reference.chance import KeyedChance
from sadpath.workspace import find_workspace
from tests.subjects.driving import QUICK, Driven, driven, policy

T = TypeVar("T")

EMAIL = "ada@example.com"
ORDER = {"items": [{"sku": "TEA-250", "quantity": 1}]}


class Shop:
    """The real backend with one session, and the tokens for it."""

    def __init__(self, server: LiveServer, session: Session, auth: AuthGrant) -> None:
        self.server = server
        self.session = session
        self.auth = auth
        self.url = server.url_of(session.id)

    def set(self, *rules: dict[str, Any]) -> None:
        """Put rules in force."""
        self.session.set_rules(read_scenario({"title": "A test", "faults": list(rules)}).faults)

    @property
    def seen(self) -> list[tuple[str, str, int | None, str | None]]:
        """The exchanges: method, path, status, tag."""
        return [(item.method, item.path, item.status, item.call) for item in self.session.journal.exchanges]

    async def asked(self) -> None:
        """Wait until something has been asked for."""
        for _ in range(400):
            if self.seen:
                return
            await asyncio.sleep(0.005)
        pytest.fail("nothing was asked for within two seconds")

    def open(self, **options: Any) -> AbstractAsyncContextManager[Driven]:
        """Open a reference client in this session."""
        return driven(create, self.url, **{"auth": self.auth, **options})


@asynccontextmanager
async def shop(**given: Any) -> AsyncIterator[Shop]:
    """Run the reference workspace's backend."""
    async with LiveServer(find_workspace(), other_origin=True) as server:
        session = server.sessions.create("case")
        grant = await prepare(server.engine, session, read_scenario({"title": "A test", "given": given}))
        yield Shop(server, session, AuthGrant.model_validate(grant.to_json()))


def user_json(number: int, name: str) -> dict[str, Any]:
    """Return a user as the API writes one."""
    since = "2024-01-01T00:00:00Z"
    return {"id": number, "user_name": name, "email_address": EMAIL, "avatar_url": None, "created_at": since}


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a test's coroutine."""
    return asyncio.run(main())


def test_hello_claims_what_there_is() -> None:
    """The hello names known capabilities, all operations of the protocol, and no cache of HTTP answers."""
    hello = create().hello()

    assert set(hello.capabilities) == set(CAPABILITIES) - {"http_cache"}
    assert hello.operations == [
        "auth.login", "auth.logout", "http", "orders.create", "orders.list", "settings.get", "users.create",
        "users.delete", "users.get", "users.list", "users.update", "app.restart",
    ]  # fmt: skip
    assert (hello.client.name, hello.client.language) == ("reference", "python")
    assert isinstance(create(), Resumable)


def test_every_operation_reaches_its_route() -> None:
    """Each operation makes the request that the API has for it, and reports its answer's JSON."""

    async def main() -> tuple[list[Outcome], list[Any]]:
        async with shop() as place, place.open() as client:
            calls: list[tuple[str, Any]] = [
                ("users.get", {"id": 1}),
                ("users.list", {"page": 2, "limit": 3}),
                ("users.create", {"data": {"user_name": "Katherine", "email_address": "k@example.com"}}),
                ("users.update", {"id": 2, "data": {"user_name": "Rear Admiral"}}),
                ("users.delete", {"id": 3}),
                ("orders.list", {"limit": 2}),
                ("orders.create", {"data": ORDER}),
                ("settings.get", {}),
                ("http", {"method": "get", "path": "/users/1", "headers": {"X-Asked": "yes"}}),
                ("auth.logout", {}),
                ("auth.login", {}),
            ]
            return [await client.call(op, args) for op, args in calls], place.seen

    outcomes, seen = run(main)

    assert [(method, path) for method, path, _, _ in seen] == [
        ("GET", "/users/1"), ("GET", "/users"), ("POST", "/users"), ("PUT", "/users/2"), ("DELETE", "/users/3"),
        ("GET", "/orders"), ("POST", "/orders"), ("GET", "/settings"), ("GET", "/users/1"), ("POST", "/auth/logout"),
        ("POST", "/auth/login"),
    ]  # fmt: skip
    assert [tag for _, _, _, tag in seen] == [f"c{number}/0" for number in range(1, 12)]
    assert {outcome.outcome for outcome in outcomes} == {"ok"}
    assert {outcome.attempts for outcome in outcomes} == {1}
    values: list[Any] = [outcome.value for outcome in outcomes]
    assert [value.status for value in values] == [status for _, _, status, _ in seen]
    assert values[0].data["email_address"] == EMAIL
    assert values[0].data == values[8].data
    assert values[1].data["meta"] == {"current_page": 2, "last_page": 17, "per_page": 3, "total": 50}
    assert values[3].data["user_name"] == "Rear Admiral"
    assert values[4].data is None
    assert [outcome.source for outcome in outcomes] == ["network"] * 11


def test_pages_are_one_list_of_items() -> None:
    """Asked for pages, a list's outcome is all items in order, with the attempts of every page."""

    async def main() -> list[Outcome]:
        async with shop() as place, place.open() as client:
            return [
                await client.call("users.list", {"limit": 20}, pages=True),
                await client.call("users.list", {"limit": 20, "page": 3}, pages=True),
                await client.call("orders.list", {"limit": 4}, pages=True),
            ]

    users, rest, orders = run(main)

    assert users.value is not None
    assert [item["id"] for item in users.value.data] == list(range(1, 51))
    assert users.attempts == 3
    assert rest.value is not None
    assert [item["id"] for item in rest.value.data] == list(range(41, 51))
    assert orders.value is not None
    assert len({item["id"] for item in orders.value.data}) == len(orders.value.data) > 4


def test_pages_that_fail_keep_their_items() -> None:
    """Where a later page fails, the outcome is the failure with the items so far, as the API writes them."""

    async def main() -> tuple[Outcome, Any]:
        async with shop() as place, place.open() as client:
            first = await client.call("orders.list", {"limit": 2})
            place.set(
                {"on": "orders.list", "plan": ["pass"], "then": "pass"}, {"on": "orders.list", "fault": {"status": 403}}
            )
            place.set({"on": "orders.list", "plan": ["pass", {"status": 403}]})
            return await client.call("orders.list", {"limit": 2}, pages=True), first

    broken, first = run(main)

    assert broken.outcome == "error"
    assert broken.error is not None
    assert (broken.error.kind, broken.error.status) == ("forbidden", 403)
    assert broken.value is not None
    assert broken.value.data == first.value.data["data"]
    assert broken.attempts == 2


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ({"status": 400}, "unexpected_status", 400),
        ({"status": 403}, "forbidden", 403),
        ({"status": 404}, "not_found", 404),
        ({"status": 409}, "conflict", 409),
        ({"status": 422}, "validation", 422),
        ({"status": {"code": 429, "retry_after": "7s"}}, "rate_limited", 429),
        ({"status": 503}, "server", 503),
        ("stall", "timeout.read", None),
        ({"reset": "request"}, "reset", None),
        ({"truncate": 20}, "truncated", 200),
        ("malformed_json", "decode", 200),
        ("html", "decode", 200),
    ],
)
def test_failures_keep_kind_and_status(fault: Any, kind: str, status: int | None) -> None:
    """A failure is reported by its kind, with the status, the wait that was asked for, and the library's own name."""

    async def main() -> Outcome:
        async with shop() as place, place.open() as client:
            place.set({"on": "users.get", "fault": fault})
            return await client.get()

    outcome = run(main)

    assert outcome.outcome == "error"
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.status) == (kind, status)
    assert outcome.error.kind in ERROR_KINDS
    assert outcome.error.retry_after_ms == (7000 if status == 429 else None)
    assert outcome.error.native
    assert outcome.value is None


def test_a_write_without_an_answer_has_an_unknown_effect() -> None:
    """Where a write left and no answer came, the outcome says that nobody knows, and how often it was sent."""

    async def main() -> Outcome:
        async with shop() as place, place.open() as client:
            place.set({"on": "orders.create", "fault": {"reset": "response"}})
            return await client.call("orders.create", {"data": ORDER})

    outcome = run(main)

    assert outcome.error is not None
    assert outcome.error.effect_unknown
    assert outcome.attempts == 3


def test_only_a_call_s_own_requests_are_tagged() -> None:
    """Retries and replays carry the call's tag; a renewal of the session and a refresh in the background carry none."""

    async def main() -> tuple[list[Any], Result]:
        async with shop() as place, place.open() as client:
            place.set({"on": "settings.get", "plan": [{"status": 503}, "expire_token", "pass"]})
            await client.call("settings.get")
            await client.call("settings.get")
            result = await client.settle()
            return place.seen, result

    seen, result = run(main)

    assert seen == [
        ("GET", "/settings", 503, "c1/0"),
        ("GET", "/settings", 401, "c1/0"),
        ("POST", "/auth/refresh", 200, None),
        ("GET", "/settings", 200, "c1/0"),
        ("GET", "/settings", 304, None),
    ]
    assert result.background_errors == []


def test_a_cancelled_call_ends_as_a_cancelled_task() -> None:
    """Cancellation goes through the adapter as it is, and nothing is sent after it."""

    async def main() -> tuple[bool, list[Any], Result]:
        async with shop() as place, place.open() as client:
            place.set({"on": "users.get", "fault": "stall"})
            task = asyncio.ensure_future(client.get())
            await place.asked()
            task.cancel()
            await asyncio.wait({task})
            return task.cancelled(), place.seen, await client.settle()

    cancelled, seen, result = run(main)

    assert cancelled
    assert len(seen) == 1
    assert result.signed_in


def test_seeded_entries_are_served_with_their_age() -> None:
    """An entry that a case puts into the cache stands in for a failed read, stale, and as old as it was said to be."""
    user = user_json(1, "Old Ada")
    entry = CacheEntry(op="users.get", args={"id": 1}, data=user, age_ms=60_000, etag='"old"', user=EMAIL)

    async def main() -> tuple[Outcome, list[Any]]:
        async with shop() as place, place.open(cache=[entry]) as client:
            place.set({"on": "users.get", "fault": {"status": 503}})
            outcome = await client.get()
            return outcome, [item.request_headers for item in place.session.journal.exchanges]

    outcome, headers = run(main)

    assert (outcome.outcome, outcome.source, outcome.stale) == ("ok", "cache", True)
    assert outcome.value is not None
    assert outcome.value.data == user
    assert outcome.age_ms is not None
    assert 60_000 <= outcome.age_ms < 65_000
    assert outcome.attempts == 3
    assert all(("if-none-match", '"old"') in [(name.lower(), value) for name, value in fields] for fields in headers)


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({}, "cache"),
        ({"user": "grace@example.com"}, None),
        ({"user": None}, "cache"),
        ({"age_ms": 86_500_000}, None),
        ({"broken": True}, None),
        ({"args": {"id": 2}}, None),
    ],
)
def test_an_entry_counts_for_its_user_its_arguments_and_its_time(changes: dict[str, Any], source: str | None) -> None:
    """Somebody else's entry, one of other arguments, one that is too old and a broken one stand in for nothing."""
    entry = CacheEntry(op="users.get", args={"id": 1}, data=user_json(1, "Ada"), user=EMAIL).model_copy(update=changes)

    async def main() -> tuple[Outcome, Result]:
        async with shop() as place, place.open(cache=[entry]) as client:
            place.set({"on": "users.get", "fault": {"status": 503}})
            return await client.get(), await client.settle()

    outcome, result = run(main)

    assert outcome.source == source
    assert outcome.outcome == ("ok" if source else "error")
    assert [error["kind"] for error in result.background_errors] == (["cache"] * 2 if changes.get("broken") else [])


def test_seeded_lists_stand_in_for_their_pages() -> None:
    """A list's entry is found whether its defaults were spelt out or not, and a list of items fills all its pages."""
    items = [user_json(number, f"User {number}") for number in range(1, 6)]
    whole = {"success": True, "data": items, "meta": {"current_page": 1, "last_page": 1, "per_page": 20, "total": 5}}

    async def main() -> list[Outcome]:
        async with shop() as place:
            place.set({"on": "users.list", "fault": {"status": 503}})
            async with place.open(cache=[CacheEntry(op="users.list", data=whole)]) as client:
                first = await client.call("users.list", {"page": 1})
            async with place.open(cache=[CacheEntry(op="users.list", args={"limit": 2}, data=items)]) as client:
                return [first, await client.call("users.list", {"limit": 2}, pages=True)]

    first, pages = run(main)

    assert first.value is not None
    assert first.value.data == whole
    assert (pages.source, pages.stale) == ("cache", True)
    assert pages.value is not None
    assert pages.value.data == items


def test_an_unwritable_cache_costs_its_answers_only() -> None:
    """Where the cache cannot be written, reads succeed and the trouble is reported beside them."""

    async def main() -> tuple[list[Outcome], Result]:
        async with shop() as place, place.open(cache=[CacheEntry(op="*", broken=True)]) as client:
            reads = [await client.get(), await client.get()]
            return reads, await client.settle()

    reads, result = run(main)

    assert [(read.outcome, read.source) for read in reads] == [("ok", "network")] * 2
    assert [(error["op"], error["kind"]) for error in result.background_errors] == [("users.get", "cache")] * 2


def test_the_clock_can_be_moved() -> None:
    """An advance makes the access token old for the client, which then renews it before it calls."""

    async def main() -> tuple[list[Any], list[Any]]:
        async with shop() as place, place.open(promised=policy(auth={"refresh_early_ms": 30_000})) as client:
            await client.get()
            before = place.seen
            await client.subject.advance(3590)
            place.session.clock.advance(3590)
            await client.get()
            return before, place.seen[len(before) :]

    before, after = run(main)

    assert [path for _, path, _, _ in before] == ["/users/1"]
    assert [path for _, path, _, _ in after] == ["/auth/refresh", "/users/1"]


def test_an_expired_grant_is_renewed_before_the_first_call() -> None:
    """A session that begins expired is renewed at once, without a 401 on the way."""

    promised = policy(auth={"refresh_early_ms": 30_000})

    async def main() -> list[Any]:
        async with shop(access_token="expired") as place, place.open(promised=promised) as client:
            await client.get()
            return place.seen

    assert [(path, status) for _, path, status, _ in run(main)] == [("/auth/refresh", 200), ("/users/1", 200)]


def test_a_session_without_an_access_token_gets_one() -> None:
    """A grant that holds a refresh token alone is a session, and one that holds neither is none."""

    async def main() -> tuple[list[Any], bool | None, bool | None]:
        async with shop() as place:
            half = place.auth.model_copy(update={"access_token": None, "expires_in": None})
            async with place.open(auth=half) as client:
                await client.get()
                signed_in = (await client.settle()).signed_in
            none = half.model_copy(update={"refresh_token": None})
            async with place.open(auth=none) as client:
                await client.get()
                return place.seen, signed_in, (await client.settle()).signed_in

    seen, half, none = run(main)

    assert [(path, status) for _, path, status, _ in seen] == [
        ("/auth/refresh", 200), ("/users/1", 200), ("/users/1", 401),
    ]  # fmt: skip
    assert (half, none) == (True, False)


def test_a_session_that_the_server_ends_is_counted() -> None:
    """A logout that nobody asked for is in the result, and one that was asked for is not."""

    async def main() -> list[tuple[bool | None, int | None]]:
        found = []
        async with shop(refresh_token="revoked", access_token="revoked") as place, place.open() as client:
            await client.get()
            result = await client.settle()
            found.append((result.signed_in, result.logouts))
        async with shop() as place, place.open() as client:
            await client.call("auth.logout")
            result = await client.settle()
            found.append((result.signed_in, result.logouts))
        return found

    assert run(main) == [(False, 1), (False, 0)]


def test_background_errors_are_reported() -> None:
    """What a refresh in the background fails with is in the result, with its status."""

    async def main() -> Result:
        async with shop() as place, place.open() as client:
            await client.call("settings.get")
            place.set({"on": "settings.get", "fault": {"status": 500}})
            await client.call("settings.get")
            return await client.settle()

    (error,) = run(main).background_errors

    assert (error["op"], error["kind"], error["status"]) == ("settings.get", "server", 500)


def test_the_log_is_handed_over_without_a_token() -> None:
    """The result holds the client's log since it was opened, in which no token stands."""

    async def main() -> tuple[str, list[str]]:
        async with shop() as place, place.open() as client:
            await client.get()
            await client.call("auth.login")
            return (await client.settle()).log, [place.auth.access_token or "", *place.session.tokens.secrets()]

    log, secrets = run(main)

    assert "users.get: -> GET" in log
    assert "auth.login: <- 200" in log
    assert len(secrets) >= 4
    assert not [secret for secret in secrets if secret in log]


def test_the_offline_hint_is_passed_on() -> None:
    """What was served stale while offline is refreshed once the hint says that the device is back."""

    async def main() -> tuple[Outcome, Outcome, list[Any], list[Any]]:
        async with shop() as place, place.open() as client:
            await client.get()
            place.set({"on": "users.get", "fault": {"status": 503}})
            await client.subject.offline(True)
            stale = await client.get()
            place.session.heal()
            tried = await client.get(2)
            before = len(place.seen)
            await client.subject.offline(False)
            await client.settle()
            return stale, tried, place.seen[before:], place.seen

    stale, tried, back, _ = run(main)

    assert (stale.source, stale.stale) == ("cache", True)
    assert (tried.outcome, tried.source) == ("ok", "network")
    assert back == [("GET", "/users/1", 304, None)]


def test_the_session_can_be_replaced() -> None:
    """Resuming changes who is signed in and nothing else: nothing is sent, nobody is logged out, the cache stays."""

    async def main() -> tuple[list[tuple[str, str | None]], Result]:
        async with shop() as place, place.open() as client:
            await client.get()
            place.set({"on": "users.get", "fault": {"status": 503}})
            run_ = Run(id="case", case="topic/case", base_url=place.url, deadline_ms=1000, continues=True)
            found: list[tuple[str, str | None]] = []
            other = place.auth.model_copy(update={"email": "grace@example.com"})
            for auth in (None, other, place.auth):
                before = len(place.seen)
                await client.subject.resume(run_.model_copy(update={"auth": auth}))
                assert len(place.seen) == before
                outcome = await client.get()
                found.append((outcome.outcome, outcome.source))
            return found, await client.settle()

    found, result = run(main)

    assert found == [("error", None), ("error", None), ("ok", "cache")]
    assert (result.signed_in, result.logouts) == (True, 0)


def test_who_is_signed_in_is_known_before_any_call() -> None:
    """A client that was asked for nothing yet says whether it was given a session."""

    async def main() -> list[bool | None]:
        found: list[bool | None] = []
        for auth in (None, AuthGrant(access_token="a", refresh_token="b", email=EMAIL, password="x")):
            async with driven(create, "http://127.0.0.1:9", auth=auth) as client:
                found.append((await client.settle()).signed_in)
        return found

    assert asyncio.run(main()) == [False, True]


@pytest.mark.parametrize(
    ("op", "args", "options"),
    [
        ("users.rename", {"id": 1}, {}),
        ("users.get", {}, {}),
        ("users.get", {"id": 1, "fields": "name"}, {}),
        ("users.get", {"id": 1}, {"pages": True}),
        ("users.get", {"id": 1}, {"replayable": False}),
        ("http", {"method": "GET"}, {}),
        ("auth.login", {}, {}),
    ],
)
def test_what_the_client_does_not_have_is_not_supported(op: str, args: dict[str, Any], options: dict[str, Any]) -> None:
    """An unknown operation, argument or option is refused in words, and nothing is sent."""

    async def main() -> list[Any]:
        async with shop() as place, place.open(auth=None) as client:
            with pytest.raises(NotSupported, match=r"\w+ \w+"):
                await client.call(op, args, **options)
            return place.seen

    assert run(main) == []


def test_a_body_that_can_be_read_once_is_sent_once() -> None:
    """With ``replayable`` false a write arrives whole, and is not sent again when it fails."""

    async def main() -> tuple[list[Outcome], list[Any]]:
        async with shop() as place, place.open() as client:
            good = await client.call("orders.create", {"data": ORDER}, replayable=False)
            place.set({"on": "orders.create", "fault": {"status": 503}})
            bad = await client.call("orders.create", {"data": ORDER}, replayable=False)
            return [good, bad], place.seen

    outcomes, seen = run(main)

    assert [outcome.outcome for outcome in outcomes] == ["ok", "error"]
    assert [status for _, _, status, _ in seen] == [201, 503]


def test_a_foreign_url_gets_no_token() -> None:
    """``http`` takes an absolute URL of another origin, and sends it the tag but not the token."""

    async def main() -> Any:
        async with shop() as place, place.open() as client:
            await client.http("GET", f"{place.server.other_origin}/s/case/users/1")
            return place.session.journal.exchanges[-1]

    event = run(main)
    names = [name.lower() for name, _ in event.request_headers]

    assert "authorization" not in names
    assert "x-sadpath-call" in names


def test_clients_share_nothing() -> None:
    """Two clients in one session have caches, budgets, logs and keys of their own."""

    async def main() -> tuple[Outcome, Outcome, str, list[str | None]]:
        async with shop() as place, place.open() as one:
            await one.get()
            await one.call("orders.create", {"data": ORDER})
            async with place.open() as two:
                await two.call("orders.create", {"data": ORDER})
                place.set({"on": "users.get", "fault": {"status": 503}})
                keys = [item.idempotency_key for item in place.session.journal.exchanges if item.idempotency_key]
                return await one.get(), await two.get(), (await two.settle()).log, [*keys]

    one, two, log, keys = run(main)

    assert (one.source, two.source) == ("cache", None)
    assert log.count("users.get: -> GET") == 3
    assert len(set(keys)) == 2


def test_a_policy_is_read_or_refused() -> None:
    """The policy that a case sends is the client's; a mistake in it is an error that names the field."""

    async def main() -> int:
        async with shop() as place:
            with pytest.raises(PolicyError, match=r"retry: unknown field 'max_retry'"):
                async with place.open(promised={"retry": {"max_retry": 1}}):
                    pass
            place.set({"on": "users.get", "fault": {"status": 503}})
            async with place.open(promised=policy(retry={"max_retries": 4})) as client:
                await client.get()
            return len(place.seen)

    assert run(main) == 5


def test_closing_leaves_nothing() -> None:
    """A closed client has no connection, no task and no cache left, whatever was under way; closing twice is fine."""

    async def main() -> tuple[int, list[str]]:
        async with shop() as place:
            place.set({"on": "*", "fault": "stall"})
            subject = ReferenceSubject()
            await subject.close()
            run_ = Run(id="case", case="a/b", base_url=place.url, deadline_ms=1000, auth=place.auth, policy=QUICK)
            await subject.open(run_, LoopClock())
            tasks = asyncio.all_tasks()
            call = asyncio.ensure_future(Driven(subject).get())
            await place.asked()
            call.cancel()
            await subject.close()
            await subject.close()
            await asyncio.wait({call})
            left = [task.get_name() for task in asyncio.all_tasks() - tasks if "place" not in task.get_name()]
            return subject.client.stack.http.connections, [
                name for name in left if name in ("auth.refresh", "next page")
            ]

    assert run(main) == (0, [])


def test_the_driver_gets_along_with_it() -> None:
    """Through the in-process driver a case runs in segments, and nothing is left over at its end."""

    async def main() -> tuple[list[Outcome], list[Any], list[str]]:
        async with shop() as place:
            driver = InProcessDriver(create)
            outcomes: list[Outcome] = []
            ends: list[Any] = []
            first = Run(
                id="case", case="a/b", base_url=place.url, deadline_ms=5000, auth=place.auth, policy=QUICK,
                calls=[CallStep(call="a", op="users.get", args={"id": 1}, times=2)],
            )  # fmt: skip
            ends.append(await driver.run(first, outcomes.append))
            silent = [CallStep(call="b", op="settings.get", cancel_after_ms=0)]
            again = first.model_copy(update={"continues": True, "auth": None, "calls": silent})
            ends.append(await driver.run(again, outcomes.append))
            odd = again.model_copy(update={"calls": [CallStep(call="c", op="no.such")]})
            ends.append(await driver.run(odd, outcomes.append))
            return outcomes, ends, await driver.end_case("case")

    outcomes, ends, left = run(main)

    assert [(item.call, item.i, item.outcome) for item in outcomes] == [
        ("a", 0, "ok"),
        ("a", 1, "ok"),
        ("b", 0, "cancelled"),
    ]
    assert [type(end) for end in ends] == [Result, Result, Unsupported]
    assert left == []


@given(key=st.text(max_size=12), born=st.floats(allow_nan=False), low=st.floats(0, 1e6), width=st.floats(0, 1e6))
@settings(max_examples=60, deadline=None)
def test_chance_depends_on_its_key_alone(key: str, born: float, low: float, width: float) -> None:
    """The same case draws the same waits, within their bounds; keys are UUIDs that no client of the session repeats."""
    one, same, later = (KeyedChance("case", key, born=moment) for moment in (born, born, born + 1.0))
    waits = [[chance.uniform(low, low + width) for _ in range(5)] for chance in (one, same, later)]
    keys = [chance.key() for chance in (one, one, same, same)]

    assert waits[0] == waits[1] == waits[2]
    assert all(low <= wait <= low + width for wait in waits[0])
    assert keys[:2] == keys[2:]
    assert len(set(keys)) == 2
    assert all(len(item) == 36 and item[14] == "4" for item in keys)
    if born + 1.0 != born:
        assert later.key() not in keys


def test_waits_are_spread() -> None:
    """Over many draws waits fill their range, and two cases do not wait alike."""
    one, other = KeyedChance("case", "a", born=0.0), KeyedChance("case", "b", born=0.0)
    waits = [one.uniform(0.0, 1.0) for _ in range(400)]

    assert waits != [other.uniform(0.0, 1.0) for _ in range(400)]
    for tenth in range(10):
        assert 15 <= sum(tenth / 10 <= wait < (tenth + 1) / 10 for wait in waits) <= 75
