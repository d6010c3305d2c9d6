"""httpx under ``stamina.retry``, as stamina's front page shows it: on any ``httpx.HTTPError``, three attempts."""

from __future__ import annotations

import logging
from importlib.metadata import version

import httpx
import stamina

from sadpath.drivers.messages import Run
from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import Answered, Asked, Settings
from sadpath.subjects.stacks.with_httpx import OnHttpx

__all__ = ["create"]

logging.getLogger("stamina").addHandler(logging.NullHandler())  # else each retry of each case is a line on stderr


class _UnderStamina(OnHttpx):
    name = "stamina"
    http = f"httpx {httpx.__version__} under stamina {version('stamina')}"

    async def start(self, run: Run, settings: Settings) -> None:
        """Make the client, and keep what its retries are told."""
        await super().start(run, settings)
        self._settings = settings

    async def send(self, asked: Asked, url: str) -> Answered:
        """Send a request, again where httpx raises; told to be careful, only where a hook says so."""
        settings = self._settings

        def hook(error: Exception) -> bool:
            return self.worth_another(error, asked, settings)

        @stamina.retry(
            on=hook if settings.careful else httpx.HTTPError,
            attempts=settings.number("retry", "max_retries", 2) + 1,
        )
        async def ask() -> httpx.Response:
            return (await self.request(asked, url)).raise_for_status()

        return await self.insisted(ask)


def create() -> Subject:
    """Return a new, unopened subject."""
    return _UnderStamina()
