"""Schemathesis reads the document of record and sends the backend what it allows, and what it forbids."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.backend.conftest import Serving


@pytest.mark.slow
def test_schemathesis_finds_nothing(serving: Serving, root: Path, tmp_path: Path) -> None:
    """All checks and phases over all operations, over real sockets, the same cases each time: nothing is found."""
    here, contract = root / "tests" / "backend", root / "contracts" / "api" / "openapi.yaml"
    server = [sys.executable, str(root / "mockserver" / "run.py"), "--port", "0"]
    schemathesis = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(here / "schemathesis_hooks.py")}
    with serving(server, tmp_path) as base:
        command = [*schemathesis, "--config-file", str(here / "schemathesis.toml"), "run", str(contract), "--url", base]
        done = subprocess.run(
            [*command, "--checks", "all", "--no-color", "--warnings", "off"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    tested = re.search(r"Tested: (\d+)", done.stdout)
    generated = re.search(r"(\d+) generated", done.stdout)

    assert done.returncode == 0, done.stdout + done.stderr
    assert tested
    assert tested[1] == "12"
    assert generated
    assert int(generated[1]) > 500
