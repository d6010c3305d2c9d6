"""Access and refresh tokens of one session: signed JWTs, rotation, reuse detection.

A login begins a *family*; each refresh hands out its next *generation*. Only families are kept, not tokens: a token
says which family and generation it is of, and its signature says that this is true. The key is made from the session,
so a token is valid nowhere else; nothing is left to chance, so the same calls at the same times give the same tokens.

Sources: RFC 7519 (JWT), RFC 6749 §6 and RFC 9700 §4.14.2 (rotation; reuse ends the family).
"""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from jwt.types import Options

__all__ = ["ACCESS_SECONDS", "REFRESH_SECONDS", "Kind", "Pair", "Rejected", "Tokens", "Verified"]

ACCESS_SECONDS = 3_600
REFRESH_SECONDS = 30 * 86_400
# Sign-ins kept for each session; when a new one exceeds them the oldest ends, as with any server that limits devices.
MAX_FAMILIES = 10_000

Kind = Literal["access", "refresh"]


class Rejected(Exception):
    """A token that is not accepted; the text says why, in the words of ``error_description``."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a signed token says."""

    kind: Kind
    user_id: int
    family: int
    begun_at: int
    """When the family's login was, in Unix seconds."""
    generation: int
    number: int
    """Tokens of a session are numbered in the order in which they are handed out."""
    expires_at: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What a login or a refresh hands out; ``refresh`` is empty if the old one stays valid."""

    access: str
    refresh: str


@dataclass(slots=True)
class _Family:
    user_id: int
    begun_at: int
    generation: int = 1


class Tokens:
    """Hands out and checks the tokens of one session."""

    def __init__(self, session: str, seed: int) -> None:
        self._session = session
        self._key = hashlib.sha256(f"shop:{seed}:{session}".encode()).digest()
        self._families: dict[int, _Family] = {}  # the live ones; an ended family is simply gone
        self._begun = 0
        self._number = 0
        self._expired: dict[Kind, int] = {"access": 0, "refresh": 0}
        self._revoked: dict[Kind, int] = {"access": 0, "refresh": 0}

    @property
    def key(self) -> bytes:
        """The session's key."""
        return self._key

    def begin(self, user_id: int, now: float) -> Pair:
        """Begin a family: the tokens of a login at ``now`` (Unix seconds)."""
        self._begun += 1
        if len(self._families) >= MAX_FAMILIES:
            del self._families[next(iter(self._families))]
        self._families[self._begun] = _Family(user_id, int(now))
        return Pair(self._sign("access", self._begun, now), self._sign("refresh", self._begun, now))

    def refresh(self, token: str, now: float, *, rotate: bool) -> Pair:
        """Trade a refresh token in; a used one ends its family, access tokens included. Raises ``Rejected``."""
        found = self._verify(token, "refresh")
        family = self._live(found)
        if found.generation != family.generation:
            self.end(found.family)
            raise Rejected("The refresh token was used before; the session has ended")
        self._check_time(found, now)
        if not rotate:
            return Pair(self._sign("access", found.family, now), "")
        family.generation += 1
        return Pair(self._sign("access", found.family, now), self._sign("refresh", found.family, now))

    def authenticate(self, token: str, now: float) -> Verified:
        """What an access token says, if it is valid at ``now`` (Unix seconds). Raises ``Rejected``."""
        found = self._verify(token, "access")
        self._live(found)
        self._check_time(found, now)
        return found

    def end(self, family: int) -> None:
        """End a family: none of its tokens is valid any more."""
        self._families.pop(family, None)

    def keep_only(self, user_ids: Container[int]) -> None:
        """End the families of all other users."""
        self._families = {number: held for number, held in self._families.items() if held.user_id in user_ids}

    def expire(self, kind: Kind) -> None:
        """Let all tokens of this kind that were handed out so far count as expired."""
        self._expired[kind] = self._number

    def revoke(self, kind: Kind) -> None:
        """Let all tokens of this kind that were handed out so far count as revoked."""
        self._revoked[kind] = self._number

    def _sign(self, kind: Kind, family: int, now: float) -> str:
        import jwt  # noqa: PLC0415 - takes 80 ms to import where `cryptography` is installed

        self._number += 1
        state = self._families[family]
        claims = {
            "iss": "shop",
            "aud": self._session,
            "sub": str(state.user_id),
            "jti": str(self._number),
            "iat": int(now),
            "exp": int(now) + (ACCESS_SECONDS if kind == "access" else REFRESH_SECONDS),
            "use": kind,
            "family": family,
            "auth_time": state.begun_at,
            "generation": state.generation,
        }
        return jwt.encode(claims, self._key, "HS256")

    def _verify(self, token: str, kind: Kind) -> Verified:
        found = _read(token, self._key)
        if found is None:
            raise Rejected("The token is malformed, or not one of this session's")
        if found.kind != kind:
            raise Rejected(f"This is not the {kind} token")
        if found.number <= self._revoked[kind]:
            raise Rejected(f"The {kind} token was revoked")
        return found

    def _live(self, found: Verified) -> _Family:
        family = self._families.get(found.family)
        # After a reset the numbers of families start anew; the time tells a token of before from one of now.
        if family is None or family.begun_at != found.begun_at or family.user_id != found.user_id:
            raise Rejected(f"The {found.kind} token was revoked")
        return family

    def _check_time(self, found: Verified, now: float) -> None:
        # RFC 7519 §4.1.4: not accepted on or after the time.
        if now >= found.expires_at or found.number <= self._expired[found.kind]:
            raise Rejected(f"The {found.kind} token has expired")


@lru_cache(maxsize=512)
def _read(token: str, key: bytes) -> Verified | None:
    # A client sends the same token many times; the signature depends on nothing but the arguments.
    import jwt  # noqa: PLC0415 - as above

    # The session's clock decides, not PyJWT's; and the key is the session's, so an audience needs no check.
    unchecked: Options = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    try:
        claims = jwt.decode(token, key, algorithms=["HS256"], options=unchecked)
        return Verified(
            kind=claims["use"],
            user_id=int(claims["sub"]),
            family=claims["family"],
            begun_at=claims["auth_time"],
            generation=claims["generation"],
            number=int(claims["jti"]),
            expires_at=claims["exp"],
        )
    except (jwt.InvalidTokenError, KeyError, ValueError):
        return None
