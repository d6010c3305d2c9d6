"""The oracle: the reference client always does what it foresees, and clients with a defect do not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from sadpath.drivers.inprocess import InProcessDriver
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario
from sadpath.strategies import Api, policies, scenarios
from sadpath.subjects.known_bad.registry import all_known_bad
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.generate import case_of, search
from sadpath.verify.judging import Judged
from sadpath.verify.oracle import Prediction, disagreements, predict
from sadpath.verify.oracle_choice import TooManyWays, every_way
from sadpath.verify.played import Client
from sadpath.verify.policy import Policy
from sadpath.verify.simworld import Simulator
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

SHOP = Workspace(REFERENCE)
SIMULATOR = Simulator(SHOP)
ROLES = SHOP.roles()
API = Api.of(SHOP)
BODIES = {op: [args.get("data") for args in known] for op, known in API.arguments.items()}


@cache
def _reference() -> Client:
    return asyncio.run(open_client(ClientRequest("reference", SHOP)))


POLICY = _reference().contract.policy
ASKED = API.for_client(_reference().capabilities, _reference().operations)


def _outside(scenario: Scenario, client: Client, *, policy: Policy = POLICY) -> list[str]:
    """Return in what a client's run of a scenario is not among what is foreseen."""
    played = SIMULATOR.play(case_of(scenario, client)).played
    assert played.trace is not None, played.why
    return disagreements(predict(scenario, policy, ROLES, bodies=BODIES), played.trace)


def _case(**data: Any) -> Scenario:
    return read_scenario({"title": "x", **data})


READ: list[Any] = [{"users.get": {"id": 1}}]


# The reference client is always inside


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(ASKED, policy=POLICY))
@example(_case(faults=[{"on": "users.get", "plan": ["close"]}], calls=[{"users.get": {"id": 1}, "times": 2}]))
@example(_case(given={"access_token": "expired"}, faults=[{"on": "auth.refresh", "fault": "reset"}], calls=READ * 2))
@example(
    _case(  # the server hears late that the client has left, and lets the token expire
        given={"network": {"latency": "80ms"}},
        faults=[{"on": "users.get", "plan": [[{"delay": {"time": "360ms", "at": "request"}}, "expire_token"]]}],
        calls=READ,
    )
)
@example(
    _case(  # a used refresh token ends the session, though the client cannot read that
        given={"refresh_token": "used"},
        faults=[{"on": "*", "fault": {"truncate": 20}}],
        calls=[{"advance": "3590s"}, *READ],
    )
)
@example(
    _case(  # the token ends while its renewal is waited for
        faults=[{"on": "auth.refresh", "fault": {"stall": {"time": "300ms", "then": "close"}}}],
        calls=[{"advance": "3599.9s"}, *READ],
    )
)
@example(
    _case(  # the token ends while the calls are made
        faults=[{"on": "*", "fault": {"status": {"code": 503, "retry_after": {"date": "2s"}}}}],
        calls=[{"advance": "3590s"}, *READ * 2],
    )
)
@example(_case(given={"cache": "stale"}, faults=[{"on": "users.get", "fault": "stall"}], calls=READ))
@example(_case(calls=[{"auth.logout": {}, "cancel_after": "0s"}, *READ]))  # signed out, though nobody was told
def test_the_reference_client_does_what_is_foreseen(scenario: Scenario) -> None:
    """Whatever is drawn, outcomes, sources, attempts and renewals are among those that policy and schedule allow."""
    assert _outside(scenario, _reference()) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(ASKED, policy=POLICY, max_calls=2), policies(POLICY))
def test_it_does_so_under_any_policy(scenario: Scenario, policy: Policy) -> None:
    """A client that is told other numbers does what the oracle foresees for those numbers."""
    reference = _reference()
    client = replace(reference, contract=reference.contract.model_copy(update={"policy": policy}))

    assert _outside(scenario, client, policy=policy) == []


@pytest.mark.slow
def test_bundled_scenarios_are_foreseen() -> None:
    """In every bundled scenario the reference client does what is foreseen."""
    outside = {
        loaded.name: found
        for loaded in SHOP.find("*")
        if loaded.scenario.all_calls() and (found := _outside(loaded.scenario, _reference()))
    }

    assert outside == {}


