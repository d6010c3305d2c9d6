"""The in-process driver: what it asks of a subject, and what it makes of whatever a subject does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.clock import Clock
from sadpath.core.errors import DriverError
from sadpath.drivers.base import End
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.messages import (
    AdvanceStep,
    AuthGrant,
    CallStep,
    ClientInfo,
    DriverFault,
    Hello,
    OfflineStep,
    Outcome,
    OutcomeValue,
    ParallelStep,
    Result,
    Run,
    RunStep,
    Unsupported,
)
from sadpath.drivers.subject import NotSupported

Act = Callable[["Small", str], Awaitable[Outcome | None]]


class Small:
    """A whole subject in a few lines; each operation is an act given by the test."""

    made: list[Small]

    def __init__(self, acts: dict[str, Act], made: list[Small], capabilities: tuple[str, ...] = ("cancel",)) -> None:
        self.acts = acts
        self.capabilities = capabilities
        self.seen: list[str] = []
        self.background: list[asyncio.Task[Any]] = []
        made.append(self)

    def hello(self) -> Hello:
        """Say who it is."""
        return Hello(client=ClientInfo(name="small"), capabilities=list(self.capabilities), operations=[*self.acts])

    async def open(self, run: Run, clock: Clock) -> None:
        """Note the clock."""
        self.clock = clock
        self.seen.append(f"open {run.id}")

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Do what the test gave for the operation."""
        self.seen.append(f"{tag} {op}")
        if op not in self.acts:
            raise NotSupported(op)
        found = await self.acts[op](self, tag)
        return found or Outcome(call="?", outcome="ok", value=OutcomeValue(status=200, data=args or None))

    async def advance(self, seconds: float) -> None:
        """Note it."""
        self.seen.append(f"advance {seconds:g}")

    async def offline(self, hint: bool) -> None:
        """Note it."""
        self.seen.append(f"offline {hint}")

    async def settle(self) -> Result:
        """Wait for the background tasks."""
        if self.background:
            await asyncio.wait(self.background)
        return Result(signed_in=True, log="quiet")

    async def close(self) -> None:
        """Note it."""
        self.seen.append("close")


class Resuming(Small):
    """A subject whose session can be replaced."""

    async def resume(self, run: Run) -> None:
        """Note who is signed in now."""
        self.seen.append(f"resume {run.auth.email if run.auth else None}")


async def _well(_small: Small, _tag: str) -> None:
    return None


def _sleeps(seconds: float) -> Act:
    async def act(small: Small, _tag: str) -> None:
        await small.clock.sleep(seconds)

    return act


def _raises(error: BaseException) -> Act:
    async def act(_small: Small, _tag: str) -> None:
        raise error

    return act


async def _deaf(small: Small, _tag: str) -> None:
    """Sleep on, whoever cancels it."""
    for _ in range(8):
        try:
            await small.clock.sleep(0.1)
        except asyncio.CancelledError:
            continue


async def _ignores_one_cancel(small: Small, _tag: str) -> None:
    try:
        await small.clock.sleep(5)
    except asyncio.CancelledError:
        await small.clock.sleep(0.02)


def _driven(
    steps: list[RunStep],
    acts: dict[str, Act],
    *,
    deadline: float = 5.0,
    capabilities: tuple[str, ...] = ("cancel",),
    kind: type[Small] = Small,
) -> tuple[list[Outcome], End, list[str], Small]:
    """Run one segment in a loop of its own; return outcomes, end, what was left over, and the subject."""
    made: list[Small] = []

    async def main() -> tuple[list[Outcome], End, list[str]]:
        driver = InProcessDriver(lambda: kind(acts, made, capabilities), name="small", grace=0.05)
        outcomes: list[Outcome] = []
        run = Run(id="r", case="c", base_url="http://x", deadline_ms=deadline * 1000, calls=steps)
        end = await driver.run(run, outcomes.append)
        return outcomes, end, await driver.end_case("r")

    outcomes, end, left = asyncio.run(main())
    return outcomes, end, left, made[-1]


