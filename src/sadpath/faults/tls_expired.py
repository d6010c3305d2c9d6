"""The fault ``tls_expired``: the certificate has expired."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.before_http import BeforeHttp, Certificate
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["TlsExpired"]


class TlsExpired(BeforeHttp):
    """Shows a certificate of the trusted authority, for the right host, whose time was over long ago.

    A client that looks goes away in the middle of the handshake; one that does not is served as ever.
    """

    name: ClassVar[str] = "tls_expired"
    summary: ClassVar[str] = "The certificate that the server shows has expired."
    secure: ClassVar[bool] = True
    certificate: ClassVar[Certificate | None] = "expired"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 60; exit 0 with --insecure",
        "httpx": "ConnectError; 200 with verify=False",
        "browser": "net::ERR_CERT_DATE_INVALID",
    }


FAULTS.register(TlsExpired)
