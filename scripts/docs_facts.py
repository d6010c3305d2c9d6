"""What the pages are made from and of: data files, runs in the simulated world, paragraphs, tables and links."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

__all__ = ["GENERATED", "ROOT", "Rendered", "data", "links", "paragraph", "run", "table"]

ROOT = Path(__file__).resolve().parents[1]

GENERATED = "<!-- Made by scripts/docs; what you change here by hand is lost. -->"

WIDTH = 100
"""Columns of a paragraph."""


@dataclass
class Rendered:
    """Pages by their paths below ``docs/``, and what is wrong with the data files: each names the place to mend."""

    pages: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def add(self, page: str, lines: Sequence[str]) -> None:
        """Add a page."""
        self.pages[page] = "\n".join(lines) + "\n"


def data(folder: Path, name: str) -> Any:
    """Return what a data file says."""
    return YAML(typ="safe").load(folder / f"{name}.yaml")


@functools.cache
def run(client: str) -> dict[str, Any]:
    """Return the results of a client over the bundled scenarios, in the simulated world: the same ones each time.

    Raises:
        SystemExit: if there are none.
    """
    words = ["verify", client, "--world", "sim", "--seed", "0", "--examples", "0", "--format", "json"]
    command = [sys.executable, "-m", "sadpath.cli", *words, "--root", str(ROOT)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"sadpath verify {client} ended with {done.returncode}: {done.stderr.strip()}")
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def paragraph(text: str) -> list[str]:
    """Return text as the lines of a paragraph, and the empty one behind it."""
    return [*textwrap.wrap(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table as lines, and the empty one behind it; no lines without rows."""
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines, ""] if lines else []


def links(names: Sequence[str], form: str, most: int | None = None) -> str:
    """Return names as a list of links, cut short where there are more than ``most``; ``form`` holds ``{0}``."""
    shown = names[:most]
    text = ", ".join(form.format(name) for name in shown)
    return text + (f" and {len(names) - len(shown)} more" if len(shown) < len(names) else "")
