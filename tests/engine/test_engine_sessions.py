"""Sessions side by side on one server: nothing of one is seen in another."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sadpath.core.chance import draw
from tests.engine.bench import BODY, Bench, get, post, run

RULES: list[Any] = [
    {"on": {"method": "GET"}, "plan": [{"status": 503}, "pass", {"truncate": 9}], "then": "repeat"},
    {"on": "items.create", "chance": 0.5, "fault": {"status": 409}},
]


def test_fifty_sessions_at_once() -> None:
    """Fifty sessions with ten exchanges each, all at once: each has its own plan, numbers and draws."""
    names = [f"s{n}" for n in range(50)]

    async def client(bench: Bench, name: str) -> list[str]:
        seen = []
        for n in range(10):
            if n % 2:
                received = await bench.ask(post(f"/s/{name}/items", b"{}", "Connection: close"))
            else:
                received = await bench.ask(get(f"/s/{name}/item", "Connection: close"))
            seen.append(f"{received.status}/{len(received.body) if received.status == 200 else ''}")
        return seen

    async def scene() -> None:
        async with Bench(seed=3) as bench:
            for name in names:
                bench.add(name, RULES)
            results = await asyncio.gather(*(client(bench, name) for name in names))
            for name, seen in zip(names, results, strict=True):
                creates = ["409/" if draw(3, name, "rule", 1, n) < 0.5 else "201/" for n in range(5)]
                assert seen[1::2] == creates
                assert seen[0::2] == ["503/", f"200/{len(BODY)}", "200/9", "503/", f"200/{len(BODY)}"]
                journal = bench.sessions.all[name].journal
                assert [event.exchange for event in journal.exchanges] == list(range(1, 11))
                assert {event.session for event in journal.exchanges} == {name}
                assert sorted({event.connection for event in journal.exchanges}) == list(range(1, 11))
            assert bench.session.journal.events == []
            assert len({tuple(seen[1::2]) for seen in results}) > 10

    run(scene)


def test_counters_are_exact_under_concurrency() -> None:
    """Of thirty simultaneous requests exactly the planned seven are refused, and each step is met once."""

    async def scene() -> None:
        async with Bench() as bench:
            steps = [{"status": 500 + n} for n in range(7)]
            bench.inject(*steps)
            answers = await asyncio.gather(*(bench.ask(get("/item", "Connection: close")) for _ in range(30)))
            assert sorted(answer.status for answer in answers) == [200] * 23 + [500 + n for n in range(7)]
            events = bench.session.journal.exchanges
            assert [event.status for event in events[:7]] == [500 + n for n in range(7)]
            assert sorted(event.exchange for event in events) == list(range(1, 31))

    run(scene)


def test_chance_does_not_depend_on_what_else_is_going_on() -> None:
    """The sequence that a rule injects is the same with one client and with many, in a busy server and an idle one."""

    async def sequence(busy: bool) -> list[int | None]:
        async with Bench(seed=5) as bench:
            session = bench.add("watched", [{"on": "*", "chance": 0.4, "fault": {"status": 503}}])
            bench.add("noise", [{"on": "*", "chance": 0.4, "fault": {"status": 500}}])

            async def noise() -> None:
                for _ in range(20 if busy else 0):
                    await bench.ask(get("/s/noise/item", "Connection: close"))

            async def watched() -> None:
                for _ in range(5):
                    await bench.ask(get("/s/watched/item", "Connection: close"))

            await asyncio.gather(noise(), *(watched() for _ in range(4 if busy else 1)), noise())
            for _ in range(20 - len(session.journal.exchanges)):
                await bench.ask(get("/s/watched/item", "Connection: close"))
            return [event.status for event in session.journal.exchanges]

    quiet = asyncio.run(sequence(False))
    busy = asyncio.run(sequence(True))
    assert quiet == busy
    assert {200, 503} == set(quiet)


def test_a_new_scenario_takes_effect_from_the_next_exchange() -> None:
    """Changing the rules lets a running exchange be, and starts the counters anew."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"delay": "100ms"}, {"status": 503})
            first = asyncio.create_task(bench.ask(get("/item", "Connection: close")))
            await bench.until(lambda: bool(bench.backend.runs))
            bench.inject({"status": 502}, {"status": 504})
            assert (await bench.ask(get("/item", "Connection: close"))).status == 502
            assert (await first).status == 200
            assert (await bench.ask(get("/item", "Connection: close"))).status == 504

    run(scene)


