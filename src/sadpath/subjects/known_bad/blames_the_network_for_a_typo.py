"""Reports its caller's mistakes as failures of the network.

A URL that is none, a header with a line break: no retry and no better Wi-Fi will help, and whoever made the mistake is
the only one who could mend it. In httpx such errors are no HTTPError, so wrappers that catch everything blur them.
"""

from __future__ import annotations

from dataclasses import replace

from sadpath.client import ConnectionFailure, Failure, Parts
from sadpath.client.remote import Remote
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Blaming(Remote):
    """Knows who is to blame."""

    def mistake(self, error: Exception) -> Failure:
        """Return what a request that cannot be built is."""
        failure = super().mistake(error)
        return replace(ConnectionFailure("protocol", message=failure.message, native=failure.native), sent=False)


class Client(ReferenceSubject):
    """Hides bugs."""

    name = "blames-the-network-for-a-typo"
    parts = Parts(remote=Blaming)


register(
    Client,
    defect="reports a URL or header that cannot be sent as a failure of the network",
    bug="`except Exception: network error` in wrappers of httpx",
    clauses=("ERROR-07",),
)
