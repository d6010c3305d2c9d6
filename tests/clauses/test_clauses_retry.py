"""RETRY clauses on told traces: each is satisfied, broken by the smallest change, and not exercised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, Story, Telling

EXACT = {"retry": {"jitter": "none"}}


def _attempts(telling: Telling, *statuses: int, wait: float = 0.3) -> Telling:
    """Let a call meet statuses, waiting in between."""
    for index, status in enumerate(statuses):
        telling.waits(wait if index else 0.0).meets(status)
    return telling


# RETRY-01


@given(st.integers(1, 8), st.integers(0, 4))
def test_attempts_are_bounded(attempts: int, retries: int) -> None:
    """RETRY-01 holds for up to 1 + max_retries attempts and fails beyond, whatever the numbers are."""
    story = Story(policy={"retry": {"max_retries": retries}})
    _attempts(story.call(), *[503] * attempts).fails("server", 503)

    assert story.verdict("RETRY-01") == ("pass" if attempts <= 1 + retries else "fail")


def test_an_auth_replay_adds_one_attempt() -> None:
    """RETRY-01 allows one more exchange where a 401 was replayed, and no second one."""
    for statuses, verdict in (([401, 503, 503, 200], "pass"), ([401, 503, 503, 503, 200], "fail")):
        story = Story()
        _attempts(story.call(), *statuses).ok()
        assert story.verdict("RETRY-01") == verdict


def test_what_counts_as_no_attempt() -> None:
    """RETRY-01 counts neither a plain fetch after a 304 nor a repeat on a used connection that ended without a byte."""
    plain = Story()
    _attempts(plain.call(), 304, 503, 503, 200).ok()
    unseen = Story()
    first = unseen.call().meets(200, connection=7).ok()
    assert first.outcome is not None
    unseen.call(args={"id": 2}).breaks("fin", connection=7).meets(503).meets(503).meets(200).ok()

    assert plain.verdict("RETRY-01") == unseen.verdict("RETRY-01") == "pass"


def test_a_reset_on_a_fresh_connection_is_an_attempt() -> None:
    """RETRY-01 counts a silent end on a connection that had carried nothing before: no library repeats that unseen."""
    story = Story()
    story.call().breaks("fin").meets(503).meets(503).meets(200).ok()

    assert story.verdict("RETRY-01") == "fail"


def test_each_page_has_its_own_attempts() -> None:
    """RETRY-01 counts for each page of a walk, not for the walk."""
    story = Story()
    walk = story.call("users.list", pages=True)
    for page in (1, 2, 3):
        walk.meets(503, query=f"page={page}").waits(0.3).meets(200, query=f"page={page}")
    walk.ok()
    assert story.verdict("RETRY-01") == "pass"

    story = Story()
    walk = story.call("users.list", pages=True)
    for _ in range(4):
        walk.waits(0.3).meets(503, query="page=2")
    walk.fails("server", 503)
    assert story.verdict("RETRY-01") == "fail"


def test_attempts_need_a_failure_to_count() -> None:
    """RETRY-01 is not exercised where every call went well at once."""
    story = Story()
    story.call().meets(200).ok()

    assert story.verdict("RETRY-01") == "not_exercised"


def test_attempts_of_a_client_that_promises_nothing() -> None:
    """RETRY-01 is unsupported without max_retries."""
    story = Story(policy={"retry": {"max_retries": None}})
    _attempts(story.call(), 503, 200).ok()

    assert story.verdict("RETRY-01") == "unsupported"


# RETRY-02


@pytest.mark.parametrize("how", ["rst", "fin", "silence", "cut", "503"])
def test_an_unkeyed_post_is_not_repeated(how: str) -> None:
    """RETRY-02 holds for a POST that failed once, and fails as soon as it is sent again without a key."""
    for repeated in (False, True):
        story = Story()
        order = story.create(key=None)
        if how == "silence":
            order.gives_up()
        elif how == "cut":
            order.breaks_off(201)
        elif how == "503":
            order.meets(503)
        else:
            order.breaks(how)
        (order.meets(201).ok() if repeated else order.fails("reset"))
        assert story.verdict("RETRY-02") == ("fail" if repeated else "pass")


def test_a_repeat_after_success_is_one_too() -> None:
    """RETRY-02 fails where a POST is sent again although it had been answered with success."""
    story = Story()
    story.create(key=None).meets(201).meets(201).ok()

    assert story.verdict("RETRY-02") == "fail"


@pytest.mark.parametrize("status", [401, 307])
def test_what_the_server_did_not_act_on_may_go_on(status: int) -> None:
    """RETRY-02 allows the replay after a 401 and the hop of a redirect."""
    story = Story()
    story.create(key=None).meets(status).breaks("rst").fails("reset")

    assert story.verdict("RETRY-02") == "pass"


def test_a_patch_is_not_idempotent() -> None:
    """RETRY-02 fails for a PATCH that is sent again."""
    story = Story()
    story.call("http", {"method": "PATCH", "path": "/users/1"}).breaks("rst").meets(200).ok()

    assert story.verdict("RETRY-02") == "fail"


def test_idempotent_and_keyed_requests_may_be_repeated() -> None:
    """RETRY-02 is not exercised by PUT, DELETE, GET and keyed POSTs: nothing forbids to repeat them."""
    story = Story()
    story.call("users.update", {"id": 1}).breaks("rst").meets(200).ok()
    story.call("users.delete", {"id": 1}).breaks("rst").meets(204).ok()
    story.create(key="k1").breaks("rst").meets(201).ok()

    assert story.verdict("RETRY-02") == "not_exercised"


# RETRY-03


@given(st.lists(st.sampled_from([408, 429, 502, 503, 504]), min_size=1, max_size=3))
def test_promised_statuses_are_retried_as_often_as_promised(statuses: list[int]) -> None:
    """RETRY-03 holds where a call goes on until it succeeds or its retries are used up, not where it stops early."""
    good = Story()
    _attempts(good.call(), *statuses, *([200] if len(statuses) < 3 else [])).fails("server", 503)
    early = Story()
    _attempts(early.call(), *statuses).fails("server", 503)

    assert good.verdict("RETRY-03") == "pass"
    assert early.verdict("RETRY-03") == ("pass" if len(statuses) == 3 else "fail")


@pytest.mark.parametrize("how", ["rst", "fin", "cut", "silence"])
def test_transport_failures_are_retried(how: str) -> None:
    """RETRY-03 fails where a read stops at its first failure of the transport, and holds where it goes on."""
    for stops in (True, False):
        story = Story()
        call = story.call()
        if how == "cut":
            call.breaks_off()
        elif how == "silence":
            call.gives_up()
        else:
            call.breaks(how)
        (call.fails("reset") if stops else call.waits(0.3).meets(200).ok())
        assert story.verdict("RETRY-03") == ("fail" if stops else "pass")


def test_only_listed_transport_failures_are_due() -> None:
    """RETRY-03 asks for no retry of a failure that the contract does not list, and not where names are blurred."""
    policy = {"retry": {"transport": ["timeout.read", "reset"], "statuses": []}}
    for tell, verdict in (("breaks_off", "not_exercised"), ("breaks", "not_exercised"), ("gives_up", "fail")):
        story = Story(policy=policy)
        getattr(story.call(), tell)()
        story.tellings[-1].fails("timeout.read")
        assert story.verdict("RETRY-03") == verdict


@pytest.mark.parametrize("name", ["bad_status_line", "garbage", "broken_chunk"])
def test_what_is_no_http_is_no_end_of_a_connection(name: str) -> None:
    """RETRY-03 wants a broken message retried of those alone that promise to retry broken messages."""
    for transport, verdict in (
        (["closed", "reset", "body"], "not_exercised"),
        (["closed", "reset", "body", "protocol"], "fail"),
    ):
        story = Story(policy={"retry": {"transport": transport, "statuses": []}})
        fired = [FiredFault(name, "response")]
        call = story.call()
        (call.breaks_off(fired=fired) if name == "broken_chunk" else call.breaks("fin", fired=fired)).fails("protocol")
        assert story.verdict("RETRY-03") == verdict


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422, 500, 501, 505])
def test_other_errors_are_final(status: int) -> None:
    """RETRY-03 fails where any other error is sent again, and holds where the call ends with it."""
    final = Story()
    final.call().meets(status).fails("other", status)
    again = Story()
    _attempts(again.call(), status, 200).ok()

    assert (final.verdict("RETRY-03"), again.verdict("RETRY-03")) == ("pass", "fail")


def test_conflict_in_progress_is_the_exception() -> None:
    """RETRY-03 allows to repeat a keyed POST after a 409 that says "in progress", and no other 409."""
    body = b'{"type": "/problems/idempotency-in-progress"}'
    for key, answer, verdict in (("k1", body, "pass"), ("k1", b"{}", "fail"), (None, body, "fail")):
        story = Story()
        story.create(key=key).meets(409, body=answer).waits(0.3).meets(201).ok()
        assert story.verdict("RETRY-03") == verdict


def test_statuses_if_told() -> None:
    """RETRY-03 asks for and allows a retry of 500 where the contract retries it if told when, and only then."""
    policy = {"retry": {"statuses_if_told": [500]}}
    told = [("retry-after", "0")]
    for headers, again, verdict in (
        (told, True, "pass"),
        (told, False, "fail"),
        ([], True, "fail"),
        ([], False, "pass"),
    ):
        story = Story(policy=policy)
        call = story.call().meets(500, headers=headers)
        (call.waits(0.3).meets(200).ok() if again else call.fails("server", 500))
        assert story.verdict("RETRY-03") == verdict


def test_what_may_stop_a_retry() -> None:
    """RETRY-03 blames nobody for a retry that deadline, cancel, a long Retry-After or a full pool kept away."""
    late = Story()
    late.call().waits(7.985).meets(503).fails("server", 503)
    cancelled = Story()
    cancelled.call(cancel_after=0.05).meets(503).waits(0.045).cancelled()
    told = Story()
    told.call().meets(503, headers=[("retry-after", "3600")]).fails("server", 503)
    no_place = Story()
    no_place.call().meets(503).fails("timeout.pool")

    assert {item.verdict("RETRY-03") for item in (late, cancelled, told, no_place)} == {"pass"}


def test_a_short_retry_after_stops_nothing() -> None:
    """RETRY-03 fails where a client gives up although Retry-After is within its cap and its time."""
    story = Story()
    story.call().meets(503, headers=[("retry-after", "1")]).fails("server", 503)

    assert story.verdict("RETRY-03") == "fail"


def test_a_spent_budget_stops_retries() -> None:
    """RETRY-03 blames nobody for a retry missing once the budget is spent, and does while it is not."""
    for spent, verdict in ((5, "pass"), (3, "fail")):
        story = Story(policy={"retry": {"budget": {"tokens": 10, "cost": 1, "refill": 0.1}}})
        for number in range(spent):
            _attempts(story.call(args={"id": number + 10}), 503, 503, 503).fails("server", 503)
        story.call().meets(503).fails("server", 503)
        assert story.verdict("RETRY-03") == verdict


def test_a_fallback_by_its_deadline_stops_retries() -> None:
    """RETRY-03 blames nobody where the cache answered by the promised moment."""
    story = Story(policy={"cache": {"fallback_after": "2s"}})
    story.call().waits(1.985).meets(503).waits(0.015).ok(source="cache")

    assert story.verdict("RETRY-03") == "pass"


def test_a_failed_refresh_stops_retries() -> None:
    """RETRY-03 blames nobody where the session could not be renewed in between."""
    story = Story()
    call = story.call().meets(503)
    story.refresh(503)
    call.fails("server", 503)

    assert story.verdict("RETRY-03") == "pass"


def test_unsafe_requests_need_a_key_to_be_due() -> None:
    """RETRY-03 asks for a retry of a POST only if it has a key, or the contract retries any method."""
    keyed, unkeyed = Story(), Story()
    keyed.create().meets(503).fails("server", 503)
    unkeyed.create(key=None).meets(503).fails("server", 503)
    anything = Story(policy={"retry": {"methods": "any"}})
    anything.create(key=None).meets(503).fails("server", 503)

    assert [item.verdict("RETRY-03") for item in (keyed, unkeyed, anything)] == ["fail", "pass", "fail"]


def test_an_error_status_cut_in_its_body_may_be_either() -> None:
    """RETRY-03 neither asks for nor forbids a retry of a 404 whose body was cut; of a 503 it asks for one."""
    for status, again, verdict in (
        (404, True, "not_exercised"),
        (404, False, "not_exercised"),
        (503, True, "pass"),
        (503, False, "fail"),
    ):
        story = Story()
        call = story.call().breaks_off(status)
        (call.waits(0.3).meets(200).ok() if again else call.fails("truncated"))
        assert story.verdict("RETRY-03") == verdict


def test_a_refusal_that_came_too_late_may_have_cost_a_retry() -> None:
    """RETRY-03 counts the step after a 401 as a retry where the client may have timed out before it."""
    for takes, verdict in ((0.5, "pass"), (0.005, "fail")):
        story = Story()
        call = story.call().meets(503).waits(0.02).meets(401, takes=takes).waits(0.04).meets(503)
        call.fails("server", 503)
        assert story.verdict("RETRY-03") == verdict


def test_an_answer_that_came_with_the_timeout_proves_nothing() -> None:
    """RETRY-03 blames nobody for sending again after a 404 that arrived when the read timeout may have struck."""
    story = Story(world="live")
    story.call().meets(404, takes=0.38).waits(0.02).meets(200).ok()

    assert story.verdict("RETRY-03") == "not_exercised"


def test_a_client_without_retries_is_unsupported() -> None:
    """RETRY-03 needs the capability."""
    story = Story(capabilities=ALL - {"retry"})
    story.call().meets(503).fails("server", 503)

    assert story.verdict("RETRY-03") == "unsupported"


# RETRY-05


@given(st.integers(0, 2_000), st.integers(1, 2))
def test_waits_without_jitter(short: int, n: int) -> None:
    """RETRY-05 fails exactly where a wait is shorter than the promised one (here in steps of 10 µs)."""
    promised, short_by = 0.02 * 2 ** (n - 1), short / 100_000
    story = Story(policy=EXACT)
    call = story.call().meets(503)
    if n == 2:
        call.waits(0.02).meets(503)
    call.waits(max(0.0, promised - short_by)).meets(200).ok()

    assert story.verdict("RETRY-05") == ("fail" if short else "pass")


def test_equal_jitter_halves_the_bound() -> None:
    """RETRY-05 asks for half of the delay under equal jitter, in the live world up to the clocks' granularity."""
    for world, waited, verdict in (
        ("sim", 0.01, "pass"),
        ("sim", 0.009, "fail"),
        ("live", 0.006, "pass"),
        ("live", 0.004, "fail"),
    ):
        story = Story(policy={"retry": {"jitter": "equal"}}, world=world)
        story.call().meets(503).waits(waited).meets(200).ok()
        assert story.verdict("RETRY-05") == verdict


