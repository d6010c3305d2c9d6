"""How large a scenario is: what counts as smaller when a case is shrunk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sadpath.scenario.model import Call, ChangeFaults, Parallel, Scenario
from sadpath.scenario.rules import Fault, Match
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["GENTLEST_FIRST", "Size", "rank", "size_of"]

Size = tuple[int, ...]
"""Compared from left to right: faults and calls together, what else there is, how severe, how long as a text."""

GENTLEST_FIRST = (
    "status", "unauthorized", "expire_token", "invalid_grant", "delay", "truncate", "html", "malformed_json",
    "close", "reset", "stall",
)  # fmt: skip
"""Faults in the order of how much they take away; those that are not named come before ``close``."""

_SETTINGS = 3


def rank(name: str) -> int:
    """Return how severe a fault is."""
    if name in GENTLEST_FIRST:
        return GENTLEST_FIRST.index(name)
    return GENTLEST_FIRST.index("close") - 1 if name in FAULTS else len(GENTLEST_FIRST)


def size_of(scenario: Scenario, plainness: Mapping[str, int] | None = None) -> Size:
    """Return a scenario's size; its title does not count, nor that it is healed.

    ``plainness`` says how plain operations are: of two, the one with the smaller number is the smaller.
    """
    calls = scenario.all_calls()
    faults = scenario.all_faults()
    passes = sum(not step for rule in scenario.all_rules() for step in rule.steps())
    others = sum(not isinstance(step, Call) for step in scenario.calls) + len(scenario.given.to_file())
    for_good = sum(rule.then != "pass" or rule.fault is not None for rule in scenario.all_rules())
    options = for_good + sum(_options(call) for call in calls)
    plain = plainness or {}
    empty = sum(isinstance(step, ChangeFaults) and not step.faults for step in scenario.calls)
    wide = sum(_width(rule.on) for rule in scenario.all_rules())
    data = scenario.to_file()
    for key in ("title", "heal"):
        data.pop(key, None)
    return (
        len(faults) + sum(call.times for call in calls),
        others + options + passes - empty,
        sum(_severity(fault) for fault in faults),
        wide + sum(isinstance(step, Parallel) for step in scenario.calls),
        sum(plain.get(call.op, len(plain)) for call in calls),
        len(json.dumps(data)),
        sum(_numbers(call.args) for call in calls),
    )


def _severity(fault: Fault) -> int:
    """Return how severe a fault is; one that needs settings is harder to understand than one that does not."""
    written = fault.settings.to_file()
    if isinstance(written, dict):
        return rank(fault.name) + _SETTINGS + len(written) + int(written.get("code", 503) != 503)
    return rank(fault.name) + (written not in (None, 503))


def _options(call: Call) -> int:
    return (
        (call.cancel_after is not None)
        + (call.start_after is not None)
        + (not call.replayable)
        + call.pages
        + (call.times > 1)
    )


def _width(on: Match) -> int:
    """Return how little a match says: an operation says most."""
    return 0 if on.operation is not None else 1 if on.role is not None else 2


def _numbers(value: Any) -> int:
    """Return the sum of the whole numbers in arguments."""
    if isinstance(value, dict):
        return sum(_numbers(item) for item in value.values())
    if isinstance(value, list):
        return sum(_numbers(item) for item in value)
    return abs(value) if isinstance(value, int) and not isinstance(value, bool) else 0
