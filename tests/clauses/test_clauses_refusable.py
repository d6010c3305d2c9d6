"""Answers that a client may refuse: in a coding that they are not in, with too large a head, or broken within."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import Ended, ExchangeEvent, FiredFault
from sadpath.verify.codings import content_of, may_be_refused
from sadpath.verify.entries import undecodable
from sadpath.verify.sight import INVALID, Limits, json_in, look
from tests.clauses.stories import USER, USER_BODY, Story

READ = {"timeouts": {"read": "1s", "total": "60s"}, "retry": {"max_retries": 3}}
GZIP = [("content-type", "application/json"), ("Content-Encoding", "gzip")]
ASKED = [("accept", "application/json"), ("Accept-Encoding", "gzip, deflate")]
PLAIN: dict[str, Any] = {"headers": GZIP, "sent_headers": ASKED, "fired": [FiredFault("broken_gzip", "response")]}
"""Facts of an exchange whose body says that it is gzip, and is none."""

LARGE = [("content-type", "application/json"), ("x-oversized", "x" * 9000)]


def _exchange(**facts: Any) -> ExchangeEvent:
    usual: dict[str, Any] = {
        "session": "s", "connection": 1, "exchange": 1, "method": "GET", "path": "/users/1", "status": 200,
        "bytes_sent": 20_000, "t_arrived": 10.0, "t_first_byte": 10.1, "t_last_byte": 10.1, "t_ended": 10.1,
        "ended": Ended("complete"),
    }  # fmt: skip
    return ExchangeEvent(**{**usual, **facts})


# Codings


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_a_coding_is_undone(value: Any) -> None:
    """What is in the coding that it names is read as what was coded."""
    body = gzip.compress(json.dumps(value).encode())
    for name in ("gzip", "X-GZIP"):
        assert json_in(_exchange(response_body=body, response_headers=[("content-encoding", name)])) == value


@given(st.binary(min_size=1).filter(lambda body: not body.startswith(b"\x1f\x8b")), st.booleans())
def test_a_coding_that_is_not_there_is_unreadable_to_who_asked_for_it(body: bytes, asked: bool) -> None:
    """A body that is not in its coding is none to a client that asked for codings; to any other it may be as it comes."""
    exchange = _exchange(response_body=body, response_headers=GZIP, request_headers=ASKED if asked else [])

    assert content_of(exchange) == (None if asked else body)
    assert content_of(_exchange(response_body=body, response_headers=[("content-encoding", "br")])) == body


@given(st.integers(0, 400))
def test_a_coding_that_breaks_off_is_unreadable(size: int) -> None:
    """A stream without its end is no answer, wherever it was cut."""
    body = gzip.compress(json.dumps(list(range(100))).encode())
    exchange = _exchange(response_body=body[: min(size, len(body) - 1)], response_headers=GZIP, request_headers=ASKED)

    assert undecodable(exchange) == (size > 0)
    assert json_in(exchange) is INVALID


def test_a_renewal_that_cannot_be_decoded_has_failed() -> None:
    """AUTH-01 and ERROR-02 let a call fail by a refresh whose tokens stand in a body that cannot be decoded."""
    for facts, verdict in ((PLAIN, "pass"), ({}, "fail")):
        story = Story()
        call = story.call().meets(401)
        story.refresh(200, **facts)
        call.fails("decode", 200)
        assert [story.verdict("AUTH-01"), story.verdict("ERROR-02")] == [verdict] * 2


@pytest.mark.parametrize("state", ["corrupt", "unwritable"])
def test_a_broken_cache_is_not_to_blame_for_a_coding(state: str) -> None:
    """CACHE-14 lets a call fail on an answer that cannot be decoded, and ERROR-05 wants it to."""
    for facts, verdict in ((PLAIN, "pass"), ({}, "fail")):
        story = Story(scenario={"given": {"cache": state}})
        story.call().meets(200, **facts).fails("decode", 200)
        assert story.verdict("CACHE-14") == verdict
    served = Story()
    served.call().meets(200, **PLAIN).ok()
    assert served.verdict("ERROR-05") == "fail"


def test_what_was_decoded_is_the_truth() -> None:
    """HONEST-02 reads a coded answer as the client does."""
    for value, verdict in ((USER, "pass"), ({**USER, "id": 2}, "fail")):
        story = Story()
        story.call().meets(200, body=gzip.compress(USER_BODY), headers=GZIP).ok(value=value)
        assert story.verdict("HONEST-02") == verdict


# Heads without measure, and answers that are broken within


@given(st.integers(0, 20_000))
def test_nothing_is_sure_of_a_large_head(size: int) -> None:
    """Whether an answer with a head beyond what parsers take was read is not sure, and that it failed is not either."""
    exchange = _exchange(response_headers=[("x-oversized", "x" * size)], response_body=b"{}")
    sight = look(exchange, Limits(read=1.0, exact=True))

    large = size + len("x-oversized: \r\n") > 8000
    assert (sight.sure, sight.told, sight.clear) == (not large, not large, False)
    assert sight.failures == ({"truncated", "closed", "reset", "protocol"} if large else set())
    assert may_be_refused(exchange) == large


@pytest.mark.parametrize("kind", ["ok", "protocol", "closed", "timeout.read", "server"])
def test_a_large_head_is_an_answer_or_a_broken_message(kind: str) -> None:
    """ERROR-02 takes a head without measure for a broken message or nothing, and never for another failure."""
    story = Story(policy=READ)
    call = story.call().meets(200, headers=LARGE)
    call.ok() if kind == "ok" else call.fails(kind)

    assert story.verdict("ERROR-02") == {"ok": "not_exercised", "timeout.read": "fail", "server": "fail"}.get(
        kind, "pass"
    )


@given(st.sampled_from(["broken_chunk", "broken_gzip", "garbage", "wrong_length", "oversized_header"]), st.booleans())
def test_leaving_a_broken_answer_is_no_impatience(name: str, again: bool) -> None:
    """TIME-03 holds nothing against a client that leaves an answer which is broken, however early."""
    for fault, verdict in ((name, "pass"), ("delay", "fail")):
        story = Story(policy=READ)
        call, t = story.call(), story.t
        headers = LARGE if fault == "oversized_header" else GZIP[:1]
        facts: dict[str, Any] = {"status": 200, "first": t + 0.01, "last": t + 0.01, "sent": 9100, "headers": headers}
        call.gives_up(after=0.02, body=USER_BODY, fired=[FiredFault(fault, "body", 5)], **facts)
        call.waits(0.4).meets(200).ok() if again else call.fails("timeout.read")
        assert story.verdict("TIME-03") == verdict


@given(st.sampled_from([404, 503]), st.booleans(), st.booleans())
def test_bytes_left_in_a_connection_may_spoil_the_next_answer(status: int, surplus: bool, same: bool) -> None:
    """ERROR-02 lets a call fail as a broken message only where its connection still held bytes of another answer."""
    story = Story(policy={"retry": {"max_retries": 0}})
    how: dict[str, Any] = {"how": "complete"} if surplus else {"how": "fin", "by": "server"}
    cut = {"status": 200, "body": USER_BODY[:-1], "fired": [FiredFault("wrong_length", "body", 5)], "connection": 9}
    call, t = story.call(), story.t
    call._add(t, first=t, last=t, ended=t, **cut, **how)
    call.fails("decode" if surplus else "closed", 200)
    story.call().meets(status, connection=9 if same else 10).fails("protocol")

    assert story.verdict("ERROR-02") == ("pass" if surplus and same else "fail")
