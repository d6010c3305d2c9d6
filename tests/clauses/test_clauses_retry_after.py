"""RETRY-08 to RETRY-11 on told traces: what a client makes of a Retry-After."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.faults.httpdate import DateForm, http_date
from sadpath.verify.told import told_by, unreadable
from tests.clauses.stories import Story, Telling, truth

NOW = 784_111_777
"""Sun, 06 Nov 1994 08:49:37 GMT."""

CODES = st.sampled_from([429, 503])
NONSENSE = st.sampled_from(["-1", "1.5", "", "soon", "1e3", "5 s", "Sun, 99 Nov 1994 08:49:37 GMT", "0x10", "NaN"])
ROOMY: dict[str, Any] = {"timeouts": {"total": "600s"}}


def _headers(value: str) -> list[tuple[str, str]]:
    return [("Date", http_date(NOW)), ("Retry-After", value)]


def _written(form: str, seconds: int) -> str:
    """Return a Retry-After in one of its forms."""
    if form == "seconds":
        return str(seconds)
    forms: dict[str, DateForm] = {"imf": "imf", "rfc850": "rfc850", "asctime": "asctime"}
    return http_date(NOW + seconds, forms[form])


def _told(story: Story, value: str, code: int = 503) -> Telling:
    return story.call().meets(code, headers=_headers(value))


FORMS = st.sampled_from(["seconds", "imf", "rfc850", "asctime"])

# What is read


@given(FORMS, st.integers(0, 10**6))
def test_each_form_is_known(form: str, seconds: int) -> None:
    """A Retry-After is read in each of its forms, with the second taken off that a date may have lost."""
    story = Story()
    _told(story, _written(form, seconds))
    told = told_by(story.events[0])

    assert told is not None
    assert (told.form, told.least) == (form, seconds if form == "seconds" else max(0, seconds - 1))
    assert unreadable(story.events[0]) is None


@given(NONSENSE)
def test_nonsense_is_none_of_them(text: str) -> None:
    """What is in none of the forms is unreadable; no Retry-After at all is not."""
    story = Story()
    _told(story, text)
    story.call().meets(503)

    assert told_by(story.events[0]) is None
    assert unreadable(story.events[0]) == text
    assert unreadable(story.events[1]) is None


@pytest.mark.parametrize("text", ["Sun, 06 Nov 1994 09:49:39 +0100", "Sun Nov  6 08:49:60 1994"])
def test_what_somebody_may_read_is_left_open(text: str) -> None:
    """A date with an offset, which no form has, and a leap second are neither readable nor unreadable."""
    story = Story()
    _told(story, text)

    assert (told_by(story.events[0]), unreadable(story.events[0])) == (None, None)


# RETRY-08


@truth("RETRY-08")
@given(FORMS, st.integers(2, 100), st.integers(-1_999, 2_000), CODES)
def test_each_form_is_read(form: str, told: int, late_ms: int, code: int) -> None:
    """RETRY-08 fails exactly where a client comes before the least that it was told, in any of the four forms."""
    story = Story(policy=ROOMY)
    least = told if form == "seconds" else told - 1
    waited = max(0.0, least + late_ms / 1000)
    _told(story, _written(form, told), code).waits(waited).meets(200).ok()

    assert story.verdict("RETRY-08") == ("fail" if waited < least else "pass")


@given(FORMS, st.integers(5, 10**5), st.floats(0.0, 2.0))
def test_what_a_failure_says_must_be_what_was_told(form: str, told: int, factor: float) -> None:
    """RETRY-08 also holds where the failure says how long, up to the seconds that dates and ends may lose."""
    story = Story(policy=ROOMY)
    _says(story, _written(form, told), told * factor)

    off = told * (factor - 1)
    if -0.9 <= off <= 0.9:
        assert story.verdict("RETRY-08") == "pass"
    elif abs(off) > 3.1:
        assert story.verdict("RETRY-08") == "fail"


@pytest.mark.parametrize("value", ["2", "Sunday, 06-Nov-94 08:49:40 GMT"])
def test_an_unread_form_is_named(value: str) -> None:
    """RETRY-08 says which value in which form was not read."""
    story = Story()
    _told(story, value).waits(0.1).meets(200).ok()

    assert value in story.sentences("RETRY-08")[0]
    assert story.judge("RETRY-08").findings[0].exchanges == (1, 2)


def test_what_puts_no_reading_to_the_test() -> None:
    """RETRY-08 is not exercised by a wait that the client's own back-off explains, by 408, or by nonsense."""
    short = Story(policy={"retry": {"first_delay": "5s", "max_delay": "5s", "jitter": "full"}})
    _told(short, "1").waits(1.5).meets(200).ok()
    other = Story()
    _told(other, "2", 408).waits(0.1).meets(200).ok()
    nonsense = Story()
    _told(nonsense, "soon").waits(0.1).meets(200).ok()
    late = Story(policy={"timeouts": {"read": "50ms"}})
    late.call().meets(503, headers=_headers("2"), takes=0.06).waits(0.1).meets(200).ok()

    assert {item.verdict("RETRY-08") for item in (short, other, nonsense, late)} == {"not_exercised"}


