"""Edges of CACHE-03 and CACHE-04 on told traces: how exactly an age is known, and which of several is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clauses.stories import ALL, Story, Telling

REPOSITORY = ALL - {"http_cache"}
HTTP = ALL - {"cache_fallback"}
NO_PROMISE: dict[str, Any] = {
    "cache": {"users.get": None, "users.list": None, "settings.get": None, "max_stale": None, "fallback_on": None}
}
AWAY: dict[str, Any] = {"given": {"network": {"latency": "1s"}}}


def _control(value: str | None) -> dict[str, Any]:
    return {"headers": [("Cache-Control", value)] if value is not None else []}


def _says(call: Telling, **facts: Any) -> None:
    """Let a call be answered from the cache and say these things of it."""
    call.ok(source="cache")
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update=facts)


# CACHE-03


def _aged(age: float, says: float | None, *, control: str | None = None, **options: Any) -> Story:
    """Tell of a read that is answered from the cache so many seconds after the entry was filled, and of what it says."""
    facts = {name: options.pop(name) for name in ("pages", "stale") if name in options}
    story = Story(**{"capabilities": REPOSITORY, "t": 0.0, **options})
    story.call(at=0.0).meets(200, takes=0.0, **_control(control)).ok()
    call = story.call(at=age, pages=facts.get("pages", False))
    story.t = age
    _says(call.breaks(takes=0.0), age_ms=None if says is None else says * 1000, stale=facts.get("stale", True))
    return story


def test_a_walk_is_not_marked() -> None:
    """CACHE-03 is not exercised by a walk: its pages may have come from different places."""
    assert _aged(60.0, None, pages=True).verdict("CACHE-03") == "not_exercised"


@pytest.mark.parametrize(
    ("control", "age", "verdict"),
    [("max-age=60", 61.4, "not_exercised"), ("max-age=60", 61.6, "fail"), ("max-age=0", 1.4, "not_exercised"),
     ("max-age=0", 1.6, "fail"), ("private", 6000.0, "not_exercised"), (None, 6000.0, "not_exercised")],
)  # fmt: skip
def test_what_an_http_cache_may_hold_fresh(control: str | None, age: float, verdict: str) -> None:
    """CACHE-03 leaves out what an HTTP cache may take for fresh: for so long as is said, or as it may guess."""
    assert _aged(age, age, control=control, stale=False, capabilities=ALL).verdict("CACHE-03") == verdict


@pytest.mark.parametrize(("says", "verdict"), [(-0.5, "fail"), (0.0, "pass"), (0.5, "pass"), (900.0, "pass")])
def test_without_a_clock_of_ours_no_age_is_wrong(says: float, verdict: str) -> None:
    """CACHE-03 knows of a cache with a clock of its own only that nothing is younger than now."""
    story = _aged(60.0, says, capabilities=REPOSITORY - {"fake_clock"})

    assert story.verdict("CACHE-03") == verdict
    if verdict == "fail":
        assert story.sentences("CACHE-03") == [
            "Call c1/0 (users.get id=1) was answered from the cache, and says that its answer is -0.500 s old, which no "
            "answer is."
        ]


@pytest.mark.parametrize(("says", "verdict"), [(62.4, "pass"), (62.6, "fail"), (57.6, "pass"), (57.4, "fail")])
def test_an_answer_may_have_been_long_on_its_way(says: float, verdict: str) -> None:
    """CACHE-03 leaves a round trip more where the network is slow."""
    assert _aged(60.0, says, scenario=AWAY).verdict("CACHE-03") == verdict


@pytest.mark.parametrize(("apart", "span"), [(0.9, "60.0 s"), (1.5, "between 58.5 s and 60.0 s")])
def test_an_age_of_which_two_are_possible(apart: float, span: str) -> None:
    """CACHE-03 says both ages that are possible where they are more than a second apart."""
    story = _aged(60.0, 5.0)
    story.exchange(apart, method="GET", path="/users/1", call="c0/0", status=304, first=apart, last=apart, ended=apart)

    assert story.sentences("CACHE-03")[0].endswith(f"where its entry was {span} old.")


def test_each_cached_answer_is_looked_at() -> None:
    """CACHE-03 finds a wrong age behind an answer that gives none."""
    story = _aged(60.0, None)
    _says(story.call().breaks(), age_ms=5000.0, stale=True)

    assert [found.call for found in story.judge("CACHE-03").findings] == ["c1/0", "c2/0"]


# CACHE-04: what a repository's cache serves


def test_how_old_it_was_at_least() -> None:
    """CACHE-04 says how old an entry was at the least, where it may have been filled more than once."""
    story = Story(capabilities=REPOSITORY, policy={"cache": {"max_stale": "100s"}}, t=0.0)
    for at in (0.0, 100.0):
        story.call(at=at).meets(200, takes=0.0).ok()
    story.call(at=500.0).breaks().ok(source="cache")

    assert "with an entry that was 400.0 s old, where 100.0 s is the most" in story.sentences("CACHE-04")[0]


def test_what_a_call_has_confirmed_itself_is_not_old() -> None:
    """CACHE-04 holds where the server confirms an entry that was too old before it is served."""
    story = Story(capabilities=REPOSITORY, policy={"cache": {"max_stale": "100s"}}, t=0.0)
    story.call(at=0.0).meets(200).ok()
    story.call(at=500.0).meets(304, body=b"").ok(source="cache")

    assert story.verdict("CACHE-04") == "pass"


# CACHE-04: what an HTTP cache serves


def _stored(*controls: str, **options: Any) -> Story:
    """Begin a story in which an HTTP cache holds answers with these directives, a second apart."""
    story = Story(**{"capabilities": HTTP, "policy": NO_PROMISE, "t": 0.0, **options})
    for n, control in enumerate(controls):
        story.call(at=float(n)).meets(200, takes=0.0, **_control(control)).ok()
    return story


@pytest.mark.parametrize("lifetime", [0, 60])
def test_how_long_it_had_been_stale(lifetime: int) -> None:
    """CACHE-04 counts from when the last stored answer went stale, a lifetime after it came."""
    story = _stored(f"max-age={lifetime}")
    story.call(at=lifetime + 5.0).ok(source="cache")

    assert story.sentences("CACHE-04") == [
        "Call c1/0 (users.get id=1) was answered from the cache with an answer that had been stale for 5.000 s, and the "
        "server was not asked."
    ]


@pytest.mark.parametrize("lifetime", [0, 60])
def test_how_long_what_was_confirmed_had_been_stale(lifetime: int) -> None:
    """CACHE-04 counts a lifetime from the server's last word that the stored answer is good."""
    story = _stored(f"max-age={lifetime}")
    story.call(at=500.0).meets(304, takes=0.0, body=b"").ok()
    story.call(at=500.0 + lifetime + 5.0).ok(source="cache")

    assert "had been stale for 5.000 s" in story.sentences("CACHE-04")[0]


