"""The forms in which ``scripts/seen_by`` meets each fault, and the requests that it sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

__all__ = ["BASELINE", "FORMS", "PATIENCE", "REQUESTS", "Form", "Request", "Variant"]

PATIENCE = 12.0
"""Seconds after which an answer that has not come is called pending: longer than the time-outs that are measured."""

BIG = 16 * 1024 * 1024
"""Bytes by which a body is longer than the buffers between two programs on one machine."""


@dataclass(frozen=True)
class Request:
    """A request of the reference API; ``{access}``, ``{refresh}``, ``{email}`` and ``{password}`` are filled in."""

    operation: str
    method: str
    path: str
    body: str | None = None
    signed: bool = True


REQUESTS = {
    "settings": Request("settings.get", "GET", "/settings"),
    "users": Request("users.list", "GET", "/users"),
    "order": Request("orders.create", "POST", "/orders", '{"items": [{"sku": "TEA-250", "quantity": 1}]}'),
    "login": Request("auth.login", "POST", "/auth/login", '{"email": "{email}", "password": "{password}"}', False),
    "refresh": Request("auth.refresh", "POST", "/auth/refresh", '{"refresh_token": "{refresh}"}', False),
    "health": Request("health", "GET", "/health", signed=False),
}


@dataclass(frozen=True)
class Variant:
    """A tool used in another way than its plainest.

    Attributes:
        label: stands behind what is seen so.
        tool: which is used so.
        options: curl's words; of httpx ``timeout`` (seconds) and ``follow_redirects``; ``signal`` (ms) of a fetch.
    """

    label: str
    tool: Literal["curl", "httpx", "chromium", "node"]
    options: Mapping[str, Any] | tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """One way to meet a fault.

    Attributes:
        fault: as a scenario writes it; None for no fault.
        label: stands behind what is seen in this form; empty for the form that comes first.
        request: which of ``REQUESTS``.
        door: where: in a session of the server's port, at a port of the session's own, there with TLS, there with
            HTTP/2, too, in a session of a server whose answers come in chunks, or nowhere.
        big: whether the request's body is longer than the buffers.
        slow: from how many seconds on an answer is called slow; 0: never.
        again: whether the same client asks a second time.
        runs: how often all is done; what differs from run to run is joined by "or".
        variants: other ways of using tools.
    """

    fault: Any
    label: str = ""
    request: str = "settings"
    door: Literal["session", "own", "tls", "name", "http2", "chunks"] = "session"
    big: bool = False
    slow: float = 0.0
    again: bool = False
    runs: int = 1
    variants: tuple[Variant, ...] = field(default=())


FAIL = (Variant("with --fail", "curl", ("--fail",)),)
IMPATIENT = (
    Variant("with --max-time", "curl", ("--max-time", "1")),
    Variant("with AbortSignal.timeout", "chromium", {"signal": 1000}),
    Variant("with AbortSignal.timeout", "node", {"signal": 1000}),
)
HASTY = (
    Variant("where --max-time is shorter", "curl", ("--max-time", "0.8")),
    Variant("where the read timeout is shorter than a pause", "httpx", {"timeout": 0.3}),
    Variant("where AbortSignal.timeout is shorter", "chromium", {"signal": 800}),
    Variant("where AbortSignal.timeout is shorter", "node", {"signal": 800}),
)
FOLLOW = (
    Variant("with --location", "curl", ("--location",)),
    Variant("with follow_redirects", "httpx", {"follow_redirects": True}),
)
GUNZIP = (Variant("with --compressed", "curl", ("--compressed",)),)
LONG = "where the body is longer than the buffers"


def _door(fault: Any, *, over_tls: bool = True, variants: tuple[Variant, ...] = ()) -> tuple[Form, ...]:
    plain = Form(fault, request="health", door="own", variants=variants)
    return (plain, replace(plain, label="over TLS", door="tls")) if over_tls else (plain,)


def _tls(fault: str) -> tuple[Form, ...]:
    insecure = (
        Variant("with --insecure", "curl", ("--insecure",)),
        Variant("with verify=False", "httpx", {"verify": False}),
    )
    return (Form(fault, request="health", door="tls", variants=insecure),)


def _ends(name: str) -> tuple[Form, ...]:
    head, body = {name: {"at": "head"}}, {name: {"at": "body"}}
    return (Form(name), Form(head, "after the head"), Form(body, "in the body"), _in_chunks(body))


def _in_chunks(fault: Any) -> Form:
    return Form(fault, "where the answer comes in chunks", door="chunks")


def _upload(name: str, variants: tuple[Variant, ...] = ()) -> tuple[Form, ...]:
    small = Form(name, request="order", runs=10, variants=variants)
    return (small, replace(small, label=LONG, big=True))


def _http2(*forms: tuple[Any, str], again: bool = False) -> tuple[Form, ...]:
    return tuple(Form(fault, label, request="health", door="http2", again=again) for fault, label in forms)


def _refused(fault: Any, request: str = "settings") -> tuple[Form, ...]:
    return (Form(fault, request=request, variants=FAIL),)


BASELINE = (
    *(Form(None, request=name) for name in REQUESTS),
    Form(None, request="health", door="own"),
    Form(None, request="health", door="tls"),
    Form(None, request="health", door="http2"),
    Form(None, door="chunks"),
)
"""Without a fault every tool gets what it asks for; where one does not, it is not set up, and nothing is measured."""

FORMS: dict[str, tuple[Form, ...]] = {
    "accept_close": _door("accept_close"),
    "accept_reset": _door("accept_reset"),
    "accept_stall": _door("accept_stall", variants=IMPATIENT),
    "blackhole": _door(
        "blackhole",
        over_tls=False,
        variants=(Variant("with --connect-timeout", "curl", ("--connect-timeout", "1")), *IMPATIENT[1:]),
    ),
    "dns_fail": (Form("dns_fail", request="health", door="name"),),
    "refuse": _door("refuse", over_tls=False),
    "tls_expired": _tls("tls_expired"),
    "tls_handshake_fail": _tls("tls_handshake_fail"),
    "tls_self_signed": _tls("tls_self_signed"),
    "tls_wrong_host": _tls("tls_wrong_host"),
    "early_response": _upload("early_response", FAIL),
    "request_close": _upload("request_close"),
    "request_reset": tuple(replace(form, runs=30) for form in _upload("request_reset")),
    "request_stall": tuple(replace(form, runs=1) for form in _upload("request_stall", IMPATIENT)),
    "close": _ends("close"),
    "delay": (Form({"delay": "2s"}, slow=1.5, variants=HASTY),),
    "goaway": _http2(
        ("goaway", ""),
        ({"goaway": {"last_stream": "before"}}, "where it was not handled"),
        ({"goaway": {"then": "close"}}, "without the answer"),
        again=True,
    ),
    "half_close": _ends("half_close"),
    "reset": _ends("reset"),
    "rst_stream": _http2(
        ("rst_stream", ""),
        ({"rst_stream": {"error": "REFUSED_STREAM", "at": "request"}}, "(REFUSED_STREAM)"),
        ({"rst_stream": {"at": "body"}}, "in the body"),
    ),
    "stall": (Form("stall", variants=IMPATIENT), Form({"stall": {"at": "body"}}, "in the body", variants=IMPATIENT)),
    "bad_status_line": (Form("bad_status_line"),),
    "broken_chunk": (Form("broken_chunk"),),
    "broken_gzip": (
        Form("broken_gzip", runs=10, variants=GUNZIP),
        Form({"broken_gzip": "cut"}, "(cut)", variants=GUNZIP),
    ),
    "dribble": (Form({"dribble": {"chunks": 4, "over": "2s"}}, slow=1.5, variants=HASTY),),
    "garbage": (Form("garbage"),),
    "oversized_header": (
        Form("oversized_header"),
        Form({"oversized_header": "200KiB"}, "at 200 KiB"),
        Form({"oversized_header": "1MiB"}, "at 1 MiB"),
    ),
    "redirect": (
        Form({"redirect": "/health"}, variants=FOLLOW),
        Form({"redirect": "/settings"}, "in a circle", variants=FOLLOW),
    ),
    "slice": (Form({"slice": 16}),),
    "status": _refused({"status": 503}),
    "throttle": (Form({"throttle": 1500}, request="users", slow=1.5, variants=(HASTY[0], *HASTY[2:])),),
    "truncate": (
        Form("truncate"),
        _in_chunks("truncate"),
        Form({"truncate": {"ending": "reset"}}, "(RST)"),
        Form({"truncate": {"ending": "stall"}}, "(stall)", variants=IMPATIENT),
    ),
    "wrong_length": (
        Form({"wrong_length": 5}),
        Form({"wrong_length": -5}, "(fewer)", again=True, runs=10),
    ),
    "bad_utf8": (Form("bad_utf8"),),
    "deep_json": (Form("deep_json"),),
    "empty": (Form("empty"),),
    "error_in_200": (Form("error_in_200"),),
    "html": (Form("html"),),
    "malformed_json": (Form("malformed_json"),),
    "wrong_content_type": (Form("wrong_content_type"),),
    "wrong_shape": (Form("wrong_shape"),),
    "close_after": (Form("close_after", request="health", again=True),),
    "duplicate_delivery": (Form("duplicate_delivery", request="order"),),
    "idle_close": (Form({"idle_close": "50ms"}, request="health", again=True),),
    "expire_token": _refused("expire_token"),
    "invalid_grant": _refused("invalid_grant", "refresh"),
    "omit_refresh_token": (Form("omit_refresh_token", request="refresh"),),
    "reject_login": _refused("reject_login", "login"),
    "revoke_tokens": _refused("revoke_tokens"),
    "unauthorized": _refused("unauthorized"),
    "bursts": (Form({"bursts": {"bad": 1, "good": 0}}),),
    "outage": _refused("outage"),
    "rate_limit": _refused({"rate_limit": {"limit": 0, "window": "60s"}}),
    "etag_mismatch": (Form("etag_mismatch", again=True),),
    "no_store": (Form("no_store", again=True),),
    "not_modified_without_entry": (Form("not_modified_without_entry"),),
    "stale_while_error": (Form("stale_while_error", again=True, variants=FAIL),),
}
"""Every fault of the catalogue, its default form first, or one that acts where the default needs settings."""
