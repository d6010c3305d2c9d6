"""Edges of ERROR-01 to ERROR-03 and ERROR-05 on told traces: what just counts, what just does not, and what is said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clauses.stories import ALL, USER, Story

TITLE = "Call c0/0 (users.get id=1)"
REPOSITORY = ALL - {"http_cache"}

# ERROR-01


def test_the_sentence_on_what_escaped() -> None:
    """ERROR-01 quotes the exception, up to two hundred characters of it, and looks at each call."""
    story = Story()
    story.call().meets(503).fails("server", 503)
    call = story.call().meets(503).fails("other", escaped=True)
    assert call.outcome is not None
    assert call.outcome.error is not None
    call.outcome.error.native, call.outcome.error.message = "ValueError", "it broke. " + "x" * 300
    found = story.judge("ERROR-01").findings

    assert [(item.call, item.exchanges) for item in found] == [("c1/0", (2,))]
    quoted = "ValueError: it broke. " + "x" * 300
    assert found[0].sentence == (
        f"Call c1/0 (users.get id=1) let an exception past the client's own result type: {quoted[:200]}."
    )


@pytest.mark.parametrize(
    ("ends", "verdict"), [("ok", "not_exercised"), ("hangs", "not_exercised"), ("cancelled", "pass")]
)
def test_what_puts_a_result_type_to_the_test(ends: str, verdict: str) -> None:
    """ERROR-01 is exercised by a call that ended otherwise than well."""
    story = Story()
    call = story.call(cancel_after=0.001).meets(200)
    {"ok": call.ok, "hangs": call.hangs, "cancelled": call.cancelled}[ends]()

    assert story.verdict("ERROR-01") == verdict


# ERROR-02


def test_the_sentences_on_a_kind() -> None:
    """ERROR-02 says what was met and how it may be reported: each kind, with the statuses that it may have."""
    wrong, lost, broken = Story(), Story(), Story()
    wrong.call().meets(404).fails("server", 500)
    lost.call().meets(404).fails("not_found")
    broken.call().breaks().fails("server", 500)

    assert wrong.sentences("ERROR-02") == [
        f"{TITLE} failed as server (500) on a 404 in exchange 1; due is not_found (404)."
    ]
    assert lost.sentences("ERROR-02") == [
        f"{TITLE} lost the status, failed as not_found, on a 404 in exchange 1; due is not_found (404)."
    ]
    assert broken.sentences("ERROR-02")[0].startswith(
        f"{TITLE} failed as server (500) on a connection reset before any answer in exchange 1; due is "
    )


@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [(400, 400, "pass"), (400, 401, "pass"), (400, None, "pass"), (400, 404, "fail"), (499, 499, "pass"), (499, 401, "pass"),
     (500, None, "fail"), (503, None, "fail")],
)  # fmt: skip
def test_a_session_that_cannot_be_renewed(status: int, said: int | None, verdict: str) -> None:
    """ERROR-02 lets a call whose renewal met a 4xx fail as unauthorized, with that status, 401 or none."""
    story = Story()
    call = story.call().meets(401)
    story.refresh(status)
    call.fails("unauthorized", said)

    assert story.verdict("ERROR-02") == verdict


@pytest.mark.parametrize(
    ("kind", "options", "verdict"),
    [("timeout.pool", {"parallel": True}, "pass"), ("timeout.pool", {}, "fail"), ("offline", {}, "fail")],
)
def test_reasons_of_its_own(kind: str, options: dict[str, Any], verdict: str) -> None:
    """ERROR-02 lets a call beside others fail for the pool."""
    story = Story()
    story.call(**options).meets(404).fails(kind)

    assert story.verdict("ERROR-02") == verdict


@pytest.mark.parametrize(("offline", "verdict"), [(True, "pass"), (False, "fail")])
def test_a_hint_may_explain_it(offline: bool, verdict: str) -> None:
    """ERROR-02 lets a call fail as offline where a hint said so."""
    story = Story(scenario={"calls": [{"offline": offline}, {"users.get": {"id": 1}}]})
    story.call(call="a").meets(404).fails("offline")

    assert story.verdict("ERROR-02") == verdict


@pytest.mark.parametrize(
    "how", ["well", "escaped", "hangs", "cancelled", "good at last", "broken cache", "an earlier page"]
)
def test_what_is_no_reported_failure(how: str) -> None:
    """ERROR-02 is not exercised where no failure of a known exchange was reported."""
    story = Story(scenario={"given": {"cache": "corrupt"}} if how == "broken cache" else {})
    call = story.call(pages=how == "an earlier page")
    call.meets(404, query="page=1")
    if how == "well":
        call.ok(source="cache")
    elif how == "escaped":
        call.fails("other", escaped=True)
    elif how == "cancelled":
        call.cancelled()
    elif how == "good at last":
        story.events.clear()
        call.meets(200).fails("other")
    elif how == "an earlier page":
        call.meets(200, query="page=2").fails("other")
    elif how == "broken cache":
        call.fails("cache")

    assert story.verdict("ERROR-02") == "not_exercised"


# ERROR-03

DEEP = b"[" * 100 + b"{" + b"}" + b"]" * 100
DEEPER = b'{"a":' * 201 + b"1" + b"}" * 201


@pytest.mark.parametrize(
    ("body", "kind", "oddity"),
    [(b" ", "application/json", "empty"), (b"[]", "application/json", "a list"), (b'"no"', "application/json", "a string"),
     (b"true", "application/json", "a boolean"), (b"7", "application/json", "a number"), (b"7.5", "application/json", "a number"),
     (b"null", "application/json", "null"), (b"\xff\xfe{", "application/json", "badly encoded"),
     (b"no", "text/html", "HTML"), (b" <HTML>", "application/json", "HTML"), (b"<!DOCTYPE x>", "text/plain", "HTML"),
     (b"no", "text/plain", "no JSON"), (b"[" * 1001, "application/json", "nested very deeply"),
     (b"{" * 1001, "application/json", "nested very deeply"), (b"[" * 1000, "application/json", "no JSON"),
     (DEEPER, "application/json", "nested very deeply")],
)  # fmt: skip
def test_what_is_odd_about_a_body(body: bytes, kind: str, oddity: str) -> None:
    """ERROR-03 says what an error's body was, and how the call ended on it."""
    story = Story()
    story.call().meets(404, body=body, headers=[("Content-Type", kind)]).fails("bug", 404)

    assert story.sentences("ERROR-03") == [
        f"{TITLE} failed as bug (404) on the 404 of exchange 1, whose body was {oddity}."
    ]


