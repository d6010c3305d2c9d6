"""Published stacks, judged in the simulated world: what each of them does is what its maintainers would find as well."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from sadpath.scenario.loader import read_scenario
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.played import Case, Client
from sadpath.verify.simworld import Simulator, difference
from sadpath.workspace import find_workspace

STACKS = ("aiohttp", "aiohttp-retry", "hishel", "httpx", "httpx-retries", "requests", "stamina", "tenacity")
RETRYING = ("aiohttp-retry", "httpx-retries", "requests", "stamina", "tenacity")
READ: dict[str, Any] = {"users.get": {"id": 1}}
ORDER: dict[str, Any] = {"orders.create": {"data": {"items": [{"sku": "TEA-250", "quantity": 1}]}}}


@cache
def _client(name: str, profile: str = "published") -> Client:
    return asyncio.run(open_client(ClientRequest(name, find_workspace(), profile=profile)))


def _case(
    name: str, fault: Any, call: dict[str, Any] = READ, profile: str = "published", times: int = 1, **more: Any
) -> Case:
    """Return a case in which the first attempts of a call, made so many times, meet these faults."""
    (operation,) = call
    plan = fault if isinstance(fault, list) else [fault]
    data = {"title": "One fault", "faults": [{"on": operation, "plan": plan}], "calls": [call] * times, **more}
    return Case("stacks/one", read_scenario(data), _client(name, profile))


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
        # It sends once more what may be sent again, on whatever connection: also where none of it was used before.
        ("aiohttp", ["close"], READ, ["RETRY-01"]),
        ("aiohttp", ["close"], ORDER, []),
        # The tenth redirect is the one that it raises on, though ten are to be followed.
        ("aiohttp", [{"redirect": "/users/1"}] * 10, READ, ["REDIR-01"]),
        ("hishel", [{"status": 503}], READ, []),
        # What was retried holds the pool in a cycle of references, so that closing the session does not close it.
        ("requests", ["close"], READ, ["HEAL-01"]),
    ],
)
def test_what_is_found(name: str, fault: Any, call: dict[str, Any], failing: list[str]) -> None:
    """One fault shows what a stack is known for, and nothing else."""
    assert _failing(_case(name, fault, call)) == failing


@pytest.mark.parametrize(("fault", "kept"), [("bad_utf8", True), ("truncate", False)])
def test_a_cache_of_bytes_keeps_what_nobody_can_read(fault: str, kept: bool) -> None:
    """hishel hands an unreadable answer out again and again, for it looks at no body; one that broke off it drops."""
    failing = _failing(_case("hishel", [fault], {"settings.get": {}}, times=2))

    assert ("HEAL-01" in failing) is kept


def test_a_cache_by_url_obeys_no_field() -> None:
    """hishel's default keeps what says no-store, and hands it out; told to follow RFC 9111 it does not."""
    secret = ["no_store"]
    told = _failing(_case("hishel", secret, times=2))
    client = _client("hishel")
    by_url = asyncio.run(
        open_client(
            ClientRequest(
                "sadpath.subjects.stacks.with_hishel:create_by_url",
                find_workspace(),
                find_workspace().contract_path("hishel"),
                "published",
            )
        )
    )
    left = _failing(replace(_case("hishel", secret, times=2), client=by_url))

    assert client.name == by_url.name
    assert told == []
    assert left == ["CACHE-05"]


@pytest.mark.parametrize("name", RETRYING)
@pytest.mark.parametrize(
    ("fault", "call"),
    [
        ([{"status": {"code": 503, "committed": True}}], ORDER),
        ([{"status": 404}, {"status": 404}], READ),
        (["unauthorized", "unauthorized"], READ),
        ([{"status": 503}], READ),
    ],
)
def test_what_a_careful_caller_can_ask_for_works(name: str, fault: Any, call: dict[str, Any]) -> None:
    """By the profile ``careful`` the mechanism of each stack holds where only its defaults fell short."""
    assert _failing(_case(name, fault, call, "careful")) == []


@pytest.mark.parametrize(
    ("name", "fault", "failing"),
    [
        ("httpx-retries", ["truncate"], ["RETRY-03"]),
        ("httpx-retries", [{"status": {"code": 503, "retry_after": "2h"}}], ["RETRY-07", "RETRY-08", "RETRY-10"]),
        ("requests", [{"status": {"code": 503, "retry_after": {"raw": ""}}}], ["RETRY-03", "RETRY-09"]),
        ("aiohttp-retry", ["truncate"], ["RETRY-03"]),
        # aiohttp's own repeat comes on top of each try.
        ("aiohttp-retry", ["close", "close"], ["RETRY-01", "RETRY-04", "RETRY-05"]),
    ],
)
def test_what_no_setting_mends(name: str, fault: Any, failing: list[str]) -> None:
    """What fails by ``careful`` as well is the mechanism's, not a default's."""
    assert _failing(_case(name, fault, READ, "careful")) == failing


def test_a_cancel_is_heard_at_the_first_wait() -> None:
    """aiohttp sends a call that was cancelled beforehand, for over a kept connection it waits for nothing before."""
    calls: list[dict[str, Any]] = [READ, {**READ, "cancel_after": "0s"}]

    assert _failing(Case("stacks/cancel", read_scenario({"title": "x", "calls": calls}), _client("aiohttp"))) == [
        "CANCEL-04"
    ]
