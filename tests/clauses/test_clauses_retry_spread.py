"""RETRY-06: what one told case adds, what it must leave out, and what many of them come to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.core.chance import draw
from sadpath.verify.clauses import clause
from sadpath.verify.clauses.base import Sample
from tests.clauses.stories import ALL, Story, truth

CLAUSE = clause("RETRY-06")
SLOW: dict[str, Any] = {"first_delay": "1s", "max_delay": "8s", "factor": 2, "budget": None}
ROOMY: dict[str, Any] = {"timeouts": {"total": "600s"}, "cache": {"fallback_after": None}}


def _policy(jitter: str, **others: Any) -> dict[str, Any]:
    return {**ROOMY, "retry": {**SLOW, "jitter": jitter, **others}}


def _samples(story: Story) -> tuple[Sample, ...]:
    return story.judge("RETRY-06").samples


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=2), st.sampled_from(["full", "equal"]))
def test_each_wait_is_known_as_a_part_of_its_span(parts: list[float], jitter: str) -> None:
    """A case adds each of its waits, as the part of the way that it went from the shortest to the longest."""
    story = Story(policy=_policy(jitter))
    call = story.call().meets(503)
    for number, part in enumerate(parts):
        longest = 2.0**number
        shortest = longest / 2 if jitter == "equal" else 0.0
        call.waits(shortest + part * (longest - shortest) + 0.0005).meets(503)
    call.fails("server", 503)
    found = story.judge("RETRY-06")

    assert found.verdict == "pass"
    assert len(found.samples) == len(parts)
    for part, (low, high) in zip(parts, found.samples, strict=True):
        assert low - 1e-9 <= part <= high + 1e-9
        assert high - low <= 0.01


def _told(policy: dict[str, Any], wait: float = 0.5, **options: Any) -> Story:
    story = Story(policy=policy, **options)
    story.call().meets(503).waits(wait).meets(200).ok()
    return story


@pytest.mark.parametrize("section", [{"timeouts": {"total": "1.001s"}}, {"cache": {"fallback_after": "1.001s"}}])
def test_waits_that_something_would_have_cut_off_are_left_out(section: dict[str, Any]) -> None:
    """A wait says nothing where a longer one would not have been seen: that would leave too many short ones."""
    assert len(_samples(_told(_policy("full")))) == 1
    assert _samples(_told({**_policy("full"), **section})) == ()
    cancelled = Story(policy=_policy("full"))
    cancelled.call(cancel_after=0.9).meets(503).waits(0.5).meets(200).ok()
    assert _samples(cancelled) == ()


def test_waits_that_are_not_known_are_left_out() -> None:
    """A wait says nothing on real sockets, beside other calls or a refresh, or where its beginning is open."""
    live = _told(_policy("full"), world="live")
    beside = Story(policy=_policy("full"))
    beside.call(parallel=True).meets(503).waits(0.5).meets(200).ok()
    refreshed = Story(policy=_policy("full"))
    call = refreshed.call().meets(503)
    refreshed.refresh()
    call.waits(0.5).meets(200).ok()
    slow = Story(policy=_policy("full", first_delay="20ms"))
    start = slow.t + 0.001
    call = slow.call()
    times = {"first": start + 0.1, "last": start + 0.15, "ended": start + 0.15}
    slow.exchange(start, method="GET", path="/users/1", call=call.tag, status=503, body=b"{}", **times)
    slow.t = start + 0.16
    call.meets(200).ok()

    assert [_samples(story) for story in (live, beside, refreshed, slow)] == [(), (), (), ()]


def test_waits_of_another_kind_are_left_out() -> None:
    """A wait says nothing where a Retry-After ruled it, where it is no retry's, or where its number is open."""
    told = Story(policy=_policy("full"))
    told.call().meets(503, headers=[("retry-after", "0")]).waits(0.5).meets(200).ok()
    replay = Story(policy=_policy("full"))
    replay.call().meets(401).meets(200).ok()
    unseen = Story(policy=_policy("full"))
    unseen.call().meets(200, connection=4).ok()
    unseen.call(args={"id": 2}).breaks("fin", connection=4).meets(503).waits(0.5).meets(200).ok()

    assert [_samples(story) for story in (told, replay, unseen)] == [(), (), ()]


