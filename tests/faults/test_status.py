"""``status`` on the wire: the code, the body, the headers, Retry-After in all its forms, and the backend's part."""

from __future__ import annotations

import email.utils
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.errors import AuthorError
from sadpath.faults.httpdate import DateForm, http_date
from tests.engine.bench import Bench, Received, get, post, run

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


async def _one(bench: Bench, step: Any, request: bytes = get("/item", "Connection: close")) -> Received:
    bench.inject(step)
    return await bench.ask(request)


def test_an_error_is_problem_json_and_the_backend_does_not_run() -> None:
    """``status: 503`` answers problem+json that also carries ``message``, in the backend's place."""

    async def scene() -> None:
        async with Bench() as bench:
            received = await _one(bench, {"status": 503}, post("/items", b"{}", "Connection: close"))
            event = await bench.ended()
            assert received.data.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert received.header("content-type") == "application/problem+json"
            assert received.header("content-length") == str(len(received.body))
            assert json.loads(received.body) == {
                "type": "about:blank",
                "title": "Service Unavailable",
                "status": 503,
                "message": "Service Unavailable",
            }
            assert bench.backend.runs == []
            assert event.effect.committed is False
            assert (event.status, event.ended.how) == (503, "complete")
            assert [(fault.name, fault.phase) for fault in event.fired] == [("status", "request")]

    run(scene)


def test_committed_runs_the_backend_first() -> None:
    """With ``committed`` the backend's effect stands and its answer is replaced altogether."""

    async def scene() -> None:
        async with Bench() as bench:
            step = {"status": {"code": 503, "committed": True}}
            received = await _one(bench, step, post("/items", b"{}", "Connection: close"))
            event = await bench.ended()
            assert received.status == 503
            assert b"created" not in received.data
            assert (bench.backend.effects, event.effect.committed, event.effect.id) == (1, True, "e1")
            assert [(fault.name, fault.phase) for fault in event.fired] == [("status", "response")]

    run(scene)


@pytest.mark.parametrize("code", [200, 201, 299, 302, 400, 418, 429, 499, 500, 599])
def test_any_final_status(code: int) -> None:
    """Any code from 200 to 599 can be sent, registered or not; below 400 the body is by default empty."""

    async def scene() -> None:
        async with Bench() as bench:
            received = await _one(bench, {"status": code})
            assert received.status == code
            assert received.ending == "fin"
            assert (received.body == b"") is (code < 400)
            assert received.header("content-length") == str(len(received.body))

    run(scene)


@pytest.mark.parametrize("code", [204, 304])
def test_a_status_without_a_body_has_neither_body_nor_length(code: int) -> None:
    """204 and 304 have no body, whatever is asked for, and the connection can be used again."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"status": {"code": code, "body": "not for you"}})
            connection = await bench.connect()
            await connection.send(get("/item"))
            received = await connection.receive(patience=0.1)
            assert (received.status, received.body) == (code, b"")
            assert received.header("content-length") is None
            assert received.header("transfer-encoding") is None
            await connection.send(get("/item"))
            assert (await connection.answer()).status == 200
            connection.close()

    run(scene)


def test_head_has_the_length_and_no_body() -> None:
    """An injected answer to HEAD promises the length that GET would have, and sends no body."""

    async def scene() -> None:
        async with Bench() as bench:
            received = await _one(bench, {"status": 503}, get("/item", "Connection: close", method="HEAD"))
            assert (received.status, received.body) == (503, b"")
            assert int(received.header("content-length") or 0) > 50

    run(scene)


def test_bodies() -> None:
    """A body is text, JSON or a payload of ``fixtures/`` with its own content type."""

    def fixtures(name: str) -> tuple[bytes, str]:
        if name != "lying":
            raise AuthorError(f"there is no payload {name!r}")
        return b"\xff\x00lies", "application/x-lies"

    async def scene() -> None:
        async with Bench(fixtures=fixtures) as bench:
            text = await _one(bench, {"status": {"code": 500, "body": "grün"}})
            assert (text.body.decode(), text.header("content-type")) == ("grün", "text/plain; charset=utf-8")
            empty = await _one(bench, {"status": {"code": 500, "body": ""}})
            assert (empty.body, empty.header("content-type"), empty.header("content-length")) == (b"", None, "0")
            as_json = await _one(bench, {"status": {"code": 422, "body": {"json": [None, {"ä": 1}]}}})
            assert (as_json.body.decode(), as_json.header("content-type")) == ('[null,{"ä":1}]', "application/json")
            fixture = await _one(bench, {"status": {"code": 500, "body": {"fixture": "lying"}}})
            assert (fixture.body, fixture.header("content-type")) == (b"\xff\x00lies", "application/x-lies")

    run(scene)


@settings(max_examples=25, deadline=None)
@given(value=JSON)
def test_any_json_arrives_as_it_was_written(value: object) -> None:
    """Whatever JSON a scenario gives as the body is what the client parses."""

    async def scene() -> None:
        async with Bench() as bench:
            received = await _one(bench, {"status": {"code": 400, "body": {"json": value}}})
            assert json.loads(received.body) == value

    run(scene)


def test_headers_are_added_or_replaced() -> None:
    """``headers`` adds to the answer's own, and replaces those of the same name."""

    async def scene() -> None:
        async with Bench() as bench:
            headers = {"Content-Type": "application/vnd.x+json", "X-Reason": "maintenance; tea"}
            received = await _one(bench, {"status": {"code": 503, "body": {"json": {}}, "headers": headers}})
            assert received.header("content-type") == "application/vnd.x+json"
            assert received.header("x-reason") == "maintenance; tea"
            assert received.head.lower().count(b"content-type") == 1

    run(scene)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("1s", "1"),
        ("1200ms", "2"),
        ("0s", "0"),
        ("2m", "120"),
        ({"raw": "-5"}, "-5"),
        ({"raw": "1.5"}, "1.5"),
        ({"raw": ""}, ""),
    ],
)
def test_retry_after_as_seconds_or_raw(written: object, sent: str) -> None:
    """A duration becomes whole seconds, rounded up; ``raw`` is sent as it stands, though no client may like it."""

    async def scene() -> None:
        async with Bench() as bench:
            received = await _one(bench, {"status": {"code": 503, "retry_after": written}})
            assert received.header("retry-after") == sent

    run(scene)


