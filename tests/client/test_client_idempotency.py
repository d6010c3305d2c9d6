"""One key for one logical call, through all its attempts; and a write that happens once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sadpath.client import SystemChance
from tests.client.scripted import Seen, Server, Step, close, cut, problem, reply, reset, serving, stall
from tests.client.shopside import ORDER, USER, FixedChance, Gate, failure_of, guarded, patience_for, shop, success_of


def keys(server: Server) -> list[str | None]:
    """Return the keys of all POSTs to orders."""
    return [seen.headers.get("idempotency-key") for seen in server.of("POST /orders")]


def test_key_is_kept_through_attempts_and_replay() -> None:
    """All attempts of a call and its replay after a 401 carry the same key."""

    async def run() -> None:
        gate = Gate()
        gate.expire()
        server = guarded(gate).on("POST /orders", problem(503), reply(401), reset, reply(201, ORDER))
        async with serving(server), shop(server, chance=FixedChance()) as client:
            success_of(await client.orders.create({"items": []}))
            assert keys(server) == ["key-1"] * 4

    asyncio.run(run())


def test_each_call_has_a_key_of_its_own() -> None:
    """Calls that are alike have different keys, one after another and at the same time."""

    async def run() -> None:
        async with serving(Server().on("POST /orders", reply(201, ORDER))) as server, shop(server) as client:
            success_of(await client.orders.create({"items": []}))
            await asyncio.gather(*(client.orders.create({"items": []}) for _ in range(4)))
            assert len(set(keys(server))) == 5

    asyncio.run(run())


def test_keys_are_for_creations_only() -> None:
    """Reads, updates and deletions need no key and have none."""

    async def run() -> None:
        async with serving(Server().on("*", reply(200, USER))) as server, shop(server) as client:
            await client.users.get(1)
            await client.users.update(1, {})
            await client.users.delete(1)
            await client.http("POST", "/anything", json={})
            assert all("idempotency-key" not in seen.headers for seen in server.seen)

    asyncio.run(run())


def test_callers_key_is_used() -> None:
    """A key that the caller gives makes any POST repeatable, and is sent as it is, once."""

    async def run() -> None:
        for arguments in ({"idempotency_key": "mine"}, {"headers": {"Idempotency-Key": "mine"}}):
            options: dict[str, Any] = arguments
            async with serving(Server().on("POST /orders", reset, reply(201, ORDER))) as server, shop(server) as client:
                success_of(await client.http("POST", "/orders", json={}, **options))
                assert keys(server) == ["mine", "mine"]

    asyncio.run(run())


@pytest.mark.parametrize("fault", [reset, close, stall, cut(ORDER, 10)])
def test_lost_answer_makes_no_second_order(fault: Step) -> None:
    """An order whose answer is lost is sent again with its key, and a server that knows keys makes one order of it."""

    async def run() -> None:
        orders: dict[str, bool] = {}

        async def create(seen: Seen) -> None:
            key = seen.headers["idempotency-key"]
            first = key not in orders
            orders[key] = True
            await (fault if first else reply(201, ORDER))(seen)

        script = Server().on("POST /orders", create)
        async with serving(script) as server, shop(server, policy=patience_for(fault)) as client:
            assert success_of(await client.orders.create({"items": []})).attempts == 2
            assert len(orders) == 1

    asyncio.run(run())


def test_order_without_a_key_is_left_in_doubt() -> None:
    """Without a key a lost answer ends the call, and the caller is told that the effect is unknown."""

    async def run() -> None:
        async with serving(Server().on("POST /orders", reset)) as server, shop(server) as client:
            failure = failure_of(await client.http("POST", "/orders", json={}))
            assert (failure.attempts, failure.effect_unknown) == (1, True)

    asyncio.run(run())


def test_illegal_key_is_the_callers_mistake() -> None:
    """A key that cannot stand in a header field is a bug of the caller, and nothing is sent."""

    async def run() -> None:
        async with serving() as server, shop(server) as client:
            failure = failure_of(await client.http("POST", "/orders", json={}, idempotency_key="a\r\nb"))
            assert (failure.kind, server.connections) == ("bug", [])

    asyncio.run(run())


def test_system_keys_do_not_repeat() -> None:
    """The system's keys are all different and can stand in a header field."""
    chance = SystemChance()
    made = {chance.key() for _ in range(1000)}
    assert len(made) == 1000
    assert all(key.isascii() and key.isprintable() for key in made)
