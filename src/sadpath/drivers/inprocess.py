"""Drives a client that lives in this process: a ``Subject``, made anew for each case.

Calls are tasks, so cancelling one is the client's own native cancellation. Nothing that a client does ends the run:
what it raises is an outcome, and what never ends is given up at the deadline, named, and left behind.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sadpath.core.clock import Clock, LoopClock
from sadpath.core.errors import DriverError
from sadpath.drivers.base import End, OnOutcome
from sadpath.drivers.messages import (
    AdvanceStep,
    CallStep,
    DriverFault,
    ErrorReport,
    Hello,
    OfflineStep,
    Outcome,
    Result,
    Run,
    RunStep,
    Unsupported,
)
from sadpath.drivers.subject import NotSupported, Resumable, Subject
from sadpath.drivers.watchdog import BlockedLoop

__all__ = ["LONGEST_REAL_ADVANCE", "InProcessDriver", "runs_client"]

LONGEST_REAL_ADVANCE = 3.0
"""Seconds that are really waited for an ``advance`` where the client has no clock that can be moved."""

_SETTLE_AT_LEAST = 0.2
_OPEN_AT_MOST = 30.0

T = TypeVar("T")
_owner: contextvars.ContextVar[set[asyncio.Task[Any]]] = contextvars.ContextVar("sadpath_case")


@dataclass
class _Life:
    """One client while its case lasts; ``tasks`` are all that it has started and that have not ended."""

    subject: Subject
    grace: float
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def __post_init__(self) -> None:
        self.context.run(_owner.set, self.tasks)

    def start(self, work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Start a task that belongs to this client, and whose own tasks do."""
        return asyncio.get_running_loop().create_task(_awaited(work), context=self.context.copy())

    async def bounded(self, work: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Await the client's own code, but no longer than ``seconds``.

        Raises:
            TimeoutError: after that time; the work is cancelled, and left behind if it ignores that.
        """
        task = self.start(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=max(0.0, seconds))
        finally:
            if not task.done():
                task.cancel()
        if done and task.cancelled():
            raise RuntimeError("it was cancelled though nobody had asked for that")
        if done and isinstance(task.exception(), BlockedLoop):
            raise TimeoutError
        if done:
            return task.result()
        await asyncio.wait({task}, timeout=self.grace)
        _forget(task)
        raise TimeoutError


class InProcessDriver:
    """The driver of ``python: package:factory``.

    Args:
        factory: makes an unopened ``Subject``.
        name: what to call the client in messages.
        clock: makes the clock that subjects get, on the running loop; default: the loop's own time.
        grace: seconds that a cancelled call, or a client being closed, is given to end.
    """

    def __init__(
        self,
        factory: Callable[[], Any],
        *,
        name: str = "",
        clock: Callable[[], Clock] | None = None,
        grace: float = 1.0,
    ) -> None:
        self.name = name or getattr(factory, "__qualname__", "the client")
        self._factory = factory
        self._grace = grace
        self._clock: Callable[[], Clock] = clock or LoopClock
        self._lives: dict[str, _Life] = {}
        self._hello: Hello | None = None

    @property
    def factory(self) -> Callable[[], Any]:
        """What makes an unopened subject."""
        return self._factory

    def twin(self) -> InProcessDriver:
        """Return another driver of the same client, which knows none of this one's cases: for another loop."""
        twin = InProcessDriver(self._factory, name=self.name, clock=self._clock, grace=self._grace)
        twin._hello = self._hello
        return twin

    async def hello(self) -> Hello:
        """Return what the client says of itself.

        Raises:
            DriverError: if the factory fails or makes something that is no subject.
        """
        if self._hello is None:
            try:
                found = self._factory().hello()
            except Exception as error:
                raise DriverError(f"the client {self.name} cannot be made: {_said(error)}") from error
            if not isinstance(found, Hello):
                raise DriverError(f"the client {self.name} says hello with {type(found).__name__}, not a Hello")
            self._hello = found
        return self._hello

    async def run(self, run: Run, on_outcome: OnOutcome) -> End:
        """Run one segment of a case; what the client raises is an outcome, never an error of this method."""
        hello = await self.hello()
        _watch_tasks(asyncio.get_running_loop())
        segment = _Segment(run, on_outcome, self._clock(), "fake_clock" in hello.capabilities)
        try:
            life = await self._begin(run, segment.clock)
            return await segment.play(life)
        except NotSupported as no:
            return Unsupported(id=run.id, why=str(no))
        except TimeoutError:
            return DriverFault(id=run.id, message=f"the client {self.name} was not ready in {_OPEN_AT_MOST:g} s")
        except Exception as error:  # noqa: BLE001 - an adapter that fails is the driver's fault, whatever it raises
            return DriverFault(id=run.id, message=f"the adapter of {self.name} failed: {_said(error)}")

    async def _begin(self, run: Run, clock: Clock) -> _Life:
        if run.continues:
            life = self._lives.get(run.id)
            if life is None:
                raise LookupError(f"there is no case {run.id} to go on with")
            if run.auth is not None:
                subject = life.subject
                if not isinstance(subject, Resumable):
                    raise NotSupported("the client's session cannot be replaced while it lives on")
                await life.bounded(lambda: subject.resume(run), _OPEN_AT_MOST)
            return life
        await self.end_case(run.id)
        life = self._lives[run.id] = _Life(self._factory(), self._grace)
        await life.bounded(lambda: life.subject.open(run, clock), _OPEN_AT_MOST)
        return life

    async def end_case(self, id: str) -> list[str]:  # noqa: A002 - the protocol's word
        """Close a case's client; return what outlived that."""
        life = self._lives.pop(id, None)
        if life is None:
            return []
        left: list[str] = []
        try:
            await life.bounded(life.subject.close, self._grace)
        except TimeoutError:
            left.append(f"closing the client did not end in {self._grace:g} s")
        except Exception as error:  # noqa: BLE001 - a client that cannot close is reported, never raised
            left.append(f"closing the client failed: {_said(error)}")
        if life.tasks:
            await asyncio.wait(set(life.tasks), timeout=_SETTLE_AT_LEAST)
        for task in sorted(life.tasks, key=_task_name):
            left.append(f"a task outlived the client: {_task_name(task)}")
            task.cancel()
            _forget(task)
        if life.tasks:
            await asyncio.wait(set(life.tasks), timeout=self._grace)
        return left

    async def close(self) -> None:
        """Close every client that is still open."""
        for id_ in list(self._lives):
            await self.end_case(id_)


class _Segment:
    """One ``run`` at work."""

    def __init__(self, run: Run, on_outcome: OnOutcome, clock: Clock, moves_clock: bool) -> None:
        self.run = run
        self.clock = clock
        self.left_over: list[str] = []
        self._on_outcome = on_outcome
        self._moves_clock = moves_clock
        self._begun = clock.now()
        self._deadline = self._begun + run.deadline_ms / 1000
        self._hung = False

    def _ms(self) -> float:
        return round((self.clock.now() - self._begun) * 1000, 3)

    def _remaining(self) -> float:
        return max(0.0, self._deadline - self.clock.now())

    async def play(self, life: _Life) -> End:
        """Make the calls, step after step, then let the client settle."""
        for step in self.run.calls:
            await self._step(life, step)
            if self._hung:
                break
        return await self._settle(life)

    async def _step(self, life: _Life, step: RunStep) -> None:
        if isinstance(step, AdvanceStep):
            await self._advance(life, step.advance_ms / 1000)
        elif isinstance(step, OfflineStep):
            await life.bounded(lambda: life.subject.offline(step.offline), self._remaining() + life.grace)
        elif isinstance(step, CallStep):
            for i in range(step.times):
                await self._call(life, step, i)
                if self._hung:
                    return
        else:
            await self._side_by_side(life, [(call, i) for call in step.parallel for i in range(call.times)])

    async def _side_by_side(self, life: _Life, calls: list[tuple[CallStep, int]]) -> None:
        tasks = [asyncio.ensure_future(self._call(life, call, i)) for call, i in calls]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _advance(self, life: _Life, seconds: float) -> None:
        if self._moves_clock:
            await life.bounded(lambda: life.subject.advance(seconds), self._remaining() + life.grace)
        elif seconds <= LONGEST_REAL_ADVANCE:
            await self.clock.sleep(seconds)
        else:
            raise NotSupported(f"the client has no clock to move, and {seconds:g} s are too long to wait")

    async def _call(self, life: _Life, step: CallStep, i: int) -> None:
        """Make one call; report its outcome unless it has none by the deadline."""
        if step.start_after_ms:
            await self.clock.sleep(step.start_after_ms / 1000)
        started, cancelled_ms = self._ms(), None
        if step.cancel_after_ms == 0:
            cancelled_ms = started
            task = life.start(lambda: _cancelled_beforehand(lambda: _guarded(life.subject, step, i)))
        else:
            task = life.start(lambda: _guarded(life.subject, step, i))
        try:
            if step.cancel_after_ms:
                limit = min(step.cancel_after_ms / 1000, self._remaining())
                if limit > 0:
                    await asyncio.wait({task}, timeout=limit)
                if not task.done():
                    cancelled_ms = self._ms()
                    task.cancel()
            await asyncio.wait({task}, timeout=self._remaining())
            if not task.done():
                await self._give_up(
                    task, life.grace, f"the call {step.call}/{i} ({step.op}) did not end when it was cancelled"
                )
                return
        finally:
            if not task.done():
                task.cancel()
                _forget(task)
        if not task.cancelled() and isinstance(blocked := task.exception(), BlockedLoop):
            self._hung = True
            self.left_over.append(f"the call {step.call}/{i} ({step.op}) was broken off: {blocked}")
            return
        outcome = _outcome(task, step, i, cancelled=cancelled_ms is not None)
        times = {"started_ms": started, "ended_ms": self._ms(), "cancelled_ms": cancelled_ms}
        self._on_outcome(outcome.model_copy(update={"id": self.run.id, "call": step.call, "i": i, **times}))

    async def _give_up(self, task: asyncio.Task[Outcome], grace: float, sentence: str) -> None:
        self._hung = True
        task.cancel()
        await asyncio.wait({task}, timeout=grace)
        if not task.done():
            self.left_over.append(sentence)
        _forget(task)

    async def _settle(self, life: _Life) -> End:
        try:
            found = await life.bounded(life.subject.settle, max(_SETTLE_AT_LEAST, self._remaining() / 2))
        except TimeoutError:
            self.left_over.append("background work did not end")
            found = Result()
        return found.model_copy(update={"id": self.run.id, "left_over": [*found.left_over, *self.left_over]})


async def _guarded(subject: Subject, step: CallStep, i: int) -> Outcome:
    """Make the call; turn whatever escapes, but cancellation and Ctrl-C, into an outcome that says so."""
    try:
        return await subject.call(
            step.op, step.args, tag=f"{step.call}/{i}", pages=step.pages, replayable=step.replayable
        )
    except (asyncio.CancelledError, KeyboardInterrupt, NotSupported, BlockedLoop):
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit and the like would end the campaign: they have escaped too
        return _escape(step, i, error)


async def _cancelled_beforehand(work: Callable[[], Awaitable[T]]) -> T:
    """Make a call in a task that is cancelled already: the client hears of it where it first waits for something.

    A task that is cancelled before its first step would never enter the client, so that nothing could be said of it.
    """
    task = asyncio.current_task()
    if task is not None:
        task.cancel()
    return await work()


def _outcome(task: asyncio.Task[Outcome], step: CallStep, i: int, *, cancelled: bool) -> Outcome:
    if task.cancelled():
        if cancelled:
            return Outcome(call=step.call, i=i, outcome="cancelled")
        return _escape(step, i, asyncio.CancelledError("raised though nobody had cancelled the call"))
    found = task.result()
    if not isinstance(found, Outcome):
        raise TypeError(f"call({step.op!r}) returned {type(found).__name__}, not an Outcome")
    return found


def _escape(step: CallStep, i: int, error: BaseException) -> Outcome:
    report = ErrorReport(kind="other", native=type(error).__name__, message=str(error))
    return Outcome(call=step.call, i=i, outcome="error", error=report, escaped=True)


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def runs_client() -> bool:
    """Tell whether what runs at this moment in this thread is a client's own code, or a task that it has started."""
    return _owner.get(None) is not None


def _said(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _forget(task: asyncio.Task[Any]) -> None:
    """Let nobody complain of a task that is left behind: neither of what it raises nor of its never ending."""
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    task._log_destroy_pending = False  # type: ignore[attr-defined] # noqa: SLF001 - asyncio's only way to say so


def _task_name(task: asyncio.Task[Any]) -> str:
    work = task.get_coro()
    return str(getattr(work, "__qualname__", work))


def _watch_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Note each task that a client starts, by the context that it inherits, so that those left over can be named."""
    former: Any = loop.get_task_factory()
    if getattr(former, "watches_cases", False):
        return

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
        task = former(loop, work, **options) if former is not None else asyncio.Task(work, loop=loop, **options)
        context = options.get("context")
        owner = context.get(_owner) if context is not None else _owner.get(None)
        if owner is not None:
            owner.add(task)
            task.add_done_callback(owner.discard)
        return task

    factory.watches_cases = True  # type: ignore[attr-defined] # a mark on our own function, read above
    loop.set_task_factory(factory)
