"""TIME-01 on told traces: what a client makes of connects that nobody answers, and when."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sadpath.core.events import ConnectionEvent
from tests.clauses.stories import ALL, Story, truth

LIMIT, WAIT = 1.0, 0.02
PROMISE = {
    "timeouts": {"connect": "1s", "total": "500s"},
    "retry": {"max_retries": 2, "first_delay": "20ms", "factor": 1, "max_delay": "20ms", "jitter": "none"},
}


def _port(story: Story, what: Any, t: float, fault: str | None = None) -> None:
    story.connections.append(ConnectionEvent(0, what, "server", t, fault))


def _connect(story: Story, fault: str = "blackhole") -> None:
    number = len(story.connections) + 1
    story.connections.append(ConnectionEvent(number, "unreachable", "server", story.t, fault))


def _told(
    *lasted: float,
    kind: str = "timeout.connect",
    window: bool = True,
    seen: bool = True,
    wait: float = WAIT,
    said: int | None = None,
    fault: str = "blackhole",
    **facts: Any,
) -> Story:
    """Tell of a call whose connects lasted so long each; ``seen`` ones stand in the journal, as simulated ones do."""
    options = {name: facts.pop(name) for name in ("policy", "world", "capabilities") if name in facts}
    story = Story(**{"policy": PROMISE, "world": "sim" if seen else "live", **options})
    if window:
        _port(story, "unreachable", story.t - 0.5, fault)
    call = story.call(**{name: facts.pop(name) for name in ("op", "parallel") if name in facts})
    for index, seconds in enumerate(lasted):
        call.waits(wait if index else 0.0)
        if seen:
            _connect(story, fault)
        call.waits(seconds)
    story.t -= 0.001  # that is what ending a call takes in a story
    call.fails(kind, attempts=len(lasted) if said is None else said)
    unknown = facts.pop("effect_unknown", False)
    assert call.outcome is not None
    assert call.outcome.error is not None
    call.outcome.error.effect_unknown = unknown
    assert not facts
    return story


@truth("TIME-01")
@given(
    st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=3),
    st.floats(0.1, 0.9),
    st.floats(0.7, 30.0),
    st.booleans(),
    st.booleans(),
)
def test_each_connect_has_its_limit(off: list[int], short: float, long: float, window: bool, seen: bool) -> None:
    """TIME-01 holds exactly where every connect is given as long as the contract promises, seen one by one or not."""
    assume(window or seen)
    assume(seen or not {-1, 1} <= set(off))  # together they may come to what is promised
    lasted = [LIMIT + {-1: -short, 0: 0.0, 1: long}[item] for item in off]
    story = _told(*lasted, window=window, seen=seen)
    wrong = -1 in off or (1 in off and not seen) or off[-1] == 1  # what follows a long one may be a long wait

    assert story.verdict("TIME-01") == ("fail" if wrong else "pass")


@given(st.integers(1, 3), st.floats(0.0, 30.0))
def test_waits_between_connects_are_others_business(made: int, wait: float) -> None:
    """TIME-01 does not blame connects that are known for the waits between them; unknown ones, where waits are short."""
    assert _told(*[LIMIT] * made, wait=wait).verdict("TIME-01") == "pass"
    assert _told(*[LIMIT] * made, wait=min(wait, WAIT), seen=False).verdict("TIME-01") == "pass"


@given(st.sampled_from(["timeout.read", "timeout.write", "refused", "offline", "closed", "other", "dns", "tls"]))
def test_it_has_its_name(kind: str) -> None:
    """TIME-01 fails where unanswered connects are reported as anything else, for a client that tells kinds apart."""
    assert _told(LIMIT, kind=kind).verdict("TIME-01") == "fail"
    assert "due is timeout.connect" in _told(LIMIT, kind=kind).sentences("TIME-01")[0]
    assert _told(LIMIT, kind=kind, capabilities=ALL - {"error_kinds"}).verdict("TIME-01") == "pass"


@given(st.floats(0.2, 2.9))
def test_the_deadline_may_come_first(total: float) -> None:
    """TIME-01 lets a call end at its deadline, under that name, and not before it."""
    policy = {**PROMISE, "timeouts": {"connect": "1s", "total": f"{round(total * 1000)}ms"}}
    total = round(total * 1000) / 1000
    whole = int(total // (LIMIT + WAIT))
    rest = total - whole * (LIMIT + WAIT)
    assume(0.001 < rest < LIMIT)
    story = _told(*[LIMIT] * whole, rest, kind="timeout.total", policy=policy)
    assert story.verdict("TIME-01") == "pass"
    early = _told(LIMIT / 3, kind="timeout.total", policy={**PROMISE, "timeouts": {"connect": "1s", "total": "9s"}})
    assert early.verdict("TIME-01") == "fail"


def test_nothing_was_sent() -> None:
    """TIME-01 fails where a client says that the effect of what it never sent is unknown, or sends it afterwards."""
    unknown = _told(LIMIT, op="orders.create", effect_unknown=True)
    assert unknown.verdict("TIME-01") == "fail"
    assert "though nothing of it was ever sent" in unknown.sentences("TIME-01")[0]
    assert _told(LIMIT, op="orders.create").verdict("TIME-01") == "pass"

    late = _told(LIMIT)
    _port(late, "reachable", late.t + 0.1)
    late.tellings[0].waits(0.5)
    late.tellings[0].meets(200)
    assert late.verdict("TIME-01") == "fail"
    assert "was sent (exchange 1) after it had failed as timeout.connect" in late.sentences("TIME-01")[0]


def test_a_call_that_never_ends() -> None:
    """TIME-01 fails for a client that leaves its connects to the system, and waits for it for ever."""
    story = Story(policy=PROMISE)
    _port(story, "unreachable", 0.5, "blackhole")
    story.call()
    assert story.verdict("TIME-01") == "fail"


@pytest.mark.parametrize("kind", ["timeout.pool", "timeout.connect"])
def test_calls_at_the_same_time_may_wait_for_each_other(kind: str) -> None:
    """TIME-01 does not know which connect was whose where calls overlap, nor how long one waited for a place."""
    story = Story(policy=PROMISE)
    _port(story, "unreachable", 0.5, "blackhole")
    first, second = story.call(parallel=True), story.call(parallel=True)
    _connect(story)
    first.waits(LIMIT).fails("timeout.connect", attempts=1)
    second.waits(7.0).fails(kind, attempts=1)
    assert story.verdict("TIME-01") == "pass"
    story.tellings[1].waits(0.1).fails("timeout.read", attempts=1)
    assert story.verdict("TIME-01") == "fail"


def test_what_is_not_its_business() -> None:
    """TIME-01 is not exercised by refusals, answers, cancels, the cache, nor by a window that was over meanwhile."""
    assert _told(0.001, kind="refused", fault="refuse").verdict("TIME-01") == "not_exercised"

    answered = Story(policy=PROMISE)
    answered.call().meets(200).ok()
    assert answered.verdict("TIME-01") == "not_exercised"

    for end in ("cancelled", "cache"):
        story = Story(policy=PROMISE)
        _port(story, "unreachable", 0.5, "blackhole")
        call = story.call().waits(LIMIT)
        call.cancelled() if end == "cancelled" else call.ok(source="cache")
        assert story.verdict("TIME-01") == "not_exercised"

    asked = Story(policy=PROMISE)  # what is said of a cancel is CANCEL-02's
    _port(asked, "unreachable", 0.5, "blackhole")
    asked.call(cancel_after=LIMIT / 2).waits(LIMIT / 2).fails("other")
    assert asked.verdict("TIME-01") == "not_exercised"

    over = Story(policy=PROMISE)
    _port(over, "unreachable", 0.5, "blackhole")
    _port(over, "reachable", 1.2)
    over.call().waits(LIMIT).fails("timeout.read", attempts=1)
    assert over.verdict("TIME-01") == "not_exercised"

    mixed = _told(LIMIT, kind="other", window=False)
    mixed.connections.append(ConnectionEvent(9, "opened", "client", mixed.t - 0.1))
    assert mixed.verdict("TIME-01") == "not_exercised"


def test_it_needs_a_promise() -> None:
    """TIME-01 is unsupported for a client that promises no limit."""
    story = _told(LIMIT, policy={"timeouts": {"connect": None}})
    assert story.verdict("TIME-01") == "unsupported"


# What connects that no exchange tells of mean to other clauses


def _lost(story: Story, fault: str = "refuse") -> None:
    """Let a connect get nowhere, unseen by any exchange."""
    story.connections.append(ConnectionEvent(90 + len(story.connections), "unreachable", "server", story.t, fault))


@pytest.mark.parametrize("lost", [False, True])
def test_a_wait_may_hold_a_connect_that_failed(*, lost: bool) -> None:
    """RETRY-05's ceiling is not for waits in which, or before which, a connect may have failed as well."""
    for first in (True, False):
        story = Story(policy={"retry": {"jitter": "full", "first_delay": "20ms", "max_delay": "1s"}})
        call = story.call()
        if lost and first:
            _lost(story)
        call.meets(503)
        if lost and not first:
            _lost(story)
        call.waits(0.5).meets(200).ok()
        assert story.verdict("RETRY-05") == ("pass" if lost else "fail")


