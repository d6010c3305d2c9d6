"""What the judge makes of fields that no server should send: nothing, and no failure of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import ExchangeEvent
from sadpath.verify.http_rules import directives_of, lifetime_of, places, refusal

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def _answer(**fields: str) -> ExchangeEvent:
    headers = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return ExchangeEvent("s", 1, 1, "GET", "/a", query="b=c", status=200, response_headers=headers)


@pytest.mark.parametrize(
    "date",
    ["Tue, 14 Nov 2028888888888888888888888883 22:55:20 GMT", "Tue, 99 Nov 1994 08:49:37 GMT", "0", "", "soon", "-1"],
)
def test_a_date_that_is_none_is_one_in_the_past(date: str) -> None:
    """An Expires that cannot be read means expired (RFC 9111 §5.3)."""
    assert lifetime_of(_answer(date=DATE, expires=date)) == 0.0
    assert lifetime_of(_answer(date=date, expires=DATE)) == 0.0


@pytest.mark.parametrize("location", ["http://[::1", "//[x", "http://a]/"])
def test_a_location_that_is_no_url_leads_nowhere(location: str) -> None:
    """An answer of the place that was asked is all that a cache can hold."""
    assert places([_answer(location=location)]) == {("/a", "b=c")}


@given(st.dictionaries(st.sampled_from(["date", "expires", "cache_control", "age", "location"]), st.text(max_size=40)))
def test_any_fields_at_all_can_be_judged(fields: dict[str, str]) -> None:
    """Whatever stands there, the judge comes to an end."""
    answer = _answer(**fields)

    assert (lifetime_of(answer) or 0.0) >= 0.0
    assert refusal(answer, 10.0) in (None, "no-store", "no-cache", "must-revalidate")
    assert directives_of(answer).while_revalidate >= 0.0
    assert ("/a", "b=c") in places([answer])
