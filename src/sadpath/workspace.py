"""A workspace: the folder with ``mockserver/ contracts/ scenarios/ fixtures/``, where it is, and what is in it.

A workspace need not have all four folders. What it lacks comes from the reference workspace, with one exception: a
backend of one's own is never met with the reference API's roles, scenarios and clients, for they are about other
operations.

The reference workspace is a folder of plain files (in the wheel ``sadpath/_reference/``, else the checkout), so sadpath
cannot be run from a zip archive.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from functools import cached_property
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, NoReturn

from sadpath.core.errors import AuthorError, FileProblem, UsageError
from sadpath.core.names import nearest
from sadpath.scenario import loader
from sadpath.scenario.lint import Surroundings
from sadpath.scenario.loader import LoadedScenario
from sadpath.scenario.model import Scenario
from sadpath.scenario.roles import Roles, load_roles
from sadpath.scenario.yamlfile import shown_path

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["FOLDERS", "Fixtures", "Workspace", "find_workspace", "load_backend", "reference_root"]

FOLDERS = ("mockserver", "contracts", "scenarios", "fixtures")
"""The content folders of a workspace."""

_PACKAGE = Path(__file__).parent


def reference_root() -> Path | None:
    """Return the root of the reference workspace: in the installed package, else in the checkout; None without both."""
    installed, checkout = _PACKAGE / "_reference", _PACKAGE.parents[1]
    if installed.is_dir():
        return installed
    whole = (checkout / "pyproject.toml").is_file() and all((checkout / name).is_dir() for name in FOLDERS)
    return checkout if whole else None


def find_workspace(root: Path | None = None) -> Workspace:
    """Return the workspace to work in.

    It is ``root`` if given, else the current folder if it has ``scenarios/``, else the reference workspace.

    Raises:
        UsageError: if there is none; it says where was looked.
    """
    if root is not None:
        if not root.is_dir():
            raise UsageError(f"--root {root}: there is no such folder")
        if not any((root / name).is_dir() for name in FOLDERS):
            raise UsageError(f"--root {root}: it has none of the folders {', '.join(FOLDERS)}")
        return Workspace(root)
    here = Path.cwd()
    if (here / "scenarios").is_dir():
        return Workspace(here)
    reference = reference_root()
    if reference is None:
        raise UsageError(
            f"there is no workspace: no --root is given, {here} has no scenarios/, and the reference workspace is "
            f"neither in {_PACKAGE / '_reference'} nor in the checkout {_PACKAGE.parents[1]}"
        )
    return Workspace(reference)


class Fixtures:
    """The folder ``fixtures/``: data sets directly in it, payloads in folders below.

    A payload is named by its path below ``fixtures/``, or by its file's name without the ending where that is enough.
    Called with a name, it gives the payload's bytes and content type.
    """

    TYPES: ClassVar[dict[str, str]] = {
        ".json": "application/json",
        ".html": "text/html; charset=utf-8",
        ".txt": "text/plain; charset=utf-8",
        ".xml": "application/xml",
    }

    def __init__(self, path: Path) -> None:
        self.path = path

    def data_sets(self) -> list[str]:
        """Return the names of the data sets, sorted."""
        return sorted(path.stem for path in self.path.glob("*.yaml"))

    def payloads(self) -> dict[str, Path]:
        """Return the payloads by every name that they may be called by."""
        found: dict[str, Path] = {}
        short: dict[str, list[Path]] = {}
        for path in sorted(self.path.glob("*/**/*")):
            inside = path.relative_to(self.path)
            if path.is_file() and not any(part.startswith((".", "__")) for part in inside.parts):
                found[inside.as_posix()] = path
                short.setdefault(path.stem, []).append(path)
        return {name: paths[0] for name, paths in short.items() if len(paths) == 1} | found

    def __call__(self, name: str) -> tuple[bytes, str]:
        """Return a payload's bytes and content type.

        Problems (RFC 9457) are JSON files whose name begins with ``problem``.

        Raises:
            UsageError: for an unknown name.
        """
        payloads = self.payloads()
        path = payloads.get(name)
        if path is None:
            near = nearest(name, payloads)
            hint = f" (did you mean {near!r}?)" if near else ""
            raise UsageError(f"there is no payload {name!r} in {shown_path(self.path)}{hint}")
        kind = self.TYPES.get(path.suffix, "application/octet-stream")
        if path.suffix == ".json" and path.stem.startswith("problem"):
            kind = "application/problem+json"
        return path.read_bytes(), kind


class Workspace:
    """A workspace and what is in it."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def is_reference(self) -> bool:
        """Tell whether this is the reference workspace itself."""
        reference = reference_root()
        return reference is not None and self.root.resolve() == reference.resolve()

    @property
    def name(self) -> str:
        """What the workspace is called: ``reference``, or its folder's name."""
        return "reference" if self.is_reference else self.root.name

    def owner(self, folder: str) -> Path:
        """Return the root of the workspace from which a content folder comes: this one's, else the reference one's.

        Scenarios are asked of a backend, so they come from nowhere else where it is one's own.
        """
        reference = reference_root()
        own = (self.root / folder).is_dir() or (folder == "scenarios" and self.has_backend)
        return self.root if reference is None or own else reference

    @property
    def has_backend(self) -> bool:
        """Tell whether the workspace brings a backend of its own."""
        return (self.root / "mockserver").is_dir()

    # Scenarios

    def scenario_paths(self) -> dict[str, Path]:
        """Return the scenario files by name, in the order of names."""
        return loader.scenario_paths(self.owner("scenarios") / "scenarios")

    def scenarios(self) -> list[str]:
        """Return the names of the scenarios, sorted; none is read."""
        return list(self.scenario_paths())

    def scenario(self, name: str) -> Scenario:
        """Return a scenario by name.

        Raises:
            UsageError: if there is none of that name.
            FileProblems: with everything that is wrong with it.
        """
        return self.load(name).scenario

    def load(self, name: str) -> LoadedScenario:
        """Return a scenario by name, with its file and its introduction.

        Raises:
            UsageError: if there is none of that name.
            FileProblems: with everything that is wrong with it.
        """
        paths = self.scenario_paths()
        if name not in paths:
            near = nearest(name, paths)
            raise UsageError(f"there is no scenario {name!r}" + (f" (did you mean {near!r}?)" if near else ""))
        _fill_vocabulary()
        return loader.load_scenario(paths[name], self.owner("scenarios"))

    def find(self, glob: str = "*") -> list[LoadedScenario]:
        """Return the scenarios whose names match, in the order of names.

        Raises:
            UsageError: if there is none.
            FileProblems: with everything that is wrong with them.
        """
        _fill_vocabulary()
        return loader.find(self.owner("scenarios"), glob)

    # Contracts

    def contract_paths(self) -> dict[str, Path]:
        """Return the contracts of clients by name; this workspace's own go before the reference one's.

        Beside a backend of one's own there are only one's own.
        """
        found: dict[str, Path] = {}
        for root in (None if self.has_backend else reference_root(), self.root):
            found |= {path.stem: path for path in (root / "contracts" / "clients").glob("*.yaml")} if root else {}
        return dict(sorted(found.items()))

    def usual_clients(self) -> list[str]:
        """Return the clients that are meant where none is named: ``reference``, else all that have a contract."""
        names = self.clients()
        return ["reference"] if "reference" in names else names

    def clients(self) -> list[str]:
        """Return the names of the clients that have a contract, sorted."""
        return list(self.contract_paths())

    def contract_path(self, name: str) -> Path:
        """Return the contract of a client.

        Raises:
            UsageError: if there is none of that name.
        """
        paths = self.contract_paths()
        if name not in paths:
            near = nearest(name, paths)
            hint = f" (did you mean {near!r}?)" if near else f"; there are {', '.join(paths) or 'none'}"
            raise UsageError(f"there is no contract of a client {name!r}{hint}")
        return paths[name]

    @property
    def roles_path(self) -> Path:
        """Where ``roles.yaml`` is, or would be: beside a backend of one's own there is only one's own."""
        own = self.root / "contracts" / "api" / "roles.yaml"
        return own if own.is_file() else self.owner("mockserver") / "contracts" / "api" / "roles.yaml"

    def roles(self) -> Roles:
        """Return what the API's operations are for.

        Raises:
            FileProblems: with everything that is wrong with the file.
            UsageError: if the workspace has a backend but no roles for it.
        """
        path = self.roles_path
        if not path.is_file():
            message = f"{shown_path(path, self.root)} is missing: it says what the operations of mockserver/ are for"
            raise UsageError(message)
        return load_roles(path, self.root)

    def own_roles(self) -> Roles | None:
        """Return what this workspace itself says of an API, None where it says nothing or is the reference one.

        Raises:
            FileProblems: with everything that is wrong with the file.
        """
        path = self.root / "contracts" / "api" / "roles.yaml"
        reference = reference_root()
        if not path.is_file() or (reference is not None and self.root.resolve() == reference.resolve()):
            return None
        return load_roles(path, self.root)

    # The backend and its data

    @cached_property
    def fixtures(self) -> Fixtures:
        """The data sets and payloads."""
        return Fixtures(self.owner("fixtures") / "fixtures")

    def check_backend(self) -> None:
        """See whether the roles are about the backend that clients would meet.

        Raises:
            UsageError: for roles of one's own beside the reference backend, which has other operations.
        """
        own = self.root / "contracts" / "api" / "roles.yaml"
        if own.is_file() and not self.has_backend and not self.is_reference:
            raise UsageError(
                f"{shown_path(own, self.root)} describes an API of your own, and there is no mockserver/ that answers "
                "to it: put your backend into mockserver/app.py"
            )

    def backend(self) -> FastAPI:
        """Return a new instance of the backend.

        Raises:
            AuthorError: if it cannot be loaded.
        """
        return load_backend(self.owner("mockserver"), fixtures=self.fixtures.path)

    def surroundings(self) -> Surroundings:
        """Return what lint needs to know.

        Raises:
            AuthorError: if the roles cannot be read.
        """
        payloads = self.fixtures.payloads()
        return Surroundings(self.roles(), self.clients(), self.fixtures.data_sets(), payloads)


