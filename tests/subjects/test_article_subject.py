"""The article's design in Python: that it is driven rightly, and that each of its known defects is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from sadpath.core.clock import LoopClock
from sadpath.drivers.messages import CAPABILITIES, ERROR_KINDS, AuthGrant, Outcome, Run
from sadpath.drivers.subject import NotSupported, Resumable
from sadpath.scenario.loader import read_scenario
from sadpath.server.given import prepare
from sadpath.server.runner import LiveServer
from sadpath.subjects.article import create
from sadpath.subjects.article.dio import CancelToken, Dio, DioError, ErrorType, RequestOptions
from sadpath.workspace import find_workspace
from tests.client.scripted import Seen, Server, Step, close, problem, reply, reset, serving, stall, wait
from tests.client.shopside import ORDER, SETTINGS, USER
from tests.subjects.driving import ADA, driven, policy, said
from tests.subjects.showing import gaps, values

T = TypeVar("T")


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a test's coroutine."""
    return asyncio.run(main())


def page(numbers: list[int], current: int, last: int) -> Any:
    """Answer with a page of users."""
    meta = {"current_page": current, "last_page": last, "per_page": 2, "total": 9}
    return reply(200, {"success": True, "data": [{**USER, "id": n} for n in numbers], "meta": meta}, Content_Type=JSON)


def orders(numbers: list[int], following: str | None = None) -> Step:
    """Answer with a page of orders."""
    data = {"data": [{**ORDER, "id": number} for number in numbers], "next_cursor": following}
    return reply(200, data, Content_Type=JSON)


JSON = "application/json"
READ = reply(200, USER, Content_Type=JSON)
REFUSED = reply(401, {"message": "sign in"}, Content_Type=JSON)


def tokens(number: int) -> Step:
    """Answer with a pair of tokens."""
    pair = {"access_token": f"access-token-{number}", "refresh_token": f"refresh-token-{number}"}
    return reply(200, pair, Content_Type=JSON)


def guarded(delay: float) -> Server:
    """Return a server that refuses the first token, and takes ``delay`` seconds to hand out the second."""

    async def user_for_the_second(seen: Seen) -> None:
        await (READ if seen.token == "access-token-2" else REFUSED)(seen)

    return Server().on("*", user_for_the_second).on("POST /auth/refresh", wait(delay, tokens(2)))


def test_it_can_be_driven() -> None:
    """Every operation reaches the real backend with the call's tag, and brings what the API has."""

    async def main() -> tuple[list[Outcome], list[Any], Any]:
        async with LiveServer(find_workspace()) as server:
            session = server.sessions.create("case")
            grant = await prepare(server.engine, session, read_scenario({"title": "A test"}))
            auth = AuthGrant.model_validate(grant.to_json())
            async with driven(create, server.url_of("case"), auth=auth) as client:
                order = {"items": [{"sku": "TEA-250", "quantity": 1}]}
                calls: list[tuple[str, Any]] = [
                    ("users.get", {"id": 1}),
                    ("users.list", {"page": 2, "limit": 3}),
                    ("users.create", {"data": {"user_name": "Katherine", "email_address": "k@example.com"}}),
                    ("users.update", {"id": 2, "data": {"user_name": "Rear Admiral"}}),
                    ("users.delete", {"id": 3}),
                    ("orders.list", {"limit": 2}),
                    ("orders.create", {"data": order}),
                    ("settings.get", {}),
                    ("http", {"method": "GET", "path": "/users/1"}),
                    ("auth.logout", {}),
                    ("auth.login", {}),
                ]
                outcomes = [await client.call(op, args) for op, args in calls]
                outcomes.append(await client.call("users.list", {"limit": 20}, pages=True))
                outcomes.append(await client.call("orders.list", {"limit": 4}, pages=True))
                events = [(item.status, item.call) for item in session.journal.exchanges]
                return outcomes, events, await client.settle()

    outcomes, events, result = run(main)

    assert {outcome.outcome for outcome in outcomes} == {"ok"}
    assert [tag for _, tag in events[:11]] == [f"c{number}/0" for number in range(1, 12)]
    assert all(status is not None and status < 300 for status, _ in events)
    data = [outcome.value.data for outcome in outcomes if outcome.value is not None]
    assert data[0] == data[8]
    assert [item["id"] for item in data[1]["data"]] == [4, 5, 6]
    assert data[3]["user_name"] == "Rear Admiral"
    assert data[4] is None
    assert [item["id"] for item in data[11]] == [*range(1, 3), *range(4, 52)]
    assert len({item["id"] for item in data[12]}) == len(data[12]) > 4
    assert (result.signed_in, result.logouts) == (True, 0)


