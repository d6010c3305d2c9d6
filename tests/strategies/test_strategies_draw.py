"""The public strategies: what they draw can be run and kept, asks for nothing that is not there, and shrinks well."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from random import Random  # noqa: TID251 - what Hypothesis' find takes for a seed

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st

import sadpath.strategies
from sadpath.core.errors import UsageError
from sadpath.drivers.messages import CAPABILITIES
from sadpath.scenario.lint import lint_scenario
from sadpath.scenario.loader import LoadedScenario, read_scenario
from sadpath.scenario.model import Advance, Call, Fault, Given, Offline, Parallel, Rule, Scenario, Step
from sadpath.scenario.vocabulary import FAULTS, Phase
from sadpath.scenario.yamlfile import YamlFile
from sadpath.strategies import Api, Times, calls, faults, plans, policies, rules, scenarios, schedules, steps, worlds
from sadpath.strategies.settings import DRAWN_IN_SCENARIOS, drawn_faults
from sadpath.verify.contract import load_contract
from sadpath.verify.generate import plain_draws
from sadpath.verify.needs import lacking
from sadpath.verify.policy import Policy
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

SHOP = Workspace(REFERENCE)
API = Api.of(SHOP)
AROUND = SHOP.surroundings()
POLICY = load_contract("reference", REFERENCE).policy
INTRO = "A drawn case.\nWhy: drawn by chance. Source: Hypothesis."

DRAWING = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _linted(scenario: Scenario) -> list[str]:
    file = YamlFile.parse(scenario.to_yaml(INTRO), "scenarios/drawn/case.yaml")
    loaded = LoadedScenario("drawn/case", scenario, file)
    return [str(problem) for problem in lint_scenario(loaded, AROUND)]


# What is drawn is a scenario that a file can hold


@DRAWING
@given(scenarios(API, policy=POLICY))
def test_a_drawn_scenario_is_a_file_without_a_mistake(scenario: Scenario) -> None:
    """A drawn scenario reads back the same from its own text and data, and lint has nothing to say of it."""
    text = scenario.to_yaml(INTRO)

    assert YamlFile.parse(text, "x.yaml").to_model(Scenario) == scenario
    assert read_scenario(scenario.to_file()) == scenario
    assert _linted(scenario) == []


@DRAWING
@given(st.data())
def test_a_client_is_asked_for_nothing_that_it_does_not_declare(data: st.DataObject) -> None:
    """Whatever a client declares, every scenario drawn for it can be run with it."""
    capabilities = data.draw(st.sets(st.sampled_from(CAPABILITIES)))
    operations = data.draw(st.sets(st.sampled_from(sorted(API.roles.operations)), min_size=1))
    known = {name for name in operations if API.roles.role(name) != "refresh"} or {"users.get"}
    scenario = data.draw(scenarios(API.for_client(capabilities, known)))

    why = lacking(scenario, capabilities=capabilities, operations=known, world="sim", roles=API.roles)
    assert why is None


@DRAWING
@given(scenarios(API.roles, operations=["read"]))
def test_roles_alone_are_enough(scenario: Scenario) -> None:
    """Without an OpenAPI document calls are made by what the paths ask for."""
    assert {API.roles.role(call.op) for call in scenario.all_calls()} == {"read"}
    assert all(call.args.get("id") in (1, 2, 3) for call in scenario.all_calls() if call.op == "users.get")


@DRAWING
@given(schedules(API, operations=["users.get", "create"]))
def test_a_schedule_is_about_what_is_asked_for(found: tuple[Rule, ...]) -> None:
    """The rules of a schedule are scenario rules about the operations named, and none hides another."""
    scenario = read_scenario({"title": "x", "faults": [rule.to_file() for rule in found]})

    assert _linted(scenario) == []
    about = {rule.on.operation for rule in scenario.faults} - {None}
    assert about <= {"users.get", "users.create", "orders.create", "auth.refresh"}


@DRAWING
@given(rules(), worlds(), plans(max_size=2), policies(POLICY))
def test_the_parts_are_models(rule: Rule, world: Given, plan: tuple[Step, ...], policy: Policy) -> None:
    """Each part is drawn as the model that a scenario or a contract is made of."""
    scenario = read_scenario({"title": "x", "given": world.to_file(), "faults": [rule.to_file()]})

    assert (scenario.given, scenario.faults) == (world, (rule,))
    assert 1 <= len(Rule(on=rule.on, plan=plan).steps()) <= 2
    assert policy == POLICY.merged(policy.to_file())


def test_every_fault_can_be_drawn() -> None:
    """Each fault of the catalogue that acts on requests over HTTP/1 is among those drawn, a new one by its name."""
    drawn = {kind.name for kind in FAULTS if kind.phase != "connection" and "HTTP/1" in kind.protocols}
    found = {name: find(faults(names=[name]), lambda _: True).name for name in sorted(drawn)}

    assert found == {name: name for name in drawn}


@pytest.mark.parametrize("phase", ["request", "response", "head", "body"])
def test_faults_of_one_phase(phase: Phase) -> None:
    """Only faults that act at the phase asked for are drawn."""

    @settings(max_examples=60, database=None, phases=[Stage.generate])
    @given(faults(phases=[phase]))
    def check(fault: Fault) -> None:
        written = fault.settings.model_dump()
        at = written.get("at") or ("response" if written.get("committed") else type(fault.settings).phase)
        assert at == phase

    check()


def test_unknown_names_are_refused() -> None:
    """A fault, operation or role that is not there is named, with the nearest one that is."""
    with pytest.raises(UsageError, match=r"no fault 'stal' to draw \(did you mean 'stall'\?\)"):
        faults(names=["stal"])
    with pytest.raises(UsageError, match=r"'users.gett' \(did you mean 'users.get'\?\)"):
        calls(API, operations=["users.gett"])
    with pytest.raises(UsageError, match="exclude each other"):
        faults(["head"], ["unauthorized"])
    with pytest.raises(UsageError, match="no operation is left"):
        calls(API.for_client((), ["users.get"]), operations=["create"])


# Shrinking goes towards "nothing goes wrong"


def _smallest(names: list[str]) -> str:
    return find(faults(names=names), lambda _: True).name


BY_SEVERITY = ["status", "delay", "truncate", "malformed_json", "close", "reset", "stall"]


def test_gentler_faults_are_smaller() -> None:
    """Where either of two faults would do, shrinking ends with the gentler one; and pass is smaller than all."""
    order = BY_SEVERITY
    found = [(one, _smallest([one, other])) for index, one in enumerate(order) for other in order[index + 1 :]]

    assert [pair for pair in found if pair[0] != pair[1]] == []
    assert find(steps(), lambda _: True) == ()


def test_all_others_stand_between_a_status_and_an_end() -> None:
    """Whatever else the catalogue has is shrunk to a status where that would do, and stands for a connection's end."""
    ordered = {"unauthorized", "expire_token", "invalid_grant", "html", "half_close", *BY_SEVERITY}
    others = [name for name in drawn_faults() if name not in ordered]

    assert len(others) > 25
    assert {_smallest([name, "status"]) for name in others} == {"status"}
    assert {name: _smallest([name, "stall"]) for name in others} == {name: name for name in others}


