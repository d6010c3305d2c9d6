"""Which known-bad clients there are."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from sadpath.drivers.subject import Subject
from sadpath.subjects.reference import ReferenceSubject

__all__ = ["KnownBad", "all_known_bad", "register"]

_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class KnownBad:
    """A client that must not pass.

    ``name`` is its file's name with hyphens, ``factory`` names it as ``package:factory`` for command lines and
    contracts, ``create`` makes an unopened one. ``defect`` goes on after "the client", ``bug`` says where such a client
    was met, and ``clauses`` are those that must catch it, the one that speaks of the defect itself first. ``contract``
    is the name of the contract that it is judged by: that of the good client whose defect it has.
    """

    name: str
    factory: str
    create: Callable[[], Subject]
    defect: str
    bug: str
    clauses: tuple[str, ...]
    contract: str = "reference"


_FOUND: dict[str, KnownBad] = {}


def register(
    client: type[ReferenceSubject], *, defect: str, bug: str, clauses: tuple[str, ...], contract: str = "reference"
) -> None:
    """Add a client; the last line of its file.

    Raises:
        ValueError: if its name is taken.
    """
    if client.name in _FOUND:
        raise ValueError(f"there are two known-bad clients named {client.name}")
    factory = f"{client.__module__}:{client.__qualname__}"
    _FOUND[client.name] = KnownBad(client.name, factory, client, defect, bug, clauses, contract)


def all_known_bad() -> list[KnownBad]:
    """Return every known-bad client, in the order of names."""
    package = importlib.import_module(_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{_PACKAGE}.{module.name}")
    return [_FOUND[name] for name in sorted(_FOUND)]
