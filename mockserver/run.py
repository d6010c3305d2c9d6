"""Run the backend alone: ``python mockserver/run.py --port 8080``.

This folder is content, not an installed package: it has no ``__init__.py`` and its modules import each other
relatively. So this one file, which imports none of them, loads the folder as a package under a private name. It is
also what ``uvicorn --factory --app-dir mockserver run:create_app`` asks for.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

import uvicorn

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["create_app", "main"]

PACKAGE = "_standalone_mockserver"


def create_app() -> FastAPI:
    """The app on this workspace's fixtures, with its default seam."""
    return cast("FastAPI", _module("app").create_app())


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and serve until stopped; 2 for a data set that cannot be used."""
    parser = argparse.ArgumentParser(description="The reference backend, alone: one session, real time, no faults.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port, 0 for any (default: %(default)s)")
    parser.add_argument("--fixtures", type=Path, help="folder of data sets (default: the workspace's fixtures/)")
    parser.add_argument("--data", help="name of the data set (default: the first)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the data (default: %(default)s)")
    given = parser.parse_args(arguments)
    seam = _module("seam").StandaloneSeam(seed=given.seed, data=given.data)
    try:
        app = _module("app").create_app(given.fixtures, seam=seam)
        app.state.shops.get(seam)  # a wrong --data should end the start, not fail each request
    except _module("dataset").DataSetError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvicorn.run(app, host=given.host, port=given.port)
    return 0


def _module(name: str) -> ModuleType:
    if PACKAGE not in sys.modules:
        spec = ModuleSpec(PACKAGE, None, is_package=True)
        spec.submodule_search_locations = [str(Path(__file__).parent)]
        sys.modules[PACKAGE] = module_from_spec(spec)
    return importlib.import_module(f"{PACKAGE}.{name}")


if __name__ == "__main__":
    sys.exit(main())
