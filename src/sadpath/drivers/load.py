"""From what a contract or a command line says of a driver to the driver itself."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from sadpath.core.errors import UsageError
from sadpath.core.names import nearest
from sadpath.drivers.base import Driver
from sadpath.drivers.inprocess import InProcessDriver

__all__ = ["DriverWays", "is_factory_name", "load_driver", "load_factory", "place_of"]


class DriverWays(Protocol):
    """What a contract says under ``driver``: one of the ways, the others None."""

    @property
    def python(self) -> str | None:
        """``package:factory``."""
        ...

    @property
    def exec(self) -> str | None:
        """A command, run once a case."""
        ...

    @property
    def stdio(self) -> str | None:
        """A command that stays."""
        ...

    @property
    def http(self) -> str | None:
        """A URL."""
        ...


def load_driver(ways: DriverWays, folder: Path | None = None) -> Driver:
    """Return the driver that a contract names; modules are also looked for in the contract's ``folder``.

    Raises:
        UsageError: where it names none, several, one that is not available, or one that cannot be imported.
    """
    given = {way: value for way in ("python", "exec", "stdio", "http") if (value := getattr(ways, way)) is not None}
    if len(given) != 1:
        named = " and ".join(given) or "none"
        raise UsageError(
            f"`driver` names one way to drive the client, for example `python: package:factory`; here: {named}"
        )
    ((way, value),) = given.items()
    if way != "python":
        raise UsageError(f"the driver `{way}: {value}` cannot be used yet: so far only `python: package:factory` can")
    return InProcessDriver(load_factory(value, folder), name=value)


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
    return UsageError(f"the client {name!r} cannot be loaded: {place_of(error)}: {type(error).__name__}: {error}")


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
