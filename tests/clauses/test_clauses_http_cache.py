"""What a standard makes a must for HTTP caches: CACHE-04, CACHE-05, CACHE-08 and CACHE-16, on told traces and for real."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sadpath.faults  # noqa: F401 - fills the vocabulary
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario
from sadpath.subjects.http_cache import create
from sadpath.subjects.known_bad import all_known_bad
from sadpath.verify.clients import make_client
from sadpath.verify.contract import load_contract
from sadpath.verify.judging import Judged
from sadpath.verify.played import Case
from sadpath.verify.simworld import Simulator
from sadpath.workspace import find_workspace
from tests.clauses.stories import ALL, USER, Story, Telling

HTTP = ALL - {"cache_fallback"}
NO_PROMISE: dict[str, Any] = {
    "cache": {"users.get": None, "users.list": None, "settings.get": None, "max_stale": None, "fallback_on": None}
}
ASKING: dict[str, Any] = {"sent_headers": [("If-None-Match", '"1"')]}


def _story(**options: Any) -> Story:
    return Story(**{"capabilities": HTTP, "policy": NO_PROMISE, **options})


def _with(**fields: str) -> dict[str, Any]:
    return {"headers": [(name.replace("_", "-"), value) for name, value in fields.items()]}


def _read(control: str, **options: Any) -> Story:
    """Begin a story in which the user was read before, with this Cache-Control."""
    story = _story(**options)
    story.call().meets(200, **_with(Cache_Control=control)).ok()
    return story


# CACHE-04


@given(st.integers(0, 1000), st.floats(0.0, 2000.0), st.sampled_from(["cache", "network", "error"]))
def test_nothing_stale_without_asking(lifetime: int, waited: float, ends: str) -> None:
    """CACHE-04 fails exactly where an HTTP cache serves what is stale without having asked the server."""
    story = _read(f"max-age={lifetime}")
    story.t += waited
    call = story.call()
    if ends == "network":
        call.meets(200).ok()
    elif ends == "cache":
        call.ok(source="cache")
    else:
        call.breaks().fails("reset")
    if abs(waited - lifetime) > 3:
        stale = waited > lifetime
        assert story.verdict("CACHE-04") == ("not_exercised" if not stale else "fail" if ends == "cache" else "pass")


@pytest.mark.parametrize(
    ("met", "verdict"), [("breaks", "pass"), (500, "pass"), (503, "pass"), (404, "fail"), (403, "fail"), (410, "fail")]
)
def test_stale_only_where_the_server_is_away(met: Any, verdict: str) -> None:
    """CACHE-04 lets stale answers be served after a broken connection or a 5xx, and after no other answer."""
    story = _read("max-age=0")
    story.t += 60
    call = story.call()
    (call.breaks() if met == "breaks" else call.meets(met)).ok(source="cache")

    assert story.verdict("CACHE-04") == verdict


@pytest.mark.parametrize(
    "how", ["while revalidating", "asked for", "heuristic", "confirmed", "another's", "cached value"]
)
def test_what_may_be_served(how: str) -> None:
    """CACHE-04 knows stale-while-revalidate, max-stale, lifetimes that a cache may guess, and confirmations."""
    control = {"while revalidating": "max-age=0, stale-while-revalidate=600", "heuristic": "private"}
    policy = {"cache": {}} if how == "cached value" else NO_PROMISE
    story = _story(policy=policy)
    asked = {"method": "GET", "path": "/users/1"}
    if how == "asked for":
        asked["headers"] = {"Cache-Control": "max-stale"}  # type: ignore[assignment] # arguments hold what JSON can
    op, args = ("http", asked) if how == "asked for" else ("users.get", {"id": 1})
    story.call(op, args).meets(200, **_with(Cache_Control=control.get(how, "max-age=60"))).ok()
    story.t += 300
    if how == "confirmed":
        story.call().meets(304, body=b"", **ASKING).ok()
    if how == "another's":
        args = {"id": 2}
    story.call(op, args).ok(source="cache")

    assert story.verdict("CACHE-04") in ("pass", "not_exercised")


def test_a_promise_bounds_it_as_well() -> None:
    """CACHE-04 fails where a client that promises the longest staleness serves more than that, be the server away."""
    for waited, verdict in ((3000, "pass"), (4000, "fail")):
        story = _read("max-age=60", policy={"cache": {**NO_PROMISE["cache"], "max_stale": "1h"}})
        story.t += waited
        story.call().breaks().ok(source="cache")
        assert story.verdict("CACHE-04") == verdict


# CACHE-05


@given(st.sampled_from(["no-store", "no-cache", "must-revalidate, max-age=60"]), st.booleans(), st.booleans())
def test_what_must_not_be_served_is_not(control: str, served: bool, away: bool) -> None:
    """CACHE-05 fails where an HTTP cache serves what it may not, also when the server is away."""
    story = _read(control)
    story.t += 120
    call = story.call()
    if away:
        call.breaks()
    if served:
        call.ok(source="cache")
    elif away:
        call.fails("reset")
    else:
        call.meets(200).ok()

    assert story.verdict("CACHE-05") == ("fail" if served else "pass")


def test_a_confirmation_allows_it() -> None:
    """CACHE-05 lets a no-cache answer be served that a 304 has just confirmed."""
    story = _read("no-cache")
    story.call().meets(304, body=b"", **ASKING).ok()

    assert story.verdict("CACHE-05") == "pass"


# CACHE-08


def test_a_304_is_no_answer() -> None:
    """CACHE-08 fails where an HTTP cache lets its caller fail on a 304 that it had asked for itself."""
    for well, verdict in ((True, "pass"), (False, "fail")):
        story = _read("max-age=0")
        call = story.call().meets(304, body=b"", **ASKING)
        (call.ok() if well else call.fails("unexpected_status", 304))
        assert story.verdict("CACHE-08") == verdict


# CACHE-16


def _asks(story: Story, language: str) -> Telling:
    args = {"method": "GET", "path": "/users/1", "headers": {"Accept-Language": language}}
    return story.call("http", args)


@given(st.sampled_from(["en", "de"]), st.sampled_from(["en", "de"]), st.booleans(), st.booleans())
def test_another_language_is_a_miss(first: str, second: str, varies: bool, served: bool) -> None:
    """CACHE-16 fails exactly where an answer is served that varies with a field in which the two requests differ."""
    story = _story()
    vary = {"Vary": "Accept, accept-language"} if varies else {}
    sent: dict[str, Any] = {"sent_headers": [("accept-language", first)]}
    _asks(story, first).meets(200, **_with(Cache_Control="max-age=600", **vary), **sent).ok()
    call = _asks(story, second)
    (call.ok(source="cache") if served else call.meets(200).ok())
    differs = varies and first != second

    assert story.verdict("CACHE-16") == ("not_exercised" if not differs else "fail" if served else "pass")


@pytest.mark.parametrize("served", [True, False])
def test_another_session_is_a_miss(served: bool) -> None:
    """CACHE-16 fails where an answer that varies with the token outlives the token, by a login or a refresh."""
    for by in ("login", "refresh"):
        story = _story()
        facts = _with(Cache_Control="max-age=600", Vary="Authorization")
        story.call("settings.get", {}).meets(200, **facts).ok()
        if by == "login":
            tokens = json.dumps({"access_token": "a2", "refresh_token": "r2", "expires_in": 3600}).encode()
            story.call("auth.login", {}, token=None).meets(200, body=tokens, issued=2).ok()
        else:
            story.refresh()
        call = story.call("settings.get", {}, token=2)
        (call.ok(source="cache") if served else call.meets(200).ok())
        assert story.verdict("CACHE-16") == ("fail" if served else "pass")


def test_a_star_matches_nothing() -> None:
    """CACHE-16 fails where an answer that varies with everything is served a second time."""
    story = _story()
    story.call().meets(200, **_with(Cache_Control="max-age=600", Vary="*")).ok()
    story.call().ok(source="cache")

    assert story.verdict("CACHE-16") == "fail"


def test_one_of_several_may_fit() -> None:
    """CACHE-16 is not exercised where one of the stored answers is one to this request, or none is worth serving."""
    story = _story()
    for language in ("en", "de"):
        sent: dict[str, Any] = {"sent_headers": [("accept-language", language)]}
        _asks(story, language).meets(200, **_with(Cache_Control="max-age=600", Vary="Accept-Language"), **sent).ok()
    _asks(story, "en").ok(source="cache")
    assert story.verdict("CACHE-16") == "pass"

    story = _story()
    story.call().meets(200, **_with(Cache_Control="max-age=0", Vary="*")).ok()
    story.call().meets(200).ok()
    assert story.verdict("CACHE-16") == "not_exercised"


@given(st.sampled_from(["sim", "live"]), st.booleans())
def test_an_answer_of_its_own_was_not_there_before(world: str, served: bool) -> None:
    """CACHE-16 does not count what a call itself has brought among what was stored, however quickly that came."""
    story = _story(world=world)
    sent: dict[str, Any] = {"sent_headers": [("accept-language", "en")]}
    _asks(story, "en").meets(200, **_with(Cache_Control="max-age=600", Vary="Accept-Language"), **sent).ok()
    story.t += 1
    call = _asks(story, "de")
    sent = {"sent_headers": [("accept-language", "de")]}
    if served:
        call.ok(source="cache")
    else:
        call.meets(200, takes=0.0, **_with(Cache_Control="max-age=600", Vary="Accept-Language"), **sent).ok()

    assert story.verdict("CACHE-16") == ("fail" if served else "pass")


# What it serves is from a cache


@pytest.mark.parametrize("by_url", [True, False])
def test_a_stale_answer_stands_in_for_an_error(by_url: bool) -> None:
    """ERROR-03 does not take what an HTTP cache serves in place of an odd error for that error; without one it does."""
    story = _story(capabilities=HTTP if by_url else HTTP - {"http_cache"})
    story.call().meets(200, **_with(Cache_Control="max-age=0, stale-if-error=600")).ok()
    story.call().meets(503, body=b"").ok(source="cache")

    assert story.verdict("ERROR-03") == ("pass" if by_url else "fail")


@pytest.mark.parametrize("well", [True, False])
def test_a_part_is_not_served_by_it_either(well: bool) -> None:
    """CACHE-06 fails where an HTTP cache can hold nothing but what was cut off, under whatever operation it was read."""
    asked: dict[str, Any] = {"method": "GET", "path": "/users/1"}
    story = _story()
    story.call("http", asked).breaks_off().fails("truncated")
    if well:
        story.call().meets(200, **_with(Cache_Control="max-age=600")).ok()
    story.call("http", asked).ok(source="cache")

    assert story.verdict("CACHE-06") == ("pass" if well else "fail")


# For real


@cache
def simulator() -> Simulator:
    """Return the simulated world of the reference workspace."""
    return Simulator(find_workspace())


def judged(name: str, factory: Callable[[], Any], scenario: Scenario) -> Judged:
    """Play a scenario with a client that has an HTTP cache, and judge it by every clause."""
    contract = load_contract("http-cache", find_workspace().root).model_copy(update={"client": name})
    driver = InProcessDriver(factory, name=name)
    client = make_client(contract, driver, factory().hello(), profile="published", command="")
    played = simulator().play(Case(f"http/{name}", scenario, client, world="sim")).played
    assert played.ending in ("played", "unsupported"), played.why
    return simulator().judge(played)


READ_TWICE: dict[str, Any] = {"title": "Twice", "calls": [{"users.get": {"id": 1}}, {"users.get": {"id": 1}}]}
READ_AND_AWAY: dict[str, Any] = {
    "title": "Away",
    "calls": [
        {"users.get": {"id": 1}},
        {"advance": "2m"},
        {"faults": [{"on": "users.get", "fault": {"status": 503}}]},
        {"users.get": {"id": 1}},
    ],
}
WHOLE_USER = {**USER, "created_at": "2024-02-29T12:00:00Z"}


def _strict(words: str) -> dict[str, Any]:
    return {
        "title": "Strict",
        "faults": [
            {
                "on": "users.get",
                "plan": [
                    {"status": {"code": 200, "headers": {"Cache-Control": words}, "body": {"json": WHOLE_USER}}},
                    {"reset": "request"},
                ],
                "then": "last",
            }
        ],
        "calls": [{"users.get": {"id": 1}}, {"advance": "1m"}, {"users.get": {"id": 1}}],
    }


BOUND = {"CACHE-04", "CACHE-05", "CACHE-08", "CACHE-16"}
BAD = {bad.name: bad for bad in all_known_bad() if bad.contract == "http-cache"}


@pytest.mark.parametrize(
    ("name", "story", "clause"),
    [
        ("http-cache-keyed-by-url", "cache/another-language", "CACHE-16"),
        ("http-cache-keyed-by-url", "cache/another-language-and-nobody-there", "CACHE-16"),
        ("http-cache-keyed-by-url", "cache/settings-after-a-refresh", "CACHE-16"),
        ("http-cache-never-asks-again", READ_AND_AWAY, "CACHE-04"),
        ("http-cache-reads-max-age-alone", _strict("no-store"), "CACHE-05"),
        ("http-cache-reads-max-age-alone", _strict("no-cache"), "CACHE-05"),
        ("http-cache-reads-max-age-alone", _strict("max-age=0, must-revalidate"), "CACHE-05"),
        ("http-cache-hands-on-the-304", READ_TWICE, "CACHE-08"),
    ],
)
def test_a_good_cache_passes_and_a_bad_one_fails(name: str, story: Any, clause: str) -> None:
    """Each must of an HTTP cache holds for a good one, and fails for one that lacks just this manner."""
    scenario = find_workspace().find(story)[0].scenario if isinstance(story, str) else read_scenario(story)
    good, worse = judged("http-cache", create, scenario), judged(name, BAD[name].create, scenario)

    assert clause in good.exercised()
    assert good.unexpected() == []
    assert BOUND & set(worse.failing()) == {clause}


def test_each_bad_cache_is_tried() -> None:
    """The known-bad clients with an HTTP cache are those that are played here, and they name what they must fail."""
    assert {name: bad.clauses for name, bad in BAD.items()} == {
        "http-cache-hands-on-the-304": ("CACHE-08",),
        "http-cache-keyed-by-url": ("CACHE-16",),
        "http-cache-never-asks-again": ("CACHE-04",),
        "http-cache-reads-max-age-alone": ("CACHE-05",),
    }


@pytest.mark.parametrize("name", [loaded.name for loaded in find_workspace().find("cache/*")])
def test_the_good_cache_passes_the_bundled_stories(name: str) -> None:
    """In the scenarios about caches that it can take, nothing fails the good HTTP cache that its contract does not expect."""
    assert judged("http-cache", create, find_workspace().find(name)[0].scenario).unexpected() == []
