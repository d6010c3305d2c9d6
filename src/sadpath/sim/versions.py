"""The versions of other packages that the simulation was tested with."""

from __future__ import annotations

import functools
import re
import sys
from importlib import metadata

__all__ = ["check_version", "unknown_versions"]

_TESTED: dict[str, tuple[str, str]] = {
    "aiohttp": ("3.11", "3.14"),
    "anyio": ("4.10", "4.16"),
    "httpcore": ("1.0", "1.0"),
    "httpcore2": ("2.16", "2.16"),
    "uvicorn": ("0.34", "0.54"),
}
"""The oldest and the newest minor version of each package whose inner workings the simulation relies on, with which its
tests were run; those between are taken on trust, and the places that are patched are looked at in any case."""


def unknown_versions() -> list[str]:
    """Return a line for each loaded package whose version was not tested."""
    return [
        line
        for package, (oldest, newest) in _TESTED.items()
        if package in sys.modules
        for line in check_version(package, oldest, newest)
    ]


@functools.cache
def check_version(package: str, oldest: str, newest: str) -> tuple[str, ...]:
    """Return a line where the installed version of ``package`` is not between two minor versions, both included."""
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return (f"the version of {package} is unknown; the simulation was tested with {oldest} to {newest}",)
    if _minor(oldest) <= _minor(version) <= _minor(newest):
        return ()
    tested = newest if oldest == newest else f"{oldest} to {newest}"
    return (f"{package} {version} is not among the versions that the simulation was tested with ({tested})",)


def _minor(version: str) -> tuple[int, int]:
    numbers = [int(part) for part in re.findall(r"\d+", version)[:2]]
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else (0, 0)
