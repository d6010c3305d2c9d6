"""Finding and reading scenario files.

A scenario's name is its path below ``scenarios/`` without the ending: ``retry/busy-twice``. The faults that a file may
name are those in ``vocabulary.FAULTS``; who wants the usual ones imports ``sadpath.faults`` before.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sadpath.core.errors import FileProblem, FileProblems, UsageError
from sadpath.core.names import nearest
from sadpath.scenario.filemodel import explain, field_path
from sadpath.scenario.model import Reading, Scenario
from sadpath.scenario.yamlfile import YamlFile

__all__ = ["ENDINGS", "LoadedScenario", "find", "load_all", "load_scenario", "read_scenario", "scenario_paths"]

ENDINGS = (".yaml", ".yml")
"""The endings by which a scenario file is known; lint wants the first."""


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario with what only its file knows: its name, where it is, and the comment that introduces it."""

    name: str
    scenario: Scenario
    file: YamlFile

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path or Path(self.file.name)

    @property
    def intro(self) -> str:
        """The comment before the first key: what, why, and by which source."""
        return intro_of(self.file.text)


def intro_of(text: str) -> str:
    """Return the comment at the top of a YAML text, without its hash signs."""
    lines: list[str] = []
    for line in text.removeprefix("\ufeff").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:].removeprefix(" ").rstrip())
    return "\n".join(lines).strip("\n")


def scenario_paths(folder: Path) -> dict[str, Path]:
    """Return the scenario files below a ``scenarios/`` folder by name, in the order of names.

    Files and folders whose names begin with a dot are left out.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        inside = path.relative_to(folder)
        if path.suffix in ENDINGS and path.is_file() and not any(part.startswith(".") for part in inside.parts):
            found.setdefault(inside.with_suffix("").as_posix(), path)
    return dict(sorted(found.items()))


def name_of(path: Path, root: Path | None) -> str:
    """Return a scenario's name: its path below ``scenarios/``, or the file's own name where it stands elsewhere."""
    full = path.resolve()
    folder = (root / "scenarios").resolve() if root is not None else None
    if folder is not None and full.is_relative_to(folder):
        return full.relative_to(folder).with_suffix("").as_posix()
    return path.stem


def load_scenario(path: Path, root: Path | None = None, context: Reading | None = None) -> LoadedScenario:
    """Read one scenario file of the workspace ``root``.

    Raises:
        FileProblems: with everything that is wrong with it.
    """
    file = YamlFile.load(path, root)
    return LoadedScenario(name_of(path, root), file.to_model(Scenario, context or Reading()), file)


def load_all(root: Path, context: Reading | None = None) -> list[LoadedScenario]:
    """Read every scenario of a workspace, in the order of names.

    Raises:
        FileProblems: with everything that is wrong with any of them.
    """
    return _load(list(scenario_paths(root / "scenarios").values()), root, context)


def find(root: Path, glob: str, context: Reading | None = None) -> list[LoadedScenario]:
    """Read the scenarios whose name matches ``glob``, such as ``retry/*``, in the order of names.

    Raises:
        UsageError: if there is none.
        FileProblems: with everything that is wrong with those that match.
    """
    paths = scenario_paths(root / "scenarios")
    chosen = [path for name, path in paths.items() if fnmatch.fnmatchcase(name, glob)]
    if not chosen:
        near = nearest(glob, paths)
        raise UsageError(f"no scenario matches {glob!r}" + (f" (did you mean {near!r}?)" if near else ""))
    return _load(chosen, root, context)


def _load(paths: list[Path], root: Path, context: Reading | None) -> list[LoadedScenario]:
    loaded: list[LoadedScenario] = []
    problems: list[FileProblem] = []
    for path in paths:
        try:
            loaded.append(load_scenario(path, root, context))
        except FileProblems as error:
            problems.extend(error.problems)
    if problems:
        raise FileProblems(problems)
    return loaded


def read_scenario(data: Any, where: str = "the scenario", context: Reading | None = None) -> Scenario:
    """Return a scenario from plain data, such as JSON that was sent; ``where`` stands in for a file's name.

    Raises:
        FileProblems: with everything that is wrong with it.
    """
    if not isinstance(data, dict):
        raise FileProblems([FileProblem(where, "a scenario must be a mapping")])
    try:
        return Scenario.model_validate(data, context=context or Reading())
    except ValidationError as error:
        raise FileProblems(
            FileProblem(where, item.message, None, field_path(item.place, data), item.nearest)
            for item in explain(error, data, Scenario)
        ) from error
    except RecursionError as error:
        raise FileProblems([FileProblem(where, "the nesting is too deep")]) from error
