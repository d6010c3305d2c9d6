"""Taking secrets out of text before anybody sees it (RFC 6750 §5.3).

Two nets, because each has holes of its own: the very tokens that the client has held, however they are written, and
everything that looks like a credential by its place or its shape.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from urllib.parse import quote, quote_plus

__all__ = ["HIDDEN", "Redactor"]

HIDDEN = "•••"
"""What stands in a secret's place: no token has such a character."""

_SHORTEST = 8
_MOST = 256
_NAMES = (
    r"access_?token|refresh_?token|id_?token|auth_?token|token|password|passwd|secret|client_?secret|api_?key"
    r"|assertion|code_?verifier"
)
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # Authorization: Bearer x, 'authorization': 'Basic x', and the like. A scheme's credentials end with the value.
        r"(?P<keep>\b(?:proxy-)?authorization\b[\"']?\s*[:=,]\s*[\"']?)(?:[a-z][a-z0-9-]*\s+)?[^\s\"',;)\]}]+",
        r"(?P<keep>\b(?:bearer|basic)\s+)[a-z0-9._~+/%=-]+",
        # "access_token": "x" and its kin: JSON, Python, queries, forms.
        rf"(?P<keep>\b(?:{_NAMES})\b\\?[\"']?\s*[:=]\s*)(?:\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s&,;)\]}}]+)",
        # https://user:password@host
        r"(?P<keep>\b[a-z][a-z0-9+.-]*://)[^\s/?#@]+@",
        # A JSON Web Token, wherever it stands.
        r"(?P<keep>)\beyJ[a-z0-9_=-]+\.[a-z0-9_=-]+(?:\.[a-z0-9_=-]*)?",
    )
)


class Redactor:
    """Cleans text. It remembers the newest tokens it was told, so that old ones stay secret too."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, set[str]] = OrderedDict()
        self._longest_first: list[str] | None = None

    def add(self, *secrets: str | None) -> None:
        """Remember secrets. Those shorter than eight characters are left to the patterns: they may be common words."""
        for secret in secrets:
            if secret is None or len(secret) < _SHORTEST:
                continue
            self._known[secret] = self._known.pop(secret) if secret in self._known else _spellings(secret)
            self._longest_first = None
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def clean(self, text: str) -> str:
        """Return ``text`` with every secret replaced."""
        if self._longest_first is None:
            # What is part of another must not break it.
            every = set[str]().union(*self._known.values())
            self._longest_first = sorted(every, key=lambda spelling: (-len(spelling), spelling))
        for spelling in self._longest_first:
            if spelling in text:
                text = text.replace(spelling, HIDDEN)
        for pattern in _PATTERNS:
            text = pattern.sub(lambda match: match["keep"] + HIDDEN, text)
        return text


def _spellings(secret: str) -> set[str]:
    """Return the ways in which a token, or the signature that ends a signed one, may be written."""
    parts = [secret]
    _, dot, signature = secret.rpartition(".")
    if dot and len(signature) >= _SHORTEST:
        parts.append(signature)
    found: set[str] = set()
    for part in parts:
        found |= {part, quote(part, safe=""), quote(part), quote_plus(part), json.dumps(part)[1:-1], repr(part)[1:-1]}
        found |= {spelling.lower() if "%" in spelling else spelling for spelling in tuple(found)}
    return found
