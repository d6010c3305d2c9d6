"""What lint says of scenarios beyond their grammar."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

import sadpath.faults  # noqa: F401 - fills the vocabulary
from sadpath.core.errors import FileProblem
from sadpath.scenario.lint import Surroundings, lint_scenario
from sadpath.scenario.loader import load_scenario
from sadpath.scenario.roles import Roles
from sadpath.scenario.rules import Reading
from sadpath.scenario.vocabulary import Family, FaultSettings, Phase, Vocabulary, World
from sadpath.workspace import find_workspace

INTRO = "# What, and why. Source: RFC 9110.\n"


class Reset(FaultSettings):
    """A fault of HTTP."""

    name: ClassVar[str] = "reset"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "A reset."


class Page(Reset):
    """A fault with a payload."""

    name: ClassVar[str] = "page"

    body: dict[str, str] | None = None


class Refuse(FaultSettings):
    """A fault before HTTP that cannot be counted on real sockets."""

    name: ClassVar[str] = "refuse"
    family: ClassVar[Family] = "before HTTP"
    phase: ClassVar[Phase] = "connection"
    summary: ClassVar[str] = "A refusal."
    counted: ClassVar[tuple[World, ...]] = ("sim",)


class Dns(Refuse):
    """A fault of the simulated world."""

    name: ClassVar[str] = "dns_fail"
    worlds: ClassVar[tuple[World, ...]] = ("sim",)


WORDS = Vocabulary()
for _kind in (Reset, Page, Refuse, Dns):
    WORDS.register(_kind)
WORDS.alias("down", "refuse")

ROLES = Roles.model_validate(
    {
        "operations": {
            "users.get": {"role": "read", "method": "GET", "path": "/users/{id}"},
            "users.list": {"role": "page", "method": "GET", "path": "/users"},
            "auth.refresh": {"role": "refresh", "method": "POST", "path": "/auth/refresh"},
        }
    }
)
AROUND = Surroundings(ROLES, ["reference", "shop-app"], ["small-shop"], ["problem-list", "payloads/problem-list.json"])


def lint(
    folder: Path, body: str, *, name: str = "retry/busy-twice.yaml", around: Surroundings = AROUND
) -> list[FileProblem]:
    """Return what is said of a scenario whose text, after its title, is ``body``."""
    path = folder / "scenarios" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body if body.startswith("#") or "title" in body else f"{INTRO}title: x\n{body}\n")
    return lint_scenario(load_scenario(path, folder, Reading(WORDS)), around)


def told(folder: Path, body: str) -> list[str]:
    """Return the same as texts, without the file's name."""
    return [str(problem).removeprefix("scenarios/retry/busy-twice.yaml:") for problem in lint(folder, body)]


