"""Which exchanges were made for which call, with and without tags."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.verify.attribution import MAX_EXCHANGES
from tests.clauses.stories import ALL, Story

UNTAGGED = ALL - {"call_tag"}


def _sequence(story: Story, attempts: list[int]) -> Story:
    """Let calls follow one another, with so many attempts each."""
    for number, count in enumerate(attempts):
        call = story.call(args={"id": number % 3 + 1})
        for _ in range(count):
            call.waits(0.3).meets(503)
        call.fails("server", 503)
    return story


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_calls_in_order_need_no_tags(attempts: list[int]) -> None:
    """Where calls follow one another, time and arguments attribute every exchange as the tags do."""
    tagged = _sequence(Story(), attempts).trace()
    untagged = _sequence(Story(capabilities=UNTAGGED), attempts).trace()

    assert untagged.attributed
    for one, other in zip(tagged.calls, untagged.calls, strict=True):
        assert [item.exchange for item in tagged.exchanges_of(one)] == [
            item.exchange for item in untagged.exchanges_of(other)
        ]


def _side_by_side(exchanges: int, calls: int, *, capabilities: frozenset[str] = UNTAGGED) -> Story:
    """Let calls for the same thing run at the same time, with so many exchanges between them."""
    story = Story(policy={"cache": {"fallback_after": None}}, capabilities=capabilities)
    tellings = [story.call(at=1.0 + index / 1000, parallel=True) for index in range(calls)]
    story.t = 2.0
    for _ in range(exchanges):
        tellings[0].waits(0.3).meets(503)
    for telling in tellings:
        telling.fails("server", 503)
    return story


@given(st.integers(1, 9), st.integers(1, 3))
def test_a_finding_needs_that_no_assignment_avoids_it(exchanges: int, calls: int) -> None:
    """RETRY-01 fails only where the exchanges cannot be shared out so that each call has at most three."""
    story = _side_by_side(exchanges, calls)
    possible = any(
        max(shares.count(call) for call in range(calls)) <= 3 for shares in product(range(calls), repeat=exchanges)
    )

    assert story.verdict("RETRY-01") == ("pass" if possible else "fail")


def test_what_cannot_be_tried_is_not_found() -> None:
    """Where there are too many exchanges to try every assignment, nothing is proved, so nothing is found."""
    story = _side_by_side(MAX_EXCHANGES + 1, 2)

    assert story.verdict("RETRY-01") == "pass"
    assert not story.trace().attributed


def test_different_arguments_keep_calls_apart() -> None:
    """Parallel calls for different things, pages or methods never share exchanges."""
    story = Story(capabilities=UNTAGGED)
    one = story.call(at=1.0, args={"id": 1}, parallel=True)
    two = story.call(at=1.0, args={"id": 2}, parallel=True)
    page = story.call("users.list", {"page": 2, "limit": 5}, at=1.0, parallel=True)
    raw = story.call("http", {"method": "get", "path": "/health"}, at=1.0, parallel=True)
    story.t = 1.1
    one.meets(200)
    two.meets(200)
    page.meets(200, query="page=2&limit=5")
    raw.meets(200, method="GET", path="/health")
    page.meets(200, query="page=3&limit=5")
    for telling in (one, two, page, raw):
        telling.ok()
    trace = story.trace()

    assert trace.attributed
    assert [[item.exchange for item in trace.exchanges_of(call)] for call in trace.calls] == [[1], [2], [3], [4]]


def test_refreshes_belong_to_no_call() -> None:
    """A refresh is nobody's, tagged or not; unless a call asked for it."""
    for capabilities in (ALL, UNTAGGED):
        story = Story(capabilities=capabilities)
        call = story.call().meets(401)
        story.refresh()
        call.meets(200, token=2).ok()
        story.call("http", {"method": "POST", "path": "/health"}).meets(200).ok()
        trace = story.trace()
        assert [item.exchange for item in trace.refreshes()] == [2]
        assert [item.exchange for item in trace.exchanges_of(trace.calls[0])] == [1, 3]

    asked = Story(capabilities=UNTAGGED)
    asked.call("http", {"method": "POST", "path": "/auth/refresh"}).meets(200).ok()
    assert asked.trace().refreshes() == ()


