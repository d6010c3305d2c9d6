"""``sadpath show``: one scenario, fault, clause or client in full."""

from __future__ import annotations

from typing import Annotated

import typer

from sadpath.cli import _catalogue
from sadpath.cli._base import RootOption, say, verb
from sadpath.core.errors import UsageError
from sadpath.core.names import nearest


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
    aliases = {alias: entry for entry in _catalogue.faults() for alias in entry.facts["aliases"]}
    every = [
        *_catalogue.scenarios(workspace),
        *_catalogue.faults(),
        *_catalogue.clauses(),
        *_catalogue.clients(workspace),
    ]
    found = [entry for entry in every if entry.name == name] or [entry for entry in every if entry.name == name.upper()]
    if not found and name in aliases:
        found = [aliases[name]]
    if not found:
        near = nearest(name, [*(entry.name for entry in every), *aliases])
        hint = f" (did you mean {near!r}?)" if near else ""
        raise UsageError(f"there is no scenario, fault, clause or client {name!r}{hint}; see `sadpath list`")
    say("\n\n".join(entry.text for entry in found))


verb(show)
