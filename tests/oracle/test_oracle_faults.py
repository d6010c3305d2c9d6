"""The oracle, fault by fault: what it foresees of bodies that lie, of logins, loads and caches that are in trouble."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest

from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.generate import case_of
from sadpath.verify.oracle import disagreements, predict
from sadpath.verify.played import Client
from sadpath.verify.simworld import Simulator
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

SHOP = Workspace(REFERENCE)
SIMULATOR = Simulator(SHOP)
ROLES = SHOP.roles()
USER: dict[str, Any] = {"users.get": {"id": 1}}
RAW: dict[str, Any] = {"http": {"method": "GET", "path": "/users/1"}}
ORDER: dict[str, Any] = {"orders.create": {"data": {"items": [{"sku": "TEA-250", "quantity": 1}]}}}
OK, DECODE, SERVER = ("ok", "network"), ("decode", None), ("server", None)
SIGNED_OUT = ("unauthorized", None)
STALE = ("ok", "cache")

Ends = list[set[tuple[str, str | None, int]]]


@cache
def _reference() -> Client:
    return asyncio.run(open_client(ClientRequest("reference", SHOP)))


def _case(faults: list[Any], calls: list[Any], **data: Any) -> Scenario:
    return read_scenario({"title": "x", "faults": faults, "calls": calls, **data})


def _foreseen(scenario: Scenario) -> Ends:
    """Return how each call may end, from where, and after how many exchanges; the model must not be lost."""
    found = predict(scenario, _reference().contract.policy, ROLES)
    assert found.exact, found.reasons
    return [
        {(ending, end.source, end.attempts) for end in allowed.ends for ending in end.endings}
        for allowed in found.calls.values()
    ]


def _outside(scenario: Scenario) -> list[str]:
    """Return in what the reference client's run is not among what is foreseen."""
    played = SIMULATOR.play(case_of(scenario, _reference())).played
    assert played.trace is not None, played.why
    return disagreements(predict(scenario, _reference().contract.policy, ROLES), played.trace)


@pytest.mark.parametrize(
    ("fault", "call", "ends"),
    [
        ("bad_utf8", USER, {(*DECODE, 1)}),
        ("bad_utf8", RAW, {(*DECODE, 1)}),
        ({"deep_json": 100}, USER, {(*DECODE, 1)}),
        ({"deep_json": 100}, RAW, {(*OK, 1)}),
        ("deep_json", RAW, {(*OK, 1), (*DECODE, 1)}),
        ("empty", USER, {(*DECODE, 1)}),
        ("empty", {"users.delete": {"id": 1}}, {(*OK, 1)}),
        ("error_in_200", USER, {(*DECODE, 1)}),
        ("error_in_200", ORDER, {(*DECODE, 1)}),
        ("error_in_200", RAW, {(*OK, 1)}),
        ({"error_in_200": "no JSON"}, RAW, {(*DECODE, 1)}),
        ("wrong_content_type", USER, {(*OK, 1)}),
        ("wrong_shape", USER, {(*DECODE, 1)}),
        ("wrong_shape", RAW, {(*OK, 1)}),
        ({"wrong_shape": {"add": {"new": 1}}}, USER, {(*OK, 1)}),
        ({"wrong_shape": {"retype": ["id"]}}, USER, {(*OK, 1), (*DECODE, 1)}),
        ([{"status": 404}, "bad_utf8"], USER, {("not_found", None, 1)}),
        ([{"status": 404}, "empty"], USER, {("not_found", None, 1)}),
        ("no_store", USER, {(*OK, 1)}),
        ("etag_mismatch", USER, {(*OK, 1)}),
        ("not_modified_without_entry", USER, {("unexpected_status", None, 2)}),
        ("outage", USER, {(*SERVER, 3)}),
        ({"rate_limit": {"limit": 1, "window": "1s"}}, USER, {(*OK, 1)}),
        ({"rate_limit": {"limit": 0, "window": "20s"}}, USER, {("rate_limited", None, 1)}),
        ("stale_while_error", USER, {(*OK, 1)}),
        ({"bursts": {"bad": 0, "good": 1}}, USER, {(*OK, 1)}),
        ("reject_login", {"auth.login": {}}, {("unauthorized", None, 1)}),
    ],
)
def test_one_call_that_meets_a_fault(fault: Any, call: dict[str, Any], ends: set[Any]) -> None:
    """What a call comes to that meets one of these faults each time is foreseen, and so it is."""
    scenario = _case(
        [{"on": next(iter(call)), "fault": fault} if call is not RAW else {"on": "*", "fault": fault}], [call]
    )

    assert _foreseen(scenario) == [ends]
    assert _outside(scenario) == []


