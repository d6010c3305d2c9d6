"""How tokens travel: where an API hands them out, and where requests carry them.

A token is handed out as a member of a JSON body, as a cookie, or in a header. A cookie comes back as that cookie
(RFC 6265 §5.4); any other access token goes into the header ``tokens.header``, behind its scheme, and any other refresh
token back where it came from, unless ``refresh_in`` says otherwise.

The functions read what stands in a request or an answer, for the engine (bytes) and for the judge (the journal's text,
in which secrets are digests) alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlencode

from pydantic import Field, JsonValue

from sadpath.scenario.filemodel import FileModel, TextOf
from sadpath.scenario.members import Member, filled, last_part, member, without_member

__all__ = [
    "NO_SCHEME",
    "AsCookie",
    "AsHeader",
    "Carrier",
    "HandedOut",
    "HeaderName",
    "Login",
    "Tokens",
    "access_headers",
    "access_of",
    "carries_access",
    "handed_out",
    "login_request",
    "refresh_of",
    "refresh_request",
    "without_refresh",
    "without_scheme",
]

HeaderName = Annotated[str, TextOf(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "the name of a header")]
CookieName = Annotated[str, TextOf(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "the name of a cookie")]

NO_SCHEME = "none"
"""The scheme of a header that holds the token and nothing else."""

_LONGEST_FORM = 64 * 1024

Field_ = tuple[bytes, bytes] | tuple[str, str]
Headers = Iterable[Field_]


class AsCookie(FileModel):
    """The token is a cookie of this name, and comes back as one."""

    cookie: CookieName


class AsHeader(FileModel):
    """The token stands in a header of this name."""

    header: HeaderName


Carrier = Member | AsCookie | AsHeader
"""What carries a token: a member of a body (its name, or a path such as ``data.token``), a cookie, or a header."""


class Tokens(FileModel):
    """How tokens travel.

    ``access`` and ``refresh`` say where the answers of login and refresh hold them, ``expires_in`` which member says
    for how many seconds the access token is good (for a cookie without it: its Max-Age). ``header`` and ``scheme`` say
    where requests carry an access token that is no cookie; the scheme ``none`` is for a header that holds the token
    alone. ``refresh_in`` says where a request for new tokens carries the refresh token, if not as it came: a body's
    member of the same name, or the cookie. ``sent_as`` is the form of the bodies of login and refresh, and
    ``refresh_body`` what else the latter's holds, with ``{token}`` for the token.
    """

    scheme: Annotated[str, Field(min_length=1)] = "bearer"
    header: HeaderName = "Authorization"
    access: Carrier = "access_token"
    refresh: Carrier = "refresh_token"
    expires_in: Member = "expires_in"
    refresh_in: Carrier | None = None
    sent_as: Literal["json", "form"] = "json"
    refresh_body: dict[str, JsonValue] | None = None

    @property
    def access_cookie(self) -> str | None:
        """The cookie that carries the access token, None where a header does."""
        return self.access.cookie if isinstance(self.access, AsCookie) else None

    @property
    def request_header(self) -> str:
        """The header in which requests carry the access token, in lower case."""
        return "cookie" if self.access_cookie is not None else self.header.lower()

    @property
    def presented(self) -> Carrier:
        """Where a request for new tokens carries the refresh token."""
        if self.refresh_in is not None:
            return self.refresh_in
        return last_part(self.refresh) if isinstance(self.refresh, str) else self.refresh

    @property
    def in_cookies(self) -> bool:
        """Tell whether any token is a cookie."""
        return any(isinstance(way, AsCookie) for way in (self.access, self.refresh, self.presented))


class Login(FileModel):
    """Credentials that the API's data always hold.

    ``body`` is what a login sends, with ``{email}`` and ``{password}`` for the two; default: members of these names.
    """

    email: Member
    password: Member
    body: dict[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What an answer holds in the places of tokens: text where all is well, None where nothing stands there."""

    access: Any = None
    refresh: Any = None
    expires_in: Any = None


# Answers


def handed_out(tokens: Tokens, headers: Headers, members: Any) -> HandedOut:
    """Return what an answer hands out; ``members`` is its body as JSON, or anything where it is none."""
    fields = list(headers)
    access, refresh = (_in_answer(way, tokens, fields, members) for way in (tokens.access, tokens.refresh))
    expires_in = member(members, tokens.expires_in)
    if expires_in is None and tokens.access_cookie is not None:
        expires_in = next((age for name, _, age in _set_cookies(fields) if name == tokens.access_cookie), None)
    return HandedOut(access, refresh, expires_in)


def _in_answer(way: Carrier, tokens: Tokens, headers: list[Field_], members: Any) -> Any:
    if isinstance(way, AsCookie):
        return next((value or None for name, value, age in _set_cookies(headers) if name == way.cookie), None)
    if isinstance(way, AsHeader):
        return next((without_scheme(value, tokens) for value in _values(headers, way.header)), None)
    return member(members, way)


def without_refresh(tokens: Tokens, headers: list[tuple[bytes, bytes]], members: Any) -> Any:
    """Take the refresh token out of an answer: out of ``headers`` in place; return the body's members without it."""
    way = tokens.refresh
    if isinstance(way, str):
        return without_member(members, way) if isinstance(members, dict) else members
    kept = [field for field in headers if not _holds(way, field)]
    headers[:] = kept
    return members


