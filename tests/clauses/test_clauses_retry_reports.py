"""RETRY-13 and RETRY-15 on told traces: what is reported when a call is not tried again, or was tried in vain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story, Telling, truth

ROOMY: dict[str, Any] = {"timeouts": {"total": "600s"}, "retry": {"budget": None}}
KINDS = {408: "unexpected_status", 429: "rate_limited", 502: "server", 503: "server", 504: "server"}
TEMPORARY = st.sampled_from(sorted(KINDS))


def _attempts(call: Telling, attempts: int | None) -> None:
    """Let a call say how many attempts it made."""
    assert call.outcome is not None
    call.outcome.attempts = attempts


# RETRY-13


def _once(story: Story, op: str = "orders.create") -> Telling:
    data: dict[str, Any] = {"data": {}} if op == "orders.create" else {"id": 1, "data": {}}
    return story.call(op, data, key="k1" if op == "orders.create" else None, replayable=False)


@truth("RETRY-13")
@given(TEMPORARY | st.just(401), st.sampled_from(["orders.create", "users.update"]), st.sampled_from(["d1", "d2"]))
def test_a_spent_body_is_not_sent_again(code: int, op: str, digest: str) -> None:
    """RETRY-13 fails where a body that can be read once is sent a second time, and is another then."""
    story = Story(policy=ROOMY)
    _once(story, op).meets(code).waits(0.3).meets(422, digest=digest).fails("validation", 422)
    assert story.verdict("RETRY-13") == ("fail" if digest == "d2" else "pass")

    stopped = Story(policy=ROOMY)
    _once(stopped, op).meets(code).fails(KINDS.get(code, "unauthorized"), code)
    assert stopped.verdict("RETRY-13") == "pass"


@given(TEMPORARY, TEMPORARY)
def test_the_first_error_is_reported(met: int, said: int) -> None:
    """RETRY-13 fails where another status is reported than the one that was met."""
    story = Story(policy=ROOMY)
    _once(story).meets(met).fails(KINDS[said], said)

    assert story.verdict("RETRY-13") == ("pass" if met == said else "fail")


def test_a_body_that_may_be_sent_again_is_not_its_business() -> None:
    """RETRY-13 is not exercised by a body that can be replayed, by a final answer, or by one that went well."""
    usual = Story(policy=ROOMY)
    usual.create().meets(503).waits(0.3).meets(422, digest="d2").fails("validation", 422)
    final = Story(policy=ROOMY)
    _once(final).meets(422).fails("validation", 422)
    well = Story(policy=ROOMY)
    _once(well).meets(201).ok()
    keyless = Story(policy=ROOMY)
    keyless.call("orders.create", {"data": {}}, replayable=False).meets(503).fails("server", 503)

    assert {item.verdict("RETRY-13") for item in (usual, final, well, keyless)} == {"not_exercised"}


def test_a_redirect_may_lead_elsewhere() -> None:
    """RETRY-13 lets a client follow a redirect without the body."""
    story = Story(policy=ROOMY)
    _once(story).meets(307).meets(503, digest="d2").fails("server", 503)

    assert story.verdict("RETRY-13") == "pass"


def test_a_spent_body_is_no_call_left_behind() -> None:
    """AUTH-01 does not ask for the replay of a request whose body is gone."""
    for replayable, verdict in ((False, "pass"), (True, "fail")):
        story = Story(policy=ROOMY)
        call = story.call("orders.create", {"data": {}}, key="k1", replayable=replayable).meets(401)
        story.refresh()
        call.fails("unauthorized", 401)
        assert story.verdict("AUTH-01") == verdict


# RETRY-15


@truth("RETRY-15")
@given(TEMPORARY, st.lists(TEMPORARY, min_size=1, max_size=2), st.integers(0, 2), st.integers(0, 4))
def test_the_last_error_and_the_number_of_attempts(first: int, others: list[int], which: int, said: int) -> None:
    """RETRY-15 holds exactly where the last attempt's status is reported, and no fewer attempts than were made."""
    story = Story(policy=ROOMY)
    met = [first, *others]
    call = story.call()
    for index, code in enumerate(met):
        call.waits(0.3 if index else 0.0).meets(code)
    told = met[min(which, len(met) - 1)]
    _attempts(call.fails(KINDS[told], told), said or None)

    right = told == met[-1] and (said == 0 or said >= len(met))
    assert story.verdict("RETRY-15") == ("pass" if right else "fail")


