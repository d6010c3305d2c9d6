"""What the control API gives out in other people's formats: HTTP Archives, and its own OpenAPI document."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from sadpath.server.runner import LiveServer
from sadpath.server.thread import LiveServerThread
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

_TEXT = {"type": "string"}
_PAIRS = {
    "type": "array",
    "items": {"type": "object", "required": ["name", "value"], "properties": {"name": _TEXT, "value": _TEXT}},
}
_MILLISECONDS = {"type": "number", "minimum": 0}
HAR: dict[str, Any] = {
    "type": "object",
    "required": ["log"],
    "properties": {
        "log": {
            "type": "object",
            "required": ["version", "creator", "entries"],
            "properties": {
                "version": {"const": "1.2"},
                "creator": {"type": "object", "required": ["name", "version"]},
                "pages": {"type": "array"},
                "entries": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["startedDateTime", "time", "request", "response", "cache", "timings"],
                        "properties": {
                            "startedDateTime": {"type": "string", "format": "date-time"},
                            "time": _MILLISECONDS,
                            "connection": _TEXT,
                            "cache": {"type": "object"},
                            "timings": {
                                "type": "object",
                                "required": ["send", "wait", "receive"],
                                "additionalProperties": _MILLISECONDS,
                            },
                            "request": {
                                "type": "object",
                                "required": ["method", "url", "httpVersion", "cookies", "headers", "queryString",
                                             "headersSize", "bodySize"],
                                "properties": {"method": _TEXT, "url": {"type": "string", "format": "uri"},
                                               "headers": _PAIRS, "queryString": _PAIRS,
                                               "headersSize": {"type": "integer"}, "bodySize": {"type": "integer"}},
                            },
                            "response": {
                                "type": "object",
                                "required": ["status", "statusText", "httpVersion", "cookies", "headers", "content",
                                             "redirectURL", "headersSize", "bodySize"],
                                "properties": {
                                    "status": {"type": "integer"}, "statusText": _TEXT, "redirectURL": _TEXT,
                                    "headers": _PAIRS,
                                    "content": {"type": "object", "required": ["size", "mimeType"],
                                                "properties": {"size": {"type": "integer"}, "mimeType": _TEXT}},
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}  # fmt: skip
"""The members that HAR 1.2 asks for, with their types."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The reference workspace's server."""
    with LiveServerThread(LiveServer(Workspace(REFERENCE))) as thread:
        yield thread.base_url


def test_a_journal_becomes_an_archive(url: str) -> None:
    """A HAR holds every exchange, those without an answer too; sums of timings are right and no token stands in it."""
    faults = [{"on": "*", "plan": ["pass", {"delay": "30ms"}, {"status": 404}, {"truncate": 5}, "close", "reset"]}]
    with httpx.Client(base_url=url, trust_env=False) as client:
        made = client.post("/__admin/sessions", json={"name": "har"}).json()
        client.put("/__admin/sessions/har/scenario", json={"inline": {"title": "t", "faults": faults}})
        tokens = client.post("/s/har/auth/login", json=made["login"]).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        for _ in range(5):
            try:
                client.get("/s/har/users/1?x=1&y=&y=%20", headers=bearer)
            except httpx.TransportError:
                continue
        archive = client.get("/__admin/sessions/har/journal?format=har").json()

    jsonschema.validate(archive, HAR, format_checker=jsonschema.FormatChecker())
    entries = archive["log"]["entries"]
    assert [entry["response"]["status"] for entry in entries] == [200, 200, 404, 200, 0, 0]
    assert entries[1]["request"]["url"] == f"{url}/s/har/users/1?x=1&y=&y=%20"
    assert entries[1]["request"]["queryString"] == [
        {"name": "x", "value": "1"}, {"name": "y", "value": ""}, {"name": "y", "value": " "}
    ]  # fmt: skip
    assert entries[1]["time"] >= 30
    for entry in entries:
        assert entry["time"] == pytest.approx(sum(entry["timings"].values()))
    assert [entry["_ended"]["how"] for entry in entries] == ["complete", "complete", "complete", "fin", "fin", "rst"]
    assert [fault["name"] for entry in entries for fault in entry["_fault"]["fired"]] == [
        "delay", "status", "truncate", "close", "reset"
    ]  # fmt: skip
    assert tokens["access_token"] not in json.dumps(archive)
    assert tokens["refresh_token"] not in json.dumps(archive)


def test_the_document_names_every_route(url: str) -> None:
    """Each path and method of the document answers, and the page shows them all without asking anybody else."""
    document = httpx.get(f"{url}/__admin/openapi.json", trust_env=False).json()
    page = httpx.get(f"{url}/__admin/docs", trust_env=False)

    assert page.headers["content-type"].startswith("text/html")
    assert re.findall(r'(?:src|href)="([^"]*)"', page.text) == ["openapi.json"]
    for path, operations in document["paths"].items():
        for method in operations:
            if method == "parameters":
                continue
            assert f"<b>{method.upper()}</b> /__admin{path}" in page.text
            if path == "/events":
                continue
            where = f"{url}/__admin{path}".replace("{id}", "nobody")
            answer = httpx.request(method, where, trust_env=False, timeout=60)
            assert answer.status_code != 405
    assert document["openapi"].startswith("3.1")


def test_an_unknown_format_is_refused(url: str) -> None:
    """A journal has three formats."""
    answer = httpx.get(f"{url}/__admin/sessions/default/journal?format=xml", trust_env=False)

    assert answer.status_code == 422
    assert answer.json()["field"] == "format"


@pytest.mark.slow
def test_schemathesis_finds_nothing_in_the_control_api(url: str, tmp_path: Path) -> None:
    """All checks over all operations but the endless one, over real sockets: nothing is found."""
    document = httpx.get(f"{url}/__admin/openapi.json", trust_env=False).json()
    (tmp_path / "control.json").write_text(json.dumps(document))
    (tmp_path / "schemathesis.toml").write_text(
        '[generation]\ndeterministic = true\nmax-examples = 40\ndatabase = "none"\n'
    )
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
        "--config-file", str(tmp_path / "schemathesis.toml"), "run", str(tmp_path / "control.json"),
        "--url", f"{url}/__admin", "--exclude-path", "/events", "--checks", "all", "--no-color", "--warnings", "off",
        "--request-timeout", "60", "--exclude-checks", "positive_data_acceptance,ignored_auth,unsupported_method",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    generated = re.search(r"(\d+) generated", done.stdout)
    linked = re.search(r"API Links: *(\d+) covered", done.stdout)

    assert done.returncode == 0, done.stdout + done.stderr
    assert generated
    assert int(generated[1]) > 200
    assert linked, done.stdout
    assert int(linked[1]) >= 6  # sessions that were made are used, by the links of the document
