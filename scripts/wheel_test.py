"""Build the wheel by way of the sdist, install it in a clean environment beside look-alikes, and test it there.

``mockserver-client``, ``fixtures`` and ``scenarios`` install import packages with the names of our content folders; a
wheel that shipped those names would break, or be broken by, its users' environments. The tests run in a copy of
``tests/`` outside the checkout, so ``src`` is out of reach.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOOK_ALIKES = ("mockserver-client", "fixtures", "scenarios")
TOOLS = (
    "aiohttp", "axe-playwright-python", "httpx2", "jsonschema", "playwright", "pytest", "pytest-timeout",
    "pytest-xdist", "requests", "xmlschema",
)  # fmt: skip
FROM_OUTSIDE = (
    "cli", "cli_serve", "contracts", "control", "core", "drivers", "report", "scenario", "workspace",
)  # fmt: skip
"""Test folders that see the package as its users do: commands, files, servers, the reference workspace."""


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a command and end with its exit code if it fails."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COVERAGE"))}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, check=False)
    if done.returncode:
        sys.exit(f"wheel test: {' '.join(map(str, command))} ended with {done.returncode}")


def main() -> None:
    """Build, install, test."""
    with tempfile.TemporaryDirectory(prefix="sadpath-wheel-") as name:
        place = Path(name)
        run(sys.executable, "-m", "build", "--outdir", place / "dist", ROOT)
        (wheel,) = (place / "dist").glob("*.whl")
        venv.create(place / "venv", with_pip=True, symlinks=True)
        python = place / "venv" / "bin" / "python"
        run(python, "-m", "pip", "install", "-q", wheel, *LOOK_ALIKES)
        run(place / "venv" / "bin" / "sadpath", "verify", cwd=place)  # with nothing else installed
        run(python, "-m", "pip", "install", "-q", f"{wheel}[http2]", *TOOLS)
        shutil.copytree(ROOT / "tests", place / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", place / "pyproject.toml")
        run(python, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider",
            *(f"tests/{name}" for name in FROM_OUTSIDE), cwd=place)  # fmt: skip


if __name__ == "__main__":
    main()
