"""SCEN-01: what a scenario expects of one named client, beyond the clauses.

``outcome`` is about the case's last call, ``attempts`` about the last call of each operation that it names.
"""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.scenario.model import Expect
from sadpath.verify.clauses.base import Clause, Finding
from sadpath.verify.trace import CallRecord, Trace, units_of
from sadpath.verify.wording import count, ended_as, exchanges, joined

__all__ = ["SCEN_01"]


def _client(trace: Trace) -> str:
    """Return the client's name; a case is called scenario@client."""
    return trace.case.rpartition("@")[2]


def _expected(trace: Trace) -> Expect | None:
    expect = trace.scenario.expect
    return expect if expect is not None and expect.client == _client(trace) else None


def _exercised(trace: Trace) -> bool:
    return _expected(trace) is not None and any(trace.case_calls())


def _as_expected(trace: Trace) -> Iterator[Finding]:
    expect = _expected(trace)
    if expect is None:
        return
    calls = list(trace.case_calls())
    if expect.outcome is not None:
        allowed = (expect.outcome,) if isinstance(expect.outcome, str) else expect.outcome
        if _outcome(calls[-1]) not in allowed:
            sentence = (
                f"{_title(calls[-1])} {ended_as(calls[-1].outcome)}, where the scenario expects {_either(allowed)}"
            )
            yield Finding(sentence, tuple(item.exchange for item in trace.exchanges_of(calls[-1])), calls[-1].tag)
    for operation, wanted in expect.attempts.items():
        yield from _attempts(trace, [call for call in calls if call.op == operation], operation, wanted)


def _attempts(trace: Trace, calls: list[CallRecord], operation: str, wanted: int | str) -> Iterator[Finding]:
    """Check the last call of an operation; the unseen repeat of POOL-03 may be counted or not."""
    number = wanted if isinstance(wanted, int) else 1 + (trace.policy.retry.max_retries or 0)
    if not calls:
        yield Finding(f"No call of {operation} was made, where the scenario expects {count(number, 'attempt')} of it")
        return
    own = trace.exchanges_of(calls[-1])
    unseen = sum(step.kind == "unseen" for unit in units_of(calls[-1], own) for step in trace.steps(unit))
    if not len(own) - unseen <= number <= len(own):
        which = f" ({exchanges(own)})" if own else ""
        sentence = (
            f"{_title(calls[-1])} made {count(len(own), 'attempt')}{which}, "
            f"where the scenario expects {number}{' (max)' if wanted == 'max' else ''}"
        )
        yield Finding(sentence, tuple(item.exchange for item in own), calls[-1].tag)


def _outcome(call: CallRecord) -> str:
    """Return how a call ended in the words of ``expect``."""
    if call.outcome is None:
        return ""
    if call.outcome.outcome == "error":
        return call.outcome.error.kind if call.outcome.error is not None else "other"
    return call.outcome.outcome


def _title(call: CallRecord) -> str:
    return call.title[0].upper() + call.title[1:]


def _either(allowed: tuple[str, ...]) -> str:
    return joined(allowed).replace(" and ", " or ")


SCEN_01 = Clause(
    id="SCEN-01",
    level="policy",
    title="does what the scenario expects of it beyond the clauses",
    trigger=_exercised,
    check=_as_expected,
    why="A scenario may say more of one client than the rules that hold for all: its `expect`.",
    may_read=("retry.max_retries",),
)
