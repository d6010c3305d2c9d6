"""A fixed series of calls, and a digest of every byte that was answered: run by a test in processes of its own.

``python transcript.py MOCKSERVER`` prints one line for each data set, and last whether Faker and PyJWT were imported
before they were needed.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import sys
from typing import Any

import httpx


class Seam:
    """A session whose clock stands still."""

    session = "transcript"
    seed = 11

    def __init__(self, data: str) -> None:
        self.data = data
        self.clock = self
        self.effects: list[str] = []

    def now(self) -> float:
        """Seconds."""
        return 0.0

    def wall(self) -> float:
        """Unix seconds."""
        return 1_800_000_000.0

    def effect(self, effect_id: str) -> None:
        """Keep the id."""
        self.effects.append(effect_id)


async def transcript(app: Any, data: str) -> str:
    """The digest of what a session of this data set answers."""
    seam, digest = Seam(data), hashlib.sha256()

    async def with_seam(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = {"sadpath": seam}
        await app(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_seam), base_url="http://shop.test") as client:
        login = await client.post("/auth/login", json={"email": "ada@example.com", "password": "correct-horse"})
        client.headers["authorization"] = f"Bearer {login.json()['access_token']}"
        refresh = {"refresh_token": login.json()["refresh_token"]}
        order = {"items": [{"sku": "TEA", "quantity": 1}]}
        answers = [
            login,
            await client.post("/auth/refresh", json=refresh),
            await client.get("/users?limit=100"),
            await client.get("/orders?limit=100"),
            await client.get("/orders?limit=3"),
            await client.get("/settings"),
            await client.post("/orders", json=order, headers={"idempotency-key": "k"}),
            await client.post("/orders", json=order, headers={"idempotency-key": "k"}),
            await client.post("/users", json={"user_name": "x", "email_address": "a@b"}),
            await client.put("/users/3", json={"user_name": "x"}),
            await client.delete("/users/4"),
            await client.post("/users", json={"a": 1, "b": 2}),
            await client.request("PATCH", "/users/1"),
            await client.get("/users/4"),
            await client.post("/auth/refresh", json=refresh),
            await client.get("/openapi.json"),
        ]
    for answer in answers:
        digest.update(json.dumps([answer.status_code, answer.headers.multi_items()]).encode())
        digest.update(answer.content)
    digest.update(json.dumps(seam.effects).encode())
    return digest.hexdigest()


def main() -> None:
    """Print the digests."""
    sys.path.insert(0, sys.argv[1])
    app = importlib.import_module("run").create_app()
    early = sorted({"faker", "jwt"} & set(sys.modules))
    for data in ("small-shop", "wide-shop"):
        sys.stdout.write(f"{data} {asyncio.run(transcript(app, data))}\n")
    sys.stdout.write(f"early: {early}\n")


if __name__ == "__main__":
    main()