def test_who_promises_to_ignore_it_is_not_asked() -> None:
    """RETRY-08 to RETRY-11 do not speak of a client that promises not to look at Retry-After."""
    story = Story(policy={"retry": {"retry_after": "ignore"}})
    _told(story, "2").waits(0.1).meets(200).ok()

    names = ("RETRY-08", "RETRY-09", "RETRY-10", "RETRY-11")
    assert {story.verdict(name) for name in names} == {"unsupported"}


# RETRY-09


@truth("RETRY-09")
@given(NONSENSE, CODES, st.sampled_from(["none", "equal"]), st.integers(0, 40))
def test_nonsense_leaves_the_back_off_as_it_is(text: str, code: int, jitter: str, waited_ms: int) -> None:
    """RETRY-09 fails exactly where a wait after an unreadable Retry-After is shorter or longer than the back-off."""
    story = Story(policy={"retry": {"jitter": jitter}})
    _told(story, text, code).waits(waited_ms / 1000).meets(200).ok()

    # 20 ms, or from 10 ms on; the way there and back may add a little more than 1 ms.
    too_short = waited_ms < (20 if jitter == "none" else 10)
    assert story.verdict("RETRY-09") == ("fail" if too_short or waited_ms > 21 else "pass")


@given(NONSENSE, st.floats(0.0, 0.02))
def test_full_jitter_is_anything_but_nothing(text: str, waited: float) -> None:
    """RETRY-09 takes a wait of no time for chance under full jitter only where it is not exactly none."""
    story = Story(policy={"retry": {"jitter": "full"}})
    _told(story, text).waits(waited).meets(200).ok()

    at_once = waited < 0.0002
    if at_once or waited > 0.00021:
        assert story.verdict("RETRY-09") == ("fail" if at_once else "pass")


def test_breaking_down_on_nonsense_is_found() -> None:
    """RETRY-09 fails where the call ends in a bug or an escaped exception, or gives up with retries left."""
    bug, escaped, gone = Story(), Story(), Story()
    _told(bug, "soon").fails("bug")
    _told(escaped, "-1").fails("other", escaped=True)
    _told(gone, "1.5").fails("server", 503)

    assert "broke down" in bug.sentences("RETRY-09")[0]
    assert "broke down" in escaped.sentences("RETRY-09")[0]
    assert "with retries left" in gone.sentences("RETRY-09")[0]


def test_what_is_no_nonsense_is_not_its_business() -> None:
    """RETRY-09 is not exercised by a readable value, by none, or by a status that is not retried."""
    for value, code in (("2", 503), ("99999999999999999999", 503), ("soon", 500)):
        story = Story()
        _told(story, value, code).fails("server", code)
        assert story.verdict("RETRY-09") == "not_exercised"
    plain = Story()
    plain.call().meets(503).waits(0.02).meets(200).ok()
    assert plain.verdict("RETRY-09") == "not_exercised"


def test_the_last_attempt_may_end_on_nonsense() -> None:
    """RETRY-09 lets a call end on it when no retry is left."""
    story = Story()
    call = story.call().meets(503)
    for _ in range(2):
        call.waits(0.04).meets(503, headers=_headers("soon"))
    call.fails("server", 503)

    assert story.verdict("RETRY-09") == "pass"


# RETRY-10

CAPPED: dict[str, Any] = {"timeouts": {"total": None}, "retry": {"retry_after_cap": "5s"}}


