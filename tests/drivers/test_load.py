"""Finding a client by name: each way to get it wrong is one clear message."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sadpath.core.errors import UsageError
from sadpath.drivers.by_exec import ExecDriver
from sadpath.drivers.by_http import HttpDriver
from sadpath.drivers.by_stdio import StdioDriver
from sadpath.drivers.load import load_driver, load_factory
from sadpath.verify.contract import DriverSpec

GOOD = """
from sadpath.drivers.messages import ClientInfo, Hello

class Client:
    def hello(self):
        return Hello(client=ClientInfo(name="mine"))

def create():
    return Client()

number = 3
"""


@dataclass(frozen=True)
class _Ways:
    """More ways than a contract would let stand."""

    python: str | None = None
    exec: str | None = None
    stdio: str | None = None
    http: str | None = None
    shipped: str | None = None
    folder: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    start_within: float | None = None


def test_a_client_beside_its_contract_is_found(tmp_path: Path) -> None:
    """A module in the contract's folder can be named without being installed."""
    (tmp_path / "client_found_beside.py").write_text(GOOD)
    driver = load_driver(DriverSpec(python="client_found_beside:create"), tmp_path)

    assert asyncio.run(driver.hello()).client.name == "mine"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("client_wrong_names:craete", "did you mean 'create'"),
        ("client_wrong_names:number", "is int, not callable"),
        ("no_such_client_module:create", "there is no module 'no_such_client_module'"),
        ("client_wrong_names.deeper:create", "there is no module 'client_wrong_names.deeper'"),
        ("client_wrong_names", "not of the form package:factory"),
        ("client wrong:create", "not of the form package:factory"),
        ("a:b:c", "not of the form package:factory"),
    ],
)
def test_a_wrong_name_says_what_is_wrong(tmp_path: Path, name: str, said: str) -> None:
    """A missing module, a misspelt or unusable attribute and a malformed name are told apart."""
    (tmp_path / "client_wrong_names.py").write_text(GOOD)

    with pytest.raises(UsageError, match=said):
        load_factory(name, tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "x = 1\nimport not_installed_anywhere",
            r"broken_import_.*\.py:2: ModuleNotFoundError: .*not_installed_anywhere",
        ),
        ("raise RuntimeError('no display')", r"broken_import_.*\.py:1: RuntimeError: no display"),
        ("x = 1\n\ndef (", r"broken_import_.*\.py:3: SyntaxError"),
        ("import sys\nsys.exit(4)", r"broken_import_.*\.py:2: SystemExit: 4"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """The message leads to the file and line at fault, whatever the import raises."""
    module = f"broken_import_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text(text)

    with pytest.raises(UsageError, match=said):
        load_factory(f"{module}:create", tmp_path)


@pytest.mark.parametrize(
    ("way", "value", "kind"),
    [
        ("exec", "bash client.sh", ExecDriver),
        ("stdio", ["node", "my driver.mjs"], StdioDriver),
        ("http", "http://127.0.0.1:9000/", HttpDriver),
    ],
)
def test_each_way_has_its_driver(tmp_path: Path, way: str, value: str | list[str], kind: type[object]) -> None:
    """A contract may drive its client by a command for each call, by one that stays, or behind a URL."""
    driver = load_driver(DriverSpec.model_validate({way: value}), tmp_path)

    assert isinstance(driver, kind)


def test_a_command_runs_where_its_contract_says(tmp_path: Path) -> None:
    """The folder is relative to the contract's, the environment is added to ours, and the start has its time."""
    (tmp_path / "app").mkdir()
    spec = DriverSpec.model_validate(
        {"stdio": "node 'my driver.mjs'", "folder": "app", "env": {"NODE_ENV": "test"}, "start_within": "30s"}
    )
    driver = load_driver(spec, tmp_path)

    assert isinstance(driver, StdioDriver)
    assert driver.command.words == ("node", "my driver.mjs")
    assert driver.command.folder == tmp_path / "app"
    assert driver.command.env == {"NODE_ENV": "test"}
    assert driver._bounds.start == 30.0


def test_a_contract_names_exactly_one_way() -> None:
    """No way and two ways are both refused, and the message says which were given."""
    with pytest.raises(UsageError, match="here: none"):
        load_driver(DriverSpec())
    with pytest.raises(UsageError, match="here: python and exec"):
        load_driver(_Ways(python="a:b", exec="run"))


def test_a_stack_whose_library_is_missing_says_what_brings_it() -> None:
    """A published stack that cannot be imported for want of its library names the extra that has it."""
    program = (
        "import sys\n"
        "sys.modules['stamina'] = None\n"  # as if it were not installed
        "from sadpath.core.errors import UsageError\n"
        "from sadpath.drivers.load import load_factory\n"
        "try:\n"
        "    load_factory('sadpath.subjects.stacks.with_stamina:create')\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "stamina" in done.stdout
    assert "pip install 'sadpath[stacks]'" in done.stdout
