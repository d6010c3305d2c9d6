"""Kits for drivers: one file each, without dependencies, copied out by ``sadpath driver kit``.

``sadpath_driver.py`` is for Python 3.9 and newer, ``sadpath_driver.mjs`` for Node 20 and newer. Nothing here imports
anything of ours, for a kit lives in another project.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["KITS", "kit_path"]

KITS = {"python": "sadpath_driver.py", "javascript": "sadpath_driver.mjs"}
"""The file of each language's kit."""


def kit_path(language: str) -> Path:
    """Return where a language's kit is; ``language`` is one of ``KITS``."""
    return Path(__file__).with_name(KITS[language])
