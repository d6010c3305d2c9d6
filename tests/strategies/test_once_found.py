"""Cases that searches have once found in the reference client: the judge was mended, or the client."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest

from sadpath.scenario.loader import read_scenario
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.generate import case_of
from sadpath.verify.played import Client
from sadpath.verify.simworld import Simulator
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

SHOP = Workspace(REFERENCE)
SIMULATOR = Simulator(SHOP)

CASES: dict[str, dict[str, Any]] = {
    # The date may mean three seconds, and after three seconds the cache answers: no retry was due before.
    "a date beside the fallback deadline": {
        "given": {"cache": "fresh"},
        "faults": [
            {
                "on": "users.get",
                "plan": [{"status": {"code": 503, "retry_after": {"date": "2s", "form": "asctime"}}}],
            }
        ],
        "calls": [{"users.get": {"id": 1}}],
    },
    # The second call's value is that of the retry, which a 304 says still holds; the attempt given up said the same.
    "a value said twice, and confirmed": {
        "faults": [{"on": "users.get", "plan": [{"delay": {"at": "head", "time": "600ms"}}]}],
        "calls": [{"users.get": {"id": 1}}, {"users.get": {"id": 1}}],
    },
    # A retry in the background costs as much as any other, so the last call finds the budget spent.
    "a budget spent in the background": {
        "given": {"cache": "fresh"},
        "faults": [
            {"on": "settings.get", "plan": [{"status": 503}]},
            {"on": "users.get", "plan": [{"status": 503}], "then": "last"},
        ],
        "calls": [{"settings.get": {}}, {"users.get": {"id": 1}, "times": 5}],
    },
    # What there was to fall back on was dropped by a write: the client had failed as if its own time were over.
    "an entry that is gone when it is wanted": {
        "given": {"cache": "fresh"},
        "faults": [
            {
                "on": "users.get",
                "plan": [{"status": {"code": 503, "retry_after": {"date": "2s", "form": "asctime"}}}],
            }
        ],
        "calls": [{"parallel": [{"users.update": {"id": 1, "data": {"user_name": "Ada"}}}, {"users.get": {"id": 1}}]}],
    },
}


@cache
def _client(profile: str) -> Client:
    return asyncio.run(open_client(ClientRequest("reference", SHOP, profile=profile)))


@pytest.mark.parametrize("profile", ["quick", "published"])
@pytest.mark.parametrize("name", CASES)
def test_it_is_found_no_more(name: str, profile: str) -> None:
    """No clause finds anything in it any more."""
    case = case_of(read_scenario({"title": name, **CASES[name]}), _client(profile))

    assert SIMULATOR.judge(SIMULATOR.play(case).played).unexpected() == []
