"""The grammar of scenario files: what is accepted, what it means, and what is said of the rest."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from sadpath.core.errors import FileProblems
from sadpath.core.units import Duration, Seconds, Size
from sadpath.scenario.filemodel import FileModel
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import (
    Advance,
    Call,
    ChangeFaults,
    Expect,
    Fault,
    Given,
    Match,
    Offline,
    Parallel,
    Reading,
    Rule,
    Scenario,
)
from sadpath.scenario.vocabulary import Family, FaultSettings, Phase, Vocabulary


class Status(FaultSettings):
    """A status; its code is the scalar."""

    name: ClassVar[str] = "status"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "A status."
    scalar: ClassVar[str | None] = "code"
    bare: ClassVar[bool] = False

    code: Annotated[int, Field(ge=200, le=599)]
    retry_after: Seconds | None = None


class Reset(FaultSettings):
    """A reset, which means something without settings."""

    name: ClassVar[str] = "reset"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "A reset."

    at: Literal["request", "body"] = "request"
    after: Size | None = None


class Uniform(FileModel):
    """A drawn delay."""

    min: Duration
    max: Duration


class Delay(FaultSettings):
    """A delay, whose scalar may be a mapping."""

    name: ClassVar[str] = "delay"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "A delay."
    scalar: ClassVar[str | None] = "time"
    bare: ClassVar[bool] = False

    time: Duration | Uniform
    at: Literal["head", "body"] = "head"


WORDS = Vocabulary()
for _kind in (Status, Reset, Delay):
    WORDS.register(_kind)
WORDS.alias("reset_peer", "reset", at="body")


def read(**parts: Any) -> Scenario:
    """Return a scenario as a file with these keys would be read."""
    return read_scenario({"title": "x", **parts}, "f.yaml", Reading(WORDS))


def wrong(**parts: Any) -> list[str]:
    """Return what is said of a scenario that must be refused."""
    with pytest.raises(FileProblems) as caught:
        read(**parts)
    return [str(problem).removeprefix("f.yaml: ") for problem in caught.value.problems]


def step(value: Any) -> tuple[Fault, ...]:
    """Return the one step of a plan."""
    plan = read(faults=[{"on": "*", "plan": [value]}]).faults[0].plan
    assert plan is not None
    return plan[0]


# Faults


def test_a_fault_is_a_name_or_a_name_with_settings() -> None:
    """Bare, scalar and full forms give the same fault; a list acts together; ``pass`` is no fault."""
    assert step("reset") == (Fault(name="reset", settings=Reset()),)
    assert step({"reset": None}) == step({"reset": {}}) == step("reset")
    assert (
        step({"status": 503}) == step({"status": {"code": 503}}) == (Fault(name="status", settings=Status(code=503)),)
    )
    assert step([{"status": 503}, "reset"]) == step({"status": 503}) + step("reset")
    assert step("pass") == ()


def test_a_scalar_may_be_a_mapping() -> None:
    """A mapping none of whose keys is a setting stands for the one obvious setting."""
    short = step({"delay": {"min": "1s", "max": "2s"}})

    assert short == step({"delay": {"time": {"min": "1s", "max": "2s"}}})


def test_an_alias_implies_settings_and_is_kept() -> None:
    """Another tool's name gives our fault, the settings that it stands for, and its own name."""
    (fault,) = step("reset_peer")

    assert (fault.name, fault.alias, fault.settings) == ("reset", "reset_peer", Reset(at="body"))
    assert step({"reset_peer": {"at": "request"}})[0].settings == Reset(at="request")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("rset", "fault: unknown fault 'rset' (did you mean 'reset'?)"),
        ({"stat": 1}, "fault.stat: unknown fault 'stat' (did you mean 'status'?)"),
        ({"rset-peer": {}}, "fault.rset-peer: unknown fault 'rset-peer' (did you mean 'reset_peer'?)"),
        ("status", "fault: the fault 'status' needs settings, for example `status: …`"),
        ({"status": 99}, "fault.status: must be at least 200, not 99"),
        ({"status": "503"}, "fault.status: must be a whole number, not '503'"),
        ({"status": {"code": 99}}, "fault.status.code: must be at least 200, not 99"),
        ({"status": {"cod": 503}}, "fault.status.cod: unknown key (did you mean 'code'?)"),
        ({"status": {"code": 503, "retry_after": "-1s"}}, "fault.status.retry_after: must be a duration such as 300ms, 1.5s or 2m, not '-1s'"),
        ({"status": {"code": 503, "retry_after": None}}, "fault.status.retry_after: is empty: give it a value or leave it out"),
        ({"reset": 5}, "fault.reset: the fault 'reset' takes a mapping of settings, not 5"),
        ({"reset": {"at": "bdy"}}, "fault.reset.at: must be one of 'request' or 'body', not 'bdy' (did you mean 'body'?)"),
        ({"delay": {"min": "1s"}}, "fault.delay.max: this key is missing"),
        ({"delay": {"time": "1s", "att": "x"}}, "fault.delay.att: unknown key (did you mean 'at'?)"),
        ({"delay": float("nan")}, "fault.delay: must be a duration that is finite and not negative, not nan"),
        (["reset", "pass"], "fault[1]: `pass` stands alone: it means that no fault acts"),
        (["reset", {"status": {"code": 1}}], "fault[1].status.code: must be at least 200, not 1"),
        ({"reset": {}, "status": 503}, "fault: a fault is `name` or `name: settings`; several that act together are a list"),
        (5, "fault: a fault is `name` or `name: settings`; several that act together are a list"),
        ({5: 6}, "fault: a fault is `name` or `name: settings`; several that act together are a list"),
    ],
)  # fmt: skip
def test_a_wrong_fault_is_told_where_it_stands(fault: Any, message: str) -> None:
    """The place is the author's, whichever form was written, and the nearest known name is named."""
    assert wrong(faults=[{"on": "*", "fault": fault}]) == [f"faults[0].{message}"]


