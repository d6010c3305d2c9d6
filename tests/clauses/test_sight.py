"""What a client can have seen of an exchange, and what it cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import Ended, ExchangeEvent, FiredFault
from sadpath.verify.sight import INVALID, Limits, json_of, look, retry_after_of

EXACT = Limits(read=1.0, exact=True)
LIVE = Limits(read=1.0)


def _exchange(**facts: object) -> ExchangeEvent:
    usual: dict[str, object] = {
        "session": "s", "connection": 1, "exchange": 1, "method": "GET", "path": "/users/1", "status": 200,
        "response_body": b"1234567890", "bytes_sent": 210, "t_arrived": 10.0, "t_first_byte": 10.1, "t_last_byte": 10.1,
        "t_ended": 10.1, "ended": Ended("complete"),
    }  # fmt: skip
    return ExchangeEvent(**{**usual, **facts})  # type: ignore[arg-type] # facts of an exchange by name


def test_a_whole_answer_in_time_is_sure() -> None:
    """An answer that came whole and early was surely seen, and nothing failed."""
    sight = look(_exchange(), LIVE)

    assert (sight.sure, sight.whole, sight.success, sight.failures, sight.known_at) == (
        True,
        True,
        True,
        frozenset(),
        10.1,
    )


@given(st.floats(0, 3))
def test_an_answer_is_never_both_sure_and_late(delay: float) -> None:
    """Either the answer was surely in time, or a limit of the client's may have struck; in sim exactly so."""
    at = 10.0 + delay
    for limits in (EXACT, LIVE):
        sight = look(_exchange(t_first_byte=at, t_last_byte=at, t_ended=at), limits)
        assert sight.sure != bool(sight.failures)
        if not sight.sure:
            assert sight.failures == {"timeout.read"}
            assert sight.known_at <= 11.0
    assert look(_exchange(t_first_byte=at, t_last_byte=at, t_ended=at), EXACT).sure == (at - 10.0 < 1.0 - 1e-6)


@pytest.mark.parametrize("limits", [Limits(deadline=10.12), Limits(cancel_at=10.12)])
def test_deadline_and_cancel_race_with_the_answer(limits: Limits) -> None:
    """An answer that came within 50 ms of the call's deadline or cancel may not have been seen."""
    assert not look(_exchange(), limits).sure
    assert look(_exchange(t_first_byte=10.0, t_last_byte=10.05, t_ended=10.05), limits).sure


def test_how_a_connection_ended_is_blurred() -> None:
    """Before any answer an end is closed, reset or nonsense; in the middle of one it may be a truncation too."""
    nothing = {"status": None, "bytes_sent": 0, "t_first_byte": None, "t_last_byte": None}
    before = look(_exchange(**nothing, ended=Ended("fin", "server"), t_ended=10.2), LIVE)
    within = look(_exchange(ended=Ended("rst", "server"), bytes_sent=205, t_ended=10.2), LIVE)

    assert (before.status, before.clear, before.failures) == (None, True, frozenset({"closed", "reset", "protocol"}))
    assert (within.status, within.cut, within.failures) == (
        200,
        True,
        frozenset({"truncated", "closed", "reset", "protocol"}),
    )
    assert before.known_at == within.known_at == 10.2


@given(st.floats(0.0, 3.0), st.floats(0.0, 3.0))
def test_a_cut_answer_may_have_come_too_late(before: float, after: float) -> None:
    """A client that waited too long for the head, or for the rest, of an answer that was cut may have left by then."""
    first, at = 10.0 + before, 10.0 + before + after
    cut = _exchange(t_first_byte=first, t_last_byte=first, t_ended=at, bytes_sent=205, ended=Ended("fin", "server"))
    sight = look(cut, EXACT)

    late = max(first - 10.0, at - first) >= 1.0 - 1e-6
    assert ("timeout.read" in sight.failures) == late
    assert sight.known_at == pytest.approx(
        at if not late else min(at, 11.0 if first - 10.0 >= 1.0 - 1e-6 else first + 1)
    )


def test_a_cut_within_the_head_hides_the_status() -> None:
    """A status whose head was cut may never have been read."""
    cut = FiredFault("truncate", "head")
    sight = look(_exchange(fired=[cut], ended=Ended("fin", "server"), bytes_sent=12), LIVE)

    assert (sight.status, sight.clear) == (None, True)


