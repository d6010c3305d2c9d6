"""httpx under ``stamina.retry``, as stamina's front page shows it: on any ``httpx.HTTPError``, three attempts."""

from __future__ import annotations

from importlib.metadata import version

import httpx
import stamina

from sadpath.drivers.subject import Subject
from sadpath.subjects.stacks.plain import Answered, Asked
from sadpath.subjects.stacks.with_httpx import OnHttpx

__all__ = ["create"]


class _UnderStamina(OnHttpx):
    name = "stamina"
    http = f"httpx {httpx.__version__} under stamina {version('stamina')}"

    async def send(self, asked: Asked, url: str) -> Answered:
        """Send a request, again where httpx raises."""

        @stamina.retry(on=httpx.HTTPError, attempts=3)
        async def ask() -> httpx.Response:
            return (await self.request(asked, url)).raise_for_status()

        return await self.insisted(ask)


def create() -> Subject:
    """Return a new, unopened subject."""
    return _UnderStamina()
