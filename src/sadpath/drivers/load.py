"""From what a contract or a command line says of a driver to the driver itself."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from sadpath.core.errors import NotInstalledError, UsageError
from sadpath.core.names import nearest
from sadpath.drivers.base import Driver
from sadpath.drivers.bounds import Bounds
from sadpath.drivers.by_exec import ExecDriver
from sadpath.drivers.by_http import HttpDriver
from sadpath.drivers.by_stdio import StdioDriver
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.process import Command
from sadpath.drivers.shipped import shipped_command

__all__ = ["DriverWays", "is_factory_name", "load_driver", "load_factory", "place_of"]


_EXTRAS = {
    "sadpath.subjects.stacks.": "pip install 'sadpath[stacks]' brings the libraries that ship with a contract",
    "sadpath.subjects.reference.on_httpx2:": "pip install 'sadpath[httpx2]' brings it",
}
"""What to install for clients that ship with sadpath, by how their names begin."""


class DriverWays(Protocol):
    """What a contract says under ``driver``: one of the ways, the others None."""

    @property
    def python(self) -> str | None:
        """``package:factory``."""
        ...

    @property
    def exec(self) -> str | Sequence[str] | None:
        """A command, run once a case."""
        ...

    @property
    def stdio(self) -> str | Sequence[str] | None:
        """A command that stays."""
        ...

    @property
    def http(self) -> str | None:
        """A URL."""
        ...

    @property
    def shipped(self) -> str | None:
        """The file of a driver that ships with sadpath."""
        ...

    @property
    def folder(self) -> str | None:
        """Where the command runs, relative to the contract's folder."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """What the command's environment has besides ours."""
        ...

    @property
    def start_within(self) -> float | None:
        """Seconds until the driver has said hello; None: the usual."""
        ...


def load_driver(
    ways: DriverWays, folder: Path | None = None, *, name: str = "", capabilities: tuple[str, ...] = ()
) -> Driver:
    """Return the driver that a contract names.

    Args:
        ways: what the contract says of it.
        folder: the contract's; commands run there, and modules are also looked for there.
        name: what to call the client where its driver cannot say so.
        capabilities: what the contract declares, for drivers that cannot say so.

    Raises:
        UsageError: where it names none, several, or one that cannot be found or imported.
    """
    known = {"python": ways.python, "exec": ways.exec, "stdio": ways.stdio, "http": ways.http}
    known["shipped"] = ways.shipped
    given = {way: value for way, value in known.items() if value is not None}
    if len(given) != 1:
        named = " and ".join(given) or "none"
        raise UsageError(
            f"a contract names one way to drive its client, for example `python: package:factory`; here: {named}"
        )
    bounds = Bounds() if ways.start_within is None else Bounds(start=ways.start_within)
    if ways.python is not None:
        return InProcessDriver(load_factory(ways.python, folder), name=ways.python)
    if ways.http is not None:
        return HttpDriver(ways.http, bounds=bounds)
    if ways.shipped is not None:
        return StdioDriver(shipped_command(ways.shipped), bounds=bounds)
    place = folder if ways.folder is None else (folder or Path()) / ways.folder
    if ways.exec is not None:
        command = Command.of(ways.exec, place, ways.env)
        return ExecDriver(command, name=name, capabilities=capabilities, bounds=bounds)
    return StdioDriver(Command.of(ways.stdio or "", place, ways.env), bounds=bounds)


def is_factory_name(text: str) -> bool:
    """Tell whether ``text`` has the form ``package:factory`` rather than that of a contract's name."""
    return ":" in text


def load_factory(name: str, folder: Path | None = None) -> Callable[[], Any]:
    """Return what ``package:factory`` names.

    Raises:
        UsageError: where there is no such module or attribute, it cannot be called, or its import fails; the message
            names the file and the line at fault.
    """
    module_name, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), *attribute.split(".")]):
        raise UsageError(f"{name!r} is not of the form package:factory, for example shop.client:create")
    found: Any = _import(module_name, name, folder)
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = nearest(part, [known for known in vars(found) if not known.startswith("_")])
            hint = f"; did you mean {near!r}?" if near else ""
            raise UsageError(f"the client {name!r} cannot be loaded: {module_name} has no {part!r}{hint}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"the client {name!r} cannot be loaded: {attribute} is {type(found).__name__}, not callable")
    factory: Callable[[], Any] = found
    return factory


def _import(module_name: str, name: str, folder: Path | None) -> Any:
    with _also_in(folder):
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if module_name == missing or module_name.startswith(f"{missing}."):
                where = f" (looked in {folder} too)" if folder is not None else ""
                raise UsageError(
                    f"the client {name!r} cannot be loaded: there is no module {missing!r}{where}"
                ) from error
            raise _import_failed(name, error) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module may raise anything, SystemExit included
            raise _import_failed(name, error) from error


def _import_failed(name: str, error: BaseException) -> UsageError:
    why = f"{place_of(error)}: {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        for prefix, hint in _EXTRAS.items():
            if name.startswith(prefix):
                return NotInstalledError(f"the client {name!r} cannot be loaded: {why}; {hint}")
    return UsageError(f"the client {name!r} cannot be loaded: {why}")


def place_of(error: BaseException) -> str:
    """Return ``file:line`` of where an exception was raised, the import machinery left out."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "its import"


@contextmanager
def _also_in(folder: Path | None) -> Iterator[None]:
    """Let modules of ``folder`` be imported, from now on: a client may import its neighbours later."""
    entry = str(folder.resolve()) if folder is not None else None
    if entry is not None and entry not in sys.path:
        sys.path.append(entry)
        importlib.invalidate_caches()
    yield