def test_hello_claims_what_there_is() -> None:
    """The hello names known capabilities only, and none of those that the article does not speak of."""
    hello = create().hello()

    assert set(hello.capabilities) < set(CAPABILITIES)
    assert not {"idempotency_key", "retry_after", "connectivity", "fake_clock", "cache_control"} & set(
        hello.capabilities
    )
    assert isinstance(create(), Resumable)


@pytest.mark.parametrize(
    ("op", "args", "options"),
    [
        ("users.rename", {}, {}),
        ("users.get", {}, {}),
        ("users.get", {"id": 1}, {"pages": True}),
        ("orders.create", {"data": {}}, {"replayable": False}),
        ("auth.login", {}, {}),
    ],
)
def test_what_it_does_not_have_is_not_supported(op: str, args: dict[str, Any], options: dict[str, Any]) -> None:
    """Unknown operations and missing arguments are refused in words, not blamed on the client."""

    async def main() -> int:
        async with serving() as server, driven(create, server.url, auth=None) as client:
            with pytest.raises(NotSupported, match=r"\w+ \w+"):
                await client.call(op, args, **options)
            with pytest.raises(NotSupported):
                await client.subject.advance(5)
            with pytest.raises(NotSupported):
                await client.subject.offline(True)
            return len(server.seen)

    assert run(main) == 0


@pytest.mark.parametrize(
    ("step", "kind", "status"),
    [
        (problem(403), "forbidden", 403),
        (problem(400), "unexpected_status", 400),
        (problem(503), "server", 503),
        (stall, "timeout.read", None),
        (close, "other", None),
        (reset, "other", None),
        (reply(404, b"not json", Content_Type=JSON), "other", None),
        (reply(200, b"<html>", Content_Type="text/html"), "other", None),
    ],
)
def test_failures_are_what_their_caller_can_tell(step: Any, kind: str, status: int | None) -> None:
    """A failure's kind is read from status and message; a body that is no JSON takes the status with it."""

    async def main() -> Outcome:
        async with serving() as server, driven(create, server.url, promised=policy(retry={"max_retries": 0})) as client:
            server.on("*", step)
            return await client.get()

    outcome = run(main)

    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.status) == (kind, status)
    assert kind in ERROR_KINDS


def test_a_server_that_is_not_there_is_no_internet() -> None:
    """A refused connection is reported as having no internet."""

    async def main() -> str:
        async with driven(create, "http://127.0.0.1:9", promised=policy(retry={"max_retries": 0})) as client:
            return await client.said("users.get", {"id": 1})

    assert run(main) == "offline"


def test_concurrent_refusals_fail_but_one() -> None:
    """Of five calls that are refused at once, the one that refreshes succeeds."""
    server = guarded(0.05)

    async def main() -> list[str]:
        async with serving(server), driven(create, server.url) as client:
            return list(await asyncio.gather(*(said(client.get(number)) for number in range(1, 6))))

    assert sorted(run(main)) == ["ok", *["unauthorized"] * 4]


def test_any_failed_refresh_logs_out() -> None:
    """A refresh that meets a 503 ends the session, and the call fails with its own 401."""

    async def main() -> tuple[str, Any]:
        async with serving() as server, driven(create, server.url) as client:
            server.on("*", REFUSED).on("POST /auth/refresh", problem(503))
            return await client.said("users.get", {"id": 1}), await client.settle()

    how, result = run(main)

    assert how == "unauthorized"
    assert (result.signed_in, result.logouts) == (False, 1)


