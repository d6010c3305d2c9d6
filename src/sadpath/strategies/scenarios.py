"""Whole cases: what goes wrong, in which world, and what the client is asked to do.

A case is drawn whole before it is run: nothing is drawn while it runs, so that the same case can be run again, smaller,
elsewhere, or by another client. Every scenario is one that a file can hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hypothesis import strategies as st

from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Rule, Scenario
from sadpath.scenario.roles import Operation, Roles
from sadpath.strategies.api import RAW, Api, is_absent, the_api
from sadpath.strategies.calls import written_calls
from sadpath.strategies.settings import DRAWN_IN_SCENARIOS, FaultDrawing, Written, any_of
from sadpath.strategies.times import Times
from sadpath.strategies.worlds import written_worlds
from sadpath.verify.played import Client
from sadpath.verify.policy import Policy
from sadpath.workspace import Workspace, find_workspace

__all__ = ["scenarios", "schedules"]

_USUAL = Times.of()
_TITLE = "A drawn case"
_OF_REFRESH = ("invalid_grant",)
_CACHED = ("read", "list", "page")


def schedules(
    api: Api | Roles | None = None,
    *,
    operations: Collection[str] | None = None,
    max_rules: int = 3,
    times: Times = _USUAL,
) -> st.SearchStrategy[tuple[Rule, ...]]:
    """Draw the ``faults`` of a scenario: rules about these operations, none of which hides another.

    >>> from hypothesis import find
    >>> from sadpath.workspace import Workspace, reference_root
    >>> shop = Api.of(Workspace(reference_root()))
    >>> found = find(schedules(shop, operations=["users.get"]), lambda rules: bool(rules) and bool(rules[0].plan[0]))
    >>> [rule.to_file() for rule in found]
    [{'on': 'users.get', 'plan': [{'status': 503}]}]

    Args:
        api: whose operations; default: those of the workspace at hand.
        operations: only these operations, or those of these roles, and the refresh.
        max_rules: how many rules at most.
        times: what durations to draw; default: around the limits of a quick client.

    Raises:
        UsageError: for an unknown operation or role.
    """
    known = the_api(api)
    asked = [item.id for item in known.choose(operations)]
    kit = _Kit(known, operations, times, max_rules=max_rules)

    @st.composite
    def several(draw: st.DrawFn) -> tuple[Rule, ...]:
        written = kit.rules(draw, asked, auth=draw(_SELDOM))
        return tuple(Rule.model_validate(rule) for rule in written)

    return several()


def scenarios(
    client: Client | Api | Roles | None = None,
    *,
    workspace: Workspace | None = None,
    operations: Collection[str] | None = None,
    policy: Policy | None = None,
    max_calls: int = 3,
    max_rules: int = 3,
    parallel: bool = True,
    title: str = _TITLE,
) -> st.SearchStrategy[Scenario]:
    """Draw a whole scenario that a client can be put through.

    >>> from hypothesis import find
    >>> from sadpath.workspace import Workspace, reference_root
    >>> shop = Api.of(Workspace(reference_root()))
    >>> found = find(scenarios(shop), lambda scenario: any(fault.name == "stall" for fault in scenario.all_faults()))
    >>> print(found.to_yaml(), end="")
    title: A drawn case
    faults:
      - {on: users.get, plan: [stall: 20ms]}
    calls:
      - users.get: {id: 1}

    Args:
        client: for whom: its capabilities say what may be asked of it, its contract's policy what durations matter to
            it; or an API; default: a client of the workspace at hand that can do everything.
        workspace: where a client's API is; default: the workspace at hand.
        operations: only calls of these operations, or of those of these roles.
        policy: whose limits the durations are drawn around; default: the client's.
        max_calls: how many entries ``calls`` may have, entries between calls left out.
        max_rules: how many rules at most.
        parallel: whether calls may be made at the same time.
        title: what the scenario is called.

    Raises:
        AuthorError: where the workspace's files cannot be read.
        UsageError: for an unknown operation or role.
    """
    if isinstance(client, Client):
        api = Api.of(workspace or find_workspace(), client)
        policy = client.contract.policy if policy is None else policy
    else:
        api = the_api(client)
    times = Times.of(policy, moves_clock=api.can("fake_clock"))
    kit = _Kit(api, operations, times, max_calls=max_calls, max_rules=max_rules, parallel=parallel)
    return kit.scenarios(title).map(read_scenario)


@dataclass(frozen=True)
class _Kit:
    """Strategies that are made once and drawn from many times."""

    api: Api
    operations: Collection[str] | None
    times: Times
    max_calls: int = 3
    max_rules: int = 3
    parallel: bool = True

    # What is drawn, as a file writes it

    @cached_property
    def calls(self) -> st.SearchStrategy[list[Written]]:
        return written_calls(
            self.api, self.operations, max_size=self.max_calls, parallel=self.parallel, times=self.times
        )

    @cached_property
    def worlds(self) -> st.SearchStrategy[Written]:
        return written_worlds(capabilities=self.api.capabilities, data_sets=self.api.data_sets, times=self.times)

    @cached_property
    def plans(self) -> st.SearchStrategy[dict[str, Written]]:
        left_out = {*_OF_REFRESH, *(() if self.api.can("token_refresh") else ("expire_token",))}
        return self._drawing.plans(self._drawing.steps([name for name in DRAWN_IN_SCENARIOS if name not in left_out]))

    @cached_property
    def refresh_plans(self) -> st.SearchStrategy[dict[str, Written]]:
        """What refreshes meet: what others meet, and being refused for good."""
        usual = self._drawing.steps([name for name in DRAWN_IN_SCENARIOS if name != "expire_token"])
        return self._drawing.plans(any_of([usual, usual, usual, self._drawing.faults(names=_OF_REFRESH)]))

    @cached_property
    def _drawing(self) -> FaultDrawing:
        return FaultDrawing(self.times, self.api.payloads)

    def scenarios(self, title: str) -> st.SearchStrategy[Written]:
        """Draw whole scenarios."""

        @st.composite
        def whole(draw: st.DrawFn) -> Written:
            calls = draw(self.calls)
            ops = list(dict.fromkeys(_operation_of(self.api, call) for call in _calls_in(calls)))
            world = draw(self.worlds)
            if not self._can_be_filled(world, calls):
                world = {key: value for key, value in world.items() if key != "cache"}
            needed = world.get("access_token", "valid") != "valid"
            rules = self.rules(draw, ops, auth=draw(_EVENLY if needed else _SELDOM))
            if rules and len(calls) > 1 and draw(_SELDOM):
                at = draw(st.integers(1, len(calls) - 1))
                other = self.rules(draw, ops) if draw(_EVENLY) else []
                calls = [*calls[:at], {"faults": other}, *calls[at:]]
            case: dict[str, Any] = {"title": title}
            return case | ({"given": world} if world else {}) | ({"faults": rules} if rules else {}) | {"calls": calls}

        return whole()

    def _can_be_filled(self, world: dict[str, Written], calls: list[Written]) -> bool:
        """Tell whether the case has what it takes to fill a cache before it."""
        login = self.api.roles.operations_of("login")
        if world.get("cache") == "other_user" and not (login and self.api.offers(login[0].id)):
            return False
        return any(_fills_a_cache(self.api, call) for call in _calls_in(calls))

    def rules(self, draw: st.DrawFn, ops: Iterable[str | None], *, auth: bool = False) -> list[Written]:
        """Draw rules about some operations, and with ``auth`` one about the refresh; none hides another."""
        roles = self.api.roles
        whose = _matches([roles.operations[op] for op in ops if op is not None])
        counts = [0, 1, 1, 1, 1, 1, *range(2, self.max_rules + 1)]
        rules: list[Written] = []
        for _ in range(counts[draw(st.integers(0, len(counts) - 1))]):
            on = whose[draw(st.integers(0, len(whose) - 1))]
            rules.append({"on": on, **draw(self.plans)})
        refresh = self.api.refresh()
        if auth and refresh is not None and self.api.can("token_refresh"):
            rules.insert(0, {"on": refresh.id, **draw(self.refresh_plans)})
        return _visible(roles, rules)


_EVENLY = st.sampled_from([False, True])
_SELDOM = st.sampled_from([False] * 5 + [True])


def _calls_in(calls: list[Written]) -> list[Written]:
    return [call for entry in calls for call in entry.get("parallel", [entry])]


def _operation_of(api: Api, call: Written) -> str | None:
    """Return which operation of the API a written call is of; None for one that is of none, such as an advance."""
    if RAW in call:
        operation = api.roles.match(call[RAW]["method"], call[RAW]["path"])
        return None if operation is None else operation.id
    asked = call.get("pages", call)
    return next((name for name in asked if name in api.roles.operations), None)


def _fills_a_cache(api: Api, call: Written) -> bool:
    """Tell whether a call is a read of something that there is: what a cache can be filled with before the case."""
    if RAW in call:
        return False
    asked = call.get("pages", call)
    return any(api.roles.role(op) in _CACHED and not is_absent(asked[op]) for op in asked if op in api.roles.operations)


def _matches(operations: list[Operation]) -> list[Written]:
    """Return whose exchanges rules may be about, given what is asked for: the plainest first."""
    found: list[Written] = [item.id for item in operations] * 3
    found += [{"role": item.role} for item in operations]
    found += [{"method": item.method} for item in operations]
    return [*found, "*"]


def _visible(roles: Roles, rules: list[Written]) -> list[Written]:
    """Return the rules without those that do nothing, or never act because one before them matches all of theirs."""
    kept: list[Written] = []
    for rule in rules:
        if any(step != "pass" for step in rule.get("plan", ["fault"])) and not any(
            _covers(roles, former["on"], rule["on"]) for former in kept
        ):
            kept.append(rule)
    return kept


def _covers(roles: Roles, wide: Written, narrow: Written) -> bool:
    one, other = _facts(roles, wide), _facts(roles, narrow)
    return all(one[key] in (None, other[key]) for key in one)


def _facts(roles: Roles, on: Written) -> dict[str, str | None]:
    """Return what a match fixes: what follows from an operation where it names one."""
    operation = roles.operations.get(on) if isinstance(on, str) else None
    if operation is not None:
        return {"operation": operation.id, "role": operation.role, "method": operation.method}
    given = on if isinstance(on, dict) else {}
    return {"operation": None, "role": given.get("role"), "method": given.get("method")}
