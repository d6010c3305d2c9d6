"""Drivers that ship with sadpath, and what is said where their language or their libraries are missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sadpath.core.errors import UsageError
from sadpath.drivers import shipped
from sadpath.drivers.shipped import SHIPPED, VARIABLE, node_packages, shipped_command

STACKS = Path(shipped.__file__).parents[1] / "subjects" / "stacks"


def _verify(name: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run ``sadpath verify NAME`` in a changed environment."""
    env = {key: value for key, value in os.environ.items() if key != VARIABLE} | changes
    command = [sys.executable, "-m", "sadpath", "verify", name, "--scenario", "retry/busy-for-good"]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def test_missing_libraries_are_named_with_what_brings_them(tmp_path: Path) -> None:
    """Without its libraries the run ends with 2, and one line says what to run; afterwards they are where it looks."""
    done = _verify("axios-retry", XDG_CACHE_HOME=str(tmp_path))
    (said,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))

    assert done.returncode == 2
    assert said.startswith(f"error: the driver axios-retry.mjs needs axios and axios-retry, not found in {tmp_path}")
    command = said.split("`")[1]
    assert command.startswith("mkdir -p ")
    # All but the download, which asks a registry.
    fetch = "npm ci --prefix "
    before, folder = command.split(f" && {fetch}")
    subprocess.run(["bash", "-c", before], check=True)
    assert sorted(path.name for path in Path(folder).iterdir()) == ["package-lock.json", "package.json"]
    assert Path(folder).is_relative_to(tmp_path)


def test_a_language_that_is_missing_is_named(tmp_path: Path) -> None:
    """Without the program that runs a driver the run ends with 2, and says what to install."""
    done = _verify("axios-retry", PATH=str(tmp_path))

    assert done.returncode == 2
    assert "error: the driver axios-retry.mjs needs `node`, which is not on the PATH: install Node.js" in done.stderr


def test_a_runtime_alone_compiles_no_driver(tmp_path: Path) -> None:
    """Without a JDK the driver in Java is refused, and the run says what to install."""
    done = _verify("java-http-client", PATH=str(tmp_path))

    assert done.returncode == 2
    assert "needs `javac`, which is not on the PATH: install a JDK, 17 or newer" in done.stderr


def test_the_user_may_name_a_folder(tmp_path: Path) -> None:
    """Libraries are looked for in the folder that the variable names, else in one that changes with their versions."""
    code = "from sadpath.drivers.shipped import node_packages; print(node_packages())"
    env = {**os.environ, VARIABLE: str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)

    assert done.stdout.strip() == str(tmp_path)
    if VARIABLE not in os.environ:
        assert node_packages().name.startswith("node-")


def test_an_unknown_driver_is_refused() -> None:
    """A contract that names a driver which does not ship is refused with the nearest that does."""
    with pytest.raises(UsageError, match=r"no driver named 'axios-retri.mjs' ships .* did you mean 'axios-retry.mjs'"):
        shipped_command("axios-retri.mjs")


def test_what_each_needs_is_pinned() -> None:
    """Each driver is there, and what it needs is pinned to one version, of which the lock file says where it is from."""
    wanted = json.loads((STACKS / "js" / "package.json").read_text())["dependencies"]
    locked = json.loads((STACKS / "js" / "package-lock.json").read_text())["packages"]
    needed = sorted({package for packages in SHIPPED.values() for package in packages})

    assert sorted(wanted) == needed
    for package, version in wanted.items():
        assert version[0].isdigit()
        assert locked[f"node_modules/{package}"]["version"] == version
    assert all(item["integrity"].startswith("sha512-") for path, item in locked.items() if path)
