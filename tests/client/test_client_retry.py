"""What is tried again, how often, after which wait, and when not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.client import Success, SystemClock
from sadpath.client.log import CallLog
from sadpath.client.policy import BudgetPolicy, RetryPolicy
from sadpath.client.redaction import Redactor
from sadpath.client.retry import Budget, Retry, backoff
from tests.client.scripted import Server, Step, close, cut, problem, raw, reply, reset, serving, stall
from tests.client.shopside import (
    QUICK,
    SETTINGS,
    USER,
    FixedChance,
    Lines,
    failure_of,
    patience_for,
    shop,
    success_of,
    until,
)

_CLOCK = SystemClock()
_LOG = CallLog(Lines(), Redactor())

TRANSPORT_FAULTS: dict[str, Step] = {
    "timeout.read": stall,
    "closed": close,
    "reset": reset,
    "truncated": cut(USER, 10),
    "protocol": raw(b"\x00\x01garbage\r\n\r\n"),
}


def with_retry(**values: Any) -> Any:
    """Return the quick policy with another retry policy."""
    return replace(QUICK, retry=replace(QUICK.retry, **values))


@pytest.mark.parametrize("kind", TRANSPORT_FAULTS)
def test_every_transport_failure_is_retried(kind: str) -> None:
    """A read is sent again after each kind of transport failure, also one in the middle of the body."""

    async def run() -> None:
        fault = TRANSPORT_FAULTS[kind]
        script = Server().on("GET /users/1", fault, reply(200, USER))
        async with serving(script) as server, shop(server, policy=patience_for(fault)) as client:
            result = success_of(await client.users.get(1))
            assert (result.attempts, server.count("GET /users/1")) == (2, 2)

    asyncio.run(run())


@pytest.mark.parametrize("kind", TRANSPORT_FAULTS)
def test_last_failure_is_reported_with_the_attempts(kind: str) -> None:
    """When every attempt fails, the call ends with the last failure and the number of attempts."""

    async def run() -> None:
        # On a fresh connection each: a reused one that dies is another story.
        busy = reply(503, Connection="close")
        fault = TRANSPORT_FAULTS[kind]
        script = Server().on("GET /users/1", busy, busy, fault)
        async with serving(script) as server, shop(server, policy=patience_for(fault)) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.attempts, server.count("GET /users/1")) == (kind, 3, 3)

    asyncio.run(run())


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_promised_statuses_are_retried(status: int) -> None:
    """Each promised status is tried again exactly as often as promised."""

    async def run() -> None:
        async with serving(Server().on("GET /users/1", problem(status))) as server, shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.status, failure.attempts, server.count("GET /users/1")) == (status, 3, 3)

    asyncio.run(run())


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422, 425, 500, 501, 505])
def test_other_statuses_are_not_retried(status: int) -> None:
    """No other error status is tried again, Retry-After or not."""

    async def run() -> None:
        script = Server().on("GET /users/1", problem(status, Retry_After="0"))
        async with serving(script) as server, shop(server) as client:
            assert failure_of(await client.users.get(1)).attempts == 1
            assert server.count("GET /users/1") == 1

    asyncio.run(run())


@pytest.mark.parametrize(("method", "attempts"), [("GET", 3), ("PUT", 3), ("DELETE", 3), ("POST", 1), ("PATCH", 1)])
@pytest.mark.parametrize("fault", [close, reset, stall, reply(503)])
def test_only_idempotent_methods_are_repeated(method: str, attempts: int, fault: Step) -> None:
    """Once bytes were sent, a POST or PATCH without a key is not sent again, whatever went wrong."""

    async def run() -> None:
        async with serving(Server().on("*", fault)) as server, shop(server, policy=patience_for(fault)) as client:
            await client.http(method, "/users/1", json=None if method == "GET" else {})
            assert len(server.seen) == attempts

    asyncio.run(run())


def test_post_that_never_arrived_is_repeated() -> None:
    """A POST whose connection was refused has sent nothing, so it may be sent again."""

    async def run() -> None:
        async with serving() as server:
            pass
        async with shop(server) as client:
            failure = failure_of(await client.http("POST", "/orders", json={}))
            assert (failure.kind, failure.attempts, failure.effect_unknown) == ("refused", 3, False)

    asyncio.run(run())


def test_attempts_are_counted_for_each_call() -> None:
    """Calls that run at the same time have their attempts counted apart."""

    async def run() -> None:
        async with (
            serving(Server().on("*", reply(503))) as server,
            shop(server, policy=with_retry(budget=None)) as client,
        ):
            results = await asyncio.gather(*(client.users.get(number) for number in range(5)))
            assert [failure_of(result).attempts for result in results] == [3] * 5
            assert len(server.seen) == 15

    asyncio.run(run())


def test_retries_repeat_the_request() -> None:
    """A retry has the same body, query, fields and key."""

    async def run() -> None:
        script = Server().on("POST /orders", reply(503), reset, reply(503))
        async with serving(script) as server, shop(server) as client:
            await client.orders.create({"items": [{"sku": "TEA", "quantity": 1}]}, headers={"X-Call": "a/0"})
            first, *others = server.of("POST /orders")
            assert len(others) == 2
            for other in others:
                assert (other.target, other.headers, other.body) == (first.target, first.headers, first.body)

    asyncio.run(run())


def test_body_that_can_be_read_once_is_not_repeated() -> None:
    """A body that can be read only once is not sent again, and the first error is reported."""

    async def run() -> None:
        script = Server().on("POST /users", problem(503), reply(201, USER))
        async with serving(script) as server, shop(server) as client:
            failure = failure_of(await client.users.create({"user_name": "Ada"}, replayable=False))
            assert (failure.status, failure.attempts) == (503, 1)
            assert server.seen[0].json == {"user_name": "Ada"}

    asyncio.run(run())


def test_unread_single_use_body_is_still_good() -> None:
    """A single-use body that nobody has read yet can be sent on the next attempt."""

    async def run() -> None:
        async with serving() as server:
            pass
        async with shop(server) as client:
            assert failure_of(await client.users.create({}, replayable=False)).attempts == 3

    asyncio.run(run())


def test_discarded_answer_is_closed_before_the_wait() -> None:
    """While a call waits to try again it holds no connection: with a pool of one, another call gets through."""

    async def run() -> None:
        policy = replace(with_retry(first_delay=3.0, max_delay=3.0), pool=replace(QUICK.pool, size=1))
        script = Server().on("GET /users/1", reply(503), reply(200, USER)).on("GET /settings", reply(200, SETTINGS))
        async with serving(script) as server, shop(server, policy=policy) as client:
            waiting = asyncio.create_task(client.users.get(1))
            await until(lambda: client.stack.retry.budget.tokens < 10)
            assert client.stack.guard.busy == 0
            success_of(await client.settings.get())
            assert not waiting.done()
            waiting.cancel()

    asyncio.run(run())


def test_status_can_be_retried_only_if_told_when() -> None:
    """A status that is retried only when the server says when is left alone when it does not."""

    async def run() -> None:
        policy = with_retry(statuses=frozenset(), statuses_if_told=frozenset({413}))
        script = Server().on("GET /a", reply(413, {})).on("GET /b", reply(413, {}, Retry_After="0"), reply(200, {}))
        async with serving(script) as server, shop(server, policy=policy) as client:
            assert failure_of(await client.http("GET", "/a")).attempts == 1
            assert success_of(await client.http("GET", "/b")).attempts == 2

    asyncio.run(run())


def test_budget_stops_retries_but_no_first_attempt() -> None:
    """In an outage the retries run dry while every call still gets its first attempt."""

    async def run() -> None:
        policy = with_retry(first_delay=0.0, max_delay=0.0, budget=BudgetPolicy(tokens=5, cost=1, refill=0.1))
        async with serving(Server().on("*", reply(503))) as server, shop(server, policy=policy) as client:
            for number in range(20):
                await client.users.get(number)
            assert len(server.seen) == 20 + 5

    asyncio.run(run())


def test_successes_earn_retries() -> None:
    """After the budget ran dry, enough successes buy the next retry."""

    async def run() -> None:
        policy = with_retry(budget=BudgetPolicy(tokens=1, cost=1, refill=0.5))
        script = Server().on("GET /bad", reply(503)).on("GET /good", reply(200, {}))
        async with serving(script) as server, shop(server, policy=policy) as client:

            async def attempts() -> int:
                return failure_of(await client.http("GET", "/bad")).attempts

            assert [await attempts(), await attempts()] == [2, 1]
            success_of(await client.http("GET", "/good"))
            assert await attempts() == 1
            success_of(await client.http("GET", "/good"))
            assert await attempts() == 2

    asyncio.run(run())


def test_cancelled_wait_costs_nothing() -> None:
    """A retry that is cancelled while it waits gives its price back, ends at once, and sends nothing more."""

    async def run() -> None:
        policy = with_retry(first_delay=3.0, max_delay=3.0)
        async with serving(Server().on("*", reply(503))) as server, shop(server, policy=policy) as client:
            task = asyncio.create_task(client.users.get(1))
            await until(lambda: client.stack.retry.budget.tokens < 10)
            assert client.stack.retry.budget.tokens == 9.0
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert client.stack.retry.budget.tokens == 10.0
            assert len(server.seen) == 1

    asyncio.run(run())


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["take", "refill", "give back"])),
    st.integers(1, 20),
    st.sampled_from([0.0, 0.1, 0.3, 1.0]),
)
def test_budget_stays_within_its_bounds(moves: list[str], tokens: int, refill: float) -> None:
    """A budget never goes below zero nor above its size, and refuses exactly when it has less than the price."""
    budget = Budget(BudgetPolicy(tokens=tokens, cost=1, refill=refill))
    for move in moves:
        before = budget.tokens
        if move == "take":
            assert budget.take() is (before >= 1 - 1e-9)
        elif move == "refill":
            budget.refill()
        else:
            budget.give_back()
        assert 0 <= budget.tokens <= tokens


def test_ten_tenths_are_one() -> None:
    """Ten successes earn one retry, whatever floating point makes of ten tenths."""
    budget = Budget(BudgetPolicy(tokens=1, cost=1, refill=0.1))
    assert budget.take()
    for _ in range(9):
        budget.refill()
        assert not budget.take()
    budget.refill()
    assert budget.take()


delays = st.floats(0, 100, allow_nan=False)
policies = st.builds(
    RetryPolicy,
    first_delay=delays,
    factor=st.floats(1, 10),
    max_delay=delays,
    jitter=st.sampled_from(["none", "full", "equal"]),
)


@settings(deadline=None)
@given(policies, st.integers(1, 5000), st.floats(0, 1))
def test_waits_are_within_the_bounds_of_their_jitter(policy: RetryPolicy, retry: int, share: float) -> None:
    """Every wait, of any retry, is finite, at most the longest delay, and as spread as declared."""
    plain = backoff(policy, retry)
    assert 0 <= plain <= policy.max_delay
    wait = Retry(policy, Budget(None), _CLOCK, FixedChance(share), _LOG).delay(retry)
    low = {"none": plain, "full": 0.0, "equal": plain / 2}[policy.jitter]
    assert low * (1 - 1e-12) <= wait <= plain * (1 + 1e-12)


def test_waits_double_from_the_first_delay() -> None:
    """The reference waits 300 ms, then 600, then 1200, up to ten seconds."""
    policy = RetryPolicy()
    assert [round(backoff(policy, retry), 6) for retry in (1, 2, 3, 4, 5, 6, 7)] == [0.3, 0.6, 1.2, 2.4, 4.8, 9.6, 10.0]


def test_list_of_waits_ends_with_its_last() -> None:
    """A policy with a list of waits uses the last of them for all further retries."""
    policy = RetryPolicy(delays=(0.0, 0.2))
    assert [backoff(policy, retry) for retry in (1, 2, 3)] == [0.0, 0.2, 0.2]


def test_waits_of_real_retries_are_at_least_the_promised() -> None:
    """Counted from the end of an attempt, no retry without jitter comes earlier than promised."""

    async def run() -> None:
        policy = with_retry(first_delay=0.05, max_delay=1.0)
        async with serving(Server().on("*", reply(503))) as server, shop(server, policy=policy) as client:
            await client.users.get(1)
            first, second, third = (seen.at for seen in server.seen)
            assert second - first >= 0.05
            assert third - second >= 0.10

    asyncio.run(run())


def test_conflict_in_progress_is_repeated_with_the_same_key() -> None:
    """A 409 that says the first request is still running is asked again; an ordinary 409 is not."""

    async def run() -> None:
        running = reply(409, {"type": "/problems/idempotency-in-progress"}, Content_Type="application/problem+json")
        script = Server().on("POST /users", running, reply(201, USER))
        async with serving(script) as server, shop(server) as client:
            assert isinstance(await client.users.create({}), Success)
            first, second = server.of("POST /users")
            assert first.headers["idempotency-key"] == second.headers["idempotency-key"]

    asyncio.run(run())


def test_conflict_in_progress_is_about_keys() -> None:
    """A 409 "in progress" to a request without a key is an ordinary conflict."""

    async def run() -> None:
        running = reply(409, {"type": "/problems/idempotency-in-progress"})
        async with serving(Server().on("PUT /users/1", running)) as server, shop(server) as client:
            failure = failure_of(await client.users.update(1, {}))
            assert (failure.kind, failure.attempts) == ("conflict", 1)

    asyncio.run(run())


def test_reused_key_is_not_repeated() -> None:
    """A 422 to a keyed POST ends the call."""

    async def run() -> None:
        async with serving(Server().on("POST /users", problem(422))) as server, shop(server) as client:
            assert failure_of(await client.users.create({})).kind == "validation"
            assert len(server.seen) == 1

    asyncio.run(run())
