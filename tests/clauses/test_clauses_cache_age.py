"""CACHE-03, CACHE-04 and CACHE-05 on told traces: how old an answer is, and what it says of being kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import ALL, USER, Story, Telling

REPOSITORY = ALL - {"http_cache"}
"""What a client declares whose cache holds values of operations, not answers of URLs."""

SEEDED = {"warmed": (("users.get", '{"id": 1}'),)}
DAY = 86_400.0
NEWER = {**USER, "user_name": "Augusta"}


def _control(value: str) -> dict[str, Any]:
    return {"headers": [("content-type", "application/json"), ("Cache-Control", value)]}


def _repository(**options: Any) -> Story:
    return Story(capabilities=REPOSITORY, **options)


def _filled(**facts: Any) -> Story:
    """Begin a story in which the user was read before."""
    story = _repository()
    story.call().meets(200, **facts).ok()
    return story


def _away(story: Story, status: int = 503) -> Telling:
    """Let the next read find the server away for all its attempts."""
    return story.call().meets(status).waits(0.3).meets(status).waits(0.3).meets(status)


def _seeded(state: str) -> Story:
    """Begin a story whose cache was filled directly."""
    return _repository(scenario={"given": {"cache": state}}, facts=SEEDED)


def _says(call: Telling, **facts: Any) -> Telling:
    """Let a call be answered from the cache and say these things of it."""
    call.ok(source="cache")
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update=facts)
    return call


# CACHE-03


@given(st.floats(5.0, DAY - 10), st.floats(-2 * DAY, 2 * DAY))
def test_the_age_is_the_time_since_the_answer(waited: float, off: float) -> None:
    """CACHE-03 holds exactly where a cached answer gives its age, to the second or so."""
    story = _filled()
    story.t += waited
    call = _away(story)
    age = story.t - 1.0 + off
    _says(call, age_ms=age * 1000)
    if abs(off) < 0.5 or abs(off) > 4:
        assert story.verdict("CACHE-03") == ("pass" if abs(off) < 0.5 else "fail")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ({"stale": True, "age_ms": 60_600.0}, "pass"),
        ({"stale": False, "age_ms": 60_600.0}, "fail"),
        ({"stale": None, "age_ms": 60_600.0}, "fail"),
        ({"stale": True, "age_ms": None}, "fail"),
        ({"stale": True, "age_ms": 0.0}, "fail"),
        ({"stale": True, "age_ms": -1000.0}, "fail"),
    ],
)
def test_a_cached_answer_is_marked(said: dict[str, Any], verdict: str) -> None:
    """CACHE-03 fails for each thing that a cached answer does not say, or says wrongly."""
    story = _filled()
    story.t += 60
    _says(_away(story), **said)

    assert story.verdict("CACHE-03") == verdict


@pytest.mark.parametrize(("hours", "verdict"), [(12.0, "pass"), (1.0, "fail"), (24.0, "fail")])
def test_a_seeded_entry_has_the_age_it_was_given(hours: float, verdict: str) -> None:
    """CACHE-03 knows how old entries are that were put into the cache directly: half of what is promised."""
    story = _seeded("stale")
    _says(_away(story), age_ms=hours * 3_600_000)

    assert story.verdict("CACHE-03") == verdict


@given(st.integers(1, 30_000))
def test_a_seeded_entry_ages_before_the_first_call(moved: int) -> None:
    """CACHE-03 counts the time by which the clock is moved on before anything is asked for."""
    for said, verdict in ((43_200 + moved, "pass"), (43_200 + moved + 10, "fail"), (43_190 + moved, "fail")):
        steps = [{"advance": f"{moved}s"}, {"users.get": {"id": 1}}]
        story = _repository(scenario={"given": {"cache": "stale"}, "calls": steps}, facts=SEEDED)
        story.t += moved
        call = _away(story)
        _says(call, age_ms=said * 1000 + 600)
        assert story.verdict("CACHE-03") == verdict


def test_an_age_may_count_from_a_list_or_a_confirmation() -> None:
    """CACHE-03 lets an age count from any answer that may have filled the entry, or confirmed it."""
    for op, status, args in (("users.list", 200, None), ("users.get", 304, None), ("users.update", 200, {"id": 1})):
        for age in (100.0, 50.0):
            story = _filled()
            story.t += 50
            story.call(op, args).meets(status).ok()
            story.t += 50
            _says(_away(story), age_ms=age * 1000 + 600)
            assert story.verdict("CACHE-03") == "pass"


def test_a_cache_first_answer_is_marked_too() -> None:
    """CACHE-03 also judges what is served without asking the network."""
    for stale, verdict in ((True, "pass"), (False, "fail")):
        story = _repository()
        story.call("settings.get", {}).meets(200).ok()
        story.t += 10
        _says(story.call("settings.get", {}), stale=stale, age_ms=10_000.0, source="cache")
        assert story.verdict("CACHE-03") == verdict


def test_a_silent_success_without_a_request_is_the_cache_s() -> None:
    """CACHE-03 concludes from a call that asked for nothing that the cache has answered it, unless another call asked."""
    for beside, verdict in ((False, "fail"), (True, "not_exercised")):
        story = _repository()
        story.call("settings.get", {}).meets(200).ok(source=None)
        story.t += 10
        if beside:
            story.call("settings.get", {}, at=story.t).waits(1.0).meets(200).ok()
            story.t -= 1.0
        call = story.call("settings.get", {})
        _says(call, stale=False, source=None)
        assert story.verdict("CACHE-03") == verdict


def test_a_driver_that_says_nothing_is_not_judged() -> None:
    """CACHE-03 is not exercised where nothing is said of where answers come from, nor by answers of the network."""
    story = _filled()
    _says(_away(story), source=None, stale=None)
    assert story.verdict("CACHE-03") == "not_exercised"

    story = _filled()
    story.call().meets(200).ok()
    assert story.verdict("CACHE-03") == "not_exercised"


def test_what_was_just_confirmed_may_be_called_fresh() -> None:
    """CACHE-03 leaves it to others what a client calls an entry that the server has just confirmed."""
    story = _filled()
    story.t += 60
    _says(story.call().meets(304, body=b""), stale=False, age_ms=0.0)

    assert story.verdict("CACHE-03") == "not_exercised"


def test_what_an_http_cache_holds_fresh_is_not_stale() -> None:
    """CACHE-03 says nothing of an answer that an HTTP cache of the same client may hold fresh."""
    for lifetime, verdict in ((300, "not_exercised"), (10, "fail")):
        story = Story()
        story.call().meets(200, **_control(f"max-age={lifetime}")).ok()
        story.t += 60
        _says(_away(story), stale=False, age_ms=60_600.0)
        assert story.verdict("CACHE-03") == verdict


# CACHE-04


@given(st.floats(0.0, 3 * DAY))
def test_nothing_older_than_promised(waited: float) -> None:
    """CACHE-04 fails exactly where an entry is served that is older than the contract allows."""
    story = _filled()
    story.t += waited
    _away(story).ok(source="cache")
    if abs(waited - DAY) > 3:
        assert story.verdict("CACHE-04") == ("fail" if waited > DAY else "not_exercised")


@pytest.mark.parametrize("op", ["users.get", "settings.get"])
def test_what_is_too_old_is_an_error_or_asked_for(op: str) -> None:
    """CACHE-04 holds where a read with an entry that is too old fails with the network, or is answered by it."""
    args: dict[str, Any] = {"id": 1} if op == "users.get" else {}
    for ends in ("fails", "ok"):
        story = _repository()
        story.call(op, args).meets(200).ok()
        story.t += DAY + 60
        call = story.call(op, args)
        if ends == "ok":
            call.meets(200).ok()
        else:
            call.meets(503).fails("server", 503)
        exercised = ends == "fails" or op == "settings.get"
        assert story.verdict("CACHE-04") == ("pass" if exercised else "not_exercised")


def test_seeded_entries_that_are_too_old() -> None:
    """CACHE-04 fails where an entry is served that was put there too old, unless it was filled anew since."""
    for anew, verdict in ((False, "fail"), (True, "not_exercised")):
        story = _seeded("too_old")
        if anew:
            story.call().meets(200).ok()
        _away(story).ok(source="cache")
        assert story.verdict("CACHE-04") == verdict


def test_the_warm_up_of_a_seeded_cache_filled_another_client() -> None:
    """CACHE-04 does not take what a client read in its former life for an entry of the seeded one."""
    story = _seeded("too_old")
    story.call(phase="warmup", call="w1").meets(200).ok()
    story.t += 5
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-04") == "fail"


def test_confirmed_entries_are_young() -> None:
    """CACHE-04 counts the age of an entry from its last confirmation."""
    story = _filled()
    story.t += 0.7 * DAY
    story.call().meets(304, body=b"").ok()
    story.t += 0.7 * DAY
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-04") == "not_exercised"


# CACHE-05


@given(st.sampled_from(["no-store", "no-cache", "must-revalidate, max-age=60", "private, No-Store"]), st.booleans())
def test_what_must_not_be_served_is_not(control: str, served: bool) -> None:
    """CACHE-05 fails where the cache serves what the last answer forbade, and holds where the read fails."""
    story = _filled(**_control(control))
    story.t += 120
    call = _away(story)
    (call.ok(source="cache") if served else call.fails("server", 503))

    assert story.verdict("CACHE-05") == ("fail" if served else "pass")


@given(st.integers(0, 1000), st.floats(0.0, 2000.0))
def test_must_revalidate_is_about_what_is_stale(lifetime: int, waited: float) -> None:
    """CACHE-05 lets a must-revalidate answer be served while it is fresh."""
    story = _filled(**_control(f"must-revalidate, max-age={lifetime}"))
    story.t += waited
    _away(story).ok(source="cache")
    if abs(waited - lifetime) > 3:
        assert story.verdict("CACHE-05") == ("fail" if waited > lifetime else "not_exercised")


@pytest.mark.parametrize(
    "control", ["private", "max-age=0", "no-cache=set-cookie", "must-revalidate", "stale-if-error=9"]
)
def test_what_forbids_nothing_for_sure(control: str) -> None:
    """CACHE-05 is not exercised by directives that allow to serve, or leave it to the cache how long that is."""
    story = _filled(**_control(control))
    story.t += 120
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-05") == "not_exercised"


def test_an_older_entry_that_may_be_served() -> None:
    """CACHE-05 finds nothing where an earlier answer that could be kept had the same value, or another one that is served."""
    for newer, value, verdict in ((USER, USER, "pass"), (NEWER, USER, "pass"), (NEWER, NEWER, "fail")):
        story = _filled()
        body = json.dumps(newer).encode()
        story.call().meets(200, body=body, **_control("no-store")).ok(value=newer)
        _away(story).ok(source="cache", value=value)
        assert story.verdict("CACHE-05") == verdict


def test_cache_first_obeys_too() -> None:
    """CACHE-05 fails where settings that must not be kept are served without asking, and holds where they are asked for."""
    for source, verdict in (("cache", "fail"), ("network", "pass")):
        story = _repository()
        story.call("settings.get", {}).meets(200, **_control("no-store")).ok()
        call = story.call("settings.get", {})
        (call.ok(source="cache") if source == "cache" else call.meets(200).ok())
        assert story.verdict("CACHE-05") == verdict


def test_seeded_entries_are_under_no_directive() -> None:
    """CACHE-05 finds nothing in an entry that was put there directly, whatever the same answer said in another life."""
    story = _seeded("stale")
    story.call(phase="warmup", call="w1").meets(200, **_control("no-store")).ok()
    _away(story).ok(source="cache")

    assert story.verdict("CACHE-05") == "pass"
