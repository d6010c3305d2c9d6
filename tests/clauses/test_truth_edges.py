"""The edges of clauses and the words of findings: what a small change of a clause would get wrong without being noticed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import Story, truth

LATER: dict[str, Any] = {"timeouts": {"total": "600s"}, "retry": {"budget": None}}
EXACT: dict[str, Any] = {**LATER, "retry": {"budget": None, "jitter": "none"}}


def _sentence(story: Story, clause: str) -> str:
    (sentence,) = story.sentences(clause)
    return sentence


# RETRY


@pytest.mark.parametrize(("refused", "allowed"), [(False, "3 attempts."), (True, "4 with the replay after a 401.")])
def test_how_many_attempts_are_allowed_is_said(refused: bool, allowed: str) -> None:
    """RETRY-01 says how often the contract lets a call be sent, and how often with the replay."""
    story = Story(policy=LATER)
    call = story.call()
    if refused:
        call.meets(401)
    for _ in range(4):
        call.meets(503)
    call.fails("server", 503)

    assert _sentence(story, "RETRY-01").endswith(allowed)
    assert "allows 3 attempts" in _sentence(story, "RETRY-01")


def test_two_good_answers_are_two_attempts() -> None:
    """RETRY-01 is put to the test by any second exchange of a call, whatever the first one met."""
    story = Story()
    story.call().meets(304).meets(200).ok()

    assert story.verdict("RETRY-01") == "pass"


@truth("RETRY-02")
@given(st.sampled_from([400, 404, 408, 424, 425, 426, 429, 499, 500, 501, 502, 503, 504, 505]), st.booleans())
def test_which_statuses_tempt(status: int, again: bool) -> None:
    """RETRY-02 is put to the test by a status that some client repeats, or by a repetition."""
    story = Story(policy=LATER)
    story.call().meets(200).ok()
    order = story.create(key=None).meets(status)
    (order.meets(201).ok() if again else order.fails("other", status))
    tempting = status in (408, 425, 429, 500, 502, 503, 504)

    assert story.verdict("RETRY-02") == ("fail" if again else "pass" if tempting else "not_exercised")


def test_a_refusal_that_never_left_is_none() -> None:
    """RETRY-02 does not let a POST go on after a 401 of which no byte was sent."""
    story = Story(policy=LATER)
    order = story.create(key=None)
    order.meets(401, sent=0, how="rst", by="server").meets(201).ok()

    assert story.verdict("RETRY-02") == "fail"


def test_what_is_final_is_so_after_a_replay_too() -> None:
    """RETRY-03 looks at every step of a call, and says how many retries there were."""
    story = Story(policy=LATER)
    story.call().meets(401).meets(404, token=2).waits(0.3).meets(200, token=2).ok()
    assert "which the contract does not retry" in _sentence(story, "RETRY-03")

    early = Story(policy=LATER)
    early.call().meets(503).waits(0.3).meets(503).fails("server", 503)
    assert _sentence(early, "RETRY-03").endswith("after 1 of 2 promised retries.")


def test_a_wait_is_never_less_than_none() -> None:
    """RETRY-05 calls a retry that came before the answer one without a wait."""
    story = Story(policy=EXACT)
    call = story.call().meets(503)
    story.t -= 0.003
    call.meets(200).ok()

    assert "waited 0.000 s before retry 1" in _sentence(story, "RETRY-05")


def test_no_wait_is_promised_where_none_is() -> None:
    """RETRY-05 is not put to the test by a promise to wait for no time at all, nor by a retry of unknown number."""
    nothing = Story(policy={"retry": {"jitter": "none", "first_delay": None, "delays": ["0s"]}})
    nothing.call().meets(503).meets(200).ok()
    assert nothing.verdict("RETRY-05") == "not_exercised"

    open_ended = Story(policy={**EXACT, "retry": {"budget": None, "jitter": "none", "factor": None}})
    open_ended.call(args={"id": 9}).meets(200, connection=7).ok()
    open_ended.call().breaks("fin", connection=7).waits(0.3).meets(503).waits(0.3).meets(200).ok()
    assert open_ended.verdict("RETRY-05") == "pass"


def test_a_retry_of_unknown_number_hides_no_other() -> None:
    """RETRY-05 judges the waits of the calls that come after one of which nothing can be said."""
    story = Story(policy={**EXACT, "retry": {"budget": None, "jitter": "none", "factor": None}})
    story.call(args={"id": 9}).meets(200, connection=7).ok()
    story.call().breaks("fin", connection=7).meets(503).waits(0.3).meets(200).ok()
    story.call(args={"id": 3}).meets(503).meets(200).ok()

    assert story.verdict("RETRY-05") == "fail"


@pytest.mark.parametrize(("told", "takes"), [("0", 0.005), ("5", 0.5)])
def test_when_nobody_was_told_to_wait(told: str, takes: float) -> None:
    """RETRY-07 is not put to the test by a Retry-After of no seconds, nor by one that may have come too late."""
    story = Story(policy=LATER)
    story.call().meets(503, headers=[("retry-after", told)], takes=takes).waits(9.0).meets(200).ok()

    assert story.verdict("RETRY-07") == "not_exercised"


def test_a_hop_hides_no_change() -> None:
    """RETRY-12 looks at what comes after a redirect's hop."""
    story = Story(policy=LATER)
    story.call().meets(302, query="a=1").meets(503, query="b=2").waits(0.3).meets(200, query="b=3").ok()

    assert "changed the query" in _sentence(story, "RETRY-12")


# IDEM


def test_a_missing_key_is_said_to_be() -> None:
    """IDEM-01 names the keys, and the absence of one."""
    story = Story()
    story.create(key="k1").breaks().meets(201, key=None).ok()

    assert _sentence(story, "IDEM-01").endswith("2 different Idempotency-Keys: 'k1' and none.")


def test_an_unkeyed_order_hides_no_shared_key() -> None:
    """IDEM-01 finds a key that two calls share behind a call that has none, or its caller's."""
    story = Story()
    story.create(key=None).meets(201).ok()
    given_key = {"method": "POST", "path": "/orders", "headers": {"Idempotency-Key": "k7"}}
    story.call("http", given_key, key="k7").meets(201).ok()
    story.create(key="k1").meets(201).ok()
    story.create(key="k1").meets(201).ok()

    assert story.verdict("IDEM-01") == "fail"


@truth("IDEM-02")
@given(st.sampled_from([199, 200, 201, 204, 299, 300, 302]), st.booleans(), st.booleans())
def test_what_a_fault_may_have_made_up(status: int, fired: bool, readable: bool) -> None:
    """IDEM-02 excuses a success without an effect by a 2xx which a fault made up, and which can be read."""
    story = Story(policy=LATER)
    order = story.create().meets(503).waits(0.3)
    body = b"{}" if readable else b"<html>"
    order.meets(status, body=body, fired=[FiredFault("status", "request")] if fired else []).ok()
    excused = fired and 200 <= status < 300 and (readable or status == 204)

    assert story.verdict("IDEM-02") == ("pass" if excused else "fail")


@truth("IDEM-02")
@given(st.booleans(), st.booleans(), st.booleans())
def test_an_effect_is_committed_and_has_a_name(committed: bool, named: bool, well: bool) -> None:
    """IDEM-02 counts what took effect, and has a name by which it is told from others."""
    story = Story(policy=LATER)
    order = story.create().breaks()
    order.waits(0.3).meets(201, effect=True if committed else None, effect_id="e1" if named else None)
    (order.ok() if well else order.fails("reset"))
    good = (committed and named) or not well

    assert story.verdict("IDEM-02") == ("pass" if good else "fail")