@pytest.mark.parametrize("form", ["imf", "rfc850", "asctime"])
def test_retry_after_as_a_date_on_the_sessions_clock(form: str) -> None:
    """A date is that far from the session's time, advances included, and never earlier than asked."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.session.clock.advance(86_400.0 * 3)
            before = bench.session.clock.wall()
            received = await _one(bench, {"status": {"code": 429, "retry_after": {"date": "2s", "form": form}}})
            after = bench.session.clock.wall()
            named = _read_date(received.header("retry-after") or "", form)
            assert before + 2 <= named <= math.ceil(after + 2)
            assert _read_date(received.header("date") or "", "imf") == pytest.approx(before, abs=2)

    run(scene)


def _read_date(text: str, form: str) -> float:
    """Read a date by the standard library, which knows all three forms by itself."""
    pattern = {
        "imf": "%a, %d %b %Y %H:%M:%S GMT",
        "rfc850": "%A, %d-%b-%y %H:%M:%S GMT",
        "asctime": "%a %b %d %H:%M:%S %Y",
    }
    return datetime.strptime(text, pattern[form]).replace(tzinfo=UTC).timestamp()


@settings(deadline=None)
@given(unix=st.integers(0, 4_102_444_800))
def test_imf_dates_agree_with_the_standard_library(unix: int) -> None:
    """The form that servers must send is the one that ``email.utils`` writes."""
    assert http_date(unix) == email.utils.formatdate(unix, usegmt=True)


@settings(deadline=None)
@given(unix=st.integers(0, 3_124_223_999), form=st.sampled_from(["rfc850", "asctime"]))
def test_obsolete_dates_mean_the_same_moment(unix: int, form: DateForm) -> None:
    """The two obsolete forms, read back, are the moment that was written (two-digit years up to 2068)."""
    assert _read_date(http_date(unix, form), form) == unix


def test_the_rfcs_own_example() -> None:
    """The three forms of RFC 9110's example date."""
    forms: list[DateForm] = ["imf", "rfc850", "asctime"]
    assert [http_date(784_111_777, form) for form in forms] == [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ]


def test_an_unknown_fixture_is_the_authors_mistake() -> None:
    """A payload that does not exist is answered 500, kept with the session as the author's problem, and logged."""

    async def scene() -> None:
        async with Bench(logs=True) as bench:
            received = await _one(bench, {"status": {"code": 503, "body": {"fixture": "nowhere"}}})
            assert received.status == 500
            assert "nowhere" in json.loads(received.body)["message"]
            assert [type(error) for error in bench.session.problems] == [AuthorError]
            assert len(bench.logs) == 1
            assert (await bench.ended()).fired == ()

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl exits 0, or 22 when told to fail; httpx returns the response."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"status": 503}, then="repeat")
            assert (await bench.curl("/item"))[0] == 0
            assert (await bench.curl("/item", "--fail"))[0] == 22
            assert await bench.httpx_raises() == "no exception, but 503"

    run(scene)