def _says(story: Story, told: int | str, says: float | None) -> None:
    """Tell of a call that gives up on what it is told, and says itself how long that is."""
    call = _told(story, str(told)).fails("server", 503)
    assert call.outcome is not None
    assert call.outcome.error is not None
    call.outcome.error.retry_after_ms = None if says is None else says * 1000


@truth("RETRY-10")
@given(st.integers(6, 10**6), st.floats(0.0, 1.0))
def test_beyond_the_cap_nobody_comes_back(told: int, part: float) -> None:
    """RETRY-10 holds where the client gives up and says how long, and fails where it comes early, or waits beyond."""
    good = Story(policy=CAPPED)
    _says(good, told, told)
    assert good.verdict("RETRY-10") == "pass"

    for waited in (told * part, float(told)):
        back = Story(policy=CAPPED)
        _told(back, str(told)).waits(waited).meets(200).ok()
        assert back.verdict("RETRY-10") == "fail"


@given(st.integers(10, 10**5), st.one_of(st.none(), st.floats(0.0, 0.6), st.floats(1.5, 10.0)))
def test_how_long_must_be_said_and_true(told: int, factor: float | None) -> None:
    """RETRY-10 fails where the failure does not say how long, or says another time."""
    story = Story(policy=CAPPED)
    _says(story, told, None if factor is None else told * factor)

    assert story.verdict("RETRY-10") == "fail"


@pytest.mark.parametrize("says", [2.0**31, 10.0**14])
def test_a_huge_number_may_be_cut_to_what_fits(says: float) -> None:
    """RETRY-10 lets a client report 2^31 seconds for a number that is too large for it (RFC 9111 §1.2.2)."""
    story = Story(policy=CAPPED)
    _says(story, 10**14, says)

    assert story.verdict("RETRY-10") == "pass"


@given(st.integers(1, 20))
def test_the_deadline_is_a_cap_too(told: int) -> None:
    """RETRY-10 is about waits that would end beyond the total deadline as well, and about no shorter ones."""
    story = Story(policy={"timeouts": {"total": "10s"}, "retry": {"retry_after_cap": "60s"}})
    _says(story, told, told)

    assert story.verdict("RETRY-10") == ("pass" if told >= 10 else "not_exercised")


def test_waiting_for_the_deadline_says_nothing() -> None:
    """RETRY-10 fails where the call waits until its deadline instead, and reports that."""
    story = Story(policy={"timeouts": {"total": "10s"}, "retry": {"retry_after_cap": "60s"}})
    _told(story, "12").waits(9.9).fails("timeout.total")

    assert "without saying how long" in story.sentences("RETRY-10")[0]


def test_the_cache_is_another_way_out() -> None:
    """RETRY-10 holds where the client gives up and serves its cache."""
    story = Story(policy=CAPPED)
    _told(story, "60").ok(source="cache")

    assert story.verdict("RETRY-10") == "pass"


def test_who_would_not_go_on_is_not_asked() -> None:
    """RETRY-10 is not exercised by an order without a key, a final status, the last attempt, or a cancelled call."""
    order = Story(policy=CAPPED)
    order.create(key=None).meets(503, headers=_headers("60")).fails("server", 503)
    last = Story(policy=CAPPED)
    last.call().meets(503).waits(0.1).meets(503).waits(0.1).meets(503, headers=_headers("60")).fails("server", 503)
    left = Story(policy=CAPPED)
    left.call(cancel_after=0.01).meets(503, headers=_headers("60")).waits(0.01).cancelled()

    assert {item.verdict("RETRY-10") for item in (order, last, left)} == {"not_exercised"}


# RETRY-11


@truth("RETRY-11")
@given(st.integers(0, 6), st.integers(0, 4), CODES, st.sampled_from(["0", "00"]))
def test_zero_is_no_licence(retries: int, allowed: int, code: int, zero: str) -> None:
    """RETRY-11 fails exactly where more attempts are made than promised after Retry-After: 0."""
    story = Story(policy={"retry": {"max_retries": allowed, "jitter": "none"}})
    call = _told(story, zero, code)
    for _ in range(retries):
        call.waits(0.3).meets(code, headers=_headers(zero))
    call.fails("server", code)

    assert story.verdict("RETRY-11") == ("fail" if retries > allowed else "pass")


