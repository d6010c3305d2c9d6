"""The catalogue as a whole: what every fault must offer, how files read and write them, and how they act together."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

import sadpath.faults
from sadpath.faults import FAULTS
from sadpath.faults.base import Fault as FaultBase
from sadpath.scenario.filemodel import explain, field_path
from sadpath.scenario.model import Reading
from sadpath.scenario.rules import Fault, Rule
from sadpath.scenario.vocabulary import Family, Phase
from tests.engine.bench import BODY, HEAD, Bench, get, post, run

NAMES = tuple(kind.name for kind in FAULTS if kind.phase != "connection")
"""The faults of HTTP; those that come before it have tests of their own."""

WRITTEN: list[Any] = [
    "close", {"close": "head"}, {"close": {"at": "body", "after": 5}}, {"close": {"time": "2s"}}, "EMPTY_RESPONSE",
    {"EMPTY_RESPONSE": "head"}, "reset", {"reset": "request"}, {"reset": {"at": "body", "after": 4096, "time": "1s"}},
    "CONNECTION_RESET_BY_PEER", "reset_peer", {"reset_peer": {"time": "2s"}}, "stall", {"stall": "2s"},
    {"stall": {"at": "head", "time": "50ms", "then": "reset"}}, "timeout", {"timeout": "2s"}, {"delay": "300ms"},
    {"delay": {"at": "body", "after": 3, "time": "1s"}}, {"delay": {"uniform": {"min": "0s", "max": "1s"}}},
    {"delay": {"lognormal": {"median": "200ms", "sigma": 0.5}}}, {"latency": "300ms"}, {"status": 503},
    {"status": {"code": 503, "retry_after": "1s", "body": "x", "headers": {"X-A": "b"}, "committed": True}},
    {"status": {"code": 503, "retry_after": {"date": "2s", "form": "rfc850"}, "body": {"json": None}}},
    {"status": {"code": 429, "retry_after": {"raw": "soon"}, "body": {"fixture": "lying/list"}}}, "truncate",
    {"truncate": 20}, {"truncate": {"after": 0, "ending": "stall"}}, {"limit_data": 100}, "unauthorized",
    {"unauthorized": "no"}, {"unauthorized": {"json": []}}, {"unauthorized": {"fixture": "x"}}, "expire_token",
    {"expire_token": "refresh"}, "invalid_grant", "malformed_json", {"malformed_json": "comma"}, "html", {"html": 511},
    {"redirect": "/users/1"}, {"redirect": {"to": "https://b.test/", "code": 307, "times": 2}}, "wrong_shape",
    {"wrong_shape": {"drop": ["a", "b.*.c"], "retype": ["*.d"], "add": {"e": {"f": None}}}},
    {"dribble": {"chunks": 2, "over": "1s"}}, {"throttle": 1024}, {"bandwidth": 7}, "omit_refresh_token",
    "close_after", {"idle_close": "2s"}, {"slow_close": "2s"}, "no_store", "not_modified_without_entry", "empty",
    "etag_mismatch", "stale_while_error", "revoke_tokens", {"revoke_tokens": "access"}, "reject_login",
    {"rate_limit": {"limit": 0, "window": "1s"}}, "outage", {"outage": {"from": "1s", "for": "2m"}},
    "wrong_content_type", {"wrong_content_type": ""}, "bad_utf8", "deep_json", {"deep_json": 5}, "error_in_200",
    {"error_in_200": {"json": []}}, {"error_in_200": "no"}, "duplicate_delivery", {"slice": 5},
    {"slicer": {"size": 5, "gap": "0s"}}, "half_close", {"half_close": {"at": "body", "after": 4, "time": "1s"}},
    {"wrong_length": 5}, {"wrong_length": {"by": -5, "ending": "stall"}}, "broken_chunk", {"broken_chunk": 5},
    "MALFORMED_RESPONSE_CHUNK", "broken_gzip", {"broken_gzip": "cut"}, "bad_status_line", {"bad_status_line": "ICY 200"},
    "garbage", {"garbage": 5}, "RANDOM_DATA_THEN_CLOSE", "oversized_header", {"oversized_header": 5}, "request_stall",
    {"request_stall": 5}, "request_close", {"request_close": 5}, "request_reset", {"request_reset": 5},
    "early_response", {"early_response": 503}, {"bursts": {"bad": 0.25, "good": 0.5}},
    {"bursts": {"bad": 1.0, "good": 0.0, "loss": 0.5}}, "rst_stream", {"rst_stream": "REFUSED_STREAM"},
    {"rst_stream": {"error": "CANCEL", "at": "body", "after": 5, "time": "1s"}}, "goaway", {"goaway": "INTERNAL_ERROR"},
    {"goaway": {"last_stream": "before"}}, {"goaway": {"at": "body", "last_stream": 0, "then": "close"}},
]  # fmt: skip
"""Faults as a file writes them."""

REFUSED: list[tuple[Any, str, str]] = [
    ({"status": 199}, "status", "must be at least 200"),
    ({"status": 100}, "status", "must be at least 200"),
    ({"status": {"code": 600}}, "status.code", "must be at most 599"),
    ({"status": "503"}, "status", "must be a whole number"),
    ("status", "", "needs settings"),
    ({"status": {"code": 503, "retry_after": 5}}, "status.retry_after", "has no unit"),
    ({"status": {"code": 503, "retry_after": {"raw": "a\nb"}}}, "status.retry_after.raw", "that a header can carry"),
    ({"status": {"code": 503, "headers": {"a b": "c"}}}, "status.headers.a b", "the name of a header"),
    ({"status": {"code": 503, "headers": {"X-A": "1\r\nX-B: 2"}}}, "status.headers.X-A", "that a header can carry"),
    ({"status": {"code": 503, "headers": {"Content-Length": "5"}}}, "status.headers.Content-Length", "stays honest"),
    ({"status": {"code": 503, "boddy": "x"}}, "status.boddy", "unknown key"),
    ({"delay": "-1s"}, "delay", "must be a duration"),
    ({"delay": {"time": "1s", "uniform": {"min": "1s", "max": "2s"}}}, "delay", "exactly one of"),
    ({"delay": {"uniform": {"min": "3s", "max": "2s"}}}, "delay.uniform.min", "must not be longer"),
    ({"delay": {"lognormal": {"median": "1s", "sigma": float("nan")}}}, "delay.lognormal.sigma", "finite"),
    ({"stall": {"at": "head", "after": 3}}, "stall.after", "goes with `at: body`"),
    ({"close": "hed"}, "close", "must be one of"),
    ({"truncate": -1}, "truncate", "cannot be negative"),
    ({"truncate": {"ending": "rst"}}, "truncate.ending", "must be one of"),
    ({"malformed_json": "wrong"}, "malformed_json", "must be one of"),
    ({"invalid_grant": 1}, "invalid_grant", "takes a mapping"),
    ({"html": 99}, "html", "must be at least 200"),
    ("redirect", "", "needs settings"),
    ({"redirect": {"to": "/x", "code": 304}}, "redirect.code", "must be 301"),
    ({"redirect": {"to": "/x", "times": 0}}, "redirect.times", "must be at least 1"),
    ({"redirect": "/x\n"}, "redirect", "that a header can carry"),
    ({"wrong_shape": {"drop": ["a..b"]}}, "wrong_shape.drop[0]", "a member's name"),
    ({"wrong_shape": {"drop": "a"}}, "wrong_shape.drop", "must be a list"),
    ({"dribble": {"chunks": 1, "over": "1s"}}, "dribble.chunks", "must be at least 2"),
    ({"dribble": {"chunks": 3}}, "dribble.over", "missing"),
    ({"throttle": 0}, "throttle", "at least one byte per second"),
    ({"idle_close": "0s"}, "idle_close", "longer than zero"),
    ({"revoke_tokens": "both"}, "revoke_tokens", "must be one of"),
    ({"rate_limit": {"limit": -1, "window": "1s"}}, "rate_limit.limit", "must be at least 0"),
    ({"rate_limit": {"limit": 1}}, "rate_limit.window", "missing"),
    ({"outage": "2s"}, "outage", "takes a mapping"),
    ({"outage": {"for": "0s"}}, "outage.for", "longer than zero"),
    ({"outage": {"until": "2s"}}, "outage.until", "unknown key"),
    ({"wrong_content_type": "a\nb"}, "wrong_content_type", "that a header can carry"),
    ({"deep_json": 0}, "deep_json", "must be at least 1"),
    ({"slice": 0}, "slice", "at least one byte"),
    ({"half_close": {"at": "head", "after": 3}}, "half_close.after", "goes with `at: body`"),
    ({"wrong_length": 0}, "wrong_length", "but not 0"),
    ({"broken_chunk": -1}, "broken_chunk", "cannot be negative"),
    ({"broken_gzip": "bad"}, "broken_gzip", "must be one of"),
    ({"garbage": 0}, "garbage", "at least one byte"),
    ({"oversized_header": "17MiB"}, "oversized_header", "at most 16MiB"),
    ({"request_stall": {"at": "head"}}, "request_stall.at", "unknown key"),
    ({"early_response": 200}, "early_response", "must be at least 400"),
    ({"bursts": {"bad": 1.5, "good": 0.5}}, "bursts.bad", "must be at most 1"),
    ({"bursts": {"bad": 0.5}}, "bursts.good", "missing"),
    ({"no_store": True}, "no_store", "takes a mapping"),
    ({"rst_stream": "REFUSED"}, "rst_stream", "must be one of"),
    ({"goaway": {"last_stream": -1}}, "goaway.last_stream", "at least 0"),
    ({"goaway": {"last_stream": "this"}}, "goaway.last_stream", "must be"),
    ({"goaway": {"then": "answer"}}, "goaway.then", "must be one of"),
]


def test_every_fault_is_written_here() -> None:
    """Each fault stands in ``WRITTEN``, so that none goes unread."""
    read = {Fault.model_validate(written, context=Reading()).name for written in WRITTEN}
    assert read >= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_describes_itself(name: str) -> None:
    """Each says its family, phase, one sentence, worlds, its HTTP, and what curl, httpx and a browser see of it."""
    kind = FAULTS.get(name)[0]
    assert issubclass(kind, FaultBase)
    assert kind.family in get_args(Family)
    assert kind.phase in get_args(Phase)
    assert kind.summary.endswith(".")
    assert len(kind.summary) < 120
    assert kind.worlds == ("sim", "live")
    assert kind.protocols in (("HTTP/1", "HTTP/2"), ("HTTP/1",), ("HTTP/2",))
    assert kind.in_http2 or len(kind.protocols) == 2
    assert set(kind.seen_by) == {"curl", "httpx", "browser"}
    assert kind.__doc__


def test_one_fault_a_file_and_registration_at_its_end() -> None:
    """Each fault stands in a file of its name; what follows its registration is nothing but its aliases."""
    folder = Path(sadpath.faults.__file__).parent
    for name in NAMES:
        last: list[str] = []
        for node in ast.parse((folder / f"{name}.py").read_text()).body:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                last.append(ast.unparse(node.value.func))
            elif last:
                last.append("other")
        assert last[0] == "FAULTS.register", name
        assert set(last[1:]) <= {"FAULTS.alias"}, name


@pytest.mark.parametrize("written", WRITTEN, ids=json.dumps)
def test_a_fault_is_written_as_it_was_read(written: Any) -> None:
    """Reading and writing a fault gives the same text, and the same fault again; names of other tools are kept."""
    fault = Fault.model_validate(written, context=Reading())
    assert fault.model_dump(mode="json") == written
    assert Fault.model_validate(fault.model_dump(mode="json"), context=Reading()) == fault


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"reset": "2s"}, {"reset": {"time": "2s"}}),
        ({"reset_peer": "2s"}, {"reset_peer": {"time": "2s"}}),
        ({"close": {"after": 5}}, {"close": {"at": "body", "after": 5}}),
        ({"truncate": "4KiB"}, {"truncate": 4096}),
        ({"unauthorized": {"body": "no"}}, {"unauthorized": "no"}),
    ],
)
def test_shorthands(short: Any, long: Any) -> None:
    """What may be left out or written shorter means the same."""
    assert Fault.model_validate(short, context=Reading()).model_dump(mode="json") == long


@pytest.mark.parametrize(("written", "place", "message"), REFUSED)
def test_what_makes_no_sense_is_refused_with_its_place(written: Any, place: str, message: str) -> None:
    """A mistake is told once, at the place where the author made it, in plain words."""
    data = {"on": "*", "fault": written}
    with pytest.raises(ValidationError) as refused:
        Rule.model_validate(data, context=Reading())
    troubles = explain(refused.value, data, Rule)
    assert len(troubles) == 1, troubles
    assert field_path(troubles[0].place) == ("fault." + place).rstrip(".")
    assert message in troubles[0].message


@pytest.mark.parametrize("name", NAMES)
def test_settings_have_a_json_schema(name: str) -> None:
    """Editors can be told what a fault's settings are."""
    schema = FAULTS.get(name)[0].model_json_schema()
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "written",
    [
        {"status": 503}, "unauthorized", "invalid_grant", {"redirect": "/"}, "outage", "reject_login",
        {"rate_limit": {"limit": 1, "window": "1s"}}, "early_response",
    ],
)  # fmt: skip
def test_faults_that_answer_in_the_backends_place_say_so(written: Any) -> None:
    """``answers`` tells the faults that leave the backend out from those that commit its effect."""
    assert Fault.model_validate(written).settings.answers()  # type: ignore[attr-defined] # every fault of the catalogue has it
    committed = Fault.model_validate({"status": {"code": 503, "committed": True}}).settings
    assert not committed.answers()  # type: ignore[attr-defined] # as above