def test_what_must_not_be_kept_is_not_there_later() -> None:
    """After ``no_store`` there is nothing to fall back on, and without it there is."""
    away: list[Any] = [{"on": "users.get", "plan": ["pass", {"status": 503}], "then": "last"}]
    forbidden: list[Any] = [{"on": "users.get", "plan": ["no_store", {"status": 503}], "then": "last"}]

    assert _foreseen(_case(away, [USER, USER])) == [{(*OK, 1)}, {(*STALE, 3)}]
    assert _foreseen(_case(forbidden, [USER, USER])) == [{(*OK, 1)}, {(*SERVER, 3)}]
    assert _outside(_case(forbidden, [USER, USER])) == []


def test_one_answer_and_then_errors() -> None:
    """``stale_while_error`` lets the first read of each thing pass, and answers the next with an error."""
    scenario = _case([{"on": "*", "fault": "stale_while_error"}], [USER, USER, {"users.get": {"id": 2}}])

    assert _foreseen(scenario) == [{(*OK, 1)}, {(*STALE, 3)}, {(*OK, 1)}]
    assert _outside(scenario) == []


@pytest.mark.parametrize(
    ("token", "refreshes", "logouts", "ending"),
    [("access", 1, 0, {(*OK, 2)}), ("refresh", 0, 0, {(*OK, 1)}), ("all", 1, 1, {(*SIGNED_OUT, 1)})],
)
def test_revoked_tokens(token: str, refreshes: int, logouts: int, ending: set[Any]) -> None:
    """A read notices that access tokens were revoked; where all were, the session ends."""
    scenario = _case([{"on": "users.get", "plan": [{"revoke_tokens": token}]}], [USER], heal=False)
    found = predict(scenario, _reference().contract.policy, ROLES)

    assert _foreseen(scenario) == [ending]
    assert (found.refreshes, found.logouts) == ((refreshes, refreshes), (logouts, logouts))
    assert _outside(scenario) == []


def test_an_old_refresh_token_stays_in_force() -> None:
    """A renewal that brings no new refresh token, and whose answer is lost, can be made again; others cannot."""
    given = {"access_token": "revoked"}
    kept: list[Any] = [{"on": "auth.refresh", "plan": [["omit_refresh_token", {"truncate": 20}]]}]
    rotated: list[Any] = [{"on": "auth.refresh", "plan": [{"truncate": 20}]}]

    assert (*OK, 2) in _foreseen(_case(kept, [USER, USER], given=given))[1]
    assert _foreseen(_case(rotated, [USER, USER], given=given))[1] == {(*SIGNED_OUT, 1)}
    assert _outside(_case(kept, [USER, USER], given=given)) == []
    assert _outside(_case(rotated, [USER, USER], given=given)) == []


def test_an_outage_ends_by_the_clock() -> None:
    """Calls before and after an outage are foreseen to go well, and one within it to fail."""
    rules: list[Any] = [{"on": "*", "fault": {"outage": {"from": "10s", "for": "100s"}}}]
    scenario = _case(rules, [USER, {"advance": "20s"}, RAW, {"advance": "200s"}, USER])

    assert _foreseen(scenario) == [{(*OK, 1)}, {(*SERVER, 3)}, {(*OK, 1)}]
    assert _outside(scenario) == []


def test_a_limit_lets_so_many_pass_in_a_window() -> None:
    """Who exceeds a limit is told to wait, and gives up or comes again; in the next window the way is free."""
    rules: list[Any] = [{"on": "*", "fault": {"rate_limit": {"limit": 2, "window": "100s"}}}]
    scenario = _case(rules, [RAW, RAW, RAW, {"advance": "150s"}, RAW])
    soon: list[Any] = [{"on": "*", "fault": {"rate_limit": {"limit": 1, "window": "2s"}}}]

    assert _foreseen(scenario) == [{(*OK, 1)}, {(*OK, 1)}, {("rate_limited", None, 1)}, {(*OK, 1)}]
    assert _outside(scenario) == []
    assert (*OK, 2) in _foreseen(_case(soon, [RAW, RAW]))[1]
    assert _outside(_case(soon, [RAW, RAW])) == []


def test_a_lost_answer_or_none() -> None:
    """In a burst either may come, so either is foreseen; other rules have memories of their own."""
    scenario = _case([{"on": "*", "fault": {"bursts": {"bad": 0.5, "good": 0.5}}}], [RAW])

    assert {(*OK, 1), (*OK, 2), (*OK, 3), ("reset", None, 3)} <= _foreseen(scenario)[0]
    assert _outside(scenario) == []