@pytest.mark.parametrize(
    ("controls", "verdict"),
    [(("max-age=0", "max-age=0, stale-while-revalidate=600"), "pass"),
     (("max-age=0, stale-while-revalidate=600", "max-age=0"), "fail")],
)  # fmt: skip
def test_the_newest_stored_answer_says_what_is_allowed(controls: tuple[str, ...], verdict: str) -> None:
    """CACHE-04 goes by the newest answer's word on how long it may be served stale."""
    story = _stored(*controls)
    story.call(at=60.0).ok(source="cache")

    assert story.verdict("CACHE-04") == verdict
    assert [found.exchanges for found in story.judge("CACHE-04").findings] == ([(2,)] if verdict == "fail" else [])


@pytest.mark.parametrize(("over", "verdict"), [(61.4, "pass"), (61.6, "fail")])
def test_how_long_it_may_be_served_while_it_is_renewed(over: float, verdict: str) -> None:
    """CACHE-04 allows a second and a half beyond stale-while-revalidate."""
    story = _stored("max-age=0, stale-while-revalidate=60")
    story.call(at=over).ok(source="cache")

    assert story.verdict("CACHE-04") == verdict


def test_each_stale_answer_is_looked_at() -> None:
    """CACHE-04 finds a stale answer behind a read that the server answered."""
    story = _stored("max-age=0")
    story.call(at=60.0).breaks().fails("reset")
    story.call(at=120.0).ok(source="cache")

    assert [found.call for found in story.judge("CACHE-04").findings] == ["c2/0"]


@pytest.mark.parametrize(("last", "verdict"), [(404, "fail"), (499, "fail"), (500, "pass"), (503, "pass")])
def test_what_the_server_said_at_last(last: int, verdict: str) -> None:
    """CACHE-04 goes by the last answer before a stale one was served, and names it alone."""
    story = _stored("max-age=0")
    story.call(at=60.0).meets(503).meets(404 if last >= 500 else 503).meets(last).ok(source="cache")

    assert story.verdict("CACHE-04") == verdict
    if verdict == "fail":
        assert story.sentences("CACHE-04")[0].endswith(f"stale for 60.0 s, after a {last} in exchange 4.")


@pytest.mark.parametrize(("over", "verdict"), [(101.4, "pass"), (101.6, "fail")])
def test_how_much_longer_than_promised(over: float, verdict: str) -> None:
    """CACHE-04 allows a second and a half beyond the longest staleness that is promised, where the server is away."""
    story = _stored("max-age=0", policy={"cache": {**NO_PROMISE["cache"], "max_stale": "100s"}})
    story.call(at=over).breaks().ok(source="cache")

    assert story.verdict("CACHE-04") == verdict
