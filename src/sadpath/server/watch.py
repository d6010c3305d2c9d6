"""Which files of a workspace have changed: by looking, for no notification works on every file system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["FolderWatch"]

Stamp = tuple[int, int, int]


class FolderWatch:
    """Compares what stands in some folders of a workspace with what stood there when it was asked last."""

    def __init__(self, root: Path, folders: tuple[str, ...]) -> None:
        self._root = root
        self._folders = folders
        self._seen = self._look()

    def changes(self) -> list[str]:
        """Return the paths, relative to the root, of files that are new, gone or different; sorted."""
        before, self._seen = self._seen, self._look()
        return sorted(path for path in before.keys() | self._seen.keys() if before.get(path) != self._seen.get(path))

    def _look(self) -> dict[str, Stamp]:
        return {
            path.relative_to(self._root).as_posix(): stamp
            for folder in self._folders
            for path, stamp in _files(self._root / folder)
        }


def _files(folder: Path) -> Iterator[tuple[Path, Stamp]]:
    """Yield files with what changes when they do; hidden ones, caches and editors' copies are left out."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith((".", "__pycache__")) or entry.name.endswith(("~", ".swp", ".tmp")):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                found = entry.stat()
                yield Path(entry.path), (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:  # it was there a moment ago
            continue