def test_nobody_is_logged_out_who_was_not_signed_in() -> None:
    """A 401 for somebody without tokens ends no session."""

    async def main() -> Any:
        async with serving() as server, driven(create, server.url, auth=None) as client:
            server.on("*", REFUSED)
            await client.get()
            return await client.settle()

    assert run(main).logouts == 0


def test_the_replay_goes_over_a_plain_client() -> None:
    """The replay has headers, token and limits, but no retries: one silence, and a session just renewed is over."""

    async def main() -> tuple[str, list[Any], Any]:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /users/1", REFUSED, stall, READ).on("POST /auth/refresh", tokens(2))
            how = await client.said("users.get", {"id": 1})
            seen = [(seen.token, seen.headers.get("x-sadpath-call")) for seen in server.of("GET /users/1")]
            return how, seen, await client.settle()

    how, seen, result = run(main)

    assert how == "unauthorized"
    assert seen == [("access-token-1", "c1/0"), ("access-token-2", "c1/0")]
    assert (result.signed_in, result.logouts) == (False, 1)


def test_a_refresh_has_no_limit() -> None:
    """A refresh that is not answered keeps its call for ever, and every later 401 is final."""

    async def main() -> tuple[bool, str]:
        async with serving() as server, driven(create, server.url) as client:
            server.on("*", REFUSED).on("POST /auth/refresh", stall)
            call = asyncio.ensure_future(said(client.get()))
            await asyncio.sleep(0.6)
            ended, later = call.done(), await client.said("users.get", {"id": 2})
            call.cancel()
            await call
            return ended, later

    assert run(main) == (False, "unauthorized")


def test_the_cache_hides_everything() -> None:
    """A 403, a page of HTML from a proxy, and a cancel are all answered with what was there before, unmarked."""

    async def main() -> list[Any]:
        found = []
        for step in (problem(403), reply(500, b"<html>", Content_Type=JSON), stall):
            async with serving() as server, driven(create, server.url) as client:
                server.on("GET /users/1", READ, step)
                await client.get()
                call = asyncio.ensure_future(client.get())
                await asyncio.sleep(0.1)
                call.cancel()
                outcome = await call
                found.append((outcome.outcome, outcome.stale, outcome.source, outcome.value is not None))
        return found

    assert run(main) == [("ok", False, None, True)] * 3


def test_any_method_is_retried_with_doubled_waits() -> None:
    """An order that met silence is sent three times, without a key; the first wait is twice as long as it is meant."""

    async def main() -> tuple[list[Any], list[float]]:
        promised = policy(retry={"first_delay_ms": 50})
        async with serving() as server, driven(create, server.url, promised=promised) as client:
            server.on("*", stall)
            await client.call("orders.create", {"data": {"items": []}})
            return [seen.headers.get("idempotency-key") for seen in server.seen], gaps(server, "POST /orders")

    keys, waits = run(main)

    assert keys == [None] * 3
    assert waits[0] >= 0.15 + 0.1
    assert waits[1] >= 0.15 + 0.2


def test_answers_are_not_retried() -> None:
    """A 503 and a dropped connection are final, whatever Retry-After says."""

    async def main() -> list[int]:
        found = []
        for step in (problem(503, Retry_After="0"), close):
            async with serving() as server, driven(create, server.url) as client:
                server.on("*", step)
                await client.get()
                found.append(len(server.seen))
        return found

    assert run(main) == [1, 1]


@pytest.mark.parametrize("body", [["too long"], "nope", 7, {"message": ["two", "texts"]}])
def test_a_message_that_is_none_escapes(body: Any) -> None:
    """An error body that is a list, a text or a number makes the handler crash, past the result type."""

    async def main() -> str:
        async with serving() as server, driven(create, server.url) as client:
            server.on("*", reply(422, body, Content_Type=JSON))
            return await client.said("users.get", {"id": 1})

    assert run(main) == "escaped: TypeError"


