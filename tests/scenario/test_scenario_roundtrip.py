"""Scenarios written as files and read back, and the JSON Schema that accepts what the reader accepts."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sadpath.faults  # noqa: F401 - fills the vocabulary
from sadpath.core.errors import FileProblems
from sadpath.core.names import ERROR_KINDS
from sadpath.core.units import format_seconds
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import OUTCOMES, Reading, Scenario
from sadpath.scenario.rules import ROLES
from sadpath.scenario.schema import roles_schema, scenario_schema
from sadpath.scenario.yamlfile import YamlFile
from sadpath.workspace import find_workspace

SCHEMA = scenario_schema()
ACCEPTS = jsonschema.Draft202012Validator(SCHEMA)

# Documents as an author would write them

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
SECONDS = st.floats(0, 10_000_000).map(format_seconds) | st.sampled_from(["0s", "300ms", "1.5s", "2m", "24h", 0])
DURATIONS = st.floats(1e-9, 10_000_000).map(format_seconds) | st.sampled_from(["300ms", "1.5s", "2m", "36500d"])
SIZES = st.integers(0, 1 << 40) | st.sampled_from(["20", "4KiB", "1 MiB", "2GiB"])
OPERATIONS = st.sampled_from(["users.get", "users.list", "orders.list", "GET /users", "http", "ü", "a:b", "*", "1"])
AT = st.sampled_from(["request", "response", "head", "body"])
FAULTS = st.one_of(
    st.sampled_from(["reset", "close", "stall", "truncate", "html", "malformed_json", "unauthorized"]),
    st.sampled_from(["CONNECTION_RESET_BY_PEER", "reset_peer", "expire_token", "invalid_grant"]),
    st.fixed_dictionaries({"status": st.integers(200, 599)}),
    st.fixed_dictionaries(
        {
            "status": st.fixed_dictionaries(
                {"code": st.integers(200, 599)},
                optional={
                    "retry_after": SECONDS | st.fixed_dictionaries({"date": SECONDS}),
                    "body": TEXT | st.just({"fixture": "problem-with-list"}),
                    "committed": st.booleans(),
                },
            )
        }
    ),
    st.fixed_dictionaries({"delay": DURATIONS}),
    st.fixed_dictionaries({"delay": st.just({"uniform": {"min": "1s", "max": "2s"}, "at": "body"})}),
    st.fixed_dictionaries({"stall": DURATIONS}),
    st.fixed_dictionaries({"reset_peer": st.fixed_dictionaries({}, optional={"at": AT})}),
    st.fixed_dictionaries({"truncate": SIZES}),
    st.fixed_dictionaries(
        {"truncate": st.fixed_dictionaries({"after": SIZES, "ending": st.sampled_from(["close", "stall"])})}
    ),
)
STEPS = st.just("pass") | FAULTS | st.lists(FAULTS, min_size=1, max_size=2)
MATCHES = st.one_of(
    st.just("*"),
    st.just("connection"),
    OPERATIONS,
    st.fixed_dictionaries({"role": st.sampled_from(ROLES)}),
    st.fixed_dictionaries(
        {"method": st.sampled_from(["GET", "PURGE"])}, optional={"path": st.sampled_from(["/", "/users/*"])}
    ),
    st.fixed_dictionaries({"operation": OPERATIONS | st.just("connection")}),
)
CHANCES = st.floats(0, 1, allow_subnormal=False)
RULES = st.one_of(
    st.fixed_dictionaries(
        {"on": MATCHES, "plan": st.lists(STEPS, min_size=1, max_size=3)},
        optional={"then": st.sampled_from(["pass", "repeat", "last"]), "chance": CHANCES},
    ),
    st.fixed_dictionaries({"on": MATCHES, "fault": STEPS}, optional={"then": st.just("pass"), "chance": CHANCES}),
)
ARGUMENTS = st.dictionaries(TEXT, JSON, max_size=2)
OPTIONS = {
    "times": st.integers(1, 1000),
    "cancel_after": SECONDS,
    "start_after": SECONDS,
    "replayable": st.booleans(),
}


@st.composite
def calls(draw: st.DrawFn) -> Any:
    """One call in any of its forms."""
    if draw(st.booleans()):
        return draw(OPERATIONS)
    operation, arguments = draw(OPERATIONS), draw(ARGUMENTS | st.none())
    written: dict[str, Any] = {operation: arguments}
    if draw(st.booleans()):
        written = {"pages": draw(st.sampled_from([operation, written]))}
    return written | draw(st.fixed_dictionaries({}, optional=OPTIONS))


RULE_LISTS = st.lists(RULES, max_size=2)
CALL_STEPS = st.one_of(
    calls(),
    st.fixed_dictionaries({"parallel": st.lists(calls(), min_size=1, max_size=3)}),
    st.fixed_dictionaries({"advance": DURATIONS}),
    st.fixed_dictionaries({"offline": st.booleans()}),
    st.fixed_dictionaries({"faults": RULE_LISTS}),
)
GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "access_token": st.sampled_from(["valid", "expired", "revoked", "none"]),
        "refresh_token": st.sampled_from(["valid", "used", "none"]),
        "cache": st.sampled_from(["empty", "stale", "unwritable"]),
        "data": st.just({"fixture": "small-shop"}),
        "network": st.fixed_dictionaries({}, optional={"latency": SECONDS}),
        "tls": st.booleans(),
    },
)
OUTCOME = st.sampled_from(OUTCOMES)
EXPECT = st.fixed_dictionaries(
    {},
    optional={
        "for": st.sampled_from(["reference", "shop app"]),
        "outcome": OUTCOME | st.lists(OUTCOME, min_size=1, max_size=2),
        "attempts": st.dictionaries(OPERATIONS, st.integers(0, 9) | st.just("max"), max_size=2),
    },
)
TITLES = st.sampled_from(["Busy twice, then fine", "a: b", "# x", "ü", "'", "on", "12", " x"])
DOCUMENTS = st.fixed_dictionaries(
    {"title": TITLES},
    optional={
        "seed": st.integers(0, 2**63 - 1),
        "given": GIVEN,
        "faults": RULE_LISTS,
        "calls": st.lists(CALL_STEPS, max_size=3),
        "heal": st.booleans(),
        "expect": EXPECT,
    },
)


@settings(deadline=None)
@given(DOCUMENTS, st.none() | TEXT)
def test_a_scenario_that_is_written_is_read_back_equal(document: dict[str, Any], comment: str | None) -> None:
    """Whatever a scenario says survives being written as a file and read again."""
    scenario = read_scenario(document)

    assert YamlFile.parse(scenario.to_yaml(comment), "f.yaml").to_model(Scenario, Reading()) == scenario


@settings(deadline=None)
@given(DOCUMENTS)
def test_a_dumped_scenario_validates_as_itself(document: dict[str, Any]) -> None:
    """Pydantic's own dump is the file's data, so results and stored cases can hold scenarios."""
    scenario = read_scenario(document)

    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario
    assert read_scenario(scenario.to_file()) == scenario


def test_what_is_usual_is_not_written() -> None:
    """A file says what is special about a scenario, in the shortest form."""
    scenario = read_scenario(
        {
            "title": "x",
            "given": {"tls": False, "network": {}},
            "faults": [{"on": {"operation": "users.get"}, "plan": [{"status": {"code": 503}}, []], "then": "pass"}],
            "calls": [{"users.get": None, "times": 1, "replayable": True}],
            "heal": True,
        }
    )

    assert scenario.to_file() == {
        "title": "x",
        "faults": [{"on": "users.get", "plan": [{"status": 503}, "pass"]}],
        "calls": [{"users.get": {}}],
    }


# The schema


def accepted(document: Any) -> bool:
    """Tell whether the reader takes a document."""
    try:
        read_scenario(document)
    except FileProblems:
        return False
    return True


@settings(deadline=None)
@given(DOCUMENTS)
def test_the_schema_accepts_what_the_reader_accepts(document: dict[str, Any]) -> None:
    """Every document that reads well is valid."""
    read_scenario(document)

    ACCEPTS.validate(document)


JUNK = st.one_of(
    JSON,
    st.sampled_from(
        ["pass", "reset", "rset", "status", "*", "connection", "ok", "max", "-5s", "5 s", "1e3s", "0s", "4KB"]
    ),
    st.sampled_from(
        [-1, 0, 99, 600, 1001, 0.5, 1.5, [], {}, None, True, [[]], {"id": 1}, {"times": 1}, {"status": 503}]
    ),
).map(copy.deepcopy)
KEYS = st.sampled_from(
    ["op", "args", "times", "pages", "parallel", "advance", "on", "plan", "fault", "then", "client", "name", "settings",
     "connection", "role", "code", "seed", "status", "reset", "x"]
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container in a document with one of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A document with a few things changed, removed or added."""
    document: dict[str, Any] = copy.deepcopy(draw(DOCUMENTS))
    for _ in range(draw(st.integers(1, 2))):
        container, key = draw(st.sampled_from(places(document)))
        action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if action == "remove":
            del container[key]
        elif action == "replace" or isinstance(container, list):
            container[key] = draw(JUNK)
        else:
            container[draw(KEYS)] = draw(JUNK)
        if not document:
            break
    return document


