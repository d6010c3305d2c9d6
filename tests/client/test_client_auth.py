"""The session: one renewal whoever asks, one replay, and no logout but the one that the server means."""

from __future__ import annotations

import asyncio

import pytest

from sadpath.client import MemoryTokens, Parts, Success, SystemClock
from sadpath.client.calls import CallBook
from sadpath.client.deadline import Deadline
from sadpath.client.message import Call
from tests.client.scripted import Server, Step, after, close, cut, problem, reply, reset, serving, stall, wait
from tests.client.shopside import (
    INVALID_GRANT,
    LOGGED_IN,
    PATIENT,
    SESSION,
    USER,
    Gate,
    failure_of,
    guarded,
    patience_for,
    shop,
    success_of,
)


def test_concurrent_401s_share_one_renewal() -> None:
    """Five calls whose token expired renew it once, and all five succeed."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        async with serving(guarded(gate, refresh=gate.renews(delay=0.05))) as server, shop(server) as client:
            results = await asyncio.gather(*(client.users.get(number) for number in range(1, 6)))
            assert all(isinstance(result, Success) for result in results)
            assert server.count("POST /auth/refresh") == 1
            assert {success_of(result).attempts for result in results} == {2}

    asyncio.run(run())


def test_late_401_replays_with_the_token_that_is_there() -> None:
    """A 401 that arrives when its token was replaced already brings a replay and no second renewal."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        server = guarded(gate)
        late = asyncio.Event()
        server.on("GET /users/2", after(late, reply(401)), gate.guards(reply(200, {**USER, "id": 2})))
        async with serving(server), shop(server, policy=PATIENT) as client:
            slow = asyncio.create_task(client.users.get(2))
            await server.came("GET /users/2")
            success_of(await client.users.get(1))
            late.set()
            success_of(await slow)
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_second_401_after_a_late_one_is_final() -> None:
    """A call that was replayed because its token was an old one is not replayed again, nor renews the session."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        late = asyncio.Event()
        server = guarded(gate).on("GET /users/2", after(late, reply(401)), reply(503), reply(401), reply(200, USER))
        async with serving(server), shop(server, policy=PATIENT) as client:
            slow = asyncio.create_task(client.users.get(2))
            await server.came("GET /users/2")
            success_of(await client.users.get(1))
            late.set()
            failure = failure_of(await slow)
            assert (failure.kind, failure.attempts, server.count("POST /auth/refresh")) == ("unauthorized", 3, 1)

    asyncio.run(run())


def test_second_401_is_final() -> None:
    """A call is replayed once; a second 401 is an authorisation failure, with the session kept."""

    async def run() -> None:
        gate = Gate()
        server = guarded(gate).on("GET /users/1", problem(401))
        async with serving(server), shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.status, failure.attempts) == ("unauthorized", 401, 2)
            assert (server.count("GET /users/1"), server.count("POST /auth/refresh")) == (2, 1)
            assert client.signed_in
            assert client.logouts == 0

    asyncio.run(run())


def test_replay_is_followed_by_retries_but_by_no_second_replay() -> None:
    """After a replay a busy server is still retried, and a 401 then is final."""

    async def run() -> None:
        server = guarded(Gate()).on("GET /users/1", reply(401), reply(503), reply(401))
        async with serving(server), shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.attempts, server.count("POST /auth/refresh")) == ("unauthorized", 3, 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (stall, "timeout.read", None),
        (reset, "reset", None),
        (close, "closed", None),
        (problem(429), "rate_limited", 429),
        (problem(500), "server", 500),
        (problem(503), "server", 503),
        (problem(401), "unauthorized", 401),
        (problem(403), "forbidden", 403),
        (problem(400), "unexpected_status", 400),
        (reply(403, {"error": "invalid_grant"}), "forbidden", 403),
        (reply(500, {"error": "invalid_grant"}), "server", 500),
        (cut(LOGGED_IN, 10), "truncated", 200),
    ],
)
def test_renewal_that_fails_otherwise_keeps_the_session(answer: Step, kind: str, status: int | None) -> None:
    """A renewal that fails in transit, or with any but the final words, keeps the session and says how it failed."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        async with (
            serving(guarded(gate, refresh=answer)) as server,
            shop(server, policy=patience_for(answer)) as client,
        ):
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.status) == (kind, status)
            assert failure.attempts == 1
            assert client.signed_in
            assert client.logouts == 0
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_failed_renewal_can_be_tried_again_by_a_later_call() -> None:
    """After a renewal that failed in transit, the next call presents the refresh token once more."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        server = guarded(gate).on("POST /auth/refresh", problem(503), gate.renews())
        async with serving(server), shop(server) as client:
            assert failure_of(await client.users.get(1)).status == 503
            success_of(await client.users.get(1))
            assert server.count("POST /auth/refresh") == 2

    asyncio.run(run())


def test_failed_renewal_answers_for_every_call_under_way() -> None:
    """A call that was under way when a renewal failed does not ask for another, however late its 401."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        late = asyncio.Event()
        server = guarded(gate, refresh=problem(503)).on("GET /users/2", after(late, reply(401)))
        async with serving(server), shop(server, policy=PATIENT) as client:
            slow = asyncio.create_task(client.users.get(2))
            await server.came("GET /users/2")
            assert failure_of(await client.users.get(1)).status == 503
            late.set()
            assert failure_of(await slow).status == 503
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


