"""A small API client on the standard library: the code under test. It knows nothing of sadpath."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from typing import Any

ONCE_MORE = {502, 503, 504}
SAFE = {"GET", "PUT", "DELETE"}


class ApiError(Exception):
    """What the caller is told: ``kind`` is one of ``timeout``, ``network``, ``broken`` and ``status``."""

    def __init__(self, kind: str, attempts: int, status: int | None = None) -> None:
        super().__init__(kind if status is None else f"status {status}")
        self.kind = kind
        self.attempts = attempts
        self.status = status


class Answer:
    """What the caller gets: the JSON of the body, and how many requests it took."""

    def __init__(self, status: int, data: Any, attempts: int) -> None:
        self.status = status
        self.data = data
        self.attempts = attempts


class ShopClient:
    """Sends requests, and those that are safe to repeat once more after a failure."""

    def __init__(self, base_url: str, token: str | None = None, ca: str | None = None) -> None:
        self._base_url = base_url
        self._token = token
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=ca))
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls, _NoRedirects())

    def request(self, method: str, path: str, data: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Make a call.

        Raises:
            ApiError: where it failed.
        """
        for attempt in (1, 2):
            try:
                return self._send(attempt, method, path, data, headers or {})
            except ApiError as error:
                may = method in SAFE and (error.kind in ("timeout", "network") or error.status in ONCE_MORE)
                if attempt == 2 or not may:
                    raise
                time.sleep(0.2)
        raise AssertionError("the loop ends before")

    def _send(self, attempt: int, method: str, path: str, data: Any, headers: dict[str, str]) -> Answer:
        body = None if data is None else json.dumps(data).encode()
        abroad = path.startswith(("http://", "https://"))
        request = urllib.request.Request(path if abroad else self._base_url + path, body, headers, method=method)
        request.add_header("Content-Type", "application/json")
        if self._token is not None and not abroad:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=2) as reply:
                text = reply.read()
                return Answer(reply.status, json.loads(text) if text else None, attempt)
        except urllib.error.HTTPError as error:
            error.close()
            raise ApiError("status", attempt, error.code) from error
        except (ValueError, RecursionError) as error:
            raise ApiError("broken", attempt) from error
        except Exception as error:  # urllib lets exceptions of http.client and of sockets through
            timed_out = isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
            raise ApiError("timeout" if timed_out else "network", attempt) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
