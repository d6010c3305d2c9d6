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