def test_who_does_not_promise_to_spread_is_not_asked() -> None:
    """RETRY-06 is unsupported for a client without jitter, and not exercised by a case without a wait."""
    assert _told(_policy("none")).verdict("RETRY-06") == "unsupported"
    quiet = Story(policy=_policy("full"))
    quiet.call().meets(200).ok()
    assert quiet.verdict("RETRY-06") == "not_exercised"


def test_without_tags_only_certain_waits_count() -> None:
    """A client without ``call_tag`` adds the waits of calls that nothing else can have made."""
    story = _told(
        {**_policy("full"), "cache": {"users.get": None, "fallback_after": None}}, capabilities=ALL - {"call_tag"}
    )

    assert len(_samples(story)) == 1


# Together


@truth("RETRY-06")
@settings(max_examples=20, deadline=None)
@given(
    st.integers(195, 220), st.integers(0, 2**32), st.sampled_from(["full", "equal"]), st.sampled_from(["even", "fixed"])
)
def test_many_waits_are_judged_together(count: int, seed: int, jitter: str, how: str) -> None:
    """RETRY-06 says nothing of fewer than 200 waits; of more it tells those that are drawn from those that are fixed."""
    story = Story(policy=_policy(jitter))
    for number in range(count):
        part = draw("together", seed, number) if how == "even" else 1.0
        wait = part if jitter == "full" else 0.5 + part / 2
        story.call().meets(503).waits(wait + 0.0005).meets(200).ok()

    enough = "pass" if how == "even" else "fail"
    assert story.together("RETRY-06") == (enough if count >= 200 else "not_exercised")


def _said(parts: list[float]) -> str | None:
    assert CLAUSE.pooling is not None
    return CLAUSE.pooling.reject([(part - 0.001, part + 0.001) for part in parts])


@given(st.integers(200, 600), st.integers(0, 2**32))
def test_waits_that_are_spread_are_found_so(count: int, seed: int) -> None:
    """Nothing is said of waits that are drawn evenly."""
    assert _said([draw("even", seed, i) for i in range(count)]) is None


@given(st.integers(200, 600), st.integers(0, 2**32), st.sampled_from(["fixed", "none", "twice", "upper half"]))
def test_waits_that_are_not_spread_are_found_out(count: int, seed: int, how: str) -> None:
    """A sentence tells of waits that are always the longest, always nothing, twice as long, or in the upper half."""
    ways = {
        "fixed": lambda part: 1.0 + 0 * part,
        "none": lambda part: 0 * part,
        "twice": lambda part: 2 * part,
        "upper half": lambda part: 0.5 + part / 2,
    }
    sentence = _said([ways[how](draw("odd", seed, i)) for i in range(count)])

    assert sentence is not None
    assert sentence.startswith(f"Of {count} waits before retries, taken over all cases of this run, at ")
    assert ("at least" in sentence) == (how == "none")


@pytest.mark.parametrize("off", [0.03, 0.08])
def test_a_little_off_is_left_to_chance(off: float) -> None:
    """What chance may explain is not held against the client, however it came about."""
    assert _said([off + (1 - off) * (i + 0.5) / 300 for i in range(300)]) is None


# How exactly one wait is known


def _one(policy: dict[str, Any], *, latency: str = "0ms", again: float = 1.0, **times: Any) -> Story:
    """Tell of an attempt that was answered at these times after its arrival at 0, and of the next one."""
    story = Story(policy=policy, t=0.0, scenario={"given": {"network": {"latency": latency}}})
    call = story.call(at=0.0, call="c0")
    whole = {"status": 503, "first": 0.1, "last": 0.1, "ended": 0.1, "body": b"{}", **times}
    story.exchange(0.0, method="GET", path="/users/1", call=call.tag, connection=1, **whole)
    story.t = again
    return story


def _again(story: Story, connection: int) -> list[tuple[float, float]]:
    story.tellings[0].meets(200, connection=connection).ok()
    return [(round(low, 4), round(high, 4)) for low, high in _samples(story)]


