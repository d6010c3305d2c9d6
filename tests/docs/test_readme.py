"""What the documentation shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    """Return a document's code blocks in one language."""
    found = [text for name, text in BLOCK.findall(path.read_text()) if name == language]
    assert found, f"{path.name} has no block in {language}"
    return found


def likened(line: str) -> str:
    """Return a line with its numbers, digests and spaces made alike, for they differ from run to run."""
    line = re.sub(r"cases/[0-9a-f]{16}", "cases/DIGEST", line)
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)?", "N", line)).strip()


def in_order(wanted: list[str], lines: list[str]) -> str | None:
    """Return the first wanted line that does not follow in ``lines``, None where all do."""
    rest = iter(lines)
    return next((line for line in wanted if line not in rest), None)


def test_the_first_screen_shows_what_the_command_prints() -> None:
    """The output that the README shows is that of the command above it, times and widths of columns aside."""
    shown = next(text for text in blocks(README, "console") if "verify" in text).splitlines()
    command = shown[0].removeprefix("$ ").split()
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    wanted = [likened(line) for line in shown[1:] if line != "..."]

    assert done.returncode == 1
    assert in_order(wanted, [likened(line) for line in done.stdout.splitlines()]) is None


def test_the_pytest_example_passes(tmp_path: Path) -> None:
    """The test that the README shows runs as it stands, and passes."""
    (tmp_path / "test_example.py").write_text(blocks(README, "python")[0])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert "1 passed" in done.stdout, done.stdout


def test_the_scenario_example_is_a_scenario(tmp_path: Path) -> None:
    """The scenario that the README shows lints clean, and the reference client passes it."""
    (text,) = [text for text in blocks(README, "yaml") if "title:" in text]
    folder = tmp_path / "scenarios" / "retry"
    folder.mkdir(parents=True)
    (folder / "busy-twice.yaml").write_text(text)
    run = [sys.executable, "-m", "sadpath"]
    lint = subprocess.run(
        [*run, "lint", str(folder / "busy-twice.yaml")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    words = ["verify", "--scenario", "retry/busy-twice", "--examples", "0", "--root", str(tmp_path)]
    verify = subprocess.run([*run, *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert lint.returncode == 0, lint.stdout + lint.stderr
    assert verify.returncode == 0, verify.stdout + verify.stderr


def test_the_fault_example_is_a_fault() -> None:
    """The fault that CONTRIBUTING shows registers and answers as it says."""
    code = blocks(CONTRIBUTING, "python")[0] + (
        "\nfrom sadpath.scenario.model import Scenario\n"
        "scenario = Scenario.model_validate({'title': 'x', 'faults': [{'on': '*', 'plan': ['teapot']}]})\n"
        "print(scenario.all_faults()[0].name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)

    assert done.stdout.strip() == "teapot", done.stderr


@pytest.mark.parametrize("path", [README, CONTRIBUTING, ROOT / "ARCHITECTURE.md", ROOT / "SECURITY.md"], ids=str)
def test_links_and_places_exist(path: Path) -> None:
    """Every relative link, and every scenario named after ``--scenario``, is there."""
    text = path.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    named = [name for name in re.findall(r"--scenario ([\w/-]+)", text) if "<" not in name]

    assert [link for link in links if not (ROOT / link).exists()] == []
    assert [name for name in named if not (ROOT / "scenarios" / f"{name}.yaml").exists()] == []