@pytest.mark.parametrize(("kind", "verdict"), [("closed", "pass"), ("reset", "pass"), ("server", "fail")])
def test_a_broken_connection_at_the_end(kind: str, verdict: str) -> None:
    """RETRY-15 asks for a kind that the last attempt's broken connection can have, and systems blur."""
    story = Story(policy=ROOMY)
    story.call().meets(503).waits(0.3).meets(503).waits(0.3).breaks("rst").fails(
        kind, 503 if kind == "server" else None
    )

    assert story.verdict("RETRY-15") == verdict


def test_a_status_that_no_driver_tells_goes_by_its_kind() -> None:
    """RETRY-15 judges by the promised kind where the failure's status is not reported."""
    for kind, verdict in (("rate_limited", "pass"), ("server", "fail")):
        story = Story(policy=ROOMY)
        story.call().meets(503).waits(0.3).meets(503).waits(0.3).meets(429).fails(kind)
        assert story.verdict("RETRY-15") == verdict


def test_it_says_which_attempt_is_reported_instead() -> None:
    """RETRY-15 names the attempt whose failure is reported, and the last one."""
    story = Story(policy=ROOMY)
    story.call().gives_up().waits(0.3).meets(503).waits(0.3).meets(502).fails("timeout.read")

    sentence = story.sentences("RETRY-15")[0]
    assert "failed as timeout.read, as exchange 1 had, where its last attempt (exchange 3) met a 502" in sentence


def test_a_wrong_name_is_another_clause_s() -> None:
    """RETRY-15 leaves a failure to ERROR-02 that belongs to none of the attempts."""
    story = Story(policy=ROOMY)
    story.call().meets(503).waits(0.3).breaks_off().fails("other")

    assert story.verdict("RETRY-15") == "pass"
    assert story.verdict("ERROR-02") == "fail"


def test_what_ends_a_call_otherwise_is_reported_as_that() -> None:
    """RETRY-15 is not exercised by a call's own end, by one attempt, by a success, or by a refresh that failed."""
    deadline, single, well, refused = (Story(policy=ROOMY) for _ in range(4))
    deadline.call().meets(503).waits(0.3).meets(503).fails("timeout.total")
    single.call().meets(404).fails("server", 503)
    well.call().meets(503).waits(0.3).meets(200).ok()
    call = refused.call().meets(503).waits(0.3).meets(401)
    refused.refresh(400)
    call.fails("unauthorized", 400)

    assert {item.verdict("RETRY-15") for item in (deadline, single, well, refused)} == {"not_exercised"}


def test_only_the_failure_of_the_last_page_is_the_call_s() -> None:
    """RETRY-15 says nothing of an earlier page that was retried and went well."""
    story = Story(policy=ROOMY)
    call = story.call("users.list", pages=True).meets(503, query="page=1").waits(0.3).meets(200, query="page=1")
    call.meets(404, query="page=2").fails("not_found", 404)

    assert story.verdict("RETRY-15") == "not_exercised"


def _retried(*met: int, kind: str = "server", said: int | None = 503, **options: Any) -> Story:
    """Tell of a call that met these statuses, one after the other, and fails."""
    story = Story(policy=ROOMY, **options)
    call = story.call()
    for index, code in enumerate(met):
        call.waits(0.3 if index else 0.0).meets(code)
    call.fails(kind, said)
    return story