@pytest.mark.parametrize("lost", [False, True])
def test_the_last_failure_may_be_one_that_no_exchange_tells_of(*, lost: bool) -> None:
    """ERROR-02 does not take a 401 for the last that a call met, where the connect of a renewal may have failed."""
    story = Story()
    call = story.call("orders.create", {}).meets(401)
    if lost:
        _lost(story)
    call.waits(0.01).fails("refused")
    assert story.verdict("ERROR-02") == ("not_exercised" if lost else "fail")


@pytest.mark.parametrize("lost", [False, True])
def test_what_hides_a_failure_may_be_another(*, lost: bool) -> None:
    """CACHE-01 and CACHE-02 allow for a renewal that was not connected, behind a 401."""
    story = Story(scenario={"given": {"cache": "stale"}}, facts={"warmed": (("users.get", '{"id": 1}'),)})
    call = story.call().meets(401)
    if lost:
        _lost(story)
    call.waits(0.01).ok(source="cache")
    assert [story.verdict(name) for name in ("CACHE-01", "CACHE-02")] == (["pass"] * 2 if lost else ["fail"] * 2)


def test_a_window_is_lost_time_from_its_beginning_to_its_end() -> None:
    """Where single connects are not seen, a port that lets nobody in may have kept any of them away meanwhile."""
    story = Story()
    _port(story, "unreachable", 2.0, "refuse")
    _port(story, "reachable", 3.0)
    _port(story, "unreachable", 5.0, "blackhole")
    trace = story.trace()
    spans = [(0.0, 1.9), (0.0, 2.0), (2.5, 2.6), (3.0, 4.0), (3.1, 4.9), (4.0, 9.0), (8.0, 9.0)]
    assert [trace.lost_before_http(*span) for span in spans] == [False, True, True, True, False, True, True]


