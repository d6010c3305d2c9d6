"""RETRY-18 on told traces: what a client does about a certificate that it does not trust."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import ConnectionEvent
from tests.clauses.stories import Story, Telling, truth

FAULTS = ("tls_expired", "tls_wrong_host", "tls_self_signed")
LEFT = st.sampled_from(["fin", "rst"])


def _shows(story: Story, fault: str, *, left: str | None = "fin", trusted: bool = False) -> None:
    """Let the server show a bad certificate on a new connection."""
    number = 1 + max((event.connection for event in story.connections), default=0)
    story.connections.append(ConnectionEvent(number, "opened", "client", story.t))
    story.connections.append(ConnectionEvent(number, "handshake", "server", story.t, fault))
    story.t += 0.001
    if trusted:
        story.connections.append(ConnectionEvent(number, "handshake", "client", story.t))
    if left is not None:
        end: Any = left
        story.connections.append(ConnectionEvent(number, end, "client", story.t))


def _tries(call: Telling, times: int, fault: str, left: str = "fin") -> Telling:
    for _ in range(times):
        call.waits(0.02)
        _shows(call.story, fault, left=left)
    return call


@truth("RETRY-18")
@given(st.integers(1, 4), st.sampled_from(FAULTS), LEFT, st.sampled_from(["users.get", "orders.create", "users.list"]))
def test_once_and_no_more(times: int, fault: str, left: str, op: str) -> None:
    """RETRY-18 holds exactly where a call breaks off one handshake, whatever is wrong with the certificate."""
    story = Story()
    _tries(story.call(op, {} if op == "orders.create" else None), times, fault, left).fails("tls", attempts=times)

    assert story.verdict("RETRY-18") == ("pass" if times == 1 else "fail")


@given(st.integers(2, 5), st.sampled_from(FAULTS))
def test_each_call_may_find_out_for_itself(calls: int, fault: str) -> None:
    """RETRY-18 lets each call connect once, one after the other and at the same time; one more is a retry."""
    story, together, more = Story(), Story(), Story()
    for _ in range(calls):
        _tries(story.call(), 1, fault).fails("tls")
    for target, extra in ((together, 0), (more, 1)):
        tellings = [target.call(parallel=True, at=1.0) for _ in range(calls)]
        _tries(tellings[0], calls + extra, fault)
        for telling in tellings:
            telling.fails("tls")

    assert story.verdict("RETRY-18") == "pass"
    assert together.verdict("RETRY-18") == "pass"
    assert more.verdict("RETRY-18") == "fail"


def test_a_retry_that_goes_well_is_one_all_the_same() -> None:
    """RETRY-18 fails where the second handshake is broken off too, even if the third one is good in the end."""
    story = Story()
    _tries(story.call(), 2, "tls_self_signed").meets(200).ok()
    assert story.verdict("RETRY-18") == "fail"
    assert "connected 2 times to a server whose certificate nobody vouched for" in story.sentences("RETRY-18")[0]


@given(st.sampled_from(FAULTS), st.sampled_from(["users.get", "users.list"]))
def test_nor_hidden_behind_the_cache(fault: str, op: str) -> None:
    """RETRY-18 fails where a call that asks the network first ends well from the cache; it must say what happened."""
    hidden, told = Story(), Story()
    _tries(hidden.call(op), 1, fault).ok(source="cache")
    _tries(told.call(op), 1, fault).fails("tls")

    assert hidden.verdict("RETRY-18") == "fail"
    assert "its caller never learns of it" in hidden.sentences("RETRY-18")[0]
    assert told.verdict("RETRY-18") == "pass"


def test_the_last_that_a_call_met_counts() -> None:
    """RETRY-18 fails where the certificate came behind a broken connection, not where an answer came behind it."""
    behind, before, answered = Story(), Story(), Story()
    _tries(behind.call().breaks("rst"), 1, "tls_expired").ok(source="cache")
    _tries(before.call(), 1, "tls_expired").breaks("rst").ok(source="cache")
    _tries(answered.call().meets(200), 1, "tls_expired").ok(source="cache")

    assert [story.verdict("RETRY-18") for story in (behind, before, answered)] == ["fail", "pass", "pass"]


def test_what_the_cache_may_answer() -> None:
    """RETRY-18 lets cache-first answer, with its refresh behind it, and network-first where it had waited long enough."""
    first = Story()
    _tries(first.call("settings.get", {}), 1, "tls_expired").ok(source="cache")
    _tries(first.call("users.get"), 1, "tls_expired").fails("tls")
    assert first.verdict("RETRY-18") == "pass"

    late = Story()
    late.call().waits(3.0)
    _tries(late.tellings[0], 1, "tls_expired").ok(source="cache")
    assert late.verdict("RETRY-18") == "pass"


@pytest.mark.parametrize(
    "scenario", [{"given": {"access_token": "expired"}}, {"calls": [{"advance": "1h"}, {"users.get": {"id": 1}}]}]
)
def test_a_renewal_may_connect_beside_the_call(scenario: dict[str, Any]) -> None:
    """RETRY-18 allows for one connection more where the session may have to be renewed."""
    story, more = Story(scenario=scenario), Story(scenario=scenario)
    _tries(story.call(), 2, "tls_expired").fails("tls")
    _tries(more.call(), 3, "tls_expired").fails("tls")
    assert (story.verdict("RETRY-18"), more.verdict("RETRY-18")) == ("pass", "fail")


def test_what_is_not_its_business() -> None:
    """RETRY-18 is not exercised by a client that does not look, by a refused handshake, nor by a good certificate."""
    blind, refused, good = Story(), Story(), Story()
    call = blind.call()
    _shows(blind, "tls_expired", trusted=True)
    call.meets(200).ok()
    call = refused.call()
    for number in (1, 2):
        refused.connections.append(ConnectionEvent(number, "fin", "server", refused.t, "tls_handshake_fail"))
        refused.connections.append(ConnectionEvent(number, "fin", "client", refused.t))
    call.fails("tls")
    call = good.call()
    good.connections.append(ConnectionEvent(1, "handshake", "client", good.t))
    call.meets(503).meets(200).ok()

    assert [story.verdict("RETRY-18") for story in (blind, refused, good)] == ["not_exercised"] * 3
