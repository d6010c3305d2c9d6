"""What the reference client promises about failures: what its caller gets to know, and how each promise is checked.

A caller can only react to what it is told: sign in again, try later, mend the form. So every failure is a value of a
known kind, with the server's status where there was one, and nothing but a cancel gets past the result type.

    401 unauthorized   403 forbidden   404 not_found   409 conflict   422 validation   429 rate_limited
    other 4xx unexpected_status        5xx server      a success that cannot be read: decode

Each test states a promise of ``contracts/clients/reference.yaml`` (section ``errors``) and lets Hypothesis draw what
goes wrong; the real client talks to the real server in a simulated world.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sadpath.scenario.model import Step
from sadpath.strategies import DRAWN_IN_SCENARIOS, plans, steps
from tests.support.shop import API, POLICY, PROMISED, TIMES, TRIP, create, play, read, rule

STATUSES = st.one_of(
    st.sampled_from([400, 403, 404, 409, 410, 418, 422, 425, 429, 500, 501, 502, 503, 504]), st.integers(402, 599)
)

BODIES = st.sampled_from(
    ["", "no JSON", *({"json": value} for value in ([], [1], "text", 7, True, None, {"message": 3, "status": 200})),
     *({"fixture": name} for name in API.payloads)]
)  # fmt: skip
"""Bodies of errors, by proxies, gateways and crashed servers too; not one of them has read the API's description."""

CALLS = st.sampled_from(
    [read(), create(), {"users.list": {}}, {"settings.get": {}}, {"users.delete": {"id": 2}}, {"orders.list": {}},
     {"users.update": {"id": 2, "data": {"user_name": "Ada King"}}}, {"auth.login": {}}]
)  # fmt: skip

BROKEN_OFF = {"closed", "reset", "protocol"}
"""Systems blur how a connection ended before an answer …"""

CUT_OFF = BROKEN_OFF | {"truncated"}
"""… and within one."""


def _kind(status: int) -> str:
    """Return what the contract calls a status."""
    return POLICY.errors.kind_of(status) or ""


def _everywhere(step: Any) -> list[dict[str, Any]]:
    return [rule("*", step, then="last")]


# Statuses


@PROMISED
@given(CALLS, STATUSES, BODIES)
def test_a_status_has_its_kind_whatever_its_body(call: dict[str, Any], status: int, body: Any) -> None:
    """The HTTP status decides, and is handed on; a body that is odd, or says something else, changes nothing."""
    story = play(call, faults=_everywhere({"status": {"code": status, "body": body}}))

    error = story.outcome().error
    assert error is not None
    assert (error.kind, error.status) == (_kind(status), status)
    assert not story.outcome().escaped


@PROMISED
@given(CALLS, BODIES)
def test_a_refused_session_is_unauthorized_whatever_its_body(call: dict[str, Any], body: Any) -> None:
    """A 401 is understood by its status alone."""
    story = play(call, faults=[rule("*", {"unauthorized": {"body": body}}, then="last")])

    assert story.ended() == "unauthorized"


@PROMISED
@given(STATUSES, st.sampled_from([0, 1, 9, 40]), st.sampled_from(["close", "reset", "stall"]))
def test_an_error_whose_body_breaks_off_keeps_its_status_or_says_how(status: int, after: int, ending: str) -> None:
    """What is known is not lost with what is not: the status's kind, or the way in which the body broke off."""
    cut = [{"status": status}, {"truncate": {"after": after, "ending": ending}}]
    story = play(read(), faults=_everywhere(cut))

    error = story.outcome().error
    assert error is not None
    assert error.kind in {_kind(status), *CUT_OFF, "timeout.read"}
    assert error.kind != _kind(status) or error.status == status


# Successes that are none


