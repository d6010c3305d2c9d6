"""Reading policies, and reading what servers say of time."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.client import Policy, PolicyError
from sadpath.client.message import Headers
from sadpath.client.policy import (
    TRANSPORT_CLASSES,
    AuthPolicy,
    BudgetPolicy,
    CachePolicy,
    ErrorPolicy,
    PoolPolicy,
    RedirectPolicy,
    RetryPolicy,
    Timeouts,
)
from sadpath.client.retry_after import LONGEST, parse_http_date, parse_retry_after, retry_after

WHOLE: dict[str, Any] = {
    "timeouts": {"connect_ms": 1000, "read_ms": 300, "write_ms": 1000, "pool_ms": 500, "total_ms": 5000},
    "pool": {"size": 7},
    "retry": {
        "max_retries": 3,
        "first_delay_ms": 20,
        "factor": 3,
        "max_delay_ms": 200,
        "jitter": "equal",
        "transport": ["connect", "body"],
        "statuses": [503],
        "statuses_if_told": [413],
        "methods": "any",
        "retry_after": "ignore",
        "retry_after_cap_ms": 1500.5,
        "budget": {"tokens": 5, "cost": 2, "refill": 0.5},
    },
    "auth": {"refreshes_per_call": 0, "single_flight": False, "refresh_early_ms": 10, "logout_on": ["x"]},
    "cache": {
        "users.get": "cache_first",
        "orders.list": "network_first",
        "max_stale_ms": 60000,
        "fallback_on": ["transport", 503],
        "fallback_after_ms": None,
        "evict_on": [],
    },
    "errors": {"map": {"404": "validation", 418: "server", "5xx": "unexpected_status"}, "empty_success": "ok"},
    "redirects": {"follow": False, "max": 1},
    "cancel": {"within_ms": 100},
    "heal": {"within_ms": 30000},
}


def test_defaults_are_the_reference_policy() -> None:
    """Without anything said, the numbers are those of the reference contract."""
    for policy in (Policy(), Policy.from_dict(None), Policy.from_dict({})):
        assert policy.timeouts == Timeouts(10.0, 15.0, 10.0, 5.0, 60.0)
        assert policy.pool.size == 4
        assert (policy.retry.max_retries, policy.retry.first_delay, policy.retry.max_delay) == (2, 0.3, 10.0)
        assert policy.retry.jitter == "full"
        assert policy.retry.statuses == frozenset({408, 429, 502, 503, 504})
        assert policy.retry.budget == BudgetPolicy(10, 1, 0.1)
        assert policy.auth == AuthPolicy(1, True, 30.0, frozenset({"invalid_grant"}))
        assert (policy.cache.max_stale, policy.cache.fallback_after) == (86400.0, 5.0)
        assert policy.cache.fallback_on == {"transport", 500, 502, 503, 504}
        assert policy.redirects == RedirectPolicy(follow=True, max=5)


def test_every_field_is_read() -> None:
    """Each field of the nested form reaches its place, milliseconds as seconds."""
    policy = Policy.from_dict(WHOLE)
    assert policy.timeouts == Timeouts(1.0, 0.3, 1.0, 0.5, 5.0)
    assert policy.pool == PoolPolicy(7)
    assert policy.retry == RetryPolicy(
        max_retries=3,
        first_delay=0.02,
        factor=3.0,
        max_delay=0.2,
        jitter="equal",
        transport=frozenset({"connect", "body"}),
        statuses=frozenset({503}),
        statuses_if_told=frozenset({413}),
        methods="any",
        retry_after="ignore",
        retry_after_cap=1.5005,
        budget=BudgetPolicy(5, 2, 0.5),
    )
    assert policy.auth == AuthPolicy(0, False, 0.01, frozenset({"x"}))
    strategies = {"users.get": "cache_first", "orders.list": "network_first", "users.list": "network_first"}
    assert policy.cache.strategies == {**strategies, "settings.get": "cache_first"}
    assert (policy.cache.max_stale, policy.cache.fallback_after, policy.cache.evict_on) == (60.0, None, frozenset())
    assert [policy.errors.kind_of(status) for status in (404, 418, 503, 401)] == [
        "validation",
        "server",
        "unexpected_status",
        "unauthorized",
    ]
    assert policy.errors.empty_success == "ok"
    assert policy.redirects == RedirectPolicy(follow=False, max=1)


def test_what_is_absent_keeps_its_default() -> None:
    """A policy that names one number changes one number."""
    policy = Policy.from_dict({"timeouts": {"read_ms": 300}, "retry": {"budget": None}, "cache": {}})
    assert policy.timeouts == Timeouts(read=0.3)
    assert policy.retry == RetryPolicy(budget=None)
    assert policy.cache == CachePolicy()
    assert policy.errors == ErrorPolicy()


@pytest.mark.parametrize(("value", "names"), [(True, frozenset(TRANSPORT_CLASSES)), (False, frozenset())])
def test_transport_can_be_all_or_nothing(value: bool, names: frozenset[str]) -> None:
    """``transport`` is true, false, or a list."""
    assert Policy.from_dict({"retry": {"transport": value}}).retry.transport == names


def test_list_of_delays_is_read() -> None:
    """A list of waits is read as seconds."""
    assert Policy.from_dict({"retry": {"delays_ms": [0, 200]}}).retry.delays == (0.0, 0.2)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"timeout": {}}, "policy: unknown field 'timeout'; did you mean 'timeouts'?"),
        ({"timeouts": {"reed_ms": 1}}, "timeouts: unknown field 'reed_ms'; did you mean 'read_ms'?"),
        ({"timeouts": {"read": 1}}, "timeouts: unknown field 'read'"),
        ({"timeouts": {"read_ms": "1s"}}, "timeouts.read_ms: expected a number"),
        ({"timeouts": {"read_ms": True}}, "timeouts.read_ms: expected a number"),
        ({"timeouts": {"read_ms": -1}}, "timeouts.read_ms: expected a finite number"),
        ({"timeouts": {"read_ms": math.nan}}, "timeouts.read_ms: expected a finite number"),
        ({"timeouts": {"read_ms": math.inf}}, "timeouts.read_ms: expected a finite number"),
        ({"timeouts": {"read_ms": 10**400}}, "timeouts.read_ms: expected a finite number"),
        ({"timeouts": []}, "timeouts: expected an object"),
        ({"pool": {"size": 0}}, "pool.size: expected 1 or more"),
        ({"pool": {"size": 1.5}}, "pool.size: expected a whole number"),
        ({"retry": {"factor": 0.5}}, "retry.factor: expected 1 or more"),
        ({"retry": {"jitter": "some"}}, "retry.jitter: expected one of none, full, equal"),
        ({"retry": {"transport": ["conect"]}}, "did you mean 'connect'?"),
        ({"retry": {"transport": [1]}}, "retry.transport: expected a list of names"),
        ({"retry": {"statuses": 503}}, "retry.statuses: expected a list"),
        ({"retry": {"statuses": [99]}}, "retry.statuses: expected an HTTP status"),
        ({"auth": {"single_flight": 1}}, "auth.single_flight: expected true or false"),
        ({"cache": {"users.get": "sometimes"}}, "cache.users.get: expected one of"),
        ({"cache": {"fallback_on": ["network"]}}, "cache.fallback_on: expected a whole number"),
        ({"errors": {"map": {"6xx": "server"}}}, "errors.map: expected a whole number"),
        ({"errors": {"map": {404: "gone"}}}, "errors.map.404: expected one of"),
    ],
)
def test_mistakes_are_told_in_one_sentence(data: dict[str, Any], words: str) -> None:
    """A policy that cannot be read is refused with the field, what was expected, and the nearest known name."""
    with pytest.raises(PolicyError) as caught:
        Policy.from_dict(data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*WHOLE, "x"]) | st.text(max_size=5)
fields = st.sampled_from([name for section in WHOLE.values() for name in section])


@settings(deadline=None)
@given(st.dictionaries(names, st.dictionaries(fields, json_values, max_size=3) | json_values, max_size=4))
def test_any_data_is_a_policy_or_a_policy_error(data: dict[str, Any]) -> None:
    """Whatever is handed in, it is read or refused in words."""
    try:
        policy = Policy.from_dict(data)
    except PolicyError as error:
        policy = Policy()
        said = str(error)
    else:
        said = "read"
    assert isinstance(policy, Policy)
    assert said


milliseconds = st.integers(0, 10**9)


@settings(deadline=None)
@given(milliseconds, milliseconds, st.integers(0, 50), st.lists(milliseconds, max_size=4))
def test_numbers_survive_the_reading(read: int, cap: int, retries: int, delays: list[int]) -> None:
    """Milliseconds are a thousandth of a second, all of them."""
    retry = {"max_retries": retries, "retry_after_cap_ms": cap, "delays_ms": delays}
    policy = Policy.from_dict({"timeouts": {"read_ms": read}, "retry": retry})
    assert policy.timeouts.read == read / 1000
    assert (policy.retry.retry_after_cap, policy.retry.max_retries) == (cap / 1000, retries)
    assert policy.retry.delays == tuple(delay / 1000 for delay in delays)


NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC).timestamp()
moments = st.datetimes(datetime(1980, 1, 1), datetime(2070, 1, 1)).map(  # noqa: DTZ001 - made aware at once
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


@settings(deadline=None)
@given(moments, st.sampled_from(["imf", "rfc850", "asctime"]))
def test_all_three_date_forms_are_read(moment: datetime, form: str) -> None:
    """A date is the same moment in each of the three forms of RFC 9110 §5.6.7."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    day, month, clock = days[moment.weekday()], months[moment.month - 1], f"{moment:%H:%M:%S}"
    text = {
        "imf": format_datetime(moment, usegmt=True),
        "rfc850": f"{day}, {moment.day:02}-{month}-{moment.year % 100:02} {clock} GMT",
        "asctime": f"{day[:3]} {month} {moment.day:2} {clock} {moment.year}",
    }[form]
    assert parse_http_date(text, NOW) == moment.timestamp()


