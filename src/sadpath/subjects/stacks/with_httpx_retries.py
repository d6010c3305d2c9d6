"""httpx with the retrying transport of httpx-retries."""

from __future__ import annotations

import ssl
from importlib.metadata import version

import httpx
from httpx_retries import Retry, RetryTransport

from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import Settings
from sadpath.subjects.stacks.with_httpx import OnHttpx, limits, timeouts

__all__ = ["create"]

_USUAL_TOTAL = 10


class _WithRetries(OnHttpx):
    name = "httpx-retries"
    http = f"httpx {httpx.__version__} with httpx-retries {version('httpx-retries')}"
    capabilities = ("retry", "retry_after", "cancel", "error_kinds", "call_tag", "policy_override")

    def client(self, settings: Settings, verify: ssl.SSLContext | bool) -> httpx.AsyncClient:
        """Return a client whose transport retries."""
        retry = Retry(
            total=settings.number("retry", "max_retries", _USUAL_TOTAL),
            backoff_factor=settings.seconds("retry", "first_delay", 0.0) / 2,  # it waits factor * 2 ** attempts made
            max_backoff_wait=settings.seconds("retry", "retry_after_cap", 120.0),
        )
        # The limits of the client would be for a transport of its own: with one given, they are the transport's.
        below = httpx.AsyncHTTPTransport(verify=verify, limits=limits(settings), trust_env=False)
        return httpx.AsyncClient(transport=RetryTransport(below, retry), timeout=timeouts(settings), trust_env=False)


def create() -> Subject:
    """Return a new, unopened subject."""
    return _WithRetries()
