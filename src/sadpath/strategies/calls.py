"""What the client is asked to do: one call, calls one after another or at the same time, cancels, time that passes.

Ordered so that shrinking goes towards one plain read: fewer calls, one after another before at the same time, reading
before writing, without options.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter

from sadpath.core.errors import UsageError
from sadpath.core.units import format_seconds
from sadpath.scenario.calls import OTHER_ORIGIN
from sadpath.scenario.model import StepOfCalls
from sadpath.scenario.roles import Operation, Roles
from sadpath.strategies.api import RAW, Api, the_api
from sadpath.strategies.settings import Written, any_of, one_from
from sadpath.strategies.times import Times

__all__ = ["calls", "written_call", "written_calls", "written_group"]

_STEPS: TypeAdapter[list[StepOfCalls]] = TypeAdapter(list[StepOfCalls])
_WEIGHTS = {"read": 5, "page": 2, "list": 2, "create": 3, "write": 2}
"""How often operations of a role are asked for, as against 1 for the others."""

_VARIANTS = 6
_LARGE_PAGE = 20


def calls(
    api: Api | Roles | None = None,
    *,
    operations: Collection[str] | None = None,
    max_size: int = 3,
    parallel: bool = True,
    cancels: bool = True,
    time: bool = True,
    times: Times | None = None,
) -> st.SearchStrategy[tuple[StepOfCalls, ...]]:
    """Draw the ``calls`` of a scenario.

    >>> from hypothesis import find
    >>> from sadpath.workspace import Workspace, reference_root
    >>> shop = Api.of(Workspace(reference_root()))
    >>> [step.to_file() for step in find(calls(shop), lambda steps: True)]
    [{'users.get': {'id': 1}}]
    >>> [step.to_file() for step in find(calls(shop, operations=["create"]), lambda steps: len(steps) > 1)]
    [{'users.create': {'data': {'user_name': 'Ada Lovelace', 'email_address': 'ada@example.com'}}}, \
{'users.create': {'data': {'user_name': 'Ada Lovelace', 'email_address': 'ada@example.com'}}}]

    Args:
        api: whose operations; default: those of the workspace at hand, for a client that can do everything.
        operations: only these operations, or those of these roles.
        max_size: how many entries at most; one of calls made at the same time is one entry.
        parallel: whether calls may be made at the same time.
        cancels: whether calls may be cancelled, where the client can do that.
        time: whether time may be moved between calls.
        times: what durations to draw; default: around the limits of a quick client.

    Raises:
        UsageError: for an unknown operation or role, or where none is left to ask for.
    """
    drawn = written_calls(
        the_api(api), operations, max_size=max_size, parallel=parallel, cancels=cancels, time=time, times=times
    )
    return drawn.map(_STEPS.validate_python).map(tuple)


def written_calls(
    api: Api,
    operations: Collection[str] | None = None,
    *,
    max_size: int = 3,
    parallel: bool = True,
    cancels: bool = True,
    time: bool = True,
    times: Times | None = None,
) -> st.SearchStrategy[list[Written]]:
    """Draw the calls of a scenario as a file writes them; the last entry is always a call."""
    times = times or Times.of(moves_clock=api.can("fake_clock"))
    one = written_call(api, operations, cancels=cancels, times=times)
    ways = [one.map(lambda call: [call])] * 8
    if parallel:
        ways.append(written_group(api, operations, cancels=cancels, times=times))
    entry = any_of(ways)
    between = [entry] * 8
    if time:
        advances = [format_seconds(item) for item in times.advances]
        between += [st.sampled_from(advances).map(lambda item: [{"advance": item}])] * 2
        if api.can("connectivity"):
            between.append(st.booleans().map(lambda hint: [{"offline": hint}]))
    none: st.SearchStrategy[list[list[Written]]] = st.just([])
    some = st.lists(any_of(between), min_size=1, max_size=max_size - 1) if max_size > 1 else none
    before = any_of([*[none] * 5, some, some])
    return st.builds(lambda former, last: [step for steps in [*former, last] for step in steps], before, entry)


def written_call(
    api: Api,
    operations: Collection[str] | None = None,
    *,
    cancels: bool = True,
    times: Times | None = None,
    beside: bool = False,
) -> st.SearchStrategy[Written]:
    """Draw one call as a file writes it; ``beside`` others, it may begin later than they do."""
    times = times or Times.of()
    chosen = api.choose(operations)
    asked = [call for item in chosen for call in _variants(api, item) * _WEIGHTS.get(item.role, 1)]
    if api.offers(RAW) and (operations is None or RAW in operations):
        asked += [call for item in api.choose(("read", "create")) for call in _raw(api, item)]
    if not asked:
        raise UsageError("no operation is left to ask for: the client offers none of those that are named")
    plain = one_from(asked)
    options: dict[str, st.SearchStrategy[Written]] = {}
    if cancels and api.can("cancel"):
        moments = [format_seconds(item) for item in times.cancels]
        options["cancel_after"] = st.sampled_from([None] * (7 * len(moments)) + moments)
    if beside:
        moments = [format_seconds(item) for item in times.starts if item > 0]
        options["start_after"] = st.sampled_from([None] * (2 * len(moments)) + moments)
    if not options:
        return plain
    given = st.fixed_dictionaries(options)
    return st.builds(lambda call, more: {**call, **{k: v for k, v in more.items() if v is not None}}, plain, given)


def written_group(
    api: Api,
    operations: Collection[str] | None = None,
    *,
    cancels: bool = True,
    times: Times | None = None,
    max_size: int = 3,
) -> st.SearchStrategy[list[Written]]:
    """Draw calls that are mostly made at the same time: the same call several times, or different ones.

    Now and then they are made one after another, so that shrinking can find out whether it takes more than that.
    """
    one = written_call(api, operations, cancels=cancels, times=times, beside=True)
    plain = written_call(api, operations, cancels=False, times=times)
    alike = st.builds(lambda call, times: [{**call, "times": times}], plain, st.sampled_from((2, 2, 2, 3, 5)))
    several = st.lists(one, min_size=2, max_size=max_size)
    with_one_more = st.builds(lambda group, call: [*group, call], alike, one)
    group = any_of([several, several, alike, alike, with_one_more])
    at_once = st.sampled_from([False, True, True, True, True, True])
    return st.builds(lambda at_once, calls: [{"parallel": calls}] if at_once else _alone(calls), at_once, group)


def _alone(calls: list[Written]) -> list[Written]:
    return [{key: value for key, value in call.items() if key != "start_after"} for call in calls]


def _variants(api: Api, operation: Operation) -> list[Written]:
    """Return calls of an operation: by its arguments, for every page of it, or with a body that can be read once.

    Every operation comes to about as many, whatever can be said of it.
    """
    first, *others = api.examples(operation)
    plain: list[Written] = [{operation.id: args} for args in (first, first, first, *others)]
    found = plain * max(1, _VARIANTS // len(plain))
    if operation.role in ("page", "list") and api.can("pagination"):
        found += [{"pages": {operation.id: {**first, **_few_pages(operation, api)}}}] * 2
    if operation.role in ("create", "write") and api.can("single_use_body"):
        found.append({operation.id: first, "replayable": False})
    return found


def _few_pages(operation: Operation, api: Api) -> dict[str, Any]:
    """Return what makes the pages of a collection so large that there are few of them."""
    size = api.page_size(operation)
    known = size is not None and any(size in args for args in api.examples(operation))
    return {size: _LARGE_PAGE} if size is not None and known else {}


def _raw(api: Api, operation: Operation) -> list[Written]:
    """Return an operation asked for as any request is: past every cache, and without a key of the client's making.

    What reads is also asked of another origin, to which no token may go.
    """
    found: list[Written] = []
    for args in api.examples(operation):
        path = operation.path
        for name, value in args.items():
            path = path.replace("{" + name + "}", str(value))
        asked: dict[str, Any] = {"method": operation.method, "path": path}
        found.append({RAW: {**asked, "json": args["data"]} if "data" in args else asked})
    if operation.role == "read":
        elsewhere = found[0][RAW]["path"]
        found.append({RAW: {"method": operation.method, "path": f"{OTHER_ORIGIN}{elsewhere}"}})
    return found
