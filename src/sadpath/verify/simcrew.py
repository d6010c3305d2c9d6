"""The workers of a simulated campaign: one in this process, or several in processes of their own.

A worker process that dies takes nothing with it but the task at hand, which is told as lost; another takes its place.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Protocol, Self

from sadpath.core.errors import HarnessError, SadpathError
from sadpath.verify.played import Client
from sadpath.verify.simwatch import watched
from sadpath.verify.simwork import Report, Setup, Task, Worker

__all__ = ["Crew", "Here", "Listener", "Processes"]

_LOOK = 0.2
"""Seconds after which a crew looks up from waiting, to see whether it is to stop."""

_SILENCE = 120.0
"""Seconds without a sign of life after which a worker is taken for dead."""


class Listener(Protocol):
    """Hears what becomes of tasks."""

    def tried(self, task: Task, cases: int) -> None:
        """So many more cases have been tried for a task."""
        ...

    def done(self, task: Task, report: Report) -> None:
        """A task is done."""
        ...

    def lost(self, task: Task, why: str) -> None:
        """A task came to nothing, by no fault of the client's."""
        ...

    def stopped(self) -> bool:
        """Tell whether to come to an end."""
        ...


class Crew(Protocol):
    """Workers, as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def run(self, tasks: Iterable[Task], listener: Listener) -> None:
        """Do all tasks, unless stopped."""
        ...


class Here:
    """One worker, in this process.

    Args:
        setup: what it is made from.
        clients: the clients, where they are open already.
    """

    def __init__(self, setup: Setup, clients: Sequence[Client] | None = None) -> None:
        self._setup = setup
        self._clients = clients

    def __enter__(self) -> Self:
        """Load workspace and clients; raises what ``Worker`` raises."""
        self._worker = Worker(self._setup, self._clients)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def run(self, tasks: Iterable[Task], listener: Listener) -> None:
        """Do all tasks, one after another."""
        with watched(self._worker.simulator):
            for task in tasks:
                if listener.stopped():
                    return
                try:
                    report = self._worker.do(task, _telling(listener, task), listener.stopped)
                except Exception as error:  # noqa: BLE001 - one task that fails must not end the campaign
                    listener.lost(task, _said(error))
                else:
                    listener.done(task, report)


def _telling(listener: Listener, task: Task) -> Callable[[int], None]:
    return lambda cases: listener.tried(task, cases)


@dataclass
class _Seat:
    """A worker process and the task that it is at; ``silent`` is for how many looks it has said nothing."""

    process: Any
    connection: Connection
    task: Task | None = None
    ready: bool = False
    silent: int = 0


class Processes:
    """Several workers, each in a process of its own, started anew (``spawn``).

    Args:
        setup: what they are made from.
        jobs: how many.
    """

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._setup = setup
        self._jobs = jobs
        self._context = multiprocessing.get_context("spawn")
        self._seats: list[_Seat] = []

    def __enter__(self) -> Self:
        """Start no process yet: that is done where there is a task for it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for seat in self._seats:
            self._end(seat)
        self._seats.clear()

    def run(self, tasks: Iterable[Task], listener: Listener) -> None:
        """Do all tasks, several at a time.

        Raises:
            HarnessError: where a process cannot be made ready.
        """
        waiting = deque(tasks)
        while (waiting or any(seat.task is not None for seat in self._seats)) and not listener.stopped():
            while len(self._seats) < min(self._jobs, len(waiting) + sum(s.task is not None for s in self._seats)):
                self._seats.append(self._start())
            for seat in self._seats:
                if seat.ready and seat.task is None and waiting:
                    seat.task = waiting.popleft()
                    seat.connection.send(seat.task)
            self._look(listener)
        if listener.stopped():
            self.__exit__(None, None, None)

    def _start(self) -> _Seat:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._setup), name="sadpath worker", daemon=True)
        # Ctrl-C reaches the whole group, and a worker ignores it only once it has imported what it needs: until then it
        # inherits the mask. The tracker is started first, for that takes the mask away.
        resource_tracker.ensure_running()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        return _Seat(process, ours)

    def _look(self, listener: Listener) -> None:
        """Take what the workers have to say; wait for it no longer than a moment."""
        heard = set(map(id, wait([seat.connection for seat in self._seats], timeout=_LOOK)))
        for seat in list(self._seats):
            if id(seat.connection) in heard:
                seat.silent = 0
                self._hear(seat, listener)
            elif not heard:
                seat.silent += 1
                if seat.silent * _LOOK > _SILENCE:
                    self._bury(seat, listener, f"its process gave no sign of life for {_SILENCE:g} s")

    def _hear(self, seat: _Seat, listener: Listener) -> None:
        try:
            message = seat.connection.recv()
        except (EOFError, OSError):
            seat.process.join(1.0)
            self._bury(seat, listener, f"its process died{_how(seat.process.exitcode)}")
            return
        kind, content = message
        task = seat.task
        if kind == "ready":
            seat.ready = True
        elif kind == "failed":
            self._end(seat)
            self._seats.remove(seat)
            raise content if isinstance(content, SadpathError) else HarnessError(str(content))
        elif task is None:
            return
        elif kind == "tried":
            listener.tried(task, content)
        else:
            seat.task = None
            (listener.done if kind == "done" else listener.lost)(task, content)

    def _bury(self, seat: _Seat, listener: Listener, why: str) -> None:
        self._end(seat)
        self._seats.remove(seat)
        if not seat.ready:
            raise HarnessError(f"a worker could not begin: {why}; with --jobs 1 there are none")
        if seat.task is not None:
            listener.lost(seat.task, why)

    def _end(self, seat: _Seat) -> None:
        seat.connection.close()
        seat.process.terminate()
        seat.process.join(1.0)
        if seat.process.is_alive():
            seat.process.kill()
            seat.process.join(1.0)


def _how(code: int | None) -> str:
    if code is None:
        return ""
    if code >= 0:
        return f" with exit code {code}"
    try:
        return f" by {signal.Signals(-code).name}"
    except ValueError:
        return f" by signal {-code}"


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, SadpathError) else f"{type(error).__name__}: {error}"


# In the process of a worker


def _work(connection: Connection, setup: Setup) -> None:
    """Be a worker: take tasks and send reports until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us decides
    try:
        worker = Worker(setup)
    except BaseException as error:  # noqa: BLE001 - whatever it is has to be told to who can tell the user
        connection.send(("failed", error if isinstance(error, SadpathError) else HarnessError(_said(error))))
        return
    gc.collect()
    gc.freeze()  # what is loaded stays: looking at it again after each case would only take time
    connection.send(("ready", None))
    with watched(worker.simulator):
        while True:
            try:
                task = connection.recv()
            except (EOFError, OSError):
                return
            connection.send(_done(worker, task, connection))


def _done(worker: Worker, task: Task, connection: Connection) -> tuple[str, Any]:
    try:
        return "done", worker.do(task, lambda cases: connection.send(("tried", cases)), lambda: False)
    except Exception as error:  # noqa: BLE001 - one task that fails must not end the others
        return "lost", _said(error)
