"""Guards its refresh with a flag: a call whose 401 comes while another refreshes fails instead of waiting.

The article's `_isRefreshing`. Of five calls at once one succeeds, and four users see an error though the session was
renewed a moment later.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts, Unauthorized
from sadpath.client.message import Call
from sadpath.client.renewal import Renewal
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Flagged(Renewal):
    """Knows that a refresh is under way, and does nothing with it."""

    async def join(self, call: Call) -> Failure | None:
        """Refresh, unless somebody else does: then give up."""
        if self._flight is not None and not self._flight.done():
            return Unauthorized(message="another call is refreshing", of_refresh=True, sent=False)
        return await super().join(call)


class Client(ReferenceSubject):
    """Fails what it should make wait."""

    name = "refresh-flag"
    parts = Parts(renewal=Flagged)


register(
    Client,
    defect="fails the calls whose 401 comes while another call refreshes",
    bug="the article's AuthInterceptor (`_isRefreshing`)",
    clauses=("AUTH-01",),
)
