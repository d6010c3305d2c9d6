"""HONEST clauses on told traces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, USER, USER_BODY, Story

REPOSITORY = ALL - {"http_cache"}
"""What a client declares whose cache holds values of operations, not answers of URLs."""

OTHER = {**USER, "id": 2, "user_name": "Grace Hopper"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


# HONEST-01: attempts


@given(st.integers(1, 4), st.integers(0, 6))
def test_it_counts_its_attempts(made: int, said: int) -> None:
    """HONEST-01 holds exactly where a call says as many attempts as the server saw."""
    story = Story()
    call = story.call()
    for _ in range(made - 1):
        call.meets(503).waits(0.3)
    call.meets(200).ok(attempts=said)
    expected = "pass" if said == made else "fail"

    assert story.verdict("HONEST-01") == (expected if made > 1 else "not_exercised")


def test_refreshes_and_unread_requests_do_not_count() -> None:
    """HONEST-01 leaves refreshes out, and lets a call that was broken off count what never arrived."""
    story = Story()
    call = story.call().meets(401)
    story.refresh()
    call.meets(200, token=2).ok(attempts=2)
    assert story.verdict("HONEST-01") == "pass"

    for said, verdict in ((2, "pass"), (3, "fail")):
        cut = Story()
        cut.call().breaks().fails("timeout.total", attempts=said)
        assert cut.verdict("HONEST-01") == verdict


# HONEST-01: source and staleness


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [({"source": "cache"}, "pass"), ({"source": "network"}, "fail")],
)
def test_what_came_from_the_cache_is_said_to(outcome: dict[str, Any], verdict: str) -> None:
    """HONEST-01 fails where a call whose every exchange failed says that its answer is the network's."""
    story = Story()
    story.call().meets(200).ok()
    call = story.call()
    for _ in range(3):
        call.breaks().waits(0.5)
    call.ok(**outcome)

    assert story.verdict("HONEST-01") == verdict


@pytest.mark.parametrize("status", [200, 304])
def test_what_the_network_brought_is_said_to(status: int) -> None:
    """HONEST-01 fails where an answer that came in time, or a 304, is passed off as the cache's."""
    for source, verdict in (("network", "pass"), ("cache", "fail")):
        story = Story()
        story.call().breaks().waits(0.3).meets(status).ok(source=source)
        assert story.verdict("HONEST-01") == verdict


def test_a_cached_answer_is_stale() -> None:
    """HONEST-01 fails for an answer from the cache that is said to be fresh, and for a stale one from the network."""
    story = Story(capabilities=REPOSITORY)
    story.call().meets(200).ok()
    call = story.call().breaks().ok(source="cache")
    assert story.verdict("HONEST-01") == "pass"

    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update={"stale": False})
    assert story.verdict("HONEST-01") == "fail"

    story = Story()
    call = story.call().breaks().waits(0.3).meets(200).ok()
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update={"stale": True})
    assert story.verdict("HONEST-01") == "fail"


@pytest.mark.parametrize(("age", "verdict"), [(60_000.0, "pass"), (59_000.0, "pass"), (1_000.0, "fail")])
def test_its_age_is_that_of_the_last_answer(age: float, verdict: str) -> None:
    """HONEST-01 fails for an answer from the cache that is said to be younger than what the server said last."""
    story = Story(capabilities=REPOSITORY)
    story.call().meets(200).ok()
    story.t += 60
    story.call().breaks().ok(source="cache", age_ms=age)

    assert story.verdict("HONEST-01") == verdict


def test_a_client_that_says_nothing_is_not_judged() -> None:
    """HONEST-01 is not exercised where a call gives no account of itself."""
    story = Story()
    story.call().breaks().fails("reset")

    assert story.verdict("HONEST-01") == "not_exercised"


# HONEST-02


@given(JSON, JSON)
def test_the_value_is_the_body(body: Any, value: Any) -> None:
    """HONEST-02 holds exactly where a call hands out the JSON of its own answer."""
    story = Story()
    story.call().meets(200, body=json.dumps(body, indent=1).encode()).ok(value=value)
    true = json.dumps(body, sort_keys=True) == json.dumps(value, sort_keys=True)

    assert story.verdict("HONEST-02") == ("pass" if true else "fail")


@given(st.text(min_size=1), st.text(), st.booleans())
def test_what_is_no_json_may_be_handed_out_as_text(text: str, more: str, mark: bool) -> None:
    """HONEST-02 holds where a body that is no JSON is handed out word for word, and fails for any other text."""
    story = Story()
    body = f"<{text}".encode()
    story.call().meets(200, body=(b"\xef\xbb\xbf" if mark else b"") + body).ok(value=f"<{text}{more}")

    assert story.verdict("HONEST-02") == ("fail" if more else "pass")


@pytest.mark.parametrize(("body", "value"), [(b'{"id": 1}', '{"id": 1}'), (b"\xff\xfe", "\ufffd\ufffd"), (b"a", ["a"])])
def test_json_is_no_text_and_other_bytes_neither(body: bytes, value: Any) -> None:
    """HONEST-02 fails where JSON is handed out unread, or bytes that are no text as if they were."""
    story = Story()
    story.call().meets(200, body=body).ok(value=value)

    assert story.verdict("HONEST-02") == "fail"


def test_nobody_else_s_answer() -> None:
    """HONEST-02 fails where a read gets what another read at the same time has brought."""
    for value, verdict in ((OTHER, "pass"), (USER, "fail")):
        story = Story()
        one = story.call("users.get", {"id": 1}, at=1.0).meets(200)
        two = story.call("users.get", {"id": 2}, at=1.0).meets(200, body=json.dumps(OTHER).encode())
        one.ok()
        two.ok(value=value)
        assert story.verdict("HONEST-02") == verdict


