"""Token generations: the journal says which one a request presented, never the token itself."""

from __future__ import annotations

from typing import Literal

from sadpath.core.events import credential_digest

__all__ = ["TokenKind", "TokenLedger"]

TokenKind = Literal["access", "refresh"]


class TokenLedger:
    """The token pairs that a session's backend has issued, numbered from 1 in order of issue."""

    def __init__(self) -> None:
        self._generations: dict[TokenKind, dict[str, int]] = {"access": {}, "refresh": {}}
        self._expired: dict[TokenKind, int] = {"access": 0, "refresh": 0}
        self._secrets: list[str] = []
        self.count = 0

    def issue(self, access: str | None, refresh: str | None) -> int:
        """Number a new pair; a refresh token that stays valid keeps its first number."""
        self.count += 1
        pair: tuple[tuple[TokenKind, str | None], ...] = (("access", access), ("refresh", refresh))
        for kind, token in pair:
            if token:
                self._generations[kind].setdefault(credential_digest(token), self.count)
                self._secrets.append(token)
        return self.count

    def access(self, token: str) -> int | None:
        """Return the generation of an access token, None for one never issued here."""
        return self._generations["access"].get(credential_digest(token))

    def refresh(self, token: str) -> int | None:
        """Return the generation of a refresh token, None for one never issued here."""
        return self._generations["refresh"].get(credential_digest(token))

    def knows(self, token: str) -> bool:
        """Tell whether a text is a token issued here."""
        digest = credential_digest(token)
        return any(digest in known for known in self._generations.values())

    def behind(self, shown: str | None) -> str | None:
        """Return the token that a journal's digest stands for; a text that is none of the session's stays as it is."""
        return next((token for token in reversed(self._secrets) if credential_digest(token) == shown), shown)

    def expire(self, kind: TokenKind) -> None:
        """Take note that every token of a kind issued so far has been made to expire, or was revoked."""
        self._expired[kind] = self.count

    def usable(self, kind: TokenKind, token: str) -> bool:
        """Tell whether a token may still be valid, as far as the engine knows.

        One that was issued here is, until a fault lets it expire. One that was not is so only where nothing is known at
        all, because the backend's tokens are not described by roles.
        """
        generation = self._generations[kind].get(credential_digest(token))
        if generation is None:
            return self.count == 0
        return generation > self._expired[kind]

    def secrets(self, last: int | None = None) -> list[str]:
        """Return the tokens issued, all or the last ones: for whoever looks for them in texts."""
        return list(self._secrets) if last is None else self._secrets[-last:]
