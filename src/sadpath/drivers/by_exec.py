"""Drives a client that is a command, run once for each call: the first test in ten lines of any language.

What is asked for stands in the environment; the exit code says how it ended (0 well, 1 in an error, 77 not supported).
Lines of stdout that begin with ``@sadpath `` are messages as of any other driver, in which ``id``, ``call`` and ``i``
may be left out; they count more than the exit code.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sadpath.core.clock import LoopClock
from sadpath.core.errors import DriverError
from sadpath.drivers.base import End, OnOutcome, Tap
from sadpath.drivers.bounds import Bounds
from sadpath.drivers.endpoints import Endpoint, plain_request
from sadpath.drivers.messages import (
    CallStep,
    ClientInfo,
    DriverFault,
    ErrorReport,
    Hello,
    Outcome,
    Result,
    Run,
    Unsupported,
)
from sadpath.drivers.process import Command, Lines, Process, Tail, how_it_ended
from sadpath.drivers.wire import MARK, Answer, BrokenMessage, excerpt, message, read_answer, with_log

__all__ = ["ExecDriver"]

WELL, ERROR, NOT_SUPPORTED = 0, 1, 77
_LONGEST_VALUE = 120_000
"""Bytes that one variable of an environment may hold; Linux's bound is 128 KiB."""

_AT_A_TIME = 4


class ExecDriver:
    """The driver of ``exec: COMMAND``.

    Args:
        command: what is run for each call.
        name: what to call the client; default: by its command.
        capabilities: what its contract declares; there is no hello to ask.
        bounds: of one run.
    """

    one_call = True
    """It can be asked for one call a case, and nothing afterwards."""

    def __init__(
        self, command: Command, *, name: str = "", capabilities: tuple[str, ...] = (), bounds: Bounds | None = None
    ) -> None:
        self.command = command
        self.name = name or command.name
        self.tap: Tap | None = None
        self.endpoints: Mapping[str, Endpoint] = {}
        self._capabilities = capabilities
        self._bounds = bounds or Bounds()
        self._runs: set[_Run] = set()

    async def hello(self) -> Hello:
        """Return what the contract says in its place."""
        return Hello(client=ClientInfo(name=self.name), capabilities=list(self._capabilities), max_parallel=_AT_A_TIME)

    async def run(self, run: Run, on_outcome: OnOutcome) -> End:
        """Run the command for the one call of a case.

        Raises:
            DriverError: where it cannot be started, is ended by a signal, or writes what it must not.
        """
        step = run.calls[0] if len(run.calls) == 1 else None
        if run.continues or not isinstance(step, CallStep) or step.times != 1:
            return Unsupported(id=run.id, why="an exec driver makes one call a case")
        call = _Run(self, run, step, self._bounds)
        self._runs.add(call)
        try:
            return await call.play(on_outcome)
        finally:
            self._runs.discard(call)

    async def end_case(self, id: str) -> list[str]:  # noqa: A002 - the protocol's word
        """Do nothing: each process has ended with its run."""
        return []

    async def close(self) -> None:
        """End what still runs."""
        await asyncio.gather(*(call.process.close() for call in list(self._runs)))


