"""Which files have changed since the last look."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sadpath.server.watch import FolderWatch


@pytest.fixture
def watch(tmp_path: Path) -> FolderWatch:
    """A watch over two folders, one of which is not there."""
    for name in ("a/one.yaml", "a/deep/two.yaml", "other/three.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return FolderWatch(tmp_path, ("a", "missing"))


def appear(root: Path) -> None:
    """Make a folder that was missing."""
    (root / "missing").mkdir()
    (root / "missing" / "new.yaml").write_text("new")


def replace(root: Path) -> None:
    """Replace a file as editors do, keeping its size and time."""
    old = root / "a" / "one.yaml"
    found = old.stat()
    new = root / "a" / ".one.yaml.new"
    new.write_text("A/one.yaml")
    os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))
    new.replace(old)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda root: (root / "a" / "one.yaml").write_text("longer than before"), ["a/one.yaml"]),
        (lambda root: os.utime(root / "a" / "one.yaml", ns=(1, 1)), ["a/one.yaml"]),
        (lambda root: (root / "a" / "deep" / "two.yaml").unlink(), ["a/deep/two.yaml"]),
        (
            lambda root: (root / "a" / "deep" / "two.yaml").rename(root / "a" / "2.yaml"),
            ["a/2.yaml", "a/deep/two.yaml"],
        ),
        (replace, ["a/one.yaml"]),
        (appear, ["missing/new.yaml"]),
        (lambda root: (root / "other" / "three.yaml").write_text("elsewhere"), []),
        (lambda root: (root / "a" / ".one.yaml.swp").write_text("an editor's"), []),
        (lambda root: (root / "a" / "one.yaml~").write_text("an editor's"), []),
        (lambda root: (root / "a" / "__pycache__").mkdir(), []),
    ],
)
def test_a_look_finds_what_changed(
    watch: FolderWatch, tmp_path: Path, change: Callable[[Path], object], expected: list[str]
) -> None:
    """New, changed, replaced, renamed and deleted files are found once; editors' and others' are not."""
    assert watch.changes() == []
    change(tmp_path)
    assert watch.changes() == expected
    assert watch.changes() == []


def test_a_link_that_leads_in_a_circle_is_no_trap(watch: FolderWatch, tmp_path: Path) -> None:
    """A link to a folder around it is not followed."""
    (tmp_path / "a" / "circle").symlink_to(tmp_path / "a")

    assert len(watch.changes()) <= 1
