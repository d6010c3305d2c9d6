"""``sadpath driver``: what the authors of drivers need: a check of the protocol, and kits to begin with."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sadpath.cli._base import Format, RootOption, group, say, verb
from sadpath.cli._driving import DriverOption, DriverUrlOption, ExecOption, driver_spec
from sadpath.core.errors import UsageError
from sadpath.kits import KITS, kit_path

if TYPE_CHECKING:
    from sadpath.verify.drivertalk import Checked, OutsideDriver
    from sadpath.workspace import Workspace

__all__ = ["check", "kit"]


class Language(StrEnum):
    """The languages that have a kit."""

    python = "python"
    javascript = "javascript"


_group = group("driver", "Help for those who write a driver: a check of the protocol, and kits to begin with.")


def check(
    client: Annotated[
        str | None,
        typer.Argument(metavar="[CLIENT]", show_default=False, help="A contract's name, for the driver it names."),
    ] = None,
    *,
    driver: DriverOption = None,
    exec_: ExecOption = None,
    driver_url: DriverUrlOption = None,
    contract: Annotated[
        Path | None,
        typer.Option("--contract", metavar="FILE", show_default=False, help="The contract, if not found by name."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print what was found.")] = Format.text,
    root: RootOption = None,
) -> None:
    """Play a fixed set of conversations with a driver, and say what is wrong with its answers.

    Exit codes: 0 nothing is; 1 something is; 2 the driver cannot be started.
    """
    import asyncio  # noqa: PLC0415 - dear, and help needs it not

    from sadpath.verify.drivercheck import check_driver  # noqa: PLC0415 - brings the server
    from sadpath.workspace import find_workspace  # noqa: PLC0415 - brings Pydantic

    workspace = find_workspace(root)
    spec = driver_spec(driver=driver, exec_=exec_, driver_url=driver_url)
    if (spec is not None) + (client is not None or contract is not None) != 1:
        raise UsageError("name one driver: by --driver, --exec or --driver-url, or by a client's contract")
    made = _driver(workspace, client, contract) if spec is None else _of_command_line(spec)
    checks = asyncio.run(check_driver(made, workspace, _tell if form is Format.text else None))
    wrong = [item for item in checks if item.verdict == "wrong"]
    if form is Format.json:
        say(json.dumps({"checks": [asdict(item) for item in checks]}, indent=2, ensure_ascii=False))
    else:
        made_ = [item for item in checks if item.verdict != "skipped"]
        say(f"{len(made_)} conversations, {len(wrong)} of them went wrong; {len(checks) - len(made_)} do not apply.")
    raise typer.Exit(1 if wrong else 0)


def _of_command_line(spec: object) -> OutsideDriver:
    from sadpath.drivers.load import load_driver  # noqa: PLC0415 - brings Pydantic

    return _outside(load_driver(spec, Path.cwd()))  # type: ignore[arg-type] # a DriverSpec, whose class is dear to import


def _driver(workspace: Workspace, client: str | None, contract: Path | None) -> OutsideDriver:
    """Return the driver that a contract names."""
    from sadpath.drivers.load import load_driver  # noqa: PLC0415 - brings Pydantic
    from sadpath.verify.contract import load_contract  # noqa: PLC0415 - as above

    if contract is not None and not contract.is_file():
        raise UsageError(f"--contract {contract}: there is no such file")
    promise = load_contract(contract or workspace.contract_path(str(client)), workspace.root)
    made = load_driver(promise.driver, promise.folder, name=promise.client, capabilities=promise.capabilities)
    return _outside(made)


def _outside(driver: object) -> OutsideDriver:
    """Return a driver that speaks the protocol.

    Raises:
        UsageError: for a client in this process, which has no messages to check.
    """
    from sadpath.drivers.inprocess import InProcessDriver  # noqa: PLC0415 - brings Pydantic

    if isinstance(driver, InProcessDriver):
        raise UsageError(f"{driver.name} lives in this process: it has no driver whose messages could be checked")
    return driver  # type: ignore[return-value] # one of the three that are left


def _tell(checked: Checked) -> None:
    """Print one check as it is done, with everything that an author needs in order to mend it."""
    head = {"ok": "ok     ", "wrong": "WRONG  ", "skipped": "-      "}[checked.verdict]
    say(f"{head} {checked.name}" + (f": {checked.skipped}" if checked.skipped else ""))
    for finding in checked.findings:
        say(f"        {finding.problem}")
        say(f"        expected: {finding.expected}")
        say(f"        sent:     {finding.sent or 'nothing'}")
        for line in finding.came or ("nothing",):
            say(f"        came:     {line}")
        say(f'        see:      docs/drivers.md, "{finding.section}"')


def kit(
    language: Annotated[Language, typer.Argument(metavar="LANGUAGE", help="python or javascript.", show_default=False)],
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to put it.", show_default=False)] = Path(),
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Copy the kit of a language, one file without dependencies, to begin a driver with."""
    target = folder / KITS[language.value]
    if target.exists() and not force:
        raise UsageError(f"{target} is there already; --force replaces it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kit_path(language.value), target)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from error
    say(f"Written: {target}")


verb(check, of=_group)
verb(kit, of=_group)
