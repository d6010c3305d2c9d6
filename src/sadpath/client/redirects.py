"""Following redirects (RFC 9110 §15.4) without losing a body, changing what a write means, or giving a token away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from .api import Api
from .exchange import REDIRECTS
from .failures import Failure, Redirect
from .http import InvalidUrlError, Url
from .log import CallLog
from .message import Call, Reply, Request
from .policy import RedirectPolicy

__all__ = ["Redirects"]

_CREDENTIALS = ("authorization", "proxy-authorization", "cookie")
_OF_CONTENT = ("content-type", "content-encoding", "content-language")


class Redirects:
    """Asks again where the server says, as often as the policy allows."""

    def __init__(self, policy: RedirectPolicy, api: Api, log: CallLog) -> None:
        self.policy = policy
        self.api = api
        self.log = log

    async def run(
        self, call: Call, request: Request, send: Callable[[Call, Request], Awaitable[Reply | Failure]]
    ) -> Reply | Failure:
        """Send the request, and follow where it leads."""
        hops = 0
        while True:
            reply = await send(call, request)
            if isinstance(reply, Failure) or reply.status not in REDIRECTS:
                return reply
            following = self.follow(request, reply, hops)
            if isinstance(following, Failure):
                return following
            hops += 1
            request = following
            self.log.note(f"{call.operation}: redirected by {reply.status}")

    def follow(self, request: Request, reply: Reply, hops: int) -> Request | Redirect:
        """Return the request that the redirect asks for, or why there is none."""

        def refuse(why: str) -> Redirect:
            return Redirect(message=why, status=reply.status)

        if not self.policy.follow:
            return refuse("redirects are not followed")
        if hops >= self.policy.max:
            return refuse(f"more than {self.policy.max} redirects in a row")
        url = self.target(request, reply)
        if url is None:
            return refuse("the redirect leads nowhere")
        method = self.method(request, reply)
        if method is None:
            return refuse(f"a {request.method} does not become a GET")
        moved = self.moved(request, url, method)
        if request.public and request.body is not None and not self.api.is_own(url):
            return refuse("credentials do not follow to another origin")
        if not moved.replayable:
            return refuse("the body can be read once only")
        return moved

    def target(self, request: Request, reply: Reply) -> Url | None:
        """Return where the redirect leads, None if that is no place for a request."""
        location = reply.headers.get("location")
        if not location:
            return None
        try:
            return request.url.join(location)
        except InvalidUrlError:
            return None

    def method(self, request: Request, reply: Reply) -> str | None:
        """Return the method of the next request. Only a POST may become a GET, and only where that is the custom."""
        if request.method == "HEAD" or reply.status in (307, 308):
            return request.method
        if request.method == "POST":
            return "GET"
        return None if reply.status == 303 and not request.safe else request.method

    def moved(self, request: Request, url: Url, method: str) -> Request:
        """Return the request at its new place: without a body if it became a GET, without credentials elsewhere."""
        own = self.api.is_own(url)
        moved = replace(request, url=url, method=method, own=own, public=self.api.is_public(url))
        if method != request.method:
            moved = replace(moved.without_fields(*_OF_CONTENT), body=None, key=None)
        return moved if url.origin == request.url.origin else moved.without_fields(*_CREDENTIALS)