def test_the_smallest_case_is_one_plain_read() -> None:
    """Without any condition a case is one read, in the usual world, and nothing goes wrong."""
    assert find(scenarios(API), lambda _: True).to_file() == {
        "title": "A drawn case",
        "calls": [{"users.get": {"id": 1}}],
    }


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (lambda s: len(s.all_calls()) > 1, [{"users.get": {"id": 1}}, {"users.get": {"id": 1}}]),
        (
            lambda s: any(isinstance(step, Parallel) for step in s.calls),
            [{"parallel": [{"users.get": {"id": 1}, "times": 2}]}],
        ),
        (
            lambda s: any(isinstance(step, Advance) for step in s.calls),
            [{"advance": "1s"}, {"users.get": {"id": 1}}],
        ),
        (
            lambda s: any(isinstance(step, Offline) for step in s.calls),
            [{"offline": False}, {"users.get": {"id": 1}}],
        ),
        (
            lambda s: any(call.cancel_after is not None for call in s.all_calls()),
            [{"users.get": {"id": 1}, "cancel_after": "0s"}],
        ),
        (lambda s: any(call.op == "auth.logout" for call in s.all_calls()), [{"auth.logout": {}}]),
    ],
    ids=["two calls", "at the same time", "time moved", "a hint", "cancelled", "signed out"],
)
def test_conditions_are_met_by_little(condition: Callable[[Scenario], bool], expected: list[object]) -> None:
    """What a condition does not need is not in the smallest case that meets it."""
    drawn = settings(max_examples=2000, deadline=None, database=None, backend=plain_draws())
    found = find(scenarios(API), condition, random=Random(0), settings=drawn)  # noqa: S311 - a seed that stays

    assert found.to_file() == {"title": "A drawn case", "calls": expected}


