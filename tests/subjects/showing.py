"""Demonstrations of planted defects: what to watch, how it is with the reference client, and how with a bad one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sadpath.drivers.messages import Outcome
from sadpath.drivers.subject import Subject
from tests.client.scripted import Seen, Server, Step, reply
from tests.client.shopside import ORDER, USER
from tests.subjects.driving import policy

__all__ = [
    "SHOWS",
    "Create",
    "Show",
    "after",
    "by_cursor",
    "gaps",
    "order_page",
    "patient",
    "shows",
    "single",
    "tokens",
    "user",
    "values",
]

Create = Callable[[], Subject]


@dataclass(frozen=True)
class Show:
    """What to watch, and what is to be seen."""

    watch: Callable[[Create], Awaitable[Any]]
    good: Any
    bad: Any


SHOWS: dict[str, Show] = {}


def shows(name: str, *, good: Any, bad: Any) -> Callable[[Callable[[Create], Awaitable[Any]]], Any]:
    """Add the demonstration of a known-bad client."""

    def take(watch: Callable[[Create], Awaitable[Any]]) -> Callable[[Create], Awaitable[Any]]:
        assert name not in SHOWS
        SHOWS[name] = Show(watch, good, bad)
        return watch

    return take


def single(**sections: dict[str, Any]) -> dict[str, Any]:
    """Return the quick policy without retries."""
    return policy(**{**sections, "retry": {"max_retries": 0, **sections.get("retry", {})}})


def patient(milliseconds: float, **retry: Any) -> dict[str, Any]:
    """Return the quick policy with a longer first wait."""
    return policy(retry={"first_delay_ms": milliseconds, "max_delay_ms": 10 * milliseconds, **retry})


def user(number: int = 1, name: str = "Ada") -> Step:
    """Answer with a user."""
    return reply(200, {**USER, "id": number, "user_name": name})


def tokens(number: int, **members: Any) -> Step:
    """Answer with a pair of tokens."""
    pair = {"access_token": f"access-token-{number}", "refresh_token": f"refresh-token-{number}", "expires_in": 3600}
    return reply(200, {name: value for name, value in {**pair, **members}.items() if value is not None})


def order_page(numbers: list[int], following: str | None = None) -> Step:
    """Answer with a page of orders."""
    return reply(200, {"data": [{**ORDER, "id": number} for number in numbers], "next_cursor": following})


def by_cursor(pages: dict[str, Step]) -> Step:
    """Answer with the page of the cursor that is asked for; the first is that of the empty one."""

    async def step(seen: Seen) -> None:
        _, _, query = seen.target.partition("?")
        asked = dict(part.split("=", 1) for part in query.split("&") if part)
        await pages[asked.get("cursor", "")](seen)

    return step


def values(outcome: Outcome) -> list[int] | None:
    """Return the ids of the items that a call brought, None where it brought nothing."""
    return None if outcome.value is None else [item["id"] for item in outcome.value.data]


async def after(seconds: float, call: Awaitable[Any]) -> Any:
    """Wait, then make a call."""
    await asyncio.sleep(seconds)
    return await call


def gaps(server: Server, route: str) -> list[float]:
    """Return the seconds between the requests of a route."""
    times = [seen.at for seen in server.of(route)]
    return [later - earlier for earlier, later in pairwise(times)]