@given(st.integers(0, 40))
def test_zero_does_not_shorten_the_back_off(waited_ms: int) -> None:
    """RETRY-11 fails where a retry after Retry-After: 0 comes sooner than the shortest wait of the back-off."""
    story = Story(policy={"retry": {"jitter": "equal"}})
    _told(story, "0").waits(waited_ms / 1000).meets(200).ok()

    assert story.verdict("RETRY-11") == ("fail" if waited_ms < 10 else "pass")


def test_another_time_is_not_zero() -> None:
    """RETRY-11 is not exercised by a later time, by a date, or without a Retry-After."""
    for headers in (_headers("1"), _headers(http_date(NOW)), []):
        story = Story()
        story.call().meets(503, headers=headers).waits(0.02).meets(200).ok()
        assert story.verdict("RETRY-11") == "not_exercised"


# What is said, and what just counts

TITLE = "Call c0/0 (users.get id=1)"


def test_the_sentences_on_what_was_not_read() -> None:
    """RETRY-08 says when the client came back, or what its failure says, and what it was told."""
    early, misread = Story(policy=ROOMY), Story(policy=ROOMY)
    _told(early, "2").waits(0.5).meets(200).ok()
    _says(misread, 100, 10)

    assert early.sentences("RETRY-08") == [
        f"{TITLE} did not read Retry-After: 2, a number of seconds, in exchange 1: it came back after 0.500 s (exchange "
        "2), not after 2.000 s at least."
    ]
    assert misread.sentences("RETRY-08") == [
        f"{TITLE} misread Retry-After: 100, a number of seconds, in exchange 1: its failure says to come back after "
        "10.0 s."
    ]


def test_the_sentences_on_nonsense() -> None:
    """RETRY-09 says how a call ended, or how long it waited, and what its back-off would be."""
    short, long, gone, bug = (Story(policy={"retry": {"jitter": "none"}}) for _ in range(4))
    _told(short, "soon").waits(0.005).meets(200).ok()
    _told(long, "soon").waits(0.5).meets(200).ok()
    _told(gone, "soon").fails("server", 503)
    _told(bug, "soon").fails("bug")
    asked = "on an unreadable Retry-After ('soon') in exchange 1"

    assert [story.sentences("RETRY-09")[0] for story in (short, long, gone, bug)] == [
        f"{TITLE} waited 0.005 s before retry 1 (exchange 2), where its back-off is at least 0.020 s, {asked}.",
        f"{TITLE} waited 0.500 s before retry 1 (exchange 2), where its back-off is at most 0.020 s, {asked}.",
        f"{TITLE} failed as server (503) {asked}, with retries left.",
        f"{TITLE} broke down {asked}.",
    ]


def test_the_sentences_on_too_long_a_time() -> None:
    """RETRY-10 says what was asked, what the client promises, and what it did."""
    early, beyond, silent, wrong = (Story(policy=CAPPED) for _ in range(4))
    deadline = Story(policy={"timeouts": {"total": "10s"}, "retry": {"retry_after_cap": "60s"}})
    _told(early, "60").waits(7.0).meets(200).ok()
    _told(beyond, "60").waits(60.0).meets(200).ok()
    _says(silent, 60, None)
    _says(wrong, 60, 5)
    _told(deadline, "12").waits(2.0).meets(200).ok()
    asked = "asked for 60.0 s in exchange 1"

    assert [story.sentences("RETRY-10")[0] for story in (early, beyond, silent, wrong, deadline)] == [
        f"{TITLE} came back after 7.000 s (exchange 2), where the server {asked} and the client waits 5.000 s at most: "
        "it should give up.",
        f"{TITLE} waited 60.0 s (exchange 2) as the server {asked}, where the client waits 5.000 s at most: it should "
        "give up.",
        f"{TITLE} failed as server (503) without saying how long, where the server {asked}.",
        f"{TITLE} says to come back after 5.000 s, where the server {asked}.",
        f"{TITLE} came back after 2.000 s (exchange 2), where the server asked for 12.0 s in exchange 1 and the client "
        "has less time than that: it should give up.",
    ]


