"""The backend under test, and somebody to ask it: real requests over ASGI, with a session of their own."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import os
import re
import select
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from sadpath.workspace import load_backend
from tests.support.places import REFERENCE

ADA = {"email": "ada@example.com", "password": "correct-horse"}
GRACE = {"email": "grace@example.com", "password": "battery-staple"}


@dataclass
class Clock:
    """A session's clock that moves only when told to."""

    elapsed: float = 0.0
    start: float = 1_800_000_000.25

    def now(self) -> float:
        """Seconds since the start."""
        return self.elapsed

    def wall(self) -> float:
        """Unix seconds."""
        return self.start + self.elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.elapsed += seconds


@dataclass
class Session:
    """The seam as an engine would fill it; keeps the effects it is told of."""

    session: str
    seed: int = 0
    data: str | None = None
    clock: Clock = field(default_factory=Clock)
    rotate: bool = True
    effects: list[str] = field(default_factory=list)

    def effect(self, effect_id: str) -> None:
        """Keep an effect's id."""
        self.effects.append(effect_id)


class Visitor:
    """Asks an app on behalf of one session; after ``sign_in`` with an access token."""

    def __init__(self, app: FastAPI, session: Session) -> None:
        self.app = app
        self.session = session
        self.access: str | None = None
        self.refresh: str | None = None
        self.swallow = False
        """Whether an exception that gets out of the app is dropped, as a server would after logging it."""

    async def asend(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | httpx.Headers | None = None,
        token: str | None = "own",
    ) -> httpx.Response:
        """Send one request; ``token`` is the access token to show, ``"own"`` for the visitor's, ``None`` for none."""
        shown = self.access if token == "own" else token
        fields = httpx.Headers(headers)
        if shown and "authorization" not in fields:
            fields["authorization"] = f"Bearer {shown}"
        transport = httpx.ASGITransport(self._with_seam, raise_app_exceptions=not self.swallow)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            return await client.request(method, path, json=json, content=content, headers=fields)

    def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """``asend`` from code that is not async."""
        return asyncio.run(self.asend(method, path, **given))

    def get(self, path: str, **given: Any) -> httpx.Response:
        """GET."""
        return self.send("GET", path, **given)

    def post(self, path: str, json: Any = None, **given: Any) -> httpx.Response:
        """POST."""
        return self.send("POST", path, json=json, **given)

    async def asign_in(self, who: Mapping[str, str] = ADA) -> Visitor:
        """Sign in and keep the tokens."""
        answer = await self.asend("POST", "/auth/login", json=who, token=None)
        assert answer.status_code == 200, answer.text
        self.access, self.refresh = answer.json()["access_token"], answer.json()["refresh_token"]
        return self

    def sign_in(self, who: Mapping[str, str] = ADA) -> Visitor:
        """``asign_in`` from code that is not async."""
        return asyncio.run(self.asign_in(who))

    def trade_in(self, token: str | None) -> httpx.Response:
        """Refresh with a token."""
        return self.post("/auth/refresh", {"refresh_token": token}, token=None)

    async def _with_seam(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"sadpath": self.session}
        await self.app(scope, receive, send)


Enter = Callable[..., Visitor]
Serving = Callable[[list[str], Path], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def root() -> Path:
    """The workspace."""
    return REFERENCE


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """One app for all tests; each test has sessions of its own."""
    return load_backend(REFERENCE)


@pytest.fixture(scope="session")
def backend(app: FastAPI) -> Callable[[str], ModuleType]:
    """Gives a module of ``mockserver/`` by its name."""
    package = type(app).__module__.split(".")[0]
    return lambda name: importlib.import_module(f"{package}.{name}")


@pytest.fixture(scope="session")
def enter(app: FastAPI) -> Enter:
    """Makes a visitor with a new session, or with the session that is given, signed out."""
    numbers = itertools.count(1)

    def make(session: Session | None = None, **given: Any) -> Visitor:
        return Visitor(app, session or Session(f"s{next(numbers)}", **given))

    return make


@pytest.fixture(scope="session")
def serving() -> Serving:
    """Runs a server in a folder; inside the context it listens, at the base URL that the context gives."""

    @contextmanager
    def serve(command: list[str], folder: Path) -> Iterator[str]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        log = folder / "server.log"
        with log.open("w") as sink:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=sink, stderr=sink)
        try:
            while not (found := re.search(r"Uvicorn running on (\S+)", log.read_text())):
                assert process.poll() is None, log.read_text()
                select.select([], [], [], 0.02)
            yield found[1]
        finally:
            process.terminate()
            process.wait(timeout=10)

    return serve


@pytest.fixture
def ada(enter: Enter) -> Visitor:
    """Ada, signed in, in a session of her own."""
    return enter().sign_in(ADA)


@pytest.fixture
def grace(enter: Enter, ada: Visitor) -> Visitor:
    """Grace, signed in, in Ada's session."""
    return enter(ada.session).sign_in(GRACE)
