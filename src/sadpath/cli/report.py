"""``sadpath report``: results put together, compared, and written as people and tools read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sadpath.cli._base import say, verb
from sadpath.core.errors import UsageError

if TYPE_CHECKING:
    from sadpath.report.comparison import Comparison
    from sadpath.verify.results import Results


Sources = Annotated[
    list[Path],
    typer.Argument(metavar="DIR_OR_FILE...", show_default=False, help="results.json, or folders that hold it."),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", show_default=False, help="Where to write. Default: the folder, if only one is given."
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAMES",
        show_default=False,
        help="Which formats, as html,junit: of html, junit, markdown, badge and github. Default: all.",
    ),
]
AgainstOption = Annotated[
    Path | None,
    typer.Option(
        "--against", metavar="DIR", show_default=False, help="Former results: say what is new, and what is mended."
    ),
]
PartialOption = Annotated[bool, typer.Option("--partial", help="Go on where shards are missing.")]
ExitCodeOption = Annotated[
    bool, typer.Option("--exit-code", help="Exit as verify would have with these results, not with 0.")
]


def report(
    sources: Sources,
    *,
    out: OutOption = None,
    form: FormatOption = None,
    against: AgainstOption = None,
    partial: PartialOption = False,
    exit_code: ExitCodeOption = False,
) -> None:
    """Put results together (shards of a run, runs of other clients) and write reports of them.

    Exit codes: 0 the reports are written; 2 something has to be mended first; with --exit-code those of verify.
    """
    from sadpath.report.formats import chosen, write_reports  # noqa: PLC0415 - brings Pydantic
    from sadpath.report.terminal import exit_meaning  # noqa: PLC0415 - brings Rich
    from sadpath.report.words import headline  # noqa: PLC0415 - brings Pydantic
    from sadpath.verify.loop import leave  # noqa: PLC0415 - brings the judge
    from sadpath.verify.results import exit_code as code_of  # noqa: PLC0415 - brings Pydantic
    from sadpath.verify.results import write_results  # noqa: PLC0415 - as above

    formats, folder = chosen(form), _folder(sources, out)
    results = _merged(sources, partial=partial)
    comparison = None if against is None else _compared(against, results)
    target = folder / "results.json"
    if not any(_same(target, source) for source in sources):
        write_results(results, folder)
        say(f"Written: {target}")
    for path in write_reports(results, folder, formats, comparison):
        say(f"Written: {path}")
    for line in comparison.lines() if comparison is not None else ():
        say(line)
    say(f"{headline(results)}: {exit_meaning(results)}")
    if exit_code:
        leave(code_of(results))


def _folder(sources: Sequence[Path], out: Path | None) -> Path:
    if out is not None:
        return out
    if len(sources) > 1:
        raise UsageError("say with --out where the report on several results is to be written")
    return sources[0] if sources[0].is_dir() else sources[0].parent


def _same(target: Path, source: Path) -> bool:
    from sadpath.verify.reading import results_path  # noqa: PLC0415 - brings Pydantic

    return target.exists() and target.samefile(results_path(source))


def _merged(sources: Sequence[Path], *, partial: bool) -> Results:
    from sadpath.verify.merging import Part, merge  # noqa: PLC0415 - brings the judge
    from sadpath.verify.reading import read_results  # noqa: PLC0415 - brings Pydantic

    return merge([Part(str(source), read_results(source)) for source in sources], partial=partial)


def _compared(against: Path, results: Results) -> Comparison:
    from sadpath.report.comparison import compare  # noqa: PLC0415 - brings Pydantic
    from sadpath.verify.reading import read_results  # noqa: PLC0415 - as above

    return compare(read_results(against), results)


verb(report)