# The limits of all connects together, and other edges

GROWING: dict[str, Any] = {"max_retries": 2, "first_delay": "20ms", "factor": 2, "max_delay": "1s", "jitter": "none"}


def _together(
    took: float, said: int | None, *, latency: str = "0ms", retry: dict[str, Any] | None = None, **facts: Any
) -> Story:
    """Tell of a call none of whose connects are seen one by one, which took so long and says how many there were."""
    policy = {"timeouts": {"connect": "1s", "total": "500s"}, "retry": {**GROWING, **(retry or {})}}
    story = _told(took, seen=False, policy=policy, **{"world": "sim", **facts})
    story.scenario = {"given": {"network": {"latency": latency}}}
    assert story.tellings[0].outcome is not None
    story.tellings[0].outcome.attempts = said
    return story


@pytest.mark.parametrize(
    ("said", "took", "verdict"),
    [(1, 0.9, "fail"), (1, 1.0, "pass"), (1, 1.0012, "pass"), (1, 1.003, "fail"), (0, 0.9, "fail"), (0, 1.0, "pass"),
     (0, 1.003, "fail"), (2, 1.9, "fail"), (2, 2.04, "pass"), (2, 2.05, "fail"), (3, 2.9, "fail"), (3, 3.12, "pass"),
     (3, 3.13, "fail"), (None, 0.9, "fail"), (None, 1.0, "pass"), (None, 3.12, "pass"), (None, 3.13, "fail")],
)  # fmt: skip
def test_what_all_connects_take_together(said: int | None, took: float, verdict: str) -> None:
    """TIME-01 goes by how many attempts a call says it made, or by how many it promises, with the waits between them."""
    assert _together(took, said).verdict("TIME-01") == verdict