def test_full_jitter_has_a_ceiling_in_the_simulated_world_alone() -> None:
    """RETRY-05 finds a wait above the ceiling in sim; in the live world it is not exercised at all."""
    for world, waited, verdict in (
        ("sim", 0.0, "pass"),
        ("sim", 0.02, "pass"),
        ("sim", 0.03, "fail"),
        ("live", 0.5, "not_exercised"),
    ):
        story = Story(policy={"retry": {"jitter": "full"}}, world=world)
        story.call().meets(503).waits(waited).meets(200).ok()
        assert story.verdict("RETRY-05") == verdict


def test_a_wait_counts_from_when_the_client_can_have_known() -> None:
    """RETRY-05 counts from the head of a status whose body took its time, and from the limit of a silence."""
    head = Story(policy=EXACT)
    call = head.call()
    start, head.t = head.t, head.t + 0.3
    times = {"first": start + 0.1, "last": head.t, "ended": head.t}
    head.exchange(start, method="GET", path="/users/1", call=call.tag, status=503, body=b"{}", **times)
    call.meets(200).ok()
    silence = Story(policy=EXACT)
    silence.call().gives_up().waits(0.02).meets(200).ok()
    hasty = Story(policy=EXACT)
    hasty.call().gives_up().waits(0.01).meets(200).ok()

    assert [item.verdict("RETRY-05") for item in (head, silence, hasty)] == ["pass", "pass", "fail"]