def is_finer_than_a_schema(document: Any) -> bool:
    """Tell whether a document is refused for what only the reader checks: settings of one fault that clash."""
    with pytest.raises(FileProblems) as caught:
        read_scenario(document)
    return all(re.match("needs exactly one of|must not be longer", item.message) for item in caught.value.problems)


@settings(max_examples=400, deadline=None)
@given(spoilt())
def test_the_schema_refuses_what_the_reader_refuses(document: dict[str, Any]) -> None:
    """Schema and reader agree about mistakes as well."""
    if accepted(document):
        ACCEPTS.validate(document)
    elif ACCEPTS.is_valid(document):
        assert is_finer_than_a_schema(document)


@pytest.mark.parametrize(
    "document",
    [
        {}, [], {"title": ""}, {"title": "x", "x": 1}, {"title": "x", "seed": None},
        {"title": "x", "faults": [{"on": "*"}]},
        {"title": "x", "faults": [{"on": "*", "fault": "status"}]},
        {"title": "x", "faults": [{"on": "*", "fault": "nope"}]},
        {"title": "x", "faults": [{"on": "*", "fault": "reset", "then": "last"}]},
        {"title": "x", "faults": [{"on": "*", "fault": {"reset": {}, "close": {}}}]},
        {"title": "x", "faults": [{"on": "*", "fault": {"status": 503.5}}]},
        {"title": "x", "faults": [{"on": {}, "fault": "reset"}]},
        {"title": "x", "calls": [{"times": 3}]}, {"title": "x", "calls": [{"a": {}, "b": {}}]},
        {"title": "x", "calls": [{"parallel": []}]}, {"title": "x", "calls": [{"advance": "0.0s"}]},
        {"title": "x", "calls": ["pages"]}, {"title": "x", "expect": {"client": "reference"}},
        {"title": "x", "expect": {"attempts": {"a": -1}}}, {"title": "x", "expect": {"attempts": {"": 1}}},
        {"title": "x", "expect": {"outcome": []}},
    ],
)  # fmt: skip
def test_broken_documents_are_invalid(document: Any) -> None:
    """Mistakes that an author makes show in an editor."""
    assert not accepted(document)
    assert not ACCEPTS.is_valid(document)


