"""The faults before HTTP as a whole: what each says of itself, how files write them, and how they act together."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

import sadpath.faults
from sadpath.faults import FAULTS
from sadpath.faults.before_http import BeforeHttp
from sadpath.scenario.filemodel import explain, field_path
from sadpath.scenario.lint import Surroundings, lint_scenario
from sadpath.scenario.loader import load_scenario
from sadpath.scenario.model import Reading
from sadpath.scenario.rules import Fault, Rule
from sadpath.scenario.vocabulary import Family
from tests.engine.bench import BODY
from tests.faults.doorside import Doorside, get, run

NAMES = (
    "accept_close", "accept_reset", "accept_stall", "blackhole", "dns_fail", "refuse", "tls_expired",
    "tls_handshake_fail", "tls_self_signed", "tls_wrong_host",
)  # fmt: skip

WRITTEN: list[Any] = [
    *NAMES, "down", {"refuse": {"for": "2s"}}, {"down": {"for": "2s"}}, {"blackhole": {"for": "500ms"}},
    {"dns_fail": {"for": "1m"}}, {"accept_stall": "80ms"},
]  # fmt: skip

REFUSED: list[tuple[Any, str, str]] = [
    ({"refuse": 2}, "refuse", "has no unit"),
    ({"refuse": {"for": "0s"}}, "refuse.for", "longer than zero"),
    ({"blackhole": {"until": "2s"}}, "blackhole.until", "unknown key"),
    ({"accept_stall": "-1s"}, "accept_stall", "must be a duration"),
    ({"accept_close": "1s"}, "accept_close", "takes a mapping"),
    ({"tls_expired": {"since": "1d"}}, "tls_expired.since", "unknown key"),
]


def test_the_names_are_as_promised() -> None:
    """The faults before HTTP are these, and no others."""
    assert {kind.name for kind in FAULTS if kind.phase == "connection"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_describes_itself(name: str) -> None:
    """Each says its family, one sentence, where it exists and can be counted, and what clients see of it."""
    kind = FAULTS.get(name)[0]
    assert issubclass(kind, BeforeHttp)
    assert kind.family == "before HTTP"
    assert kind.family in get_args(Family)
    assert kind.summary.endswith(".")
    assert len(kind.summary) < 120
    assert kind.worlds == (("sim",) if name == "dns_fail" else ("sim", "live"))
    assert kind.counted == (("sim", "live") if kind.bars is None else ("sim",))
    assert kind.secure is name.startswith("tls_")
    assert set(kind.seen_by) == {"curl", "httpx", "browser"}
    assert kind.__doc__


def test_one_fault_a_file_and_registration_at_its_end() -> None:
    """Each fault stands in a file of its name; what follows its registration is nothing but its aliases."""
    folder = Path(sadpath.faults.__file__).parent
    for name in NAMES:
        calls = [
            ast.unparse(node.value.func)
            for node in ast.parse((folder / f"{name}.py").read_text()).body
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        ]
        assert calls[0] == "FAULTS.register", name
        assert set(calls[1:]) <= {"FAULTS.alias"}, name


@pytest.mark.parametrize("written", WRITTEN, ids=json.dumps)
def test_a_fault_is_written_as_it_was_read(written: Any) -> None:
    """Reading and writing a fault gives the same text, and the same fault again."""
    fault = Fault.model_validate(written, context=Reading())
    assert fault.model_dump(mode="json") == written
    assert Fault.model_validate(fault.model_dump(mode="json"), context=Reading()) == fault


def test_a_time_can_be_written_short() -> None:
    """``refuse: 2s`` is ``refuse: {for: 2s}``."""
    short, long = (Fault.model_validate({"refuse": item}, context=Reading()) for item in ("2s", {"for": "2s"}))
    assert short == long


@pytest.mark.parametrize(("written", "place", "message"), REFUSED)
def test_what_makes_no_sense_is_refused_with_its_place(written: Any, place: str, message: str) -> None:
    """A mistake is told once, at the place where the author made it, in plain words."""
    data = {"on": "connection", "fault": written}
    with pytest.raises(ValidationError) as refused:
        Rule.model_validate(data, context=Reading())
    troubles = explain(refused.value, data, Rule)
    assert [(field_path(item.place), message in item.message) for item in troubles] == [(f"fault.{place}", True)]


@pytest.mark.parametrize("name", NAMES)
def test_settings_have_a_json_schema(name: str) -> None:
    """Editors can be told what a fault's settings are, under the names that files use."""
    schema = FAULTS.get(name)[0].model_json_schema()
    assert schema["additionalProperties"] is False
    assert "lasts" not in schema["properties"] if schema.get("properties") else True


