"""The command line: one file for each verb.

A verb is a module of this package that ends with ``verb(function)``; adding one edits no other file. Modules are
imported when the command line starts, so what is dear (Pydantic, FastAPI, Hypothesis, Faker) is imported inside the
verb's function, where it is needed.
"""

from __future__ import annotations

import importlib
import pkgutil

from sadpath.cli._base import app, run

__all__ = ["app", "main"]

for _module in sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")):
    importlib.import_module(f"{__name__}.{_module}")


def main() -> None:
    """Run the command line and exit; the entry point of ``sadpath``."""
    run()
