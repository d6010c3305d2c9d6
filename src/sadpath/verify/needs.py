"""What a case needs of the client and of the world before it can be run at all.

What is not declared is never sent; a case that cannot do without is ``unsupported``, and this module says why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sadpath.drivers.inprocess import LONGEST_REAL_ADVANCE
from sadpath.engine.connecting import not_on_real_sockets
from sadpath.scenario.calls import RESTART_OPERATION
from sadpath.scenario.model import Advance, Call, ChangeFaults, Offline, Scenario
from sadpath.scenario.roles import Roles

__all__ = ["CACHED_ROLES", "lacking", "lacking_for_one_call", "warm_up_calls"]

CACHED_ROLES = ("read", "list", "page")
"""The roles of operations that a cache may hold."""


def lacking(
    scenario: Scenario,
    *,
    capabilities: Collection[str],
    operations: Collection[str],
    world: str,
    roles: Roles | None,
) -> str | None:
    """Return why a case cannot be run with this client in this world, None where it can.

    Args:
        scenario: the case's.
        capabilities: what the client declares.
        operations: those that the client knows; none: not said, so all.
        world: ``sim`` or ``live``.
        roles: what the workspace's operations are for.
    """
    return next(_reasons(scenario, set(capabilities), set(operations), world, roles), None)


def lacking_for_one_call(scenario: Scenario) -> str | None:
    """Return why a case is more than a client can take that makes one call a case, None where it is not."""
    if scenario.given.cache != "empty":
        return "an exec driver makes one call a case, and the cache before this case is filled by others"
    step = scenario.calls[0] if len(scenario.calls) == 1 else None
    if not isinstance(step, Call) or step.times != 1:
        return "an exec driver makes one call a case, and this case has more"
    return None


def _reasons(
    scenario: Scenario, capabilities: set[str], operations: set[str], world: str, roles: Roles | None
) -> Iterator[str]:
    for call in scenario.all_calls():
        if operations and call.op not in operations:
            yield f"the client has no operation {call.op}"
        for need in _needs_of(call):
            if need not in capabilities:
                yield f"the client does not declare {need}"
    for step in scenario.calls:
        if isinstance(step, Offline) and "connectivity" not in capabilities:
            yield "the client does not declare connectivity"
        if isinstance(step, Advance) and step.advance > LONGEST_REAL_ADVANCE and "fake_clock" not in capabilities:
            yield f"the client does not declare fake_clock, and {step.advance:g} s are too long to wait"
    yield from _cache_reasons(scenario, capabilities, operations, roles)
    yield from _world_reasons(scenario, world)


def _needs_of(call: Call) -> Iterator[str]:
    if call.cancel_after is not None:
        yield "cancel"
    if call.pages:
        yield "pagination"
    if not call.replayable:
        yield "single_use_body"
    if call.op == RESTART_OPERATION:
        yield "restart"


def _cache_reasons(
    scenario: Scenario, capabilities: set[str], operations: set[str], roles: Roles | None
) -> Iterator[str]:
    state = scenario.given.cache
    if state == "empty":
        return
    if not {"cache_fallback", "http_cache"} & capabilities:
        yield "the client declares neither cache_fallback nor http_cache"
    if roles is None or not warm_up_calls(scenario, roles):
        yield f"`given: cache: {state}` needs a call that reads, for the cache is filled by it"
    if state in ("stale", "too_old") and not {"cache_control", "fake_clock"} & capabilities:
        yield "the client declares neither cache_control nor fake_clock, so its cache cannot be aged"
    if state in ("corrupt", "unwritable") and "cache_control" not in capabilities:
        yield "the client does not declare cache_control"
    if state == "other_user":
        login = _login(roles)
        if login is None or (operations and login not in operations):
            yield "the client cannot sign in as another user"


def _world_reasons(scenario: Scenario, world: str) -> Iterator[str]:
    for fault in scenario.all_faults():
        if world not in type(fault.settings).worlds:
            yield f"the fault {fault.name} does not exist in the world {world}"
        if "HTTP/1" not in type(fault.settings).protocols:
            yield f"the fault {fault.name} needs HTTP/2, and cases are played over HTTP/1.1"
    if world == "live":
        in_force = [scenario.faults, *(step.faults for step in scenario.calls if isinstance(step, ChangeFaults))]
        yield from filter(None, map(not_on_real_sockets, in_force))


def _login(roles: Roles | None) -> str | None:
    found = roles.operations_of("login") if roles is not None else []
    return found[0].id if found else None


def warm_up_calls(scenario: Scenario, roles: Roles) -> list[Call]:
    """Return the calls that fill a cache before the case: each read that occurs in it, once, without its options."""
    found: list[Call] = []
    for call in scenario.all_calls():
        plain = Call(op=call.op, args=call.args, pages=call.pages)
        if roles.role(call.op) in CACHED_ROLES and plain not in found:
            found.append(plain)
    return found
