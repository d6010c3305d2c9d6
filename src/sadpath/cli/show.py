"""``sadpath show``: one scenario, fault, clause or client in full."""

from __future__ import annotations

from typing import Annotated

import typer

from sadpath.cli import _catalogue
from sadpath.cli._base import RootOption, say, verb
from sadpath.core.errors import UsageError
from sadpath.core.names import nearest

__all__ = ["show"]


def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A scenario, fault, clause or client.", show_default=False)
    ],
    *,
    root: RootOption = None,
) -> None:
    """Show a scenario, fault, clause or client: its text and its source."""
    from sadpath.workspace import find_workspace  # noqa: PLC0415 - brings Pydantic

    workspace = find_workspace(root)
    paths = workspace.scenario_paths()
    others = [*_catalogue.faults(), *_catalogue.clauses(), *_catalogue.clients(workspace)]
    aliases = {alias: entry for entry in others for alias in entry.facts.get("aliases", ())}
    found = [_catalogue.scenario(workspace, name, paths[name])] if name in paths else []
    found += [entry for entry in others if entry.name in (name, name.upper())]
    if not found and name in aliases:
        found = [aliases[name]]
    if not found:
        near = nearest(name, [*paths, *(entry.name for entry in others), *aliases])
        hint = f" (did you mean {near!r}?)" if near else ""
        raise UsageError(f"there is no scenario, fault, clause or client {name!r}{hint}; see `sadpath list`")
    say("\n\n".join(entry.text for entry in found))


verb(show)