@pytest.mark.parametrize(
    "body", [b'{"a": 1}', b'{"a":' * 200 + b"1" + b"}" * 200, b'{"a": ' + b"[" * 199 + b"]" * 199 + b"}"]
)
def test_what_is_not_odd(body: bytes) -> None:
    """ERROR-03 is not exercised by an object of sensible depth, nor by the missing body of a HEAD."""
    story = Story()
    story.call().meets(404, body=body).fails("bug", 404)
    story.call("http", {"method": "HEAD", "path": "/users/1"}).meets(404, body=b"").fails("not_found", 404)

    assert story.verdict("ERROR-03") == "not_exercised"


def test_the_other_sentences_on_an_odd_body() -> None:
    """ERROR-03 says whether an exception escaped, the error was taken for a success, or its status was lost."""
    escaped, well, lost = Story(), Story(), Story()
    escaped.call().meets(404, body=b"[]").fails("other", escaped=True)
    well.call().meets(404, body=b"[]").ok()
    lost.call().meets(404, body=b"[]").fails("not_found", 500)
    where = "the 404 of exchange 1, whose body was a list"

    assert [story.sentences("ERROR-03")[0] for story in (escaped, well, lost)] == [
        f"{TITLE} let an exception escape on {where}.",
        f"{TITLE} took {where} for a success.",
        f"{TITLE} lost the status: it failed as not_found (500) on {where}.",
    ]


@pytest.mark.parametrize("how", ["cache", "cancelled", "no kinds", "its deadline", "a refresh", "right"])
def test_what_is_left_to_others(how: str) -> None:
    """ERROR-03 finds nothing where something else than the body decided how a call ended."""
    story = Story(
        policy={"timeouts": {"total": "1s"}}, capabilities=ALL - {"error_kinds"} if how == "no kinds" else REPOSITORY
    )
    call = story.call(cancel_after=5.0 if how == "cancelled" else None)
    call.meets(401 if how == "a refresh" else 404, body=b"[]")
    if how == "cache":
        call.ok(source="cache")
    elif how == "cancelled":
        call.cancelled()
    elif how == "its deadline":
        story.t = call.started + 0.999
        call.fails("timeout.total")
    elif how == "a refresh":
        story.refresh(503)
        call.fails("server", 503)
    else:
        call.fails("not_found", 404 if how == "right" else 500)

    assert story.verdict("ERROR-03") == "pass"


# ERROR-05


def test_the_sentences_on_a_lie() -> None:
    """ERROR-05 says what became of a success that is not JSON: sent again, believed, misnamed, or kept."""
    again, well, wrong, kept = (Story(capabilities=REPOSITORY) for _ in range(4))
    again.call().meets(200, body=b"<html>").meets(200).meets(200).ok()
    well.call().meets(200, body=b"<html>").ok()
    wrong.call().meets(200, body=b"<html>").fails("server", 500)
    for _ in range(2):
        kept.call().meets(200, body=b"<html>").fails("decode", 200)
    kept.call().meets(503).waits(0.3).meets(503).ok(source="cache", value=USER)
    lie = "the 200 of exchange 1, which is not the JSON it should be"

    assert [story.sentences("ERROR-05")[0] for story in (again, well, wrong, kept)] == [
        f"{TITLE} was sent again (exchange 2) after {lie}.",
        f"{TITLE} took {lie}, for a success.",
        f"{TITLE} failed as server (500) on {lie}; due is decode.",
        "Call c2/0 (users.get id=1) was answered from the cache with what exchange 2 had brought, which is not the JSON it "
        "should be.",
    ]
    assert kept.judge("ERROR-05").findings[0].exchanges == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "how", ["another question", "seeded", "came later", "a good one too", "hangs", "cancelled", "untold"]
)
def test_what_was_not_kept_or_believed(how: str) -> None:
    """ERROR-05 finds nothing where a cached value may be another's, and leaves open what did not end on a lie."""
    facts = {"warmed": (("users.get", '{"id": 1}'),)} if how == "seeded" else {}
    story = Story(capabilities=REPOSITORY - ({"error_kinds"} if how == "untold" else set()), facts=facts)
    if how == "a good one too":
        story.call().meets(200).ok()
    call = story.call(
        args={"id": 2 if how == "another question" else 1}, cancel_after=5.0 if how == "cancelled" else None
    )
    if how == "came later":
        story.t += 5.0
    call.meets(200, body=b"<html>")
    if how == "hangs":
        call.hangs()
    elif how == "cancelled":
        call.cancelled()
    else:
        call.fails("server" if how == "untold" else "decode", 200)
    if how not in ("hangs", "cancelled", "untold"):
        later = story.call(at=1.5 if how == "came later" else None)
        later.ok(source="cache", value=USER)

    assert story.verdict("ERROR-05") == ("not_exercised" if how == "hangs" else "pass")
