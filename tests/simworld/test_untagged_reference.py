"""The reference client without tags: the judge no longer hears whose an exchange is, and raises no false alarm."""

from __future__ import annotations

import asyncio
import dataclasses
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.messages import Hello, Outcome
from sadpath.scenario.model import Scenario
from sadpath.strategies import Api, scenarios
from sadpath.subjects.reference import ReferenceSubject
from sadpath.subjects.reference.calls import Asked, make
from sadpath.subjects.reference.outcomes import outcome_of
from sadpath.verify.played import Case, Client
from tests.campaign.arranged import workspace
from tests.simworld.arranged_sim import bundled, judged, known, sim_case

TAG = "call_tag"
LED_ELSEWHERE = "redirects/"
"""Where a redirect leads to another path, nothing tells without tags for which call that is asked."""
COUNTED = "SCEN-01"
"""How many attempts a scenario expects is counted by the likeliest assignment, which need not be the true one."""


class Untagged(ReferenceSubject):
    """The reference client as an application would use it: its requests name no call."""

    name = "untagged"

    def hello(self) -> Hello:
        """Say what it can do."""
        hello = super().hello()
        return hello.model_copy(update={"capabilities": [item for item in hello.capabilities if item != TAG]})

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make one call."""
        asked = Asked(self.client, args, {}, replayable, self._login)
        return outcome_of(await make(op, asked, pages=pages), tag)


@cache
def untagged(profile: str = "published") -> Client:
    """Return it, with the reference client's promises."""
    usual = known("reference", profile)
    left = tuple(item for item in usual.contract.capabilities if item != TAG)
    contract = usual.contract.model_copy(update={"capabilities": left})
    driver = InProcessDriver(Untagged, name="tests.simworld.test_untagged_reference:Untagged")
    asyncio.run(driver.hello())
    return dataclasses.replace(usual, contract=contract, driver=driver, capabilities=frozenset(left))


def test_a_page_from_the_cache_goes_on_behind_the_next_one() -> None:
    """A page that falls back on the cache is still asked for in the background, which is no attempt of the walk's."""
    story = {
        "given": {"cache": "stale"},
        "faults": [{"on": "users.list", "plan": [{"truncate": {"ending": "stall"}}]}],
        "calls": [{"pages": {"users.list": {"limit": 20}}}],
    }
    found = judged(sim_case(story, untagged()))

    assert found.unexpected() == []
    assert {event.call for event in found.played.exchanges} == {None}


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["published", "quick"])
def test_no_bundled_scenario_raises_a_false_alarm(profile: str) -> None:
    """Whoever made an exchange, the good client is found guilty of nothing, and much is put to the test all the same."""
    asked = [item for item in bundled() if not item.name.startswith(LED_ELSEWHERE)]
    found = [judged(sim_case(item.scenario.to_file(), untagged(profile), item.name)) for item in asked]
    guilty = {item.played.case.scenario_name: set(item.unexpected()) - {COUNTED} for item in found}

    assert {name: clauses for name, clauses in guilty.items() if clauses} == {}
    assert len({name for item in found for name in item.exercised()}) > 60


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(scenarios(Api.of(workspace(), untagged()), policy=untagged().contract.policy))
def test_no_drawn_case_does(scenario: Scenario) -> None:
    """Nor is it in cases that are drawn."""
    assert judged(Case("drawn/untagged", scenario, untagged(), 0, "sim")).unexpected() == []
