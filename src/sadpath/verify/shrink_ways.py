"""What may be smaller than a scenario, and how: the largest steps first.

All of this is about plain data, as a scenario file holds it. What comes out need not be a scenario, nor smaller: who
asks reads it and measures it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from sadpath.scenario.calls import CALL_OPTIONS, STEP_WORDS
from sadpath.verify.shrink_size import GENTLEST_FIRST, rank

__all__ = ["smaller"]

Data = dict[str, Any]

_GENTLE: tuple[Any, ...] = ({"status": 503}, *GENTLEST_FIRST[1:4], {"delay": "20ms"}, *GENTLEST_FIRST[5:])
"""A plain form of each fault."""

_PLAIN_OFFSETS = (0, 1, 20)


def smaller(data: Data, plain_calls: Sequence[Data] = ()) -> Iterator[Data]:
    """Yield scenarios that may be smaller than one, as plain data.

    ``plain_calls`` are calls that any other may be replaced by, the plainest first.
    """
    yield from _fewer_calls(data)
    yield from _fewer_rules(data)
    yield from _usual_world(data)
    yield from _shorter_plans(data)
    yield from _plainer_calls(data, plain_calls)
    yield from _other_operations(data, plain_calls)
    yield from _gentler_faults(data)
    yield from _narrower_rules(data)
    yield from _plainer_settings(data)


def _without(items: list[Any]) -> Iterator[list[Any]]:
    """Yield a list without some of its items that stand together: half of them, a quarter, … one."""
    size = len(items)
    while size > 0:
        for start in range(0, len(items), size):
            left = [*items[:start], *items[start + size :]]
            if len(left) < len(items):
                yield left
        size //= 2


# Calls


def _fewer_calls(data: Data) -> Iterator[Data]:
    calls = data.get("calls", [])
    for left in _without(calls):
        if left:
            yield {**data, "calls": left}
    for index, step in enumerate(calls):
        if "parallel" not in step:
            continue
        group = step["parallel"]
        for call in group:
            yield _with_call(data, index, [_alone(call)])
        for left in _without(group):
            if left:
                yield _with_call(data, index, [{"parallel": left}])
        for inner, call in enumerate(group):
            for fewer in _fewer_times(call):
                yield _with_call(data, index, [{"parallel": [*group[:inner], fewer, *group[inner + 1 :]]}])
        yield _with_call(data, index, [_alone(call) for call in group])
    for index, call in enumerate(calls):
        for fewer in _fewer_times(call):
            yield _with_call(data, index, [fewer])


def _with_call(data: Data, index: int, steps: list[Any]) -> Data:
    calls = data["calls"]
    return {**data, "calls": [*calls[:index], *steps, *calls[index + 1 :]]}


def _alone(call: Data) -> Data:
    return {key: value for key, value in call.items() if key != "start_after"}


def _fewer_times(call: Data) -> Iterator[Data]:
    times = call.get("times", 1)
    for fewer in dict.fromkeys((1, 2, times // 2, times - 1)):
        if 0 < fewer < times:
            left = {key: value for key, value in call.items() if key != "times"}
            yield left if fewer == 1 else {**left, "times": fewer}


def _plainer_calls(data: Data, plain_calls: Sequence[Data]) -> Iterator[Data]:
    """Yield the scenario with a call without an option, with plainer arguments, or as another call."""
    for place in _call_places(data):
        call = _at(data, place)
        for option in CALL_OPTIONS:
            if option in call:
                yield _put(data, place, {key: value for key, value in call.items() if key != option})
        if "pages" in call:
            plain = call["pages"] if isinstance(call["pages"], dict) else {call["pages"]: {}}
            yield _put(data, place, {**plain, **{key: value for key, value in call.items() if key in CALL_OPTIONS}})
        for args in _plainer_arguments(call, plain_calls):
            yield _put(data, place, args)
        for other in _call_places(data):
            if other != place:
                yield _put(data, place, copy.deepcopy(_at(data, other)))
    yield from _same_ids(data)


def _other_operations(data: Data, plain_calls: Sequence[Data]) -> Iterator[Data]:
    """Yield the scenario with another operation in the place of one, wherever it is called and in rules about it."""
    asked = dict.fromkeys(op for place in _call_places(data) for op in _names(_at(data, place)))
    for op in asked:
        for plain in plain_calls:
            (other,) = plain
            if other == op:
                continue
            out = data
            for place in _call_places(data):
                call = _at(data, place)
                if _names(call) == [op]:
                    options = {key: value for key, value in call.items() if key in CALL_OPTIONS}
                    out = _put(out, place, {**copy.deepcopy(plain), **options})
            for place in _rule_places(data):
                rule = _at(data, place)
                if rule["on"] == op:
                    out = _put(out, place, {**rule, "on": other})
            yield out


def _plainer_arguments(call: Data, plain_calls: Sequence[Data]) -> Iterator[Data]:
    """Yield a call without an argument that it can do without, or with the number 1 for another."""
    plain = {op: args for known in plain_calls for op, args in known.items()}
    for op, args in call.items():
        if op in CALL_OPTIONS or not isinstance(args, dict) or op == "pages":
            continue
        needed = plain[op].keys() if op in plain else args.keys()
        for name in [name for name in args if name not in needed]:
            yield {**call, op: {key: value for key, value in args.items() if key != name}}
        for name, value in args.items():
            if isinstance(value, int) and not isinstance(value, bool) and value != 1:
                yield {**call, op: {**args, name: 1}}


def _same_ids(data: Data) -> Iterator[Data]:
    """Yield the scenario with one argument's value replaced wherever it stands: calls go on being about one thing."""
    values = [
        (name, value)
        for place in _call_places(data)
        for args in _at(data, place).values()
        if isinstance(args, dict)
        for name, value in args.items()
        if isinstance(value, int) and not isinstance(value, bool) and value != 1
    ]
    for name, value in dict.fromkeys(values):
        out = copy.deepcopy(data)
        for place in _call_places(out):
            for args in _at(out, place).values():
                if isinstance(args, dict) and args.get(name) == value:
                    args[name] = 1
        yield out