def test_waits_that_are_another_clauses() -> None:
    """RETRY-05 leaves replays after a 401, waits by Retry-After, and repeats on used connections alone."""
    replay = Story(policy=EXACT)
    replay.call().meets(401).meets(200).ok()
    told = Story(policy=EXACT)
    told.call().meets(503, headers=[("retry-after", "0")]).meets(200).ok()
    unseen = Story(policy=EXACT)
    unseen.call().meets(200, connection=4).ok()
    unseen.call(args={"id": 2}).breaks("fin", connection=4).meets(200).ok()

    assert {item.verdict("RETRY-05") for item in (replay, told, unseen)} == {"not_exercised"}


def test_a_list_of_delays() -> None:
    """RETRY-05 judges by a list of delays where the contract has one; its last entry holds for all further retries."""
    policy = {"retry": {"jitter": "none", "first_delay": None, "factor": None, "delays": ["10ms", "50ms"]}}
    for waits, verdict in (((0.01, 0.05), "pass"), ((0.01, 0.04), "fail")):
        story = Story(policy=policy)
        call = story.call().meets(503)
        for wait in waits:
            call.waits(wait).meets(503)
        call.fails("server", 503)
        assert story.verdict("RETRY-05") == verdict


# RETRY-07


@given(st.integers(1, 5), st.integers(-1_000, 1_000), st.sampled_from([429, 503]))
def test_nobody_comes_before_retry_after(told: int, late_ms: int, status: int) -> None:
    """RETRY-07 fails exactly where an attempt comes earlier than the seconds that were told."""
    story = Story()
    headers = [("Retry-After", str(told))]
    story.call().meets(status, headers=headers).waits(max(0.0, told + late_ms / 1000)).meets(200).ok()

    assert story.verdict("RETRY-07") == ("fail" if late_ms < 0 else "pass")


