"""What a finding shows: the smallest fault schedule, the timeline of the exchanges, and the command to see it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from sadpath.core.events import ExchangeEvent, FiredFault
from sadpath.core.units import format_seconds
from sadpath.scenario.model import ChangeFaults, Rule
from sadpath.scenario.vocabulary import FAULTS
from sadpath.scenario.yamltext import to_yaml
from sadpath.verify.clauses import Judgement
from sadpath.verify.played import Played
from sadpath.verify.results import Finding, TimelineRow
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.wording import ended_as

__all__ = ["answer_of", "findings_of", "replay_command", "schedule_of", "timeline_of"]

_FINDINGS_PER_CASE = 3
_ROWS = 60


def findings_of(played: Played, judgement: Judgement) -> list[Finding]:
    """Return a case's findings with their evidence; of many of one clause in one case, the first few."""
    trace = played.trace
    if trace is None:
        return []
    shown = judgement.findings[:_FINDINGS_PER_CASE]
    schedule, replay = schedule_of(played), replay_command(played)
    found = [
        Finding(
            case=played.case.id,
            sentence=item.sentence,
            schedule=schedule,
            timeline=timeline_of(played, marked=item.exchanges, call=item.call),
            replay=replay,
        )
        for item in shown
    ]
    more = len(judgement.findings) - len(shown)
    if more:
        found[-1].sentence += f" (and {more} more findings of this clause in this case)"
    return found


def replay_command(played: Played) -> str:
    """Return the command line that runs the case again."""
    case = played.case
    client = case.client.command or shlex.quote(case.client.name)
    return f"sadpath verify {client} --scenario {shlex.quote(case.scenario_name)} --seed {case.seed}"


# The schedule


def schedule_of(played: Played) -> str:
    """Return what of the scenario it takes: its world, the rules that took effect, and the calls, as YAML."""
    scenario = played.case.scenario
    fired = _rules_that_fired(played)
    out: dict[str, Any] = {}
    if scenario.seed is not None and any(rule.chance is not None for rule in scenario.all_rules()):
        out["seed"] = scenario.seed
    if given := scenario.given.to_file():
        out["given"] = given
    if rules := _kept(scenario.faults, fired.get(0, set())):
        out["faults"] = rules
    calls, change = [], 0
    for step in scenario.calls:
        if isinstance(step, ChangeFaults):
            change += 1
            calls.append({"faults": _kept(step.faults, fired.get(change, set()))})
        else:
            calls.append(step.to_file())
    if calls:
        out["calls"] = calls
    return to_yaml(out)


def _rules_that_fired(played: Played) -> dict[int, set[int]]:
    """Return the rules that took effect, by their place in the history of rules in force."""
    found: dict[int, set[int]] = {}
    for event in played.exchanges:
        if not event.fired or event.rule is None:
            continue
        in_force = [index for index, entry in enumerate(played.history) if entry.first <= event.exchange]
        if in_force:
            found.setdefault(in_force[-1], set()).add(event.rule)
    before = {event.fault for event in played.trace.before_http} if played.trace is not None else set()
    for index, entry in enumerate(played.history):
        for number, rule in enumerate(entry.rules):
            if rule.on.connection and any(fault.name in before for step in rule.steps() for fault in step):
                found.setdefault(index, set()).add(number)
    return found


def _kept(rules: Iterable[Rule], fired: set[int]) -> list[Any]:
    return [rule.to_file() for index, rule in enumerate(rules) if index in fired]


# The timeline


def timeline_of(played: Played, *, marked: Iterable[int] = (), call: str | None = None) -> list[TimelineRow]:
    """Return what happened, in order; rows that a finding is about are marked.

    It is the case itself, and what came before or after it where the finding points there. Times count from the case's
    first call.
    """
    trace = played.trace
    if trace is None:
        return []
    marks = set(marked)
    first = min([played.first, *marks])
    last = max([played.last, *marks])
    rows = [*_exchange_rows(trace, first, last, marks), *_call_rows(trace, first, last, call), *_change_rows(played)]
    rows += _connection_rows(trace)
    rows.sort(key=lambda row: (row.t, row.kind == "call"))
    for row in rows:
        row.t = round(row.t - trace.began, 6)
    return _shortened(rows)


def _exchange_rows(trace: Trace, first: int, last: int, marks: set[int]) -> Iterator[TimelineRow]:
    owners = {event.exchange: call for call in trace.calls for event in trace.exchanges_of(call)}
    made: dict[str, int] = {}
    before: dict[str, ExchangeEvent] = {}
    for event in trace.exchanges:
        if not first <= event.exchange <= last:
            continue
        owner = owners.get(event.exchange)
        label = _label(owner) if owner is not None else event.role or "background"
        made[label] = made.get(label, 0) + 1
        former = before.get(label)
        before[label] = event
        yield TimelineRow(
            t=event.t_arrived,
            kind="exchange",
            exchange=event.exchange,
            call=label,
            attempt=made[label],
            text=_request(event),
            fault=", ".join(_fault(item) for item in event.fired) or None,
            answer=answer_of(event),
            wait=_wait(former, event) if owner is not None else None,
            marked=event.exchange in marks,
        )


