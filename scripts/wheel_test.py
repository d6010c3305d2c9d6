"""Build the wheel by way of the sdist, install it in a clean environment beside look-alikes, and test it there.

``mockserver-client``, ``fixtures`` and ``scenarios`` install import packages with the names of our content folders; a
wheel that shipped those names would break, or be broken by, its users' environments. The tests run in a copy of
``tests/`` outside the checkout, so ``src`` is out of reach. ``tests/house`` speaks about the checkout and stays behind.
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
TOOLS = ("aiohttp", "httpx2", "jsonschema", "pytest", "pytest-timeout", "pytest-xdist", "requests", "trustme")
CHECKOUT_ONLY = ("house", "backend", "docs")
"""Test folders that speak about the checkout and its documents, or need development tools (Schemathesis)."""


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
        run(python, "-m", "pip", "install", "-q", wheel, *LOOK_ALIKES, *TOOLS)
        shutil.copytree(ROOT / "tests", place / "tests", ignore=lambda folder, names: _left_out(Path(folder), names))
        shutil.copy(ROOT / "pyproject.toml", place / "pyproject.toml")
        run(place / "venv" / "bin" / "sadpath", "verify", cwd=place)
        run(python, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider",
            "-p", "no:mockserver", "tests", cwd=place)  # fmt: skip


def _left_out(folder: Path, names: list[str]) -> list[str]:
    out = [name for name in names if name == "__pycache__"]
    return out + [name for name in names if folder == ROOT / "tests" and name in CHECKOUT_ONLY]


if __name__ == "__main__":
    main()