@given(st.floats(0, 3))
def test_a_client_that_leaves_in_silence(waited: float) -> None:
    """A client that left after its read timeout met that; one that left earlier had a reason that does not show."""
    event = _exchange(
        status=None,
        bytes_sent=0,
        t_first_byte=None,
        t_last_byte=None,
        ended=Ended("fin", "client"),
        t_ended=10.0 + waited,
    )
    sight = look(event, EXACT)

    assert sight.timed_out == (10.0 + waited - 10.0 >= 1.0 - 1e-6)
    assert sight.known_at <= 11.0
    assert sight.known_at == (min(10.0 + waited, 11.0) if sight.timed_out else 10.0)


def test_an_exchange_that_never_ended_says_nothing() -> None:
    """Of an exchange that is still open nothing is clear."""
    sight = look(_exchange(status=None, bytes_sent=0, t_first_byte=None, ended=Ended("open"), t_ended=None), LIVE)

    assert (sight.sure, sight.clear, sight.failed) == (False, False, False)


def test_a_client_that_closes_at_once_has_its_answer() -> None:
    """A client that closes the connection as soon as it has read everything has the whole answer; less is less."""
    headers = [("content-type", "text/plain")]
    whole = _exchange(ended=Ended("fin", "client"), response_headers=headers, bytes_sent=200)
    part = _exchange(ended=Ended("fin", "client"), response_headers=headers, bytes_sent=30)
    stopped = _exchange(ended=Ended("fin", "client"), bytes_sent=500, fired=[FiredFault("truncate", "body", 5)])

    assert [look(item, LIVE).whole for item in (whole, part, stopped)] == [True, False, False]


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"\xff", b"[" * 100_000, b"<html>", b'{"a": Infinity}'])
def test_what_is_not_json(body: bytes) -> None:
    """Nothing that RFC 8259 does not allow is JSON, and no depth can break the reader."""
    assert json_of(body) is INVALID


def test_json_keeps_null_apart() -> None:
    """The JSON text ``null`` is a value, not the lack of one."""
    assert json_of(b"null") is None


@given(st.integers(0, 10**15 - 1))
def test_retry_after_in_seconds(seconds: int) -> None:
    """Any whole number of seconds is read; one too long for a number of seconds is for ever."""
    assert retry_after_of(_exchange(response_headers=[("Retry-After", f" {seconds} ")])) == float(seconds)
    assert retry_after_of(_exchange(response_headers=[("retry-after", "9" * 5000)])) == float("inf")


@given(
    st.datetimes(datetime(1900, 1, 2), datetime(2400, 12, 31)),  # noqa: DTZ001 - UTC is added below
    st.integers(-100, 10_000) | st.integers(-48 * 365 * 86_400, 49 * 365 * 86_400),
    st.sampled_from(range(3)),
)
def test_retry_after_as_any_form_of_date(now: datetime, ahead: int, form: int) -> None:
    """All three forms of dates are read as UTC, from the answer's own Date on, less the second both may have lost."""
    now = now.replace(microsecond=0, tzinfo=UTC)
    then = now + timedelta(seconds=ahead)
    texts = [
        format_datetime(then, usegmt=True),
        f"{then:%A, %d-%b-%y %H:%M:%S} GMT",
        f"{then:%a %b} {then.day:>2} {then:%H:%M:%S %Y}",
    ]
    headers = [("date", format_datetime(now, usegmt=True)), ("retry-after", texts[form])]

    assert retry_after_of(_exchange(response_headers=headers)) == max(0.0, ahead - 1.0)


@pytest.mark.parametrize(
    "date",
    ["Sun, 06 Nov 1994 08:49:37 TMG", "Sun, 06 Nov 1994 08:49:37 +0200", "6 Nov 1994 08:49:37 GMT",
     "Snu, 06 Nov 1994 08:49:37 GMT", "Sundae, 06-Nov-94 08:49:37 GMT", "Sun, 32 Nov 1994 08:49:37 GMT", "\x1fSun, 06 Nov 1994 08:49:37 GMT",
     "Sun, 06 Nov 1994 08:49:37 GMT\xa0"],
)  # fmt: skip
def test_what_is_no_date_in_http_asks_for_no_wait(date: str) -> None:
    """Dates as mails have them, which clients need not read, are held against nobody: neither as a wait nor as now."""
    now = "Sun, 06 Nov 1994 08:49:37 GMT"
    for there, then in ((date, "Sun, 06 Nov 1994 09:49:37 GMT"), (now, date)):
        assert retry_after_of(_exchange(response_headers=[("date", there), ("retry-after", then)])) is None


@given(st.text(max_size=30).filter(lambda text: not text.strip().isdecimal()))
def test_an_unreadable_retry_after_is_none(text: str) -> None:
    """Whatever else stands there asks for nothing, and breaks nothing."""
    headers = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", text)]
    found = retry_after_of(_exchange(response_headers=headers))

    assert found is None or found >= 0
