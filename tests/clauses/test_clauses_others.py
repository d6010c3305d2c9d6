"""END, POOL and IDEM clauses on told traces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sadpath.faults  # noqa: F401 - fills the vocabulary from which the armed faults are made
from sadpath.core.events import ArmedFault, ConnectionEvent, FiredFault
from sadpath.scenario.vocabulary import FAULTS
from tests.clauses.stories import ALL, USER_BODY, Story

DELAYED = [FiredFault("delay", "request")]


# END-01


def test_every_call_ends() -> None:
    """END-01 fails for a call without an outcome, and names what it had sent."""
    for hangs, verdict in ((False, "pass"), (True, "fail")):
        story = Story()
        call = story.call().breaks()
        (call.hangs() if hangs else call.fails("reset"))
        assert story.verdict("END-01") == verdict
    assert "1 attempt (exchange 1)" in story.sentences("END-01")[0]


def test_a_hang_without_a_fault_is_one_too() -> None:
    """END-01 is exercised by a fault or by a hang, and not by a quiet case."""
    quiet, hung = Story(), Story()
    quiet.call().meets(200).ok()
    hung.call().hangs()

    assert (quiet.verdict("END-01"), hung.verdict("END-01")) == ("not_exercised", "fail")


@pytest.mark.parametrize(
    ("settings", "endless"),
    [({"name": "stall", "raw": None}, True), ({"name": "stall", "raw": "1s"}, False),
     ({"name": "truncate", "raw": {"after": 3, "ending": "stall"}}, True), ({"name": "truncate", "raw": 3}, False)],
)  # fmt: skip
def test_without_a_promised_end_only_bounded_faults_count(settings: dict[str, Any], endless: bool) -> None:
    """END-01 is not about clients without total and read timeout in a silence that never ends."""
    kind, _, _ = FAULTS.get(settings["name"])
    armed = ArmedFault(settings["name"], None, kind.from_file(settings["raw"]))
    for policy, verdict in (
        ({"timeouts": {"total": None, "read": None}}, "not_exercised" if endless else "fail"),
        ({}, "fail"),
    ):
        story = Story(policy=policy)
        story.call().gives_up(after=9.0).hangs()
        story.events[-1].armed = [armed]
        assert story.verdict("END-01") == verdict


@pytest.mark.parametrize("fault", ["accept_stall", "blackhole", "tls_expired"])
def test_a_connection_that_nobody_answers_is_endless(fault: str) -> None:
    """END-01 is not about clients without total and read timeout on a connection that is made and never served."""
    for policy, verdict in (({"timeouts": {"total": None, "read": None}}, "not_exercised"), ({}, "fail")):
        story = Story(policy=policy)
        story.call().hangs()
        story.connections.append(ConnectionEvent(1, "stalled", "server", 0.1, fault))
        assert story.verdict("END-01") == ("fail" if fault == "tls_expired" else verdict)


@pytest.mark.parametrize("total", [None, "9s"])
@pytest.mark.parametrize("name", ["throttle", "dribble", "slice", "delay"])
def test_slow_is_not_silent(name: str, total: str | None) -> None:
    """END-01 is not about a client without a total whose answer was still coming in, however slowly."""
    story = Story(policy={"timeouts": {"total": total}})
    call, t = story.call(), story.t
    slow = [FiredFault(name, "body", 0)]
    call.gives_up(after=9.0, status=200, first=t + 0.01, last=t + 8.9, sent=220, body=USER_BODY, fired=slow).hangs()
    excused = total is None and name != "delay"

    assert story.verdict("END-01") == ("fail" if not excused else "pass")


# POOL-01


def _probe(open_at_once: int, size: int = 4, **options: Any) -> Story:
    """Let a probe of ``size`` calls get so many connections at the same time; the others come after."""
    story = Story(policy={"pool": {"size": size}}, **options)
    story.call().breaks().fails("reset")
    start = story.t + 1.0
    for number in range(size):
        at = start if number < open_at_once else start + 0.2
        call = story.call(
            "http", {"method": "GET", "path": "/health"}, at=start, phase="pool", parallel=True, call="p", i=number
        )
        story.t = at
        call.meets(200, takes=0.15, fired=DELAYED, token=None).ok()
    return story


@given(st.integers(1, 6), st.integers(0, 6))
def test_all_connections_are_free_again(size: int, open_at_once: int) -> None:
    """POOL-01 holds exactly where as many probes as the pool has places were open at the same time."""
    most = min(size, max(open_at_once, size - open_at_once))

    assert _probe(open_at_once, size).verdict("POOL-01") == ("pass" if most >= size else "fail")


@pytest.mark.parametrize(("late_opened", "verdict"), [(False, "pass"), (True, "fail")])
def test_a_new_connection_has_its_place_from_its_opening(late_opened: bool, verdict: str) -> None:
    """POOL-01 counts a place as taken while the connection is being made, for a request comes a round trip later."""
    story = Story(policy={"pool": {"size": 2}})
    story.call().meets(200, connection=1).ok()
    start = story.t + 1.0
    for number, (arrived, connection) in enumerate([(start, 1), (start + 1.0, 2)]):
        call = story.call(
            "http", {"method": "GET", "path": "/health"}, at=start, phase="pool", parallel=True, call="p", i=number
        )
        story.t = arrived
        call.meets(200, takes=0.15, fired=DELAYED, token=None, connection=connection).ok()
    story.connections = [
        ConnectionEvent(1, "opened", "client", 0.5),
        ConnectionEvent(2, "opened", "client", start + (0.9 if late_opened else 0.1)),
    ]

    assert story.verdict("POOL-01") == verdict


def test_a_probe_that_fails_shows_the_leak() -> None:
    """POOL-01 fails where a probe got no connection at all, or never ended."""
    for tell in ("fails", "hangs"):
        story = _probe(3)
        story.events.pop()
        last = story.tellings[-1]
        last.outcome = last.ended = None
        if tell == "fails":
            last.fails("timeout.pool")
        assert story.verdict("POOL-01") == "fail"
        assert "1 of 4 calls" in story.sentences("POOL-01")[0]


def test_no_probe_no_verdict() -> None:
    """POOL-01 is not exercised without a probe, and unsupported without a promised size."""
    story = Story()
    story.call().breaks().fails("reset")
    assert story.verdict("POOL-01") == "not_exercised"

    unpromised = _probe(4)
    unpromised.policy = {"pool": {"size": None}}
    assert unpromised.verdict("POOL-01") == "unsupported"


# IDEM-01


@given(st.lists(st.sampled_from(["k1", "k2", None]), min_size=2, max_size=4))
def test_one_key_for_all_attempts(keys: list[str | None]) -> None:
    """IDEM-01 holds exactly where every attempt of a keyed call carries the same key."""
    story = Story()
    order = story.create(key=None)
    for key in keys:
        order.waits(0.3).breaks(key=key)
    order.fails("reset")
    expected = "not_exercised" if set(keys) == {None} else "pass" if len(set(keys)) == 1 else "fail"

    assert story.verdict("IDEM-01") == expected


def test_the_replay_keeps_the_key() -> None:
    """IDEM-01 counts the replay after a 401 as an attempt like any other."""
    for replayed, verdict in (("k1", "pass"), ("k2", "fail")):
        story = Story()
        order = story.create(key="k1").meets(401)
        story.refresh()
        order.meets(201, key=replayed, token=2).ok()
        assert story.verdict("IDEM-01") == verdict


def test_each_call_has_a_key_of_its_own() -> None:
    """IDEM-01 fails where two calls share a key, unless their caller gave it."""
    for key, verdict in (("k2", "pass"), ("k1", "fail")):
        story = Story()
        story.create(key="k1").meets(201).ok()
        story.create(key=key).meets(201).ok()
        assert story.verdict("IDEM-01") == verdict
    given_key = Story()
    for _ in range(2):
        args = {"method": "POST", "path": "/orders", "idempotency_key": "k1"}
        given_key.call("http", args, key="k1").breaks().meets(201).ok()
    assert given_key.verdict("IDEM-01") == "pass"


def test_one_attempt_of_one_call_proves_nothing() -> None:
    """IDEM-01 needs a second attempt or a second call, and the capability."""
    story = Story()
    story.create().meets(201).ok()
    assert story.verdict("IDEM-01") == "not_exercised"

    story.capabilities = ALL - {"idempotency_key"}
    assert story.verdict("IDEM-01") == "unsupported"


# IDEM-02


@given(st.lists(st.sampled_from(["e1", "e2", None]), min_size=1, max_size=4), st.booleans())
def test_one_effect_for_one_post(effects: list[str | None], ends_well: bool) -> None:
    """IDEM-02 holds where all attempts together had one effect, or none and the call failed, whatever the schedule."""
    story = Story()
    order = story.create()
    for effect in effects:
        order.waits(0.3).breaks(effect=effect, effect_id=effect)
    (order.ok() if ends_well else order.fails("reset"))
    distinct = {effect for effect in effects if effect is not None}
    good = len(distinct) == 1 or (not distinct and not ends_well)

    assert story.verdict("IDEM-02") == ("pass" if good else "fail")


def test_a_replayed_answer_has_the_first_ones_effect() -> None:
    """IDEM-02 takes a keyed repetition with the same answer for one effect, if the backend does not speak of them."""
    for key, body, verdict in (
        ("k1", b'{"id": 1}', "pass"),
        ("k1", b'{"id": 2}', "fail"),
        (None, b'{"id": 1}', "fail"),
    ):
        story = Story()
        order = story.create(key=key)
        order.meets(201, body=b'{"id": 1}', effect=True, effect_id="x1", fired=DELAYED)
        order.waits(0.3).meets(201, body=body, effect=True, effect_id="x2").ok()
        assert story.verdict("IDEM-02") == verdict


def test_a_success_that_a_fault_made_up() -> None:
    """IDEM-02 does not blame a client for believing a 201 that never reached the backend."""
    story = Story()
    story.create().meets(201, fired=[FiredFault("status", "request")]).ok()

    assert story.verdict("IDEM-02") == "pass"


def test_quiet_creates_and_logins_do_not_exercise_it() -> None:
    """IDEM-02 needs a create that met trouble; signing in creates nothing."""
    story = Story()
    story.create().meets(201, effect=True, effect_id="e1").ok()
    story.call("auth.login", {}, token=None).breaks().meets(200, effect=True, effect_id="e2").ok()

    assert story.verdict("IDEM-02") == "not_exercised"


@pytest.mark.parametrize(("first", "verdict"), [(True, "fail"), (False, "not_exercised")])
def test_only_a_last_attempt_that_is_being_answered_is_being_fed(first: bool, verdict: str) -> None:
    """END-01 goes by the last attempt of a call that is still being answered, where no limit over all is promised."""
    slow = {"fired": [FiredFault("dribble", "body", 1)], "status": 200, "first": 1.0, "last": 1.1, "sent": 220}
    story = Story(policy={"timeouts": {"total": None, "read": "1s"}})
    call = story.call()
    for is_slow in (first, not first):
        call._add(story.t, **(slow if is_slow else {"fired": [FiredFault("stall", "response")]}))
        story.t += 5.0
    call.hangs()

    assert (story.verdict("END-01") == "fail") == (verdict == "fail")
