"""Keeps the connection of a failed attempt until its back-off is over.

microsoft/kiota-python#564 and pydantic/pydantic-ai#2724 did not close the answers that they retried, and
atlanhq/atlan-python#911 held its place while it slept. A handful of waiting calls then blocks all others.
"""

from __future__ import annotations

from typing import Any

from sadpath.client import Failure, Parts
from sadpath.client.calls import Calls
from sadpath.client.exchange import Exchange, WantsBody
from sadpath.client.http import Http, Opened, Wire
from sadpath.client.message import Call, Headers, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject

_RENEWAL = "auth.refresh"


class Holding(Exchange):
    """Lets go of an error's connection when the call needs the next one."""

    def __init__(self, http: Http, **options: Any) -> None:
        super().__init__(http, **options)
        self._held: dict[int, Opened] = {}

    async def once(self, call: Call, request: Request, wants_body: WantsBody) -> Reply | Failure:
        """Let go of the former connection, and send."""
        await self.let_go(call)
        outcome = await super().once(call, request, wants_body)
        if call.operation == _RENEWAL:
            # It is not retried, so there is no wait to hold anything for.
            await self.let_go(call)
        return outcome

    async def let_go(self, call: Call) -> None:
        """Give back what the call's last exchange holds."""
        opened = self._held.pop(id(call.wire), None)
        if opened is not None:
            await opened.close()

    async def talk(self, request: Request, wire: Wire, wants_body: WantsBody) -> Reply | Failure:
        """Send and read; an error's connection is kept."""
        opened = await self.http.open(
            request.method,
            request.url,
            headers=self.fields(request),
            body=request.body.content() if request.body else None,
            timeouts=self.limits(),
            wire=wire,
        )
        head = Reply(request, opened.status, Headers(opened.headers))
        if head.status >= 500:
            self._held[id(wire)] = opened
            return await self.read(head, opened)
        try:
            return await self.read(head, opened) if wants_body(head) else head
        finally:
            await opened.close()


class LettingGo(Calls):
    """Lets go when the call is over."""

    async def send(self, call: Call, request: Request) -> Reply | Failure:
        """Send the request, and let go of what is still held."""
        try:
            return await super().send(call, request)
        finally:
            exchange = self.auth.exchange
            if isinstance(exchange, Holding):
                await exchange.let_go(call)


class Client(ReferenceSubject):
    """Sleeps with a connection in its hand."""

    name = "holds-while-waiting"
    parts = Parts(exchange=Holding, calls=LettingGo)


register(
    Client,
    defect="holds the connection of a failed attempt while it waits for the next",
    bug="microsoft/kiota-python#564, pydantic/pydantic-ai#2724, atlanhq/atlan-python#911",
    clauses=("POOL-02",),
)
