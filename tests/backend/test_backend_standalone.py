"""The backend alone under a real uvicorn: own process, real sockets, real time, no sadpath."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.backend.conftest import Serving

ADA = {"email": "ada@example.com", "password": "correct-horse"}


def _commands(root: Path) -> list[list[str]]:
    script = [sys.executable, str(root / "mockserver" / "run.py"), "--port", "0"]
    uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "--app-dir", str(root / "mockserver"), "run:create_app"]
    return [script, [*uvicorn, "--port", "0"]]


@pytest.mark.slow
@pytest.mark.parametrize("way", [0, 1])
def test_runs_alone(serving: Serving, root: Path, tmp_path: Path, way: int) -> None:
    """Both documented ways serve the whole API from any folder."""
    with serving(_commands(root)[way], tmp_path) as base, httpx.Client(base_url=base) as client:
        assert client.get("/users/1").status_code == 401
        tokens = client.post("/auth/login", json=ADA).json()
        client.headers["authorization"] = f"Bearer {tokens['access_token']}"
        user = client.get("/users/1")
        same = client.get("/users/1", headers={"if-none-match": user.headers["etag"]})
        order = client.post("/orders", json={"items": [{"sku": "TEA", "quantity": 1}]})
        out = client.post("/auth/logout")
        after = client.get("/users/1")

    assert (user.status_code, same.status_code, order.status_code) == (200, 304, 201)
    assert (out.status_code, after.status_code) == (204, 401)


@pytest.mark.slow
def test_seed_and_data_on_the_command_line(serving: Serving, root: Path, tmp_path: Path) -> None:
    """``--seed`` and ``--data`` choose what the shop holds."""
    command = [*_commands(root)[0], "--seed", "3", "--data", "wide-shop"]
    with serving(command, tmp_path) as base, httpx.Client(base_url=base) as client:
        tokens = client.post("/auth/login", json=ADA).json()
        users = client.get("/users", headers={"authorization": f"Bearer {tokens['access_token']}"}).json()

    assert users["meta"]["total"] == 500


@pytest.mark.slow
def test_request_in_flight_over_sockets(serving: Serving, root: Path, tmp_path: Path) -> None:
    """While one connection has sent half of a keyed POST, another with the same key gets 409, and later the answer."""
    body = b'{"items":[{"sku":"TEA","quantity":1}]}'
    with serving(_commands(root)[0], tmp_path) as base, httpx.Client(base_url=base) as client:
        tokens = client.post("/auth/login", json=ADA).json()
        fields = {
            "authorization": f"Bearer {tokens['access_token']}",
            "idempotency-key": "k",
            "content-type": "application/json",
        }
        url = httpx.URL(base)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        with socket.create_connection((url.host, url.port or 0)) as slow:
            slow.sendall(f"POST /orders HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode())
            slow.sendall(body[:10])
            # The head may still be on its way: a request with a body that is refused leaves the key alone.
            busy = client.post("/orders", content=b"{}", headers=fields)
            while busy.status_code == 422:
                busy = client.post("/orders", content=b"{}", headers=fields)
            slow.sendall(body[10:])
            answer = b""
            while not answer.endswith(b"}"):
                answer += slow.recv(65_536)
        repeat = client.post("/orders", content=body, headers=fields)

    assert (busy.status_code, busy.json()["type"]) == (409, "/problems/idempotency-in-progress")
    assert answer.startswith(b"HTTP/1.1 201")
    assert answer.endswith(repeat.content)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--data", "wide-shp"], "did you mean 'wide-shop'?"), (["--fixtures", "nowhere"], "there is no data set")],
)
def test_wrong_data_ends_the_start(root: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    """A data set that is not there ends the start with status 2 and one line, not with a traceback."""
    command = [*_commands(root)[0], *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
