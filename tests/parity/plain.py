"""A plain httpx client: it sends each call once, and reports what httpx raised by its name."""

from __future__ import annotations

from typing import Any

import httpx

from sadpath.core.clock import Clock
from sadpath.drivers.messages import ClientInfo, ErrorReport, Hello, Outcome, OutcomeValue, Result, Run
from sadpath.drivers.subject import NotSupported

READ_TIMEOUT = 0.5


class Plain:
    """No retries, no refresh, no cache: a network library as it comes."""

    def hello(self) -> Hello:
        """Say what it can do."""
        return Hello(
            client=ClientInfo(name="plain", version="1", language="python", http="httpx"),
            capabilities=["call_tag"],
            operations=["users.get", "orders.create", "users.list", "auth.refresh"],
        )

    async def open(self, run: Run, clock: Clock) -> None:
        """Make the HTTP client."""
        self.auth = run.auth
        timeout = httpx.Timeout(2.0, read=READ_TIMEOUT)
        self.http = httpx.AsyncClient(base_url=run.base_url, timeout=timeout, verify=False, trust_env=False)  # noqa: S501 - plain HTTP on loopback

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Send one request."""
        method, path, body = self._request(op, args)
        headers = {"X-Sadpath-Call": tag}
        if self.auth is not None and self.auth.access_token is not None:
            headers["Authorization"] = f"Bearer {self.auth.access_token}"
        try:
            answer = await self.http.request(method, path, json=body, headers=headers)
            data = answer.json() if answer.content else None
        except (httpx.HTTPError, ValueError) as error:
            report = ErrorReport(kind="other", native=type(error).__name__)
            return Outcome(call="", outcome="error", error=report, attempts=1)
        if answer.status_code >= 400:
            report = ErrorReport(kind="unexpected_status", status=answer.status_code)
            return Outcome(call="", outcome="error", error=report, attempts=1)
        return Outcome(call="", outcome="ok", value=OutcomeValue(status=answer.status_code, data=data), attempts=1)

    def _request(self, op: str, args: dict[str, Any]) -> tuple[str, str, Any]:
        if op == "users.get":
            return "GET", f"/users/{args['id']}", None
        if op == "users.list":
            return "GET", "/users", None
        if op == "orders.create":
            return "POST", "/orders", args["data"]
        if op == "auth.refresh":
            token = self.auth.refresh_token if self.auth is not None else None
            return "POST", "/auth/refresh", {"refresh_token": token}
        raise NotSupported(op)

    async def advance(self, seconds: float) -> None:
        """Refuse: it has no clock of its own."""
        raise NotSupported("fake_clock")

    async def offline(self, hint: bool) -> None:
        """Refuse: it takes no hints."""
        raise NotSupported("connectivity")

    async def settle(self) -> Result:
        """Do nothing: there is no background work."""
        return Result()

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()
