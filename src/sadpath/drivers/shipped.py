"""Drivers that ship with sadpath for libraries of other languages, and where those libraries are looked for.

The drivers are files below ``subjects/stacks``; what they are about is not ours to ship. Java's has all it needs in the
JDK, which compiles it as it starts. JavaScript libraries are
installed by npm, at the versions of ``js/package-lock.json``, into a folder that the variable of ``VARIABLE`` names, or
else into one in the user's cache whose name changes with those versions.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from pathlib import Path

from sadpath.core.errors import NotInstalledError, UsageError
from sadpath.core.names import nearest
from sadpath.drivers.process import Command

__all__ = ["SHIPPED", "VARIABLE", "node_packages", "shipped_command"]

VARIABLE = "SADPATH_NODE_PACKAGES"
"""Names a folder with ``node_modules`` of the user's own, at whatever versions."""

SHIPPED: dict[str, tuple[str, ...]] = {
    "axios-retry.mjs": ("axios", "axios-retry"),
    "got.mjs": ("got",),
    "ky.mjs": ("ky",),
    "undici-retry.mjs": ("undici",),
    "HttpClientDriver.java": (),
}
"""The drivers that ship with sadpath, and the packages that each of them needs."""

_STACKS = Path(__file__).parents[1] / "subjects" / "stacks"
_JS = _STACKS / "js"


def shipped_command(name: str) -> Command:
    """Return the command of a driver that ships with sadpath.

    Raises:
        UsageError: for a driver that there is not, and where its language or its libraries are missing; the message
            says what to install, and where.
    """
    if name not in SHIPPED:
        near = nearest(name, SHIPPED)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(SHIPPED)}"
        raise UsageError(f"no driver named {name!r} ships with sadpath; {hint}")
    if name.endswith(".java"):
        _program("javac", name, "a JDK, 17 or newer")  # `java` alone may be a runtime, which compiles nothing
        return Command.of(["java", str(_STACKS / "java" / name)])
    _program("node", name, "Node.js 20.18 or newer")
    folder = node_packages()
    missing = [package for package in SHIPPED[name] if not (folder / "node_modules" / package).is_dir()]
    if missing:
        raise NotInstalledError(_install(name, missing, folder))
    return Command.of(["node", str(_JS / name)], None, {VARIABLE: str(folder)})


def node_packages() -> Path:
    """Return the folder in whose ``node_modules`` JavaScript libraries are looked for; it need not be there."""
    if named := os.environ.get(VARIABLE):
        return Path(named).resolve()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    versions = hashlib.sha256((_JS / "package-lock.json").read_bytes()).hexdigest()[:8]
    return cache / "sadpath" / f"node-{versions}"


def _program(program: str, name: str, what: str) -> None:
    if shutil.which(program) is None:
        raise NotInstalledError(f"the driver {name} needs `{program}`, which is not on the PATH: install {what}")


def _install(name: str, missing: list[str], folder: Path) -> str:
    there, files = shlex.quote(str(folder)), f"{shlex.quote(str(_JS))}/package*.json"
    return (
        f"the driver {name} needs {' and '.join(missing)}, not found in {folder}/node_modules; "
        f"`mkdir -p {there} && cp {files} {there} && npm ci --prefix {there}` brings the JavaScript libraries that "
        f"ship with a contract, or let {VARIABLE} name a folder that has them"
    )
