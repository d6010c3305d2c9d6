"""How long work shows that it goes on: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sadpath.core.clock import SystemClock
from sadpath.verify.results import CaseResult

__all__ = ["BarProgress", "LineProgress", "progress_for"]

_LINES = 10
_FAILED = ("fail", "driver_error", "harness_error")


def progress_for(stream: TextIO) -> BarProgress | LineProgress:
    """Return the progress that suits a stream."""
    return BarProgress(stream) if stream.isatty() else LineProgress(stream)


class BarProgress:
    """A bar that goes away when the work is done."""

    def __init__(self, stream: TextIO) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[failed]}", style="red"),
            console=Console(file=stream),
            transient=True,
        )
        self._task: TaskID | None = None
        self._failed = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def began(self, cases: int) -> None:
        """Show an empty bar."""
        self._new("cases", cases)

    def judged(self, case: CaseResult) -> None:
        """Move on by one."""
        self._failed += case.verdict in _FAILED
        if self._task is not None:
            failed = f"{self._failed} failed" if self._failed else ""
            self._progress.update(self._task, advance=1, failed=failed)

    def again(self, cases: int) -> None:
        """Show a bar for the cases that are run again."""
        self._new("again, alone", cases)

    def judged_again(self, case: CaseResult) -> None:
        """Move on by one."""
        del case
        if self._task is not None:
            self._progress.update(self._task, advance=1)

    def searching(self, cases: int) -> None:
        """Show a bar for the cases that are drawn."""
        self._new("generated cases", cases)

    def tried(self, cases: int) -> None:
        """Move on."""
        if self._task is not None:
            self._progress.update(self._task, advance=cases)

    def shrinking(self, findings: int) -> None:
        """Show a bar for the findings that are made smaller."""
        self._new("making findings small", findings)

    def shrunk(self, findings: int) -> None:
        """Move on."""
        self.tried(findings)

    def _new(self, title: str, cases: int) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(title, total=cases, failed="")


class LineProgress:
    """About ten plain lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._clock = SystemClock()
        self._began = self._clock.now()
        self._total = self._done = self._failed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def began(self, cases: int) -> None:
        """Say how many cases there are."""
        self._total, self._done, self._failed = cases, 0, 0
        self._say(f"running {cases} case{'' if cases == 1 else 's'}")

    def judged(self, case: CaseResult) -> None:
        """Say how far it is, from time to time."""
        self._done += 1
        self._failed += case.verdict in _FAILED
        step = max(1, self._total // _LINES)
        if self._done % step == 0 or self._done == self._total:
            failed = f", {self._failed} failed" if self._failed else ""
            self._say(f"{self._done}/{self._total} cases, {self._clock.now() - self._began:.0f} s{failed}")

    def again(self, cases: int) -> None:
        """Say that some are run again."""
        which = "1 case again: its failure" if cases == 1 else f"{cases} cases again, each alone: their failures"
        self._say(f"running {which} may be due to a busy machine")

    def judged_again(self, case: CaseResult) -> None:
        """Say nothing."""

    def searching(self, cases: int) -> None:
        """Say how many cases are to be drawn."""
        self._total, self._done, self._failed = cases, 0, 0
        self._say(f"drawing {cases} cases")

    def tried(self, cases: int) -> None:
        """Say how far it is, from time to time."""
        step, before = max(1, self._total // _LINES), self._done
        self._done += cases
        if self._done // step > before // step or (cases and self._done == self._total):
            self._say(f"{self._done}/{self._total} generated cases, {self._clock.now() - self._began:.0f} s")

    def shrinking(self, findings: int) -> None:
        """Say that findings are made smaller."""
        self._say(f"making {findings} finding{'' if findings == 1 else 's'} small")

    def shrunk(self, findings: int) -> None:
        """Say nothing."""

    def _say(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()
