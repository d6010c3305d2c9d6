"""Which exchanges were made for which call.

A client with the capability ``call_tag`` says so itself: each exchange of a call carries ``X-Sadpath-Call``, refreshes
and background work carry none. For any other client it follows from operation, arguments and time; where several calls
may claim an exchange, every *assignment* of exchanges to calls is possible, and a clause may only find what holds for
all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.calls import OTHER_ORIGIN
from sadpath.scenario.roles import Roles
from sadpath.server.other_origin import OPERATION as ABROAD
from sadpath.verify.bodies import same_body

if TYPE_CHECKING:
    from sadpath.verify.trace import CallRecord

__all__ = ["MAX_ASSIGNMENTS", "MAX_EXCHANGES", "Assignment", "Group", "by_tag", "by_time", "fits", "groups"]

MAX_ASSIGNMENTS = 2_000
"""Assignments of one group that are tried; where more are possible nothing is proved, so nothing is found."""

MAX_EXCHANGES = 60
"""Exchanges of a group that is tried at all."""

Assignment = dict[str, tuple[ExchangeEvent, ...]]
"""The exchanges of each call, by the call's tag."""


@dataclass(frozen=True)
class Group:
    """Calls that may claim the same exchanges, and those exchanges with their claimants, in order of arrival.

    An exchange whose claimants hold None may belong to no call at all, such as a refresh of the cache in the
    background.
    """

    calls: tuple[CallRecord, ...]
    exchanges: tuple[tuple[ExchangeEvent, tuple[CallRecord | None, ...]], ...]

    @property
    def certain(self) -> bool:
        """Tell whether there is only one assignment."""
        return all(len(claimants) == 1 for _, claimants in self.exchanges)

    @property
    def likeliest(self) -> Assignment:
        """The assignment that is taken to be true where something has to be shown, not judged."""
        taken: dict[str, list[ExchangeEvent]] = {call.tag: [] for call in self.calls}
        for exchange, claimants in self.exchanges:
            claimant = min(claimants, key=lambda call: _unlikely(exchange, call, taken))
            if claimant is not None:
                taken[claimant.tag].append(exchange)
        return {tag: tuple(exchanges) for tag, exchanges in taken.items()}

    def assignments(self) -> Iterator[Assignment]:
        """Yield every assignment, the likeliest first; of a group too large to try, none."""
        if self.certain:
            yield self.likeliest
        elif len(self.exchanges) <= MAX_EXCHANGES:
            yield from self._assign(0, {call.tag: [] for call in self.calls})

    def _assign(self, index: int, taken: dict[str, list[ExchangeEvent]]) -> Iterator[Assignment]:
        if index == len(self.exchanges):
            yield {tag: tuple(exchanges) for tag, exchanges in taken.items()}
            return
        exchange, claimants = self.exchanges[index]
        for claimant in sorted(claimants, key=lambda call: _unlikely(exchange, call, taken)):
            if claimant is None:
                yield from self._assign(index + 1, taken)
                continue
            taken[claimant.tag].append(exchange)
            yield from self._assign(index + 1, taken)
            taken[claimant.tag].pop()


def _unlikely(exchange: ExchangeEvent, call: CallRecord | None, taken: dict[str, list[ExchangeEvent]]) -> int:
    """Return how unlikely it is that an exchange is the next one of a call: it goes on where an attempt had failed."""
    if call is None:
        return 4
    if not taken[call.tag]:
        return 1
    last = taken[call.tag][-1]
    ended = last.t_ended if last.t_ended is not None else last.t_last_byte
    if ended is None or ended > exchange.t_arrived:
        return 3
    same = same_body(last, exchange) and last.idempotency_key == exchange.idempotency_key
    failed = last.ended.how != "complete" or last.status is None or last.status >= 400
    return 0 if failed and same else 2


def by_tag(calls: Sequence[CallRecord], exchanges: Sequence[ExchangeEvent]) -> list[Group]:
    """Return one certain group for each call: the exchanges that carry its tag."""
    own: dict[str, list[ExchangeEvent]] = {}
    for exchange in exchanges:
        if exchange.call is not None:
            own.setdefault(exchange.call, []).append(exchange)
    return [Group((call,), tuple((exchange, (call,)) for exchange in own.get(call.tag, ()))) for call in calls]