# Clients with a defect are outside

CASES: dict[str, Scenario] = {
    "any-2xx-is-success": _case(faults=[{"on": "users.get", "plan": ["html"]}], calls=READ),
    "cache-keyed-by-url": _case(given={"cache": "other_user"}, faults=[{"on": "*", "fault": "close"}], calls=READ),
    "cache-on-any-error": _case(
        given={"cache": "fresh"}, faults=[{"on": "users.get", "fault": {"status": 403}}], calls=READ
    ),
    "cancel-is-a-failure": _case(
        faults=[{"on": "users.get", "plan": ["stall"]}], calls=[{"users.get": {"id": 1}, "cancel_after": "100ms"}]
    ),
    "comes-early-past-a-cap": _case(
        faults=[{"on": "users.get", "fault": {"status": {"code": 429, "retry_after": "1h"}}}], calls=READ
    ),
    "everything-is-the-network": _case(faults=[{"on": "users.get", "plan": [{"status": 404}]}], calls=READ),
    "fails-on-a-dead-connection": _case(faults=[{"on": "users.get", "plan": ["pass", *["close"] * 3]}], calls=READ * 2),
    "hangs-on-silence": _case(faults=[{"on": "users.get", "plan": ["stall"]}], calls=READ),
    "logs-out-on-any-refresh-error": _case(
        given={"access_token": "revoked"},
        faults=[{"on": "auth.refresh", "plan": [{"status": 503}]}],
        calls=READ * 2,
    ),
    "message-of-a-list": _case(
        faults=[{"on": "users.get", "plan": [{"status": {"code": 404, "body": {"fixture": "problem-as-list"}}}]}],
        calls=READ,
    ),
    "retries-any-method": _case(
        faults=[{"on": "orders.create", "plan": ["reset"]}],
        calls=[{"http": {"method": "POST", "path": "/orders", "json": BODIES["orders.create"][0]}}],
    ),
    "retries-below-the-body": _case(faults=[{"on": "users.get", "plan": ["truncate"]}], calls=READ),
    "retries-every-error": _case(faults=[{"on": "users.get", "plan": [{"status": 404}]}], calls=READ),
    "retries-inside-and-outside": _case(faults=[{"on": "users.get", "fault": {"status": 503}}], calls=READ),
    "refreshes-on-403": _case(faults=[{"on": "users.get", "plan": [{"status": 403}]}], calls=READ),
    "stale-for-ever": _case(
        given={"cache": "too_old"}, faults=[{"on": "users.get", "fault": {"status": 503}}], calls=READ
    ),
    "stuck-after-a-failed-refresh": _case(
        given={"access_token": "revoked"},
        faults=[{"on": "auth.refresh", "plan": [{"status": 503}]}],
        calls=READ * 2,
    ),
    "status-lost-with-the-body": _case(
        faults=[{"on": "users.get", "plan": [{"status": {"code": 404, "body": "no JSON"}}]}], calls=READ
    ),
}
"""For each known-bad client whose defect shows in what calls come to, a case that shows it."""


@pytest.mark.parametrize("name", CASES)
def test_a_client_with_a_defect_is_outside(name: str) -> None:
    """A known-bad client does what no client that keeps the contract would; the reference client does not."""
    bad = next(item for item in all_known_bad() if item.name == name)
    client = replace(_reference(), name=name, driver=InProcessDriver(bad.create, name=name))

    assert _outside(CASES[name], client) != []
    assert _outside(CASES[name], _reference()) == []


# What it says


def _ends(scenario: Scenario, policy: Policy = POLICY) -> list[set[tuple[tuple[str, ...], str | None, int]]]:
    found = predict(scenario, policy, ROLES)
    return [
        {(tuple(sorted(end.endings)), end.source, end.attempts) for end in allowed.ends}
        for allowed in found.calls.values()
    ]


