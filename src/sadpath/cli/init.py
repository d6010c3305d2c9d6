"""``sadpath init``: copy the reference workspace to start one's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from sadpath.cli._base import say, verb
from sadpath.core.errors import HarnessError, UsageError

__all__ = ["init"]

SUFFIXES = {".py", ".yaml", ".json", ".html", ".txt", ".bin", ".md"}
"""The endings of workspace files; the wheel carries the same ones (``hatch_build.py``)."""


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", show_default=False, help="Where to. Default: the current folder.")
    ] = Path(),
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there already.")] = False,
) -> None:
    """Copy the reference workspace, to start your own."""
    from sadpath.workspace import FOLDERS, reference_root  # noqa: PLC0415 - brings Pydantic

    source = reference_root()
    if source is None:
        raise HarnessError("the reference workspace is missing from this installation")
    files = [path for name in FOLDERS for path in _files(source / name)]
    _check(source, folder, files, force=force)
    try:
        for path in files:
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    _say_what_next(folder, len(files))


def _files(folder: Path) -> list[Path]:
    """Return what belongs to a workspace: no caches, no hidden files, nothing that is one machine's own."""
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder.parent).parts
        own = any(part.startswith((".", "__")) or part.endswith(".local") for part in parts) or ".local." in path.name
        if path.is_file() and path.suffix in SUFFIXES and not own:
            found.append(path)
    return found


def _check(source: Path, folder: Path, files: list[Path], *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    if folder.resolve() == source.resolve():
        raise UsageError(f"{folder} is the reference workspace itself")
    there = [folder / path.relative_to(source) for path in files if (folder / path.relative_to(source)).exists()]
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{there[0]}{more} would be overwritten; use --force if that is what you want")


def _say_what_next(folder: Path, count: int) -> None:
    from sadpath.workspace import FOLDERS  # noqa: PLC0415 - as above

    where = "the current folder" if folder == Path() else str(folder)
    say(f"Copied the reference workspace to {where}: {count} files in {', '.join(name + '/' for name in FOLDERS)}")
    say("\nWhat next:")
    if folder != Path():
        say(f"  cd {folder}")
    say("  sadpath serve               the backend in mockserver/, made to misbehave by a scenario")
    say("  sadpath list scenarios      what can go wrong")
    say("  sadpath verify              judge the reference client by every scenario")
    say("  sadpath lint                check scenarios and contracts after an edit")


verb(init)
