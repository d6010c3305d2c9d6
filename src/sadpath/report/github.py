"""Annotations of a GitHub workflow: lines that, printed by a step, stand beside the run and the pull request.

Their form and what is to be escaped in them: GitHub's documentation, Workflow commands for GitHub Actions, and
``command.ts`` of ``@actions/core``.
"""

from __future__ import annotations

from typing import Final

from sadpath.report.comparison import Comparison
from sadpath.report.words import FAILING, bounded, case_name, printable, reason_of, sentence
from sadpath.verify.results import ClauseResult, ClientResult, Results

__all__ = ["render_github"]

_LONGEST: Final = 3000


def render_github(results: Results, comparison: Comparison | None = None) -> str:
    """Return the annotations, a line each: errors for what fails the run, warnings for what is flaky."""
    lines = []
    if results.kill_rate is None:
        found = [(client, clause) for client in results.clients for clause in client.clauses]
        fresh = [item for item in found if comparison is not None and comparison.is_new(item[0].name, item[1].id)]
        rest = [item for item in found if item not in fresh]  # what is new comes first: GitHub shows ten of a step
        lines += [_clause(*item, new=True) for item in fresh]
        lines += [_clause(*item, new=False) for item in rest]
    else:
        lines += [
            _command("error", f"known-bad client {item.name}", f"It was to fail {item.clause}: {item.why}")
            for item in results.kill_rate.survivors
        ]
    lines += [
        _command("error", f"not judged: {item.where}", f"{item.party}: {item.message}") for item in results.errors
    ]
    return "".join(f"{line}\n" for line in lines if line)


def _clause(client: ClientResult, clause: ClauseResult, *, new: bool) -> str:
    if clause.verdict not in (*FAILING, "flaky"):
        return ""
    level = "error" if clause.verdict in FAILING else "warning"
    title = f"{client.name}: {clause.id}{' (new)' if new else ''}"
    if not clause.findings or clause.verdict == "xpass":
        return _command(level, title, sentence(reason_of(clause) or f"The client {clause.title}"))
    first = clause.findings[0]
    told = f"The client {clause.title}.\n{sentence(first.sentence)}\nIn {case_name(first.case)}."
    return _command(level, title, f"{told} Run it again: {first.replay}")


def _command(level: str, title: str, message: str) -> str:
    shown = printable(bounded(message, _LONGEST))
    return f"::{level} title={_property(printable(bounded(title, 200)))}::{_data(shown)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
