"""Known-bad clients: the reference client with one planted defect each, to prove that the judge has teeth.

One client a file. Each names the real bug that it stands for and the clauses that must catch it. A file is not imported
before somebody asks for it: ``all_known_bad`` imports them all.
"""

from __future__ import annotations

from sadpath.subjects.known_bad.registry import KnownBad, all_known_bad

__all__ = ["KnownBad", "all_known_bad"]