def test_calls_are_made_in_order_and_tagged() -> None:
    """Calls outside ``parallel`` are made one after another, ``times`` included, each with its own tag."""
    outcomes, end, left, small = _driven(
        [CallStep(call="a", op="x", times=3), CallStep(call="b", op="y", args={"id": 1})], {"x": _well, "y": _well}
    )

    assert small.seen == ["open r", "a/0 x", "a/1 x", "a/2 x", "b/0 y", "close"]
    assert [(o.call, o.i, o.outcome) for o in outcomes] == [
        ("a", 0, "ok"),
        ("a", 1, "ok"),
        ("a", 2, "ok"),
        ("b", 0, "ok"),
    ]
    assert end == Result(id="r", signed_in=True, log="quiet")
    assert left == []


def test_outcomes_carry_times_from_the_receipt_of_the_run() -> None:
    """Start and end of each call are milliseconds since the run arrived, in the order of events."""
    outcomes, _, _, _ = _driven([CallStep(call="a", op="x"), CallStep(call="b", op="x")], {"x": _sleeps(0.03)})

    first, second = outcomes
    assert first.started_ms is not None
    assert first.ended_ms is not None
    assert second.started_ms is not None
    assert 0 <= first.started_ms < 30 <= first.ended_ms <= second.started_ms


def test_parallel_calls_overlap_and_may_start_late() -> None:
    """Calls of one ``parallel`` step run at the same time; ``start_after_ms`` holds one back."""
    step = ParallelStep(parallel=[CallStep(call="a", op="x", times=2), CallStep(call="b", op="x", start_after_ms=40)])
    outcomes, _, _, small = _driven([step], {"x": _sleeps(0.1)})
    started = {f"{o.call}/{o.i}": o.started_ms or 0 for o in outcomes}
    ended = [o.ended_ms or 0 for o in outcomes]

    assert small.seen[1:4] == ["a/0 x", "a/1 x", "b/0 x"]
    assert max(started.values()) < min(ended)
    assert started["b/0"] >= 40


def test_a_cancelled_call_is_reported_as_cancelled() -> None:
    """A call that is cancelled natively and ends by it is ``cancelled``, with the time of the cancel."""
    outcomes, end, left, _ = _driven([CallStep(call="a", op="x", cancel_after_ms=20)], {"x": _sleeps(5)})

    assert [o.outcome for o in outcomes] == ["cancelled"]
    assert outcomes[0].cancelled_ms is not None
    assert outcomes[0].cancelled_ms >= 20
    assert isinstance(end, Result)
    assert left == []


def test_a_call_cancelled_beforehand_ends_where_it_first_waits() -> None:
    """With ``cancel_after_ms`` 0 the client is asked by a task that is cancelled already, as of its start."""
    outcomes, _, _, small = _driven([CallStep(call="a", op="x", cancel_after_ms=0)], {"x": _sleeps(1)})

    assert [o.outcome for o in outcomes] == ["cancelled"]
    assert outcomes[0].cancelled_ms == outcomes[0].started_ms
    assert outcomes[0].ended_ms is not None
    assert outcomes[0].ended_ms < 500
    assert small.seen == ["open r", "a/0 x", "close"]


def test_a_call_cancelled_beforehand_that_never_waits_is_cancelled_all_the_same() -> None:
    """What a client says at once to somebody who has left already does not count."""
    outcomes, _, _, _ = _driven([CallStep(call="a", op="x", cancel_after_ms=0)], {"x": _well})

    assert [o.outcome for o in outcomes] == ["cancelled"]


def test_a_call_that_survives_its_cancel_is_reported_as_it_ended() -> None:
    """A client that swallows a cancel and says ok has said ok; that it was cancelled is noted beside it."""
    outcomes, _, _, _ = _driven([CallStep(call="a", op="x", cancel_after_ms=20)], {"x": _ignores_one_cancel})

    assert [o.outcome for o in outcomes] == ["ok"]
    assert outcomes[0].cancelled_ms is not None
    assert outcomes[0].ended_ms is not None
    assert outcomes[0].ended_ms > outcomes[0].cancelled_ms


def test_a_call_that_ends_before_its_cancel_was_never_cancelled() -> None:
    """A cancel that comes too late leaves no trace in the outcome."""
    outcomes, _, _, _ = _driven([CallStep(call="a", op="x", cancel_after_ms=500)], {"x": _well})

    assert outcomes[0].outcome == "ok"
    assert outcomes[0].cancelled_ms is None