def test_a_good_scenario_is_well(tmp_path: Path) -> None:
    """Nothing is said of a scenario in which everything exists and acts."""
    body = """
given: {data: {fixture: small-shop}}
faults:
  - on: connection
    fault: refuse
  - {on: users.get, chance: 0.5, fault: reset}
  - {on: users.get, plan: [{page: {body: {fixture: problem-list}}}, pass]}
  - {on: {role: read}, chance: 1, fault: reset}
  - {on: {method: GET}, fault: reset}
  - {on: "*", fault: reset}
calls:
  - users.get: {id: 1}
  - pages: users.list
  - http: {method: GET, path: /users}
  - http: {method: GET, path: "{other_origin}/users"}
  - faults: [{on: auth.refresh, fault: reset}]
  - users.get
expect: {for: shop-app, attempts: {users.get: 1}}
"""
    assert told(tmp_path, body) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("faults: [{on: users.gte, fault: reset}]", "3: faults[0].on: unknown operation 'users.gte' (did you mean 'users.get'?)"),
        ("faults: [{on: read, fault: reset}]", "3: faults[0].on: unknown operation 'read' (did you mean '{role: read}'?)"),
        ("faults: [{on: {role: login}, fault: reset}]", "3: note: faults[0].on.role: no operation of this API has the role 'login': the rule never acts"),
        ("faults: [{on: {method: GTE}, fault: reset}]", "3: faults[0].on.method: unknown method 'GTE' (did you mean 'GET'?)"),
        ("faults: [{on: users.get, fault: refuse}]", "3: faults[0].fault.refuse: 'refuse' comes before HTTP: it belongs to a rule `on: connection`"),
        ("faults: [{on: users.get, fault: down}]", "3: faults[0].fault.down: 'refuse' comes before HTTP: it belongs to a rule `on: connection`"),
        ("faults: [{on: connection, fault: reset}]", "3: faults[0].fault.reset: 'reset' needs a request, but the rule is `on: connection`"),
        ("faults: [{on: users.get, plan: [pass, [page, page]]}]", "3: faults[0].plan[1]: 'page' stands twice in one step"),
        ("faults: [{on: users.get, chance: 0, fault: reset}]", "3: faults[0].chance: never acts: its chance is 0"),
        ("faults: [{on: connection, plan: [refuse]}]", "3: note: faults[0].plan[0].refuse: 'refuse' cannot be counted in the live world: the scenario runs in sim alone"),
        ("faults: [{on: connection, chance: 0.5, fault: refuse}]", "3: note: faults[0].fault.refuse: 'refuse' cannot be counted in the live world: the scenario runs in sim alone"),
        ("faults: [{on: connection, fault: dns_fail}]", "3: note: faults[0].fault.dns_fail: 'dns_fail' exists in the world 'sim' alone"),
        ("faults: [{on: '*', fault: {page: {body: {fixture: problem-lst}}}}]", "3: faults[0].fault.page: unknown fixture 'problem-lst' (did you mean 'problem-list'?)"),
        ("calls: [{http: {method: GET, path: '{other_orign}/x'}}]", "3: calls[0].http.path: only {other_origin} can be filled in (did you mean '{other_origin}'?)"),
        ("calls: [users.gte]", "3: calls[0].users.gte: unknown operation 'users.gte' (did you mean 'users.get'?)"),
        ("calls:\n  - advence", "4: calls[0].advence: unknown operation 'advence' (did you mean 'advance'?)"),
        ("calls: [{parallel: [users.get, {pages: users.gte}]}]", "3: calls[0].parallel[1].pages.users.gte: unknown operation 'users.gte' (did you mean 'users.get'?)"),
        ("calls: [{pages: users.get}]", "3: calls[0].pages: 'users.get' does not come in pages"),
        ("calls: [{http: {method: GET}}]", "3: calls[0].http: `http` needs the argument 'path'"),
        ("calls: [users.get, {faults: []}]", "3: calls[1].faults: has no effect: no call comes after it"),
        ("calls: [users.get, {faults: [{on: users.gte, fault: reset}]}, users.get]", "3: calls[1].faults[0].on: unknown operation 'users.gte' (did you mean 'users.get'?)"),
        ("heal: false\ncalls: [users.get, {advance: 1s}]", "4: calls[1]: has no effect: no call comes after it"),
        ("heal: false\ncalls: [users.get, {offline: true}]", "4: calls[1]: has no effect: no call comes after it"),
        ("given: {data: {fixture: smal-shop}}", "3: given.data.fixture: unknown data set 'smal-shop' (did you mean 'small-shop'?)"),
        ("calls: [users.get]\nexpect: {for: referense, outcome: ok}", "4: expect.for: unknown client 'referense' (did you mean 'reference'?)"),
        ("calls: [users.get]\nexpect: {for: reference}", "4: expect: expects nothing: give `outcome` or `attempts`"),
        ("expect: {outcome: ok}", "3: expect: expects something, but no call is made"),
        ("calls: [users.get]\nexpect: {attempts: {users.gt: 1}}", "4: expect.attempts.users.gt: 'users.gt' is not among the calls (did you mean 'users.get'?)"),
    ],
)  # fmt: skip
def test_what_does_not_exist_or_never_acts_is_told(tmp_path: Path, body: str, message: str) -> None:
    """Each mistake gives one message with its line, its field and the nearest name."""
    assert told(tmp_path, body) == [message]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("'*'", "users.get"),
        ("'*'", "{role: read}"),
        ("users.get", "users.get"),
        ("users.get", "{operation: users.get, method: GET}"),
        ("{role: read}", "users.get"),
        ("{role: read}", "{role: read, method: GET}"),
        ("{method: GET}", "users.get"),
        ("{path: /users/*}", "users.get"),
        ("{path: '/**'}", "users.get"),
        ("{path: /a}", "{path: /a, method: GET}"),
        ("connection", "connection"),
    ],
)
def test_a_rule_behind_one_that_takes_all_its_exchanges_never_acts(tmp_path: Path, first: str, second: str) -> None:
    """A rule without a chance always decides, also when its plan is used up."""
    fault = "refuse" if first == "connection" else "reset"
    (message,) = told(tmp_path, f"faults:\n  - {{on: {first}, fault: {fault}}}\n  - {{on: {second}, fault: {fault}}}")

    assert message == "5: faults[1]: never acts: rule 0 matches all of its exchanges and always decides"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("users.get", "'*'"),
        ("users.get", "users.list"),
        ("{role: read}", "users.list"),
        ("{role: read}", "{method: GET}"),
        ("{method: POST}", "users.get"),
        ("{path: /users/*}", "users.list"),
        ("{path: /users/*}", "{path: /users/1}"),
        ("{role: read, method: GET}", "{role: read}"),
        ("'*'", "connection"),
        ("connection", "'*'"),
    ],
)
def test_a_rule_that_can_act_is_left_alone(tmp_path: Path, first: str, second: str) -> None:
    """Nothing is said where an exchange may reach the later rule."""
    faults = ["refuse" if on == "connection" else "reset" for on in (first, second)]

    assert (
        told(tmp_path, f"faults:\n  - {{on: {first}, fault: {faults[0]}}}\n  - {{on: {second}, fault: {faults[1]}}}")
        == []
    )