# Rules


@pytest.mark.parametrize(
    ("on", "match"),
    [
        ("*", Match()),
        ("connection", Match(connection=True)),
        ("users.get", Match(operation="users.get")),
        ({"role": "read"}, Match(role="read")),
        ({"operation": "connection"}, Match(operation="connection")),
        ({"method": "GET", "path": "/users/*"}, Match(method="GET", path="/users/*")),
    ],
)
def test_a_rule_is_about_a_role_an_operation_a_path_everything_or_connections(on: Any, match: Match) -> None:
    """Each form of ``on`` gives its match."""
    assert read(faults=[{"on": on, "fault": "reset"}]).faults[0].on == match


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ({"role": "reed"}, "on.role: must be one of 'login', 'refresh', 'logout', 'read', 'list', 'page', 'write', 'create', 'delete' or 'public', not 'reed' (did you mean 'read'?)"),
        ({"rol": "read"}, "on.rol: unknown key (did you mean 'role'?)"),
        ({"method": "get"}, "on.method: must be a method in capitals, such as GET, not 'get'"),
        ({"path": "users"}, "on.path: must be a path that begins with `/`, without a query, not 'users'"),
        ({"path": "/users?page=1"}, "on.path: must be a path that begins with `/`, without a query, not '/users?page=1'"),
        ({"connection": True}, "on.connection: write `on: connection`, without anything beside it"),
        ({}, "on: matches nothing in particular: write `*` for every exchange"),
        ({"role": None}, "on.role: is empty: give it a value or leave it out"),
        (True, "on: must be a mapping (`key: value`), not true"),
        ("", "on: must be the id of an operation, not ''"),
    ],
)  # fmt: skip
def test_a_wrong_match_is_told_where_it_stands(on: Any, message: str) -> None:
    """A rule that would match something else than was meant is refused."""
    assert wrong(faults=[{"on": on, "fault": "reset"}]) == [f"faults[0].{message}"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"on": "*"}, ": a rule has either `plan` (step by step) or `fault` (each time), not both and not neither"),
        ({"on": "*", "fault": "reset", "plan": ["pass"]}, ": a rule has either `plan` (step by step) or `fault` (each time), not both and not neither"),
        ({"fault": "reset"}, ".on: this key is missing"),
        ({"on": "*", "fault": "reset", "then": "last"}, ".then: `then` belongs to a `plan`"),
        ({"on": "*", "plan": ["reset"], "then": "lst"}, ".then: must be one of 'pass', 'repeat' or 'last', not 'lst' (did you mean 'last'?)"),
        ({"on": "*", "plan": []}, ".plan: must not be empty"),
        ({"on": "*", "plan": "reset"}, ".plan: must be a list, not 'reset'"),
        ({"on": "*", "plan": ["reset", "rset"]}, ".plan[1]: unknown fault 'rset' (did you mean 'reset'?)"),
        ({"on": "*", "fault": "reset", "chance": 1.1}, ".chance: must be at most 1, not 1.1"),
        ({"on": "*", "fault": "reset", "chance": -0.1}, ".chance: must be at least 0, not -0.1"),
        ({"on": "*", "fault": "reset", "chance": float("nan")}, ".chance: must be a finite number, not nan"),
        ({"on": "*", "fault": "reset", "chance": "20%"}, ".chance: must be a number, not '20%'"),
        ({"on": "*", "fault": None}, ".fault: is empty: give it a value or leave it out"),
        (5, ": must be a mapping (`key: value`), not 5"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_told_where_it_stands(rule: Any, message: str) -> None:
    """A rule needs exactly one of plan and fault, and a chance is a probability."""
    assert wrong(faults=[rule]) == [f"faults[0]{message}"]


def test_all_mistakes_are_told_at_once() -> None:
    """One mistake does not hide another, neither in rules nor in calls."""
    told = wrong(
        seed=-1,
        faults=[{"on": {"role": "reed"}, "fault": "rset"}, {"on": "*", "plan": ["reset", {"status": 1}]}],
        calls=[{"parallel": [{"users.get": 5}]}, {"advance": "0s"}],
        heel=False,
    )

    assert [problem.partition(":")[0] for problem in told] == [
        "seed", "faults[0].on.role", "faults[0].fault", "faults[1].plan[1].status", "calls[0].parallel[0].users.get",
        "calls[1].advance", "heel",
    ]  # fmt: skip


# Calls


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"users.get": {"id": 1}}, Call(op="users.get", args={"id": 1})),
        ("settings.get", Call(op="settings.get")),
        ({"auth.logout": None}, Call(op="auth.logout")),
        ({"users.get": {}, "times": 5, "cancel_after": "0s"}, Call.model_validate({"op": "users.get", "times": 5, "cancel_after": 0})),
        ({"users.create": {"data": {}}, "replayable": False}, Call(op="users.create", args={"data": {}}, replayable=False)),
        ({"pages": {"orders.list": {"limit": 5}}}, Call(op="orders.list", args={"limit": 5}, pages=True)),
        ({"pages": "orders.list"}, Call(op="orders.list", pages=True)),
        ({"parallel": ["a", {"b": {}, "start_after": "50ms"}]}, Parallel.model_validate({"parallel": ["a", {"b": {}, "start_after": "50ms"}]})),
        ({"advance": "60s"}, Advance.model_validate({"advance": "60s"})),
        ({"offline": True}, Offline(offline=True)),
        ({"faults": []}, ChangeFaults(faults=())),
    ],
)  # fmt: skip
def test_each_step_of_calls_gives_its_model(written: Any, meant: Any) -> None:
    """Calls, pages, parallel calls, advances, hints and changes of faults are read by their keys."""
    assert read(calls=[written]).calls == (meant,)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"users.get": 5}, ".users.get: the arguments of `users.get` must be a mapping, not 5"),
        ({"advence": "60s"}, ".advence: the arguments of `advence` must be a mapping, not '60s' (did you mean 'advance'?)"),
        ({"users.get": {}, "tmes": 5}, ".tmes: unknown key (did you mean 'times'?)"),
        ({"users.get": {}, "users.list": {}}, ": a call names one operation, for example `users.get: {id: 1}`"),
        ({}, ": a call names one operation, for example `users.get: {id: 1}`"),
        ({"times": 5}, ": a call names one operation, for example `users.get: {id: 1}`"),
        ({"users.get": {}, "times": 0}, ".times: must be at least 1, not 0"),
        ({"users.get": {}, "times": 1001}, ".times: must be at most 1000, not 1001"),
        ({"users.get": {}, "times": True}, ".times: must be a whole number, not true"),
        ({"users.get": {}, "cancel_after": 100}, ".cancel_after: the duration 100 has no unit: write for example 100ms or 100s"),
        ({"users.get": {"id": float("inf")}}, ".users.get.id: must be a finite number, not inf"),
        ({"users.get": {"a": [{1: 2}]}}, ".users.get.a[0].1: a key of an argument must be text"),
        ({"op": {}}, ".op: 'op' is a word of scenario files and cannot be an operation"),
        ({"op": "users.get", "args": {}}, ": a call names one operation, for example `users.get: {id: 1}`"),
        ("pages", ": 'pages' is a word of scenario files and cannot be an operation"),
        ({"pages": 5}, ".pages: `pages` names one operation, for example `pages: {orders.list: {limit: 5}}`"),
        ({"pages": {"faults": {}}}, ".pages.faults: 'faults' is a word of scenario files and cannot be an operation"),
        ({"pages": {"orders.list": 5}}, ".pages.orders.list: the arguments of `orders.list` must be a mapping, not 5"),
        ({1: {}}, ".1: must be the id of an operation, not 1"),
        ({"parallel": []}, ".parallel: must not be empty"),
        ({"parallel": [{"advance": "1s"}]}, ".parallel[0].advance: 'advance' is a word of scenario files and cannot be an operation"),
        ({"parallel": ["a"], "times": 5}, ".times: unknown key"),
        ({"advance": "0s"}, ".advance: must be a duration longer than zero, not '0s'"),
        ({"offline": "yes"}, ".offline: must be true or false, not 'yes'"),
        ({"faults": [{"on": "*", "fault": "rset"}]}, ".faults[0].fault: unknown fault 'rset' (did you mean 'reset'?)"),
        (5, ": must be a mapping (`key: value`), not 5"),
    ],
)  # fmt: skip
def test_a_wrong_step_of_calls_is_told_where_it_stands(written: Any, message: str) -> None:
    """The place is the author's, also within ``pages`` and ``parallel``."""
    assert wrong(calls=[written]) == [f"calls[0]{message}"]


