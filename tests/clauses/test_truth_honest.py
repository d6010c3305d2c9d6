"""The truth about the HONEST clauses: stories drawn to hold them, and the smallest changes that break them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import ALL, USER, USER_BODY, Story, Telling, truth

LATER: dict[str, Any] = {"timeouts": {"total": "600s"}, "retry": {"budget": None}, "cache": {"fallback_after": "500s"}}
REPOSITORY = ALL - {"http_cache"}
OTHER = {**USER, "id": 2, "user_name": "Grace Hopper"}


def _meets(call: Telling, met: int | str) -> None:
    if isinstance(met, int):
        call.meets(met, body=b"" if met == 304 else USER_BODY if met < 400 else b"{}")
    elif met == "cut":
        call.breaks_off()
    elif met == "silence":
        call.gives_up()
    else:
        call.breaks(met)


MET: st.SearchStrategy[int | str] = st.sampled_from([503, 429, 401, "rst", "fin", "cut", "silence"])


@truth("HONEST-01")
@given(st.lists(MET, min_size=1, max_size=4), st.integers(-2, 2), st.sampled_from(["ok", "status", "other"]))
def test_it_counts_its_attempts(met: list[int | str], off: int, ends: str) -> None:
    """HONEST-01 fails for one attempt too many or too few; who failed without a status may have begun one more."""
    story = Story(policy=LATER)
    call = story.call()
    for what in met:
        _meets(call.waits(0.3), what)
    made = len(met)
    if ends == "ok":
        call.waits(0.3).meets(200)
        made += 1
    said = max(0, made + off)
    if ends == "ok":
        call.ok(attempts=said)
    else:
        call.fails("other", 503 if ends == "status" else None, attempts=said)
    off = said - made
    allowed = (0, 1) if ends == "other" else (0,)
    # One exchange that was told of and no fault on it is nothing to be honest about.
    exercised = made > 1 or met[0] not in (503, 429, 401)

    assert story.verdict("HONEST-01") == (("pass" if off in allowed else "fail") if exercised else "not_exercised")


@truth("HONEST-01")
@given(
    st.lists(MET, min_size=1, max_size=2),
    st.sampled_from(["fresh answer", "304", "nothing"]),
    st.sampled_from(["network", "cache"]),
    st.booleans(),
)
def test_it_says_where_from(met: list[int | str], last: str, source: str, stale: bool) -> None:
    """HONEST-01 fails where the source is not the one that can have been, or a network's answer is called stale."""
    story = Story(policy=LATER, capabilities=REPOSITORY)
    story.call().meets(200).ok()
    call = story.call()
    for what in met:
        _meets(call.waits(0.3), what)
    if last != "nothing":
        _meets(call.waits(0.3), 200 if last == "fresh answer" else 304)
    call.ok(source=source)
    assert call.outcome is not None
    call.outcome = call.outcome.model_copy(update={"stale": stale})
    by_cut = last == "nothing" and "cut" in met  # its head was a 200: whether that was all of it is another clause's
    true_source = source == ("cache" if last == "nothing" else "network") or (source == "network" and by_cut)

    if len(met) == 1 and met[0] in (503, 429, 401) and last == "nothing" and source == "network":
        assert story.verdict("HONEST-01") == "not_exercised"  # one answer and no fault: HONEST-02 sees through that
    else:
        assert story.verdict("HONEST-01") == ("pass" if true_source and stale == (source == "cache") else "fail")


@truth("HONEST-01")
@given(st.floats(5.0, 4000.0), st.sampled_from([-60.0, -2.0, -1.4, 0.0, 30.0]), st.booleans())
def test_it_says_how_old(age: float, off: float, confirmed: bool) -> None:
    """HONEST-01 fails where an age is less than that of what the server said last; a second or so may be lost."""
    story = Story(policy=LATER, capabilities=REPOSITORY)
    story.call().meets(200).ok()
    if confirmed:
        story.t += 100
        story.call().meets(304, body=b"").ok()
    said = story.t
    story.t = said + age
    call = story.call().breaks()
    newest = call.started - said + 0.001
    call.ok(source="cache", age_ms=max(0.0, newest + off) * 1000)

    assert story.verdict("HONEST-01") == ("fail" if min(-off, newest) > 1.6 else "pass")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@truth("HONEST-02")
