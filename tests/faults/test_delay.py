"""``delay`` on the wire, and the times that it draws."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.chance import draw
from sadpath.faults.delay import LogNormal, Uniform
from tests.engine.bench import BODY, HEAD, Bench, get, post, run


@pytest.mark.parametrize(("at", "runs_first"), [("request", False), ("response", True)])
def test_before_the_answer(at: str, runs_first: bool) -> None:
    """The answer comes after the time; the backend runs before or after the wait, as ``at`` says."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"delay": {"time": "100ms", "at": at}})
            connection = await bench.connect()
            start = connection.loop.time()
            await connection.send(post("/items", b"{}"))
            await connection.receive(patience=0.05)
            assert bench.backend.effects == (1 if runs_first else 0)
            assert (await connection.answer()).status == 201
            assert 0.1 <= connection.loop.time() - start < 0.5
            connection.close()
            event = await bench.ended()
            assert [(fault.name, fault.phase) for fault in event.fired] == [("delay", at)]
            assert event.effect.committed

    run(scene)


@pytest.mark.parametrize(("settings", "sent"), [({"at": "head"}, HEAD), ({"after": 20}, HEAD + BODY[:20])])
def test_within_the_answer(settings: dict[str, object], sent: bytes) -> None:
    """The rest of the answer comes after the time; what is before the place comes at once."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"delay": {"time": "100ms", **settings}})
            connection = await bench.connect()
            await connection.send(get("/item"))
            early = await connection.receive(patience=0.05)
            late = await connection.receive(until=len(HEAD + BODY) - len(sent))
            assert early.undated == sent
            assert early.data + late.data == early.head + BODY
            assert early.first is not None
            assert late.first is not None
            assert late.first - early.first >= 0.05  # the client's view; the exact one is the journal's, below
            connection.close()
            event = await bench.ended()
            assert event.t_first_byte is not None
            assert event.t_last_byte is not None
            assert event.t_last_byte - event.t_first_byte >= 0.1

    run(scene)


def test_a_drawn_time_is_the_same_in_every_run() -> None:
    """The n-th match of a rule waits the time that its key gives, whatever else is going on."""

    async def scene() -> None:
        async with Bench(seed=7) as bench:
            bench.inject({"delay": {"uniform": {"min": "10ms", "max": "60ms"}}}, then="repeat")
            for n in range(3):
                received = await bench.ask(get("/item", "Connection: close"))
                assert received.body == BODY
                event = await bench.ended(n + 1)
                expected = 0.01 + 0.05 * draw(7, "default", "rule", 0, n, "delay", "response", -1)
                assert event.t_first_byte is not None
                assert expected <= event.t_first_byte - event.t_arrived < expected + 0.2

    run(scene)


def test_a_client_that_leaves_ends_the_wait() -> None:
    """A delay is over when nobody waits for its end any more; the fault has fired all the same."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"latency": "60s"})
            connection = await bench.connect()
            await connection.send(get("/item"))
            await bench.until(lambda: any(event.fired for event in bench.session.journal.exchanges))
            connection.close()
            event = await bench.ended()
            assert (event.ended.how, event.ended.by) == ("fin", "client")
            assert [(fault.name, fault.alias) for fault in event.fired] == [("delay", "latency")]

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """A client whose limit is shorter gives up (curl 28, ReadTimeout); one whose limit is longer has the answer."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"delay": "200ms"}, then="repeat")
            assert await bench.curl("/item", "--max-time", "0.1") == (28, b"")
            assert await bench.curl("/item") == (0, BODY)
            assert await bench.httpx_raises(read=0.1) == "ReadTimeout"
            assert await bench.httpx_raises(read=1) == "no exception, but 200"

    run(scene)


@settings(deadline=None)
@given(drawn=st.floats(0, 1, exclude_max=True), low=st.integers(0, 1000), width=st.integers(1, 1000))
def test_uniform_stays_within_its_bounds(drawn: float, low: int, width: int) -> None:
    """A uniform time is at least ``min`` and at most ``max``, for any draw."""
    times = Uniform.model_validate({"min": f"{low}ms", "max": f"{low + width}ms"})
    assert times.min <= times.at(drawn) <= times.max


@settings(deadline=None)
@given(drawn=st.floats(0, 1, exclude_max=True), sigma=st.floats(0.01, 10), median=st.integers(1, 10_000))
def test_lognormal_is_positive_finite_and_capped(drawn: float, sigma: float, median: int) -> None:
    """A lognormal time is a finite number above zero for any draw, and never above ``max``."""
    free = LogNormal.model_validate({"median": f"{median}ms", "sigma": sigma})
    assert 0 < free.at(drawn) < math.inf
    capped = LogNormal.model_validate({"median": f"{median}ms", "sigma": sigma, "max": f"{median * 2}ms"})
    assert capped.at(drawn) == min(free.at(drawn), 2 * median / 1000)


def test_lognormal_has_the_median_and_spread_it_says() -> None:
    """Over ten thousand keyed draws the median and the logarithms' spread are the declared ones."""
    times = LogNormal.model_validate({"median": "200ms", "sigma": 0.5})
    drawn = [times.at(draw("spread", n)) for n in range(10_000)]
    assert statistics.median(drawn) == pytest.approx(0.2, rel=0.03)
    assert statistics.stdev(math.log(time) for time in drawn) == pytest.approx(0.5, rel=0.03)