# The rest


def test_what_is_left_out_is_as_usual() -> None:
    """A scenario needs no more than a title."""
    scenario = read()

    assert (scenario.given, scenario.faults, scenario.calls, scenario.heal, scenario.expect) == (
        Given(),
        (),
        (),
        True,
        None,
    )
    assert scenario.seed is None


def test_the_world_before_the_first_call_is_read() -> None:
    """Every part of ``given`` has its place."""
    given = read(
        given={
            "access_token": "expired",
            "refresh_token": "used",
            "cache": "stale",
            "data": {"fixture": "small-shop"},
            "network": {"latency": "5ms"},
            "tls": True,
        }
    ).given

    assert (given.access_token, given.refresh_token, given.cache, given.tls) == ("expired", "used", "stale", True)
    assert given.data is not None
    assert (given.data.fixture, given.network.latency) == ("small-shop", 0.005)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"title": ""}, "title: must be a title in one line, not ''"),
        ({"title": "a\nb"}, "title: must be a title in one line, not 'a\\nb'"),
        ({"title": 5}, "title: must be text, not 5"),
        ({"seed": -1}, "seed: must be at least 0, not -1"),
        ({"seed": 1.0}, "seed: must be a whole number, not 1.0"),
        ({"given": {"access_token": "expird"}}, "given.access_token: must be one of 'valid', 'expired', 'revoked' or 'none', not 'expird' (did you mean 'expired'?)"),
        ({"given": {"acess_token": "valid"}}, "given.acess_token: unknown key (did you mean 'access_token'?)"),
        ({"given": {"data": {"fixture": "../../etc/passwd"}}}, "given.data.fixture: must be the name of a fixture, not '../../etc/passwd'"),
        ({"given": {"network": {"latency": "-1s"}}}, "given.network.latency: must be a duration such as 300ms, 1.5s or 2m, not '-1s'"),
        ({"given": {"tls": 1}}, "given.tls: must be true or false, not 1"),
        ({"faults": None}, "faults: must be a list, not null"),
        ({"calls": "users.get"}, "calls: must be a list, not 'users.get'"),
        ({"heal": "no"}, "heal: must be true or false, not 'no'"),
        ({"expect": {"outcome": "okay"}}, "expect.outcome: must be ok, cancelled or a kind of failure, not 'okay' (did you mean 'ok'?)"),
        ({"expect": {"outcome": ["ok", "tiemout.read"]}}, "expect.outcome[1]: must be ok, cancelled or a kind of failure, not 'tiemout.read' (did you mean 'timeout.read'?)"),
        ({"expect": {"outcome": []}}, "expect.outcome: must name at least one outcome"),
        ({"expect": {"attempts": {"a": -1}}}, "expect.attempts.a: must be a whole number or `max`, not -1"),
        ({"expect": {"attempts": {"a": True}}}, "expect.attempts.a: must be a whole number or `max`, not true"),
        ({"expect": {"client": "reference"}}, "expect.client: unknown key (did you mean 'for'?)"),
        ({"expect": {"for": ""}}, "expect.for: must not be empty"),
    ],
)  # fmt: skip
def test_a_wrong_key_of_a_scenario_is_told_where_it_stands(parts: dict[str, Any], message: str) -> None:
    """Types are strict, names must exist, and nothing is guessed."""
    assert wrong(**parts) == [message]