def _holds(way: AsCookie | AsHeader, field: tuple[bytes, bytes]) -> bool:
    if isinstance(way, AsHeader):
        return field[0].lower() == way.header.lower().encode()
    return any(name == way.cookie for name, _, _ in _set_cookies([field]))


def _set_cookies(headers: Headers) -> Iterator[tuple[str, str, float | None]]:
    """Yield the cookies that an answer sets: name, value, and for how many seconds, if it says so (RFC 6265 §4.1).

    One that is taken back, because its value is empty or its time is over, has no value.
    """
    for line in _values(headers, "set-cookie"):
        pair, *attributes = line.split(";")
        name, _, value = pair.partition("=")
        ages = [item.partition("=")[2].strip() for item in attributes if item.strip().lower().startswith("max-age=")]
        age = float(ages[-1]) if ages and ages[-1].lstrip("-").isdecimal() and len(ages[-1]) < 16 else None
        yield name.strip(), "" if age is not None and age <= 0 else value.strip().strip('"'), age


# Requests


def access_of(tokens: Tokens, headers: Headers) -> str | None:
    """Return the access token that a request carries, or whatever stands in its place."""
    if tokens.access_cookie is not None:
        return _cookie(headers, tokens.access_cookie)
    return next((without_scheme(value, tokens) for value in _values(headers, tokens.header)), None)


def carries_access(tokens: Tokens, headers: Headers) -> bool:
    """Tell whether a request carries anything where an access token belongs."""
    return access_of(tokens, headers) is not None


def refresh_of(tokens: Tokens, headers: Headers, body: bytes) -> str | None:
    """Return the refresh token that a request for new tokens carries."""
    way, fields = tokens.presented, list(headers)
    if isinstance(way, AsCookie):
        return _cookie(fields, way.cookie)
    if isinstance(way, AsHeader):
        return next((without_scheme(value, tokens) for value in _values(fields, way.header)), None)
    found: Any = member(_json(body), way)
    if found is None and len(body) <= _LONGEST_FORM:
        found = parse_qs(body.decode("latin-1")).get(way, [None])[0]  # whatever it says it is: curl says so of JSON
    return found if isinstance(found, str) else None


def access_headers(tokens: Tokens, token: str) -> list[tuple[bytes, bytes]]:
    """Return the headers by which a request carries an access token."""
    if tokens.access_cookie is not None:
        return [(b"cookie", f"{tokens.access_cookie}={token}".encode())]
    return [(tokens.header.lower().encode(), _with_scheme(token, tokens))]


def refresh_request(tokens: Tokens, token: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body of a request for new tokens."""
    way = tokens.presented
    blanks = {"token": token}
    members: Any = None if tokens.refresh_body is None else filled(tokens.refresh_body, blanks)
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(way, AsCookie):
        headers.append((b"cookie", f"{way.cookie}={token}".encode()))
    elif isinstance(way, AsHeader):
        headers.append((way.header.lower().encode(), _with_scheme(token, tokens)))
    elif members is None:
        members = _at(way, token)
    more, body = _body(tokens, members)
    return [*headers, *more], body


def login_request(tokens: Tokens, login: Login) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body of a request that signs in."""
    template: Any = login.body or {"email": "{email}", "password": "{password}"}
    return _body(tokens, filled(template, {"email": login.email, "password": login.password}))


def _body(tokens: Tokens, members: Any) -> tuple[list[tuple[bytes, bytes]], bytes]:
    if members is None:
        return [], b""
    if tokens.sent_as == "form":
        kind, body = b"application/x-www-form-urlencoded", urlencode(members).encode()
    else:
        kind, body = b"application/json", json.dumps(members).encode()
    return [(b"content-type", kind), (b"content-length", str(len(body)).encode())], body


def _at(path: str, value: str) -> dict[str, Any]:
    head, dot, rest = path.partition(".")
    return {head: _at(rest, value)} if dot else {head: value}


# Headers


def _values(headers: Headers, name: str) -> Iterator[str]:
    """Yield the values of a header, as text."""
    wanted = name.lower()
    for key, value in headers:
        if _text(key).lower() == wanted:
            yield _text(value)


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _cookie(headers: Headers, name: str) -> str | None:
    """Return the value of a cookie that a request carries: the first of that name (RFC 6265 §5.4 sorts them so)."""
    for line in _values(headers, "cookie"):
        for pair in line.split(";"):
            key, sign, value = pair.partition("=")
            if sign and key.strip() == name:
                return value.strip().strip('"')
    return None


def without_scheme(value: str, tokens: Tokens) -> str:
    """Return the token in a header's value; all of it, where it begins with another scheme or none."""
    scheme, _, token = value.partition(" ")
    named = tokens.scheme != NO_SCHEME and scheme.lower() == tokens.scheme.lower()
    return token.strip() if named and token else value


def _with_scheme(token: str, tokens: Tokens) -> bytes:
    scheme = "Bearer" if tokens.scheme.lower() == "bearer" else tokens.scheme
    return (token if tokens.scheme == NO_SCHEME else f"{scheme} {token}").encode()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
