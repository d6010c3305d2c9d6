"""The rules by which a client is judged: one family a file. Importing this package fills the registry."""

from __future__ import annotations

import importlib
import pkgutil

from sadpath.verify.clauses.base import Clause, Finding, Judgement, all_clauses, clause, judge

__all__ = ["Clause", "Finding", "Judgement", "all_clauses", "clause", "judge"]

for _module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
