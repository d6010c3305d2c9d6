"""The virtual time line: a loop whose clock jumps, and the order of what happens in one instant.

Running code takes no virtual time; when nothing is ready the clock jumps to the next event. In one instant the
network's events come first, then I/O callbacks, then timers; timers of one instant run in the order in which they were
set, and sockets become ready in the order in which something reached them.
"""

# ruff: noqa: SLF001 - a loop works on the private fields of asyncio's handles, as asyncio's own loops do

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import threading
from asyncio import events, selector_events
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sadpath.sim.errors import SimDeadlock, SimError, SimLimit
from sadpath.sim.limits import RESOLUTION, Limits
from sadpath.sim.network import Network
from sadpath.sim.pending import describe_pending
from sadpath.sim.sockets import SocketBase
from sadpath.sim.tasks import OrderedWeakSet, SimTask

__all__ = ["TimelineLoop"]

T = TypeVar("T")
_MANY_CANCELLED = 100
_COLLECT_EVERY = 200_000
"""Steps between two collections of garbage; while a run lasts Python itself collects none."""


class TimelineLoop(selector_events.BaseSelectorEventLoop):
    """Virtual time, timers, tasks and readiness; no connections yet.

    ``now`` is the virtual seconds since the run began, ``steps`` how many callbacks and network events have run,
    ``failure`` the error that ended the run, if one did.

    Args:
        network: the run's network, which this loop attaches.
        limits: how far the run may go.
    """

    if TYPE_CHECKING:  # what asyncio's base classes have, and their stubs leave out
        _ready: deque[Any]
        _stopping: bool
        _task_factory: Any
        _transports: Any

        def _check_closed(self) -> None: ...

    def __init__(self, network: Network | None = None, limits: Limits | None = None) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, int, Any]] = []
        self._network_events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count(1)
        self._task_numbers = itertools.count(1)
        self._due: list[SocketBase] = []
        self.network = Network() if network is None else network
        self.steps = 0
        self.failure: SimError | None = None
        self.threads_before = {thread.ident for thread in threading.enumerate()}
        self._worker_seconds: list[float] = []
        self.set_limits(limits or Limits())
        super().__init__(_NoSelector())  # type: ignore[arg-type]  # never asked: readiness is ours
        self._asyncgens = OrderedWeakSet()
        self._clock_resolution = RESOLUTION
        self.network.attach(self)

    # Time.

    def time(self) -> float:
        """Return the virtual seconds since the run began."""
        return self.now

    def set_limits(self, limits: Limits) -> None:
        """Replace the limits; they count from the beginning of the run."""
        self._last_second = limits.virtual_seconds
        self._last_step = limits.steps
        self._next_check = min(limits.steps, self.steps + _COLLECT_EVERY)

    def block(self, seconds: float) -> None:
        """Let time pass while a callback runs: what ``time.sleep`` in the loop's thread means.

        Whatever comes due meanwhile is late, as on a real loop that is blocked. In an inline worker call the seconds
        are added up instead, and delay the call's result.
        """
        if self._worker_seconds:
            self._worker_seconds[-1] += seconds
        else:
            self.now += seconds

    def enter_worker(self) -> None:
        """Begin an inline worker call, whose sleeps are added up."""
        self._worker_seconds.append(0.0)

    def leave_worker(self) -> float:
        """End an inline worker call, and return the seconds that it slept."""
        return self._worker_seconds.pop()

    def extra_seconds(self) -> float:
        """Return by how much the running worker call is ahead of the loop."""
        return self._worker_seconds[-1] if self._worker_seconds else 0.0

    def call_at(  # type: ignore[override]  # typeshed's signature is generic in newer versions only
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at a virtual time; callbacks of the same time run in the order in which they were set."""
        if when is None or when != when:  # noqa: PLR0124 - NaN would break the order of all timers
            raise TypeError("when cannot be None or NaN")
        self._check_closed()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        timer._scheduled = True  # type: ignore[attr-defined]  # a field that the stubs leave out
        heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back after a number of virtual seconds."""
        if delay is None:
            raise TypeError("delay must not be None")
        return self.call_at(self.now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: Any) -> None:
        if handle._scheduled:
            self._timer_cancelled_count += 1

    def timers(self) -> Iterator[asyncio.TimerHandle]:
        """Yield the timers that are set, the earliest first."""
        for _, _, timer in sorted(self._timers, key=lambda entry: entry[:2]):
            if not timer._cancelled:
                yield timer

    # The network's side.

    def schedule(self, when: float, callback: Callable[[], None]) -> None:
        """Let something happen in the network at a virtual time."""
        heappush(self._network_events, (when, next(self._order), callback))

    def mark(self, sock: SocketBase) -> None:
        """Look at a socket's readiness before the next callbacks run."""
        if not sock.listed and (sock.reader is not None or sock.writer is not None):
            sock.listed = True
            self._due.append(sock)

    # Running.

    def _run_once(self) -> None:
        ready, limit = self._ready, self.now + RESOLUTION
        if self._network_events and self._network_events[0][0] < limit:
            self._run_network(limit)
        if self._due:
            self._poll()
        if self._timers and self._timers[0][0] < limit:
            self._collect_timers(limit)
        while not ready and not self._stopping:
            self._jump()
        count = len(ready)
        self.steps += count
        if self.steps > self._next_check:
            self._check_steps()
        popleft = ready.popleft
        for _ in range(count):
            handle = popleft()
            if not handle._cancelled:
                handle._run()

    def _jump(self) -> None:
        when = self._network_events[0][0] if self._network_events else math.inf
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)[2]._scheduled = False
            self._timer_cancelled_count -= 1
        if timers and timers[0][0] < when:
            when = timers[0][0]
        if when == math.inf:
            self._end(
                SimDeadlock,
                f"nothing is ready and no timer is set at {self.now:.6f} virtual seconds: nothing can happen any more",
            )
        if when > self._last_second:
            self._end(SimLimit, f"the run passed its limit of {self._last_second:g} virtual seconds")
        self.now = max(when, self.now)
        limit = self.now + RESOLUTION
        if self._network_events and self._network_events[0][0] < limit:
            self._run_network(limit)
            if self._due:
                self._poll()
        if timers and timers[0][0] < limit:
            self._collect_timers(limit)

    def _run_network(self, limit: float) -> None:
        queue = self._network_events
        while queue and queue[0][0] < limit:
            self.steps += 1
            if self.steps > self._next_check:
                self._check_steps()
            when, _, callback = heappop(queue)
            self.now = max(self.now, when)
            callback()

    def _end(self, kind: type[SimError], message: str) -> NoReturn:
        """Raise the error that ends a run, and keep it: sync code that runs the loop may catch what it should not."""
        self.failure = kind(message, describe_pending(self))
        raise self.failure

    def _check_steps(self) -> None:
        """End a run that goes on for ever, and collect garbage at moments that are the same in every run."""
        if self.steps > self._last_step:
            self._end(SimLimit, f"the run passed its limit of {self._last_step} steps")
        self._next_check = min(self._last_step, self.steps + _COLLECT_EVERY)
        gc.collect()

    def _poll(self) -> None:
        due, self._due = self._due, []
        ready, again = self._ready, self._due
        for sock in due:
            sock.listed = False
            reader, writer = sock.reader, sock.writer
            if reader is not None and sock.readable():
                ready.append(reader)
            else:
                reader = None
            if writer is not None and sock.writable():
                ready.append(writer)
            elif reader is None:
                continue
            sock.listed = True
            again.append(sock)

    def _collect_timers(self, limit: float) -> None:
        timers, ready = self._timers, self._ready
        if self._timer_cancelled_count > _MANY_CANCELLED and 2 * self._timer_cancelled_count > len(timers):
            self._drop_cancelled()
        while timers and timers[0][0] < limit:
            when, _, timer = heappop(timers)
            timer._scheduled = False
            if timer._cancelled:
                self._timer_cancelled_count -= 1
            else:
                ready.append(timer)
                self.now = max(self.now, when)

    def _drop_cancelled(self) -> None:
        kept = []
        for entry in self._timers:
            if entry[2]._cancelled:
                entry[2]._scheduled = False
            else:
                kept.append(entry)
        self._timers[:] = kept
        heapify(self._timers)
        self._timer_cancelled_count = 0

    # Tasks.

    def create_task(  # type: ignore[override]  # newer versions add keywords, which are passed on
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None, **more: Any
    ) -> asyncio.Task[T]:
        """Make a task whose hash and default name follow the order of creation."""
        if self._task_factory is not None:
            return super().create_task(coro, name=name, context=context, **more)
        self._check_closed()
        return SimTask(coro, loop=self, name=name, context=context, **more)

    def next_number(self) -> int:
        """Return the next task's number."""
        return next(self._task_numbers)

    def __del__(self) -> None:
        """Stay silent: an unclosed simulated loop holds nothing of the system's."""

    # Readiness: what a selector does elsewhere.

    def _add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        self._check_closed()
        sock = self.network.socket_of(fd)
        handle = events.Handle(callback, args, self, None)
        old, sock.reader = sock.reader, handle
        if old is not None:
            old.cancel()
        if not sock.listed and sock.readable():
            sock.listed = True
            self._due.append(sock)
        return handle

    def _remove_reader(self, fd: Any) -> bool:
        sock = self.network.find(fd)
        if sock is None or sock.reader is None:
            return False
        sock.reader.cancel()
        sock.reader = None
        return True

    def _add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        self._check_closed()
        sock = self.network.socket_of(fd)
        handle = events.Handle(callback, args, self, None)
        old, sock.writer = sock.writer, handle
        if old is not None:
            old.cancel()
        self.mark(sock)
        return handle

    def _remove_writer(self, fd: Any) -> bool:
        sock = self.network.find(fd)
        if sock is None or sock.writer is None:
            return False
        sock.writer.cancel()
        sock.writer = None
        return True

    def _make_self_pipe(self) -> None:
        """Make nothing: no other thread has to wake a loop that never sleeps."""

    def _close_self_pipe(self) -> None:
        """Close nothing, as above."""

    def _write_to_self(self) -> None:
        """Write nothing, as above."""


class _NoSelector:
    """What the base class closes; readiness never goes through it."""

    def get_key(self, fileobj: object) -> object:
        """Know nobody, as a selector without registrations."""
        raise KeyError(fileobj)

    def get_map(self) -> dict[object, object]:
        """Return no registrations."""
        return {}

    def close(self) -> None:
        """Close nothing."""