def test_healing_stops_every_fault() -> None:
    """After ``heal`` nothing is injected any more."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"status": 503}, then="repeat")
            assert (await bench.ask(get("/item", "Connection: close"))).status == 503
            bench.session.heal()
            assert bench.session.healed
            assert (await bench.ask(get("/item", "Connection: close"))).status == 200

    run(scene)


def test_a_scenarios_seed_beats_the_sessions() -> None:
    """Draws are keyed by the scenario's seed where it has one, else by the session's, and by the session's name."""

    async def scene() -> None:
        async with Bench(seed=5) as bench:
            assert bench.session.key() == (5, "default")
            scenario = bench.session.scenario
            assert scenario is not None
            bench.session.set_scenario("seeded", scenario.model_copy(update={"seed": 9}))
            assert bench.session.key() == (9, "default")
            assert json.loads((await bench.ask(get("/whoami", "Connection: close"))).body)["seed"] == 9

    run(scene)


def test_a_reset_forgets_and_keeps_the_scenario() -> None:
    """After a reset journal, counters, tokens, clock and numbers start anew, with the scenario from its first step."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"status": 503})
            await bench.ask(post("/auth/login", b"{}", "Connection: close"))
            await bench.ask(post("/auth/login", b"{}", "Connection: close"))
            bench.session.clock.advance(100)
            assert bench.session.tokens.count == 1
            bench.session.reset()
            assert bench.session.journal.events == []
            assert bench.session.tokens.count == 0
            assert bench.session.clock.now() < 1
            assert (await bench.ask(get("/item", "Connection: close"))).status == 503
            assert (await bench.ended()).exchange == 1

    run(scene)


@pytest.mark.parametrize("shared", [False, True])
def test_the_end_of_a_session_closes_its_own_connections(shared: bool) -> None:
    """An idle connection of an ended session is closed, unless another session has used it too."""

    async def scene() -> None:
        async with Bench() as bench:
            mine = bench.add("mine")
            bench.add("other")
            connection = await bench.connect()
            for name in ("mine", "other") if shared else ("mine",):
                await connection.send(get(f"/s/{name}/item"))
                await connection.answer()
            mine.end()
            received = await connection.receive(patience=0.2)
            assert received.ending == ("open" if shared else "fin")
            if shared:
                await connection.send(get("/s/other/item"))
                assert (await connection.answer()).body == BODY

    run(scene)


def test_an_exchange_of_another_session_on_a_shared_connection_is_left_alone() -> None:
    """Ending one session does not break off what its client's pool is doing for another."""

    async def scene() -> None:
        async with Bench() as bench:
            mine, other = bench.add("mine"), bench.add("other")
            bench.inject({"delay": "100ms"}, session=other)
            connection = await bench.connect()
            await connection.send(get("/s/mine/item"))
            await connection.answer()
            await connection.send(get("/s/other/item"))
            await bench.until(lambda: len(other.journal.exchanges) == 1)
            mine.end()
            assert (await connection.answer()).body == BODY
            assert (await bench.ended(session=other)).ended.how == "complete"

    run(scene)


def test_an_unknown_session_is_refused() -> None:
    """What the directory refuses is answered as it says, and no journal hears of it."""

    async def scene() -> None:
        async with Bench() as bench:
            received = await bench.ask(get("/s/nobody/item", "Connection: close"))
            assert received.status == 404
            assert b"nobody" in received.body
            assert bench.session.journal.events == []

    run(scene)


def test_latency_is_added_before_the_backend() -> None:
    """``given.network.latency`` holds each request for that long before anything else happens."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.session.latency = 0.05
            await bench.ask(get("/item", "Connection: close"))
            event = await bench.ended()
            assert event.t_first_byte is not None
            assert event.t_first_byte - event.t_arrived >= 0.05
            assert event.armed == []

    run(scene)