@pytest.mark.parametrize("body", [{}, {"title": "No message"}, None])
def test_an_object_without_a_message_is_fine(body: Any) -> None:
    """An error body without a message gives the usual sentence."""

    async def main() -> str:
        async with serving() as server, driven(create, server.url) as client:
            server.on("*", reply(422, body, Content_Type=JSON))
            return await client.said("users.get", {"id": 1})

    assert run(main) == "validation"


def test_a_wrong_shape_escapes_where_only_one_error_is_caught() -> None:
    """A list of the wrong shape is an exception for its caller; a single user of the wrong shape is a failure."""

    async def main() -> list[str]:
        async with serving() as server, driven(create, server.url) as client:
            server.on("*", reply(200, {"id": "1"}, Content_Type=JSON))
            return [await client.said("users.list"), await client.said("users.get", {"id": 1})]

    assert run(main) == ["escaped: KeyError", "other"]


def test_a_cancel_is_a_failure_of_the_network() -> None:
    """A cancelled call ends at once, as a failure; in a back-off too, after which nothing is sent."""

    async def main() -> list[Any]:
        found: list[Any] = []
        silent = policy(timeouts={"read_ms": 2000})
        waiting = policy(retry={"first_delay_ms": 1000})
        for seconds, steps, promised in ((0.1, (stall,), silent), (0.4, (stall, READ), waiting)):
            async with serving() as server, driven(create, server.url, promised=promised) as client:
                server.on("*", *steps)
                clock = LoopClock()
                call = asyncio.ensure_future(said(client.get()))
                await asyncio.sleep(seconds)
                call.cancel()
                found.append((await call, clock.now() < seconds + 0.8))
                await client.settle()
                found.append(len(server.seen))
        return found

    assert run(main) == [("other", True), 1, ("other", True), 1]


def test_a_cancel_during_a_refresh_logs_out() -> None:
    """The refresh goes on when its call is cancelled; then its replay meets the cancel, and the tokens are cleared."""
    server = guarded(0.1)

    async def main() -> tuple[str, Any]:
        async with serving(server), driven(create, server.url) as client:
            call = asyncio.ensure_future(said(client.get()))
            await asyncio.sleep(0.06)
            call.cancel()
            return await call, await client.settle()

    how, result = run(main)

    assert how == "other"
    assert (result.signed_in, result.logouts) == (False, 1)
    assert [seen.route for seen in server.seen] == ["GET /users/1", "POST /auth/refresh"]


def test_a_login_that_is_refused_logs_out() -> None:
    """A 401 from login is one like any other: the session that was there is refreshed, and lost with the refresh."""

    async def main() -> tuple[list[str], Any]:
        async with serving() as server, driven(create, server.url) as client:
            server.on("POST /auth/login", REFUSED).on("POST /auth/refresh", problem(400))
            await client.call("auth.login")
            return [seen.route for seen in server.seen], await client.settle()

    routes, result = run(main)

    assert routes == ["POST /auth/login", "POST /auth/refresh"]
    assert result.signed_in is False


def test_settings_are_refreshed_in_silence() -> None:
    """A hit is answered at once and refreshed behind it, once for each hit; what that fails with is lost."""

    async def main() -> tuple[int, Any]:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /settings", reply(200, SETTINGS, Content_Type=JSON), wait(0.05, problem(500)))
            await client.call("settings.get")
            await asyncio.gather(*(client.call("settings.get") for _ in range(3)))
            result = await client.settle()
            return server.count("GET /settings"), result

    count, result = run(main)

    assert count == 4
    assert result.background_errors == []


