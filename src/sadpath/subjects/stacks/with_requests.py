"""requests with urllib3's ``Retry`` in its adapter, as the documentation of requests shows it."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from importlib.metadata import version
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NameResolutionError, NewConnectionError, ProtocolError, ReadTimeoutError
from urllib3.util import Retry

from sadpath.drivers.messages import Run
from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import Answered, Asked, PlainSubject, Settings

__all__ = ["create"]

_CONNECT, _READ = 3.05, 27.0


_CALLERS_MISTAKES = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    ValueError,  # http.client's word for a method or header that is none
)


class _OnRequests(PlainSubject):
    """Sync, so each call has a worker thread; giving up on the call does not end it, hence no ``cancel``."""

    name = "requests"
    http = f"requests {requests.__version__}, urllib3 {version('urllib3')}"
    capabilities = ("retry", "retry_after", "error_kinds", "call_tag", "policy_override")

    async def start(self, run: Run, settings: Settings) -> None:
        """Mount the retrying adapter."""
        self._timeout = (
            settings.seconds("timeouts", "connect", _CONNECT),
            settings.seconds("timeouts", "read", _READ),
        )
        retries = Retry(
            total=settings.number("retry", "max_retries", 3),
            backoff_factor=settings.seconds("retry", "first_delay", 0.2) / 2,  # its first wait of all is none
            status_forcelist=[502, 503, 504],
            retry_after_max=int(settings.seconds("retry", "retry_after_cap", 21_600)),
        )
        self._session = requests.Session()
        self._session.trust_env = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retries))
        self._ca: str | None = None
        if run.tls_ca:
            handle, self._ca = tempfile.mkstemp(suffix=".pem")
            with os.fdopen(handle, "w") as file:
                file.write(run.tls_ca)
            self._session.verify = self._ca

    async def send(self, asked: Asked, url: str) -> Answered:
        """Send one request in a worker thread."""
        return await asyncio.to_thread(self._send, asked, url)

    def _send(self, asked: Asked, url: str) -> Answered:
        answer = self._session.request(
            asked.method,
            url,
            params=dict(asked.query) or None,
            headers=dict(asked.headers),
            json=asked.body,
            timeout=self._timeout,
            allow_redirects=True,
        )
        return Answered(answer.status_code, answer.content)

    def explain(self, error: Exception) -> str | None:
        """Return what an exception of requests stands for."""
        if isinstance(error, requests.exceptions.RetryError):
            return "server"  # the retries are used up on a status, which it does not say
        if isinstance(error, _CALLERS_MISTAKES):
            return "bug"
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return "timeout.connect"
        if isinstance(error, requests.exceptions.Timeout):
            return "timeout.read"
        if isinstance(error, requests.exceptions.SSLError):
            return "tls"
        if isinstance(error, requests.exceptions.TooManyRedirects):
            return "redirect"
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            return "truncated"
        if isinstance(error, requests.exceptions.ContentDecodingError):
            return "decode"
        if isinstance(error, requests.exceptions.ConnectionError):
            return _kind_of(error)
        return "other" if isinstance(error, requests.exceptions.RequestException) else None

    async def close(self) -> None:
        """Close the session."""
        self._session.close()
        if self._ca is not None:
            Path(self._ca).unlink()  # noqa: ASYNC240 - one small file on the local disk


def _kind_of(error: BaseException) -> str:
    """Return what lies below a ``ConnectionError``, which requests hands on from urllib3."""
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    if isinstance(reason, NameResolutionError):
        return "dns"
    if isinstance(reason, NewConnectionError):
        return "dns" if isinstance(reason.__cause__, socket.gaierror) else "refused"
    if isinstance(reason, ReadTimeoutError):
        return "timeout.read"
    if isinstance(reason, ProtocolError):
        below = reason.args[1] if len(reason.args) > 1 else None
        return "reset" if isinstance(below, ConnectionResetError) else "closed"
    return "other"


def create() -> Subject:
    """Return a new, unopened subject."""
    return _OnRequests()
