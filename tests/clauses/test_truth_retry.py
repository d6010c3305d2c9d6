"""The truth about the RETRY clauses: stories drawn to hold them, and the smallest changes that break them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story, Telling, truth

Met = int | str
"""What an attempt meets: a status, or how its connection ends."""

ROOMY: dict[str, Any] = {"timeouts": {"total": "600s"}, "retry": {"budget": None}}
"""Nothing but the number of retries stops a call."""

TRANSPORT = st.sampled_from(["rst", "fin", "cut", "silence"])
TEMPORARY = st.sampled_from([408, 429, 502, 503, 504])
FAILURES: st.SearchStrategy[Met] = TEMPORARY | TRANSPORT
FINAL = st.sampled_from([400, 402, 403, 404, 405, 409, 410, 418, 422, 431, 500, 501, 505, 511, 599])


def _policy(**retry: Any) -> dict[str, Any]:
    return {**ROOMY, "retry": {"budget": None, **retry}}


def _meets(call: Telling, met: Met, **facts: Any) -> None:
    """Let an attempt meet something."""
    if isinstance(met, int):
        call.meets(met, **facts)
    elif met == "cut":
        call.breaks_off(**facts)
    elif met == "silence":
        call.gives_up(**facts)
    else:
        call.breaks(met, **facts)


def _all(call: Telling, several: list[Met], wait: float = 0.3, **facts: Any) -> None:
    for index, met in enumerate(several):
        _meets(call.waits(wait if index else 0.0), met, **facts)


@truth("RETRY-01")
@given(st.lists(FAILURES, min_size=1, max_size=7), st.integers(0, 4), st.none() | st.integers(0, 7), st.booleans())
def test_attempts_are_counted(met: list[Met], retries: int, refused_at: int | None, ends_well: bool) -> None:
    """RETRY-01 holds up to 1 + max_retries attempts, one more with the replay of a 401, and fails one beyond."""
    story = Story(policy=_policy(max_retries=retries))
    several: list[Met] = [*met, 200] if ends_well else list(met)
    replayed = refused_at is not None and refused_at < len(several)
    if replayed:
        several.insert(refused_at or 0, 401)
    _all(call := story.call(), several)
    (call.ok() if ends_well else call.fails("server", 503))

    assert story.verdict("RETRY-01") == ("pass" if len(several) <= 1 + retries + replayed else "fail")


@truth("RETRY-01")
@given(st.integers(1, 4), st.integers(0, 3), st.sampled_from([302, 304, "unseen"]))
def test_what_is_no_attempt_is_not_counted(made: int, retries: int, uncounted: Met) -> None:
    """RETRY-01 leaves out one hop, one plain fetch after a 304 and the repeat of a lost connection; a retry it does not."""
    story = Story(policy=_policy(max_retries=retries))
    story.call(args={"id": 9}).meets(200, connection=77).ok()
    call = story.call()
    if uncounted == "unseen":
        call.breaks("fin", connection=77)
    else:
        _meets(call, uncounted)
    _all(call, [503] * made)
    call.fails("server", 503)

    assert story.verdict("RETRY-01") == ("pass" if made <= 1 + retries else "fail")


@truth("RETRY-02")
@given(
    st.sampled_from(["POST", "PATCH"]),
    st.lists(st.tuples(FAILURES, st.sampled_from(["k", None])), min_size=1, max_size=4),
    st.booleans(),
)
def test_only_keyed_writes_are_repeated(method: str, sent: list[tuple[Met, str | None]], ends_well: bool) -> None:
    """RETRY-02 fails as soon as a POST or PATCH is repeated and one of the two has no key."""
    story = Story(policy=ROOMY)
    call = story.call("http", {"method": method, "path": "/orders"})
    for met, key in sent:
        _meets(call.waits(0.3), met, key=key)
    last = sent[-1][1]
    if ends_well:
        call.waits(0.3).meets(201, key=last).ok()
    else:
        call.fails("reset")
    keys = [key for _, key in sent] + ([last] if ends_well else [])
    if all(keys):
        assert story.verdict("RETRY-02") == "not_exercised"
    elif len(keys) == 1:
        assert story.verdict("RETRY-02") == "pass"
    else:
        assert story.verdict("RETRY-02") == "fail"


@truth("RETRY-02")
@given(st.lists(st.sampled_from([301, 302, 303, 307, 308, 401]), max_size=3), FAILURES, st.booleans())
def test_what_the_server_did_not_do_may_go_on(hops: list[int], met: Met, repeated: bool) -> None:
    """RETRY-02 lets an unkeyed POST go on after hops and a 401, and not after a failure."""
    story = Story(policy=ROOMY)
    order = story.create(key=None)
    _all(order, [*hops, met, *([201] if repeated else [])])
    (order.ok() if repeated else order.fails("reset"))

    assert story.verdict("RETRY-02") == ("fail" if repeated else "pass")


@truth("RETRY-02")
@given(st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST"]), FAILURES)
def test_safe_methods_may_be_repeated(method: str, met: Met) -> None:
    """RETRY-02 is about methods that are not idempotent: of these, the POST alone fails."""
    story = Story(policy=ROOMY)
    call = story.call("http", {"method": method, "path": "/orders"})
    _all(call, [met, 200])
    call.ok()
    assert story.verdict("RETRY-02") == ("fail" if method == "POST" else "not_exercised")

    once = Story(policy=ROOMY)
    call = once.call("http", {"method": "POST", "path": "/orders"})
    _meets(call, met)
    call.fails("reset")
    assert once.verdict("RETRY-02") == "pass"


@truth("RETRY-03")
@given(st.lists(FAILURES, min_size=1, max_size=5), st.integers(0, 4), st.booleans())
def test_retried_exactly_as_often(met: list[Met], retries: int, ends_well: bool) -> None:
    """RETRY-03 holds where a read ends well or has used its retries up, and fails where it stops one earlier."""
    several: list[Met] = [*met[: retries + 1]]
    ends_well = ends_well and len(several) <= retries
    story = Story(policy=_policy(max_retries=retries))
    _all(call := story.call(), [*several, 200] if ends_well else several)
    (call.ok() if ends_well else call.fails("server", 503))

    assert story.verdict("RETRY-03") == ("pass" if ends_well or len(several) == 1 + retries else "fail")


@truth("RETRY-03")
@given(st.lists(FAILURES, max_size=2), FINAL, st.booleans())
def test_what_is_final_ends_the_call(before: list[Met], status: int, again: bool) -> None:
    """RETRY-03 fails where a call is sent once more after a status that is not promised to be retried."""
    story = Story(policy=_policy(max_retries=3))
    _all(call := story.call(), [*before, status, *([200] if again else [])])
    (call.ok() if again else call.fails("other", status))

    assert story.verdict("RETRY-03") == ("fail" if again else "pass")


@truth("RETRY-03")
@given(
    st.sampled_from(["DELETE", "PUT", "POST", "PATCH", "keyed"]),
    FAILURES,
    st.booleans(),
    st.sampled_from(["any", "idempotent"]),
)
def test_which_methods_are_due(method: str, met: Met, stops: bool, methods: str) -> None:
    """RETRY-03 asks for retries of what the contract covers: idempotent and keyed requests, or any."""
    story = Story(policy=_policy(max_retries=1, methods=methods))
    verb, key = ("POST", "k1") if method == "keyed" else (method, None)
    call = story.call("http", {"method": verb, "path": "/orders"}, key=key)
    _meets(call, met)
    (call.fails("reset") if stops else _all(call.waits(0.3), [200]))
    if not stops:
        call.ok()
    due = methods == "any" or method not in ("POST", "PATCH")
    expected = ("fail" if stops else "pass") if due else "pass" if isinstance(met, int) else "not_exercised"

    assert story.verdict("RETRY-03") == expected


LIMITS = st.fixed_dictionaries(
    {
        "max_retries": st.just(4),
        "first_delay": st.integers(10, 400).map(lambda ms: f"{ms}ms"),
        "factor": st.sampled_from([1, 1.5, 2, 3]),
        "max_delay": st.integers(200, 3000).map(lambda ms: f"{ms}ms"),
        "retry_after": st.sampled_from(["honour", "ignore"]),
    }
)


def _promised(limits: dict[str, Any], n: int) -> float:
    """Return the wait before retry ``n`` by the contract's own arithmetic."""
    first, most = (int(limits[name].removesuffix("ms")) / 1000 for name in ("first_delay", "max_delay"))
    return float(min(most, first * limits["factor"] ** (n - 1)))


