"""ERROR clauses on told traces."""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, Story

HTML: dict[str, Any] = {"body": b"<!DOCTYPE html><p>Sign in</p>", "headers": [("content-type", "text/html")]}
STATUSES = {
    400: "unexpected_status", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict",
    418: "unexpected_status", 422: "validation", 429: "rate_limited", 500: "server", 503: "server",
}  # fmt: skip


# ERROR-01


def test_nothing_escapes() -> None:
    """ERROR-01 fails for an exception that got past the client's result type, and says which."""
    for escaped, verdict in ((False, "pass"), (True, "fail")):
        story = Story()
        story.call().meets(404).fails("other", escaped=escaped)
        assert story.verdict("ERROR-01") == verdict
    assert "Failure: it failed" in story.sentences("ERROR-01")[0]


def test_success_does_not_exercise_it() -> None:
    """ERROR-01 needs a call that did not end well."""
    story = Story()
    story.call().meets(200).ok()
    assert story.verdict("ERROR-01") == "not_exercised"

    story.call().meets(200).cancelled()
    assert story.verdict("ERROR-01") == "pass"


# ERROR-02


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_each_status_has_its_kind(status: int, kind: str) -> None:
    """ERROR-02 holds for the promised kind with its status, and fails for another kind or a lost status."""
    for told, code, verdict in (
        (kind, status, "pass"),
        ("other", status, "fail"),
        (kind, None, "fail"),
        (kind, 599, "fail"),
    ):
        story = Story(scenario={"given": {"refresh_token": "none"}})
        story.call().meets(status).fails(told, code)
        assert story.verdict("ERROR-02") == verdict


@pytest.mark.parametrize(
    ("tell", "good", "bad"),
    [
        ("breaks", ["closed", "reset", "protocol"], ["refused", "timeout.read", "server"]),
        ("breaks_off", ["truncated", "closed", "reset", "protocol"], ["decode", "timeout.read", "other"]),
        ("gives_up", ["timeout.read"], ["timeout.connect", "reset", "timeout.total"]),
    ],
)
def test_each_failure_of_the_transport_has_its_kinds(tell: str, good: list[str], bad: list[str]) -> None:
    """ERROR-02 knows which kinds systems blur, and which they do not."""
    for kind in [*good, *bad]:
        story = Story()
        getattr(story.call(), tell)().fails(kind)
        assert story.verdict("ERROR-02") == ("pass" if kind in good else "fail"), kind


def test_a_success_that_cannot_be_read_is_a_decode_error() -> None:
    """ERROR-02 wants decode for a 200 that is not JSON."""
    for kind, verdict in (("decode", "pass"), ("reset", "fail")):
        story = Story()
        story.call().meets(200, **HTML).fails(kind)
        assert story.verdict("ERROR-02") == verdict


def test_a_cut_error_body_may_be_either() -> None:
    """ERROR-02 accepts the status or the cut where an error's body broke off, and nothing else."""
    for kind, status, verdict in (("not_found", 404, "pass"), ("truncated", None, "pass"), ("server", 404, "fail")):
        story = Story()
        story.call().breaks_off(404).fails(kind, status)
        assert story.verdict("ERROR-02") == verdict


def test_a_failed_refresh_gives_its_own_kind() -> None:
    """ERROR-02 accepts what the refresh met, or the call's own 401, and nothing else."""
    for status, kind, code, verdict in (
        (503, "server", 503, "pass"),
        (503, "unauthorized", 401, "pass"),
        (503, "rate_limited", 429, "fail"),
        (None, "reset", None, "pass"),
        (400, "unauthorized", 400, "pass"),
        (400, "not_found", 400, "fail"),
    ):
        story = Story()
        call = story.call().meets(401)
        story.refresh(status)
        call.fails(kind, code)
        assert story.verdict("ERROR-02") == verdict, (status, kind)


def test_a_refresh_that_has_just_failed_answers_for_later_calls_too() -> None:
    """ERROR-02 accepts the failure of a refresh that was over, by the server's clock, just before the call began."""
    for later, verdict in ((0.03, "pass"), (0.3, "fail")):
        story = Story()
        first = story.call().meets(401)
        story.refresh(503)
        first.fails("server", 503)
        story.t += later
        story.call(args={"id": 2}).meets(401).fails("server", 503)
        assert story.verdict("ERROR-02") == verdict


def test_any_attempts_failure_may_be_the_reported_one() -> None:
    """ERROR-02 accepts each attempt's failure: which of them is reported is another clause's business."""
    for kind, status, verdict in (("server", 503, "pass"), ("reset", None, "pass"), ("server", 502, "fail")):
        story = Story()
        story.call().meets(503).waits(0.3).breaks().fails(kind, status)
        assert story.verdict("ERROR-02") == verdict


def test_limits_of_the_clients_own() -> None:
    """ERROR-02 accepts timeout.total near the deadline and timeout.pool among parallel calls, and not otherwise."""
    late, early, crowd, alone = Story(), Story(), Story(), Story()
    late.call().waits(7.99).meets(503).fails("timeout.total")
    early.call().meets(503).fails("timeout.total")
    crowd.call(parallel=True).meets(503).fails("timeout.pool")
    alone.call().meets(503).fails("timeout.pool")

    assert [item.verdict("ERROR-02") for item in (late, early, crowd, alone)] == ["pass", "fail", "pass", "fail"]


def test_what_is_not_clear_is_not_judged() -> None:
    """ERROR-02 is not exercised where the client left for no reason that shows, or where a good answer was refused."""
    left = Story()
    left.call().gives_up(after=0.05).fails("other")
    fine = Story()
    fine.call().meets(200).fails("bug")
    escaped = Story()
    escaped.call().meets(404).fails("other", escaped=True)

    assert {item.verdict("ERROR-02") for item in (left, fine, escaped)} == {"not_exercised"}