def test_reading_comes_before_writing() -> None:
    """Operations are ordered by what they do: reads, lists, public ones, then writes, then sessions."""
    assert [item.role for item in API.choose()] == [
        "read", "read", "page", "page", "public", "write", "delete", "create", "create", "login", "logout",
    ]  # fmt: skip


# How much is drawn

EVERYDAY = {
    "status", "unauthorized", "expire_token", "invalid_grant", "delay", "truncate", "html", "malformed_json", "close",
    "reset", "stall",
}  # fmt: skip
"""What clients meet every day."""


def test_cases_are_short_and_various() -> None:
    """A case has one call more often than several, nearly always a fault, and now and then everything else."""
    drawn: list[Scenario] = []

    @settings(
        max_examples=1000,
        backend=plain_draws(),
        derandomize=True,
        database=None,
        phases=[Stage.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(scenarios(API))
    def take(scenario: Scenario) -> None:
        drawn.append(scenario)

    take()
    sizes = Counter(sum(call.times for call in scenario.all_calls()) for scenario in drawn)
    assert sizes[1] > len(drawn) / 3
    assert sum(size * count for size, count in sizes.items()) / len(drawn) < 2.5
    assert sum(bool(scenario.all_faults()) for scenario in drawn) > len(drawn) * 0.6
    assert {fault.name for scenario in drawn for fault in scenario.all_faults()} == set(DRAWN_IN_SCENARIOS)
    everyday = sum(fault.name in EVERYDAY for scenario in drawn for fault in scenario.all_faults())
    assert everyday > sum(len(scenario.all_faults()) for scenario in drawn) / 2
    assert {type(step) for scenario in drawn for step in scenario.calls} >= {Call, Parallel, Advance, Offline}
    assert {scenario.given.cache for scenario in drawn} >= {"empty", "fresh", "stale", "other_user", "corrupt"}


@given(policies(POLICY))
def test_durations_lie_around_the_limits(policy: Policy) -> None:
    """Some delays are within a client's read timeout and some beyond; no duration is negative."""
    times, read = Times.of(policy), policy.timeouts.read

    assert read is not None
    assert min(times.delays) < read < max(times.delays)
    assert all(item >= 0 for item in (*times.cancels, *times.starts, *times.latencies, *times.told))
    assert times.cancels[0] == 0.0


# The package


def test_the_examples_of_the_documentation_hold() -> None:
    """Every example in a docstring of the package gives what it says."""
    results = [
        doctest.testmod(importlib.import_module(f"sadpath.strategies.{module.name}"))
        for module in pkgutil.iter_modules(sadpath.strategies.__path__)
    ]

    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 15


def test_hypothesis_is_imported_by_this_package_alone() -> None:
    """Commands that draw nothing do not pay for Hypothesis."""
    code = "import sys, sadpath.cli, sadpath.verify.run; sys.exit('hypothesis' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_is_public() -> None:
    """What the package names is there, and documented."""
    for name in sadpath.strategies.__all__:
        assert (getattr(sadpath.strategies, name).__doc__ or "").strip()