class _Odd(BaseException):
    """An exception outside ``Exception``."""


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), _Odd("odd"), BaseExceptionGroup("g", [_Odd("in")]), GeneratorExit()]
)
def test_whatever_escapes_the_client_is_an_outcome(error: BaseException) -> None:
    """An exception of any kind that gets past the client's own result type is an escape, and the run goes on."""
    outcomes, end, _, _ = _driven(
        [CallStep(call="a", op="x"), CallStep(call="b", op="y")], {"x": _raises(error), "y": _well}
    )

    assert [(o.outcome, o.escaped) for o in outcomes] == [("error", True), ("ok", False)]
    assert outcomes[0].error is not None
    assert (outcomes[0].error.kind, outcomes[0].error.native) == ("other", type(error).__name__)
    assert isinstance(end, Result)


def test_a_cancellation_that_nobody_asked_for_is_an_escape() -> None:
    """A call that raises CancelledError by itself has not been cancelled: something inside it leaked."""
    outcomes, end, _, _ = _driven([CallStep(call="a", op="x")], {"x": _raises(asyncio.CancelledError())})

    assert [(o.outcome, o.escaped) for o in outcomes] == [("error", True)]
    assert outcomes[0].error is not None
    assert outcomes[0].error.native == "CancelledError"
    assert isinstance(end, Result)


def test_a_hang_has_no_outcome_and_ends_the_segment() -> None:
    """A call without an outcome by the deadline is given up, and the calls after it are not made."""
    outcomes, end, left, small = _driven(
        [CallStep(call="a", op="x"), CallStep(call="b", op="y")], {"x": _sleeps(60), "y": _well}, deadline=0.1
    )

    assert outcomes == []
    assert small.seen == ["open r", "a/0 x", "close"]
    assert isinstance(end, Result)
    assert end.left_over == []
    assert left == []


def test_one_hang_among_parallel_calls_hides_no_other_outcome() -> None:
    """The outcomes of calls that ended are kept where one of them hangs."""
    step = ParallelStep(parallel=[CallStep(call="a", op="x"), CallStep(call="b", op="y")])
    outcomes, _, _, _ = _driven([step], {"x": _sleeps(60), "y": _well}, deadline=0.1)

    assert [o.call for o in outcomes] == ["b"]


def test_a_hang_that_ignores_cancellation_is_named_and_left_behind() -> None:
    """The run ends in bounded time even if the client's call cannot be cancelled, and says which one it was."""
    outcomes, end, left, _ = _driven([CallStep(call="a", op="x")], {"x": _deaf}, deadline=0.05)

    assert outcomes == []
    assert isinstance(end, Result)
    assert end.left_over == ["the call a/0 (x) did not end when it was cancelled"]
    assert any("outlived" in sentence for sentence in left)


def test_background_work_that_never_ends_is_left_over() -> None:
    """``settle`` gets half of what remains; after that the segment ends and says so."""

    async def act(small: Small, _tag: str) -> None:
        small.background.append(asyncio.ensure_future(small.clock.sleep(60)))

    _, end, left, _ = _driven([CallStep(call="a", op="x")], {"x": act}, deadline=0.4)

    assert isinstance(end, Result)
    assert end.left_over == ["background work did not end"]
    assert left == ["a task outlived the client: LoopClock.sleep"]


def test_an_unknown_operation_is_unsupported() -> None:
    """A subject that raises ``NotSupported`` makes the whole case unsupported, parallel or not."""
    for step in (CallStep(call="a", op="nope"), ParallelStep(parallel=[CallStep(call="a", op="nope")])):
        _, end, _, _ = _driven([step], {"x": _well})

        assert end == Unsupported(id="r", why="nope")


def test_time_is_moved_only_by_a_client_that_can() -> None:
    """With ``fake_clock`` the client moves its clock; without, short advances are waited and long ones refused."""
    step: list[RunStep] = [AdvanceStep(advance_ms=60_000)]
    _, _, _, able = _driven(step, {}, capabilities=("fake_clock",))
    _, refused, _, unable = _driven(step, {}, capabilities=())
    _, waited, _, _ = _driven([AdvanceStep(advance_ms=20)], {}, capabilities=())

    assert able.seen == ["open r", "advance 60", "close"]
    assert isinstance(refused, Unsupported)
    assert unable.seen == ["open r", "close"]
    assert isinstance(waited, Result)


def test_the_hint_reaches_the_client() -> None:
    """``offline`` steps are handed on."""
    _, _, _, small = _driven([OfflineStep(offline=True), OfflineStep(offline=False)], {})

    assert small.seen == ["open r", "offline True", "offline False", "close"]


