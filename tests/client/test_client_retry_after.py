"""Waiting as long as the server asks, and not for ever."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.client import SystemClock
from sadpath.client.log import CallLog
from sadpath.client.redaction import Redactor
from sadpath.client.retry_after import parse_http_date
from tests.client.scripted import Server, reply, serving
from tests.client.shopside import QUICK, USER, Lines, failure_of, shop, success_of

_CLOCK = SystemClock()
_LOG = CallLog(Lines(), Redactor())


def with_retry(**values: Any) -> Any:
    """Return the quick policy with another retry policy."""
    return replace(QUICK, retry=replace(QUICK.retry, **values))


@pytest.mark.slow
def test_retry_after_in_seconds_is_waited_for() -> None:
    """With 503 and Retry-After no attempt comes earlier than told."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(503, Retry_After="1"), reply(200, USER))
        async with serving(script) as server, shop(server) as client:
            success_of(await client.users.get(1))
            first, second = server.of("GET /users/1")
            assert second.at - first.at >= 1.0

    asyncio.run(run())


@pytest.mark.slow
def test_retry_after_as_a_date_counts_from_the_answers_own_date() -> None:
    """A date in Retry-After is compared with the answer's Date, not with the client's clock."""

    async def run() -> None:
        dates = {"Date": "Thu, 01 Jan 2099 00:00:00 GMT", "Retry_After": "Thu, 01 Jan 2099 00:00:01 GMT"}
        script = Server().on("GET /users/1", reply(429, **dates), reply(200, USER))
        async with serving(script) as server, shop(server) as client:
            success_of(await client.users.get(1))
            first, second = server.of("GET /users/1")
            assert second.at - first.at >= 1.0

    asyncio.run(run())


@pytest.mark.parametrize("value", ["61", "3600", "9" * 400])
def test_retry_after_beyond_the_cap_ends_the_call(value: str) -> None:
    """When the server asks for more than the client waits, the call ends at once and says how long was asked."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(503, Retry_After=value))
        async with serving(script) as server, shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert server.count("GET /users/1") == 1
            assert failure.retry_after is not None
            assert failure.retry_after >= 61

    asyncio.run(run())


def test_cap_is_the_policys_own() -> None:
    """A wait that the call has time for is too long all the same when it exceeds the cap."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(503, Retry_After="1"))
        async with serving(script) as server, shop(server, policy=with_retry(retry_after_cap=0.9)) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.retry_after, failure.attempts) == (1.0, 1)

    asyncio.run(run())


def test_retry_after_beyond_the_deadline_ends_the_call() -> None:
    """When the server asks for more time than the call has, the call ends at once and says how long was asked."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(503, Retry_After="30"))
        async with serving(script) as server, shop(server) as client:
            failure = failure_of(await client.users.get(1))
            assert (failure.kind, failure.retry_after, failure.attempts) == ("server", 30.0, 1)

    asyncio.run(run())


@pytest.mark.parametrize("value", ["-1", "1.5", "", "soon", "Sun, 32 Nov 1994 08:49:37 GMT", "0x10", "NaN"])
def test_unreadable_retry_after_means_the_usual_wait(value: str) -> None:
    """A Retry-After that cannot be read neither ends the call nor shortens the wait."""

    async def run() -> None:
        policy = with_retry(first_delay=0.05, max_delay=0.05)
        script = Server().on("GET /users/1", reply(503, Retry_After=value), reply(200, USER))
        async with serving(script) as server, shop(server, policy=policy) as client:
            success_of(await client.users.get(1))
            first, second = server.of("GET /users/1")
            assert 0.05 <= second.at - first.at < 1.0

    asyncio.run(run())


def test_retry_after_zero_keeps_the_usual_wait_and_count() -> None:
    """Retry-After: 0 shortens no wait and adds no attempt."""

    async def run() -> None:
        policy = with_retry(first_delay=0.05, max_delay=0.05)
        script = Server().on("GET /users/1", reply(503, Retry_After="0"))
        async with serving(script) as server, shop(server, policy=policy) as client:
            assert failure_of(await client.users.get(1)).attempts == 3
            times = [seen.at for seen in server.seen]
            assert all(later - earlier >= 0.05 for earlier, later in pairwise(times))

    asyncio.run(run())


def test_retry_after_can_be_ignored() -> None:
    """A policy that ignores Retry-After waits as usual."""

    async def run() -> None:
        script = Server().on("GET /users/1", reply(503, Retry_After="3600"), reply(200, USER))
        async with serving(script) as server, shop(server, policy=with_retry(retry_after="ignore")) as client:
            success_of(await client.users.get(1))

    asyncio.run(run())


@given(st.integers(1960, 2300), st.integers(-49, 50))
def test_a_year_of_two_digits_is_no_more_than_50_years_ahead(year: int, ahead: int) -> None:
    """In whichever century that is, also around the turn of one."""
    now = datetime(year, 7, 1, tzinfo=UTC).timestamp()
    then = datetime(year + ahead, 3, 1, tzinfo=UTC)

    assert parse_http_date(f"{then:%A, %d-%b-%y} 00:00:00 GMT", now) == then.timestamp()
