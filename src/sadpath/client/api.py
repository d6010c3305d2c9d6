"""Where the API is: its origin, its paths, and which of them need no session."""

from __future__ import annotations

import re

from .http import Origin, Url

__all__ = ["LOGIN", "LOGOUT", "PUBLIC_PATHS", "REFRESH", "Api"]

LOGIN = "/auth/login"
REFRESH = "/auth/refresh"
LOGOUT = "/auth/logout"
PUBLIC_PATHS = frozenset({LOGIN, REFRESH, "/health"})

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Api:
    """The API below a base URL. Raises ``InvalidUrlError`` when that is none."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/")
        base = Url(self._base)
        self.origin: Origin = base.origin
        self._prefix = base.path.rstrip("/")

    def url(self, path: str) -> Url:
        """Return the URL of a path below the base, or an absolute URL as it is. Raises ``InvalidUrlError``."""
        return Url(path if _ABSOLUTE.match(path) else f"{self._base}/{path.lstrip('/')}")

    def is_own(self, url: Url) -> bool:
        """Tell whether ``url`` is of the API's own origin, which may see the session."""
        return url.origin == self.origin

    def is_public(self, url: Url) -> bool:
        """Tell whether ``url`` is one of the API's routes that need no session."""
        return self.is_own(url) and url.path.removeprefix(self._prefix) in PUBLIC_PATHS
