"""IDEM-03 on told traces: 409 while the first request is still running, 422 for a key that cannot be used."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story, Telling, truth

RUNNING = json.dumps({"type": "https://api.example/problems/idempotency-in-progress", "status": 409}).encode()
ROOMY = {"timeouts": {"total": "600s"}, "retry": {"budget": None, "max_retries": 3}}


def _running(telling: Telling) -> Telling:
    return telling.meets(409, body=RUNNING)


@truth("IDEM-03")
@given(st.integers(0, 5), st.integers(0, 3), st.sampled_from(["k1", "k2", None]))
def test_it_is_asked_again_with_its_key(times: int, fewer: int, key: str | None) -> None:
    """IDEM-03 holds where a call asks again with its key, up to its last retry, and fails for another key or none."""
    story = Story(policy=ROOMY)
    call = story.create()
    asked = min(times, 4)
    for _ in range(1 + min(fewer, asked)):
        _running(call).waits(0.3)
    if len(story.events) <= 3:
        call.key = key
        call.meets(201).ok()
        assert story.verdict("IDEM-03") == ("pass" if key == "k1" else "fail")
    else:
        call.fails("conflict", 409)
        assert story.verdict("IDEM-03") == "pass"


@given(st.integers(1, 6), st.integers(0, 5))
def test_giving_up_with_retries_left(made: int, allowed: int) -> None:
    """IDEM-03 fails where a call ends on it with promised retries left."""
    story = Story(policy=ROOMY | {"retry": {"budget": None, "max_retries": allowed}})
    call = story.create()
    for _ in range(made):
        _running(call).waits(0.3)
    call.fails("conflict", 409)

    assert story.verdict("IDEM-03") == ("fail" if made <= allowed else "not_exercised" if made == 1 else "pass")


@given(st.integers(0, 3))
def test_422_is_the_answer_each_time(again: int) -> None:
    """IDEM-03 fails where a keyed request is sent again after a 422."""
    story = Story(policy=ROOMY)
    call = story.create().meets(422)
    for _ in range(again):
        call.waits(0.3).meets(422)
    call.fails("validation", 422)

    assert story.verdict("IDEM-03") == ("fail" if again else "pass")


def test_other_answers_are_not_its_business() -> None:
    """IDEM-03 is not exercised by another 409, by a request without a key, or by a cancelled call."""
    conflict = Story()
    conflict.create().meets(409).fails("conflict", 409)
    keyless = Story()
    keyless.create(key=None).meets(422).fails("validation", 422)
    left = Story()
    _running(left.create(cancel_after=0.01)).waits(0.02).cancelled()
    read = Story()
    read.call().meets(422).fails("validation", 422)

    assert {story.verdict("IDEM-03") for story in (conflict, keyless, left, read)} == {"not_exercised"}


def test_its_sentences() -> None:
    """IDEM-03 says what the client was told, and what it did."""
    stopped, other = Story(), Story()
    _running(stopped.create()).fails("conflict", 409)
    call = _running(other.create()).waits(0.3)
    call.key = None
    call.meets(201).ok()

    assert "its first request with the key 'k1' was still running (exchange 1)" in stopped.sentences("IDEM-03")[0]
    assert stopped.sentences("IDEM-03")[0].endswith("failed as conflict (409) with some of its 2 retries left.")
    assert "asked again with another: none" in other.sentences("IDEM-03")[0]