@pytest.mark.parametrize(("took", "verdict"), [(2.33, "pass"), (2.36, "fail")])
def test_each_connect_takes_three_round_trips_more(took: float, verdict: str) -> None:
    """TIME-01 leaves three round trips to each connect."""
    assert _together(took, 2, latency="50ms").verdict("TIME-01") == verdict


@pytest.mark.parametrize(("lasts", "verdict"), [(1.14, "pass"), (1.16, "fail")])
def test_a_connect_that_is_seen_takes_three_round_trips_more(lasts: float, verdict: str) -> None:
    """TIME-01 leaves three round trips to a connect that is known."""
    story = _told(lasts)
    story.scenario = {"given": {"network": {"latency": "50ms"}}}

    assert story.verdict("TIME-01") == verdict


@pytest.mark.parametrize(("took", "verdict"), [(1.45, "pass"), (1.55, "fail")])
def test_real_machines_get_slack(took: float, verdict: str) -> None:
    """TIME-01 leaves half a second to a busy machine where time is real."""
    assert _together(took, 1, world="live").verdict("TIME-01") == verdict


@pytest.mark.parametrize(("took", "verdict"), [(0.9, "fail"), (1.0, "pass"), (50.0, "pass")])
def test_beside_others_one_limit_is_due(took: float, verdict: str) -> None:
    """TIME-01 asks of a call beside others for one connect's time at least, and knows no longest."""
    assert _together(took, 2, parallel=True).verdict("TIME-01") == verdict


def test_without_promised_waits_there_is_no_longest_time() -> None:
    """TIME-01 knows no longest time where no waits, or no number of retries, are promised."""
    unknown = {"first_delay": None, "max_delay": None, "factor": None}
    assert _together(50.0, 3, retry=unknown).verdict("TIME-01") == "pass"
    assert _together(50.0, None, retry={"max_retries": None}).verdict("TIME-01") == "pass"
    assert _together(3.01, 3, retry={"first_delay": "0s"}).verdict("TIME-01") == "fail"
    assert _together(3.0, 3, retry={"first_delay": "0s"}).verdict("TIME-01") == "pass"


def test_its_sentences_on_time() -> None:
    """TIME-01 says how long the connects took, and how long they had."""
    title = "Call c0/0 (users.get id=1)"
    assert _together(0.5, None).sentences("TIME-01") == [
        f"{title} gave up after 0.500 s, where the contract promises to give 1 connect 1.000 s each."
    ]
    assert _together(1.5, 2).sentences("TIME-01") == [
        f"{title} gave up after 1.500 s, where the contract promises to give 2 connects 1.000 s each."
    ]
    assert _together(5.0, 1).sentences("TIME-01") == [
        f"{title} gave up only after 5.000 s, where 1 connect and the waits between them take at most 1.000 s."
    ]
    assert _together(5.0, 0).sentences("TIME-01") == [
        f"{title} gave up only after 5.000 s, where 1 connect and the waits between them take at most 1.000 s."
    ]


