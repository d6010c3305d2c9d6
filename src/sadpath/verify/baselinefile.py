"""Writing a baseline: what fails in a run becomes expected, each failure with a reason that its author has to fill in.

The same failures give the same text. What an earlier baseline says of a failure is kept word for word, and left out
once the clause holds; a file that is there is never written over.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sadpath.core.errors import UsageError
from sadpath.verify.contract import ExpectedFailure
from sadpath.verify.results import ClauseResult, ClientResult, Results
from sadpath.verify.summary import GENERATED

__all__ = ["NOT_REVIEWED", "baseline_text", "check_place", "write_baseline"]

NOT_REVIEWED = "not reviewed: "
"""How the reasons begin that nobody has filled in yet."""

_WIDTH = 116

_HEAD = """\
What {client} is known to fail, so that a run ends well until something else fails. An entry whose clause holds again
is stale, and that ends a run with 1. Review each: mend the client, or say in `reason` why it may stay.
Source: a run of `sadpath verify --write-baseline`. Read by `--baseline FILE`, or by `baseline: FILE` in a contract.
"""


def check_place(path: Path) -> None:
    """Make sure that a baseline can be written before the work begins whose failures it is to hold.

    Raises:
        UsageError: where a file is there already, or the folder is not.
    """
    if path.exists():
        hint = f"to bring it up to date, give --baseline {path} and another name here: reasons are kept"
        raise UsageError(f"--write-baseline {path}: it is there already, and is not written over; {hint}")
    if not path.parent.is_dir():
        raise UsageError(f"--write-baseline {path}: there is no folder {path.parent}")


def write_baseline(results: Results, path: Path, before: Sequence[ExpectedFailure] = ()) -> str:
    """Write what one client fails into a new file, unless there is nothing, and return a sentence about it.

    Raises:
        UsageError: where it cannot be written.
    """
    if results.interrupted:
        return f"{path} is not written: the run was stopped before its end."
    if not results.clients:
        return f"{path} is not written: no client was put to the test."
    text, number, new = baseline_text(results, before)
    if not number:
        return f"{path} is not written: nothing fails that its contract does not expect."
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"--write-baseline {path}: it cannot be written: {error.strerror or error}") from error
    return f"{path} holds {number} expected failure{'' if number == 1 else 's'}, of which {new} have to be reviewed."


def baseline_text(results: Results, before: Sequence[ExpectedFailure] = ()) -> tuple[str, int, int]:
    """Return a baseline of what the run's one client fails, how many entries it has, and how many of them are new.

    ``before`` is what an earlier baseline held.
    """
    (client,) = results.clients
    kept = [entry for entry in before if not _stale(entry, client)]
    failing = [clause for clause in client.clauses if clause.verdict == "fail"]
    shown = {
        name
        for case in results.cases
        if case.client == client.name and not case.scenario.startswith(GENERATED)
        for name in case.broken
    }
    lines = [f"# {line}".rstrip() for line in _HEAD.format(client=client.name).splitlines()]
    lines += [f"client: {_scalar(client.name)}", "expected_failures:"]
    for entry in kept:
        lines += _entry(entry)
    for clause in failing:
        lines += _comments(clause)
        lines += _entry(_new(clause, sometimes=clause.id not in shown))
    return "\n".join(lines) + "\n", len(kept) + len(failing), len(failing)


def _stale(entry: ExpectedFailure, client: ClientResult) -> bool:
    """Tell whether the run has shown that what an entry expects does not happen."""
    anywhere = entry.model_copy(update={"when": None})
    return any(
        clause.verdict == "xpass" and clause.expected == entry.reason and anywhere.covers(clause.id, ())
        for clause in client.clauses
    )


def _new(clause: ClauseResult, *, sometimes: bool) -> ExpectedFailure:
    names = [finding.case.rpartition("@")[0] for finding in clause.findings]
    found = next((name for name in names if not name.startswith(GENERATED)), "a case that was drawn")
    return ExpectedFailure(clause=clause.id, reason=f"{NOT_REVIEWED}found by {found}", sometimes=sometimes)


def _comments(clause: ClauseResult) -> Iterator[str]:
    """Yield what a reviewer needs to know of a failure, as comments."""
    sentences = [f"{clause.id} ({clause.level}): the client {clause.title}."]
    sentences += [finding.sentence for finding in clause.findings[:1]]
    for sentence in sentences:
        text = " ".join(sentence.split())
        yield from textwrap.wrap(text, _WIDTH, initial_indent="  # ", subsequent_indent="  #   ")


def _entry(entry: ExpectedFailure) -> Iterable[str]:
    yield f"  - clause: {_scalar(entry.clause)}"
    yield f"    reason: {_scalar(entry.reason)}"
    if entry.when is not None:
        narrowed = {name: list(value) for name, value in entry.when if value}
        yield f"    when: {json.dumps(narrowed, ensure_ascii=False)}"
    if entry.sometimes:
        yield "    sometimes: true         # no scenario shows it: whether it is found depends on what is drawn"


def _scalar(text: str) -> str:
    """Return a text as YAML: JSON's strings are YAML's, and a plain id needs no quotes."""
    plain = text.replace("-", "").isalnum() and text.isascii() and not text.isdigit() and text[0].isalpha()
    return text if plain and text.lower() not in ("null", "true", "false") else json.dumps(text, ensure_ascii=False)
