"""What is wrong with a roles file that its model cannot see: where it disagrees with the OpenAPI document beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sadpath.core.errors import FileProblem
from sadpath.core.names import nearest
from sadpath.scenario.lint import lint_intro
from sadpath.scenario.lint_api import lint_api
from sadpath.scenario.loader import intro_of
from sadpath.scenario.roles import Roles
from sadpath.scenario.yamlfile import YamlFile

__all__ = ["lint_roles"]

_VERBS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")


def lint_roles(path: Path, root: Path | None = None) -> list[FileProblem]:
    """Return everything that is wrong, or worth knowing, in the order of the lines.

    Raises:
        FileProblems: if the file, or the OpenAPI document, cannot be read.
    """
    file = YamlFile.load(path, root)
    roles = file.to_model(Roles)
    found = [problem for problem in lint_intro(file.name, intro_of(file.text)) if "Source" not in problem.message]
    document = path.parent / roles.api
    if not document.is_file():
        found.append(file.problem(f"there is no OpenAPI document {roles.api!r} beside this file", "api"))
    else:
        data = YamlFile.load(document, root).data
        described = _operations(data)
        found += _compare(file, roles, described)
        found += lint_api(file, roles, data)
    return sorted(found, key=lambda problem: problem.line or 0)


def _operations(document: Any) -> dict[str, tuple[str, str]]:
    """Return method and path by ``operationId``, as far as the document has the form of one."""
    found: dict[str, tuple[str, str]] = {}
    paths = document.get("paths") if isinstance(document, dict) else None
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for verb in _VERBS:
            operation = item.get(verb) if isinstance(item, dict) else None
            if isinstance(operation, dict) and isinstance(operation.get("operationId"), str):
                found[operation["operationId"]] = (verb.upper(), str(path))
    return found


def _compare(file: YamlFile, roles: Roles, described: dict[str, tuple[str, str]]) -> Iterator[FileProblem]:
    for name, operation in roles.operations.items():
        if name not in described:
            message = f"{roles.api} has no operation {name!r}"
            yield file.problem(message, "operations", name, near=nearest(name, described))
        elif described[name] != (operation.method, operation.path):
            method, path = described[name]
            yield file.problem(f"{roles.api} has it at {method} {path}", "operations", name)
    for name in sorted(set(described) - set(roles.operations)):
        note = file.problem(f"{roles.api} has an operation {name!r} without a role", "operations")
        note.level = "note"
        yield note
