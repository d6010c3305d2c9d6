"""Limits each step and never the whole: a slow drip, or a chain of retries, keeps the caller for minutes.

encode/httpx#1450 (a drip never times out); in the article three attempts with their three limits and waits add up to
two minutes before the cache is asked.
"""

from __future__ import annotations

from sadpath.client import Parts
from sadpath.client.calls import CallBook
from sadpath.client.deadline import Deadline
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Endless(CallBook):
    """Gives calls no end."""

    def deadline(self) -> Deadline:
        """Return a deadline that never comes."""
        return Deadline(self._clock, None)


class Client(ReferenceSubject):
    """Has no total deadline."""

    name = "no-total-deadline"
    parts = Parts(book=Endless)


register(
    Client,
    defect="goes on beyond its total deadline",
    bug="encode/httpx#1450, the article's DioClient",
    clauses=("RETRY-14", "TIME-04"),
)
