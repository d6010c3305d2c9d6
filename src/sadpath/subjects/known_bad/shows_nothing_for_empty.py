"""Takes an empty success for a value: the caller gets nothing where it was promised something.

It promises that this is an error. Whoever forgets that a body may be missing shows an empty screen and calls it done.
"""

from __future__ import annotations

from typing import Any

from sadpath.client import Parts
from sadpath.client.message import Reply
from sadpath.client.remote import Remote
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Undemanding(Remote):
    """Expects no content."""

    def json_of(self, reply: Reply, *, expected: bool) -> Any:
        """Return the decoded body, None for an empty one."""
        return super().json_of(reply, expected=False)


class Client(ReferenceSubject):
    """Is content with nothing."""

    name = "shows-nothing-for-empty"
    parts = Parts(remote=Undemanding)


register(
    Client,
    defect="takes an empty 2xx for a success, which it promises is an error",
    bug="`response.body or None` in hand-written clients",
    clauses=("ERROR-06",),
)
