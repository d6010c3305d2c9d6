"""The certificate authority of a server, and the certificates that it shows: a good one, and bad ones on purpose.

Everything is made when it is first needed, with trustme, and lives as long as the process.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sadpath.faults.before_http import Certificate

if TYPE_CHECKING:
    import trustme

__all__ = ["Authority"]

_HOSTS = ("127.0.0.1", "::1", "localhost")
_OTHER_HOST = "another-host.invalid"
_LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC), dt.datetime(2002, 1, 1, tzinfo=dt.UTC)
_NOW_AND_ON = dt.datetime(2001, 1, 1, tzinfo=dt.UTC), dt.datetime(2999, 1, 1, tzinfo=dt.UTC)


class Authority:
    """A certificate authority that clients are told to trust; ``hosts`` are the names and addresses it vouches for.

    ``http2`` says whether what it makes a server show offers HTTP/2, too (RFC 7301).
    """

    def __init__(self, *hosts: str, http2: bool = False) -> None:
        self._hosts = tuple(dict.fromkeys((*_HOSTS, *hosts)))
        self._offers = ["h2", "http/1.1"] if http2 else ["http/1.1"]
        self._contexts: dict[Certificate, ssl.SSLContext] = {}

    @cached_property
    def _authority(self) -> trustme.CA:
        import trustme  # noqa: PLC0415 - it loads a cryptographic library, which only TLS needs

        return trustme.CA(organization_name="sadpath")

    @property
    def pem(self) -> str:
        """The authority's certificate, for clients to trust."""
        return self._authority.cert_pem.bytes().decode("ascii")

    def context(self, certificate: Certificate = "good") -> ssl.SSLContext:
        """Return what a server speaks TLS by when it shows this certificate."""
        if certificate not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols(self._offers)
            self._issue(certificate).configure_cert(context)
            self._contexts[certificate] = context
        return self._contexts[certificate]

    def _issue(self, certificate: Certificate) -> trustme.LeafCert:
        if certificate == "expired":
            begin, end = _LONG_AGO
            return self._authority.issue_cert(*self._hosts, not_before=begin, not_after=end)
        if certificate == "wrong_host":
            return self._authority.issue_cert(_OTHER_HOST)
        if certificate == "self_signed":
            return _self_signed(self._hosts)
        return self._authority.issue_cert(*self._hosts)


def _self_signed(hosts: tuple[str, ...]) -> trustme.LeafCert:
    """Return a certificate that is its own issuer; trustme itself makes none for hosts."""
    import trustme  # noqa: PLC0415 - as above
    from cryptography import x509  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0])])
    names = [_general_name(x509, host) for host in hosts]
    begin, end = _NOW_AND_ON
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return trustme.LeafCert(private, signed.public_bytes(serialization.Encoding.PEM), [])


def _general_name(x509: Any, host: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
