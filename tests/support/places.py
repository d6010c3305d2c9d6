"""Where the tests find the reference workspace: in the checkout, or in the package where the wheel is installed."""

from __future__ import annotations

from pathlib import Path

from sadpath.workspace import reference_root

_found = reference_root()
if _found is None:
    raise RuntimeError("the reference workspace is neither in the checkout nor in the installed package")

REFERENCE = _found
"""The root of the reference workspace."""

TOP = Path(__file__).resolve().parents[2]
"""Where ``tests`` can be imported from; without a workspace in it, commands started here fall back on the reference."""
