"""ERROR-04, ERROR-06 and ERROR-07 on told traces: odd problems, empty successes, and mistakes of the caller."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story, truth

KINDS = {
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    422: "validation",
    500: "server",
    418: "unexpected_status",
}
STATUSES = st.sampled_from(sorted(KINDS))
WRONG: st.SearchStrategy[Any] = st.sampled_from([7, None, [], {}, True])


def _problem(status: int, body: Any, kind: str, reported: int | None) -> Story:
    story = Story()
    story.call().meets(status, body=json.dumps(body).encode()).fails(kind, reported)
    return story


# ERROR-04


@truth("ERROR-04")
@given(STATUSES, STATUSES)
def test_the_answers_status_wins(status: int, named: int) -> None:
    """ERROR-04 holds exactly where a failure is that of the answer's status, not of the one in the body."""
    body = {"type": "about:blank", "status": named}
    if status == named:
        assert _problem(status, body, KINDS[status], status).verdict("ERROR-04") == "not_exercised"
        return
    assert _problem(status, body, KINDS[status], status).verdict("ERROR-04") == "pass"
    assert _problem(status, body, KINDS[named], named).verdict("ERROR-04") == "fail"
    assert _problem(status, body, KINDS[named], status).verdict("ERROR-04") == "fail"
    assert _problem(status, body, KINDS[status], None).verdict("ERROR-04") == "fail"


@given(STATUSES, st.sampled_from(["type", "title", "detail", "instance"]), WRONG, st.sampled_from(["bug", "decode"]))
def test_members_of_the_wrong_type_are_ignored(status: int, member: str, value: Any, kind: str) -> None:
    """ERROR-04 fails where a member of the wrong type makes a failure of another kind."""
    body = {member: value}
    assert _problem(status, body, KINDS[status], status).verdict("ERROR-04") == "pass"
    assert _problem(status, body, kind, status).verdict("ERROR-04") == "fail"


@given(st.text(min_size=1), st.integers() | st.text() | st.lists(st.integers()))
def test_unknown_members_are_ignored(name: str, value: Any) -> None:
    """ERROR-04 fails where a member that RFC 9457 does not know makes a failure of another kind."""
    body = {f"x-{name}": value}
    assert _problem(404, body, "not_found", 404).verdict("ERROR-04") == "pass"
    assert _problem(404, body, "bug", 404).verdict("ERROR-04") == "fail"


@pytest.mark.parametrize("status", ["404", True, 404.5, None, []])
def test_a_status_that_is_no_number_is_ignored(status: Any) -> None:
    """ERROR-04 is exercised by a `status` member that is no whole number."""
    assert _problem(404, {"status": status}, "not_found", 404).verdict("ERROR-04") == "pass"
    assert "status is no number" in _problem(404, {"status": status}, "server", 500).sentences("ERROR-04")[0]


def test_an_exception_on_a_problem_is_found() -> None:
    """ERROR-04 fails where an odd problem makes an exception, or is taken for a success."""
    escaped = Story()
    escaped.call().meets(404, body=b'{"title": 7}').fails("other", escaped=True)
    success = Story()
    success.call().meets(404, body=b'{"status": 200}').ok()

    assert escaped.verdict("ERROR-04") == success.verdict("ERROR-04") == "fail"


def test_usual_problems_and_other_bodies_are_another_matter() -> None:
    """ERROR-04 is not exercised by problems that are in order, by other JSON, by an earlier attempt, or by the cache."""
    usual = _problem(404, {"type": "about:blank", "title": "Gone", "status": 404, "message": "no"}, "not_found", 404)
    other = _problem(404, ["status", 500], "server", 500)
    earlier = Story()
    earlier.call().meets(503, body=b'{"status": 404}').waits(0.02).meets(200).ok()
    cached = Story()
    cached.call().meets(503, body=b'{"status": 404}').ok(source="cache")
    first = Story()
    first.call().meets(503).waits(0.02).meets(422, body=b'{"errors": []}').fails("server", 503)
    late = Story()
    late.call().meets(503, body=b'{"status": 404}').fails("timeout.total")

    for story in (usual, other, earlier, cached, first, late):
        assert story.verdict("ERROR-04") == "not_exercised"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("a", "a is unknown"),
        ("ab", "a and b are unknown"),
        ("abc", "a, b and c are unknown"),
        ("abcd", "a, b and c are unknown"),
    ],
)
def test_the_sentence_on_a_problem(names: str, said: str) -> None:
    """ERROR-04 names up to three of the members that nobody knows, and the kind that was due."""
    story = _problem(404, dict.fromkeys(names, 1), "bug", 404)

    assert story.sentences("ERROR-04")[0].endswith(
        f"failed as bug (404) on the 404 of exchange 1, in whose body {said}; due is not_found."
    )


