"""httpx under ``tenacity.retry``, with the stop and the exponential wait that tenacity's documentation shows."""

from __future__ import annotations

from importlib.metadata import version

import httpx
from tenacity import retry, retry_if_exception, retry_if_exception_type, stop_after_attempt, wait_exponential

from sadpath.drivers.messages import Run
from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import Answered, Asked, Settings
from sadpath.subjects.stacks.with_httpx import OnHttpx

__all__ = ["create"]


class _UnderTenacity(OnHttpx):
    name = "tenacity"
    http = f"httpx {httpx.__version__} under tenacity {version('tenacity')}"

    async def start(self, run: Run, settings: Settings) -> None:
        """Make the client, and keep the numbers of its retries."""
        await super().start(run, settings)
        self._first = settings.seconds("retry", "first_delay", 4.0)
        self._longest = settings.seconds("retry", "max_delay", 10.0)
        self._settings = settings

    async def send(self, asked: Asked, url: str) -> Answered:
        """Send a request, again where httpx raises; told to be careful, only where a predicate says so."""
        settings = self._settings

        def predicate(error: BaseException) -> bool:
            return self.worth_another(error, asked, settings)

        @retry(
            reraise=True,
            retry=retry_if_exception(predicate) if settings.careful else retry_if_exception_type(httpx.HTTPError),
            stop=stop_after_attempt(settings.number("retry", "max_retries", 2) + 1),
            wait=wait_exponential(multiplier=1, min=self._first, max=self._longest),
        )
        async def ask() -> httpx.Response:
            return (await self.request(asked, url)).raise_for_status()

        return await self.insisted(ask)


def create() -> Subject:
    """Return a new, unopened subject."""
    return _UnderTenacity()
