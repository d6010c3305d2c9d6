"""``sadpath serve SOURCE``: another application or a server elsewhere, in the place of the workspace's backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., AbstractContextManager[Any]]

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    seam = scope["state"]["sadpath"]
    body = f'{scope["method"]} {scope["path"]} {seam.session}'.encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

def create_app():
    return app

class Inner:
    app = app

number = 7
"""

FAULTS = """
title: Busy
faults:
  - {on: {method: GET, path: /thing}, plan: [{status: 503}, reset]}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an application and a scenario, as the current one."""
    (tmp_path / "odd_shop.py").write_text(APP)
    (tmp_path / "broken_shop.py").write_text("import no_such_thing_at_all")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "busy.yaml").write_text(FAULTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["odd_shop:app", "odd_shop:create_app()", "odd_shop:Inner.app"])
def test_any_asgi_application_can_be_served(served: Start, shop: Path, name: str) -> None:
    """An application is found in the current folder; faults by method and path act before it, in any session."""
    assert shop.is_dir()
    with served(name, "--scenario", "busy") as running:
        assert f"serves {name} at http://" in running.lines[0]
        assert not any("login" in line for line in running.lines)
        assert json.loads(running.curl("/thing").stdout)["status"] == 503
        assert running.curl("/thing").returncode == 56
        assert running.curl("/thing").stdout == "GET /thing default"
        running.expect(r"GET /thing -> 503  status@request$")
        assert running.stop() == 0


def test_a_server_elsewhere_can_be_served(served: Start, shop: Path) -> None:
    """A URL is proxied: here to another such server, whose clients then meet the faults of both."""
    assert shop.is_dir()
    with served("odd_shop:app") as upstream, served(upstream.url, "--scenario", "busy") as running:
        assert f"serves {upstream.url} at http://" in running.lines[0]
        assert json.loads(running.curl("/thing").stdout)["status"] == 503
        assert running.curl("/thing").returncode == 56
        assert running.curl("/thing").stdout == "GET /thing default"
        upstream.expect(r"GET /thing -> 200$")
        upstream.stop()
        away = running.curl("-i", "/other").stdout
        assert "proxy-status: sadpath; error=connection_refused" in away
        running.expect(r"GET /other -> 502$")


def test_rules_that_can_match_nothing_are_spoken_of(served: Start, shop: Path) -> None:
    """A scenario for operations says at once that nothing is known of any; with roles of one's own it acts."""
    (shop / "scenarios" / "roles.yaml").write_text("title: R\nfaults: [{on: thing.get, fault: {status: 503}}]\n")
    roles = "operations:\n  thing.get: {role: read, method: GET, path: /thing}\n"
    with served("odd_shop:app", "--scenario", "roles") as running:
        assert any("contracts/api/roles.yaml is missing" in line for line in running.lines)
        assert running.curl("/thing").stdout == "GET /thing default"
    (shop / "contracts" / "api").mkdir(parents=True)
    (shop / "contracts" / "api" / "roles.yaml").write_text(roles)
    with served("odd_shop:app", "--scenario", "roles") as running:
        assert not any("is missing" in line for line in running.lines)
        assert json.loads(running.curl("/thing").stdout)["status"] == 503


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("odd_shop", "neither module:app, nor module:create_app(), nor a URL"),
        ("odd_shopp:app", "there is no module 'odd_shopp'"),
        ("odd_shop:ap", "the module 'odd_shop' has no 'ap'; did you mean 'app'?"),
        ("odd_shop:number", "odd_shop:number is no ASGI application but an int"),
        (
            "broken_shop:app",
            "broken_shop cannot be loaded: ModuleNotFoundError: No module named 'no_such_thing_at_all'",
        ),
        ("https://", "no URL of a server"),
    ],
)
def test_what_cannot_be_served_is_one_message(
    serve_fails: Callable[..., subprocess.CompletedProcess[str]], shop: Path, name: str, message: str
) -> None:
    """A source that is not there, or is none, ends the command with exit code 2 and one line."""
    assert shop.is_dir()
    done = serve_fails(name, "--port", "0", PYTHONPATH=os.pathsep.join(sys.path))

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
