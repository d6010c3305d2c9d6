"""What there is to list and to show: scenarios, faults, clauses and clients, looked up only when asked for."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from sadpath.core.errors import FileProblems
from sadpath.core.names import shown

if TYPE_CHECKING:
    from sadpath.scenario.vocabulary import FaultSettings
    from sadpath.workspace import Workspace

__all__ = ["Entry", "clauses", "clients", "faults", "lines", "scenario", "scenarios"]


@dataclass(frozen=True)
class Entry:
    """One thing in a listing: its name, what stands beside it, the facts for JSON, and how it is shown in full."""

    name: str
    columns: tuple[str, ...]
    facts: dict[str, Any]
    text: str = field(repr=False)
    problem: str | None = None


def scenarios(workspace: Workspace) -> list[Entry]:
    """Return the scenarios, by name; one that cannot be read says so."""
    return [scenario(workspace, name, path) for name, path in workspace.scenario_paths().items()]


def scenario(workspace: Workspace, name: str, path: Path) -> Entry:
    """Return one scenario."""
    from sadpath.scenario.yamlfile import shown_path  # noqa: PLC0415 - brings Pydantic

    shown = shown_path(path, workspace.root)
    facts: dict[str, Any] = {"name": name, "path": shown}
    try:
        loaded = workspace.load(name)
    except FileProblems as error:
        text = path.read_text(encoding="utf-8", errors="replace")
        return Entry(name, ("(cannot be read)",), {**facts, "title": None, "error": str(error)}, text, str(error))
    faults = sorted({fault.name for fault in loaded.scenario.all_faults()})
    facts |= {"title": loaded.scenario.title, "intro": loaded.intro, "faults": faults, "error": None}
    return Entry(name, (loaded.scenario.title,), facts, f"{shown}\n\n{loaded.file.text.rstrip()}")


def faults() -> list[Entry]:
    """Return the faults, in the order of families and names."""
    from sadpath.scenario.vocabulary import FAULTS, Family  # noqa: PLC0415 - brings Pydantic

    importlib.import_module("sadpath.faults")
    order = get_args(Family)
    kinds = sorted(FAULTS, key=lambda kind: (order.index(kind.family), kind.name))
    return [_fault(kind, [alias.name for alias in FAULTS.aliases(kind.name)]) for kind in kinds]


def _fault(kind: type[FaultSettings], aliases: list[str]) -> Entry:
    facts = {
        "name": kind.name,
        "family": kind.family,
        "phase": kind.phase,
        "summary": kind.summary,
        "worlds": list(kind.worlds),
        "protocols": list(kind.protocols),
        "in_http2": kind.in_http2,
        "aliases": aliases,
        "seen_by": kind.seen_by,
    }
    about = [("family", kind.family), ("phase", kind.phase), ("worlds", ", ".join(kind.worlds))]
    about += [("http", ", ".join(name.removeprefix("HTTP/") for name in kind.protocols))]
    about += [("http/2", kind.in_http2)] if kind.in_http2 else []
    about += [("aliases", ", ".join(aliases))] if aliases else []
    text = [f"{kind.name}: {kind.summary}", "", *_columns(about), "", *_doc(kind), ""]
    settings = [_setting(kind, name) for name in kind.model_fields]
    text += ["settings", *_columns(settings, indent="  ")] if settings else ["It has no settings."]
    if kind.seen_by:
        text += ["", "seen by", *_columns(list(kind.seen_by.items()), indent="  ")]
    return Entry(kind.name, (kind.family, " ".join(kind.protocols), kind.summary), facts, "\n".join(text))


def _doc(kind: type[FaultSettings]) -> list[str]:
    return (inspect.getdoc(kind) or "").replace("``", "`").splitlines()


def _setting(kind: type[FaultSettings], name: str) -> tuple[str, ...]:
    info = kind.model_fields[name]
    whole = kind.model_json_schema()
    facts = whole["properties"][info.alias or name]
    default = "required" if info.is_required() else f"default {shown(facts.get('default')).replace('null', 'none')}"
    scalar = f"also written `{kind.name}: …`" if kind.scalar == name else ""
    return (info.alias or name, " or ".join(_types_of(facts, whole)), default, scalar)


def _types_of(schema: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    """Return in a few words what a setting may be."""
    if "$ref" in schema:
        part = whole["$defs"][schema["$ref"].rpartition("/")[2]]
        keys = part.get("properties")
        return [f"{{{', '.join(keys)}}}"] if keys else _types_of(part, whole)
    if "enum" in schema:
        return [" | ".join(map(str, schema["enum"]))]
    pattern = schema.get("pattern", "")
    if "(ms|s|m|h|d)" in pattern:
        return ["duration"]
    if "KiB" in pattern:
        return ["size"]
    found = [name for item in schema.get("anyOf", []) for name in _types_of(item, whole) if name != "null"]
    if found:
        unit = next((name for name in ("duration", "size") if name in found), None)
        plain = ("0", "whole number") if unit else ()
        return [name for name in dict.fromkeys(found) if name not in plain]
    if "const" in schema:
        return [str(schema["const"])]
    return [_TYPES.get(schema.get("type", ""), str(schema.get("type", "any value")))]


_TYPES = {"integer": "whole number", "string": "text", "object": "mapping", "array": "list", "boolean": "true | false"}


def clauses() -> list[Entry]:
    """Return the clauses, in the registry's order."""
    from sadpath.verify.clauses import all_clauses  # noqa: PLC0415 - brings the judge

    entries = []
    for clause in all_clauses():
        facts = {key: getattr(clause, key) for key in ("id", "family", "level", "title", "source")}
        lines = [f"{clause.id} ({clause.level}): the client {clause.title}", ""]
        lines += [f"source  {clause.source or 'the contract alone'}"]
        entries.append(Entry(clause.id, (clause.level, clause.title), facts, "\n".join(lines)))
    return entries


def clients(workspace: Workspace) -> list[Entry]:
    """Return the clients that have a contract, by name."""
    from sadpath.scenario.loader import intro_of  # noqa: PLC0415 - brings Pydantic
    from sadpath.scenario.yamlfile import shown_path  # noqa: PLC0415 - brings Pydantic

    entries = []
    for name, path in workspace.contract_paths().items():
        text = path.read_text(encoding="utf-8", errors="replace")
        intro = intro_of(text)
        shown = shown_path(path, workspace.root)
        facts = {"name": name, "path": shown, "intro": intro}
        entries.append(Entry(name, (intro.partition("\n")[0],), facts, f"{shown}\n\n{text.rstrip()}"))
    return entries


def _columns(rows: Sequence[tuple[str, ...]], indent: str = "") -> list[str]:
    """Return rows as lines whose columns stand below each other."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)] if rows else []
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


def lines(entries: list[Entry]) -> list[str]:
    """Return entries as the lines of a listing."""
    return _columns([(entry.name, *entry.columns) for entry in entries])