@truth("RETRY-05")
@given(
    LIMITS,
    st.sampled_from(["none", "equal", "full"]),
    st.lists(st.sampled_from([408, 502, 503, "rst", "fin", "cut"]), min_size=1, max_size=4),
    st.integers(0, 3),
    st.sampled_from([-0.002, 0.0, 0.0005, 0.004, 0.5]),
)
def test_waits_are_as_promised(limits: dict[str, Any], jitter: str, met: list[Met], slip: int, by: float) -> None:
    """RETRY-05 fails where one wait is shorter than its least, or longer than its most under jitter, by a trifle."""
    story = Story(policy=_policy(**limits, jitter=jitter))
    call = story.call()
    slip = slip % len(met)
    for n, what in enumerate(met, 1):
        _meets(call, what)
        promised = _promised(limits, n)
        least = {"none": promised, "equal": promised / 2, "full": 0.0}[jitter]
        if n - 1 != slip:
            call.waits((least + promised) / 2)
        elif by < 0:
            call.waits(max(0.0, least + by))
        else:
            call.waits(promised + by)
    call.meets(200).ok()
    early = by < 0 and jitter != "full"
    late = by > 0.001 and jitter != "none"

    assert story.verdict("RETRY-05") == ("fail" if early or late else "pass")


@truth("RETRY-05")
@given(st.lists(st.integers(7, 500), min_size=1, max_size=4), st.integers(1, 5), st.integers(0, 4), st.booleans())
def test_a_list_of_waits_is_a_promise_too(delays: list[int], retries: int, slip: int, early: bool) -> None:
    """RETRY-05 reads a list of delays, whose last entry holds for all further retries; a real clock may be off a bit."""
    listed = {"first_delay": None, "factor": None, "max_delay": None, "delays": [f"{ms}ms" for ms in delays]}
    story = Story(policy=_policy(max_retries=9, jitter="none", **listed), world="live")
    call = story.call().meets(503)
    for n in range(retries):
        short = 0.006 if early and n == slip % retries else 0.004
        call.waits(delays[min(n, len(delays) - 1)] / 1000 - short).meets(503)
    call.fails("server", 503)

    assert story.verdict("RETRY-05") == ("fail" if early else "pass")


