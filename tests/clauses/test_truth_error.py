"""The truth about the ERROR clauses: stories drawn to hold them, and the smallest changes that break them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.events import FiredFault
from tests.clauses.stories import ALL, Story, Telling, truth

LATER: dict[str, Any] = {"timeouts": {"total": "600s"}, "retry": {"budget": None}}
KINDS = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    422: "validation",
    429: "rate_limited",
}
STATUSES = st.sampled_from([400, 402, 403, 404, 405, 409, 410, 418, 422, 429, 431, 451, 500, 501, 502, 503, 504, 599])
TRANSPORT = {
    "rst": {"closed", "reset", "protocol"},
    "cut": {"truncated", "closed", "reset", "protocol"},
    "silence": {"timeout.read"},
    "html": {"decode"},
}
ANY_KIND = st.sampled_from(
    [
        "closed", "reset", "protocol", "truncated", "timeout.read", "timeout.connect", "timeout.total", "timeout.pool",
        "decode", "server", "not_found", "unauthorized", "unexpected_status", "offline", "other", "bug", "refused",
    ]
)  # fmt: skip
HTML: dict[str, Any] = {"body": b"<!DOCTYPE html><p>Sign in</p>", "headers": [("content-type", "text/html")]}


def _kind(status: int) -> str:
    """Return the kind that the reference's contract promises for a status."""
    return KINDS.get(status, "server" if status >= 500 else "unexpected_status")


def _meets(call: Telling, met: int | str) -> None:
    if isinstance(met, int):
        call.meets(met)
    elif met == "cut":
        call.breaks_off()
    elif met == "silence":
        call.gives_up()
    elif met == "html":
        call.meets(200, **HTML)
    else:
        call.breaks(met)


@truth("ERROR-01")
@given(st.lists(st.sampled_from(["ok", "fails", "cancelled"]), max_size=4), st.none() | st.integers(0, 4), ANY_KIND)
def test_nothing_escapes(ends: list[str], escaped: int | None, kind: str) -> None:
    """ERROR-01 fails as soon as one call lets an exception past its result type."""
    story = Story()
    for index, how in enumerate([*ends, "fails"]):
        call = story.call(args={"id": index}).meets(200 if how == "ok" else 404)
        if index == escaped:
            call.fails(kind, escaped=True)
        elif how == "ok":
            call.ok()
        elif how == "fails":
            call.fails(kind)
        else:
            call.cancelled()
    bad = escaped is not None and escaped <= len(ends)

    assert story.verdict("ERROR-01") == ("fail" if bad else "pass")


@truth("ERROR-02")
@given(st.lists(STATUSES, min_size=1, max_size=3), st.integers(0, 2), st.sampled_from(["right", "lost", "off", "kind"]))
def test_each_status_has_its_kind(statuses: list[int], which: int, told: str) -> None:
    """ERROR-02 holds for the kind and status of one of the attempts; another kind, a lost or wrong status breaks it."""
    story = Story(policy=LATER)
    call = story.call()
    for status in statuses:
        call.waits(0.3).meets(status)
    status = statuses[which % len(statuses)]
    kind = "offline" if told == "kind" else _kind(status)
    call.fails(kind, {"lost": None, "off": 418 if status == 599 else 599}.get(told, status))
    if told == "off":
        other = 418 if status == 599 else 599
        expected = "pass" if any(item == other and _kind(item) == kind for item in statuses) else "fail"
    else:
        expected = "pass" if told == "right" else "fail"

    assert story.verdict("ERROR-02") == expected


@truth("ERROR-02")
@given(st.lists(st.sampled_from(sorted(TRANSPORT)), min_size=1, max_size=3), ANY_KIND, st.booleans())
def test_each_trouble_of_the_way_has_its_kinds(met: list[str], kind: str, parallel: bool) -> None:
    """ERROR-02 holds exactly for the kinds that one of the attempts can have been met as."""
    story = Story(policy=LATER)
    call = story.call(parallel=parallel)
    for what in met:
        _meets(call.waits(0.3), what)
    call.fails(kind)
    due = set().union(*(TRANSPORT[what] for what in met)) | ({"timeout.pool"} if parallel else set())

    assert story.verdict("ERROR-02") == ("pass" if kind in due else "fail")


@truth("ERROR-02")
@given(
    st.sampled_from([400, 401, 403, 429, 500, 503, None]),
    st.sampled_from(["own", "refresh", "unauthorized by it", "other"]),
)
def test_a_failed_refresh_has_its_own_kind(status: int | None, told: str) -> None:
    """ERROR-02 accepts what the refresh met, and the call's own 401; for a 4xx also that nobody is signed in."""
    story = Story(policy=LATER)
    call = story.call().meets(401)
    story.refresh(status)
    if told == "own":
        call.fails("unauthorized", 401)
    elif told == "refresh":
        call.fails("reset" if status is None else _kind(status), status)
    elif told == "unauthorized by it":
        call.fails("unauthorized", status)
    else:
        call.fails("conflict", 409)
    good = told in ("own", "refresh") or (told == "unauthorized by it" and status in (400, 401, 403, 429))

    assert story.verdict("ERROR-02") == ("pass" if good else "fail")


