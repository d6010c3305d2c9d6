"""What ``--watch`` does with changed files, look by look."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sadpath.server.given import apply_scenario
from sadpath.server.runner import LiveServer
from sadpath.server.serving import Reloading
from sadpath.workspace import Workspace

LOGIN = {"email": "ada@example.com", "password": "correct-horse"}


class Watched:
    """A server under watch, its client, and what was said."""

    def __init__(self, server: LiveServer, client: httpx.AsyncClient, root: Path) -> None:
        self.server = server
        self.client = client
        self.said: list[str] = []
        self.reloading = Reloading(server, Workspace(root), self.said.append)
        self.file = root / "scenarios" / "story.yaml"

    async def begin(self, session_id: str = "default") -> None:
        """Put the story in force."""
        scenario = Workspace(self.file.parents[1]).scenario("story")
        await apply_scenario(self.server.engine, self.server.sessions.get(session_id), scenario, name="story")

    def write(self, status: int, given: str = "{}") -> None:
        """Write the story."""
        rules = f"faults:\n  - on: ping\n    fault: {{status: {status}}}\n"
        self.file.write_text(f"# A story.\ntitle: A story\ngiven: {given}\n{rules}")

    async def ping(self, session_id: str = "default") -> int:
        """Return the status of a ping."""
        return (await self.client.get(f"/s/{session_id}/ping")).status_code

    async def looks(self) -> None:
        """Look until everything is taken in."""
        await self.reloading.look()
        await self.reloading.look()


@pytest.fixture
def watched(serve: Callable[..., LiveServer], tmp_path: Path) -> Callable[[Callable[[Watched], Awaitable[None]]], None]:
    """Runs a test with a server under watch."""
    (tmp_path / "scenarios").mkdir()

    def run(test: Callable[[Watched], Awaitable[None]], **options: Any) -> None:
        async def main() -> None:
            async with serve(**options) as server, httpx.AsyncClient(base_url=server.base_url) as client:
                await test(Watched(server, client, tmp_path))

        asyncio.run(main())

    return run


def test_a_change_counts_once_nothing_more_changes(watched: Callable[..., None]) -> None:
    """A look that finds a change waits for the next one: a file that is still being written is let be."""

    async def test(watched: Watched) -> None:
        watched.write(501)
        await watched.looks()
        await watched.begin()
        for status in (502, 503, 504):
            watched.write(status)
            watched.file.write_text(watched.file.read_text() + "#" * status)
            await watched.reloading.look()
            assert await watched.ping() == 501
        await watched.reloading.look()
        assert await watched.ping() == 504
        assert watched.said == ["scenarios/story.yaml has changed: in force from the next exchange on"]

    watched(test)


def test_every_session_that_uses_a_scenario_has_it_renewed(watched: Callable[..., None]) -> None:
    """A changed scenario is renewed where it is in force, and nowhere else."""

    async def test(watched: Watched) -> None:
        watched.write(501)
        await watched.looks()
        for name in ("a", "b", "c"):
            watched.server.sessions.create(name)
        for name in ("a", "b"):
            await watched.begin(name)
        watched.write(502)
        await watched.looks()
        assert [await watched.ping(name) for name in ("a", "b", "c", "default")] == [502, 502, 200, 200]

    watched(test)


def test_tokens_change_only_with_what_is_said_of_them(watched: Callable[..., None]) -> None:
    """A changed rule does not let tokens expire once more; a changed ``given`` acts on the tokens at hand."""

    async def test(watched: Watched) -> None:
        watched.write(501, "{access_token: expired}")
        await watched.looks()
        await watched.begin()

        async def notes(token: str) -> int:
            return (await watched.client.get("/notes", headers={"Authorization": f"Bearer {token}"})).status_code

        for expected in (401, 200):
            token = (await watched.client.post("/gate", json=LOGIN)).json()["pass"]
            assert await notes(token) == expected
        watched.write(502, "{access_token: expired}")
        await watched.looks()
        assert (await watched.ping(), await notes(token)) == (502, 200)
        watched.write(503, "{access_token: revoked, refresh_token: revoked}")
        await watched.looks()
        assert (await watched.ping(), await notes(token)) == (503, 401)

    watched(test)


def test_data_that_are_not_there_leave_the_former_scenario(watched: Callable[..., None], tmp_path: Path) -> None:
    """A changed scenario that names an unknown data set is refused with its file, and the former stays."""
    (tmp_path / "fixtures").mkdir()

    async def test(watched: Watched) -> None:
        watched.write(501)
        await watched.looks()
        await watched.begin()
        watched.write(502, "{data: {fixture: nowhere}}")
        await watched.looks()
        assert await watched.ping() == 501
        assert "story.yaml: given.data.fixture: there is no data set 'nowhere'" in watched.said[0]

    watched(test)