def test_the_sentence_on_a_problem_without_a_due_kind() -> None:
    """ERROR-04 names no kind as due where the contract has none for the status."""
    story = Story(policy={"errors": {"map": None}})
    story.call().meets(404, body=b'{"x": 1}').fails("bug", 404)

    assert story.sentences("ERROR-04")[0].endswith("in whose body x is unknown.")


def test_a_problem_that_did_not_end_the_call_decides_nothing() -> None:
    """ERROR-04 is not exercised where the call never ended, or ended cancelled."""
    story = Story()
    story.call().meets(404, body=b'{"title": 7}').hangs()
    story.call(cancel_after=0.001).meets(404, body=b'{"title": 7}').cancelled()

    assert story.verdict("ERROR-04") == "not_exercised"


# ERROR-06


@truth("ERROR-06")
@given(st.sampled_from(["ok", "error"]), st.sampled_from([200, 201, 204]), st.booleans(), st.booleans())
def test_an_empty_success_is_what_was_promised(promise: str, status: int, write: bool, well: bool) -> None:
    """ERROR-06 holds exactly where an empty success ends as the contract says."""
    story = Story(policy={"errors": {"empty_success": promise}})
    call = (story.create() if write else story.call()).meets(status, body=b"")
    if well:
        call.ok(value=None)
    else:
        call.fails("decode", status)

    assert story.verdict("ERROR-06") == ("pass" if well == (promise == "ok") else "fail")


@pytest.mark.parametrize("operation", ["users.delete", "auth.logout"])
def test_what_needs_no_content_succeeds_without(operation: str) -> None:
    """ERROR-06 fails where a removal or a logout fails since its answer was empty, whatever is promised of others."""
    args = {"id": 1} if operation == "users.delete" else {}
    well, badly = Story(), Story()
    well.call(operation, args).meets(204, body=b"").ok(value=None)
    badly.call(operation, args).meets(204, body=b"").fails("decode", 204)

    assert well.verdict("ERROR-06") == "pass"
    assert badly.verdict("ERROR-06") == "fail"


def test_an_empty_success_is_no_reason_to_ask_again() -> None:
    """ERROR-06 fails where a request is sent again after an empty success, or lets an exception escape."""
    again, escaped = Story(), Story()
    again.call().meets(200, body=b"").meets(200).ok()
    escaped.call().meets(200, body=b" \n").fails("other", escaped=True)

    assert "sent again (exchange 2)" in again.sentences("ERROR-06")[0]
    assert escaped.verdict("ERROR-06") == "fail"


def test_content_and_raw_requests_are_another_matter() -> None:
    """ERROR-06 is not exercised by answers with content, by errors, and by raw requests."""
    story = Story()
    story.call().meets(200).ok()
    story.call().meets(404, body=b"").fails("not_found", 404)
    story.call("http", {"method": "GET", "path": "/health"}).meets(204, body=b"").ok(value=None)

    assert story.verdict("ERROR-06") == "not_exercised"


@pytest.mark.parametrize("cache", ["corrupt", "unwritable"])
def test_a_broken_cache_is_another_matter(cache: str) -> None:
    """ERROR-06 is not exercised where a call may fail for its cache."""
    story = Story(scenario={"given": {"cache": cache}})
    story.call("users.delete", {"id": 1}).meets(204, body=b"").fails("cache")

    assert story.verdict("ERROR-06") == "not_exercised"


def test_an_empty_success_that_is_not_its_end_is_another_matter() -> None:
    """ERROR-06 finds nothing where the call was cancelled or answered from the cache after all, or never ended."""
    story = Story(policy={"errors": {"empty_success": "error"}})
    story.call(cancel_after=0.001).meets(204, body=b"").cancelled()
    story.call().meets(204, body=b"").ok(source="cache")
    assert story.verdict("ERROR-06") == "pass"

    story = Story()
    story.call().meets(204, body=b"").hangs()
    assert story.verdict("ERROR-06") == "not_exercised"


@pytest.mark.parametrize(
    ("promise", "well", "due"), [("ok", False, "which is a success here"), ("error", True, "which is an error here")]
)
def test_what_an_empty_success_is(promise: str, well: bool, due: str) -> None:
    """ERROR-06 says what the contract takes an empty success for."""
    story = Story(policy={"errors": {"empty_success": promise}})
    call = story.call().meets(204, body=b"")
    if well:
        call.ok(value=None)
    else:
        call.fails("decode", 204)

    assert story.sentences("ERROR-06")[0].endswith(f"on the empty 204 of exchange 1, {due}.")


def test_each_request_is_named_once() -> None:
    """ERROR-06 finds one thing of a request, however often it was sent again after an empty success."""
    story = Story()
    story.call().meets(204, body=b"").meets(204, body=b"").meets(200).ok()

    assert [found.exchanges for found in story.judge("ERROR-06").findings] == [(2, 3)]