def test_a_chance_lets_exchanges_through_and_a_used_up_plan_does_not(tmp_path: Path) -> None:
    """A miss falls through to the next rule; a used-up plan decides with pass, and the message says so."""
    rest = "\n  - {on: users.get, fault: reset}"

    assert told(tmp_path, f"faults:\n  - {{on: '*', chance: 0.9, fault: reset}}{rest}") == []
    assert told(tmp_path, f"faults:\n  - {{on: '*', plan: [reset]}}{rest}") == [
        "5: faults[1]: never acts: rule 0 matches all of its exchanges and always decides, with `pass` once its plan is used up"
    ]
    assert told(tmp_path, f"faults:\n  - {{on: '*', plan: [reset], then: last}}{rest}") == [
        "5: faults[1]: never acts: rule 0 matches all of its exchanges and always decides"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: x\n", "must begin with a comment that says what happens, why, and by which source"),
        ("#\ntitle: x\n", "must begin with a comment that says what happens, why, and by which source"),
        ("# Two 503s.\ntitle: x\n", "the comment at the top must name its source"),
    ],
)
def test_a_scenario_says_what_why_and_by_which_source(tmp_path: Path, text: str, message: str) -> None:
    """A file that does not explain itself is not finished."""
    (problem,) = lint(tmp_path, text)

    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("busy.yaml", "the name 'busy' must be of the form topic/case-in-words"),
        ("retry/Busy.yaml", "the name 'retry/Busy' must be of the form topic/case-in-words"),
        ("retry/busy_twice.yaml", "the name 'retry/busy_twice' must be of the form topic/case-in-words"),
        ("a/b/c.yaml", "the name 'a/b/c' must be of the form topic/case-in-words"),
        ("retry/busy.yml", "the file's name must end in .yaml"),
    ],
)
def test_a_name_is_a_topic_and_a_case_in_words(tmp_path: Path, name: str, message: str) -> None:
    """Names are read in reports and typed in commands."""
    assert [problem.message for problem in lint(tmp_path, "", name=name)] == [message]


def test_what_is_not_known_is_not_checked(tmp_path: Path) -> None:
    """Without its workspace a scenario is checked only by itself."""
    body = "given: {data: {fixture: x}}\nfaults: [{on: nope, fault: {page: {body: {fixture: x}}}}]\ncalls: [nope]\nexpect: {for: x, outcome: ok}"

    assert lint(tmp_path, body, around=Surroundings()) == []


def test_every_scenario_of_the_workspace_is_well() -> None:
    """What we ship passes its own lint, notes aside."""
    workspace = find_workspace()
    around = workspace.surroundings()
    found = [problem for name in workspace.scenarios() for problem in lint_scenario(workspace.load(name), around)]

    assert [str(problem) for problem in found if problem.level == "error"] == []
