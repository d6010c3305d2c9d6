"""``sadpath serve --watch``: changed files are taken in, broken ones are not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import REFERENCE

Start = Callable[..., AbstractContextManager[Any]]


def story(plan: str) -> str:
    """Return a scenario about ``health``."""
    return f"# A story.\ntitle: A story\nfaults:\n  - on: health\n    fault: {plan}\n"


def test_a_changed_scenario_is_in_force_and_a_broken_one_is_not(served: Start, workspace: Path) -> None:
    """A scenario in use is reloaded when its file changes; while it is broken, or gone, the former stays in force."""
    file = workspace / "scenarios" / "health" / "story.yaml"
    file.write_text(story("{status: 501}"))

    def status(running: Any) -> str:
        shown: str = running.curl("/health", "-w", "%{http_code}", "-o", "/dev/null").stdout
        return shown

    with served("--root", str(workspace), "--scenario", "health/story", "--watch") as running:
        assert status(running) == "501"
        file.write_text(story("{status: 502}"))
        running.expect(r"^scenarios/health/story\.yaml has changed: in force from the next exchange on$")
        assert status(running) == "502"

        file.write_text(story("{staus: 504}"))
        running.expect(r"^scenarios/health/story\.yaml has changed, but the former scenario stays in force:$")
        running.expect(r"story\.yaml:5: .*staus.*did you mean 'status'")
        assert status(running) == "502"

        file.unlink()
        running.expect(r"^scenarios/health/story\.yaml is gone, but the scenario stays in force$")
        assert status(running) == "502"

        (workspace / "scenarios" / "health" / "busy.yaml").write_text("not used by anybody")
        file.write_text(story("{status: 504}"))
        running.expect("story.yaml has changed: in force")
        assert status(running) == "504"
        assert running.stop() == 0
        assert not any("busy.yaml" in line for line in running.lines)


@pytest.fixture
def own(workspace: Path) -> Path:
    """A workspace with a backend of its own."""
    (workspace / "mockserver").mkdir()
    (workspace / "contracts" / "api").mkdir(parents=True)
    shutil.copy(REFERENCE / "contracts" / "api" / "roles.yaml", workspace / "contracts" / "api" / "roles.yaml")
    write(workspace, "first")
    return workspace


def write(root: Path, name: str) -> None:
    """Write a backend that says its name; the name stands in a second module."""
    (root / "mockserver" / "app.py").write_text(
        "from fastapi import FastAPI\nfrom .name import NAME\napp = FastAPI()\n\n\n"
        "@app.get('/health')\nasync def health() -> str:\n    return NAME\n"
    )
    (root / "mockserver" / "name.py").write_text(f"NAME = {name!r}\n")


def test_a_changed_backend_takes_the_former_ones_place(served: Start, own: Path) -> None:
    """A change in any module of the backend is taken in; a broken one is said with file and line and left alone."""
    with served("--root", str(own), "--watch") as running:
        assert running.curl("/health").stdout == '"first"'
        write(own, "second")
        running.expect(r"^mockserver/\S+( and \d more)? changed: the backend begins anew")
        assert running.curl("/health").stdout == '"second"'

        (own / "mockserver" / "name.py").write_text("NAME =\n")
        running.expect(r"^mockserver/name\.py changed, but the former backend stays in force:$")
        running.expect(r"mockserver/name\.py:1: is not valid Python")
        assert running.curl("/health").stdout == '"second"'

        write(own, "third")
        running.expect("the backend begins anew")
        assert running.curl("/health").stdout == '"third"'
        assert running.stop() == 0
        assert running.process.stderr.read() == ""


def test_without_watch_nothing_is_taken_in(served: Start, own: Path) -> None:
    """Without ``--watch`` files may change as they like."""
    with served("--root", str(own)) as running:
        write(own, "second")
        assert [running.curl("/health", "-m", "2").stdout for _ in range(20)] == ['"first"'] * 20
