"""Edges of CACHE-08 on told traces: which 304 it was, what it confirms, and how old an entry may be said to be then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clauses.stories import ALL, USER_BODY, Story, Telling

REPOSITORY = ALL - {"http_cache"}
ASKING: dict[str, Any] = {"sent_headers": [("If-None-Match", '"1"')]}
PATIENT: dict[str, Any] = {"timeouts": {"total": "60s"}}
LATENCY: dict[str, Any] = {"given": {"network": {"latency": "100ms"}}}


def _story(**options: Any) -> Story:
    return Story(**{"capabilities": REPOSITORY, "policy": PATIENT, "t": 0.0, **options})


def _filled(**options: Any) -> Story:
    """Begin a story in which the user was read before."""
    story = _story(**options)
    story.call().meets(200).ok()
    return story


def _confirm(story: Story, args: Any = None, **options: Any) -> Telling:
    """Ask on a condition and be told that nothing has changed."""
    return story.call("users.get", args, **options).meets(304, body=b"", **ASKING)


def _elsewhere(story: Story) -> None:
    """Put the clause to the test with another thing."""
    story.call(args={"id": 2}).meets(200).ok()
    _confirm(story, {"id": 2}).ok()


def _says(call: Telling, age: float) -> None:
    call.ok(source="cache", age_ms=age * 1000)


def _calls(story: Story) -> list[str | None]:
    return [found.call for found in story.judge("CACHE-08").findings]


# A 304 that was asked for


def test_the_last_attempt_brings_the_304() -> None:
    """CACHE-08 finds an error on a 304 that came to a later attempt, and none on one that something else followed."""
    story = _filled()
    story.call().meets(503).meets(304, body=b"", **ASKING).fails("unexpected_status", 304)
    _confirm(story).meets(503).fails("server", 503)
    findings = story.judge("CACHE-08").findings

    assert [(found.call, found.exchanges) for found in findings] == [("c1/0", (3,))]
    assert "on the 304 of exchange 3, which" in findings[0].sentence


@pytest.mark.parametrize("end", [Telling.cancelled, Telling.hangs])
@pytest.mark.parametrize("asked", [{}, ASKING])
def test_who_stopped_has_not_failed(end: Any, asked: dict[str, Any]) -> None:
    """CACHE-08 finds nothing in a call that was cancelled, or did not end, on a 304."""
    story = _filled()
    end(story.call().meets(304, body=b"", **asked))

    assert story.verdict("CACHE-08") == "pass"


# A 304 out of the blue


def test_which_question_was_on_a_condition() -> None:
    """CACHE-08 names the first 304 that nobody had asked for, and what was asked right after it."""
    story = _story()
    call = story.call().meets(304, body=b"").meets(200, **ASKING).meets(304, body=b"").meets(200)
    call.ok()

    assert story.sentences("CACHE-08") == [
        "Call c0/0 (users.get id=1) asked again on a condition in exchange 2, though it has no entry that the 304 of "
        "exchange 1 could confirm."
    ]


def test_a_question_on_a_condition_later_is_not_the_first() -> None:
    """CACHE-08 looks at the request right behind a 304 that nobody had asked for: that one must be plain."""
    story = _story()
    story.call().meets(304, body=b"").meets(200).meets(503, **ASKING).ok()

    assert story.verdict("CACHE-08") == "pass"


def test_how_many_plain_fetches_were_made() -> None:
    """CACHE-08 counts the fetches behind the first 304, and names every exchange that a 304 answered."""
    story = _story()
    story.call().meets(304, body=b"").meets(304, body=b"").meets(304, body=b"").fails("unexpected_status", 304)

    assert story.sentences("CACHE-08") == [
        "Call c0/0 (users.get id=1) made 2 plain fetches that a 304 answered (exchanges 1, 2 and 3), where one is enough."
    ]
    story = _story()
    story.call().meets(304, body=b"").fails("unexpected_status", 304)
    assert story.sentences("CACHE-08")[0].endswith(
        "after the 304 of exchange 1, for which it has no entry, and did not fetch the whole answer."
    )


# What a 304 confirms


@pytest.mark.parametrize(("over", "verdict"), [(1.4, "pass"), (1.6, "fail")])
def test_by_how_much_an_age_may_be_off(over: float, verdict: str) -> None:
    """CACHE-08 allows a second and a half beyond the time since the confirmation and what the call took itself."""
    story = _filled()
    story.t += 3600
    _confirm(story).ok()
    began = story.t
    call = story.call(at=began + 60).meets(503).waits(3.0).meets(503)
    _says(call, story.t + 0.001 - began + over)

    assert story.verdict("CACHE-08") == verdict


@pytest.mark.parametrize(("over", "verdict"), [(1.59, "pass"), (1.61, "fail")])
def test_a_confirmation_may_have_been_on_its_way(over: float, verdict: str) -> None:
    """CACHE-08 allows a round trip more where the network is slow."""
    story = _filled(scenario=LATENCY)
    story.t += 3600
    _confirm(story).ok()
    began = story.t - 0.001
    call = story.call(at=began + 60).meets(503)
    _says(call, story.t + 0.001 - began + over)

    assert story.verdict("CACHE-08") == verdict


def test_which_304_had_confirmed_it() -> None:
    """CACHE-08 says what age was told, and how long ago the last of several 304s had confirmed the entry."""
    story = _filled()
    story.call().meets(200).ok()
    story.t = 1000.0
    story.call().breaks().meets(304, body=b"", **ASKING).ok()
    story.t = 2000.0
    _confirm(story, {"id": 2}).ok()
    _says(story.call(at=5000.0).meets(503), 5000.0)

    assert story.sentences("CACHE-08") == [
        "Call c4/0 (users.get id=1) says that its answer from the cache is 5000.0 s old, though the 304 of exchange 4 "
        "had confirmed it 4000.0 s before."
    ]


@pytest.mark.parametrize("how", ["failed", "plain", "late", "a walk", "200", "newer", "beside", "put there"])
def test_what_confirms_nothing(how: str) -> None:
    """CACHE-08 counts no age from a 304 that was taken for no answer, may not have been had, or was another's."""
    options = {"scenario": {"given": {"cache": "stale"}}, "facts": {"warmed": (("users.get", '{"id": 1}'),)}}
    story = _story(**options) if how == "put there" else _filled()
    _elsewhere(story)
    story.t += 3600
    if how in ("failed", "newer"):
        (_confirm(story).fails("unexpected_status", 304) if how == "failed" else _confirm(story).ok())
    elif how == "plain":
        story.call().meets(304, body=b"").ok()
    elif how == "late":
        story.call().meets(304, body=b"", takes=0.45, **ASKING).ok()
    elif how == "a walk":
        _confirm(story, pages=True).ok()
    elif how == "200":
        story.call().meets(200, **ASKING).ok()
    elif how == "beside":
        late = story.call(parallel=True)
        at = story.t
        _confirm(story, at=at + 1.0, parallel=True).ok()
        _says(late.waits(4.0).meets(503), 3600.0)
    if how == "newer":
        story.t += 60
        story.call().meets(200, body=USER_BODY).ok()
    story.t += 60
    if how != "beside":
        _says(story.call().meets(503), 100_000.0 if how == "put there" else 3700.0)

    assert _calls(story) == (["c3/0"] if how in ("failed", "plain") else [])


def test_a_read_that_hangs_says_nothing_of_its_entry() -> None:
    """CACHE-08 finds nothing in a read that never ended behind a confirmation."""
    story = _filled()
    _confirm(story).ok()
    story.call().meets(503).hangs()

    assert story.verdict("CACHE-08") == "pass"


@pytest.mark.parametrize(
    ("met", "kind", "verdict"),
    [((429, 429, 503), "server", "fail"), ((503, 503, 429), "rate_limited", "pass"), ((503,), "timeout.pool", "pass"),
     ((), "timeout.pool", "pass"), ((), "server", "pass")],
)  # fmt: skip
def test_upon_what_a_confirmed_entry_is_due(met: tuple[int, ...], kind: str, verdict: str) -> None:
    """CACHE-08 misses a confirmed entry where the last attempt met what is promised to be fallen back on, alone."""
    story = _filled()
    _confirm(story).ok()
    call = story.call()
    for status in met:
        call.meets(status).waits(0.3)
    call.fails(kind)

    assert story.verdict("CACHE-08") == verdict
