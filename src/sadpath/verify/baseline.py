"""Baselines: failures that are let pass until somebody mends them, in a file of their own beside a contract.

``sadpath verify CLIENT --write-baseline FILE`` writes one (``sadpath.verify.baselinefile``). ``--baseline FILE`` adds
it to the expected failures of the contract, and so does a contract that names it (``baseline: FILE``). It holds
``client``, whose failures they are, and ``expected_failures`` as a contract has them; so a contract may extend it too.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path

import sadpath.faults  # noqa: F401 - fills the vocabulary that `when` is checked against
from sadpath.core.errors import UsageError
from sadpath.core.names import nearest, shown
from sadpath.scenario.filemodel import FileModel, Place, Several, Trouble
from sadpath.scenario.vocabulary import FAULTS
from sadpath.scenario.yamlfile import YamlFile
from sadpath.verify.clauses import all_clauses
from sadpath.verify.contract import ExpectedFailure, Text
from sadpath.verify.expectation import SCEN_01
from sadpath.workspace import Workspace

__all__ = ["Baseline", "read_baseline", "troubles_of"]

_SIGNS = "*?["
_DRAWN = "generated/"


class Baseline(FileModel):
    """What a baseline holds."""

    client: Text
    expected_failures: Several[ExpectedFailure] = ()

    def of(self, client: str, name: str) -> Sequence[ExpectedFailure]:
        """Return the expected failures of a client; ``name`` is the file's, for messages.

        Raises:
            UsageError: where they are another client's.
        """
        if client != self.client:
            raise UsageError(f"{name} is the baseline of {self.client}, not of {client}")
        return self.expected_failures


def read_baseline(path: Path, root: Path | None = None) -> Baseline:
    """Read a baseline; ``root``, the workspace's, shortens the names of files in messages.

    Raises:
        FileProblems: with everything that is wrong with the file.
    """
    file = YamlFile.load(path, root)
    own = file.to_model(Baseline)
    if troubles := list(troubles_of(own.expected_failures, root)):
        raise file.problems(troubles)
    return own


def troubles_of(entries: Sequence[ExpectedFailure], root: Path | None = None) -> Iterator[Trouble]:
    """Yield what is wrong with the names in expected failures: of clauses, of faults, of the workspace's scenarios."""
    ids = [*(clause.id for clause in all_clauses()), SCEN_01.id]
    for index, entry in enumerate(entries):
        place: Place = ("expected_failures", index)
        if not any(fnmatch.fnmatchcase(name, entry.clause) for name in ids):
            yield Trouble((*place, "clause"), *_unmatched("clause", entry.clause, ids))
        if entry.when is None:
            continue
        for number, name in enumerate(entry.when.fault):
            if name not in FAULTS.names():
                yield Trouble((*place, "when", "fault", number), f"unknown fault {shown(name)}", FAULTS.nearest(name))
        names = Workspace(root).scenarios() if root is not None and entry.when.scenario else []
        for number, pattern in enumerate(entry.when.scenario if names else ()):
            if pattern.startswith(_DRAWN) or any(fnmatch.fnmatchcase(name, pattern) for name in names):
                continue
            yield Trouble((*place, "when", "scenario", number), *_unmatched("scenario", pattern, names))


def _unmatched(what: str, pattern: str, names: Sequence[str]) -> tuple[str, str | None]:
    """Return what to say of a pattern that matches nothing, and the nearest name: for a pattern, with its signs."""
    if not any(sign in pattern for sign in _SIGNS):
        return f"there is no {what} {shown(pattern)}", nearest(pattern, names)
    message = f"matches no {what}"
    for sign in ("-*", "/*"):
        if pattern.endswith(sign) and not any(other in pattern[:-2] for other in _SIGNS):
            families = sorted({name.rpartition(sign[0])[0] for name in names})
            near = nearest(pattern[:-2], families)
            return message, None if near is None else f"{near}{sign}"
    return message, None
