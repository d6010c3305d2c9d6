"""What the journal shows of a request in the place of credentials: a short stable digest.

Three nets, one behind the other: headers whose name says that they carry a secret, parameters whose name does
(``?access_token=…``, RFC 6750 §2.3), and, wherever they stand, the tokens that the session's backend has issued.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sadpath.core.events import credential_digest
from sadpath.engine.tokens import TokenLedger

__all__ = ["Redactor"]

_SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
_NO_SECRET = frozenset(
    (
        b"access-control-allow-headers", b"access-control-expose-headers", b"connection", b"content-length",
        b"content-type", b"date", b"host", b"transfer-encoding",
    )
)  # fmt: skip
_PARAMETER = re.compile(
    r"(?<![A-Za-z0-9_-])(access_token|refresh_token|id_token|token|api_?key|client_secret|password)=([^&#;\s\"]+)",
    re.IGNORECASE,
)
_CANDIDATES = (re.compile(r"[A-Za-z0-9._~+-]{4,}"), re.compile(r"[A-Za-z0-9._~+/-]{4,}={0,2}"))
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,23}")
"""What an authentication scheme is called; what is longer may be a secret itself."""
_RECENT = 64
_COOKIE_PAIR = re.compile(r"[^;\s][^;]*")


class Redactor:
    """Hides credentials in what one session's journal shows.

    Args:
        ledger: the tokens that the backend has issued.
        token_header: the header in which this API's access tokens travel, lower case.
    """

    def __init__(self, ledger: TokenLedger, token_header: bytes = b"authorization") -> None:
        self._ledger = ledger
        self.token_header = token_header

    def headers(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
        """Return headers as the journal shows them."""
        return [(name.decode("latin-1"), self._header(name, value.decode("latin-1"))) for name, value in headers]

    def text(self, text: str) -> str:
        """Return a path, a query or a header's value without the credentials in it."""
        if "=" in text:
            text = _PARAMETER.sub(lambda found: f"{found[1]}={credential_digest(found[2])}", text)
        if not self._ledger.count:
            return text
        for token in self._ledger.secrets(_RECENT):
            if token in text:
                text = text.replace(token, credential_digest(token))
        if self._ledger.count > _RECENT // 2:  # looking for each of them would take ever longer
            for candidates in _CANDIDATES:
                text = candidates.sub(self._unless_issued, text)
        return text

    def _header(self, name: bytes, value: str) -> str:
        lower = name.lower()
        if lower in _NO_SECRET:
            return value
        if lower == b"set-cookie":
            return self.text(_COOKIE_PAIR.sub(_digest_pair, value, count=1))
        if lower == b"cookie":
            return self.text(_COOKIE_PAIR.sub(_digest_pair, value))
        if lower == self.token_header or _SECRET_HEADER.search(lower.decode("latin-1")):
            scheme, _, secret = value.partition(" ")
            named = secret and _SCHEME.fullmatch(scheme) is not None
            return f"{self.text(scheme)} {credential_digest(secret.strip())}" if named else credential_digest(value)
        return self.text(value)

    def _unless_issued(self, found: re.Match[str]) -> str:
        return credential_digest(found[0]) if self._ledger.knows(found[0]) else found[0]


def _digest_pair(found: re.Match[str]) -> str:
    name, sign, secret = found[0].partition("=")
    if sign and not secret.strip().strip('"'):
        return found[0]  # a cookie that is taken back
    return f"{name}={credential_digest(secret)}" if sign else credential_digest(name)