@truth("ERROR-02")
@given(st.integers(2, 60), STATUSES, st.booleans())
def test_a_deadline_may_have_struck(total: int, status: int, late: bool) -> None:
    """ERROR-02 accepts the deadline where the next wait could have crossed it, and not long before."""
    policy = {"timeouts": {"total": f"{total}s", "read": "90s"}, "retry": {"max_retries": 1, "first_delay": "100ms"}}
    story = Story(policy=policy)
    call = story.call()
    story.t = call.started + total - (0.0995 if late else 0.11)
    call.meets(status, takes=0.0)
    call.fails("timeout.total")

    assert story.verdict("ERROR-02") == ("pass" if late else "fail")


LEAVES = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=5)
ODD: st.SearchStrategy[bytes] = st.one_of(
    (LEAVES | st.lists(LEAVES, max_size=3)).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"", b"  \n", b"<html></html>", b"no such article", b'{"message": "\xfc"}', b"\xff\xfe", b"{",
                     b"[" * 5_000 + b"]" * 5_000, b'{"a":' * 300 + b"1" + b"}" * 300, b"NaN", b'{"a": Infinity}']),
)  # fmt: skip


@truth("ERROR-03")
@given(ODD, STATUSES, st.sampled_from(["fine", "escape", "success", "lost", "bug", "decode", "cancelled", "cache"]))
def test_odd_bodies_are_survived(body: bytes, status: int, ends: str) -> None:
    """ERROR-03 holds where an error with an odd body is reported with its status; nothing escapes, or ends well."""
    story = Story(policy=LATER)
    call = story.call().meets(status, body=body)
    if ends in ("success", "cache"):
        call.ok(source="cache" if ends == "cache" else "network")
    elif ends == "cancelled":
        call.cancelled()
    elif ends == "escape":
        call.fails("other", status, escaped=True)
    else:
        call.fails(ends if ends in ("bug", "decode") else _kind(status), None if ends == "lost" else status)
    good = ends in ("fine", "cancelled", "cache")

    assert story.verdict("ERROR-03") == ("pass" if good else "fail")


@truth("ERROR-03")
@given(ODD, st.dictionaries(st.text(max_size=3), LEAVES, max_size=3), STATUSES, st.booleans())
def test_only_odd_bodies_put_it_to_the_test(odd: bytes, plain: dict[str, Any], status: int, escapes: bool) -> None:
    """ERROR-03 is about odd bodies that the call ends with: an object, or an odd body before it, is none of them."""
    ordinary = Story(policy=LATER)
    call = ordinary.call().meets(status, body=odd).waits(0.3).meets(status, body=json.dumps(plain).encode())
    call.fails("other", escaped=escapes)
    assert ordinary.verdict("ERROR-03") == "not_exercised"

    last = Story(policy=LATER)
    call = last.call().meets(status, body=json.dumps(plain).encode()).waits(0.3).meets(status, body=odd)
    call.fails(_kind(status), status, escaped=escapes)
    assert last.verdict("ERROR-03") == ("fail" if escapes else "pass")


LIES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        HTML,
        {"body": b"{"},
        {"body": b"\xff"},
        {"body": b'{"id": NaN}'},
        {"fired": [FiredFault("wrong_shape", "body")]},
        {"fired": [FiredFault("error_in_200", "body")]},
    ]
)
PROMISING = st.sampled_from(
    [
        ("users.get", {"id": 1}), ("users.list", {"page": 1}), ("orders.list", {}), ("orders.create", {}),
        ("users.update", {"id": 1}), ("auth.login", {}),
    ]
)  # fmt: skip


@truth("ERROR-05")
@given(PROMISING, LIES, st.sampled_from(["decode", "reset", "server", "ok", "again", "cancelled", "unkind"]))
def test_a_lie_is_a_decode_error(asked: tuple[str, dict[str, Any]], lie: dict[str, Any], ends: str) -> None:
    """ERROR-05 wants decode wherever JSON is promised and something else comes: no success, no second attempt."""
    story = Story(policy=LATER, capabilities=ALL - {"error_kinds"} if ends == "unkind" else ALL)
    call = story.call(*asked).meets(200, **lie)
    if ends == "again":
        call.waits(0.3).meets(200).fails("decode")
    elif ends == "ok":
        call.ok()
    elif ends == "cancelled":
        call.cancelled()
    else:
        call.fails("other" if ends == "unkind" else ends)

    assert story.verdict("ERROR-05") == ("pass" if ends in ("decode", "cancelled", "unkind") else "fail")


@truth("ERROR-05")
@given(LIES, st.lists(st.sampled_from(["good", "another", "lie"]), max_size=3), st.booleans(), st.booleans())
def test_a_lie_is_not_kept(lie: dict[str, Any], between: list[str], cached: bool, warmed: bool) -> None:
    """ERROR-05 fails where the cache answers and only lies can have filled it."""
    story = Story(policy=LATER, facts={"warmed": (("users.get", '{"id": 1}'),)} if warmed else {})
    story.call().meets(200, **lie).fails("decode")
    for what in between:
        if what == "lie":
            story.call().meets(200, **lie).fails("decode")
        else:
            story.call(args={"id": 1 if what == "good" else 2}).meets(200).ok()
    call = story.call().breaks()
    (call.ok(source="cache") if cached else call.fails("reset"))
    good = not cached or warmed or "good" in between

    assert story.verdict("ERROR-05") == ("pass" if good else "fail")
