"""Drives a client through a process that stays: JSON Lines on its stdin, ``@sadpath`` lines on its stdout.

A driver that dies, falls silent or breaks the protocol ends the cases that it is at, and is started again for the next.
One whose client hangs is ended with it: such a client would go on in the next case.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from sadpath.core.errors import DriverError
from sadpath.drivers.base import End, OnOutcome, Tap
from sadpath.drivers.bounds import Bounds
from sadpath.drivers.messages import PROTOCOL, DriverFault, Hello, Ok, Outcome, Pong, Result, Run, Unsupported
from sadpath.drivers.process import Command, Lines, Process, Tail, how_it_ended
from sadpath.drivers.wire import MARK, Answer, Awaited, BrokenMessage, excerpt, message, read_answer, with_log

__all__ = ["StdioDriver", "hello_message"]


def hello_message() -> bytes:
    """Return our greeting."""
    from sadpath import __version__  # noqa: PLC0415 - the package's own version, without a circle of imports

    return message("hello", {"protocol": PROTOCOL, "sadpath": __version__})


class StdioDriver:
    """The driver of ``stdio: COMMAND``.

    Args:
        command: what is run, once, and again after it has failed.
        bounds: what it may take up.
    """

    def __init__(self, command: Command, *, bounds: Bounds | None = None) -> None:
        self.command = command
        self.name = command.name
        self.tap: Tap | None = None
        self.stayed = False
        """Whether a process had to be killed, for it did not end after ``bye``."""
        self._bounds = bounds or Bounds()
        self._hello: Hello | None = None
        self._life: _Life | None = None
        self._lives: set[_Life] = set()
        self._at: dict[str, _Life] = {}
        self._lock = asyncio.Lock()

    async def hello(self) -> Hello:
        """Return what the driver says of itself; it is started if need be.

        Raises:
            DriverError: where it cannot be started, or does not say hello in time.
        """
        if self._hello is None:
            await self._alive()
        if self._hello is None:
            raise DriverError(f"the driver `{self.command}` has not said hello")
        return self._hello

    async def run(self, run: Run, on_outcome: OnOutcome) -> End:
        """Send one segment of a case and wait for its end, at most until its deadline.

        Raises:
            DriverError: where the driver died, fell silent or broke the protocol.
        """
        if run.continues:
            life = self._at.get(run.id)
            if life is None:
                raise DriverError(f"there is no case {run.id} to go on with")
        else:
            life = self._at[run.id] = await self._alive()
            life.cases[run.id] = True
            if await life.reset(run.id) is None:
                life.retired = True
                raise DriverError(life.named(f"does not answer `reset` within {self._bounds.answer:g} s"))
        return await life.run(run, on_outcome)

    async def _alive(self) -> _Life:
        """Return a process that can take a case, started if need be.

        Raises:
            DriverError: where it cannot be started, or the last one failed when it was at no case.
        """
        async with self._lock:
            life = self._life
            if life is not None and life.process.gone and not life.retired:
                life.break_off(how_it_ended(life.process.code))
            if life is not None and life.broken is not None and not life.told:
                life.told = True
                raise DriverError(f"{life.broken} (between two cases)")
            if life is not None and not life.retired:
                return life
            self._life = life = _Life(self.command, self._bounds, self.tap)
            self._lives.add(life)
            try:
                hello = await life.start()
            except BaseException:
                life.told = True
                await self._bury(life)
                raise
            if self._hello is not None and hello != self._hello:
                life.break_off("it was started again, and says another hello than the first time")
                life.told = True
                raise DriverError(str(life.broken))
            self._hello = hello
            return life

    async def _bury(self, life: _Life) -> None:
        self._lives.discard(life)
        if self._life is life and life.told:
            self._life = None
        await life.process.close()

    async def end_case(self, id: str) -> list[str]:  # noqa: A002 - the protocol's word
        """Let the driver forget a case, and end it where it can take no more.

        Raises:
            DriverError: where it does not answer.
        """
        life = self._at.pop(id, None)
        if life is None:
            return []
        unknown = life.cases.pop(id)
        try:
            if life.broken is not None and unknown:
                raise DriverError(life.broken)
            left = [] if life.retired else await life.reset(id)
            if left is None:
                life.retired = True
                return [f"closing the client did not end in {self._bounds.answer:g} s"]
            return left
        finally:
            if life.retired and not life.cases:
                await self._bury(life)

    async def close(self) -> None:
        """Say bye, and end every process; none is left over."""
        lives, self._lives, self._life = list(self._lives), set(), None
        self._at.clear()
        for life in lives:
            life.bye()
        await asyncio.gather(*(life.process.close(0 if life.retired else self._bounds.grace) for life in lives))
        self.stayed = any(life.process.stayed and not life.retired for life in lives)


class _Talk:
    """A run that is under way."""

    def __init__(self, run: Run, on_outcome: OnOutcome, log: int) -> None:
        self.awaited = Awaited(run)
        self.on_outcome = on_outcome
        self.log = Tail(log)
        self.end: asyncio.Future[End] = asyncio.get_running_loop().create_future()


class _Life:
    """One process from its start to its end.

    ``broken`` says why it cannot be used any more; ``told`` whether there was a case to be told so. A ``retired`` one
    takes no new case. ``cases`` are those that it is at, and whether they have not been told of a failure;
    ``given_up`` are those whose client hung, of which answers may still come.
    """

    def __init__(self, command: Command, bounds: Bounds, tap: Tap | None) -> None:
        self.broken: str | None = None
        self.told = False
        self.retired = False
        self.cases: dict[str, bool] = {}
        self.given_up: set[str] = set()
        self._command = command
        self._bounds = bounds
        self._tap = tap
        self._log = Tail(bounds.log)
        self._volume = 0
        self._talks: dict[str, _Talk] = {}
        self._waiting: dict[str, list[asyncio.Future[Answer]]] = {"hello": [], "pong": [], "ok": []}
        self._resetting = asyncio.Lock()
        self._lines = {1: Lines(bounds.line, self._stdout), 2: Lines(bounds.line, self._stderr)}
        self.process = Process(self._output, self._ended, needs_stdout=True)

    async def start(self) -> Hello:
        """Start the process and return its hello.

        Raises:
            DriverError: where it cannot be started, or says no hello of this protocol in time.
        """
        await self.process.start(self._command, stdin=True)
        found = await self._ask("hello", hello_message(), self._bounds.start)
        if found is None:
            self.break_off(f"has not said hello within {self._bounds.start:g} s")
            raise DriverError(str(self.broken))
        assert isinstance(found, Hello)  # noqa: S101 - what waits for a hello is given a hello
        if found.protocol != PROTOCOL:
            self.break_off(f"speaks version {found.protocol} of the protocol, and sadpath version {PROTOCOL}")
            raise DriverError(str(self.broken))
        return found

    # What is asked

    async def _ask(self, kind: str, line: bytes, seconds: float) -> Answer | None:
        """Write a line and return the answer of a kind, None where none comes in time.

        Raises:
            DriverError: where the driver fails meanwhile.
        """
        if self.broken is not None:
            raise DriverError(self.broken)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[kind].append(answer)
        self._write(line)
        try:
            await asyncio.wait({answer}, timeout=seconds)
            return answer.result() if answer.done() else None
        finally:
            with suppress(ValueError):
                self._waiting[kind].remove(answer)
            _drop(answer)

    async def ping(self) -> bool:
        """Tell whether the driver answers."""
        return await self._ask("pong", message("ping"), self._bounds.answer) is not None

    async def reset(self, case: str) -> list[str] | None:
        """Let the driver forget a case; return what it says is left over, None where it answers pings alone.

        Raises:
            DriverError: where it does not answer at all.
        """
        async with self._resetting:
            self._volume = 0
            answer = await self._ask("ok", message("reset", {"id": case}), self._bounds.answer)
            if answer is None and not await self.ping():
                self._fall_silent("after `reset`")
            return list(answer.left_over) if isinstance(answer, Ok) else None

    async def run(self, run: Run, on_outcome: OnOutcome) -> End:
        """Send a run and return its end.

        Raises:
            DriverError: where the driver fails.
        """
        if self.broken is not None:
            self.cases[run.id] = False
            raise DriverError(self.broken)
        talk = self._talks[run.id] = _Talk(run, on_outcome, self._bounds.log)
        try:
            self._write(message("run", run))
            await asyncio.wait({talk.end}, timeout=run.deadline_ms / 1000 + self._bounds.late)
            if not talk.end.done():
                return await self._late(run, talk)
            end = self._result(run, talk)
            return with_log(end, run.id, talk.log) if isinstance(end, Result) else end
        finally:
            del self._talks[run.id]
            _drop(talk.end)

    def _result(self, run: Run, talk: _Talk) -> End:
        """Return how a run has ended.

        Raises:
            DriverError: where the driver has failed meanwhile.
        """
        if talk.end.exception() is not None:
            self.cases[run.id] = False
        return talk.end.result()

    async def _late(self, run: Run, talk: _Talk) -> End:
        """Say whose fault it is that the deadline has passed: of the client that hangs, if the driver still answers."""
        self.retired = True
        self.given_up.add(run.id)
        if not await self.ping():
            self._fall_silent(f"at the deadline of {run.deadline_ms:g} ms")
        if talk.end.done():
            return self._result(run, talk)
        if not talk.awaited.missing:
            raise DriverError(self.named("every call has its outcome, and no `result` came by the deadline"))
        return with_log(Result(), run.id, talk.log)

    def _fall_silent(self, when: str) -> None:
        self.break_off(f"does not answer `ping` within {self._bounds.answer:g} s {when}")
        raise DriverError(str(self.broken))

    def bye(self) -> None:
        """Ask the driver to end."""
        self._write(message("bye"))

    def _write(self, line: bytes) -> None:
        self._tell("sent", line)
        self.process.write(line)

    def _tell(self, what: str, line: bytes) -> None:
        if self._tap is not None:
            self._tap(what, line.decode("utf-8", "backslashreplace").rstrip("\n"))

    # What is heard

    def _output(self, fd: int, data: bytes) -> None:
        self._volume += len(data)
        if self._volume > self._bounds.volume:
            self.break_off(f"has written more than {self._bounds.volume:,} bytes in one case")
        elif self.broken is None and fd in self._lines:
            self._lines[fd].feed(data)

    def _stderr(self, line: bytes, _cut: bool) -> None:
        text = line.decode("utf-8", "replace")
        for log in [self._log, *(talk.log for talk in self._talks.values())]:
            log.add(text)

    def _stdout(self, line: bytes, cut: bool) -> None:
        if self.broken is not None:
            return
        if not line.startswith(MARK):
            self._stderr(line, cut)
            return
        self._tell("came", line)
        try:
            if cut:
                raise BrokenMessage(f"a message is longer than {self._bounds.line:,} bytes: {excerpt(line)}")
            self._take(read_answer(line.removeprefix(MARK)))
        except BrokenMessage as error:
            self.break_off(f"broke the protocol: {error}")

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Hello | Pong | Ok):
            kind = "hello" if isinstance(answer, Hello) else "pong" if isinstance(answer, Pong) else "ok"
            waiting = [item for item in self._waiting[kind] if not item.done()]
            if waiting:
                waiting[0].set_result(answer)
            elif isinstance(answer, Hello):
                raise BrokenMessage("it says hello though nobody asked")
            return
        talk = self._talks.get(answer.id)
        if talk is None or talk.end.done():
            if answer.id in self.given_up:
                return
            known = ", ".join(self._talks) or "none"
            raise BrokenMessage(f"it answers for the case {excerpt(answer.id)!r}, which is not under way ({known} is)")
        if isinstance(answer, Outcome):
            talk.awaited.outcome(answer)
            talk.on_outcome(answer)
        else:
            if isinstance(answer, Result):
                talk.awaited.result()
            _settle(talk.end, answer)

    # How it ends

    def _ended(self) -> None:
        for lines in self._lines.values():
            if lines.pending and self.broken is None:
                lines.end()
        if self.broken is None:
            self.break_off(how_it_ended(self.process.code))

    def named(self, why: str) -> str:
        """Return a sentence about this driver, with the last of its log."""
        last = self._log.last()
        return f"the driver `{self._command}` {why}" + (f". Its last lines: {last}" if last else "")

    def break_off(self, why: str) -> None:
        """End the process and everything that waits for it."""
        if self.broken is not None:
            return
        self.broken = self.named(why)
        self.retired = True
        self.process.kill()
        waiting = [item for items in self._waiting.values() for item in items if not item.done()]
        self.told = self.told or bool(waiting or self._talks or self.cases)
        for item in waiting:
            item.set_exception(DriverError(self.broken))
        for talk in self._talks.values():
            if not talk.end.done():
                talk.end.set_exception(DriverError(self.broken))


def _drop(future: asyncio.Future[Any]) -> None:
    """Let nobody complain that what came of it was never looked at."""
    future.cancel()
    if not future.cancelled():
        future.exception()


def _settle(future: asyncio.Future[End], end: Result | Unsupported | DriverFault) -> None:
    if not future.done():
        future.set_result(end)
