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
from sadpath.cli._baselines import BaselineOption, Baselines, WriteBaselineOption
from sadpath.cli._driving import DriverOption, DriverUrlOption, ExecOption, driver_spec
from sadpath.core.errors import UsageError

if TYPE_CHECKING:
    from sadpath.verify.clients import ClientRequest
    from sadpath.verify.contract import DriverSpec
    from sadpath.verify.results import ClientResult, Results
    from sadpath.verify.run import Job
    from sadpath.workspace import Workspace


EXAMPLES = 300
"""How many cases are drawn for each client unless the user says otherwise."""

PUBLISHED = "published"
"""The profile of simulated worlds: waiting costs nothing there."""


class World(StrEnum):
    """Where cases run."""

    sim = "sim"
    live = "live"


Clients = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CLIENT]...",
        show_default=False,
        help="A contract's name or package:factory. Default: reference, else all that have a contract.",
    ),
]
ContractOption = Annotated[
    Path | None,
    typer.Option("--contract", metavar="FILE", show_default=False, help="The contract, if not found by name."),
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Every client that has a contract and whose libraries are there, a line for each.")
]
KnownBadOption = Annotated[
    bool, typer.Option("--known-bad", help="Clients with one planted defect each: does every clause catch its own?")
]
ScenarioOption = Annotated[
    list[str] | None,
    typer.Option("--scenario", metavar="GLOB", show_default=False, help="Which scenarios, as retry/*. Default: all."),
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, metavar="N", help="The seed of data and chance where a scenario has none.")
]
WorldOption = Annotated[
    World | None,
    typer.Option(
        "--world",
        show_default=False,
        help="Where cases run: sim, on virtual time and a network in memory; live, on real ones. "
        "Default: sim, and live for clients outside this process.",
    ),
]
ExamplesOption = Annotated[
    int | None,
    typer.Option(
        "--examples",
        min=0,
        metavar="N",
        show_default=False,
        help="Cases that are drawn besides, for each client, in sim. Default: 300; with --all, 50.",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        show_default=False,
        help="The contract's profile. Default: published in sim; in live quick, if it has one.",
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        metavar="N",
        show_default=False,
        help="In sim, processes (default: as many as CPUs); in live, cases at a time (default: 8).",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        show_default=False,
        help="Run the K-th of N parts; `sadpath report` puts the results of all of them together.",
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", metavar="DIR", show_default=False, help="Write results.json and reports there."),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the results.")]


def verify(
    clients: Clients = None,
    *,
    driver: DriverOption = None,
    exec_: ExecOption = None,
    driver_url: DriverUrlOption = None,
    contract: ContractOption = None,
    baseline: BaselineOption = None,
    write_baseline: WriteBaselineOption = None,
    every: AllOption = False,
    known_bad: KnownBadOption = False,
    scenario: ScenarioOption = None,
    seed: SeedOption = 0,
    world: WorldOption = None,
    examples: ExamplesOption = None,
    profile: ProfileOption = None,
    jobs: JobsOption = None,
    shard: ShardOption = None,
    report: ReportOption = None,
    form: FormatOption = Format.text,
    root: RootOption = None,
) -> None:
    """Put clients to the test, case by case, and judge them by their contracts.

    Exit codes: 0 what was tested holds; 1 a client falls short; 2 something has to be mended first; 3 nothing was
    proved; 130 interrupted, with a report of what was known.
    """
    from sadpath.verify.results import prepare_folder  # noqa: PLC0415 - brings Pydantic
    from sadpath.verify.shards import Shard  # noqa: PLC0415 - only where it is asked for
    from sadpath.workspace import find_workspace  # noqa: PLC0415 - brings Pydantic

    _look_here()
    if report is not None:
        prepare_folder(report)
    workspace = find_workspace(root)
    workspace.check_backend()
    asked, profile = profile, profile if world is World.live else profile or PUBLISHED
    job = _job(workspace, scenario or [], seed, live=world is World.live)
    job.jobs, job.profile, job.examples, job.root = jobs, profile, _number(examples, every=every), root
    job.shard = None if shard is None else Shard.parse(shard)
    spec = driver_spec(driver=driver, exec_=exec_, driver_url=driver_url, known_bad=known_bad)
    words = _words(workspace, clients or [], contract, every=every, driven=spec is not None) if not known_bad else []
    if shard is not None and write_baseline is not None:
        raise UsageError("--write-baseline takes a whole run, and --shard runs a part of one")
    baselines = Baselines(baseline, write_baseline)
    baselines.check(len(words))
    made = _requests(workspace, words, contract, profile, root, driver=spec, baseline=baseline)
    requests = None if known_bad else made
    results = _carried_out(job, requests, clients or [], apart=world is None, profile=asked, every=every)
    _finish(results, report, form, baselines.written(results, workspace), every=every)


