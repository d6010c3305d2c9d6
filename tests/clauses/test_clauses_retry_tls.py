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


def test_calls_one_after_the_other_are_counted_apart() -> None:
    """RETRY-18 lends no call the connection that another, earlier or later, did not need."""
    for first, second in ((2, 0), (0, 2)):
        story = Story()
        for times in (first, second):
            call = _tries(story.call(), times, "tls_expired")
            (call.fails("tls") if times else call.meets(200).ok())
        assert story.verdict("RETRY-18") == "fail"


def test_what_overlaps_is_counted_together() -> None:
    """RETRY-18 lets two calls at the same time connect twice, whatever came before, and from when the first began."""
    apart, early = Story(), Story()
    _tries(apart.call(), 1, "tls_expired").fails("tls")
    for story, times in ((apart, 2), (early, 3)):
        first = _tries(story.call(), times, "tls_expired")
        _tries(story.call(parallel=True), 0, "tls_expired").waits(0.1).fails("tls")
        first.fails("tls")

    assert (apart.verdict("RETRY-18"), early.verdict("RETRY-18")) == ("pass", "fail")


@pytest.mark.parametrize(
    ("calls", "said"),
    [(1, "Call c0/0 (users.get id=1) connected 5 times to a server whose certificate had expired"),
     (2, "Call c0/0 (users.get id=1) and call c1/0 (users.get id=1) connected 5 times"),
     (3, "The 3 calls at that time connected 5 times to a server whose certificate had expired")],
)  # fmt: skip
def test_who_connected_too_often(calls: int, said: str) -> None:
    """RETRY-18 names up to two calls that connected at the same time, and what was wrong with the first certificate."""
    story = Story()
    tellings = [story.call(parallel=True, at=1.0) for _ in range(calls)]
    _tries(_tries(tellings[0], 4, "tls_expired"), 1, "tls_wrong_host")
    for telling in tellings:
        telling.fails("tls")
    found = story.judge("RETRY-18").findings[0]

    assert found.sentence.startswith(said)
    assert found.call == "c0/0"


def test_what_another_call_met_is_not_hidden_by_this_one() -> None:
    """RETRY-18 does not blame a call that was over before another, beside it, met the certificate."""
    story = Story()
    first = story.call()
    second = story.call(parallel=True)
    first.meets(200).ok()
    _tries(second, 1, "tls_expired").fails("tls")

    assert story.verdict("RETRY-18") == "pass"


@pytest.mark.parametrize(("lasts", "verdict"), [(2.9, "fail"), (2.96, "pass"), (3.0, "pass")])
def test_network_first_may_answer_from_when_its_patience_is_over(lasts: float, verdict: str) -> None:
    """RETRY-18 lets network-first answer from the cache at its fallback deadline, as exactly as that can be seen."""
    story = Story(policy={"cache": {"fallback_after": "3s"}}, scenario={"given": {"network": {"latency": "50ms"}}})
    call = _tries(story.call(), 1, "tls_expired")
    story.t = call.started + lasts - 0.001
    call.ok(source="cache")

    assert story.verdict("RETRY-18") == verdict