def _call_rows(trace: Trace, first: int, last: int, marked: str | None) -> Iterator[TimelineRow]:
    """Yield how each call ended: of the case, and of other phases whose exchanges are shown."""
    end = max((event.t_ended or event.t_arrived for event in trace.exchanges), default=0.0)
    for call in trace.calls:
        own = [event.exchange for event in trace.exchanges_of(call)]
        if call.phase != "case" and not any(first <= number <= last for number in own):
            continue
        yield TimelineRow(
            t=call.t_ended if call.t_ended is not None else max(end, call.t_started),
            kind="call",
            call=_label(call),
            text=_ending(call),
            marked=call.tag == marked,
        )


def _change_rows(played: Played) -> Iterator[TimelineRow]:
    """Yield what the harness changed between calls."""
    for entry in played.history[1:]:
        text = "other faults from here on" if entry.rules else "no faults from here on"
        yield TimelineRow(t=entry.t, kind="change", text=text)
    for t, seconds in played.moves:
        yield TimelineRow(t=t, kind="change", text=f"the clock is moved on by {format_seconds(seconds)}")


_HAPPENED = {
    "unreachable": "connect {} gets nowhere",
    "stalled": "connection {} is made and let be",
    "handshake": "connection {} is shown a bad certificate",
    "fin": "connection {} is made and closed",
    "rst": "connection {} is made and reset",
}


def _connection_rows(trace: Trace) -> Iterator[TimelineRow]:
    """Yield what faults before HTTP did."""
    for event in trace.before_http:
        text = "no connection is made from here on" if not event.connection else _HAPPENED[event.what]
        yield TimelineRow(t=event.t, kind="change", text=text.format(event.connection), fault=event.fault)


def _label(call: CallRecord) -> str:
    return f"{call.tag} {call.op}"


def _request(event: ExchangeEvent) -> str:
    return f"{event.method} {event.path}{f'?{event.query}' if event.query else ''}"


def _fault(fault: FiredFault) -> str:
    """Return a fault's name, and where it acted if that is not what its name says anyhow."""
    name = fault.alias or fault.name
    if fault.byte is not None:
        return f"{name} at byte {fault.byte}"
    usual = FAULTS.get(fault.name)[0].phase if fault.name in FAULTS else fault.phase
    return name if fault.phase == usual else f"{name} at {fault.phase}"


def _wait(former: ExchangeEvent | None, event: ExchangeEvent) -> float | None:
    if former is None:
        return None
    ended = former.t_ended if former.t_ended is not None else former.t_arrived
    return max(0.0, event.t_arrived - ended)


def answer_of(event: ExchangeEvent) -> str:
    """Return what came back, as far as the server knows: ``503, Retry-After: 1``, ``none: reset by the server``."""
    status = str(event.status) if event.status is not None and event.bytes_sent else None
    told = next((value for name, value in event.response_headers if name.lower() == "retry-after"), None)
    if status is not None and told is not None:
        status += f", Retry-After: {told}"
    how, by = event.ended.how, event.ended.by
    if how == "complete":
        return status or "nothing"
    took = (event.t_ended or event.t_arrived) - event.t_arrived
    if how == "open":
        return f"{status}, never ended" if status is not None else "none: it never ended"
    if by == "client":
        left = f"the client left after {_seconds(took)}"
        return f"{status}, {left}" if status is not None else f"none: {left}"
    ending = {"fin": "closed", "rst": "reset"}.get(how, how)
    return f"{status}, then {ending} by the server" if status is not None else f"none: {ending} by the server"


def _seconds(seconds: float) -> str:
    return format_seconds(round(seconds, 3)) if seconds >= 0.0005 else "0ms"


def _ending(call: CallRecord) -> str:
    outcome = call.outcome
    if outcome is None:
        return "has not ended by its deadline"
    text = ended_as(outcome)
    if outcome.outcome == "ok" and outcome.value is not None and outcome.value.status is not None:
        text += f" ({outcome.value.status})"
    if outcome.stale:
        text += ", marked stale"
    if outcome.escaped and outcome.error is not None:
        text += f": {outcome.error.native} escaped"
    return text if outcome.cancelled_ms is None or outcome.outcome == "cancelled" else f"{text}, though cancelled"


def _shortened(rows: list[TimelineRow]) -> list[TimelineRow]:
    """Return the rows, without the middle where there are too many; marked ones stay."""
    if len(rows) <= _ROWS:
        return rows
    half = _ROWS // 2
    kept = [*rows[:half], *[row for row in rows[half:-half] if row.marked][:_ROWS], *rows[-half:]]
    left_out = TimelineRow(t=rows[half].t, kind="change", text=f"… {len(rows) - len(kept)} rows are left out …")
    return [*kept[:half], left_out, *kept[half:]]
