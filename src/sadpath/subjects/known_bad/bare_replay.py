"""Replays a refused request over a bare client: without the idempotency key, the fields and the limits of its own one.

The article replays over a Dio of its own, without interceptors. Whatever the configured client adds to each request
after its options are composed is missing from the second one.
"""

from __future__ import annotations

import httpx

from sadpath.client import Failure, Parts
from sadpath.client.auth import Auth
from sadpath.client.message import Call, Headers, Reply, Request
from sadpath.subjects.known_bad.registry import register
from sadpath.subjects.reference import ReferenceSubject


class Bare(Auth):
    """Has another client for the second time."""

    async def replay(self, call: Call, request: Request) -> Reply | Failure:
        """Send the request's own fields and body, and nothing else."""
        signed = self.sign(request, self.session.access_for(call.epoch))
        fields = [*signed.headers, *([("Content-Type", "application/json")] if signed.body else [])]
        call.begin(signed).sent = 1
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=None) as bare:  # noqa: S113 - the defect: no limits
                content = signed.body.content() if signed.body else None
                answer = await bare.request(signed.method, str(signed.url), headers=fields, content=content)
        except httpx.HTTPError as error:
            call.broken_off()
            return self.exchange.failures.of_exception(error)
        call.answered()
        return Reply(signed, answer.status_code, Headers(answer.headers.multi_items()), answer.content)


class Client(ReferenceSubject):
    """Replays with another client."""

    name = "bare-replay"
    parts = Parts(auth=Bare)


register(
    Client,
    defect="replays over a bare client, which lacks what its own one adds",
    bug="the article's AuthInterceptor, which replays over a new Dio",
    clauses=("RETRY-12", "IDEM-01"),
)
