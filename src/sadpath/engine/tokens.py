"""Token generations: the journal says which one a request presented, never the token itself."""

from __future__ import annotations

from sadpath.core.events import credential_digest

__all__ = ["TokenLedger"]


class TokenLedger:
    """The token pairs that a session's backend has issued, numbered from 1 in order of issue."""

    def __init__(self) -> None:
        self._access: dict[str, int] = {}
        self._refresh: dict[str, int] = {}
        self._secrets: list[str] = []
        self.count = 0

    def issue(self, access: str | None, refresh: str | None) -> int:
        """Number a new pair; a refresh token that stays valid keeps its first number."""
        self.count += 1
        if access:
            self._access.setdefault(credential_digest(access), self.count)
            self._secrets.append(access)
        if refresh:
            self._refresh.setdefault(credential_digest(refresh), self.count)
            self._secrets.append(refresh)
        return self.count

    def access(self, token: str) -> int | None:
        """Return the generation of an access token, None for one never issued here."""
        return self._access.get(credential_digest(token))

    def refresh(self, token: str) -> int | None:
        """Return the generation of a refresh token, None for one never issued here."""
        return self._refresh.get(credential_digest(token))

    def secrets(self) -> list[str]:
        """Return every token issued, for the clause that looks for them in logs."""
        return list(self._secrets)
