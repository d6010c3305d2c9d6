"""What clients and servers say: Retry-After and dates, as client and judge read them, and the drivers' messages."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from pydantic import BaseModel, ValidationError

from sadpath.client.message import Headers
from sadpath.client.retry_after import LONGEST, parse_http_date, retry_after
from sadpath.core.events import ExchangeEvent
from sadpath.drivers.messages import (
    AuthGrant,
    DriverFault,
    Hello,
    OfflineStep,
    Outcome,
    ParallelStep,
    Result,
    Run,
    Unsupported,
)
from sadpath.engine.asking import members_of
from sadpath.engine.cookies import settle_cookies
from sadpath.engine.redact import Redactor
from sadpath.engine.tokens import TokenLedger
from sadpath.scenario.travel import AsCookie, AsHeader, Tokens, access_of, handed_out, refresh_of
from sadpath.verify.http_rules import directives_of, lifetime_of, places, refusal
from sadpath.verify.sight import json_of, retry_after_of
from sadpath.verify.told import told_by, unreadable

__all__ = ["SAID_TARGETS"]

NOW = 1_700_000_000.0
_MESSAGES: tuple[type[BaseModel], ...] = (
    Hello, AuthGrant, ParallelStep, OfflineStep, Run, Outcome, Result, Unsupported, DriverFault,
)  # fmt: skip
_TRAVELLING = (
    Tokens(),
    Tokens(access="data.token", refresh="data.refresh", scheme="none"),
    Tokens(access=AsCookie(cookie="a"), refresh=AsCookie(cookie="b")),
    Tokens(access=AsHeader(header="X-Access"), refresh=AsHeader(header="Authorization")),
)


def told(data: bytes) -> None:
    """Header lines of an answer: read without a failure, and by client and judge in one sense."""
    lines = [line.partition(":") for line in data.decode("latin-1").split("\n")]
    fields = [(name.strip(), value.strip(" \t\r")) for name, _, value in lines if name.strip()]
    wait = retry_after(Headers(fields), NOW)
    assert wait is None or 0 <= wait <= LONGEST
    for _, value in fields:
        seconds = parse_http_date(value, NOW)
        assert seconds is None or math.isfinite(seconds)
    event = ExchangeEvent("s", 1, 1, "GET", "/", status=503, response_headers=fields)
    asked = retry_after_of(event)
    assert asked is None or asked >= 0
    if (held := told_by(event)) is not None:
        assert wait is not None, "the judge holds a client to what the reference client cannot read"
        assert min(held.least, LONGEST) <= wait
    if unreadable(event) is not None and sum(name.lower() == "retry-after" for name, _ in fields) == 1:
        assert wait is None, "the judge takes for unreadable what the reference client reads"
    directives_of(event)
    lifetime = lifetime_of(event)
    assert lifetime is None or lifetime >= 0
    refusal(event, 10.0)
    places([event])


def messages(data: bytes) -> None:
    """A driver's message: refused by the model, or written back the same."""
    for kind in _MESSAGES:
        try:
            message = kind.model_validate_json(data)
        except ValidationError:
            continue
        written = message.model_dump_json(by_alias=True)
        assert kind.model_validate_json(written).model_dump_json(by_alias=True) == written


def bodies(data: bytes) -> None:
    """A body and a token in it: read as JSON or not, and nothing of a known token is left by redaction."""
    members_of(data)
    json_of(data)
    text = data.decode("latin-1")
    for tokens in _TRAVELLING:
        fields = [(b"authorization", data), (b"cookie", data), (b"set-cookie", data), (b"content-type", data)]
        access_of(tokens, fields)
        refresh_of(tokens, fields, data)
        handed_out(tokens, fields, members_of(data))
        settle_cookies(fields, "/s/a", secure=False)
    ledger = TokenLedger()
    ledger.issue("access-0123456789", "refresh-0123456789")
    shown = Redactor(ledger).text(text)
    assert "access-0123456789" not in shown
    assert "refresh-0123456789" not in shown
    for _, value in Redactor(ledger).headers([(b"authorization", data), (b"cookie", data), (b"x", data)]):
        assert "access-0123456789" not in value
        assert "refresh-0123456789" not in value


# Seeds

_DATE = b"Date: Tue, 14 Nov 2023 22:13:20 GMT\n"


def _told() -> list[bytes]:
    waits = [
        b"Retry-After: 120", b"Retry-After: Tue, 14 Nov 2023 22:15:20 GMT", b"Retry-After: Tue Nov 14 22:15:20 2023",
        b"Retry-After: Tuesday, 14-Nov-23 22:15:20 GMT", b"Retry-After: soon", b"Retry-After: 99999999999999999999",
        b"Cache-Control: max-age=60, must-revalidate\nAge: 10", b"Expires: Tue, 14 Nov 2023 22:15:20 GMT",
        b"Cache-Control: no-cache=\"x\", stale-while-revalidate=5, no-store",
        b"Retry-After: Tue, 14 Nov 2023 22:15:20 +0200", b"Expires: 0", b"Location: http://[::1]:80/s/s/x?y#z",
    ]  # fmt: skip
    return [_DATE + wait for wait in waits] + waits


def _messages() -> list[bytes]:
    run = {
        "id": "1", "case": "a/b", "base_url": "http://127.0.0.1:1", "deadline_ms": 1000.5,
        "auth": {"access_token": "a", "refresh_token": None, "expires_in": 0, "email": "e", "password": "p"},
        "cache": [{"op": "users.get", "args": {"id": 1}, "json": {"a": [None]}, "age_ms": 1, "etag": "x"}],
        "calls": [
            {"call": "c1", "op": "users.get", "args": {"id": 1}, "times": 2, "cancel_after_ms": 1},
            {"parallel": [{"call": "c2", "op": "a", "pages": True}]}, {"advance_ms": 1e9}, {"offline": True},
        ],
    }  # fmt: skip
    outcome = {
        "call": "c1", "i": 1, "outcome": "error", "source": "cache", "stale": True, "age_ms": 1.5,
        "error": {"kind": "timeout.read", "retry_after_ms": 1, "effect_unknown": True, "native": "E", "message": "m"},
        "value": {"status": 200, "json": {"a": 1}}, "attempts": 2, "started_ms": 0, "ended_ms": 2,
    }  # fmt: skip
    others = [
        {"client": {"name": "x", "version": "1"}, "capabilities": ["retry"], "operations": ["users.get"]},
        {"signed_in": True, "logouts": 1, "log": "x", "background_errors": [{}], "left_over": ["c1"]},
        {"why": "no"}, {"message": "no"}, {"offline": True},
    ]  # fmt: skip
    return [json.dumps(one).encode() for one in (run, outcome, *others)]


def _bodies() -> list[bytes]:
    return [
        b'{"access_token": "access-0123456789", "refresh_token": "refresh-0123456789"}', b"Bearer access-0123456789",
        b"bearer  refresh-0123456789", b"a=access-0123456789; b=refresh-0123456789", b"Basic YTpi", b"[[[1]]]",
        b"?token=access-0123456789&x=1", b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ]  # fmt: skip


SAID_TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "told": (told, _told),
    "messages": (messages, _messages),
    "bodies": (bodies, _bodies),
}
"""The targets about what is said: what runs one, and its seeds."""
