"""``sadpath verify --all``: every client that has a contract, as far as its libraries and languages are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.places import TOP

QUIET = """\
# Nothing goes wrong. Source: none.
title: Nothing goes wrong
calls:
  - users.get: {id: 1}
"""


def test_a_language_that_is_not_there_stops_nobody(tmp_path: Path) -> None:
    """Without node and a JDK their clients are a line that says what to install, and the others are put to the test."""
    path = tmp_path / "scenarios" / "calm" / "calm.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(QUIET)
    (tmp_path / "bin").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "sadpath", "verify", "--all", "--examples", "0", "--jobs", "1", "--report", "out"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOP), "PATH": str(tmp_path / "bin")},
    )
    table = done.stdout.partition("\n\n")[0].splitlines()
    lines = {words[0]: words[1:] for words in map(str.split, table)}
    results = json.loads((tmp_path / "out" / "results.json").read_text())

    assert done.returncode == 0, done.stdout + done.stderr
    assert lines["axios-retry"][:2] == ["not", "installed"]
    assert lines["java-http-client"][:2] == ["not", "installed"]
    assert "axios-retry was not put to the test: the driver axios-retry.mjs needs `node`" in done.stdout
    assert lines["reference"][0] == "sim"
    assert lines["hishel"][0] == "sim"
    assert [client["name"] for client in results["clients"]] == sorted(client["name"] for client in results["clients"])
    assert {client["name"] for client in results["clients"] if client["missing"]} >= {"axios-retry", "java-http-client"}
