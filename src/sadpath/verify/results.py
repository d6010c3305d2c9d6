"""The results of a run, schema 1: what every report is rendered from, and nothing else.

``results.json`` is this model as JSON. Times are seconds unless a name ends in ``_ms``. Fields may be added; those that
are here keep their names and meanings.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

import sadpath
from sadpath.core.errors import UsageError

__all__ = [
    "CaseResult",
    "ClauseResult",
    "ClientResult",
    "ErrorEntry",
    "ExitCode",
    "Finding",
    "KillRate",
    "KilledClause",
    "Listed",
    "Pool",
    "Results",
    "Survivor",
    "TimelineRow",
    "Verdict",
    "exit_code",
    "prepare_folder",
    "write_results",
]

SCHEMA = 1

Verdict = Literal[
    "pass", "fail", "xfail", "xpass", "flaky", "not_exercised", "unsupported", "driver_error", "harness_error"
]
"""``xfail``: fails, and that is listed as expected. ``xpass``: listed, and held: the list is stale, so the run fails.
``flaky``: failed beside other cases, and not when run again alone."""

Party = Literal["client", "author", "driver", "sadpath"]
ExitCode = Literal[0, 1, 2, 3, 130]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class TimelineRow(_Model):
    """One line of a case's timeline: an exchange, a connection that ended without one, a call's end, a change."""

    t: float
    """Seconds since the case's first call."""
    kind: Literal["exchange", "call", "change"]
    exchange: int | None = None
    """The exchange's number, by which sentences speak of it."""
    call: str | None = None
    """The call's operation with its number, or what else the exchange belongs to (``refresh``)."""
    attempt: int | None = None
    text: str
    """The request (``GET /users/1``), how the call ended, or what changed."""
    fault: str | None = None
    answer: str | None = None
    wait: float | None = None
    """Seconds since the end of the same call's attempt before."""
    marked: bool = False
    """Whether the finding points at this row."""


class Finding(_Model):
    """One way in which a client broke a clause, with the evidence."""

    case: str
    sentence: str
    schedule: str
    """The smallest fault schedule that shows it, as the text of a scenario file."""
    timeline: list[TimelineRow] = Field(default_factory=list)
    replay: str
    """The command that runs the case again."""
    size: list[int] = Field(default_factory=list)
    """How large the case's schedule is; compared from left to right."""


class ClauseResult(_Model):
    """What came of one clause for one client.

    ``cases`` were judged by it, ``exercised`` of them put it to the test, and ``failed`` of those it did not hold in.
    """

    id: str
    family: str
    level: Literal["must", "should", "policy"]
    title: str
    source: str = ""
    reason: str = ""
    """Why there is such a clause, where no source says it."""
    verdict: Verdict
    cases: int = 0
    exercised: int = 0
    failed: int = 0
    findings: list[Finding] = Field(default_factory=list)
    expected: str | None = None
    """The reason that the contract gives for an expected failure."""
    why: str | None = None
    """Why the clause is unsupported, or what else there is to know."""


class Listed(_Model):
    """An expected failure that is listed, and how often each clause that it covers was tested where it covers it."""

    reason: str
    sometimes: bool = False
    tested: dict[str, int] = Field(default_factory=dict)
    failed: bool = False
    """Whether a case failed as the list says."""


class Pool(_Model):
    """What the cases of a shard show of a clause that is judged by all cases of a run together."""

    samples: dict[str, list[tuple[float, float]]] = Field(default_factory=dict)
    """By case: the least and the greatest that each of its observations may be."""
    example: Finding | None = None
    """The case that stands for all; its sentence is still to come."""
    expected: str | None = None
    """The reason that the contract gives for an expected failure."""


class ClientResult(_Model):
    """What came of one client; ``totals`` counts its clauses by verdict."""

    name: str
    version: str = ""
    contract: str = ""
    """The contract's file, or whose contract it is."""
    profile: str = ""
    clauses: list[ClauseResult] = Field(default_factory=list)
    totals: dict[str, int] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    drawn: int = 0
    """How many cases were drawn for it."""
    listed: list[Listed] = Field(default_factory=list)
    pooled: dict[str, Pool] = Field(default_factory=dict)
    """In a shard alone, by clause: for what only all shards together can show."""
    missing: str | None = None
    """What is not installed, and what brings it: why it was not put to the test at all."""


