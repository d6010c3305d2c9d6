"""Stored cases: a finding as a file, with all that it takes to see it again.

``.sadpath/cases/<digest>.json`` holds the scenario with nothing left to chance (``sadpath.verify.resolved``), the
client with its contract, the seed, the versions, the digest of the trace, and what the clauses said. The name's digest
is that of what is asked for, not of what came of it: the same schedule for the same client is the same file.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import tempfile
from contextlib import suppress
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

import sadpath
from sadpath.core.chance import Key
from sadpath.core.errors import FileProblem, FileProblems, UsageError
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.load import is_factory_name, load_driver
from sadpath.scenario.filemodel import FileModel, Several, explain, field_path
from sadpath.scenario.model import Parallel, Reading, Scenario
from sadpath.scenario.schema import model_schema, scenario_schema
from sadpath.verify.clients import make_client
from sadpath.verify.contract import Contract, DriverSpec
from sadpath.verify.contractfile import contract_schema
from sadpath.verify.judging import Judged
from sadpath.verify.played import Case, Client, WorldName
from sadpath.verify.resolved import resolved
from sadpath.verify.stage import session_name
from sadpath.verify.storedtest import pytest_text
from sadpath.workspace import reference_root

__all__ = ["FOLDER", "Said", "StoredCase", "StoredClient", "case_schema", "keep", "session_key"]

FOLDER = Path(".sadpath") / "cases"
"""Where cases are stored, below the current folder."""

_PACKAGES = ("anyio", "fastapi", "h11", "httpcore", "httptools", "httpx", "pydantic", "starlette", "uvicorn")
_DIGITS = 16


def session_key(case: Case) -> tuple[Key, ...]:
    """Return what all that a case leaves to chance is drawn from: as its session's ``Session.key``."""
    seed = case.seed if case.scenario.seed is None else case.scenario.seed
    return seed, session_name(case.scenario_name, case.client.name)


def keep(judged: Judged, folder: Path | None, *, trace: str | None = None, root: Path | None = None) -> str | None:
    """Store a case and return the command that replays it; None without a folder, or where nothing can be stored."""
    if folder is None or judged.played.trace is None:
        return None
    try:
        path = StoredCase.of(judged, trace=trace, root=root).save(folder)
    except UsageError:
        return None
    return f"sadpath replay {shlex.quote(str(path))}"


def case_schema() -> dict[str, Any]:
    """Return the JSON Schema of a stored case; the scenario and the contract in it are as their own files."""
    whole = model_schema(StoredCase, "A stored case of sadpath")
    parts = {"Scenario": scenario_schema(), "Contract": contract_schema()}
    for name, part in parts.items():
        whole["$defs"] |= part.pop("$defs")
        part.pop("$schema")
        whole["$defs"][name] = part
    return whole


class StoredClient(FileModel):
    """Which client it was: how it is driven, what it promises, and where modules of its own are found.

    ``command`` is what a command line named it by; ``folder`` is the contract's, as seen from where the case was
    stored.
    """

    name: Annotated[str, Field(min_length=1)]
    version: str = ""
    profile: str = ""
    command: str = ""
    folder: str | None = None
    contract: Contract


class Said(FileModel):
    """What a clause said of the case."""

    verdict: Literal["pass", "fail"]
    findings: Several[str] = ()


