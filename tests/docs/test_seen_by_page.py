"""docs/reference/seen-by.md and the words of the faults say the same, and the command that makes the page works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import sadpath.faults  # noqa: F401 - registers the faults
from sadpath.cli import _catalogue
from sadpath.scenario.model import Reading
from sadpath.scenario.rules import Fault
from sadpath.scenario.vocabulary import FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "seen-by.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    part = TEXT.partition(f"{heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\) \| ", line[2:-2]) for line in lines[2:]]


def run(*words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command that meets faults."""
    environment = os.environ | ({} if path is None else {"PATH": path})
    command = [sys.executable, "scripts/seen_by.py", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False, env=environment)


def test_every_fault_has_a_row() -> None:
    """The page has one row for each fault, in the order in which they are listed, and each leads to the fault."""
    names = [entry.name for entry in _catalogue.faults()]

    assert [row[0] for row in rows("## Faults")] == [f"[`{name}`](faults.md#{name})" for name in names]


@pytest.mark.parametrize(("column", "tool"), [(1, "curl"), (2, "httpx"), (3, "browser")])
def test_the_faults_say_of_themselves_what_was_seen(column: int, tool: str) -> None:
    """What a fault's own words say of curl, httpx and the browser is what the page has measured."""
    said = [entry.facts["seen_by"][tool] for entry in _catalogue.faults()]

    assert [row[column].replace("\\|", "|") for row in rows("## Faults")] == said


def test_no_tool_was_missing() -> None:
    """The page that is kept is one for which every tool was at hand, and says the version of each."""
    versions = rows("# What faults look like from outside")

    assert [row[0] for row in versions] == ["curl", "httpx", "Chromium", "Node's fetch", "openssl s_client"]
    assert all(re.fullmatch(r"\d+(\.\d+)+", row[1]) for row in versions), versions
    assert "not asked" not in TEXT
    assert all(cell for row in rows("## Faults") for cell in row)


def test_every_certificate_was_looked_at() -> None:
    """Each fault that is about TLS alone has what openssl says of it."""
    about_tls = [f"`{kind.name}`" for kind in FAULTS if getattr(kind, "secure", False)]

    assert sorted(row[0] for row in rows("## Certificates")) == sorted(about_tls)


def test_the_forms_are_those_of_the_faults() -> None:
    """Every fault was met in at least one form, and each form can be read as a scenario has it."""
    met = []
    for label, written, _ in rows("## As they were met"):
        fault = Fault.model_validate(YAML(typ="safe").load(written.strip("`")), context=Reading())
        assert label.split()[0] == fault.name
        met.append(fault.name)

    assert list(dict.fromkeys(met)) == [entry.name for entry in _catalogue.faults()]


@pytest.mark.slow
def test_it_is_seen_again() -> None:
    """Met again with the tools that are at hand, a reset connection still looks as the page has it."""
    done = run("reset")

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^  curl +exit 56$", done.stdout, re.MULTILINE)
    assert re.search(r"^  httpx +ReadError$", done.stdout, re.MULTILINE)


@pytest.mark.slow
def test_missing_tools_are_named(tmp_path: Path) -> None:
    """Where a tool is not at hand it is named, nothing is said of what it would have seen, and the others are asked."""
    done = run("reset", path=str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    for tool in ("curl", "Node's fetch", "openssl s_client", "Chromium"):
        assert f"{tool} is not asked: there is no " in done.stdout
    assert done.stdout.splitlines()[-2:] == ["reset", "  httpx     ReadError"]


def test_a_fault_that_nobody_knows_is_refused() -> None:
    """A name that is not in the catalogue is told as such, before anything is met."""
    done = run("rest")

    assert (done.returncode, done.stdout) == (2, "")
    assert "rest is no fault" in done.stderr
