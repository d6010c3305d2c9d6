"""``rate_limit`` and ``outage`` on the wire: who passes, by count and by the session's clock."""

from __future__ import annotations

import asyncio

from tests.engine.bench import BODY, Bench, get, post, run

CLOSE = "Connection: close"


async def _statuses(bench: Bench, count: int) -> list[int]:
    return [(await bench.ask(get("/item", CLOSE))).status for _ in range(count)]


def test_so_many_in_a_window() -> None:
    """What is beyond the limit gets 429 and the seconds to the window's end; a new window begins when time is up."""

    async def scene() -> None:
        async with Bench([{"on": "*", "fault": {"rate_limit": {"limit": 2, "window": "90s"}}}]) as bench:
            assert await _statuses(bench, 2) == [200, 200]
            refused = await bench.ask(post("/items", b"{}", CLOSE))
            event = await bench.ended(3)
            assert (refused.status, refused.header("retry-after")) == (429, "90")
            assert refused.header("content-type") == "application/problem+json"
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "rate_limit", "as": None, "phase": "request", "byte": None}
            ]
            assert (event.effect.committed, bench.backend.effects) == (False, 0)

            bench.session.clock.advance(60)
            assert (await bench.ask(get("/item", CLOSE))).header("retry-after") == "30"
            bench.session.clock.advance(30)
            assert await _statuses(bench, 3) == [200, 200, 429]
            assert [bool(event.fired) for event in bench.session.journal.exchanges] == [
                False, False, True, True, False, False, True,
            ]  # fmt: skip

    run(scene)


def test_at_the_same_time_no_more_pass_either() -> None:
    """Of twenty requests at once exactly the limit pass."""

    async def scene() -> None:
        async with Bench([{"on": "*", "fault": {"rate_limit": {"limit": 7, "window": "60s"}}}]) as bench:
            answers = await asyncio.gather(*(bench.ask(get("/item", CLOSE)) for _ in range(20)))
            assert sorted(answer.status for answer in answers) == [200] * 7 + [429] * 13

    run(scene)


def test_two_limits_count_apart_and_new_rules_begin_anew() -> None:
    """Limits of one step with different settings have windows of their own; setting the rules again forgets them."""

    async def scene() -> None:
        rule = {
            "on": "*",
            "fault": [{"rate_limit": {"limit": 3, "window": "100s"}}, {"rate_limit": {"limit": 2, "window": "10s"}}],
        }
        async with Bench([rule]) as bench:
            assert await _statuses(bench, 3) == [200, 200, 429]
            bench.session.clock.advance(10)
            assert await _statuses(bench, 2) == [429, 429], (
                "the refused one counts for the longer window, it came first"
            )
            assert bench.session.scenario is not None
            bench.session.set_rules(bench.session.scenario.faults)
            assert await _statuses(bench, 2) == [200, 200]

    run(scene)


def test_an_outage_has_a_beginning_and_an_end() -> None:
    """It counts from when the rules came into force, on the session's clock; before and behind it exchanges pass."""

    async def scene() -> None:
        async with Bench([{"on": "*", "fault": {"outage": {"from": "60s", "for": "2m"}}}]) as bench:
            assert await _statuses(bench, 1) == [200]
            bench.session.clock.advance(60)
            down = await bench.ask(post("/items", b"{}", CLOSE))
            assert (down.status, bench.backend.effects) == (503, 0)
            assert [(fault.name, fault.phase) for fault in (await bench.ended(2)).fired] == [("outage", "request")]
            bench.session.clock.advance(119)
            assert await _statuses(bench, 1) == [503]
            bench.session.clock.advance(1)
            assert await _statuses(bench, 1) == [200]
            assert bench.session.scenario is not None
            bench.session.set_rules(bench.session.scenario.faults)
            assert await _statuses(bench, 1) == [200], "it lies ahead again"

    run(scene)


def test_an_outage_for_good() -> None:
    """Without ``for`` it ends with the rules."""

    async def scene() -> None:
        async with Bench([{"on": "*", "fault": "outage"}]) as bench:
            bench.session.clock.advance(1_000_000)
            assert await _statuses(bench, 2) == [503, 503]
            bench.session.heal()
            assert await _statuses(bench, 1) == [200]

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl exits 22 when told to fail, and with --retry waits as told; httpx returns the response."""

    async def scene() -> None:
        async with Bench([{"on": "*", "fault": {"rate_limit": {"limit": 1, "window": "1s"}}}]) as bench:
            assert (await bench.curl("/item", "--fail"))[0] == 0
            assert (await bench.curl("/item", "--fail"))[0] == 22
            assert await bench.httpx_raises() == "no exception, but 429"
            assert await bench.curl("/item", "--fail", "--retry", "1") == (0, BODY)
            bench.inject("outage", then="repeat")
            assert (await bench.curl("/item", "--fail"))[0] == 22
            assert await bench.httpx_raises() == "no exception, but 503"

    run(scene)