def _call_places(data: Data) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = []
    for index, step in enumerate(data.get("calls", [])):
        if "parallel" in step:
            found += [("calls", index, "parallel", inner) for inner in range(len(step["parallel"]))]
        elif not any(word in step for word in STEP_WORDS):
            found.append(("calls", index))
    return found


# Rules


def _rule_lists(data: Data) -> list[tuple[str | int, ...]]:
    """Return where lists of rules stand: at the top, and in ``faults`` entries of the calls."""
    found: list[tuple[str | int, ...]] = [("faults",)] if "faults" in data else []
    found += [("calls", index, "faults") for index, step in enumerate(data.get("calls", [])) if "faults" in step]
    return found


def _rule_places(data: Data) -> list[tuple[str | int, ...]]:
    return [(*place, index) for place in _rule_lists(data) for index in range(len(_at(data, place)))]


def _fewer_rules(data: Data) -> Iterator[Data]:
    for place in _rule_lists(data):
        for left in _without(_at(data, place)):
            if left or place != ("faults",):
                yield _put(data, place, left)
            else:
                yield {key: value for key, value in data.items() if key != "faults"}
    for key in ("seed", "expect"):
        if key in data:
            yield {name: value for name, value in data.items() if name != key}


def _shorter_plans(data: Data) -> Iterator[Data]:
    for place in _rule_places(data):
        rule = _at(data, place)
        bare = {key: value for key, value in rule.items() if key not in ("then", "chance")}
        if len(bare) < len(rule):
            yield _put(data, place, bare)
        if "fault" in rule:
            yield _put(data, place, {"on": rule["on"], "plan": [rule["fault"]]})
        for left in _without(rule.get("plan", [])):
            if left:
                yield _put(data, place, {**rule, "plan": left})
    for place in _step_places(data):
        step = _at(data, place)
        if step != "pass" and place[-1] != "fault":
            yield _put(data, place, "pass")
        if isinstance(step, list):
            for fault in step:
                yield _put(data, place, fault)


