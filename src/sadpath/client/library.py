"""Which HTTP library the client stands on: httpx, or its successor httpx2, which is the same with other names.

Either will do, and only the chosen one is imported; whoever installs one of them has all that the client needs.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Literal, get_args

__all__ = ["Library", "LibraryName", "MissingLibraryError", "load_library"]

LibraryName = Literal["httpx", "httpx2"]

_ENGINES = {"httpx": "httpcore", "httpx2": "httpcore2"}


class MissingLibraryError(ImportError):
    """The HTTP library that was asked for is not installed."""


@dataclass(frozen=True)
class Library:
    """An HTTP library: ``http`` reads URLs and undoes content codings, ``engine`` keeps the connections."""

    name: LibraryName
    http: ModuleType
    engine: ModuleType


def load_library(name: LibraryName | None = None) -> Library:
    """Import the library of that name; with none, httpx, or httpx2 where only that is installed.

    Raises:
        MissingLibraryError: it is not installed.
        ValueError: there is no such library.
    """
    if name is not None:
        return _load(name)
    try:
        return _load("httpx")
    except MissingLibraryError:
        return _load("httpx2")


@cache
def _load(name: LibraryName) -> Library:
    if name not in _ENGINES:
        raise ValueError(f"no HTTP library is named {name!r}; known: {', '.join(get_args(LibraryName))}")
    try:
        return Library(name, importlib.import_module(name), importlib.import_module(_ENGINES[name]))
    except ModuleNotFoundError as error:
        message = f"the client was told to use {name}, which is not installed: pip install {name}"
        raise MissingLibraryError(message, name=error.name) from error