def test_delay_status_and_truncate_act_together() -> None:
    """A step with three faults waits, answers 503 and cuts that answer's body; each has fired at its phase."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject([{"delay": "60ms"}, {"status": 503}, {"truncate": {"after": 10, "ending": "reset"}}])
            connection = await bench.connect()
            start = connection.loop.time()
            await connection.send(post("/items", b"{}"))
            received = await connection.receive()
            event = await bench.ended()
            assert (received.status, received.body, received.ending) == (503, b'{"type": "', "rst")
            assert received.first is not None
            assert received.first - start >= 0.06
            assert bench.backend.runs == []
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [
                ("status", "request", None),
                ("delay", "response", None),
                ("truncate", "body", 10),
            ]

    run(scene)


def test_two_places_in_one_body() -> None:
    """A pause at byte 10 and a cut at byte 20 come in the order of their bytes, whatever their order in the step."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject([{"truncate": 20}, {"delay": {"time": "100ms", "after": 10}}])
            connection = await bench.connect()
            await connection.send(get("/item"))
            early = await connection.receive(patience=0.05)
            late = await connection.receive()
            assert early.undated == HEAD + BODY[:10]
            assert (late.data, late.ending) == (BODY[10:20], "fin")
            assert [fault.byte for fault in (await bench.ended()).fired] == [10, 20]

    run(scene)


def test_the_first_answer_counts() -> None:
    """Of several faults that answer in the backend's place the first does so; the others are armed and not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(["unauthorized", {"status": 503}, "invalid_grant"])
            assert (await bench.ask(get("/item", "Connection: close"))).status == 401
            event = await bench.ended()
            assert [fault.name for fault in event.armed] == ["unauthorized", "status", "invalid_grant"]
            assert event.fired_names() == ["unauthorized"]

    run(scene)


def test_a_lying_body_can_be_cut_too() -> None:
    """A fault of the delivery acts on the body that the faults before it have made."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(["html", {"close": {"after": 15}}])
            received = await bench.ask(get("/item"))
            assert (received.body, received.ending) == (b"<!DOCTYPE html>", "fin")

    run(scene)
