"""The error families: each says whose fault it is.

    SadpathError
    ├── SubjectError           the client under test
    ├── AuthorError            the author of a scenario, contract, workspace or command line
    │   ├── FileProblem        one problem at a place in a file
    │   └── UsageError         a command that cannot be carried out as given
    ├── DriverError            the driver between sadpath and the client
    └── HarnessError           sadpath itself

A report never blurs them: a finding is the client's, exit code 2 is the author's, exit code 3 is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AuthorError", "DriverError", "FileProblem", "HarnessError", "SadpathError", "SubjectError", "UsageError"]


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
    """One problem in a file: where it is, what is wrong, and the nearest known name, if there is one."""

    file: str
    message: str
    line: int | None = None
    field: str | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        field = f" {self.field}:" if self.field else ""
        hint = f" (did you mean {self.nearest!r}?)" if self.nearest else ""
        return f"{place}:{field} {self.message}{hint}"

    __hash__ = Exception.__hash__


class UsageError(AuthorError):
    """A command line, client or address that cannot be used as given; exit code 2."""


class DriverError(SadpathError):
    """The driver failed: it crashed, broke the protocol or could not start. Never the client's failure."""

    party = "driver"


class HarnessError(SadpathError):
    """sadpath itself failed; exit code 3."""
