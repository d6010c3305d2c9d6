"""The fault ``tls_self_signed``: nobody vouches for the certificate."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.before_http import BeforeHttp, Certificate
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["TlsSelfSigned"]


class TlsSelfSigned(BeforeHttp):
    """Shows a certificate for the right host that no authority has signed but its own key.

    A client that looks goes away in the middle of the handshake; one that does not is served as ever.
    """

    name: ClassVar[str] = "tls_self_signed"
    summary: ClassVar[str] = "The certificate that the server shows is signed by itself."
    secure: ClassVar[bool] = True
    certificate: ClassVar[Certificate | None] = "self_signed"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 60; exit 0 with --insecure",
        "httpx": "ConnectError; 200 with verify=False",
        "browser": "net::ERR_CERT_AUTHORITY_INVALID",
    }


FAULTS.register(TlsSelfSigned)