@pytest.mark.parametrize(
    ("times", "begins"),
    [({}, 0.1), ({"last": 0.12, "ended": 0.12}, 0.12), ({"last": 0.12, "ended": 0.14}, 0.14),
     ({"last": 0.12, "ended": None}, 0.12),
     ({"status": None, "first": None, "last": None, "how": "rst", "by": "server"}, 0.1)],
)  # fmt: skip
def test_from_when_a_wait_may_be_counted(times: dict[str, Any], begins: float) -> None:
    """A wait began between the head of the answer and its end, or the connection's: so exactly its length is known."""
    trip = 0.0002
    for connection, trips in ((1, 1), (2, 4)):
        found = _again(_one(_policy("full"), **times), connection)
        assert found == [(round(1.0 - begins - trips * trip, 4), round(0.9 - trip, 4))]


def test_how_little_the_network_takes_away() -> None:
    """A wait is known to a hundred-thousandth of a second, and the round trips that it may have had beside it."""
    story = _one(_policy("full"), latency="1ms")
    story.tellings[0].meets(200, connection=2).ok()
    (low, high), trip = _samples(story)[0], 0.0012

    assert low == pytest.approx(0.9 - 4 * trip - 1e-5, abs=1e-9)
    assert high == pytest.approx(0.9 - trip + 1e-5, abs=1e-9)


@pytest.mark.parametrize(("span", "count"), [("100ms", 0), ("390ms", 0), ("410ms", 1)])
def test_a_wait_must_be_known_to_a_twentieth(span: str, count: int) -> None:
    """A wait says nothing where more than a twentieth of its span is open."""
    story = _one(_policy("full", first_delay=span), last=0.1194, ended=0.1194)

    assert len(_again(story, 2)) == count


@pytest.mark.parametrize(("total", "count"), [("8.10s", 0), ("8.28s", 0), ("8.34s", 0), ("8.37s", 1), ("9s", 1)])
def test_the_longest_wait_must_have_had_room(total: str, count: int) -> None:
    """A wait says nothing where the longest one, with its way there, would have crossed the call's deadline."""
    policy = {**_policy("full", first_delay="8s"), "timeouts": {"total": total}}

    assert len(_again(_one(policy, latency="50ms"), 2)) == count


@pytest.mark.parametrize(("after", "count"), [("1.0s", 0), ("600s", 1)])
def test_a_fallback_must_have_left_room(after: str, count: int) -> None:
    """A wait says nothing where the longest one would have been cut off by the fallback deadline, counted from the start."""
    assert len(_again(_one({**_policy("full"), "cache": {"fallback_after": after}}), 2)) == count


@pytest.mark.parametrize(
    "scenario",
    [{"calls": [{"advance": "1s"}]}, {"faults": [{"on": "connection", "fault": "accept_close"}]}],
)
def test_what_moves_the_clock_or_shuts_the_port_leaves_nothing_known(scenario: dict[str, Any]) -> None:
    """A case says nothing of waits where the clock was moved, nor where attempts may have ended before HTTP."""
    story = _told(_policy("full"))
    assert len(_samples(story)) == 1
    assert CLAUSE.trigger(story.trace())
    story.scenario = scenario
    assert _samples(story) == ()
    assert not CLAUSE.trigger(story.trace())


@pytest.mark.parametrize("count", [199, 200])
def test_from_how_many_waits_on_something_is_said(count: int) -> None:
    """RETRY-06 asks for 200 waits."""
    story = Story(policy=_policy("full"))
    for _ in range(count):
        story.call().meets(503).waits(1.0005).meets(200).ok()

    assert story.together("RETRY-06") == ("fail" if count == 200 else "not_exercised")


@pytest.mark.parametrize(("part", "share", "due"), [(0.0, 300, 0), (1.0, 0, 300), (0.25, 300, 75)])
def test_the_sentence_counts_waits(part: float, share: int, due: int) -> None:
    """The sentence says how many waits went how far, and how many would have if they were spread as promised."""
    sentence = _said([part] * 300)

    assert sentence is not None
    assert f" {share} went no further than " in sentence
    assert f"Spread as promised, {due} would; " in sentence


def test_an_empty_span_says_nothing() -> None:
    """A wait says nothing where the shortest and the longest that are promised are the same."""
    assert _samples(_told(_policy("full", first_delay="0s"))) == ()


def test_a_wait_that_is_not_promised_says_nothing() -> None:
    """A wait says nothing where the contract does not say how long the second one is."""
    story = Story(policy=_policy("full", factor=None))
    story.call().meets(503).waits(0.5).meets(503).waits(0.5).meets(200).ok()

    assert len(_samples(story)) == 1