class StoredCase(FileModel):
    """One case as a file.

    ``name`` is the scenario's; with ``seed`` and the client's name it is the key of what a client leaves to chance.
    ``root`` is the workspace, where that was named. ``trace`` is the digest of the run, in the simulated world.
    ``said`` holds each clause that the case put to the test.
    """

    sadpath: str = sadpath.__version__
    format: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Annotated[str, Field(min_length=1)]
    seed: Annotated[int, Field(ge=0)] = 0
    world: WorldName = "sim"
    root: str | None = None
    scenario: Scenario
    client: StoredClient
    trace: str | None = None
    said: dict[str, Said] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)

    # Making and reading

    @classmethod
    def of(cls, judged: Judged, *, trace: str | None = None, root: Path | None = None) -> Self:
        """Return a case that was run and judged, with what was drawn in the run written down.

        Args:
            judged: the case.
            trace: the digest of the run, in the simulated world.
            root: the workspace, where it has to be named.
        """
        case = judged.played.case
        return cls(
            name=case.scenario_name,
            seed=case.seed,
            world=case.world,
            root=None if root is None else str(root),
            scenario=resolved(judged.played, session_key(case)),
            client=_stored_client(case.client),
            trace=trace,
            said={
                name: Said(
                    verdict="fail" if found.verdict == "fail" else "pass",
                    findings=tuple(item.sentence for item in found.findings),
                )
                for name, found in judged.judgements.items()
                if found.verdict in ("pass", "fail")
            },
            versions=_versions(),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a stored case.

        Raises:
            UsageError: where there is no such file, or it is no JSON.
            FileProblems: with everything that is wrong with it.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"the stored case {path} cannot be read: {why}") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str = "the stored case") -> Self:
        """Read a stored case from its text; ``where`` is what messages call it.

        Raises:
            UsageError: where it is no JSON.
            FileProblems: with everything that is wrong with it.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where} is no JSON: {error}") from error
        if not isinstance(data, dict):
            raise FileProblems([FileProblem(where, "a stored case must be a mapping")])
        try:
            return cls.model_validate(data, context=Reading())
        except ValidationError as error:
            raise FileProblems(
                FileProblem(where, item.message, None, field_path(item.place, data), item.nearest)
                for item in explain(error, data, cls)
            ) from error

    def save(self, folder: Path) -> Path:
        """Write the case into a folder, whole or not at all, and return the file's path.

        Raises:
            UsageError: where that is not possible.
        """
        path = folder / f"{self.digest}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{self.digest}-", suffix=".json")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(self.to_json())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except OSError as error:
            raise UsageError(f"the case cannot be stored in {folder}: {error.strerror or error}") from error
        return path

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(self.to_file(), indent=2, ensure_ascii=False) + "\n"

    def to_file(self) -> dict[str, Any]:
        """Return plain data, without what is not there."""
        out: dict[str, Any] = _without_none(self.model_dump(mode="json", by_alias=True))
        out["scenario"] = self.scenario.to_file()
        out["client"]["contract"] = _contract_to_file(self.client.contract)
        return out

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for what is asked for: the schedule, the client's promise, the seed."""
        about = {
            "scenario": self.scenario.to_file(),
            "seed": self.seed,
            "client": self.client.name,
            "contract": _contract_to_file(self.client.contract),
        }
        text = json.dumps(about, sort_keys=True, ensure_ascii=True)
        return blake2b(text.encode(), digest_size=_DIGITS // 2).hexdigest()

    # What it says

    @property
    def broken(self) -> list[str]:
        """The clauses that did not hold."""
        return [name for name, said in self.said.items() if said.verdict == "fail"]

    @property
    def parallel(self) -> bool:
        """Tell whether calls are made at the same time: then real sockets do not run it alike every time."""
        return any(isinstance(step, Parallel) for step in self.scenario.calls)

    # Using it

    async def open_client(self) -> Client:
        """Return the client, ready to be driven, by the promise that the case holds.

        Raises:
            UsageError: where it cannot be loaded, or offers less than it promised then.
            DriverError: where it cannot start.
        """
        stored = self.client
        folder = None if stored.folder is None else Path(stored.folder)
        contract = stored.contract.model_copy(update={"folder": folder})
        driver = load_driver(contract.driver, folder, name=stored.name, capabilities=contract.capabilities)
        try:
            client = make_client(contract, driver, await driver.hello(), profile=_PUBLISHED, command="")
        finally:
            await driver.close()  # the case may be run in another loop than this, in which it is started again
        return replace(client, profile=stored.profile)

    def case_for(self, client: Client, world: WorldName | None = None) -> Case:
        """Return the case for a client, in the world that it was stored from or another."""
        return Case(self.name, self.scenario, client, self.seed, world or self.world)

    def to_scenario(self) -> str:
        """Return the text of a scenario file with the same schedule and calls."""
        return self.scenario.to_yaml(self._comment())

    def to_pytest(self) -> str:
        """Return the text of a pytest module that fails until the client keeps what it breaks here."""
        return pytest_text(self)

    def changed_versions(self) -> list[str]:
        """Return what has another version than when the case was stored, in words."""
        now = {"sadpath": sadpath.__version__, **_versions()}
        then = {"sadpath": self.sadpath, **self.versions}
        return [
            f"{name} was {then[name]} and is {now[name]}" for name in then if name in now and then[name] != now[name]
        ]

    def _comment(self) -> str:
        lines = [f"Found by sadpath {self.sadpath} with the client {self.client.name}."]
        for name in self.broken:
            lines += [f"{name}: {sentence}" for sentence in self.said[name].findings[:1]]
        lines.append("Source: a case that a run has found; say here why it matters.")
        return "\n".join(lines)


_PUBLISHED = "published"


def _stored_client(client: Client) -> StoredClient:
    contract = client.contract.model_copy(
        update={"driver": _driver_of(client), "profiles": {_PUBLISHED: {}}, "folder": None}
    )
    return StoredClient(
        name=client.name,
        version=client.version,
        profile=client.profile,
        command=client.command,
        folder=_shown(client.contract.folder),
        contract=contract,
    )


def _driver_of(client: Client) -> DriverSpec:
    """Return how the client is driven, by a name under which it is found again."""
    driver = client.driver
    if not isinstance(driver, InProcessDriver):
        return client.contract.driver
    if is_factory_name(driver.name):
        return DriverSpec(python=driver.name)
    factory = driver.factory
    name = f"{getattr(factory, '__module__', '')}:{getattr(factory, '__qualname__', '')}"
    return client.contract.driver if "<" in name or name.startswith(":") else DriverSpec(python=name)


def _shown(folder: Path | None) -> str | None:
    """Return a folder as seen from the current one; None for those that belong to sadpath itself."""
    own = reference_root()
    if folder is None or (own is not None and folder.resolve().is_relative_to(own.resolve())):
        return None
    here = Path.cwd().resolve()
    full = folder.resolve()
    return full.relative_to(here).as_posix() if full.is_relative_to(here) else str(full)


def _contract_to_file(contract: Contract) -> dict[str, Any]:
    """Return a contract as plain data, without what it does not promise."""
    out: dict[str, Any] = _without_none(contract.model_dump(mode="json", exclude={"policy", "profiles"}))
    return {**out, "policy": contract.policy.to_file()}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


@cache
def _versions() -> dict[str, str]:
    """Return the versions of Python and of what a run depends on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
