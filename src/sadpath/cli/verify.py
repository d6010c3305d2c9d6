"""``sadpath verify``: put clients to the test and judge them."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sadpath.cli._base import Format, RootOption, say, verb
from sadpath.core.errors import UsageError

if TYPE_CHECKING:
    from sadpath.verify.clients import ClientRequest
    from sadpath.verify.results import Results
    from sadpath.workspace import Workspace


class World(StrEnum):
    """Where cases run."""

    live = "live"


def verify(
    clients: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CLIENT]...",
            show_default=False,
            help="A contract's name or package:factory. Default: reference.",
        ),
    ] = None,
    *,
    contract: Annotated[
        Path | None,
        typer.Option("--contract", metavar="FILE", show_default=False, help="The contract, if not found by name."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every client that has a contract.")] = False,
    known_bad: Annotated[
        bool, typer.Option("--known-bad", help="Clients with one planted defect each: does every clause catch its own?")
    ] = False,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario", metavar="GLOB", show_default=False, help="Which scenarios, as retry/*. Default: all."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, metavar="N", help="The seed of data and chance where a scenario has none.")
    ] = 0,
    world: Annotated[
        World, typer.Option("--world", help="Where cases run: on real sockets, in real time.")
    ] = World.live,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            show_default=False,
            help="The contract's profile. Default: quick, if it has one.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, metavar="N", show_default=False, help="Cases at a time. Default: 8."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", show_default=False, help="Write results.json there."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to print the results.")] = Format.text,
    root: RootOption = None,
) -> None:
    """Put clients to the test, case by case, and judge them by their contracts.

    Exit codes: 0 what was tested holds; 1 a client falls short; 2 something has to be mended first; 3 nothing was
    proved; 130 interrupted, with a report of what was known.
    """
    from sadpath.report.progress import progress_for  # noqa: PLC0415 - brings Rich
    from sadpath.verify.known_bad import verify_known_bad  # noqa: PLC0415 - brings the judge
    from sadpath.verify.results import prepare_folder  # noqa: PLC0415 - brings Pydantic
    from sadpath.verify.run import Job, choose_scenarios, make_world  # noqa: PLC0415 - brings the judge
    from sadpath.verify.run import verify as run  # noqa: PLC0415 - as above
    from sadpath.workspace import find_workspace  # noqa: PLC0415 - brings Pydantic

    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds text
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as above
    if report is not None:
        prepare_folder(report)
    workspace = find_workspace(root)
    job = Job(
        workspace,
        choose_scenarios(workspace, scenario or []),
        make_world(world.value, workspace, seed),
        seed=seed,
        jobs=jobs,
        profile=profile,
        command=shlex.join(["sadpath", *sys.argv[1:]]),
    )
    with progress_for(sys.stderr) as progress:
        job.watcher = progress
        if known_bad:
            results = verify_known_bad(job, clients or [])
        else:
            words = _words(workspace, clients or [], contract, every=every)
            results = run(job, _requests(workspace, words, contract, profile, root))
    _finish(results, report, form)


def _words(workspace: Workspace, clients: list[str], contract: Path | None, *, every: bool) -> list[str | None]:
    """Return the clients that are meant; None stands for the contract's own."""
    if every:
        if clients or contract is not None:
            raise UsageError("--all means every client with a contract, so it takes neither names nor --contract")
        return [*workspace.clients()]
    if contract is not None and len(clients) > 1:
        raise UsageError("--contract is the contract of one client; here are several")
    if clients:
        return [*clients]
    return [None] if contract is not None else ["reference"]


def _requests(
    workspace: Workspace, words: list[str | None], contract: Path | None, profile: str | None, root: Path | None
) -> list[ClientRequest]:
    from sadpath.verify.clients import ClientRequest  # noqa: PLC0415 - brings the judge

    options = ("--root", str(root)) if root is not None else ()
    return [ClientRequest(word, workspace, contract, profile, options) for word in words]


def _finish(results: Results, report: Path | None, form: Format) -> None:
    """Write and print the results, and exit with what they come to."""
    from sadpath.report.terminal import WIDTH, render  # noqa: PLC0415 - brings Rich
    from sadpath.verify.loop import leave  # noqa: PLC0415 - as above
    from sadpath.verify.results import exit_code, write_results  # noqa: PLC0415 - brings Pydantic

    written = write_results(results, report) if report is not None else None
    if form is Format.json:
        say(results.to_json().rstrip())
    else:
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        width = shutil.get_terminal_size((WIDTH, 24)).columns - 1 if sys.stdout.isatty() else WIDTH
        say(render(results, width=width, color=color).rstrip("\n"))
        if written is not None:
            say(f"Results: {written}")
    leave(exit_code(results))


verb(verify)
