"""Where a redirect leads (RFC 9110 §10.2.2), and whether a client went there or began again."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from sadpath.core.events import ExchangeEvent
from sadpath.verify.sight import header

__all__ = ["repeats", "target_of"]


def target_of(item: ExchangeEvent) -> tuple[str, bool] | None:
    """Return the path where a redirect leads, and whether it names a host; None where it leads nowhere over HTTP."""
    prefix, location = f"/s/{item.session}", (header(item, "location") or "").strip()
    base = f"http://server{prefix}{item.path}{'?' + item.query if item.query else ''}"
    try:
        named = bool(urlsplit(location).netloc)
        target = urlsplit(urljoin(base, location))
    except ValueError:
        return None
    if target.scheme not in ("http", "https") or not location:
        return None
    path = target.path.removeprefix(prefix) if target.path.startswith(f"{prefix}/") else target.path
    return path or "/", named


def repeats(item: ExchangeEvent, after: ExchangeEvent) -> bool:
    """Tell whether a request is the one before again, although that one's answer redirects it elsewhere.

    So goes a loop to which every status but 2xx is an error, as after ``raise_for_status``.
    """
    if (item.method, item.path, item.query) != (after.method, after.path, after.query):
        return False
    target = target_of(item)
    return target is not None and (target[0] != item.path or _is_another_host(item, after))


def _is_another_host(item: ExchangeEvent, after: ExchangeEvent) -> bool:
    """Tell whether a redirect names a host, and the next request, by its own word, went to another one."""
    named = urlsplit((header(item, "location") or "").strip()).netloc.lower()
    asked = next((value.strip().lower() for name, value in after.request_headers if name.lower() == "host"), "")
    return bool(named and asked) and named != asked