def test_the_box_knows_no_users() -> None:
    """After another user has signed in, the first one's cached data are still served."""

    async def main() -> Any:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /users/1", READ, problem(503))
            await client.get()
            other = ADA.model_copy(update={"email": "grace@example.com", "access_token": "other"})
            case = Run(id="case", case="a/b", base_url=server.url, deadline_ms=1000, continues=True, auth=other)
            await client.subject.resume(case)
            outcome = await client.get()
            return outcome.outcome, server.seen[-1].token

    assert run(main) == ("ok", "other")


def test_pages_are_counted_by_the_envelope() -> None:
    """All pages of a list are one fetch each, up to the last that the envelope names; orders go on by cursor."""

    async def main() -> tuple[Any, Any, list[str]]:
        async with serving() as server, driven(create, server.url) as client:
            server.on("GET /users", page([1, 2], 1, 2), page([3], 2, 2))
            server.on("GET /orders", orders([1], "A"), orders([2]))
            users = await client.call("users.list", {"limit": 2}, pages=True)
            bought = await client.call("orders.list", pages=True)
            return values(users), values(bought), [seen.target for seen in server.seen]

    assert run(main) == (
        [1, 2, 3],
        [1, 2],
        ["/users?page=1&limit=2", "/users?page=2&limit=2", "/orders", "/orders?cursor=A"],
    )


def test_a_token_goes_wherever_the_client_goes() -> None:
    """A request to another origin carries the token."""

    async def main() -> Any:
        async with serving() as own, serving() as other, driven(create, own.url) as client:
            other.on("*", reply(200, {}, Content_Type=JSON))
            await client.http("GET", f"{other.url}/anything")
            return other.seen[0].token

    assert run(main) == "access-token-1"


def test_the_log_has_bodies_but_no_headers() -> None:
    """A login's password stands in the log; an access token does not."""

    async def main() -> str:
        async with serving() as server, driven(create, server.url) as client:
            server.on("*", reply(200, {"access_token": "a-new-token"}, Content_Type=JSON))
            await client.call("auth.login")
            await client.get()
            return (await client.settle()).log

    log = run(main)

    assert "correct-horse" in log
    assert "/users/1" in log
    assert "token" not in log


def test_a_used_token_sends_nothing() -> None:
    """Options whose cancel token was used are not sent, and end as cancelled."""

    async def main() -> tuple[Any, int]:
        async with serving() as server:
            dio, token = Dio(server.url), CancelToken()
            token.cancel()
            with pytest.raises(DioError) as caught:
                await dio.fetch(RequestOptions("GET", "/", base_url=server.url, cancel_token=token))
            await dio.close()
            return caught.value.type, len(server.seen)

    assert run(main) == (ErrorType.CANCEL, 0)


@pytest.mark.parametrize(("method", "followed"), [("GET", True), ("PUT", False)])
def test_redirects_are_followed_for_reads(method: str, followed: bool) -> None:
    """A redirected GET is followed; a redirected PUT is a failure with the status."""

    async def main() -> tuple[str, list[str]]:
        async with serving() as server, driven(create, server.url) as client:
            server.on(f"{method} /old", reply(302, {}, Content_Type=JSON, Location="/new")).on(
                "*", reply(200, {}, Content_Type=JSON)
            )
            return await client.said("http", {"method": method, "path": "/old"}), [seen.route for seen in server.seen]

    how, routes = run(main)

    assert how == ("ok" if followed else "unexpected_status")
    assert routes == ([f"{method} /old", f"{method} /new"] if followed else [f"{method} /old"])


def test_closing_ends_what_hangs() -> None:
    """A client that hangs in a refresh without a limit can be closed, and leaves no task behind."""

    async def main() -> set[str]:
        async with serving() as server:
            server.on("*", REFUSED).on("POST /auth/refresh", stall)
            before = asyncio.all_tasks()
            async with driven(create, server.url) as client:
                call = asyncio.ensure_future(said(client.get()))
                await asyncio.sleep(0.3)
                call.cancel()
                await call
            await asyncio.sleep(0.01)
            return {
                str(task.get_coro())
                for task in asyncio.all_tasks() - before
                if "Server.serve" not in str(task.get_coro())
            }

    assert run(main) == set()