@pytest.mark.parametrize(
    ("retry", "total", "verdict"),
    [({}, "1.03s", "pass"), ({}, "1.05s", "fail"), ({"max_retries": 0}, "1s", "pass"),
     ({"max_retries": 0}, "1.01s", "fail"), ({"first_delay": "0s"}, "1s", "pass"), ({"first_delay": "0s"}, "1.01s", "fail"),
     ({"first_delay": None, "max_delay": None, "factor": None}, "60s", "pass"), ({"max_retries": None}, "1.01s", "fail")],
)  # fmt: skip
def test_the_longest_wait_may_cross_the_deadline(retry: dict[str, Any], total: str, verdict: str) -> None:
    """TIME-01 lets a call end as out of time where its longest wait would not have fitted before its deadline."""
    policy = {"timeouts": {"connect": "1s", "total": total}, "retry": {**GROWING, **retry}}
    story = _told(LIMIT, kind="timeout.total", policy=policy)

    assert story.verdict("TIME-01") == verdict


@pytest.mark.parametrize("total", ["1.5s", None])
def test_too_early_is_too_early_before_any_deadline(total: str | None) -> None:
    """TIME-01 fails for a connect that was given up too early before the deadline, or without one."""
    for seen in (False, True):
        story = _told(0.6, seen=seen, world="sim", policy={**PROMISE, "timeouts": {"connect": "1s", "total": total}})
        assert story.verdict("TIME-01") == "fail"


def test_whatever_came_before_each_call_is_looked_at() -> None:
    """TIME-01 looks at a call behind one that went well, that was cancelled, or that never ended."""
    for how in ("ok", "cancelled", "hangs"):
        story = Story(policy=PROMISE)
        _port(story, "unreachable", 0.5, "blackhole")
        first = story.call(cancel_after=0.5 if how == "cancelled" else None, parallel=True).waits(0.5)
        if how == "ok":
            first.ok(source="cache")
        elif how == "cancelled":
            first.fails("other")
        story.call(args={"id": 2}).waits(LIMIT).fails("refused", attempts=1)
        assert "c1/0" in [found.call for found in story.judge("TIME-01").findings]


def test_a_cancel_at_the_end_may_have_ended_it() -> None:
    """TIME-01 is not about a call that was to be cancelled as it ended, as exactly as real clocks show."""
    story = Story(policy=PROMISE, world="live")
    _port(story, "unreachable", 0.5, "blackhole")
    story.call(cancel_after=0.53).waits(0.5).fails("other", attempts=1)

    assert story.verdict("TIME-01") == "not_exercised"


@pytest.mark.parametrize(("took", "verdict"), [(3.9, "fail"), (4.0, "pass"), (4.04, "pass"), (4.06, "fail")])
def test_another_limit(took: float, verdict: str) -> None:
    """TIME-01 goes by the limit that is promised, as often as a call says that it connected."""
    story = _together(took, 2)
    story.policy = {**story.policy, "timeouts": {"connect": "2s", "total": "500s"}}

    assert story.verdict("TIME-01") == verdict


@pytest.mark.parametrize(("total", "verdict"), [("1.05s", "pass"), ("1.08s", "fail")])
def test_the_longest_wait_may_be_the_first(total: str, verdict: str) -> None:
    """TIME-01 looks for the longest of all waits, whichever it is."""
    waits = {"max_retries": 2, "delays": ["60ms", "20ms"], "first_delay": None, "factor": None, "jitter": "none"}
    story = _told(LIMIT, kind="timeout.total", policy={"timeouts": {"connect": "1s", "total": total}, "retry": waits})

    assert story.verdict("TIME-01") == verdict