def test_expectations_are_read() -> None:
    """One outcome or several, and attempts by operation."""
    assert read(expect={"outcome": "ok"}).expect == Expect(outcome="ok")
    assert read(expect={"for": "shop", "outcome": ["ok", "server"], "attempts": {"a": "max", "b": 0}}).expect == Expect(
        client="shop", outcome=("ok", "server"), attempts={"a": "max", "b": 0}
    )


@pytest.mark.parametrize("data", [None, 5, [], "x"])
def test_a_scenario_that_is_no_mapping_is_refused(data: Any) -> None:
    """Data that are sent rather than read from a file get the same treatment."""
    with pytest.raises(FileProblems, match="the scenario: a scenario must be a mapping"):
        read_scenario(data)


def test_data_that_nest_without_end_are_refused() -> None:
    """JSON that was sent may be deeper than any file."""
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(FileProblems, match="too deep"):
        read_scenario({"title": "x", "calls": [{"users.get": deep}]})


def test_all_faults_calls_and_rules_are_found_in_file_order() -> None:
    """What a scenario can inject and ask for includes later changes of faults and parallel calls."""
    scenario = read(
        faults=[{"on": "*", "plan": ["reset", [{"status": 503}, "reset_peer"]]}],
        calls=["a", {"parallel": ["b", "c"]}, {"faults": [{"on": "*", "fault": {"delay": "1s"}}]}, {"pages": "d"}],
    )

    assert [fault.alias or fault.name for fault in scenario.all_faults()] == ["reset", "status", "reset_peer", "delay"]
    assert [call.op for call in scenario.all_calls()] == ["a", "b", "c", "d"]
    assert len(scenario.all_rules()) == 2