def test_a_segment_that_continues_keeps_the_client() -> None:
    """Only a run without ``continues`` makes a new subject; ``auth`` then replaces the session, if it can be."""
    made: list[Small] = []
    grant = AuthGrant(email="ada@example.com", password="p")

    async def main(kind: type[Small]) -> list[End]:
        driver = InProcessDriver(lambda: kind({"x": _well}, made))
        runs = [
            Run(id="r", case="c", base_url="u", deadline_ms=1000, calls=[CallStep(call="a", op="x")]),
            Run(id="r", case="c", base_url="u", deadline_ms=1000, continues=True),
            Run(id="r", case="c", base_url="u", deadline_ms=1000, continues=True, auth=grant),
            Run(id="r", case="c", base_url="u", deadline_ms=1000),
        ]
        ends = [await driver.run(run, lambda _: None) for run in runs]
        await driver.close()
        return ends

    ends = asyncio.run(main(Resuming))
    refused = asyncio.run(main(Small))[2]
    lives = [small.seen for small in made if small.seen]

    assert all(isinstance(end, Result) for end in ends)
    assert lives[0] == ["open r", "a/0 x", "resume ada@example.com", "close"]
    assert lives[1] == ["open r", "close"]
    assert isinstance(refused, Unsupported)


def test_an_adapter_that_fails_is_the_drivers_fault() -> None:
    """What goes wrong outside of calls is never the client's outcome: the segment ends as the driver's fault."""

    class Broken(Small):
        async def settle(self) -> Result:
            raise KeyError("token")

    class Junk(Small):
        async def call(self, *_args: Any, **_options: Any) -> Outcome:
            return "fine"  # type: ignore[return-value] # what a careless adapter may do

    for kind in (Broken, Junk):
        _, end, _, _ = _driven([CallStep(call="a", op="x")], {"x": _well}, kind=kind)

        assert isinstance(end, DriverFault)
        assert "small" in end.message


def test_a_factory_that_fails_is_a_driver_error() -> None:
    """``hello`` says that the client cannot be made, and why."""

    def factory() -> Small:
        raise OSError("no key file")

    with pytest.raises(DriverError, match="no key file"):
        asyncio.run(InProcessDriver(factory).hello())


def test_tasks_that_outlive_the_client_are_named() -> None:
    """A task that a call started and nobody ended is found after ``close``, though other cases run beside it."""

    async def leaks(small: Small, _tag: str) -> None:
        asyncio.get_running_loop().create_task(_deaf(small, ""))

    made: list[Small] = []

    async def main() -> list[list[str]]:
        driver = InProcessDriver(lambda: Small({"leak": leaks, "well": _well}, made), grace=0.05)
        for id_, op in (("bad", "leak"), ("good", "well")):
            steps: list[RunStep] = [CallStep(call="a", op=op)]
            run = Run(id=id_, case="c", base_url="u", deadline_ms=500, calls=steps)
            await driver.run(run, lambda _: None)
        return [await driver.end_case("good"), await driver.end_case("bad")]

    good, bad = asyncio.run(main())

    assert good == []
    assert bad == ["a task outlived the client: _deaf"]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["well", "slow", "raises", "cancels"]),
            st.integers(1, 3),
            st.sampled_from([None, 0.0, 3.0, 50.0]),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_every_call_gets_exactly_one_outcome(calls: list[tuple[str, int, float | None]], parallel: bool) -> None:
    """Whatever calls are asked for and whatever they do, each has one outcome, and nothing is left over."""
    acts = {
        "well": _well,
        "slow": _sleeps(0.01),
        "raises": _raises(OSError("x")),
        "cancels": _raises(asyncio.CancelledError()),
    }
    steps = [
        CallStep(call=f"c{n}", op=op, times=times, cancel_after_ms=cancel)
        for n, (op, times, cancel) in enumerate(calls)
    ]
    outcomes, end, left, _ = _driven([ParallelStep(parallel=steps)] if parallel else [*steps], acts)
    asked = sorted((step.call, i) for step in steps for i in range(step.times))

    assert sorted((o.call, o.i) for o in outcomes) == asked
    assert all((o.started_ms or 0) <= (o.ended_ms or 0) for o in outcomes)
    assert isinstance(end, Result)
    assert left == []
