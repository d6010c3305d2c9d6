"""Does not give the connection back when the answer is a server's error.

aio-libs/aiohttp#3364: `raise_for_status` jumped over the code that releases it. It is missed only when the last
connection of the pool is gone, and then every call waits in vain.
"""

from __future__ import annotations

from sadpath.client import Failure, Parts
from sadpath.client.exchange import Exchange, WantsBody
from sadpath.client.http import Wire
from sadpath.client.message import Headers, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Leaky(Exchange):
    """Jumps over its own clean-up."""

    async def talk(self, request: Request, wire: Wire, wants_body: WantsBody) -> Reply | Failure:
        """Send, read, and give the connection back unless it was an error."""
        opened = await self.http.open(
            request.method,
            request.url,
            headers=self.fields(request),
            body=request.body.content() if request.body else None,
            timeouts=self.limits(),
            wire=wire,
        )
        head = Reply(request, opened.status, Headers(opened.headers))
        outcome = await self.read(head, opened) if wants_body(head) else head
        if head.status < 500:
            await opened.close()
        return outcome


class Client(ReferenceSubject):
    """Loses a connection with each error."""

    name = "leaks-on-server-error"
    parts = Parts(exchange=Leaky)


register(
    Client,
    defect="never gives back a connection on which a 5xx came",
    bug="aio-libs/aiohttp#3364",
    clauses=("POOL-01",),
)