def by_time(
    calls: Sequence[CallRecord],
    exchanges: Sequence[ExchangeEvent],
    roles: Roles,
    *,
    slack: float,
    background: Mapping[str, float] | None = None,
) -> list[Group]:
    """Return the groups that follow from operation, arguments and time.

    Args:
        calls: the calls, in order.
        exchanges: the exchanges, in order of arrival.
        roles: the API's operations.
        slack: seconds by which an exchange may lie outside of what is known of its call's time.
        background: operations whose exchanges may be background work, so belong to no call, with how many seconds
            after the start of a call that lasts so long that may begin.
    """
    from_start = background or {}
    wanted = {call.tag: _wanted(call, roles) for call in calls}
    claims: list[tuple[ExchangeEvent, tuple[CallRecord | None, ...]]] = []
    for exchange in exchanges:
        found: list[CallRecord | None] = [
            call for call in calls if _in_time(exchange, call, slack) and wanted[call.tag].fits(exchange)
        ]
        after = from_start.get(exchange.operation or "")
        if found and after is not None and any(_long_since(exchange, call, after - slack) for call in calls):
            found.append(None)
        if found:
            claims.append((exchange, tuple(found)))
    return groups(calls, claims)


def groups(
    calls: Sequence[CallRecord], claims: Sequence[tuple[ExchangeEvent, tuple[CallRecord | None, ...]]]
) -> list[Group]:
    """Split claims into groups that have nothing to do with each other."""
    leader = {call.tag: call.tag for call in calls}

    def find(tag: str) -> str:
        while leader[tag] != tag:
            tag = leader[tag]
        return tag

    for _, claimants in claims:
        tags = [call.tag for call in claimants if call is not None]
        for tag in tags[1:]:
            leader[find(tag)] = find(tags[0])
    out: list[Group] = []
    for head in dict.fromkeys(find(call.tag) for call in calls):
        members = tuple(call for call in calls if find(call.tag) == head)
        inside = {call.tag for call in members}
        own = tuple(claim for claim in claims if any(call is not None and call.tag in inside for call in claim[1]))
        out.append(Group(members, own))
    return out


@dataclass(frozen=True)
class _Wanted:
    """What the exchanges of a call look like."""

    operation: str | None
    method: str | None
    path: str | None
    query: dict[str, str]

    def fits(self, exchange: ExchangeEvent) -> bool:
        if self.operation is not None and exchange.operation != self.operation:
            return False
        if self.method is not None and exchange.method != self.method:
            return False
        if self.path is not None and exchange.path != self.path:
            return False
        sent = parse_qs(exchange.query, keep_blank_values=True)
        return all(sent.get(name, [value])[0] == value for name, value in self.query.items())


_NOWHERE = _Wanted("", None, None, {})
"""What no exchange looks like: the call's URL is none, so that nothing can be sent for it."""


def fits(exchange: ExchangeEvent, call: CallRecord, roles: Roles) -> bool:
    """Tell whether an exchange asks for what a call asks for, whenever it was and whoever made it."""
    return _wanted(call, roles).fits(exchange)


def _wanted(call: CallRecord, roles: Roles) -> _Wanted:
    if call.op == "http":
        given = str(call.args.get("path", ""))
        operation_abroad = ABROAD if given.startswith(OTHER_ORIGIN) else None
        try:
            target = urlsplit(given.removeprefix(OTHER_ORIGIN))
        except ValueError:  # such as http://[::1
            return _NOWHERE
        query = {name: values[0] for name, values in parse_qs(target.query, keep_blank_values=True).items()}
        method = call.args.get("method")
        verb = str(method).upper() if method is not None else None
        return _Wanted(operation_abroad, verb, unquote(target.path), query)
    operation = roles.operations.get(call.op)
    if operation is None:
        return _Wanted(call.op, None, None, {})
    path: str | None = operation.path
    used: set[str] = set()
    for name, value in call.args.items():
        if "{" + name + "}" in operation.path and path is not None:
            path = path.replace("{" + name + "}", _text(value))
            used.add(name)
    if path is not None and "{" in path:
        path = None
    rest = {name: _text(value) for name, value in call.args.items() if name not in used and _is_plain(value)}
    return _Wanted(call.op, operation.method, path, {} if call.pages or operation.method != "GET" else rest)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _long_since(exchange: ExchangeEvent, call: CallRecord, after: float) -> bool:
    """Tell whether an exchange came so many seconds after the start of a call of its operation that lasted as long."""
    since = call.t_started + after
    lasted = call.t_ended is None or call.t_ended >= since
    return call.op == exchange.operation and lasted and exchange.t_arrived >= since


def _in_time(exchange: ExchangeEvent, call: CallRecord, slack: float) -> bool:
    if exchange.t_arrived < call.t_started - slack:
        return False
    return call.t_ended is None or exchange.t_arrived <= call.t_ended + slack
