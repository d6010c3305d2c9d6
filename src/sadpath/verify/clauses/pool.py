"""POOL: connections come back, whatever happened on them."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.trace import CallRecord, Trace
from sadpath.verify.wording import count, ended_as, joined


def _probes(trace: Trace) -> list[CallRecord]:
    return [call for call in trace.calls if call.phase == "pool"]


def _was_probed(trace: Trace) -> bool:
    return len(_probes(trace)) >= int(trace.policy.pool.size or 0)


def _most_at_once(trace: Trace, exchanges: list[ExchangeEvent]) -> int:
    """Return how many of the probe's exchanges had a connection at the same time, and no byte of answer yet.

    A call that needs a new connection has its place in the pool from when it begins to connect, a round trip before the
    server knows of it; by then another's request, on a used connection, may be over already.
    """
    opened = {event.connection: event.t - trace.round_trip for event in trace.connections if event.what == "opened"}
    changes: list[tuple[float, int]] = []
    for item in exchanges:
        end = item.t_first_byte if item.t_first_byte is not None else item.t_ended
        begun = item.t_arrived if trace.reused(item) else opened.get(item.connection, item.t_arrived)
        # A connection that was opened ahead of the probe, and not used, says nothing about the places before it.
        changes.append((max(begun, trace.healed), 1))
        if end is not None:
            changes.append((end, -1))
    open_now = most = 0
    for _, change in sorted(changes):
        open_now += change
        most = max(most, open_now)
    return most


def _all_get_one(trace: Trace) -> Iterator[Finding]:
    size, probes = int(trace.policy.pool.size or 0), _probes(trace)
    own = [item for call in probes for item in trace.exchanges_of(call)]
    failed = [call for call in probes if call.outcome is None or call.outcome.outcome != "ok"]
    after = "after the case, when no fault was left"
    if failed:
        how = joined(dict.fromkeys(ended_as(call.outcome) for call in failed))
        yield found(
            f"{after}, {len(failed)} of {count(len(probes), 'call')} made at once on a pool of {size} {how}: "
            "connections were not given back",
            own,
            failed[0],
        )
    elif (most := _most_at_once(trace, own)) < size:
        yield found(
            f"{after}, only {most} of {count(len(probes), 'call')} made at once were open at the same time on a pool "
            f"of {size}: connections were not given back",
            own,
            probes[0],
        )


POOL_01 = Clause(
    id="POOL-01",
    level="policy",
    title="has an idle pool after any outcome: pool-size calls held open at the same time all get a connection",
    trigger=_was_probed,
    check=_all_get_one,
    why="A connection that a cancelled or failed call never gives back is missed only when the last one is gone, "
    "and then every call waits for ever (httpcore#1093, aiohttp#3364).",
    reads=("pool.size",),
    invariant=True,
    timed=True,
)

register(POOL_01)