@pytest.mark.parametrize(("earlier", "verdict"), [({"id": 1}, "pass"), ({"id": 2}, "fail")])
def test_from_the_cache_it_is_an_earlier_answer(earlier: dict[str, int], verdict: str) -> None:
    """HONEST-02 takes from the cache what an earlier exchange has answered to the same question, and nothing else."""
    story = Story()
    story.call("users.get", earlier).meets(200, body=USER_BODY).ok()
    story.call("users.get", {"id": 1}).breaks().ok(source="cache", value=USER)

    assert story.verdict("HONEST-02") == verdict


def test_another_user_s_answer_is_none() -> None:
    """HONEST-02 fails where the cache hands out what another user was told."""
    story = Story(scenario={"given": {"cache": "other_user"}})
    story.call(phase="warmup", call="w1").meets(200).ok()
    story.call().breaks().ok(source="cache")

    assert story.verdict("HONEST-02") == "fail"


def test_a_304_brings_what_was_known() -> None:
    """HONEST-02 lets a 304 stand for an earlier answer to the same question."""
    story = Story()
    story.call().meets(200).ok()
    story.call().meets(304, body=b"").ok()

    assert story.verdict("HONEST-02") == "pass"


@pytest.mark.parametrize(("by_url", "invented"), [(True, False), (True, True), (False, False)])
def test_what_the_server_confirms_is_this_user_s(by_url: bool, invented: bool) -> None:
    """HONEST-02 lets an HTTP cache ask by the tag of another user's answer, if the server itself says it is current."""
    story = Story(scenario={"given": {"cache": "other_user"}}, capabilities=ALL if by_url else REPOSITORY)
    story.call(phase="warmup", call="w1").meets(200).ok()
    fired = [FiredFault("not_modified", "response")] if invented else []
    story.call().meets(304, body=b"", fired=fired).ok()

    assert story.verdict("HONEST-02") == ("pass" if by_url and not invented else "fail")


@given(st.booleans(), st.booleans(), st.sampled_from(["304", "stale", "fresh"]))
def test_a_cache_of_urls_answers_at_the_end_of_a_redirect(by_url: bool, same_place: bool, how: str) -> None:
    """HONEST-02 lets an HTTP cache, and no other, hold what was read under the URL that a redirect leads to."""
    story = Story(capabilities=ALL if by_url else REPOSITORY)
    story.call("users.get", {"id": 2}).meets(200, body=json.dumps(OTHER).encode()).ok(value=OTHER)
    place = "/users/2" if same_place else "/users/3"
    call = story.call().meets(302, headers=[("Location", place)], body=b"")
    if how == "304":
        call.meets(304, path=place, body=b"").ok(value=OTHER)
    elif how == "stale":
        call.breaks(path=place).ok(value=OTHER, source="cache")
    else:
        call.ok(value=OTHER, source="cache")

    assert story.verdict("HONEST-02") == ("pass" if by_url and same_place else "fail")


@given(st.sampled_from([200, 206, 299, 300, 404]), st.sampled_from(["GET", "POST"]))
def test_a_cache_of_urls_holds_what_was_read_well(status: int, method: str) -> None:
    """HONEST-02 lets an HTTP cache hold a 2xx to a GET, and nothing else, of the place that a redirect leads to."""
    story = Story()
    first = story.call("http", {"method": method, "path": "/users/2"})
    first.meets(status, path="/users/2", method=method, body=json.dumps(OTHER).encode())
    if status < 300:
        first.ok(value=OTHER)
    else:
        first.fails("unexpected_status", status)
    story.call().meets(302, headers=[("Location", "/users/2")], body=b"").ok(value=OTHER, source="cache")

    assert story.verdict("HONEST-02") == ("pass" if method == "GET" and status < 300 else "fail")


@pytest.mark.parametrize("status", [302, 404])
def test_an_error_is_not_ok(status: int) -> None:
    """HONEST-02 fails where the value is what a 3xx or 4xx said, or comes with such a status."""
    story = Story()
    story.call().meets(status, body=USER_BODY).ok()
    assert story.verdict("HONEST-02") == "fail"

    story = Story()
    call = story.call().meets(status, body=USER_BODY).ok()
    assert call.outcome is not None
    assert call.outcome.value is not None
    value = call.outcome.value.model_copy(update={"status": status})
    call.outcome = call.outcome.model_copy(update={"value": value})
    assert f"counts a {status}" in story.sentences("HONEST-02")[0]


def test_the_items_of_all_pages() -> None:
    """HONEST-02 fails for an item that no page held."""
    for last, verdict in ((3, "pass"), (4, "fail")):
        story = Story()
        call = story.call("orders.list", {"limit": 2}, pages=True)
        for number, items in ((1, [{"id": 1}, {"id": 2}]), (2, [{"id": 3}])):
            page = {"data": items, "next_cursor": "c" if number == 1 else None}
            call.meets(200, query=f"limit=2&cursor={number}", body=json.dumps(page).encode())
        call.ok(value=[{"id": 1}, {"id": 2}, {"id": last}])
        assert story.verdict("HONEST-02") == verdict


def test_failures_hand_out_nothing() -> None:
    """HONEST-02 is not exercised by calls that fail, nor by signing in."""
    story = Story()
    story.call().meets(404).fails("not_found", 404)
    story.call("auth.login", {}, token=None).meets(200).ok()

    assert story.verdict("HONEST-02") == "not_exercised"