def test_kinds_must_be_promised() -> None:
    """ERROR-02 is unsupported without a map or without kinds, and not exercised by a status that the map leaves out."""
    unmapped = Story(policy={"errors": {"map": None}})
    unmapped.call().meets(404).fails("other", 404)
    kindless = Story(capabilities=ALL - {"error_kinds"})
    kindless.call().meets(404).fails("other", 404)
    partly = Story(policy={"errors": {"map": {"404": None, "4xx": None}}})
    partly.call().meets(404).fails("other", 404)

    assert [item.verdict("ERROR-02") for item in (unmapped, kindless, partly)] == [
        "unsupported",
        "unsupported",
        "not_exercised",
    ]


def test_the_sentence_says_what_is_due() -> None:
    """A finding of ERROR-02 says what the client met, what it said, and what was due."""
    story = Story()
    story.call().meets(404).fails("server")

    assert story.sentences("ERROR-02") == [
        "Call c0/0 (users.get id=1) failed as server on a 404 in exchange 1; due is not_found (404)."
    ]


# ERROR-03

ODD = {
    "a list": b'["no"]', "a string": b'"no"', "a number": b"42", "null": b"null", "a boolean": b"true", "empty": b"",
    "HTML": b"<html></html>", "badly encoded": b'{"message": "\xfc"}',
    "nested very deeply": b"[" * 100_000 + b"]" * 100_000,
    "no JSON": b"no such article",
}  # fmt: skip


@pytest.mark.parametrize(("name", "body"), ODD.items(), ids=list(ODD))
def test_odd_bodies_are_survived(name: str, body: bytes) -> None:
    """ERROR-03 holds where a call fails in the ordinary way; no escape, success, lost status or bug will do."""
    for tell, verdict in (("fine", "pass"), ("escape", "fail"), ("success", "fail"), ("lost", "fail"), ("bug", "fail")):
        story = Story()
        call = story.call().meets(404, body=body)
        if tell == "success":
            call.ok()
        elif tell == "escape":
            call.fails("other", escaped=True)
        else:
            call.fails("bug" if tell == "bug" else "not_found", None if tell == "lost" else 404)
        assert story.verdict("ERROR-03") == verdict, tell
        if verdict == "fail":
            assert f"body was {name}" in story.sentences("ERROR-03")[0]


def test_only_the_last_answer_counts() -> None:
    """ERROR-03 is about the answer that the call ends with, and ordinary bodies do not exercise it."""
    story = Story()
    story.call().meets(503, body=b"[]").waits(0.3).meets(200).ok()
    story.call().meets(404).fails("not_found", 404)

    assert story.verdict("ERROR-03") == "not_exercised"


def test_a_fallback_survives_too() -> None:
    """ERROR-03 holds where the cache answers instead."""
    story = Story()
    story.call().meets(200).ok()
    story.call().meets(503, body=b"[]").waits(0.3).meets(503, body=b"[]").waits(0.3).meets(503, body=b"[]").ok(
        source="cache"
    )

    assert story.verdict("ERROR-03") == "pass"


# ERROR-05


def test_a_lie_is_a_decode_error() -> None:
    """ERROR-05 wants decode: no success, no other kind, no second attempt."""
    for tell, verdict in (("decode", "pass"), ("reset", "fail"), ("ok", "fail"), ("again", "fail")):
        story = Story()
        call = story.call().meets(200, **HTML)
        if tell == "again":
            call.waits(0.3).meets(200).ok()
        elif tell == "ok":
            call.ok()
        else:
            call.fails(tell)
        assert story.verdict("ERROR-05") == verdict, tell


@pytest.mark.parametrize(("kind", "verdict"), [("decode", "pass"), ("protocol", "pass"), ("reset", "fail")])
def test_a_length_that_lies_may_be_a_protocol_error(kind: str, verdict: str) -> None:
    """ERROR-05 lets a client that reads on behind the length that was named say that this is no HTTP."""
    story = Story()
    story.call().meets(200, body=b'{"id": 1', fired=[FiredFault("wrong_length", "head")]).fails(kind, 200)

    assert story.verdict("ERROR-05") == verdict


def test_a_wrong_shape_is_a_lie_too() -> None:
    """ERROR-05 counts a 200 whose JSON has another shape than was promised, by the fault that made it so."""
    story = Story()
    story.call().meets(200, fired=[FiredFault("wrong_shape", "response")]).ok()

    assert story.verdict("ERROR-05") == "fail"


def test_a_lie_is_not_stored() -> None:
    """ERROR-05 fails where a later read is answered from the cache though only the lie can have filled it."""
    for served, verdict in ((True, "fail"), (False, "pass")):
        story = Story()
        story.call().meets(200, **HTML).fails("decode")
        call = story.call().breaks()
        (call.ok(source="cache") if served else call.fails("reset"))
        assert story.verdict("ERROR-05") == verdict


def test_where_no_shape_is_promised() -> None:
    """ERROR-05 is not exercised by raw requests, by answers without a body, and by JSON."""
    story = Story()
    story.call("http", {"method": "GET", "path": "/health"}).meets(200, **HTML).ok()
    story.call("users.delete", {"id": 1}).meets(204, body=b"").ok()
    story.call("users.delete", {"id": 2}).meets(200, **HTML).ok()
    story.call().meets(200).ok()

    assert story.verdict("ERROR-05") == "not_exercised"
