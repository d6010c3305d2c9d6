"""What tests of the simulated world share: the simulator, the reference client, its cases."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from sadpath.scenario.loader import LoadedScenario
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.judging import Judged
from sadpath.verify.played import Case, Client
from sadpath.verify.simworld import SimPlayed, Simulator
from tests.campaign.arranged import scenario, workspace

READ = [{"users.get": {"id": 1}}]
BUSY: dict[str, Any] = {"faults": [{"on": {"role": "read"}, "fault": {"status": 503}}], "calls": READ}
SILENT: dict[str, Any] = {"faults": [{"on": {"role": "read"}, "fault": "stall"}], "calls": READ}
LIVELY: dict[str, Any] = {
    "title": "A bit of everything: chance, calls at once, cancels, work behind the caller's back, a token that ends",
    "seed": 5,
    "faults": [
        {"on": "settings.get", "plan": ["pass", {"delay": "50ms"}]},
        {"on": {"role": "read"}, "chance": 0.4, "plan": [{"status": 503}, "reset", {"truncate": 20}], "then": "repeat"},
        {"on": {"role": "read"}, "chance": 0.3, "fault": {"delay": {"uniform": {"min": "10ms", "max": "400ms"}}}},
        {"on": {"role": "create"}, "plan": ["expire_token", "pass"]},
    ],
    "calls": [
        {"settings.get": {}},
        {
            "parallel": [
                {"users.get": {"id": 1}, "times": 4},
                {"users.get": {"id": 2}, "cancel_after": "30ms"},
                {"users.get": {"id": 3}, "cancel_after": "0s"},
                {"settings.get": {}, "start_after": "5ms"},
                {"orders.create": {"data": {"items": [{"sku": "TEA-250", "quantity": 1}]}}, "start_after": "10ms"},
            ]
        },
        {"settings.get": {}},
        {"pages": {"orders.list": {"limit": 2}}},
    ],
}
"""A case whose order depends on whatever could depend on chance."""


@cache
def simulator() -> Simulator:
    """Return a simulator of the reference workspace."""
    return Simulator(workspace())


@cache
def known(word: str, profile: str = "published") -> Client:
    """Return a client that has a contract."""
    return asyncio.run(open_client(ClientRequest(word, workspace(), profile=profile)))


def bundled() -> list[LoadedScenario]:
    """Return the bundled scenarios that make calls."""
    return [loaded for loaded in workspace().find("*") if loaded.scenario.all_calls()]


def sim_case(data: dict[str, Any], who: Client | None = None, name: str = "topic/case", **changes: Any) -> Case:
    """Return a case for the simulated world."""
    return Case(name, scenario(data, **changes), who or known("reference"), 0, "sim")


def play(case: Case) -> SimPlayed:
    """Play a case."""
    return simulator().play(case)


def judged(case: Case) -> Judged:
    """Play a case and judge it."""
    return simulator().judge(play(case).played)