def test_a_plain_case_has_one_end() -> None:
    """Where nothing is open there is one thing that a call may come to."""
    assert _ends(_case(calls=READ)) == [{(("ok",), "network", 1)}]
    assert _ends(_case(faults=[{"on": "users.get", "fault": {"status": 503}}], calls=READ)) == [
        {(("server",), None, 3)}
    ]


def test_what_is_open_is_widened() -> None:
    """A dead connection may be found out by an unseen repeat or not, and an error cut in its body be either of two."""
    dead = _ends(_case(faults=[{"on": "users.get", "plan": ["pass", "close", "pass"]}], calls=READ * 2))
    cut = _case(faults=[{"on": "users.get", "plan": [[{"status": 404}, "truncate"], "pass"]}], calls=READ)

    assert dead[1] == {(("ok",), "network", 2)}
    kinds = ("closed", "not_found", "protocol", "reset", "truncated")
    assert _ends(cut) == [{(kinds, None, 1), (("ok",), "network", 2)}]


def test_it_says_where_it_is_lost_and_why() -> None:
    """Calls at the same time are bounded only, and the reason is given; calls before them are still exact."""
    both = [*READ, {"parallel": [{"users.get": {"id": 1}, "times": 2}]}]
    found = predict(_case(calls=both, faults=[{"on": "users.get", "plan": ["stall"]}]), POLICY, ROLES)

    assert not found.exact
    assert found.reasons == [
        "b/0: calls are made at the same time: which of them meets which step is decided by arrival"
    ]
    assert found.calls["a/0"].bounds is None
    assert found.calls["b/1"].covers("timeout.read", None, 3)
    assert not found.calls["b/1"].covers("ok", "network", 9)
    assert not found.calls["b/1"].covers("forbidden", None, 1)
    assert found.refreshes is None


def test_renewals_are_counted() -> None:
    """How often a session is renewed follows from its tokens and from what the renewal meets."""
    revoked = {"access_token": "revoked"}
    renewed = predict(_case(given=revoked, calls=READ * 2), POLICY, ROLES)
    refused = predict(_case(given={**revoked, "refresh_token": "revoked"}, calls=READ * 2), POLICY, ROLES)

    assert (renewed.refreshes, renewed.logouts) == ((1, 1), (0, 0))
    assert (refused.refreshes, refused.logouts) == ((1, 1), (1, 1))


def test_without_a_promise_nothing_is_said() -> None:
    """Of a client that promises nothing no call is foreseen, and the reason names what is missing."""
    found = predict(_case(calls=READ), Policy(), ROLES)

    assert not found.exact
    assert "does not promise retry.max_retries" in found.reasons[0]
    assert found.calls["a/0"].covers("timeout.total", None, 7)


def test_a_fault_that_it_does_not_know_is_no_failure() -> None:
    """What a rule leaves to chance makes the model lose its way, not fail."""
    found = predict(_case(faults=[{"on": "*", "chance": 0.5, "fault": "reset"}], calls=READ), POLICY, ROLES)

    assert found.reasons == ["a/0: a rule acts by chance"]


def test_every_way_is_gone_once() -> None:
    """A program that chooses is run once for each combination of choices, also where later ones depend on earlier."""

    def program(choose: Any) -> str:
        first = choose("ab")
        return f"{first}{choose('xyz')}" if first == "a" else str(first)

    assert list(every_way(program, 10)) == ["ax", "ay", "az", "b"]
    with pytest.raises(TooManyWays):
        list(every_way(program, 3))


# Beside the clauses


def test_it_agrees_with_the_clauses_about_the_reference_client() -> None:
    """In a search, neither the clauses nor the oracle find anything in the reference client."""
    outside: list[tuple[Prediction, list[str]]] = []

    def look(judged: Judged) -> None:
        trace = judged.played.trace
        if trace is not None:
            prediction = predict(trace.scenario, POLICY, ROLES, bodies=BODIES)
            outside.extend([(prediction, found)] if (found := disagreements(prediction, trace)) else [])

    found = search(_reference(), SIMULATOR, examples=100, seed=3, on_case=look)

    assert outside == []
    assert {item.clause for item in found.findings} <= {"RETRY-04"}  # as its contract expects
    assert found.troubles == []