@given(JSON, JSON, st.booleans(), st.integers(0, 3), st.booleans())
def test_the_value_is_the_body(body: Any, other: Any, own: bool, indent: int, bom: bool) -> None:
    """HONEST-02 holds where a call hands out the JSON of its own answer, however it was written, and for no other."""
    value = body if own else other
    story = Story()
    text = json.dumps(body, indent=indent or None).encode()
    story.call().meets(200, body=b"\xef\xbb\xbf" * bom + text).ok(value=value)
    alike = _canonical(body) == _canonical(value)

    assert story.verdict("HONEST-02") == ("pass" if alike else "fail")


def _canonical(value: Any) -> str:
    """Return a value as one text: numbers that are equal are the same, truth values are none."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value) + 0.0)
    return repr(value)


@truth("HONEST-02")
@given(
    st.sampled_from(["own", "earlier", "other user", "later", "another's", "nobody's"]),
    st.sampled_from(["cache", "network", None]),
    st.sampled_from([503, "rst", "silence", 304]),
)
def test_from_the_cache_it_was_said_before(whose: str, source: str | None, met: int | str) -> None:
    """HONEST-02 takes from the cache, or by a 304, what the server had said to the same question and the same user."""
    story = Story(policy=LATER, scenario={"given": {"cache": "other_user"}} if whose == "other user" else {})
    if whose == "other user":
        story.call(phase="warmup", call="w").meets(200).ok()
    elif whose in ("earlier", "another's"):
        story.call("users.get", {"id": 1 if whose == "earlier" else 3}).meets(200).ok()
    story.t += 1.0
    call = story.call()
    _meets(call, met)
    if whose == "own":
        call.waits(0.3).meets(200)
    call.ok(source=source, value=USER)
    if whose == "later":
        story.call().meets(200).ok()
    confirmed = whose == "other user" and met == 304  # by the server itself, whom an HTTP cache may ask by any tag
    good = whose == "own" or confirmed or (whose == "earlier" and (source != "network" or met == 304))

    assert story.verdict("HONEST-02") == ("pass" if good else "fail")


@truth("HONEST-02")
@given(st.sampled_from([200, 201, 299, 300, 304, 404, 503, 599, None]), st.sampled_from([200, 404]))
def test_an_error_is_never_ok(told: int | None, met: int) -> None:
    """HONEST-02 fails where a call counts a 3xx, 4xx or 5xx as having ended well, or hands out what it said."""
    story = Story()
    call = story.call().meets(met, body=json.dumps(USER).encode()).ok()
    assert call.outcome is not None
    assert call.outcome.value is not None
    value = call.outcome.value.model_copy(update={"status": told})
    call.outcome = call.outcome.model_copy(update={"value": value})
    good = met == 200 and (told is None or told < 300)

    assert story.verdict("HONEST-02") == ("pass" if good else "fail")


@truth("HONEST-02")
@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.sampled_from(["all", "made up", "fewer"]))
def test_the_items_of_all_pages(sizes: list[int], what: str) -> None:
    """HONEST-02 fails for an item that no page held."""
    story = Story(policy=LATER)
    call = story.call("orders.list", {"limit": 3}, pages=True)
    items: list[dict[str, int]] = []
    for number, size in enumerate(sizes):
        page = [{"id": len(items) + n} for n in range(size)]
        items += page
        last = number + 1 == len(sizes)
        body = json.dumps({"data": page, "next_cursor": None if last else "c"}).encode()
        call.meets(200, query=f"limit=3&cursor={number}", body=body)
    call.ok(value={"all": items, "made up": [*items, {"id": 99}], "fewer": items[:-1]}[what])

    assert story.verdict("HONEST-02") == ("fail" if what == "made up" else "pass")


@truth("HONEST-02")
@given(st.booleans(), st.booleans(), st.sampled_from([USER, OTHER]))
def test_only_what_is_asked_at_the_same_time_is_shared(same: bool, together: bool, value: dict[str, Any]) -> None:
    """HONEST-02 lets two calls share an answer where they ask the same at the same time."""
    story = Story(policy=LATER)
    one = story.call(args={"id": 1}, at=1.0)
    one.meets(200, takes=0.2)
    one.ok()
    at = 1.1 if together else 1.5
    two = story.call(args={"id": 1 if same else 2}, at=at)
    story.t = max(story.t, at + 0.2)
    if not (same and together and value is USER):
        two.meets(200, body=json.dumps(OTHER).encode())
    two.ok(value=value)
    good = value is OTHER or (same and together)

    assert story.verdict("HONEST-02") == ("pass" if good else "fail")