def test_the_schemas_are_schemas() -> None:
    """They hold to their own dialect, and refer to nothing that is missing."""
    for schema in (SCHEMA, roles_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)
        names = {value.removeprefix("#/$defs/") for value in _references(schema)}
        assert names <= set(schema["$defs"])


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [found for value in schema.values() for found in _references(value)]
    return [found for value in schema for found in _references(value)] if isinstance(schema, list) else []


def test_every_scenario_of_the_workspace_is_valid_and_survives_being_written() -> None:
    """What we ship is what the schema describes."""
    workspace = find_workspace()
    for loaded in (workspace.load(name) for name in workspace.scenarios()):
        ACCEPTS.validate(loaded.file.data)
        again = YamlFile.parse(loaded.scenario.to_yaml(loaded.intro), "f.yaml")
        assert again.to_model(Scenario, Reading()) == loaded.scenario, loaded.name


def test_the_roles_of_the_workspace_are_valid() -> None:
    """The roles file that we ship is what its schema describes."""
    path: Path = find_workspace().roles_path

    jsonschema.validate(YamlFile.load(path).data, roles_schema())


def test_outcomes_are_ok_cancelled_and_the_kinds_of_failure() -> None:
    """What ``expect`` may name."""
    assert ("ok", "cancelled", *ERROR_KINDS) == OUTCOMES