def _number(examples: int | None, *, every: bool) -> int:
    """Return how many cases are drawn for each client."""
    from sadpath.verify.everyone import FEW_EXAMPLES  # noqa: PLC0415 - brings the judge

    return examples if examples is not None else FEW_EXAMPLES if every else EXAMPLES


def _job(workspace: Workspace, globs: list[str], seed: int, *, live: bool) -> Job:
    """Return what is to be done: in which scenarios, and where."""
    from sadpath.verify.run import Job, choose_scenarios, live_world  # noqa: PLC0415 - brings the judge
    from sadpath.verify.stored import FOLDER  # noqa: PLC0415 - as above

    world = live_world(workspace, seed) if live else None
    command = shlex.join(["sadpath", *sys.argv[1:]])
    return Job(workspace, choose_scenarios(workspace, globs), world, seed=seed, store=FOLDER, command=command)


def _carried_out(
    job: Job, requests: list[ClientRequest] | None, names: list[str], *, apart: bool, profile: str | None, every: bool
) -> Results:
    """Put the clients asked for to the test, or known-bad ones where there are none, and show how it goes on.

    ``apart``: each in the world that suits it, by the profile that was asked for. ``every``: as far as they are there.
    """
    from sadpath.report.progress import progress_for  # noqa: PLC0415 - brings Rich
    from sadpath.verify.apart import outside, verify_apart  # noqa: PLC0415 - brings the judge
    from sadpath.verify.everyone import add_missing, installed  # noqa: PLC0415 - as above
    from sadpath.verify.hunting import verify_known_bad  # noqa: PLC0415 - as above
    from sadpath.verify.run import verify as run  # noqa: PLC0415 - as above

    missing: list[ClientResult] = []
    if every and requests is not None:
        requests, missing = installed(requests)
    if apart and requests is not None and outside(requests):
        typer.echo(
            "Clients outside this process are put to the test on real sockets (--world live); no cases are drawn.",
            err=True,
        )
    with progress_for(sys.stderr) as progress:
        job.watcher = progress
        if requests is None:
            return verify_known_bad(job, names)
        results = verify_apart(job, requests, profile) if apart else run(job, requests)
    if every:
        add_missing(results, missing)
    return results


def _look_here() -> None:
    """Let clients be found in the current folder, as ``python -m`` does."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def _words(
    workspace: Workspace, clients: list[str], contract: Path | None, *, every: bool, driven: bool
) -> list[str | None]:
    """Return the clients that are meant; None stands for the contract's own, or the driver's."""
    if every:
        if clients or contract is not None or driven:
            raise UsageError("--all means every client with a contract, so it takes no names, --contract or driver")
        return [*workspace.clients()]
    if driven and (len(clients) > 1 or any(":" in name for name in clients)):
        raise UsageError("a driver drives one client, which may be named by its contract's name; here are others")
    if contract is not None and len(clients) > 1:
        raise UsageError("--contract is the contract of one client; here are several")
    if clients:
        return [*clients]
    if contract is not None or driven:
        return [None]
    usual = workspace.usual_clients()
    if not usual:
        raise UsageError(
            "no client is named, and the workspace has no contract of one: name package:factory or a driver, or write "
            "contracts/clients/<name>.yaml"
        )
    return [*usual]


def _requests(
    workspace: Workspace,
    words: list[str | None],
    contract: Path | None,
    profile: str | None,
    root: Path | None,
    *,
    driver: DriverSpec | None,
    baseline: Path | None,
) -> list[ClientRequest]:
    from sadpath.verify.clients import ClientRequest  # noqa: PLC0415 - brings the judge

    options = ("--root", str(root)) if root is not None else ()
    return [ClientRequest(word, workspace, contract, profile, options, driver, baseline) for word in words]


def _finish(results: Results, report: Path | None, form: Format, note: str | None, *, every: bool) -> None:
    """Write and print the results, with a note of what else was written, and exit with what they come to.

    ``every``: a line for each client, for all of the findings would fill hundreds of screens.
    """
    from sadpath.report.formats import write_reports  # noqa: PLC0415 - brings Pydantic
    from sadpath.report.matrix import render_matrix  # noqa: PLC0415 - brings Rich
    from sadpath.report.terminal import WIDTH, render  # noqa: PLC0415 - as above
    from sadpath.verify.loop import leave  # noqa: PLC0415 - as above
    from sadpath.verify.results import exit_code, write_results  # noqa: PLC0415 - brings Pydantic

    written = write_results(results, report) if report is not None else None
    reports = write_reports(results, report) if report is not None else []
    if form is Format.json:
        say(results.to_json().rstrip())
    else:
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        width = shutil.get_terminal_size((WIDTH, 24)).columns - 1 if sys.stdout.isatty() else WIDTH
        say((render_matrix if every else render)(results, width=width, color=color).rstrip("\n"))
        if written is not None:
            say(f"Results: {written}")
            say(f"Reports: {', '.join(path.name for path in reports)}")
    if note is not None:
        typer.echo(note, err=True)
    leave(exit_code(results))


verb(verify)
