"""Put the reference workspace into the wheel as ``sadpath/_reference/``.

Hatch's static ``force-include`` ignores ``.gitignore`` and leaves a stale copy behind in editable installs, so the
files are chosen here, and an editable build gets none: it finds the workspace in the checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("mockserver", "contracts", "fixtures", "scenarios")
SUFFIXES = {".py", ".yaml", ".json", ".html", ".txt", ".bin", ".md"}


class ReferenceWorkspace(BuildHookInterface[Any]):
    """Adds the four content folders to a standard wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Choose the files; ``version`` is ``"editable"`` for an editable install."""
        if version == "editable":
            return
        root = Path(self.root)
        for folder in FOLDERS:
            for path in sorted((root / folder).rglob("*")):
                inside = path.relative_to(root)
                hidden = any(part.startswith((".", "__")) or part.endswith(".local") for part in inside.parts)
                if path.is_file() and path.suffix in SUFFIXES and not hidden and ".local." not in path.name:
                    build_data["force_include"][str(path)] = f"sadpath/_reference/{inside.as_posix()}"
