"""TIME-06 and TIME-07 on told traces: what is left of an attempt that timed out, and what is said of a write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import USER_BODY, Story, truth

READ = {"timeouts": {"read": "1s", "total": "500s"}}
STALL = [FiredFault("stall", "response")]


def _twice(late: float | None, *, wait: float = 0.3) -> Story:
    """Tell of an attempt in silence and the next one; the first's connection ends so long after the second arrived."""
    story = Story(policy=READ)
    call, t = story.call(), story.t
    again = t + 1.0 + wait
    ended = None if late is None else again + late
    how, by = ("open", None) if late is None else ("fin", "client")
    call._add(t, how=how, by=by, ended=ended, fired=STALL)
    story.t = again
    call.meets(200).ok()
    return story


@truth("TIME-06")
@given(st.floats(0.0, 0.3), st.floats(0.001, 5.0))
def test_the_first_connection_ends_before_the_second_attempt(before: float, after: float) -> None:
    """TIME-06 holds exactly where the connection of a timed-out attempt ends before the next attempt arrives."""
    assert _twice(-before).verdict("TIME-06") == "pass"
    assert _twice(after).verdict("TIME-06") == "fail"


def test_a_connection_that_stays_open_is_left_behind() -> None:
    """TIME-06 fails where a timed-out attempt's connection is never closed."""
    assert "was never closed" in _twice(None).sentences("TIME-06")[0]


def test_a_late_answer_shows_that_it_was_left_behind() -> None:
    """TIME-06 fails where the server could still answer an attempt that was given up."""
    story = Story(policy=READ)
    call = story.call()
    start = story.t
    call.meets(200, takes=3.0)
    story.t = start + 1.2
    call.meets(200).ok()

    assert story.verdict("TIME-06") == "fail"


def test_one_round_trip_is_nobody_s_fault() -> None:
    """TIME-06 does not hold the network's own time against the client."""
    story = _twice(0.04)
    story.scenario = {"given": {"network": {"latency": "50ms"}}}

    assert story.verdict("TIME-06") == "pass"


def test_what_did_not_time_out_is_another_matter() -> None:
    """TIME-06 is not exercised by attempts that were answered or broken off by the server."""
    story = Story(policy=READ)
    story.call().meets(503).waits(1.5).breaks().waits(1.5).meets(401).meets(200).ok()

    assert story.verdict("TIME-06") == "not_exercised"


def test_a_slow_401_may_be_left_open() -> None:
    """TIME-06 is not about a 401 whose body the client does not wait for."""
    story = Story(policy=READ)
    call = story.call()
    t = story.t
    call.gives_up(after=1.2, status=401, first=t + 0.01, last=t + 0.01, sent=100)
    story.t = t + 1.1
    call.meets(200).ok()

    assert story.verdict("TIME-06") == "not_exercised"


# TIME-07


@truth("TIME-07")
@given(
    st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
    st.sampled_from(["timeout.read", "timeout.total"]),
    st.booleans(),
    st.booleans(),
)
def test_a_write_that_timed_out_is_in_doubt(method: str, kind: str, says: bool, head: bool) -> None:
    """TIME-07 holds exactly where the failure of a write in silence says that its effect is unknown."""
    story = Story(policy=READ)
    call = story.call("http", {"method": method, "path": "/orders"}, key="k1")
    begun = {"status": 201, "first": story.t, "last": story.t, "sent": 120, "body": USER_BODY} if head else {}
    call.gives_up(after=1.0, **begun).fails(kind)
    assert call.outcome is not None
    assert call.outcome.error is not None
    call.outcome.error.effect_unknown = says

    assert story.verdict("TIME-07") == ("pass" if says else "fail")


def test_an_effect_that_happened_is_told() -> None:
    """TIME-07 says in its finding where the write has happened."""
    story = Story(policy=READ)
    story.create().gives_up(after=1.0, effect=True).fails("timeout.read")

    assert "had its effect" in story.sentences("TIME-07")[0]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reads_have_no_effect(method: str) -> None:
    """TIME-07 is not exercised by what only reads."""
    story = Story(policy=READ)
    story.call("http", {"method": method, "path": "/users/1"}).gives_up(after=1.0).fails("timeout.read")

    assert story.verdict("TIME-07") == "not_exercised"


def test_a_write_that_was_answered_is_not_in_doubt() -> None:
    """TIME-07 is not exercised by a write that was refused, nor by one that the client cancelled, nor by a login."""
    answered = Story(policy=READ)
    answered.create().gives_up(after=1.0).waits(0.1).meets(422).fails("validation", 422)
    cancelled = Story(policy=READ)
    cancelled.create(cancel_after=0.5).gives_up(after=0.5).cancelled()
    login = Story(policy=READ)
    login.call("auth.login", {}).gives_up(after=1.0).fails("timeout.read")

    for story in (answered, cancelled, login):
        assert story.verdict("TIME-07") == "not_exercised"


