"""``sadpath lint``: check scenario, contract and roles files."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sadpath.cli._base import Format, RootOption, say, verb
from sadpath.core.errors import FileProblem, FileProblems, UsageError

if TYPE_CHECKING:
    from sadpath.scenario.lint import Surroundings
    from sadpath.workspace import Workspace

__all__ = ["lint"]

ENDINGS = (".yaml", ".yml")


def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", show_default=False, help="Files or folders. Default: the whole workspace."),
    ] = None,
    *,
    root: RootOption = None,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.text,
) -> None:
    """Check scenario, contract and roles files; errors name file, line and field."""
    from sadpath.workspace import find_workspace  # noqa: PLC0415 - brings Pydantic

    paths = _expand(files or [])
    if root is None and paths:
        root = _root_of(paths[0])
    linter = _Linter(find_workspace(root))
    found = [problem for path in paths or linter.everything() for problem in linter.lint(path)]
    errors = [problem for problem in found if problem.level == "error"]
    if form is Format.json:
        say(json.dumps([_facts(problem) for problem in found], indent=2, ensure_ascii=False))
    else:
        for problem in found:
            say(str(problem))
        say(_summary(linter.checked, len(errors), len(found) - len(errors)))
    if errors:
        raise typer.Exit(2)


def _expand(given: list[Path]) -> list[Path]:
    """Return the files that are meant: a folder means the YAML files in it."""
    paths: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(item for item in path.rglob("*") if item.suffix in ENDINGS)
            if not inside:
                raise UsageError(f"{path} holds no YAML file")
            paths += inside
        else:
            paths.append(path)
    return paths


def _root_of(path: Path) -> Path | None:
    """Return the workspace that a file lies in, told by the content folder above it."""
    for folder in path.absolute().parents:
        if folder.name in ("scenarios", "contracts"):
            return folder.parent
    return None


def _facts(problem: FileProblem) -> dict[str, Any]:
    names = ("file", "line", "field", "message", "nearest", "level")
    return {name: getattr(problem, name) for name in names}


def _summary(files: int, errors: int, notes: int) -> str:
    def count(number: int, word: str) -> str:
        return f"{number} {word}{'' if number == 1 else 's'}"

    outcome = count(errors, "problem") if errors else "no problems"
    return f"{count(files, 'file')} checked: {outcome}" + (f", {count(notes, 'note')}" if notes else "")


class _Linter:
    """Checks files by what they are, which their place in the workspace tells."""

    def __init__(self, workspace: Workspace) -> None:
        self.checked = 0
        self._workspace = workspace
        self._around: Surroundings | None = None

    def everything(self) -> list[Path]:
        """Return the workspace's own files; what comes from the reference workspace is not its author's to mend."""
        workspace = self._workspace
        scenarios = [path for path in workspace.scenario_paths().values() if path.is_relative_to(workspace.root)]
        contracts = [path for path in workspace.contract_paths().values() if path.is_relative_to(workspace.root)]
        roles = [workspace.roles_path] if workspace.roles_path.is_relative_to(workspace.root) else []
        baselines = sorted((workspace.root / "contracts" / "baselines").glob("*.yaml"))
        return [*(path for path in roles if path.is_file()), *contracts, *baselines, *scenarios]

    def lint(self, path: Path) -> list[FileProblem]:
        """Return what is wrong with one file."""
        self.checked += 1
        try:
            if path.name == "roles.yaml":
                return self._roles(path)
            if path.absolute().parent.name == "baselines":
                return self._baseline(path)
            return self._contract(path) if self._is_contract(path) else self._scenario(path)
        except FileProblems as error:
            return list(error.problems)
        except FileProblem as error:
            return [error]

    def _is_contract(self, path: Path) -> bool:
        """Tell by the folder, or by the keys where a file lies somewhere else."""
        from sadpath.scenario.yamlfile import YamlFile  # noqa: PLC0415 - brings Pydantic

        folders = [folder.name for folder in path.absolute().parents]
        if "scenarios" in folders or "contracts" in folders:
            return folders[0] == "clients"
        data = YamlFile.load(path, self._workspace.root).data
        return isinstance(data, dict) and "title" not in data and bool({"client", "policy", "extends"} & set(data))

    def _roles(self, path: Path) -> list[FileProblem]:
        from sadpath.scenario.lint_roles import lint_roles  # noqa: PLC0415 - brings Pydantic

        return lint_roles(path, self._workspace.root)

    def _contract(self, path: Path) -> list[FileProblem]:
        from sadpath.scenario.lint import lint_intro  # noqa: PLC0415 - brings Pydantic
        from sadpath.scenario.loader import intro_of  # noqa: PLC0415 - brings Pydantic
        from sadpath.scenario.yamlfile import YamlFile  # noqa: PLC0415 - brings Pydantic
        from sadpath.verify.contract import load_contract  # noqa: PLC0415 - brings the judge

        file = YamlFile.load(path, self._workspace.root)
        load_contract(path, self._workspace.root)
        return list(lint_intro(file.name, intro_of(file.text)))

    def _baseline(self, path: Path) -> list[FileProblem]:
        from sadpath.verify.baseline import read_baseline  # noqa: PLC0415 - brings the judge

        read_baseline(path, self._workspace.root)
        return []

    def _scenario(self, path: Path) -> list[FileProblem]:
        from sadpath.scenario.lint import lint_scenario  # noqa: PLC0415 - brings Pydantic
        from sadpath.scenario.loader import load_scenario  # noqa: PLC0415 - brings Pydantic

        importlib.import_module("sadpath.faults")
        loaded = load_scenario(path, self._workspace.owner("scenarios"))
        named = "scenarios" in (folder.name for folder in path.absolute().parents)
        return lint_scenario(loaded, self._surroundings(), named=named)

    def _surroundings(self) -> Surroundings:
        """Return what is known of the workspace; broken roles are their own file's problem, not each scenario's."""
        from sadpath.scenario.lint import Surroundings  # noqa: PLC0415 - brings Pydantic

        if self._around is None:
            try:
                self._around = self._workspace.surroundings()
            except FileProblems:
                fixtures = self._workspace.fixtures
                self._around = Surroundings(None, self._workspace.clients(), fixtures.data_sets(), fixtures.payloads())
        return self._around


verb(lint)