def test_scenarios_cannot_be_changed() -> None:
    """A run never changes its scenario."""
    scenario = read(faults=[{"on": "*", "fault": "reset"}])
    for model in (scenario, scenario.faults[0], scenario.given):
        with pytest.raises(ValueError, match="frozen"):
            model.__setattr__("title", "y")


def test_models_can_be_built_in_code() -> None:
    """Code gives fields by their names, faults as instances."""
    rule = Rule(
        on=Match(operation="users.get"), plan=((Fault(name="status", settings=Status(code=503)),), ()), then="last"
    )
    scenario = Scenario(title="x", faults=(rule,), calls=(Call(op="users.get"), Offline(offline=False)))

    assert scenario == read(
        faults=[{"on": "users.get", "plan": [{"status": 503}, "pass"], "then": "last"}],
        calls=["users.get", {"offline": False}],
    )


# The vocabulary


def test_a_name_is_registered_once() -> None:
    """Neither a fault nor an alias can take another's name."""
    words = Vocabulary()
    words.register(Reset)
    words.alias("peer", "reset")

    with pytest.raises(ValueError, match="registered already"):
        words.register(Reset)
    with pytest.raises(ValueError, match="registered already"):
        words.alias("reset", "status")
    with pytest.raises(ValueError, match="registered already"):
        words.alias("peer", "status")


@pytest.mark.parametrize("name", ["pass", "Reset", "re set", "", "1st"])
def test_not_every_word_is_a_name_for_a_fault(name: str) -> None:
    """A fault's name is lower case with underscores, and never ``pass``."""

    class Odd(Reset):
        """A reset by another name."""

    Odd.name = name
    with pytest.raises(ValueError, match="no name for a fault"):
        Vocabulary().register(Odd)


def test_a_scalar_must_be_a_setting() -> None:
    """A fault whose scalar form stands for nothing is a mistake of ours that shows at once."""

    class Odd(Reset):
        """A reset whose scalar is no field."""

        name: ClassVar[str] = "odd"
        scalar: ClassVar[str | None] = "size"

    with pytest.raises(ValueError, match="no setting 'size'"):
        Vocabulary().register(Odd)


def test_the_vocabulary_lists_names_and_aliases() -> None:
    """Ours sorted, and the aliases of each."""
    assert WORDS.names() == ["delay", "reset", "status"]
    assert [kind.name for kind in WORDS] == ["delay", "reset", "status"]
    assert [alias.name for alias in WORDS.aliases("reset")] == ["reset_peer"]
    assert WORDS.aliases("status") == []
    assert "reset_peer" in WORDS
    assert "peer" not in WORDS
    with pytest.raises(KeyError):
        WORDS.get("peer")
