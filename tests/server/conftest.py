"""A small backend of another shape than the reference one, and servers to put it behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario
from sadpath.scenario.roles import Roles
from sadpath.server.runner import LiveServer

LIFETIME = 600

ROLES: dict[str, Any] = {
    "tokens": {"access": "pass", "refresh": "renewal", "expires_in": "lasts"},
    "operations": {
        "gate.enter": {"role": "login", "method": "POST", "path": "/gate"},
        "gate.renew": {"role": "refresh", "method": "POST", "path": "/gate/renewal"},
        "gate.leave": {"role": "logout", "method": "POST", "path": "/gate/exit"},
        "notes.list": {"role": "list", "method": "GET", "path": "/notes"},
        "notes.get": {"role": "read", "method": "GET", "path": "/notes/{id}"},
        "notes.add": {"role": "create", "method": "POST", "path": "/notes"},
        "ping": {"role": "public", "method": "GET", "path": "/ping"},
    },
}


@dataclass
class Door:
    """The tokens and notes of one session."""

    given_out: int = 0
    entered: dict[str, float] = field(default_factory=dict)
    """Access tokens with the wall time at which they expire."""
    renewals: dict[str, str] = field(default_factory=dict)
    """Unused refresh tokens with their access token."""
    notes: list[str] = field(default_factory=list)


class Notes:
    """An ASGI backend with sign-in and notes; each session has its own state.

    Args:
        hooks: whether it offers hooks to the engine.
        clock: whether it heeds the session's clock.
        rotates: whether a refresh hands out another refresh token.
    """

    def __init__(self, *, hooks: bool = True, clock: bool = True, rotates: bool = True) -> None:
        self.doors: dict[str, Door] = {}
        self.clock = clock
        self.rotates = rotates
        self.lifespan: list[str] = []
        self.state = self if hooks else None

    @property
    def sadpath_hooks(self) -> Notes:
        """The hooks: this object has them itself."""
        return self

    def reset(self, session: str) -> None:
        """Forget a session."""
        self.doors.pop(session, None)

    def expire(self, session: str, kind: Literal["access", "refresh"]) -> None:
        """Let a session's tokens expire."""
        self.revoke(session, kind)

    def revoke(self, session: str, kind: Literal["access", "refresh", "all"]) -> None:
        """Let a session's tokens be revoked."""
        door = self.doors.get(session, Door())
        if kind in ("access", "all"):
            door.entered.clear()
        if kind in ("refresh", "all"):
            door.renewals.clear()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, members = self._answer(scope, body)
        content = json.dumps(members).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            self.lifespan.append(message["type"].removeprefix("lifespan."))
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    def _answer(self, scope: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        seam = scope["state"]["sadpath"]
        door = self.doors.setdefault(seam.session, Door())
        now = seam.clock.wall() if self.clock else 0.0
        path = scope["path"].removeprefix(scope["root_path"])
        token = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
        if path == "/ping":
            return 200, {"pong": seam.session}
        if path == "/flood":
            return 200, {"flood": "x" * 20_000_000}
        if path == "/gate":
            sent = json.loads(body)
            right = sent == {"email": "ada@example.com", "password": "correct-horse"}
            return (200, self._issue(door, seam.session, now)) if right else (401, {})
        if path == "/gate/renewal":
            renewal = json.loads(body)["renewal"]
            if renewal not in door.renewals:
                return 400, {"error": "invalid_grant"}
            if not self.rotates:
                return 200, {"pass": self._pass(door, seam.session, now), "lasts": LIFETIME}
            del door.renewals[renewal]
            return 200, self._issue(door, seam.session, now)
        if not now < door.entered.get(token, now):
            return 401, {"error": "invalid_token"}
        if path == "/gate/exit":
            del door.entered[token]
            door.renewals = {key: value for key, value in door.renewals.items() if value != token}
            return 200, {}
        if scope["method"] == "POST":
            door.notes.append(json.loads(body)["text"])
            seam.effect(f"n{len(door.notes)}")
        return 200, {"notes": door.notes, "session": seam.session, "seed": seam.seed, "data": seam.data}

    def _issue(self, door: Door, session: str, now: float) -> dict[str, Any]:
        entered = self._pass(door, session, now)
        renewal = f"renewal-{session}-{door.given_out}"
        door.renewals[renewal] = entered
        return {"pass": entered, "renewal": renewal, "lasts": LIFETIME}

    def _pass(self, door: Door, session: str, now: float) -> str:
        door.given_out += 1
        entered = f"pass-{session}-{door.given_out}"
        door.entered[entered] = now + LIFETIME
        return entered


@pytest.fixture
def notes() -> Callable[..., Notes]:
    """Makes backends."""
    return Notes


@pytest.fixture
def roles() -> Roles:
    """What the operations of ``Notes`` are for."""
    return Roles.model_validate(ROLES)


@pytest.fixture
def serve(roles: Roles) -> Callable[..., LiveServer]:
    """Makes servers of ``Notes``; each takes a free port."""

    def make(backend: Notes | None = None, **options: Any) -> LiveServer:
        return LiveServer(backend=Notes() if backend is None else backend, roles=roles, **options)

    return make


@pytest.fixture
def scenario() -> Callable[..., Scenario]:
    """Makes scenarios from what a file would hold; the title may be left out."""

    def make(**content: Any) -> Scenario:
        return read_scenario({"title": "A test", **content})

    return make
