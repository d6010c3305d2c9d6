"""Reading contract files: ``extends``, names that must exist, and problems with file, line and field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sadpath.core.errors import FileProblem, FileProblems
from sadpath.core.names import nearest, shown
from sadpath.scenario.filemodel import Place, Trouble, explain
from sadpath.scenario.yamlfile import YamlFile
from sadpath.verify.baseline import read_baseline, troubles_of
from sadpath.verify.clauses import all_clauses
from sadpath.verify.contract import Contract, ContractFile, ExpectedFailure, Policy
from sadpath.verify.policy import merge

__all__ = ["contract_schema", "read_contract"]

_REPLACED = ("driver", "clauses")
"""Keys whose mapping is replaced as a whole: half of one driver and half of another would drive nothing."""


def contract_schema() -> dict[str, Any]:
    """Return the JSON Schema of a contract file."""
    schema = ContractFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A client's contract"}


def read_contract(path: Path, root: Path | None = None) -> Contract:
    """Read a contract with everything that it extends; ``root`` shortens the names of files in messages.

    Raises:
        FileProblems: with everything that is wrong with one of the files, or with what they say together.
    """
    files = _chain(path, root)
    data: dict[Any, Any] = {}
    for file in reversed(files):
        own = {key: value for key, value in file.data.items() if key != "extends"}
        data = merge({key: value for key, value in data.items() if not (key in _REPLACED and key in own)}, own)
    data = {key: value for key, value in data.items() if value is not None and key != "baseline"}
    data["profiles"] = {"published": {}, **data.get("profiles", {})}
    try:
        contract = Contract.model_validate(data)
    except ValidationError as error:
        raise _problems(files, explain(error, data, Contract)) from error
    if troubles := list(_whole(contract)):
        raise _problems(files, troubles)
    known = _baseline(files, contract.client, root)
    return contract.expecting(known).model_copy(update={"folder": path.resolve().parent})


def _baseline(files: Sequence[YamlFile], client: str, root: Path | None) -> Sequence[ExpectedFailure]:
    """Return what the baseline holds that a contract names; the nearest file that says something of it counts."""
    file = next((file for file in files if "baseline" in file.data), None)
    if file is None or file.path is None or file.data["baseline"] is None:
        return ()
    path = file.path.parent / file.data["baseline"]
    if not path.is_file():
        beside = [item.name for item in sorted(path.parent.glob("*.yaml"))]
        message = f"there is no file {shown(file.data['baseline'])}, as seen from this file's folder"
        raise FileProblems([file.problem(message, "baseline", near=nearest(path.name, beside))])
    baseline = read_baseline(path, root)
    if baseline.client != client:
        raise FileProblems([file.problem(f"is the baseline of {baseline.client}, not of {client}", "baseline")])
    return baseline.expected_failures


def _chain(path: Path, root: Path | None) -> list[YamlFile]:
    """Return the file and those that it extends, the file itself first."""
    files: list[YamlFile] = []
    seen: list[Path] = []
    while True:
        file = YamlFile.load(path, root)
        own = file.to_model(ContractFile)
        files.append(file)
        seen.append(path.resolve())
        if troubles := [*_names(own), *troubles_of(own.expected_failures or (), root)]:
            raise file.problems(troubles)
        if own.extends is None:
            return files
        path = _extended(file, own.extends, path)
        if path.resolve() in seen:
            raise FileProblems([file.problem("extends itself, by way of what it extends", "extends")])


def _extended(file: YamlFile, name: str, path: Path) -> Path:
    other = path.parent / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if not other.is_file():
        beside = [item.stem for item in sorted(path.parent.glob("*.yaml")) if item != path]
        message = f"there is no contract {shown(name)} beside this file"
        raise FileProblems([file.problem(message, "extends", near=nearest(name, beside))])
    return other


def _names(own: ContractFile) -> Iterator[Trouble]:
    """Yield what is wrong with the clauses that one file chooses."""
    ids = [clause.id for clause in all_clauses()]
    families = list(dict.fromkeys(clause.family for clause in all_clauses()))
    if isinstance(own.clauses, tuple):
        for index, name in enumerate(own.clauses):
            if name not in ids and name not in families:
                near = nearest(name, [*ids, *families])
                yield Trouble(("clauses", index), f"there is no clause or family {shown(name)}", near)


def _whole(contract: Contract) -> Iterator[Trouble]:
    """Yield what is wrong with the contract as a whole, though each file alone is right."""
    if not contract.driver.given:
        yield Trouble(("driver",), "names no way to drive the client, for example `python: package:factory`")
    for index, entry in enumerate(contract.expected_failures):
        for number, name in enumerate(entry.when.profile if entry.when is not None else ()):
            if name not in contract.profiles:
                place: Place = ("expected_failures", index, "when", "profile", number)
                yield Trouble(place, f"there is no profile {shown(name)}", nearest(name, contract.profiles))
    for name, changes in contract.profiles.items():
        data = merge(contract.policy.to_file(), changes)
        try:
            Policy.model_validate(data)
        except ValidationError as error:
            for trouble in explain(error, data, Policy):
                yield Trouble(("profiles", name, *trouble.place), trouble.message, trouble.nearest)


def _problems(files: list[YamlFile], troubles: list[Trouble]) -> FileProblems:
    """Return troubles of the merged data, each at the nearest file that says something about its place."""
    problems: list[FileProblem] = []
    for trouble in troubles:
        file = next((file for file in files if _holds(file.data, trouble.place)), files[0])
        problems.append(file.problem(trouble.message, *trouble.place, near=trouble.nearest))
    return FileProblems(problems)


def _holds(data: Any, place: Place) -> bool:
    for part in place:
        inside: dict[Any, Any] = dict(enumerate(data)) if isinstance(data, list) else data
        if not isinstance(inside, dict) or part not in inside:
            return False
        data = inside[part]
    return True
