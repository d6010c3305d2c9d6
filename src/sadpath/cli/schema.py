"""``sadpath schema``: the JSON Schema of a format, for editors and other tools."""

from __future__ import annotations

import importlib
import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from sadpath.cli._base import say, verb
from sadpath.core.errors import UsageError

__all__ = ["schema", "schema_of"]


class Kind(StrEnum):
    """The formats."""

    scenario = "scenario"
    contract = "contract"
    roles = "roles"
    case = "case"
    results = "results"


SOURCES = {
    Kind.scenario: "sadpath.scenario.schema:scenario_schema",
    Kind.contract: "sadpath.verify.contractfile:contract_schema",
    Kind.roles: "sadpath.scenario.schema:roles_schema",
    Kind.case: "sadpath.verify.stored:case_schema",
    Kind.results: "sadpath.verify.results:Results",
}
"""Where each format is defined: a function that returns its schema, or its model."""

TITLES = {Kind.results: "Results of sadpath"}
"""What the schemas that come from a model are called."""


def schema(
    kind: Annotated[
        Kind, typer.Argument(metavar="KIND", help="scenario, contract, roles, case or results.", show_default=False)
    ],
) -> None:
    """Print the JSON Schema of a format."""
    say(json.dumps(schema_of(kind), indent=2, ensure_ascii=False))


def schema_of(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema of a format.

    Raises:
        UsageError: if this version does not have the format.
    """
    from sadpath.scenario.schema import model_schema  # noqa: PLC0415 - brings Pydantic

    importlib.import_module("sadpath.faults")
    module, _, name = SOURCES[kind].partition(":")
    try:
        source = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"this version of sadpath has no schema of {kind.value!r}") from error
    made: dict[str, Any] = model_schema(source, TITLES[kind]) if kind in TITLES else source()
    return made


verb(schema)