NOW = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


def _told(seconds: int, form: str) -> list[tuple[str, str]]:
    """Return the headers that ask to wait, in one of the forms of RFC 9110 §10.2.3."""
    if form == "seconds":
        return [("Retry-After", str(seconds))]
    then = NOW + timedelta(seconds=seconds)
    texts = {
        "imf": format_datetime(then, usegmt=True),
        "rfc850": then.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        "asctime": then.strftime("%a %b %e %H:%M:%S %Y"),
    }
    return [("date", format_datetime(NOW, usegmt=True)), ("retry-after", texts[form])]


@truth("RETRY-07")
@given(
    st.lists(st.sampled_from([429, 503]), min_size=1, max_size=3),
    st.integers(0, 2),
    st.integers(2, 40),
    st.sampled_from(["seconds", "imf", "rfc850", "asctime"]),
    st.tuples(st.sampled_from([-1.0, -0.01, 0.0, 0.01, 5.0]), st.sampled_from(["sim", "live"])),
)
def test_nobody_comes_early(statuses: list[int], which: int, told: int, form: str, how: tuple[float, str]) -> None:
    """RETRY-07 fails where one attempt comes before the time that was told; a date may have lost a second."""
    by, world = how
    story = Story(policy=_policy(max_retries=5, retry_after_cap="600s"), world=world)
    call = story.call()
    for index, status in enumerate(statuses):
        asked = index == which % len(statuses)
        call.meets(status, headers=_told(told, form) if asked else [])
        call.waits(told - (form != "seconds") + by if asked else 0.05)
    call.meets(200).ok()

    assert story.verdict("RETRY-07") == ("fail" if by < 0 else "pass")


HEADERS = st.sampled_from(["accept", "accept-language", "x-tenant", "content-type", "idempotency-key"])
FREE = st.sampled_from(["authorization", "Authorization", "traceparent", "x-request-id", "date", "cookie"])


@truth("RETRY-12")
@given(
    st.lists(FAILURES, min_size=1, max_size=3),
    st.integers(1, 3),
    st.sampled_from(["nothing", "digest", "query", "header", "another", "lost", "twice", "free"]),
    HEADERS,
    FREE,
)
def test_a_repetition_is_the_same(met: list[Met], at: int, change: str, name: str, free: str) -> None:
    """RETRY-12 fails where any one repetition differs in body, query or a header that is not the attempt's own."""
    story = Story(policy=ROOMY)
    call = story.call("users.update", {"id": 1})
    base: dict[str, Any] = {"digest": "d1", "query": "a=1", "sent_headers": [(name, "one"), (free, "first")]}
    changes: dict[str, dict[str, Any]] = {
        "nothing": {},
        "digest": {"digest": "d2"},
        "query": {"query": "a=2"},
        "header": {"sent_headers": [(name, "two"), (free, "first")]},
        "another": {"sent_headers": [*base["sent_headers"], ("x-attempt", "2")]},
        "lost": {"sent_headers": [(free, "first")]},
        "twice": {"sent_headers": [(name, "one"), (name, "one"), (free, "first")]},
        "free": {"sent_headers": [(free, "second"), (name.upper(), "one")]},
    }
    for index, what in enumerate([*met, 200]):
        _meets(call.waits(0.3), what, **(base | changes[change] if index == 1 + (at - 1) % len(met) else base))
    call.ok()

    assert story.verdict("RETRY-12") == ("pass" if change in ("nothing", "free") else "fail")


@truth("RETRY-12")
@given(
    st.sampled_from([304, 503, 401]), st.sampled_from(["If-None-Match", "if-modified-since", "Cache-Control", "pragma"])
)
def test_a_condition_goes_with_its_304(status: int, name: str) -> None:
    """RETRY-12 lets a condition go after a 304 alone."""
    story = Story(policy=ROOMY)
    call = story.call().meets(status, sent_headers=[(name, "x")])
    call.waits(0.3).meets(200, sent_headers=[]).ok()

    assert story.verdict("RETRY-12") == ("pass" if status == 304 else "fail")