@PROMISED
@given(
    st.sampled_from([read(), create(), {"users.list": {}}, {"settings.get": {}}, {"orders.list": {}}]),
    st.sampled_from(["html", *({"malformed_json": how} for how in ("cut", "trailing", "unquoted", "comma"))]),
)
def test_a_success_that_cannot_be_read_is_a_decode_error(call: dict[str, Any], lie: Any) -> None:
    """A captive portal answers 200 to everything: that is neither a success nor the network's fault, nor worth a retry."""
    story = play(call, faults=_everywhere(lie))

    assert story.ended() == "decode"
    assert len(story.attempts()) == 1


# The transport


@PROMISED
@given(CALLS, st.sampled_from(["close", "reset"]), st.sampled_from(["request", "response"]))
def test_a_connection_that_ends_before_the_answer_is_called_so(call: dict[str, Any], end: str, at: str) -> None:
    """Closed, reset or a breach of the protocol: never a timeout, never a status."""
    story = play(call, faults=_everywhere({end: at}))

    error = story.outcome().error
    assert error is not None
    assert error.kind in BROKEN_OFF
    assert error.status is None


@PROMISED
@given(st.sampled_from([read(), create(), {"orders.list": {}}]), st.sampled_from(["close", "reset"]))
def test_a_body_that_breaks_off_is_called_so(call: dict[str, Any], ending: str) -> None:
    """A success that ends too early is a failure of the transport."""
    story = play(call, faults=_everywhere({"truncate": {"after": 5, "ending": ending}}))

    assert story.ended() in CUT_OFF


@PROMISED
@given(CALLS, st.sampled_from(["request", "response", "head", "body"]))
def test_silence_is_a_read_timeout_at_its_limit(call: dict[str, Any], at: str) -> None:
    """Each silent attempt lasts as long as the read timeout allows, and the call says ``timeout.read``."""
    if at in ("head", "body") and ("users.delete" in call or "auth.logout" in call):
        at = "response"  # an answer without a body is whole with its head
    story = play(call, faults=_everywhere({"stall": {"at": at}}))

    read_limit = POLICY.timeouts.read or 0.0
    assert story.ended() == "timeout.read"
    for attempt in story.attempts():
        assert attempt.t_ended is not None
        assert abs(attempt.t_ended - attempt.t_arrived - read_limit) <= TRIP


@PROMISED
@given(
    st.sampled_from([create(), {"users.delete": {"id": 2}}, {"auth.login": {}}]), st.sampled_from(["stall", "reset"])
)
def test_a_write_without_an_answer_may_have_happened(call: dict[str, Any], failure: str) -> None:
    """Whoever asked for a write is told when its effect is unknown; a read has none."""
    wrote = play(call, faults=_everywhere(failure)).outcome().error
    looked = play(read(), faults=_everywhere(failure)).outcome().error

    assert wrote is not None
    assert wrote.effect_unknown
    assert looked is not None
    assert not looked.effect_unknown


# Nothing gets past the result type


@PROMISED
@given(
    CALLS,
    plans(steps(names=DRAWN_IN_SCENARIOS, times=TIMES), max_size=4),
    st.sampled_from(["valid", "expired", "revoked", "none"]),
)
def test_every_failure_is_a_value(call: dict[str, Any], plan: tuple[Step, ...], access: str) -> None:
    """Whatever goes wrong where, a call ends well or with a failure of a known kind: nothing escapes as an exception."""
    story = play(call, given={"access_token": access}, faults=[rule("*", *plan, then="repeat")])

    outcome = story.outcome()
    assert not outcome.escaped
    assert outcome.outcome in ("ok", "error")
    assert outcome.error is None or outcome.error.kind not in ("bug", "other")


@PROMISED
@given(plans(steps(names=DRAWN_IN_SCENARIOS, times=TIMES), max_size=4))
def test_the_client_says_how_often_it_tried(plan: tuple[Step, ...]) -> None:
    """The number of attempts that the caller is told is the number that the server has seen."""
    story = play(read(), faults=[rule("users.get", *plan, then="last")])

    assert story.outcome().attempts == len(story.attempts())