def test_what_is_no_report_of_an_attempt() -> None:
    """RETRY-15 is not exercised by a call that never ended, by an exception, nor by one that may have met more."""
    hanging, escaped, later = _retried(503, 502), _retried(503, 502), _retried(503, 503)
    hanging.tellings[0].outcome = hanging.tellings[0].ended = None
    escaped.tellings[0].fails("server", 503, escaped=True)
    later.tellings[0].waits(0.5).meets(404)
    shut = _retried(503, 502, scenario={"faults": [{"on": "connection", "fault": "accept_close"}]})
    page = Story(policy=ROOMY)
    call = page.call("users.list", pages=True).meets(503, query="page=1").waits(0.3).meets(429, query="page=1")
    call.meets(404, query="page=2").fails("not_found", 404)

    assert {story.verdict("RETRY-15") for story in (hanging, escaped, later, shut, page)} == {"not_exercised"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "said", "verdict"),
    [(200, b"<html>", "decode", 200, "pass"), (200, b"<html>", "server", 503, "fail"),
     (299, b"<html>", "server", 503, "fail"), (300, b"<html>", "server", 503, "not_exercised"),
     (200, b"{}", "server", 503, "not_exercised"), (400, b"{}", "server", 503, "fail")],
)  # fmt: skip
def test_an_answer_at_the_end(status: int, body: bytes, kind: str, said: int, verdict: str) -> None:
    """RETRY-15 asks for the failure to read a success that nobody could, and leaves other good answers alone."""
    story = Story(policy=ROOMY)
    story.call().meets(503).waits(0.3).meets(status, body=body).fails(kind, said)

    assert story.verdict("RETRY-15") == verdict


@pytest.mark.parametrize("status", [400, 502])
@pytest.mark.parametrize(("as_status", "verdict"), [(True, "pass"), (False, "fail")])
def test_half_an_error_at_the_end(status: int, as_status: bool, verdict: str) -> None:
    """RETRY-15 takes the status of an answer that was cut off for the last error, and no other."""
    story = Story(policy=ROOMY)
    story.call().meets(503).waits(0.3).breaks_off(status).fails("other", status if as_status else 503)

    assert story.verdict("RETRY-15") == verdict


def test_any_earlier_attempt_may_be_reported_instead() -> None:
    """RETRY-15 names whichever earlier attempt is reported instead of the last."""
    assert "as exchange 2 had" in _retried(503, 429, 502, kind="rate_limited", said=429).sentences("RETRY-15")[0]


@pytest.mark.parametrize(("said", "verdict"), [(3, "pass"), (2, "pass"), (1, "fail")])
def test_a_repeat_on_a_fresh_connection_need_not_be_counted(said: int, verdict: str) -> None:
    """RETRY-15 lets a client leave out the attempt whose connection was dead."""
    story = Story(policy=ROOMY)
    story.call().meets(200, connection=4).ok()
    call = story.call(args={"id": 2}).breaks("fin", connection=4).meets(503).waits(0.3).meets(503)
    _attempts(call.fails("server", 503), said)

    assert story.verdict("RETRY-15") == verdict


def test_whose_body_was_spent() -> None:
    """RETRY-13 looks at bodies that can be read once alone, and says after what they were sent again."""
    story = Story(policy=ROOMY)
    story.create(key="k0").meets(503).waits(0.3).meets(422, digest="d2").fails("validation", 422)
    _once(story).meets(503).waits(0.3).meets(422, digest="d2").fails("validation", 422)
    found = story.judge("RETRY-13").findings

    assert [item.call for item in found] == ["c1/0"]
    assert found[0].sentence.endswith("was sent again (exchange 4) after a 503 in exchange 3, with another body.")


@pytest.mark.parametrize("status", [400, 502])
def test_the_same_error_first_whole_and_then_half(status: int) -> None:
    """RETRY-15 takes the status of an answer that was cut off for the last error, though one before it had that too."""
    story = Story(policy=ROOMY)
    story.call().meets(status).waits(0.3).breaks_off(status).fails("other", status)

    assert story.verdict("RETRY-15") == "pass"
