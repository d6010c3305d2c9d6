"""The formats in which results are written beside ``results.json``, each into a file of its own."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from sadpath.core.errors import UsageError
from sadpath.core.names import nearest
from sadpath.report.comparison import Comparison
from sadpath.verify.results import Results, prepare_folder

__all__ = ["FORMATS", "Format", "chosen", "write_reports"]

Render = Callable[[Results, Comparison | None], str]


@dataclass(frozen=True)
class Format:
    """One format: its file's name, and where what renders it is."""

    file: str
    renderer: str

    def render(self, results: Results, comparison: Comparison | None = None) -> str:
        """Return the text of the file."""
        module, _, name = self.renderer.partition(":")
        return cast("Render", getattr(importlib.import_module(module), name))(results, comparison)


FORMATS: Final[dict[str, Format]] = {
    "html": Format("report.html", "sadpath.report.page:render_html"),
    "junit": Format("junit.xml", "sadpath.report.junit:render_junit"),
    "markdown": Format("report.md", "sadpath.report.markdown:render_markdown"),
    "badge": Format("badge.svg", "sadpath.report.badge:render_badge"),
    "github": Format("annotations.txt", "sadpath.report.github:render_github"),
}
"""The formats by name, in the order in which they are written."""


def chosen(text: str | None) -> list[str]:
    """Return the formats that a list such as ``html,junit`` names, without one all of them.

    Raises:
        UsageError: for a name that is none of theirs.
    """
    if text is None:
        return list(FORMATS)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in FORMATS:
            near = nearest(name, FORMATS)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(FORMATS)}"
            raise UsageError(f"--format {text}: {name!r} is no format; {hint}")
    return [name for name in FORMATS if name in names]


def write_reports(
    results: Results, folder: Path, names: Iterable[str] = tuple(FORMATS), comparison: Comparison | None = None
) -> list[Path]:
    """Write results in the formats named into a folder, and return the files.

    Raises:
        UsageError: where nothing can be written there.
    """
    prepare_folder(folder)
    written = []
    for name in names:
        path = folder / FORMATS[name].file
        text = FORMATS[name].render(results, comparison)
        whole = path.with_name(f".{path.name}.new")
        try:
            whole.write_text(text, encoding="utf-8", newline="\n")
            whole.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                whole.unlink()
            raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
        written.append(path)
    return written
