"""The options by which known failures are written down, and let pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sadpath.core.errors import UsageError

if TYPE_CHECKING:
    from sadpath.verify.results import Results
    from sadpath.workspace import Workspace

__all__ = ["BaselineOption", "Baselines", "WriteBaselineOption"]

BaselineOption = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", show_default=False, help="Failures to expect besides the contract's."),
]
WriteBaselineOption = Annotated[
    Path | None,
    typer.Option(
        "--write-baseline",
        metavar="FILE",
        show_default=False,
        help="Write what fails now into a new file, for --baseline; the reasons are yours to fill in.",
    ),
]


@dataclass(frozen=True)
class Baselines:
    """The baselines of a command line: one that is read, one that is written."""

    read: Path | None
    write: Path | None

    def check(self, clients: int) -> None:
        """Make sure, before anything is run, that they belong to one client and that there is a place to write to.

        Raises:
            UsageError: where they do not, or there is none.
        """
        from sadpath.verify.baselinefile import check_place  # noqa: PLC0415 - brings the judge

        given = [name for name, path in (("--baseline", self.read), ("--write-baseline", self.write)) if path]
        if given and clients != 1:
            raise UsageError(f"{given[0]} is about one client, so name one; contracts name theirs by `baseline: FILE`")
        if self.read is not None and not self.read.is_file():
            raise UsageError(f"--baseline {self.read}: there is no such file")
        if self.write is not None:
            check_place(self.write)

    def written(self, results: Results, workspace: Workspace) -> str | None:
        """Write what failed where that is asked for, and return a sentence about it."""
        from sadpath.verify.baseline import read_baseline  # noqa: PLC0415 - brings the judge
        from sadpath.verify.baselinefile import write_baseline  # noqa: PLC0415 - as above

        if self.write is None:
            return None
        before = () if self.read is None else read_baseline(self.read, workspace.root).expected_failures
        return write_baseline(results, self.write, before)