# More of TIME-06


def _stalls_in_its_body(status: int, *, first: float = 0.01, last: float = 0.01, again: float = 1.1) -> Story:
    """Tell of an attempt whose answer stops in its body, and of the next one, before the first was closed."""
    story = Story(policy=READ)
    call, t = story.call(), story.t
    call.gives_up(after=again + 0.1, status=status, first=t + first, last=t + last, sent=100, body=USER_BODY)
    story.t = t + again
    call.meets(200).ok()
    return story


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "fail"), (299, "fail"), (300, "not_exercised"), (301, "not_exercised")]
)
def test_a_head_that_says_it_all_is_no_silence(status: int, verdict: str) -> None:
    """TIME-06 is not about an attempt whose status the client saw, unless that was a success."""
    assert _stalls_in_its_body(status).verdict("TIME-06") == verdict


@pytest.mark.parametrize("status", [200, 401, 503])
def test_a_head_that_came_too_late_says_nothing(status: int) -> None:
    """TIME-06 fails whatever the server answers to an attempt that had been given up."""
    story = Story(policy=READ)
    call = story.call()
    start = story.t
    call.meets(status, takes=3.0)
    story.t = start + 1.2
    call.meets(200).ok()

    assert story.verdict("TIME-06") == "fail"


def test_another_attempt_beside_is_no_timeout() -> None:
    """TIME-06 is not exercised where the next attempt came before the read timeout, nor after a whole answer."""
    story = Story(policy=READ)
    call, start = story.call(), story.t
    call.gives_up(after=0.5)
    story.t = start + 0.3
    call.meets(200).ok()
    assert story.verdict("TIME-06") == "not_exercised"

    story = Story(policy=READ)
    story.call().meets(200).waits(1.5).meets(200).ok()
    story.events[0].t_ended = story.t + 5.0
    assert story.verdict("TIME-06") == "not_exercised"


def test_who_counts_from_the_request_times_out_too() -> None:
    """TIME-06 is exercised where an attempt with half an answer is given up a read timeout after its request."""
    assert _stalls_in_its_body(200, last=0.5).verdict("TIME-06") == "fail"


def test_each_attempt_is_looked_at() -> None:
    """TIME-06 finds an attempt that was left open behind one that was answered, and behind one that was closed."""
    for closed in (False, True):
        story = Story(policy=READ)
        call = story.call()
        if closed:
            call.gives_up(after=1.0).waits(0.1)
        else:
            call.meets(503).waits(0.1)
        start = story.t
        call.gives_up(after=1.5)
        story.t = start + 1.25
        call.meets(200).ok()
        assert [found.exchanges for found in story.judge("TIME-06").findings] == [(2, 3)]
        assert story.sentences("TIME-06")[0].endswith("was open: it ended 0.250 s after that only.")


# More of TIME-07


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "fail"), (299, "fail"), (300, "not_exercised"), (301, "not_exercised")]
)
def test_a_head_that_refuses_leaves_no_doubt(status: int, verdict: str) -> None:
    """TIME-07 is not exercised by a write whose answer had begun with anything but a success."""
    story = Story(policy=READ)
    call, t = story.create(), story.t
    call.gives_up(after=1.1, status=status, first=t, last=t, sent=100, body=USER_BODY).fails("timeout.read")

    assert story.verdict("TIME-07") == verdict


@pytest.mark.parametrize(
    ("after", "kind", "verdict"),
    [(1.0, "other", "fail"), (0.5, "timeout.total", "fail"), (0.5, "timeout.read", "fail"),
     (0.5, "other", "not_exercised")],
)  # fmt: skip
def test_what_shows_that_a_write_timed_out(after: float, kind: str, verdict: str) -> None:
    """TIME-07 is exercised by a silence as long as the read timeout, and by a failure that is called a timeout."""
    story = Story(policy=READ)
    story.create().gives_up(after=after).fails(kind)

    assert story.verdict("TIME-07") == verdict


def test_a_write_that_the_server_ended_or_answered_is_not_in_doubt() -> None:
    """TIME-07 is not exercised by what the server broke off, nor by what the client had all of, whatever it is called."""
    broken, answered = Story(policy=READ), Story(policy=READ)
    broken.create().breaks().fails("timeout.read")
    answered.create().meets(201, how="fin", by="client").fails("timeout.total")

    assert broken.verdict("TIME-07") == answered.verdict("TIME-07") == "not_exercised"


def test_only_a_write_in_doubt_must_say_so() -> None:
    """TIME-07 asks nothing of a write that failed beside one in doubt, and names the attempt that left the doubt."""
    story = Story(policy=READ)
    story.create(key="k1").meets(503).waits(0.1).gives_up(after=1.0).fails("timeout.read")
    story.create(key="k2").meets(422).fails("validation", 422)

    assert len(story.sentences("TIME-07")) == 1
    assert story.sentences("TIME-07")[0].endswith("though exchange 2 had reached the server.")
