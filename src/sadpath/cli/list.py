"""``sadpath list``: what there is, one line each."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from sadpath.cli import _catalogue
from sadpath.cli._base import Format, RootOption, say, verb

__all__ = ["list_"]


class Kind(StrEnum):
    """What can be listed."""

    scenarios = "scenarios"
    faults = "faults"
    clauses = "clauses"
    clients = "clients"


def list_(
    kind: Annotated[
        Kind, typer.Argument(metavar="KIND", help="scenarios, faults, clauses or clients.", show_default=False)
    ],
    *,
    root: RootOption = None,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.text,
) -> None:
    """List scenarios, faults, clauses or clients."""
    entries = _entries(kind, root)
    if form is Format.json:
        say(json.dumps([entry.facts for entry in entries], indent=2, ensure_ascii=False))
    else:
        for line in _catalogue.lines(entries):
            say(line)
    broken = [entry.problem for entry in entries if entry.problem is not None]
    if broken:
        typer.echo("\n".join(broken), err=True)
        raise typer.Exit(2)


def _entries(kind: Kind, root: RootOption) -> list[_catalogue.Entry]:
    from sadpath.workspace import find_workspace  # noqa: PLC0415 - brings Pydantic

    if kind is Kind.faults:
        return _catalogue.faults()
    if kind is Kind.clauses:
        return _catalogue.clauses()
    workspace = find_workspace(root)
    return _catalogue.scenarios(workspace) if kind is Kind.scenarios else _catalogue.clients(workspace)


verb(list_)