@pytest.mark.parametrize("refusal", [INVALID_GRANT, reply(401, {"error": "invalid_grant"})])
def test_invalid_grant_logs_out_once(refusal: Step) -> None:
    """When the server ends the session, the client logs out exactly once, for all calls together."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        store = MemoryTokens()
        server = guarded(gate, refresh=wait(0.05, refusal))
        async with serving(server), shop(server, tokens=store) as client:
            results = await asyncio.gather(*(client.users.get(number) for number in range(1, 6)))
            assert {(failure_of(result).kind, failure_of(result).status) for result in results} == {
                ("unauthorized", 401)
            }
            assert (client.signed_in, client.logouts) == (False, 1)
            assert store.saved is None
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, client.logouts) == ("unauthorized", 1)
            assert server.count("POST /auth/refresh") == 1
            assert server.seen[-1].token is None

    asyncio.run(run())


def test_lost_answer_of_a_renewal_is_not_asked_for_again() -> None:
    """A renewal whose answer is lost is not repeated; the next call tries, and learns that the session is over."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        server = guarded(gate, refresh=gate.renews(lost=reset))
        async with serving(server), shop(server) as client:
            assert failure_of(await client.users.get(1)).kind == "reset"
            assert (server.count("POST /auth/refresh"), client.signed_in) == (1, True)
            assert failure_of(await client.users.get(1)).kind == "unauthorized"
            assert (server.count("POST /auth/refresh"), client.signed_in, client.logouts) == (2, False, 1)

    asyncio.run(run())


