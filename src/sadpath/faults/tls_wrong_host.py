"""The fault ``tls_wrong_host``: the certificate is for another host."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.before_http import BeforeHttp, Certificate
from sadpath.scenario.vocabulary import FAULTS

__all__ = ["TlsWrongHost"]


class TlsWrongHost(BeforeHttp):
    """Shows a certificate of the trusted authority that names another host (RFC 9110 §4.3.4).

    A client that looks goes away in the middle of the handshake; one that does not is served as ever.
    """

    name: ClassVar[str] = "tls_wrong_host"
    summary: ClassVar[str] = "The certificate that the server shows is for another host."
    secure: ClassVar[bool] = True
    certificate: ClassVar[Certificate | None] = "wrong_host"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 60; exit 0 with --insecure",
        "httpx": "ConnectError; 200 with verify=False",
        "browser": "net::ERR_CERT_COMMON_NAME_INVALID",
    }


FAULTS.register(TlsWrongHost)