# ERROR-07

_BAD: list[dict[str, Any]] = [
    {"method": "GET", "path": "http://"},
    {"method": "GET", "path": "http://host:99999/"},
    {"method": "GET", "path": "http://[::1"},
    {"method": "GET", "path": "ftp://host/"},
    {"method": "G T", "path": "/users/1"},
    {"method": "GET", "path": "/users/1", "headers": {"X Y": "a"}},
]


@truth("ERROR-07")
@given(
    st.sampled_from(_BAD)
    | st.builds(
        lambda before, bad, after: {"method": "GET", "path": "/users/1", "headers": {"X-Note": before + bad + after}},
        st.text("ab ", max_size=3),
        st.sampled_from("\r\n\x00"),
        st.text("ab ", max_size=3),
    ),
    st.sampled_from(["protocol", "refused", "dns", "other", "timeout.read"]),
)
def test_a_mistake_is_a_bug(args: dict[str, Any], kind: str) -> None:
    """ERROR-07 holds exactly where a request that cannot be sent fails as a bug."""
    right, wrong = Story(), Story()
    right.call("http", args).fails("bug", attempts=0)
    wrong.call("http", args).fails(kind)

    assert right.verdict("ERROR-07") == "pass"
    assert wrong.verdict("ERROR-07") == "fail"


@given(st.integers(0, 5))
def test_a_mistake_is_not_tried_again(attempts: int) -> None:
    """ERROR-07 fails where a mistake took more than one attempt by the client's own account."""
    story = Story()
    story.call("http", _BAD[0]).fails("bug", attempts=attempts)

    assert story.verdict("ERROR-07") == ("pass" if attempts <= 1 else "fail")


def test_a_mistake_is_not_sent() -> None:
    """ERROR-07 fails where a request with a mistake was sent, ended well, or let an exception escape."""
    sent, well, escaped = Story(), Story(), Story()
    args = {"method": "GET", "path": "/users/1", "headers": {"X-Note": "a\nb"}}
    sent.call("http", args).meets(200).fails("bug")
    well.call("http", args).ok()
    escaped.call("http", args).fails("other", escaped=True)

    assert "was sent (exchange 1)" in sent.sentences("ERROR-07")[0]
    assert well.verdict("ERROR-07") == escaped.verdict("ERROR-07") == "fail"


@pytest.mark.parametrize(
    "args",
    [
        {"method": "GET", "path": "/users/1", "headers": {"X-Note": "a b\tc"}},
        {"method": "GET", "path": "http://host:8080/a"},
        {"method": "GET", "path": "{other_origin}/a"},
        {"method": "PROPFIND", "path": "/a://b"},
    ],
)
def test_what_can_be_sent_is_no_mistake(args: dict[str, Any]) -> None:
    """ERROR-07 is not exercised by requests that are in order."""
    story = Story()
    story.call("http", args).fails("refused")

    assert story.verdict("ERROR-07") == "not_exercised"


@pytest.mark.parametrize(
    "args",
    [
        {"method": "GET", "path": "http://host:0/a"},
        {"method": "GET", "path": "http:///a"},
        {"method": "GET", "path": "ftp://host:1/a"},
    ],
)
def test_a_url_needs_all_its_parts(args: dict[str, Any]) -> None:
    """ERROR-07 is exercised by an absolute URL without a host, with port 0, or of another scheme."""
    story = Story()
    story.call("http", args).fails("refused")

    assert story.verdict("ERROR-07") == "fail"


def test_port_1_is_a_port() -> None:
    """ERROR-07 is not exercised by an URL with the lowest port that there is."""
    story = Story()
    story.call("http", {"method": "GET", "path": "http://host:1/a"}).fails("refused")

    assert story.verdict("ERROR-07") == "not_exercised"


def test_what_ended_no_call_is_no_report_of_a_mistake() -> None:
    """ERROR-07 is not exercised by a mistaken call that never ended, or that was cancelled."""
    story = Story()
    story.call("http", _BAD[0]).hangs()
    story.call("http", _BAD[0]).cancelled()

    assert story.verdict("ERROR-07") == "not_exercised"


def test_the_sentences_on_mistakes() -> None:
    """ERROR-07 says what the call did, and what is wrong with it."""
    story = Story()
    story.call("http", {"method": "GET", "path": "ftp://host/"}).fails("other", escaped=True)
    story.call("http", {"method": "G T", "path": "/a"}).fails("refused")
    story.call("http", {"method": "GET", "path": "/a", "headers": {"X Y": "a"}}).fails("bug", attempts=3)
    said = [sentence.partition(") ")[2] for sentence in story.sentences("ERROR-07")]

    assert said == [
        "let an exception escape, since its URL is none of HTTP.",
        "failed as refused, though its method is none; due is bug.",
        "was tried in 3 attempts, though the name of a header is none.",
    ]