class _Run:
    """One process."""

    def __init__(self, driver: ExecDriver, run: Run, step: CallStep, bounds: Bounds) -> None:
        self._driver = driver
        self._run = run
        self._step = step
        self._bounds = bounds
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers: list[Answer] = []
        self._broken: DriverError | None = None
        self._log = Tail(bounds.log)
        self._volume = 0
        self._lines = {1: Lines(bounds.line, self._stdout), 2: Lines(bounds.line, self._stderr)}
        self.process = Process(self._output, self._end)

    async def play(self, on_outcome: OnOutcome) -> End:
        """Run the process to its end, at most until the deadline, and say what it comes to."""
        with tempfile.TemporaryDirectory(prefix="sadpath-") as folder:
            env = self._environment(Path(folder))
            if long := [name for name, value in env.items() if len(value.encode()) > _LONGEST_VALUE]:
                return Unsupported(id=self._run.id, why=f"{', '.join(long)} is longer than an environment can hold")
            clock = LoopClock()
            self._tell("sent", " ".join(f"{name}={value}" for name, value in env.items() if name != "SADPATH_RUN"))
            try:
                await self.process.start(self._driver.command, env=env, stdin=False)
                begun = clock.now()
                await asyncio.wait({self._over}, timeout=self._run.deadline_ms / 1000 + self._bounds.late)
                took = round((clock.now() - begun) * 1000, 3)
            finally:
                await self.process.close()
        self._tell("came", how_it_ended(self.process.code))
        return self._ending(took, on_outcome)

    def _tell(self, what: str, text: str) -> None:
        if self._driver.tap is not None:
            self._driver.tap(what, text)

    def _environment(self, folder: Path) -> dict[str, str]:
        run, step = self._run, self._step
        request = plain_request(step.op, step.args, self._driver.endpoints, run.auth)
        found = {
            "SADPATH_BASE_URL": run.base_url,
            "SADPATH_CASE": run.case,
            "SADPATH_OP": step.op,
            "SADPATH_METHOD": request.method if request else "",
            "SADPATH_PATH": request.path if request else "",
            "SADPATH_URL": request.url(run.base_url) if request else "",
            "SADPATH_BODY": request.body if request else "",
            "SADPATH_TOKEN": (run.auth.access_token if run.auth else None) or "",
            "SADPATH_RUN": message("run", run).decode().rstrip(),
        }
        if run.tls_ca is not None:
            file = folder / "ca.pem"
            file.write_text(run.tls_ca, encoding="ascii")
            found["SADPATH_CA_FILE"] = str(file)
        return {name: value.replace("\0", "") for name, value in found.items()}

    # What it writes

    def _output(self, fd: int, data: bytes) -> None:
        self._volume += len(data)
        if self._volume > self._bounds.volume:
            self._break(BrokenMessage(f"it has written more than {self._bounds.volume:,} bytes in one case"))
        elif self._broken is None and fd in self._lines:
            self._lines[fd].feed(data)

    def _stdout(self, line: bytes, cut: bool) -> None:
        if not line.startswith(MARK):
            self._stderr(line, cut)
        elif cut:
            self._break(BrokenMessage(f"a message is longer than {self._bounds.line:,} bytes: {excerpt(line)}"))
        else:
            self._tell("came", line.decode("utf-8", "backslashreplace"))
            defaults = {"id": self._run.id, "call": self._step.call}
            try:
                self._answers.append(read_answer(line.removeprefix(MARK), defaults))
            except BrokenMessage as error:
                self._break(error)

    def _stderr(self, line: bytes, _cut: bool) -> None:
        self._log.add(line.decode("utf-8", "replace"))

    def _break(self, error: DriverError) -> None:
        if self._broken is None:
            self._broken = error
            self.process.kill()
            self._end()

    def _end(self) -> None:
        if not self._over.done():
            for lines in self._lines.values():
                if lines.pending and self._broken is None:
                    lines.end()
            self._over.set_result(None)

    # What it comes to

    def _ending(self, took: float, on_outcome: OnOutcome) -> End:
        if self._broken is not None:
            raise self._fault(str(self._broken))
        outcomes = [item for item in self._answers if isinstance(item, Outcome)]
        ends = [item for item in self._answers if isinstance(item, Result | Unsupported | DriverFault)]
        strange = [item for item in self._answers if getattr(item, "id", "") != self._run.id]
        strange += [item for item in outcomes if (item.call, item.i) != (self._step.call, 0)]
        if strange or len(outcomes) > 1 or len(ends) > 1:
            raise self._fault("it answers for another case or call, or more than once")
        for end in ends:
            if not isinstance(end, Result):
                return end
        hung = not self._over.done()
        if not hung or outcomes:
            outcome = outcomes[0] if outcomes else self._by_exit_code()
            if outcome is None:
                return Unsupported(id=self._run.id, why=self._log.last() or "exit code 77")
            times = {"started_ms": outcome.started_ms or 0.0, "ended_ms": outcome.ended_ms or took}
            on_outcome(outcome.model_copy(update=times))
        result = ends[0] if ends and isinstance(ends[0], Result) else Result()
        return with_log(result, self._run.id, self._log)

    def _by_exit_code(self) -> Outcome | None:
        """Return the outcome that the exit code means, None for ``unsupported``.

        Raises:
            DriverError: for one that has no meaning.
        """
        code = self.process.code
        if code == NOT_SUPPORTED:
            return None
        if code == WELL:
            return Outcome(id=self._run.id, call=self._step.call, outcome="ok")
        if code == ERROR:
            report = ErrorReport(kind="other", message=self._log.last())
            return Outcome(id=self._run.id, call=self._step.call, outcome="error", error=report)
        raise self._fault(f"it {how_it_ended(code)}, which means nothing: 0 is well, 1 an error, 77 not supported")

    def _fault(self, what: str) -> DriverError:
        last = self._log.last()
        return DriverError(
            f"the driver `{self._driver.command}`: {what}" + (f". Its last lines: {last}" if last else "")
        )
