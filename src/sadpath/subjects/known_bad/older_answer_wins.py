"""Stores answers in the order in which they come, not in which they were asked for.

vercel/swr#173: the slow answer to the first question overwrites the quick one to the second, and the screen goes back
in time.
"""

from __future__ import annotations

from sadpath.client import EntryKey, Parts
from sadpath.client.message import Call
from sadpath.client.repository import Repository
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class LastComeFirstServed(Repository):
    """Believes what came last."""

    def may_settle(self, call: Call, key: EntryKey, number: int) -> bool:
        """Say yes as long as the same user is signed in."""
        return self.session.user_of(call.epoch) == key.user


class Client(ReferenceSubject):
    """Lets late answers win."""

    name = "older-answer-wins"
    parts = Parts(repository=LastComeFirstServed)


register(
    Client,
    defect="lets a late answer overwrite a newer one in its cache",
    bug="vercel/swr#173",
    clauses=("CACHE-13",),
)