def test_retry_after_as_a_date() -> None:
    """RETRY-07 reads dates, counted from the answer's own Date, and takes off the second that both may have lost."""
    headers = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sunday, 06-Nov-94 08:49:40 GMT")]
    for waited, verdict in ((1.9, "fail"), (2.0, "pass")):
        story = Story()
        story.call().meets(503, headers=headers).waits(waited).meets(200).ok()
        assert story.verdict("RETRY-07") == verdict


@pytest.mark.parametrize("value", ["-1", "1.5", "", "soon", "9" * 400 + "x", "Sun, 99 Nov 1994 08:49:37 GMT"])
def test_an_unreadable_retry_after_asks_for_nothing(value: str) -> None:
    """RETRY-07 is not exercised by a Retry-After that nobody can read."""
    story = Story()
    story.call().meets(503, headers=[("retry-after", value), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")]).meets(200).ok()

    assert story.verdict("RETRY-07") == "not_exercised"


def test_retry_after_counts_on_429_and_503_only_and_if_heeded() -> None:
    """RETRY-07 is about 429 and 503, about calls that go on, and about clients that promise to heed it."""
    headers = [("retry-after", "5")]
    other = Story()
    other.call().meets(502, headers=headers).meets(200).ok()
    ended = Story()
    ended.call().meets(503, headers=headers).fails("server", 503)
    ignoring = Story(policy={"retry": {"retry_after": "ignore"}})
    ignoring.call().meets(503, headers=headers).meets(200).ok()

    assert [item.verdict("RETRY-07") for item in (other, ended, ignoring)] == [
        "not_exercised",
        "not_exercised",
        "unsupported",
    ]


# RETRY-12


def test_a_repetition_is_the_same_request() -> None:
    """RETRY-12 lets token and tracing change, and fails for body, query, key and any other header."""
    base: dict[str, Any] = {
        "digest": "d1",
        "query": "a=1",
        "sent_headers": [("accept", "json"), ("authorization", "Bearer #1"), ("traceparent", "x")],
    }
    changes: list[tuple[dict[str, Any], str]] = [
        ({"sent_headers": [("Accept", "json"), ("authorization", "Bearer #2"), ("traceparent", "y")]}, "pass"),
        ({"digest": "d2"}, "fail"),
        ({"digest": None}, "fail"),
        ({"query": "a=2"}, "fail"),
        ({"sent_headers": [("accept", "text"), ("authorization", "Bearer #1")]}, "fail"),
        ({"sent_headers": [*base["sent_headers"], ("x-attempt", "2")]}, "fail"),
    ]
    for change, verdict in changes:
        story = Story()
        story.call("users.update", {"id": 1}).meets(503, **base).waits(0.3).meets(200, **{**base, **change}).ok()
        assert story.verdict("RETRY-12") == verdict, change


@pytest.mark.parametrize("name", ["range", "if-range", "if-match", "if-none-match"])
def test_the_rest_of_a_body_may_be_asked_for(name: str) -> None:
    """RETRY-12 lets a repetition ask for the rest of an answer whose body broke off, and of no other."""
    broken, whole, unanswered = Story(), Story(), Story()
    broken.call().breaks_off().meets(206, sent_headers=[("accept", "application/json"), (name, "x")]).ok()
    whole.call().meets(503).meets(206, sent_headers=[("accept", "application/json"), (name, "x")]).ok()
    unanswered.call().breaks().meets(206, sent_headers=[("accept", "application/json"), (name, "x")]).ok()

    assert broken.verdict("RETRY-12") == ("fail" if name == "if-none-match" else "pass")
    assert whole.verdict("RETRY-12") == unanswered.verdict("RETRY-12") == "fail"


@given(st.integers(1, 5000), st.integers(0, 5000), st.booleans())
def test_a_body_that_was_not_read_may_be_the_same(size: int, again: int, chunked: bool) -> None:
    """RETRY-12 takes a body that the server did not read for the same as one of its length, and for no other."""
    head = [("Transfer-Encoding", "chunked")] if chunked else [("Content-Length", str(size))]
    unread: dict[str, Any] = {"digest": None, "sent_headers": head, "fault": "request_close"}
    next_head = head if chunked else [("Content-Length", str(again))]
    read: dict[str, Any] = {"digest": "d1" if again or chunked else None, "sent_headers": next_head}
    story = Story()
    story.call("users.update", {"id": 1}).breaks(**unread).waits(0.3).meets(200, **read).ok()

    assert story.verdict("RETRY-12") == ("pass" if chunked or size == again else "fail")


def test_a_plain_fetch_after_304_drops_its_condition() -> None:
    """RETRY-12 lets the condition go after a 304, and only then."""
    condition = [("if-none-match", '"e"')]
    for status, verdict in ((304, "pass"), (503, "fail")):
        story = Story()
        story.call().meets(status, sent_headers=condition).waits(0.3).meets(200, sent_headers=[]).ok()
        assert story.verdict("RETRY-12") == verdict


def test_nothing_repeated_nothing_compared() -> None:
    """RETRY-12 is not exercised where no request was sent twice."""
    story = Story()
    story.call().meets(503).fails("server", 503)

    assert story.verdict("RETRY-12") == "not_exercised"


def test_findings_name_call_attempts_and_times() -> None:
    """A finding says which call, which exchanges and which times, in one sentence."""
    story = Story(policy=EXACT)
    story.call().meets(503).waits(0.004).meets(200, fired=[FiredFault("delay", "response")]).ok()

    assert story.sentences("RETRY-05") == [
        "Call c0/0 (users.get id=1) waited 0.004 s before retry 1 (exchange 2); promised are at least 0.020 s."
    ]
    assert story.judge("RETRY-05").findings[0].exchanges == (1, 2)