def _fill_vocabulary() -> None:
    """Have the faults registered; only now, because finding and listing do not need them."""
    importlib.import_module("sadpath.faults")


def load_backend(root: Path, *, fixtures: Path | None = None, reload: bool = False) -> FastAPI:
    """Return a new instance of the app in ``root/mockserver/app.py``.

    Its modules are imported once for each root, under a private package name, so they shadow nothing and two roots live
    side by side; ``reload`` imports them anew. The app is what ``create_app(fixtures=…)`` returns, else ``app``.

    Raises:
        AuthorError: for whatever is wrong with the app: with file and line, and without a traceback.
    """
    from fastapi import FastAPI  # noqa: PLC0415 - dear, and most commands need no backend

    folder = (root / "mockserver").absolute()
    file = folder / "app.py"
    if not file.is_file():
        raise UsageError(f"there is no backend: {shown_path(file, root)} is missing")
    try:
        module = _import_app(folder, reload=reload)
        app = _make_app(module, fixtures or root / "fixtures")
    except AuthorError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an author's code may raise anything
        _blame(error, folder, root)
    if not isinstance(app, FastAPI):
        wanted = "`create_app` must return" if hasattr(module, "create_app") else "`app` must be"
        raise FileProblem(shown_path(file, root), f"{wanted} a FastAPI application, not {type(app).__name__}")
    return app


