"""Many sessions at a time on one server, over shared connections: none sees anything of another."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sadpath.core.events import ExchangeEvent
from sadpath.scenario.model import Scenario
from sadpath.server.runner import LiveServer
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

SESSIONS = 50
FAULTS: list[Any] = [
    {"status": 500},
    {"status": 503},
    {"status": {"code": 429, "retry_after": "1s"}},
    "reset",
    "close",
    {"truncate": 10},
    {"truncate": {"after": 10, "ending": "reset"}},
    "malformed_json",
    "html",
    {"delay": "5ms"},
]


@dataclass
class Visitor:
    """One client in a session of its own, what it met, and what it should have met."""

    number: int
    client: httpx.AsyncClient
    base: str
    headers: dict[str, str]
    met: list[str] = field(default_factory=list)
    token: str = ""
    users: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The session's name."""
        return f"visitor-{self.number}"

    @property
    def seed(self) -> int:
        """The session's seed; some sessions have the same one."""
        return self.number % 20

    @property
    def plan(self) -> list[Any]:
        """The faults that this session's reads meet, one after another: a different choice for each session."""
        return [FAULTS[(self.number * 7 + step * (1 + self.number % 3)) % len(FAULTS)] for step in range(6)]

    async def ask(self, method: str, path: str, *, json: Any = None, token: str | None = None) -> httpx.Response:
        """Ask in this session's name."""
        headers = {**self.headers, "Authorization": f"Bearer {self.token if token is None else token}"}
        return await self.client.request(method, self.base + path, json=json, headers=headers)

    async def meet(self) -> None:
        """Read once and note in a word what came of it."""
        try:
            answer = await self.ask("GET", "/users/1")
            text = "whole" if answer.text.startswith("{") and answer.text.endswith("}") else "spoilt"
            self.met.append(f"{answer.status_code} {text}")
        except httpx.TransportError as error:
            self.met.append(type(error).__name__)

    async def visit(self) -> None:
        """Sign in, read through the plan, and create some users in between."""
        self.token = (await self.sign_in())["access_token"]
        for step in range(len(self.plan) + 1):
            await self.meet()
            if step % 2 == self.number % 2:
                new = {"user_name": f"{self.name}-{step}", "email_address": f"{self.name}.{step}@example.com"}
                self.users.append((await self.ask("POST", "/users", json=new)).json()["id"])

    async def sign_in(self) -> dict[str, Any]:
        """Sign in."""
        login = {"email": "ada@example.com", "password": "correct-horse"}
        answer = await self.client.post(self.base + "/auth/login", json=login, headers=self.headers)
        members: dict[str, Any] = answer.json()
        return members


@asynccontextmanager
async def visitors(
    scenario: Callable[..., Scenario], numbers: range
) -> AsyncIterator[tuple[LiveServer, list[Visitor]]]:
    """Yield a server of the reference workspace and clients of it that share their connections."""
    limits = httpx.Limits(max_connections=10)
    async with (
        LiveServer(Workspace(REFERENCE), journal_limit=1_000) as server,
        httpx.AsyncClient(base_url=server.base_url, limits=limits, timeout=30) as client,
    ):
        made = []
        for number in numbers:
            name = f"visitor-{number}"
            ways: list[tuple[str, dict[str, str]]] = [
                (f"/s/{name}", {}),
                ("", {"X-Sadpath-Session": name}),
                ("", {"Cookie": f"sadpath_session={name}"}),
            ]
            visitor = Visitor(number, client, *ways[number % len(ways)])
            content = scenario(
                given={"data": {"fixture": "wide-shop"}}, faults=[{"on": "users.get", "plan": visitor.plan}]
            )
            server.sessions.create(visitor.name, seed=visitor.seed, scenario=content, scenario_name=visitor.name)
            made.append(visitor)
        yield server, made


async def alone(scenario: Callable[..., Scenario], number: int) -> Visitor:
    """Return a visitor that had a server for itself."""
    async with visitors(scenario, range(number, number + 1)) as (_server, (visitor,)):
        await visitor.visit()
    return visitor


@pytest.mark.slow
def test_fifty_sessions_at_a_time_see_nothing_of_each_other(scenario: Callable[..., Scenario]) -> None:
    """In a crowd each session meets its own faults, data, tokens and journal, the same ones as if it were alone."""

    async def main() -> None:
        async with visitors(scenario, range(SESSIONS)) as (server, crowd):
            await asyncio.gather(*(visitor.visit() for visitor in crowd))

            for visitor in crowd:
                journal = server.sessions.get(visitor.name).journal
                check_journal(visitor, journal.exchanges)
                await check_data(visitor)
            await check_seeds(crowd)
            await check_tokens(crowd)
            assert server.sessions.default_requests == 0
            assert server.sessions.default.journal.events == []
        for visitor in crowd[::10]:
            single = await alone(scenario, visitor.number)
            assert (single.met, single.users) == (visitor.met, visitor.users)

    asyncio.run(main())


def check_journal(visitor: Visitor, exchanges: list[ExchangeEvent]) -> None:
    """Check that a journal holds exactly what a visitor did, and that its reads met exactly the plan."""
    assert [event.exchange for event in exchanges] == list(range(1, len(exchanges) + 1))
    assert {event.session for event in exchanges} == {visitor.name}
    reads = [event for event in exchanges if event.operation == "users.get"]
    armed = [[fault.name for fault in event.armed] for event in reads]
    assert armed == [*([fault if isinstance(fault, str) else next(iter(fault))] for fault in visitor.plan), []]
    assert len([event for event in exchanges if event.operation == "users.create"]) == len(visitor.users)
    assert all(event.token_generation == 1 for event in exchanges if event.operation != "auth.login")
    assert len(visitor.met) == len(visitor.plan) + 1
    assert visitor.met[-1] == "200 whole"


async def check_data(visitor: Visitor) -> None:
    """Check that a session holds the users that its visitor made, and none of another's."""
    for user_id in visitor.users:
        assert (await visitor.ask("GET", f"/users/{user_id}")).json()["user_name"].startswith(f"{visitor.name}-")
    assert (await visitor.ask("GET", f"/users/{max(visitor.users) + 1}")).status_code == 404


async def check_seeds(crowd: list[Visitor]) -> None:
    """Check that sessions of one seed began with the same data, and those of different seeds with different ones."""
    seen: dict[int, set[str]] = {}
    for visitor in crowd:
        seen.setdefault(visitor.seed, set()).add((await visitor.ask("GET", "/users/250")).text)
    assert all(len(texts) == 1 for texts in seen.values())
    assert len(set.union(*seen.values())) == len(seen)


async def check_tokens(crowd: list[Visitor]) -> None:
    """Check that a session refuses the tokens of another, access and refresh."""
    for one, other in itertools.pairwise(crowd):
        assert (await other.ask("GET", "/settings", token=one.token)).status_code == 401
        assert (await one.ask("GET", "/settings", token=one.token)).status_code == 200
    first, second = crowd[0], crowd[1]
    renewal = (await first.sign_in())["refresh_token"]
    assert (await second.ask("POST", "/auth/refresh", json={"refresh_token": renewal})).status_code == 400
    assert (await first.ask("POST", "/auth/refresh", json={"refresh_token": renewal})).status_code == 200