def _narrower_rules(data: Data) -> Iterator[Data]:
    """Yield the scenario with a rule about one operation that is called, in the place of a wider one."""
    asked = [op for place in _call_places(data) for op in _operations(_at(data, place))]
    for place in _rule_places(data):
        rule = _at(data, place)
        if not isinstance(rule["on"], str) or rule["on"] == "*":
            for op in dict.fromkeys(asked):
                yield _put(data, place, {**rule, "on": op})


def _operations(call: Data) -> list[str]:
    """Return the operation that a call is of, none for a raw request."""
    return [name for name in _names(call) if name != "http"]


def _names(call: Data) -> list[str]:
    inner = call.get("pages", call)
    return [inner] if isinstance(inner, str) else [name for name in inner if name not in CALL_OPTIONS]


# Faults


def _step_places(data: Data) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = []
    for place in _rule_places(data):
        rule = _at(data, place)
        found += [(*place, "fault")] if "fault" in rule else []
        found += [(*place, "plan", index) for index in range(len(rule.get("plan", [])))]
    return found


def _fault_places(data: Data) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = []
    for place in _step_places(data):
        step = _at(data, place)
        found += [(*place, index) for index in range(len(step))] if isinstance(step, list) else [place]
    return [place for place in found if _at(data, place) != "pass"]


def _name(fault: Any) -> str:
    return fault if isinstance(fault, str) else str(next(iter(fault)))


def _gentler_faults(data: Data) -> Iterator[Data]:
    for place in _fault_places(data):
        fault = _at(data, place)
        name = _name(fault)
        for plain in _GENTLE:
            if rank(_name(plain)) <= rank(name) and plain != fault:
                yield _put(data, place, copy.deepcopy(plain))


def _plainer_settings(data: Data) -> Iterator[Data]:
    """Yield the scenario with a fault that has fewer settings, or rounder ones."""
    for place in _fault_places(data):
        fault = _at(data, place)
        if not isinstance(fault, dict):
            continue
        ((name, settings),) = fault.items()
        yield _put(data, place, name)
        if not isinstance(settings, dict):
            continue
        for key in settings:
            left = {other: value for other, value in settings.items() if other != key}
            yield _put(data, place, {name: left})
            if len(left) == 1:
                yield _put(data, place, {name: next(iter(left.values()))})
        for key, value in settings.items():
            for plain in _plain_values(key, value):
                yield _put(data, place, {name: {**settings, key: plain}})


def _plain_values(key: str, value: Any) -> tuple[Any, ...]:
    if key == "code":
        return tuple(code for code in (503, 500, 404) if code != value)
    if key == "after":
        return tuple(offset for offset in _PLAIN_OFFSETS if offset != value)
    if key == "body":
        return tuple(body for body in ("",) if body != value)
    return ()


# The world


def _usual_world(data: Data) -> Iterator[Data]:
    given = data.get("given", {})
    if not given:
        return
    yield {key: value for key, value in data.items() if key != "given"}
    for key in given:
        left = {name: value for name, value in given.items() if name != key}
        if left:
            yield {**data, "given": left}
    if given.get("cache") not in (None, "fresh"):
        yield {**data, "given": {**given, "cache": "fresh"}}
    if given.get("access_token") not in (None, "revoked", "expired"):
        yield {**data, "given": {**given, "access_token": "revoked"}}


# Places


def _at(data: Data, place: tuple[str | int, ...]) -> Any:
    found: Any = data
    for part in place:
        found = found[part]
    return found


def _put(data: Data, place: tuple[str | int, ...], value: Any) -> Data:
    """Return the data with another value at a place; nothing is shared that could change."""
    if not place:
        return value  # type: ignore[no-any-return] # a place of no parts is the whole
    head, rest = place[0], place[1:]
    changed: Any = list(data) if isinstance(data, list) else dict(data)
    changed[head] = _put(changed[head], rest, value)
    return changed  # type: ignore[no-any-return] # a list inside, a mapping at the top