def test_the_sentences_on_zero() -> None:
    """RETRY-11 counts what was sent, or says how soon the client came back."""
    often = Story(policy={"retry": {"max_retries": 1, "jitter": "none"}})
    call = _told(often, "0")
    for _ in range(2):
        call.waits(0.3).meets(503, headers=_headers("0"))
    call.fails("server", 503)
    soon = Story(policy={"retry": {"jitter": "none"}})
    _told(soon, "0").waits(0.005).meets(200).ok()

    assert often.sentences("RETRY-11") == [
        f"{TITLE} was told to come back at once, and was sent 3 times (exchanges 1, 2 and 3), where the contract allows "
        "2 attempts."
    ]
    assert soon.sentences("RETRY-11") == [
        f"{TITLE} came back after 0.005 s (exchange 2) when exchange 1 said Retry-After: 0, where its back-off is at "
        "least 0.020 s."
    ]


@pytest.mark.parametrize(
    ("says", "verdict"), [(98.5, "fail"), (99.5, "pass"), (101.5, "pass"), (102.5, "fail"), (100.0, "pass")]
)
def test_how_exactly_a_failure_must_say_it(says: float, verdict: str) -> None:
    """RETRY-08 and RETRY-10 allow a second less, and two seconds more, than the server said."""
    for policy in (ROOMY, CAPPED):
        story = Story(policy=policy)
        _says(story, 100, says)
        assert story.verdict("RETRY-08") == verdict
    assert story.verdict("RETRY-10") == verdict


def test_what_is_left_when_the_call_ends() -> None:
    """RETRY-08 lets a failure say what is left of the time when the call ends."""
    for says, verdict in ((60.0, "pass"), (58.0, "fail")):
        story = Story(policy=ROOMY)
        call = _told(story, "100").waits(40.0).fails("server", 503)
        assert call.outcome is not None
        assert call.outcome.error is not None
        call.outcome.error.retry_after_ms = says * 1000
        assert story.verdict("RETRY-08") == verdict


@pytest.mark.parametrize("how", ["of another status", "of an earlier attempt", "nothing told"])
def test_what_is_no_report_of_it(how: str) -> None:
    """RETRY-08 goes by a failure that is about the last answer, and names a time."""
    story = Story(policy=ROOMY)
    call = _told(story, "100")
    if how == "of an earlier attempt":
        call.waits(100.0).meets(503)
    call.fails("server", 502 if how == "of another status" else 503)
    assert call.outcome is not None
    assert call.outcome.error is not None
    call.outcome.error.retry_after_ms = None if how == "nothing told" else 500_000.0

    assert story.verdict("RETRY-08") == ("pass" if how == "of an earlier attempt" else "not_exercised")


@pytest.mark.parametrize(("told", "verdict"), [("0", "not_exercised"), ("5", "not_exercised"), ("6", "pass")])
def test_which_waits_show_that_it_was_read(told: str, verdict: str) -> None:
    """RETRY-08 is exercised by a wait that is longer than any of the client's own."""
    story = Story(policy={**ROOMY, "retry": {"first_delay": "5s", "max_delay": "5s", "jitter": "none"}})
    _told(story, told).waits(7.0).meets(200).ok()

    assert story.verdict("RETRY-08") == verdict


@pytest.mark.parametrize("how", ["well", "hangs", "another page", "escaped", "other status"])
def test_who_gives_up_without_a_failure_of_that(how: str) -> None:
    """RETRY-09 and RETRY-10 look at how a call ended on that answer, and at nothing else."""
    for name, value in (("RETRY-09", "soon"), ("RETRY-10", "60")):
        story = Story(policy=CAPPED)
        call = story.call("users.list" if how == "another page" else "users.get", pages=how == "another page")
        call.meets(503, headers=_headers(value), query="page=1")
        if how == "well":
            call.ok(source="cache")
        elif how == "hangs":
            call.hangs()
        elif how == "another page":
            call.meets(404, query="page=2").fails("not_found", 404)
        elif how == "escaped":
            call.fails("other", escaped=True)
        else:
            call.fails("not_found", 404)
        found = story.verdict(name)
        if how in ("hangs", "another page"):
            assert found == "not_exercised"
        elif how == "escaped":
            assert found == ("fail" if name == "RETRY-09" else "not_exercised")
        else:
            assert found == ("pass" if name == "RETRY-10" else "fail")