def test_background_work_belongs_to_no_call() -> None:
    """A cache-first read's renewal behind its back carries no tag, and without tags it need not be the next call's."""
    tagged = Story()
    tagged.call("settings.get", {}).ok(source="cache")
    tagged.exchange(tagged.t, method="GET", path="/settings", status=503, first=tagged.t, last=tagged.t, ended=tagged.t)
    assert tagged.trace().units() == ()

    untagged = Story(capabilities=UNTAGGED)
    call = untagged.call("settings.get", {}, at=1.0)
    for number in range(4):
        t = 1.1 + number
        untagged.exchange(t, method="GET", path="/settings", status=503, first=t, last=t, ended=t)
    untagged.t = 6.0
    call.fails("server", 503)
    assert untagged.verdict("RETRY-01") == "pass"


@given(st.integers(0, 4000))
def test_what_comes_after_a_fallback_may_be_background_work(waited_ms: int) -> None:
    """Without tags a network-first read's exchange is surely its own until it may have fallen back on its cache."""
    policy = {"cache": {"users.list": "network_first", "fallback_after": "2s"}}
    for changes, limit in ((policy, 1950), ({**policy, "cache": {**policy["cache"], "fallback_after": None}}, 4001)):
        story = Story(policy=changes, capabilities=UNTAGGED)
        call = story.call("users.list", at=1.0).meets(503, takes=0.0)
        story.t = 1.0 + waited_ms / 1000
        call.meets(503, takes=0.0)
        story.t = 6.0
        call.fails("server", 503)
        (group,) = story.trace().groups
        if abs(waited_ms - limit) > 1:
            assert group.certain == (waited_ms < limit)


def test_a_clock_that_is_moved_makes_a_client_fall_back_sooner() -> None:
    """What the clock is moved on counts towards the time after which background work may begin."""
    policy = {"cache": {"users.list": "network_first", "fallback_after": "2s"}}
    moved = {"calls": [{"users.list": {}}, {"advance": "1500ms"}, {"users.list": {}}]}
    story = Story(policy=policy, capabilities=UNTAGGED, scenario=moved)
    call = story.call("users.list", at=1.0).meets(503, takes=0.0)
    story.t = 1.6
    call.meets(503, takes=0.0).fails("server", 503)

    assert not story.trace().groups[0].certain


def test_a_shared_key_among_calls_that_cannot_be_told_apart() -> None:
    """IDEM-01 finds a second key of one call without tags too, where no assignment explains it."""
    for keys, verdict in ((["k1", "k1", "k2"], "pass"), (["k1", "k2", "k3"], "fail")):
        story = Story(capabilities=UNTAGGED)
        orders = [story.create(at=1.0, parallel=True, key=None) for _ in range(2)]
        story.t = 2.0
        for key in keys:
            orders[0].waits(0.3).breaks(key=key)
        for order in orders:
            order.fails("reset")
        assert story.verdict("IDEM-01") == verdict


def test_pages_are_units_of_their_own() -> None:
    """A walk through pages is split where the query changes; another call keeps its repeats together."""
    story = Story()
    walk = story.call("users.list", pages=True)
    for query in ("page=1", "page=1", "page=2"):
        walk.meets(200, query=query)
    walk.ok()
    trace = story.trace()

    assert [(unit.numbers, unit.last) for unit in trace.units()] == [((1, 2), False), ((3,), True)]


def test_phases_are_kept_apart() -> None:
    """Warm-up, healing and probe are no part of the case: neither their calls nor their refreshes."""
    story = Story()
    story.call(phase="warmup").meets(503).fails("server", 503)
    story.call().meets(200).ok()
    story.call(phase="heal").meets(401)
    story.refresh()
    story.tellings[-1].meets(200, token=2).ok()
    trace = story.trace()

    assert [unit.call.phase for unit in trace.units()] == ["case"]
    assert [item.exchange for item in trace.case_exchanges] == [2]
    assert trace.refreshes() == ()
    assert [item.exchange for item in trace.refreshes(after_case=True)] == [4]


@pytest.mark.parametrize("path", ["http://[::1/x", "http://a]/", "{other_origin}//[x"])
def test_a_url_that_is_none_is_asked_for_by_nobody(path: str) -> None:
    """A call that cannot send anything is attributed nothing, and takes nothing from the one beside it."""
    story = Story(capabilities=UNTAGGED)
    bad = story.call("http", {"method": "GET", "path": path}, at=1.0, parallel=True)
    good = story.call("http", {"method": "GET", "path": "/health"}, at=1.0, parallel=True)
    good.meets(200).ok()
    bad.fails("bug")
    trace = story.trace()

    assert [len(trace.exchanges_of(call)) for call in trace.calls] == [0, 1]
