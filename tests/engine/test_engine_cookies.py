"""Cookies that a backend sets hold where its client is."""

from __future__ import annotations

import http.cookiejar
import urllib.request
from email.message import Message
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.engine.cookies import settle_cookies


def settled(cookie: str, prefix: str = "/s/k1", *, secure: bool = False) -> str:
    """Return what becomes of a cookie."""
    ((name, value),) = settle_cookies([(b"set-cookie", cookie.encode("latin-1"))], prefix, secure=secure)
    assert name == b"set-cookie"
    return value.decode("latin-1")


@pytest.mark.parametrize(
    ("cookie", "becomes"),
    [
        ("a=1", "a=1"),
        ("a=1; Path=/", "a=1; Path=/s/k1"),
        ("a=1; path=/v2/auth; HttpOnly", "a=1; Path=/s/k1/v2/auth; HttpOnly"),
        ("a=1; Domain=api.example.com; Secure; SameSite=Lax", "a=1; SameSite=Lax"),
        ("a=1; Path=relative", "a=1; Path=relative"),
        ("__Host-a=1; Path=/; Secure", "__Host-a=1; Path=/; Secure"),
    ],
)
def test_attributes_that_cannot_hold_are_changed(cookie: str, becomes: str) -> None:
    """The session's path goes before the cookie's; Domain and, over plain HTTP, Secure are taken off."""
    assert settled(cookie) == becomes


def test_over_tls_and_without_a_prefix_little_is_changed() -> None:
    """A cookie may be Secure where TLS is spoken, and a port of one's own has no prefix."""
    assert settled("a=1; Path=/x; Secure; Domain=d", "", secure=True) == "a=1; Path=/x; Secure"
    headers = [(b"etag", b"Path=/; Secure"), (b"set-cookie", b"b=2; Secure")]
    assert settle_cookies(headers, "/s/a", secure=False)[0] == headers[0]


@given(st.sampled_from(["/", "/v2", "/v2/auth"]), st.sampled_from(["/v2", "/v2/auth/x", "/v3"]))
def test_a_jar_sends_back_what_it_would_without_the_session(path: str, asked: str) -> None:
    """A client's jar returns the cookie to the same routes of its session as it would to those of the real API."""
    base = "http://127.0.0.1:8080"

    def returned(prefix: str, cookie: str) -> bool:
        jar = http.cookiejar.CookieJar()
        first = urllib.request.Request(f"{base}{prefix}/v2/auth/login")  # noqa: S310 - nothing is opened
        answer = Message()
        answer["Set-Cookie"] = cookie
        jar.extract_cookies(cast("Any", _Answer(answer)), first)
        again = urllib.request.Request(f"{base}{prefix}{asked}")  # noqa: S310 - as above
        jar.add_cookie_header(again)
        return again.has_header("Cookie")

    plain = f"a=1; Path={path}"
    assert returned("/s/k1", settled(f"{plain}; Secure; Domain=api.example.com")) == returned("", plain)


class _Answer:
    def __init__(self, message: Message) -> None:
        self._message = message

    def info(self) -> Message:
        """Return the headers, as a jar asks for them."""
        return self._message