def test_cancelling_the_call_that_began_a_renewal_does_not_end_it() -> None:
    """The shared renewal goes on when the call that began it is cancelled, and the others get their answer."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        go = asyncio.Event()
        server = guarded(gate, refresh=after(go, gate.renews()))
        async with serving(server), shop(server, policy=PATIENT) as client:
            first = asyncio.create_task(client.users.get(1))
            await server.came("POST /auth/refresh")
            second = asyncio.create_task(client.users.get(2))
            await server.came("GET /users/2")
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            go.set()
            success_of(await second)
            assert (server.count("POST /auth/refresh"), client.logouts) == (1, 0)
            assert server.count("GET /users/1") == 1

    asyncio.run(run())


def test_renewal_finishes_when_every_caller_is_gone() -> None:
    """A renewal that nobody waits for any more still brings the new pair."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        go = asyncio.Event()
        server = guarded(gate, refresh=after(go, gate.renews()))
        async with serving(server), shop(server, policy=PATIENT) as client:
            task = asyncio.create_task(client.users.get(1))
            await server.came("POST /auth/refresh")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert client.background_work == ["auth.refresh"]
            go.set()
            await client.settle()
            success_of(await client.users.get(1))
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_waiting_calls_keep_their_own_deadlines() -> None:
    """A call that waits for a slow renewal ends at its own deadline; the renewal goes on."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        go = asyncio.Event()

        class Hurried(CallBook):
            """Gives calls less time than the session's own."""

            def open(self, operation: str, deadline: Deadline | None = None) -> Call:
                """Begin a call."""
                hurry = operation == "users.get" and not server.count("GET /users/1")
                return super().open(operation, Deadline(SystemClock(), 0.2) if hurry else deadline)

        server = guarded(gate, refresh=after(go, gate.renews()))
        async with serving(server), shop(server, policy=PATIENT, parts=Parts(book=Hurried)) as client:
            early = asyncio.create_task(client.users.get(1))
            await server.came("POST /auth/refresh")
            late = asyncio.create_task(client.users.get(2))
            assert failure_of(await early).kind == "timeout.total"
            go.set()
            assert isinstance(await late, Success)
            assert server.count("POST /auth/refresh") == 1

    asyncio.run(run())


def test_logout_during_a_renewal_drops_its_result() -> None:
    """Tokens that arrive after logout are dropped: nothing is stored, nobody is signed in, no replay goes out."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        store = MemoryTokens()
        go = asyncio.Event()
        server = guarded(gate, refresh=after(go, gate.renews())).on("POST /auth/logout", reply(204))
        async with serving(server), shop(server, tokens=store, policy=PATIENT) as client:
            call = asyncio.create_task(client.users.get(1))
            await server.came("POST /auth/refresh")
            success_of(await client.logout())
            go.set()
            assert failure_of(await call).kind == "unauthorized"
            await client.settle()
            assert (client.signed_in, client.logouts, store.saved) == (False, 0, None)
            assert [seen.token for seen in server.seen] == ["access-token-1", None, "access-token-1"]

    asyncio.run(run())


def test_late_invalid_grant_does_not_end_the_next_session() -> None:
    """The bad end of an old session's renewal leaves alone who has signed in meanwhile."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        go = asyncio.Event()
        server = guarded(gate, refresh=after(go, INVALID_GRANT)).on("POST /auth/login", reply(200, LOGGED_IN))
        async with serving(server), shop(server, policy=PATIENT) as client:
            call = asyncio.create_task(client.users.get(1))
            await server.came("POST /auth/refresh")
            success_of(await client.login("bob@example.com", "correct-horse"))
            go.set()
            assert failure_of(await call).kind == "unauthorized"
            assert (client.signed_in, client.logouts) == (True, 0)

    asyncio.run(run())


def test_renewal_of_an_old_session_does_not_hold_up_the_next() -> None:
    """A session that was put in place while the old one was being renewed has a renewal of its own."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        go = asyncio.Event()
        server = guarded(gate).on("POST /auth/refresh", after(go, problem(503)), gate.renews())
        async with serving(server), shop(server, policy=PATIENT) as client:
            call = asyncio.create_task(client.users.get(1))
            await server.came("POST /auth/refresh")
            await client.restore(SESSION)
            success_of(await client.users.get(2))
            go.set()
            assert failure_of(await call).status == 503
            assert server.count("POST /auth/refresh") == 2

    asyncio.run(run())


def test_call_never_carries_the_next_users_token() -> None:
    """A call that began in one session is not retried with the token of the next."""

    async def run() -> None:
        go = asyncio.Event()
        server = Server().on("GET /users/1", after(go, reply(503))).on("POST /auth/login", reply(200, LOGGED_IN))
        async with serving(server), shop(server, policy=PATIENT) as client:
            call = asyncio.create_task(client.users.get(1))
            await server.came("GET /users/1")
            success_of(await client.login("bob@example.com", "correct-horse"))
            go.set()
            await call
            assert [seen.token for seen in server.of("GET /users/1")] == ["access-token-1", None, None]

    asyncio.run(run())
