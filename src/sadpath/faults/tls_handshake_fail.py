"""The fault ``tls_handshake_fail``: the server refuses to speak TLS with this client."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.before_http import BeforeHttp, Opening
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["TlsHandshakeFail"]

_ALERT = bytes((21, 3, 3, 0, 2, 2, 40))
"""A record of type alert, in the version that TLS 1.2 and 1.3 write: fatal, handshake_failure (RFC 8446 §6.2)."""


class TlsHandshakeFail(BeforeHttp):
    """Answers the client's hello with the fatal alert ``handshake_failure`` and FIN, as if no cipher were shared."""

    name: ClassVar[str] = "tls_handshake_fail"
    summary: ClassVar[str] = "The TLS handshake fails: the hello is answered with the alert handshake_failure."
    secure: ClassVar[bool] = True
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 35",
        "httpx": "ConnectError",
        "browser": "net::ERR_SSL_VERSION_OR_CIPHER_MISMATCH",
    }

    async def on_accept(self, opening: Opening) -> None:
        """Hear the client out, then refuse."""
        await opening.hear()
        await opening.end(self, "close", _ALERT)


FAULTS.register(TlsHandshakeFail)