@pytest.mark.parametrize(
    ("given", "rule", "found"),
    [
        ("{tls: true}", "fault: tls_expired", []),
        ("{tls: false}", "fault: tls_expired", ["error: 'tls_expired' is about TLS: it never acts without `given: {tls: true}`"]),
        ("{}", "plan: [pass, tls_handshake_fail]",
         ["error: 'tls_handshake_fail' is about TLS: it never acts without `given: {tls: true}`"]),
        ("{}", "fault: accept_close", []),
        ("{}", "fault: {blackhole: {for: 1s}}", []),
        ("{}", "plan: [blackhole]", ["note: 'blackhole' cannot be counted in the live world: the scenario runs in sim alone"]),
        ("{}", "fault: dns_fail", ["note: 'dns_fail' exists in the world 'sim' alone"]),
    ],
)  # fmt: skip
def test_lint_says_where_a_fault_cannot_act(given: str, rule: str, found: list[str], tmp_path: Path) -> None:
    """TLS faults need a port that speaks TLS, and what a real kernel does by itself cannot be counted there."""
    path = tmp_path / "case.yaml"
    path.write_text(
        f"# A case. Source: none.\ntitle: A case\ngiven: {given}\nfaults:\n  - {{on: connection, {rule}}}\n"
        "calls:\n  - users.get: {id: 1}\n"
    )
    problems = lint_scenario(load_scenario(path), Surroundings(), named=False)

    assert [f"{problem.level}: {problem.message}" for problem in problems] == found


def test_two_faults_of_one_step_act_one_after_the_other() -> None:
    """A connection may be kept waiting and then closed."""

    async def scene() -> None:
        async with Doorside() as side:
            side.inject([{"accept_stall": "60ms"}, "accept_close"])
            connection = await side.connect()
            start = connection.loop.time()
            assert (await connection.receive()).ending == "fin"
            assert connection.loop.time() - start >= 0.06
            connection.close()
            await side.quiet()
            assert [fault for _, _, fault in side.happened()] == [None, "accept_stall", "accept_close", None]

    run(scene)


def test_rules_about_exchanges_go_on_acting_behind_those_about_connections() -> None:
    """A connection that was let in meets the rules of its requests, whose plans count for themselves."""
    rules = [
        {"on": "connection", "plan": ["accept_reset"]},
        {"on": "*", "plan": [{"status": 503}]},
    ]

    async def scene() -> None:
        async with Doorside(rules) as side:
            assert (await (await side.connect()).receive()).ending == "rst"
            connection = await side.connect()
            await connection.send(get("/item"))
            assert (await connection.answer()).status == 503
            await connection.send(get("/item"))
            assert (await connection.answer()).body == BODY

    run(scene)


def test_a_port_belongs_to_its_session() -> None:
    """What arrives at a session's own port is that session's without a word; the server's port does not know it."""

    async def scene() -> None:
        async with Doorside() as side:
            connection = await side.connect()
            await connection.send(get("/item"))
            assert (await connection.answer()).body == BODY
            assert [event.path for event in side.session.journal.exchanges] == ["/item"]
            assert side.server.sessions.default.journal.exchanges == []
            assert side.server.url_of("own") == side.url

    run(scene)