def test_two_digit_years_lie_within_fifty_years() -> None:
    """A year of two digits is in the past if it would be more than fifty years ahead."""
    assert parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", NOW) == 784111777
    assert datetime.fromtimestamp(parse_http_date("Friday, 06-Nov-76 08:49:37 GMT", NOW) or 0, UTC).year == 2076
    assert datetime.fromtimestamp(parse_http_date("Friday, 06-Nov-77 08:49:37 GMT", NOW) or 0, UTC).year == 1977


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
        "784111777",
        "tomorrow",
        "",
    ],
)
def test_other_dates_are_none(text: str) -> None:
    """What has none of the three forms, or is no date, is no date."""
    assert parse_http_date(text, NOW) is None


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_value_of_retry_after_is_too_strange(text: str) -> None:
    """Any text is a finite wait of zero or more, or nothing."""
    wait = parse_retry_after(text, NOW)
    assert wait is None or 0 <= wait <= LONGEST


@settings(deadline=None)
@given(st.integers(0, 10**30))
def test_seconds_are_read_and_bounded(seconds: int) -> None:
    """Delta-seconds of any length are read, the longest as 2^31."""
    assert parse_retry_after(str(seconds), NOW) == min(float(seconds), LONGEST)


@pytest.mark.parametrize("text", ["-1", "+1", "1.0", "1e3", "1 2", "\u0661", "\u00b2", "1s", "0x1", "1,2"])
def test_what_is_no_number_of_seconds_is_nothing(text: str) -> None:
    """Signs, fractions, other digits and units are not delta-seconds."""
    assert parse_retry_after(text, NOW) is None


@settings(deadline=None)
@given(moments, st.integers(-(10**6), 10**6))
def test_dates_count_from_the_answers_date(moment: datetime, seconds: int) -> None:
    """With a Date beside it, a date in Retry-After is a difference of the server's own times."""
    later = datetime.fromtimestamp(moment.timestamp() + seconds, UTC)
    headers = Headers([("Date", format_datetime(moment, True)), ("Retry-After", format_datetime(later, True))])
    assert retry_after(headers, NOW) == max(0.0, float(seconds))


def test_longest_of_several_waits_counts() -> None:
    """When a field comes twice, nobody is asked earlier than the longer one says."""
    assert retry_after(Headers([("Retry-After", "5"), ("Retry-After", "9"), ("Retry-After", "x")]), NOW) == 9.0
    assert retry_after(Headers([("Retry-After", "x")]), NOW) is None
    assert retry_after(Headers(), NOW) is None


def test_unreadable_date_is_replaced_by_the_clock() -> None:
    """Where the answer's own Date means nothing, the client's clock stands in."""
    headers = Headers([("Date", "now"), ("Retry-After", format_datetime(datetime.fromtimestamp(NOW + 7, UTC), True))])
    assert retry_after(headers, NOW) == 7.0
