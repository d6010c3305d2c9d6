"""``sadpath replay``: run a stored case again, or turn it into a scenario file or a test."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sadpath.cli._base import RootOption, say, verb
from sadpath.core.errors import UsageError

if TYPE_CHECKING:
    from sadpath.verify.replaying import Replayed
    from sadpath.verify.stored import StoredCase
    from sadpath.workspace import Workspace


class World(StrEnum):
    """Where the case runs."""

    sim = "sim"
    live = "live"


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A stored case, from .sadpath/cases/.")],
    *,
    world: Annotated[
        World | None,
        typer.Option("--world", show_default=False, help="Where it runs. Default: where it was found."),
    ] = None,
    scenario_out: Annotated[
        Path | None,
        typer.Option("--scenario-out", metavar="FILE", show_default=False, help="Write it as a scenario file too."),
    ] = None,
    pytest_out: Annotated[
        Path | None,
        typer.Option("--pytest-out", metavar="FILE", show_default=False, help="Write it as a pytest test too."),
    ] = None,
    root: RootOption = None,
) -> None:
    """Run a stored case again, print its timeline, and say whether it comes to the same.

    Exit codes: 0 every clause that it puts to the test holds; 1 the client falls short; 2 something has to be mended
    first; 3 nothing was proved.
    """
    from sadpath.verify.loop import leave  # noqa: PLC0415 - brings the judge
    from sadpath.verify.replaying import replay as run  # noqa: PLC0415 - as above
    from sadpath.verify.results import exit_code  # noqa: PLC0415 - brings Pydantic
    from sadpath.verify.stored import StoredCase  # noqa: PLC0415 - brings the judge

    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    stored = StoredCase.load(file)
    for path, text in ((scenario_out, stored.to_scenario), (pytest_out, stored.to_pytest)):
        if path is not None:
            _write(path, text())
    replayed = run(stored, _workspace(stored, root), None if world is None else world.value)
    _show(replayed)
    leave(exit_code(replayed.results()))


def _workspace(stored: StoredCase, root: Path | None) -> Workspace:
    """Return the workspace that is asked for, else the one that the case was found in, else the usual one."""
    from sadpath.workspace import find_workspace  # noqa: PLC0415 - brings Pydantic

    if root is None and stored.root is not None:
        root = Path(stored.root)
        if not root.is_dir():
            raise UsageError(f"the case was found in the workspace {root}, which is not here: say where with --root")
    return find_workspace(root)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    say(f"Written: {path}")


def _show(replayed: Replayed) -> None:
    from sadpath.report.replay import ReplayView, render_replay  # noqa: PLC0415 - brings Rich
    from sadpath.report.terminal import WIDTH  # noqa: PLC0415 - as above

    view = ReplayView(
        name=replayed.judged.played.case.scenario_name,
        schedule=replayed.schedule(),
        timeline=replayed.timeline(),
        results=replayed.results(),
        trace=_trace(replayed),
        verdict=_verdict(replayed),
    )
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((WIDTH, 24)).columns - 1 if terminal else WIDTH
    say(render_replay(view, width=width, color=terminal and "NO_COLOR" not in os.environ).rstrip("\n"))


def _trace(replayed: Replayed) -> str:
    same = replayed.same_trace
    if same is None:
        return ""
    if same:
        return f"Trace: the same as stored ({replayed.digest})."
    changed = replayed.stored.changed_versions()
    why = f"; {', '.join(changed)}" if changed else ", so the client, the backend or sadpath has changed"
    return f"Trace: not the one that was stored{why}."


def _verdict(replayed: Replayed) -> str:
    runs = "" if replayed.runs == 1 and not _several(replayed) else f" (best of {_tries(replayed)})"
    if replayed.same_verdict:
        broken = ", ".join(replayed.stored.broken)
        return f"Verdict: the same as stored: {f'{broken} broken' if broken else 'nothing broken'}{runs}."
    parts = []
    if replayed.mended:
        parts.append(f"{', '.join(replayed.mended)} not broken any more")
    if replayed.newly_broken:
        parts.append(f"{', '.join(replayed.newly_broken)} broken, which was not before")
    return f"Verdict: another than stored: {'; '.join(parts) or 'the case could not be judged'}{runs}."


def _several(replayed: Replayed) -> bool:
    return replayed.world == "live" and replayed.stored.parallel


def _tries(replayed: Replayed) -> str:
    from sadpath.verify.replaying import BEST_OF  # noqa: PLC0415 - brings the judge

    return f"{BEST_OF}, run {replayed.runs}"


verb(replay)
