"""Published stacks, judged in the simulated world: what each of them does is what its maintainers would find as well."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest

from sadpath.scenario.loader import read_scenario
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.played import Case, Client
from sadpath.verify.simworld import Simulator, difference
from sadpath.workspace import find_workspace

STACKS = ("aiohttp-retry", "httpx", "httpx-retries", "requests", "stamina", "tenacity")
READ: dict[str, Any] = {"users.get": {"id": 1}}
ORDER: dict[str, Any] = {"orders.create": {"data": {"items": [{"sku": "TEA-250", "quantity": 1}]}}}


@cache
def _client(name: str) -> Client:
    return asyncio.run(open_client(ClientRequest(name, find_workspace(), profile="published")))


def _case(name: str, fault: Any, call: dict[str, Any] = READ, **more: Any) -> Case:
    """Return a case in which the first attempts of a call meet these faults."""
    (operation,) = call
    plan = fault if isinstance(fault, list) else [fault]
    data = {"title": "One fault", "faults": [{"on": operation, "plan": plan}], "calls": [call], **more}
    return Case("stacks/one", read_scenario(data), _client(name))


def _failing(case: Case) -> list[str]:
    simulator = Simulator(find_workspace())
    return sorted(simulator.judge(simulator.play(case).played).unexpected())


@pytest.mark.parametrize("name", STACKS)
def test_nothing_is_found_where_nothing_goes_wrong(name: str) -> None:
    """A stack that meets no fault gets its answer, and no clause fails."""
    quiet = read_scenario({"title": "Nothing goes wrong", "calls": [READ, ORDER]})

    assert _failing(Case("stacks/none", quiet, _client(name))) == []


@pytest.mark.parametrize("name", STACKS)
def test_the_same_case_has_the_same_trace(name: str) -> None:
    """A stack is as deterministic as any client, worker threads and messages with addresses included."""
    simulator = Simulator(find_workspace())
    runs = [simulator.play(_case(name, [{"status": 503}, "truncate", "close"])) for _ in range(2)]

    assert difference(runs[0], runs[1]) is None


@pytest.mark.parametrize(
    ("name", "fault", "call", "failing"),
    [
        # httpx repeats nothing, so a connection that dies unused fails its call (encode/httpx discussions).
        ("httpx", [{"status": 404}], READ, []),
        ("httpx", ["pass", "close"], READ, []),
        # The transport has handed its answer on before the body is read, so it cannot see that one break off.
        ("httpx-retries", ["truncate"], READ, ["RETRY-03"]),
        ("httpx-retries", [{"status": {"code": 503, "retry_after": "2h"}}], READ, ["RETRY-07", "RETRY-08", "RETRY-10"]),
        # urllib3 raises on a Retry-After that it cannot read, where RFC 9110 lets it be ignored.
        ("requests", [{"status": {"code": 503, "retry_after": {"raw": ""}}}], READ, ["RETRY-03", "RETRY-09"]),
        ("requests", [{"redirect": {"to": "/users/2", "code": 302}}], {"users.delete": {"id": 1}}, ["REDIR-01"]),
        # "By default on all" exceptions, says its README; its default is an empty set, and none is retried.
        ("aiohttp-retry", ["truncate"], READ, ["RETRY-03"]),
        ("aiohttp-retry", [{"status": {"code": 503, "committed": True}}], ORDER, ["IDEM-02", "RETRY-02"]),
        # A loop around the whole call retries whatever raises: refusals, mistakes and orders.
        ("stamina", ["unauthorized", "unauthorized"], READ, ["AUTH-03"]),
        ("stamina", [{"status": {"code": 503, "committed": True}}], ORDER, ["IDEM-02", "RETRY-02"]),
        ("tenacity", [{"status": 404}, {"status": 404}], READ, ["RETRY-03"]),
    ],
)
def test_what_is_found(name: str, fault: Any, call: dict[str, Any], failing: list[str]) -> None:
    """One fault shows what a stack is known for, and nothing else."""
    assert _failing(_case(name, fault, call)) == failing
