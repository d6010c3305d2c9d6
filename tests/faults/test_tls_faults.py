"""The TLS faults on the wire: which certificate is shown, what a client makes of it, and a handshake that is refused."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from tests.engine.bench import BODY
from tests.faults.doorside import Doorside, run

CERTIFICATES = {
    "tls_expired": (10, "certificate has expired"),
    "tls_wrong_host": (64, "IP address mismatch"),
    "tls_self_signed": (18, "self-signed certificate"),
}
"""What OpenSSL finds wrong with each, by number (``X509_V_ERR_…``) and words."""


@pytest.mark.parametrize("fault", sorted(CERTIFICATES))
def test_a_client_that_looks_finds_that_and_nothing_else_wrong(fault: str) -> None:
    """The handshake fails for the reason that the fault is named after, and the journal says so."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": fault}], tls=True) as side:
            with pytest.raises(ssl.SSLCertVerificationError) as refused:
                await side.shake_hands(side.trusting)
            assert (refused.value.verify_code, CERTIFICATES[fault][1] in refused.value.verify_message) == (
                CERTIFICATES[fault][0],
                True,
            )
            await side.quiet()
            assert side.happened()[:2] == [("opened", "client", None), ("handshake", "server", fault)]
            assert [(what, by) for what, by, _ in side.happened()[2:]] in ([("fin", "client")], [("rst", "client")])

    run(scene)


@pytest.mark.parametrize("fault", sorted(CERTIFICATES))
def test_a_client_that_does_not_look_is_served(fault: str) -> None:
    """Whoever trusts everybody gets an answer, over a handshake that it has completed."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": fault}], tls=True) as side:
            assert await side.curl("--insecure") == 0
            await side.quiet()
            assert side.happened()[:3] == [
                ("opened", "client", None),
                ("handshake", "server", fault),
                ("handshake", "client", None),
            ]

    run(scene)


def test_a_refused_handshake_is_an_alert_and_a_fin() -> None:
    """Whatever the client's hello, the answer is the fatal alert ``handshake_failure``, then FIN."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "tls_handshake_fail"}], tls=True) as side:
            connection = await side.connect()
            await connection.send(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00")
            received = await connection.receive()
            assert (received.data, received.ending) == (bytes.fromhex("15030300020228"), "fin")
            connection.close()
            with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
                await side.shake_hands(side.trusting)
            await side.quiet()
            for number in (1, 2):
                assert side.happened(number) == [
                    ("opened", "client", None),
                    ("fin", "server", "tls_handshake_fail"),
                    ("fin", "client", None),
                ]

    run(scene)


def test_a_handshake_that_is_never_begun_is_no_fault_of_ours() -> None:
    """A client that connects and leaves without a hello is noted as one that left."""

    async def scene() -> None:
        async with Doorside(tls=True) as side:
            connection = await side.connect()
            connection.close()
            await side.quiet()
            assert [(what, by) for what, by, _ in side.happened()] == [("opened", "client"), ("fin", "client")]

    run(scene)


def test_without_a_fault_all_is_well() -> None:
    """A client that trusts the authority is served, over kept connections too; others are not."""

    async def scene() -> None:
        async with Doorside(tls=True) as side:
            async with side.httpx() as client:
                for _ in range(2):
                    assert (await client.get("/item")).content == BODY
            assert side.happened()[:2] == [("opened", "client", None), ("handshake", "client", None)]
            with pytest.raises(ssl.SSLCertVerificationError):
                await side.shake_hands(ssl.create_default_context())

    run(scene)


def test_each_connection_is_shown_the_certificate_of_its_step() -> None:
    """A bad certificate may be shown once, and a good one again afterwards."""

    async def scene() -> None:
        async with Doorside(tls=True) as side:
            side.inject("tls_expired", "pass", "tls_self_signed")
            codes: list[int] = []
            for _ in range(4):
                try:
                    await side.shake_hands(side.trusting)
                except ssl.SSLCertVerificationError as error:
                    codes.append(error.verify_code)
                else:
                    codes.append(0)
            assert codes == [10, 0, 18, 0]

    run(scene)


def test_without_tls_they_do_not_act() -> None:
    """A port that speaks plain HTTP shows no certificate; the journal does not claim that it did."""

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": "tls_expired"}]) as side:
            assert await side.curl() == 0
            assert [fault for _, _, fault in side.happened()] == [None] * len(side.happened())

    run(scene)


@pytest.mark.parametrize(
    ("fault", "code"),
    [("tls_expired", 60), ("tls_wrong_host", 60), ("tls_self_signed", 60), ("tls_handshake_fail", 35)],
)
def test_curl_and_httpx_see_it(fault: str, code: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """curl exits 60 for a certificate and 35 for a handshake, httpx raises ConnectError."""
    bundle = tmp_path_factory.mktemp("tls") / "ca.pem"

    async def scene() -> None:
        async with Doorside([{"on": "connection", "fault": fault}], tls=True) as side:
            await asyncio.to_thread(bundle.write_text, side.ca)
            assert await side.curl("--cacert", str(bundle)) == code
            assert await side.httpx_raises() == "ConnectError"

    run(scene)
