"""What ``docs/serve.md`` shows is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from sadpath.faults import FAULTS
from sadpath.scenario.loader import read_scenario
from sadpath.server.runner import LiveServer
from sadpath.server.thread import LiveServerThread
from sadpath.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")


def test_the_program_does_what_it_says() -> None:
    """A session meets its scenario, its clock is moved, and its journal tells of it."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    asked: list[int] = []
    printed: list[Any] = []

    def ask_my_client(base_url: str) -> None:
        asked.extend(httpx.get(f"{base_url}/users/1", trust_env=False).status_code for _ in range(2))

    with LiveServerThread(LiveServer(Workspace(ROOT))) as thread:
        names = {"ask_my_client": ask_my_client, "print": printed.append}
        exec(program.replace("http://127.0.0.1:8080", thread.base_url), names)  # noqa: S102 - our own documentation

    assert asked == [503, 503]
    (journal,) = printed
    assert [event["status"] for event in journal["events"] if event["event"] == "exchange"] == [503, 503]


def test_commands_are_those_of_the_program() -> None:
    """Every option and route that the page names exists."""
    command = [sys.executable, "-m", "sadpath", "serve", "--help"]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"COLUMNS": "200", "PATH": ""}
    ).stdout
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", PAGE)) - {"--cacert", "--http2-prior-knowledge"}:
        assert option in told
    with LiveServerThread(LiveServer(Workspace(ROOT))) as thread:
        document = httpx.get(f"{thread.base_url}/__admin/openapi.json", trust_env=False).json()
    known = {path.replace("{id}", "<id>") for path in document["paths"]} | {"/docs", "/openapi.json"}
    for route in re.findall(r"/__admin(/[\w./<>]*\w>?)", PAGE):
        assert route in known


def test_every_fault_of_bytes_has_its_row_for_http2() -> None:
    """The table says of each fault what it is over HTTP/2 where its own words say that it is not the same."""
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", PAGE.partition("| fault | over HTTP/2 |")[2], re.MULTILINE)
    told = {name: text for names, text in rows for name in re.findall(r"`(\w+)`", names)}
    own = {kind.name: kind for kind in FAULTS if kind.in_http2}

    assert set(told) - set(own) == {"delay"}
    assert set(own) <= set(told)
    assert {name for name, text in told.items() if text == "not there: 500"} == {
        kind.name for kind in FAULTS if "HTTP/2" not in kind.protocols
    }
    assert {name for name, text in told.items() if text.endswith("over HTTP/1 a 500 that says so")} == {
        kind.name for kind in FAULTS if "HTTP/1" not in kind.protocols
    }


def test_the_scenario_of_http2_can_be_read() -> None:
    """The rules that the page shows are rules."""
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (rule,) = read_scenario({"title": "Shown", **YAML(typ="safe").load(shown)}).faults

    assert [step[0].name for step in rule.steps()] == ["rst_stream", "goaway", "goaway"]
