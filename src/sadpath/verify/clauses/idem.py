"""IDEM: one key for one logical request, one effect for one key."""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ExchangeEvent
from sadpath.verify.clauses.base import Clause, Finding, found, register
from sadpath.verify.entries import undecodable
from sadpath.verify.steps import UNSAFE_TO_REPEAT
from sadpath.verify.trace import CallRecord, Trace, Unit
from sadpath.verify.wording import count, exchanges, joined

_OF_TOKENS = frozenset({"login", "logout", "refresh"})

# IDEM-01


def _keyed(unit: Unit) -> bool:
    return unit.method in UNSAFE_TO_REPEAT and any(item.idempotency_key is not None for item in unit.exchanges)


def _own_key(call: CallRecord) -> bool:
    """Tell whether the key is the client's own, not one that its caller gave."""
    return "idempotency_key" not in call.args and "headers" not in call.args


def _several_keyed(trace: Trace) -> bool:
    keyed = [unit for unit in trace.units() if _keyed(unit)]
    return any(len(unit.exchanges) > 1 for unit in keyed) or len([unit for unit in keyed if _own_key(unit.call)]) > 1


def _one_key_each(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        if not _keyed(unit):
            return
        keys = dict.fromkeys(item.idempotency_key for item in unit.exchanges)
        if len(keys) > 1:
            named = joined("none" if key is None else repr(key) for key in keys)
            yield found(
                f"{unit.call.title} was sent {count(len(unit.exchanges), 'time')} ({exchanges(unit.exchanges)}) with "
                f"{count(len(keys), 'different Idempotency-Key')}: {named}",
                unit.exchanges,
                unit.call,
            )

    yield from trace.find(check)
    yield from _shared_keys(trace)


def _shared_keys(trace: Trace) -> Iterator[Finding]:
    """Yield keys that two calls share; where attribution is uncertain, only calls that cannot be one and the same."""
    first: dict[str, Unit] = {}
    for unit in _certain_units(trace):
        if not _keyed(unit) or not _own_key(unit.call):
            continue
        for key in dict.fromkeys(item.idempotency_key for item in unit.exchanges if item.idempotency_key is not None):
            other = first.setdefault(key, unit)
            if other.call.tag != unit.call.tag:
                yield found(
                    f"{unit.call.title} and {other.call.title} share the Idempotency-Key {key!r} "
                    f"({exchanges(other.exchanges)}, {exchanges(unit.exchanges)}): the server takes the second for a "
                    "repetition of the first",
                    (*other.exchanges, *unit.exchanges),
                    unit.call,
                )


def _certain_units(trace: Trace) -> list[Unit]:
    sure = {call.tag for group in trace.groups if group.certain for call in group.calls}
    return [unit for unit in trace.units() if unit.call.tag in sure]


IDEM_01 = Clause(
    id="IDEM-01",
    level="policy",
    title="keeps one key through all attempts and the auth replay of a call, and a new one for each call",
    trigger=_several_keyed,
    check=_one_key_each,
    source="idempotency-key draft §2.2",
    why="A new key for each attempt makes every retry a new order (gocardless-pro-python#12, woocommerce-square#106).",
    needs=("idempotency_key",),
    invariant=True,
)

# IDEM-02


def _creates(unit: Unit) -> bool:
    return unit.method == "POST" and unit.exchanges[0].role not in _OF_TOKENS


def _a_create_was_troubled(trace: Trace) -> bool:
    return any(
        _creates(unit) and (len(unit.exchanges) > 1 or any(item.fired for item in unit.exchanges))
        for unit in trace.units()
    )


def _effects(unit: Unit) -> list[ExchangeEvent]:
    """Return the exchanges that each had an effect of their own.

    A backend that does not speak of its effects is taken to have one with each success (ids ``x…``); a repetition with
    the same key and the same answer is then the first one's.
    """
    own: dict[str, ExchangeEvent] = {}
    replayed: set[tuple[str, bytes]] = set()
    for item in unit.exchanges:
        if not item.effect.committed or item.effect.id is None or item.effect.id in own:
            continue
        if item.effect.id.startswith("x") and item.idempotency_key is not None:
            answer = (item.idempotency_key, item.response_body)
            if answer in replayed:
                continue
            replayed.add(answer)
        own[item.effect.id] = item
    return list(own.values())


def _one_effect(trace: Trace) -> Iterator[Finding]:
    def check(unit: Unit) -> Iterator[Finding]:
        if not _creates(unit):
            return
        call, effects = unit.call, _effects(unit)
        if len(effects) > 1:
            yield found(
                f"{call.title} took effect {count(len(effects), 'time')}, in {exchanges(effects)}: the server "
                "created the same thing more than once",
                unit.exchanges,
                call,
            )
        elif (
            not effects
            and unit.last
            and call.outcome is not None
            and call.outcome.outcome == "ok"
            and _unexplained(unit)
        ):
            yield found(
                f"{call.title} reported success, and none of its requests ({exchanges(unit.exchanges)}) took effect",
                unit.exchanges,
                call,
            )

    yield from trace.find(check)


def _unexplained(unit: Unit) -> bool:
    """Tell whether no 2xx that a fault made up in the backend's place explains the client's success."""
    made_up = [
        item
        for item in unit.exchanges
        if item.fired and item.status is not None and 200 <= item.status < 300
        if unit.call.op == "http" or not undecodable(item)  # a raw request promises no shape
    ]
    return not made_up


IDEM_02 = Clause(
    id="IDEM-02",
    level="policy",
    title="causes at most one effect per logical POST under any schedule, exactly one if it reports success",
    trigger=_a_create_was_troubled,
    check=_one_effect,
    source="idempotency-key draft §2.2",
    why="The answer was lost, the order was not: a second one is the customer's money.",
    invariant=True,
)

register(IDEM_01, IDEM_02)
