"""What holds for the checkout as a whole: sizes, folders, words, and what the wheel carries."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "mockserver").rglob("*.py")])
CONTENT = ("mockserver", "contracts", "fixtures", "scenarios")

LONG_MODULES: dict[str, str] = {}
"""Modules over 400 lines, each with the reason why it is one."""

LONG_FUNCTIONS: dict[str, str] = {}
"""Functions over 50 lines, each with the reason why it is one."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_modules_stay_under_400_lines() -> None:
    """A module has at most 400 lines, unless it is listed with a reason."""
    long = {_name(path) for path in CODE if len(path.read_text().splitlines()) > 400}

    assert long == set(LONG_MODULES)


def test_functions_stay_under_50_lines() -> None:
    """A function has at most 50 lines, unless it is listed with a reason."""
    long = set()
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 50:
                    long.add(f"{_name(path)}:{node.name}")

    assert long == set(LONG_FUNCTIONS)


@pytest.mark.parametrize("folder", CONTENT)
def test_content_folders_are_no_packages(folder: str) -> None:
    """A content folder has no ``__init__.py``: it would shadow, or be shadowed by, a package of that name."""
    assert list((ROOT / folder).rglob("__init__.py")) == []


def test_every_ignore_gives_its_reason() -> None:
    """Each ``noqa`` and ``type: ignore`` names a code and says why."""
    bare = []
    for path in [*CODE, *sorted((ROOT / "tests").rglob("*.py"))]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = line.split("# noqa", 1) if "# noqa" in line else line.split("# type: ignore", 1)
            if len(code) == 2 and not re.match(r"(: [A-Z0-9, ]+|\[[a-z-, ]+\]) *(- |# )\S", code[1]):
                bare.append(f"{_name(path)}:{number}")

    assert [place for place in bare if "house/" not in place] == []


def test_time_and_chance_come_from_core_alone() -> None:
    """Only the clock and the client's own ports touch the machine's time and randomness."""
    banned = re.compile(
        r"\btime\.(sleep|time|monotonic|perf_counter)\b|\basyncio\.sleep\b|\bdatetime\.now\b|\brandom\.\w+\("
        r"|\buuid4\b|\bsecrets\.\w+\(|\burandom\b"
    )
    allowed = {"src/sadpath/core/clock.py", "src/sadpath/client/ports.py"}
    found = [
        f"{_name(path)}:{number}"
        for path in CODE
        if path.is_relative_to(ROOT / "src") and _name(path) not in allowed and "/sim/" not in path.as_posix()
        for number, line in enumerate(_code_of(path), 1)
        if banned.search(line)
    ]

    assert found == []


def _code_of(path: Path) -> list[str]:
    """Return a file's lines with strings and comments blanked, so that prose may speak of time."""
    import io
    import tokenize

    lines = path.read_text().splitlines()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            for row in range(token.start[0], token.end[0] + 1):
                text = lines[row - 1]
                start = token.start[1] if row == token.start[0] else 0
                end = token.end[1] if row == token.end[0] else len(text)
                lines[row - 1] = text[:start] + " " * (end - start) + text[end:]
    return lines


def test_every_content_file_says_what_it_is() -> None:
    """Every YAML file of the workspace starts with a comment."""
    silent = [
        _name(path)
        for folder in CONTENT
        for path in sorted((ROOT / folder).rglob("*.yaml"))
        if not path.read_text().startswith("#")
    ]

    assert silent == []


def test_what_is_tracked_in_content_folders_is_what_the_wheel_hook_takes() -> None:
    """The wheel's reference workspace holds exactly the tracked files of the four folders."""
    import sys

    sys.path.insert(0, str(ROOT))
    try:
        from hatch_build import ReferenceWorkspace
    finally:
        sys.path.remove(str(ROOT))
    data: dict[str, dict[str, str]] = {"force_include": {}}
    ReferenceWorkspace(str(ROOT), {}, None, None, "", "wheel").initialize("standard", data)  # type: ignore[arg-type] # hatch passes objects that this hook never reads
    taken = {path.removeprefix("sadpath/_reference/") for path in data["force_include"].values()}
    tracked = subprocess.run(
        ["git", "ls-files", *CONTENT], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()

    assert taken == set(tracked)
