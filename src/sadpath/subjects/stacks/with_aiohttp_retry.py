"""aiohttp under aiohttp-retry's ``RetryClient``, with its exponential waits as they come."""

from __future__ import annotations

from importlib.metadata import version

import aiohttp
from aiohttp_retry import ExponentialRetry, RetryClient

from sadpath.drivers.messages import Run
from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import IDEMPOTENT, Answered, Asked, Settings
from sadpath.subjects.stacks.with_aiohttp import OnAiohttp

__all__ = ["create"]


class _Retrying(OnAiohttp):
    name = "aiohttp-retry"
    http = f"aiohttp {aiohttp.__version__} with aiohttp-retry {version('aiohttp-retry')}"

    async def start(self, run: Run, settings: Settings) -> None:
        """Make the session and the client around it."""
        await super().start(run, settings)
        options = ExponentialRetry(
            attempts=settings.number("retry", "max_retries", 2) + 1,
            start_timeout=settings.seconds("retry", "first_delay", 0.2) / 2,  # it doubles before its first wait
            statuses=set(settings.statuses) if settings.careful else None,
            exceptions={aiohttp.ClientError, TimeoutError} if settings.careful else None,
            methods=set(IDEMPOTENT) if settings.careful else None,
            retry_all_server_errors=not settings.careful,
        )
        self._client = RetryClient(client_session=self.session, retry_options=options)

    async def send(self, asked: Asked, url: str) -> Answered:
        """Send one request, by the retrying client."""
        async with self._client.request(
            asked.method, url, params=dict(asked.query) or None, headers=dict(asked.headers), json=asked.body
        ) as answer:
            return Answered(answer.status, await answer.read())

    async def close(self) -> None:
        """Close the client, and the session with it."""
        await self._client.close()


def create() -> Subject:
    """Return a new, unopened subject."""
    return _Retrying()
