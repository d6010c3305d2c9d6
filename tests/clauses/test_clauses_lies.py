"""What clauses make of bodies that are not what they should be, on told traces: lies, half lies, and nothing at all."""

from __future__ import annotations

from typing import Any

import pytest

from sadpath.core.events import ArmedFault, FiredFault
from sadpath.faults.wrong_shape import WrongShape
from tests.clauses.stories import ALL, Story

REPOSITORY = ALL | {"cache_fallback"}
SETTINGS = b'{"theme": "dark", "locale": "en-GB", "notifications": true}'
DEEP: dict[str, Any] = {"body": b"[" * 100 + b"]" * 100, "fired": [FiredFault("deep_json", "response")]}


def _reshaped(**settings: Any) -> dict[str, Any]:
    """Return the facts of an exchange whose answer ``wrong_shape`` has changed."""
    shape = WrongShape.model_validate(settings)
    return {
        "armed": [ArmedFault("wrong_shape", None, shape)],
        "fired": [FiredFault("wrong_shape", "response")],
    }


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({"add": {"new": 1}}, "not_exercised"),
        ({"drop": ["user_name"]}, "fail"),
        ({"retype": ["id"]}, "fail"),
        ({"drop": ["user_name"], "add": {"new": 1}}, "fail"),
        ({}, "fail"),
    ],
)
def test_a_member_more_is_no_lie(settings: dict[str, Any], verdict: str) -> None:
    """ERROR-05 lets a client take JSON that only has a member more, and none where one is gone or has another type."""
    story = Story()
    story.call().meets(200, **_reshaped(**settings)).ok()

    assert story.verdict("ERROR-05") == verdict


def test_a_member_more_excuses_no_other_lie() -> None:
    """ERROR-05 still counts an answer with a member more where another fault has made a lie of it."""
    facts = _reshaped(add={"new": 1})
    facts["fired"] = [*facts["fired"], FiredFault("error_in_200", "response")]
    story = Story()
    story.call().meets(200, **facts).ok()

    assert story.verdict("ERROR-05") == "fail"


@pytest.mark.parametrize(("kind", "verdict"), [("decode", "pass"), ("reset", "fail"), (None, "fail")])
def test_lists_in_lists_are_no_user(kind: str | None, verdict: str) -> None:
    """ERROR-05 counts nested lists in a user's place as a lie, even where they are shallow enough to be read."""
    story = Story()
    call = story.call().meets(200, **DEEP)
    (call.ok() if kind is None else call.fails(kind, 200))

    assert story.verdict("ERROR-05") == verdict


def test_lists_in_lists_are_not_the_caches_fault() -> None:
    """CACHE-14 does not blame a broken cache for a call that fails on JSON which is no user."""
    story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": "unwritable"}})
    story.call().meets(200, **DEEP).fails("decode", 200)

    assert story.verdict("CACHE-14") == "pass"


@pytest.mark.parametrize(("op", "verdict"), [("http", "pass"), ("orders.create", "fail")])
def test_who_promises_no_shape_may_believe_a_success(op: str, verdict: str) -> None:
    """IDEM-02 does not blame a raw request for believing a 200 that says no; an order's answer has a shape."""
    body: dict[str, Any] = {"items": []}
    args = {"method": "POST", "path": "/orders", "json": body} if op == "http" else {"data": body}
    story = Story()
    story.call(op, args, key="k1").meets(200, fired=[FiredFault("error_in_200", "response")]).ok()

    assert story.verdict("IDEM-02") == verdict


@pytest.mark.parametrize(("path", "verdict"), [("/health", "pass"), ("/users/1", "fail")])
@pytest.mark.parametrize("state", ["corrupt", "unwritable"])
def test_what_a_redirect_led_to_is_not_what_was_asked_for(state: str, path: str, verdict: str) -> None:
    """CACHE-14 does not blame a broken cache for a call that fails on the good answer of another operation."""
    story = Story(capabilities=REPOSITORY, scenario={"given": {"cache": state}})
    call = story.call().meets(302, body=b"", headers=[("location", path)])
    call.meets(200, path=path).fails("decode", 200)

    assert story.verdict("CACHE-14") == verdict


@pytest.mark.parametrize(
    ("status", "body", "verdict"), [(200, b"", "pass"), (200, b" \n", "pass"), (204, b"", "fail"), (200, b"{}", "fail")]
)
def test_a_replay_that_brings_nothing(status: int, body: bytes, verdict: str) -> None:
    """AUTH-01 leaves open what comes of a replay whose 200 is empty; where a 204 came, all went well."""
    story = Story()
    call = story.call().meets(401)
    story.refresh()
    call.meets(status, token=2, body=body).fails("decode", status)

    assert story.verdict("AUTH-01") == verdict


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b'{"refresh_token": "r2", "expires_in": 3600}', "pass"),
        (b'{"access_token": 7, "refresh_token": "r2"}', "pass"),
        (b'{"access_token": "", "refresh_token": "r2"}', "pass"),
        (b'{"success": false, "data": null}', "pass"),
        (b"[[[]]]", "pass"),
        (b'{"access_token": "a2", "refresh_token": "r2"}', "fail"),
    ],
)
def test_a_refresh_that_brings_no_token(body: bytes, verdict: str) -> None:
    """AUTH-01 and ERROR-02 take a refresh for failed whose answer has no access token, though one was made."""
    story = Story()
    call = story.call().meets(401)
    story.refresh(body=body)
    call.fails("decode", 200)

    assert (story.verdict("AUTH-01"), story.verdict("ERROR-02")) == (verdict, verdict)


@pytest.mark.parametrize(("said", "verdict"), [("no-store", "pass"), ("no-cache", "pass"), ("", "fail")])
@pytest.mark.parametrize("status", [200, 304])
def test_what_must_not_be_kept_is_asked_for_again(status: int, said: str, verdict: str) -> None:
    """CACHE-11 lets a client ask once the server has said, behind an earlier hit, that the entry is not to be kept."""
    story = Story(capabilities=REPOSITORY)
    story.call("settings.get", {}).meets(200, body=SETTINGS).ok()
    story.call("settings.get", {}).ok(source="cache")
    headers = [("content-type", "application/json"), ("cache-control", said)]
    facts = {"body": SETTINGS if status == 200 else b"", "headers": headers[: 2 if said else 1]}
    t = story.t
    story.exchange(
        t,
        method="GET",
        path="/settings",
        token=1,
        status=status,
        first=t + 0.01,
        last=t + 0.01,
        ended=t + 0.01,
        **facts,
    )
    hit = story.verdict("CACHE-11")
    story.t += 0.1
    story.call("settings.get", {}).meets(200, body=SETTINGS).ok()

    assert hit == "pass"
    assert story.verdict("CACHE-11") == verdict
