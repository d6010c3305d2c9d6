"""``sadpath init``: start a workspace of one's own, by the reference one, or by an API's own OpenAPI document."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Annotated, Any

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
    api: Annotated[
        Path | None,
        typer.Option("--api", metavar="FILE", show_default=False, help="Start from this OpenAPI document instead."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there already.")] = False,
) -> None:
    """Copy the reference workspace, to start your own; or, with --api, begin one for an API that you have."""
    if api is not None:
        _for_an_api(folder, api, force=force)
        return
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


def _for_an_api(folder: Path, api: Path, *, force: bool) -> None:
    """Write what a workspace for an API of one's own needs besides backend and client."""
    from sadpath.scenario.guess_roles import guess_roles  # noqa: PLC0415 - brings Pydantic
    from sadpath.scenario.yamlfile import YamlFile  # noqa: PLC0415 - as above
    from sadpath.scenario.yamltext import to_yaml  # noqa: PLC0415 - as above

    if not api.is_file():
        raise UsageError(f"--api {api}: there is no such file")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    name = "openapi.json" if api.suffix == ".json" else "openapi.yaml"
    roles = guess_roles(YamlFile.load(api).data, name)
    texts = {
        f"contracts/api/{name}": api.read_text(encoding="utf-8"),
        "contracts/api/roles.yaml": to_yaml(roles, _ROLES.format(api=name)),
        "contracts/clients/mine.yaml": _CONTRACT,
        "scenarios/busy/once.yaml": to_yaml(_scenario(roles["operations"]), _BUSY),
    }
    there = [folder / path for path in texts if (folder / path).exists() and (folder / path).resolve() != api.resolve()]
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{there[0]}{more} would be overwritten; use --force if that is what you want")
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    where = "the current folder" if folder == Path() else str(folder)
    say(f"Began a workspace for {api} in {where}: {', '.join(texts)}")
    say("\nWhat next (docs/own-api.md):")
    say("  contracts/api/roles.yaml    correct what each operation is for, and say who can sign in")
    say("  mockserver/app.py           put your backend there, or import it: a FastAPI application")
    say("  contracts/clients/mine.yaml say how your client is driven, and what it promises")
    say("  sadpath lint                see whether all of it fits together")


_CONTRACT = """\
# What our client promises. What is left out is not asked of it.
# Source: what its users are told
client: mine
driver: {stdio: python driver.py}
capabilities: [retry]
policy:
  timeouts: {read: 2s, total: 10s}
  retry: {max_retries: 1, statuses: [502, 503, 504], methods: idempotent}
"""

_ROLES = """\
What each operation of this API is for, as far as its OpenAPI document tells. Correct it: what is wrong here, sadpath
cannot see. docs/own-api.md says what else can be said: who signs in, how errors look, what ends a session.
Source: {api}, by sadpath init"""

_BUSY = """\
The first read meets a busy server, and the second attempt would be answered.
Source: RFC 9110 §15.6.4"""


def _scenario(operations: dict[str, Any]) -> dict[str, Any]:
    """Return a first scenario: about the plainest read that there is."""
    reads = [
        (found["path"].count("{"), _READING.index(found["role"]), name)
        for name, found in operations.items()
        if found["role"] in _READING
    ]
    calls = []
    if reads:
        name = min(reads)[2]
        calls = [{name: dict.fromkeys(re.findall(r"\{([^}]+)\}", operations[name]["path"]), 1)}]
    faults: list[dict[str, Any]] = [
        {"on": {"role": role}, "plan": [{"status": 503}]} for role in ("read", "list", "page")
    ]
    known = {found["role"] for found in operations.values()}
    faults = [rule for rule in faults if rule["on"]["role"] in known]
    return {"title": "Busy once", "faults": faults, **({"calls": calls} if calls else {})}


_READING = ("read", "list", "page")


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
