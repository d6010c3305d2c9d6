"""The error families: each says whose fault it is.

    SadpathError
    ├── SubjectError           the client under test
    ├── AuthorError            the author of a scenario, contract, workspace or command line
    │   ├── FileProblem        one problem at a place in a file
    │   ├── FileProblems       all the problems of one file, or of several
    │   └── UsageError         a command that cannot be carried out as given
    │       └── NotInstalledError  for want of a library or a language that does not come with sadpath
    ├── DriverError            the driver between sadpath and the client
    └── HarnessError           sadpath itself

A report never blurs them: a finding is the client's, exit code 2 is the author's, exit code 3 is ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "AuthorError",
    "DriverError",
    "FileProblem",
    "FileProblems",
    "HarnessError",
    "NotInstalledError",
    "SadpathError",
    "SubjectError",
    "UsageError",
]


class SadpathError(Exception):
    """Base of everything that sadpath raises on purpose; its text is one clear message."""

    party: str = "sadpath"


class SubjectError(SadpathError):
    """The client under test did something that ends its case."""

    party = "client"


class AuthorError(SadpathError):
    """A file or command that its author has to mend; exit code 2."""

    party = "author"


@dataclass
class FileProblem(AuthorError):
    """One problem in a file: where it is, what is wrong, and the nearest known name, if there is one.

    ``line`` counts from 1; ``field`` is the path as an author would write it (``faults[0].plan[1].status.code``).
    A ``note`` is worth knowing but nothing that has to be mended: lint shows it and does not fail.
    """

    file: str
    message: str
    line: int | None = None
    field: str | None = None
    nearest: str | None = None
    level: Literal["error", "note"] = "error"

    def __post_init__(self) -> None:
        """Give the exception its arguments, so that it can be pickled (campaigns run in several processes)."""
        self.args = (self.file, self.message, self.line, self.field, self.nearest, self.level)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        level = " note:" if self.level == "note" else ""
        field = f" {self.field}:" if self.field else ""
        hint = f" (did you mean {self.nearest!r}?)" if self.nearest else ""
        return f"{place}:{level}{field} {self.message}{hint}"

    __hash__ = Exception.__hash__


class FileProblems(AuthorError):
    """Everything that is wrong with a file, or with several: at least one problem, in the order of the lines."""

    def __init__(self, problems: Iterable[FileProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class UsageError(AuthorError):
    """A command line, client or address that cannot be used as given; exit code 2."""


class NotInstalledError(UsageError):
    """A client needs a library or a language that is not there; the message says what brings it."""


class DriverError(SadpathError):
    """The driver failed: it crashed, broke the protocol or could not start. Never the client's failure."""

    party = "driver"


class HarnessError(SadpathError):
    """sadpath itself failed; exit code 3."""
