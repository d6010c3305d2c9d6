"""The catalogue of faults: one file each. Importing this package fills ``sadpath.scenario.vocabulary.FAULTS``."""

from __future__ import annotations

import importlib
import pkgutil

from sadpath.scenario.vocabulary import FAULTS

__all__ = ["FAULTS"]

for _module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