class CaseResult(_Model):
    """One case: which faults fired, which clauses it put to test, which of them it broke, and its verdict."""

    id: str
    scenario: str
    client: str
    world: Literal["sim", "live"]
    fired: list[str] = Field(default_factory=list)
    exercised: list[str] = Field(default_factory=list)
    broken: list[str] = Field(default_factory=list)
    verdict: Verdict
    why: str | None = None
    duration_s: float = 0.0


class ErrorEntry(_Model):
    """Something that went wrong that is no finding; ``party`` is at fault."""

    party: Party
    where: str
    message: str


class KilledClause(_Model):
    """How many of the known-bad clients that must fail a clause do fail it."""

    id: str
    bad: int
    killed: int


class Survivor(_Model):
    """A known-bad client that a clause ought to have caught and did not."""

    name: str
    clause: str
    why: str


class KillRate(_Model):
    """What the clauses catch among clients with one planted defect each."""

    bad: int
    killed: int
    clauses: list[KilledClause] = Field(default_factory=list)
    survivors: list[Survivor] = Field(default_factory=list)
    unguarded: list[str] = Field(default_factory=list)
    """Clauses that no known-bad client names: nothing proves that they can fail."""

    @property
    def rate(self) -> float:
        """The share of known-bad clients that were caught, 0 where there are none."""
        return self.killed / self.bad if self.bad else 0.0


class Results(_Model):
    """A whole run."""

    sadpath: str = sadpath.__version__
    schema_: Literal[1] = Field(default=1, alias="schema")
    seed: int = 0
    world: Literal["sim", "live"] = "live"
    profile: str = ""
    shard: str | None = None
    """Which part of a run this is (``2/4``), None for a whole one."""
    started: str = ""
    """When the run began, in UTC (ISO 8601)."""
    duration_s: float = 0.0
    noise_ms: float = 0.0
    """How late the machine woke a sleeper, at the 95th percentile: the error of measured times."""
    command: str = ""
    clients: list[ClientResult] = Field(default_factory=list)
    cases: list[CaseResult] = Field(default_factory=list)
    errors: list[ErrorEntry] = Field(default_factory=list)
    kill_rate: KillRate | None = None
    interrupted: bool = False
    """Whether the run was stopped before its end; then ``planned`` cases were meant to be run, and not all were."""
    planned: int = 0
    generated: int = 0
    """How many cases were drawn; of these, ``cases`` lists only those in which something was found."""

    def to_json(self) -> str:
        """Return the text of ``results.json``."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def exit_code(results: Results) -> ExitCode:
    """Return what ``verify`` exits with.

    130: interrupted. 1: a client falls short and that is not expected, or an expected failure passes, or a known-bad
    client survives. 3: sadpath itself failed, or nothing was proved. 2: an author's file or a driver ended a case.
    A proven failure counts more than what could not be judged.
    """
    verdicts = {clause.verdict for client in results.clients for clause in client.clauses}
    parties = {error.party for error in results.errors}
    if results.interrupted:
        return 130
    if results.kill_rate is not None:
        if results.kill_rate.survivors:
            return 1
        proved = results.kill_rate.killed > 0
    else:
        if verdicts & {"fail", "xpass"}:
            return 1
        proved = bool(verdicts & {"pass", "xfail", "flaky"})
    if "sadpath" in parties:
        return 3
    if parties:
        return 2
    return 0 if proved else 3


def count(verdicts: Iterable[str]) -> dict[str, int]:
    """Return how often each verdict occurs, in the order of ``Verdict``, without those that do not."""
    given = list(verdicts)
    return {name: given.count(name) for name in Verdict.__args__ if name in given}  # type: ignore[attr-defined] # Literal's values


def prepare_folder(folder: Path) -> None:
    """Make sure that a report can be written into a folder, before the work whose report it is.

    Raises:
        UsageError: where it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"--report {folder}: nothing can be written there: {error.strerror or error}") from error


def write_results(results: Results, folder: Path) -> Path:
    """Write ``results.json`` into a folder, whole or not at all, and return its path.

    Raises:
        UsageError: where that is not possible.
    """
    path = folder / "results.json"
    prepare_folder(folder)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".results-", suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(results.to_json())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    return path
