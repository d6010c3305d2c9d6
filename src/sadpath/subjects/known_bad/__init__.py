"""Known-bad clients: a good client with one planted defect each, to prove that the judge has teeth.

One client a file, most of them the reference client but for the defect. Each names the real bug that it stands for, the
clauses that must catch it, and the contract of the good client that it could be. A file is not imported before somebody
asks for it: ``all_known_bad`` imports them all.
"""

from __future__ import annotations

from sadpath.subjects.known_bad.registry import KnownBad, all_known_bad

__all__ = ["KnownBad", "all_known_bad"]
