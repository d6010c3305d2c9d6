"""A shell in which commands of this checkout are found by their names, as the pages write them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["environment_with"]


def environment_with(folder: Path, **programs: str) -> dict[str, str]:
    """Return an environment in which each of ``programs`` is this Python with these words, from a new ``folder``."""
    folder.mkdir()
    for name, words in programs.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