def _import_app(folder: Path, *, reload: bool) -> ModuleType:
    package = "_sadpath_backend_" + hashlib.blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()
    if reload:
        _forget(package)
        importlib.invalidate_caches()
    if package not in sys.modules:
        spec = ModuleSpec(package, None, origin=str(folder), is_package=True)
        spec.submodule_search_locations = [str(folder)]
        sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module(f"{package}.app")
    except BaseException:
        _forget(package)  # half of it may have been imported; the next try begins anew
        raise


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def _make_app(module: ModuleType, fixtures: Path) -> object:
    create: Callable[..., object] | None = getattr(module, "create_app", None)
    if create is None:
        if not hasattr(module, "app"):
            raise AttributeError("the module has neither `create_app` nor `app`")
        return module.app
    parameters = inspect.signature(create).parameters.values()
    takes_fixtures = any(item.name == "fixtures" or item.kind is item.VAR_KEYWORD for item in parameters)
    return create(fixtures=fixtures) if takes_fixtures else create()


def _blame(error: BaseException, folder: Path, root: Path) -> NoReturn:
    """Raise what went wrong in an author's app as a problem in the file and line where it did."""
    if isinstance(error, SyntaxError) and error.filename is not None and Path(error.filename).is_relative_to(folder):
        message = f"is not valid Python: {error.msg}"
        raise FileProblem(shown_path(Path(error.filename), root), message, error.lineno) from error
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)
    ]
    place, line = (Path(frames[-1].filename), frames[-1].lineno) if frames else (folder / "app.py", None)
    message = f"the backend cannot be loaded: {type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, ModuleNotFoundError) and error.name and (folder / f"{error.name}.py").is_file():
        message += f"; modules of mockserver/ import each other relatively (`from . import {error.name}`)"
    raise FileProblem(shown_path(place, root), message, line) from error
