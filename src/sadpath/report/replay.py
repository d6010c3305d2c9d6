"""The report of one case that was run again: its schedule, its timeline, what the clauses say, what is new."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from sadpath.report.terminal import WIDTH
from sadpath.report.timeline import timeline_table
from sadpath.verify.results import ClauseResult, Results, TimelineRow, exit_code

__all__ = ["ReplayView", "render_replay"]


@dataclass(frozen=True)
class ReplayView:
    """What there is to say of a replay.

    Attributes:
        name: the case's.
        schedule: as the text of a scenario file.
        timeline: what happened.
        results: what the clauses say, as of a run of this one case.
        trace: what is to be said of the trace, in words; nothing where nothing is.
        verdict: whether the verdict is the stored one, in words.
    """

    name: str
    schedule: str
    timeline: Sequence[TimelineRow]
    results: Results
    trace: str
    verdict: str


def render_replay(view: ReplayView, *, width: int = WIDTH, color: bool = False) -> str:
    """Return the report as text; without ``color`` it holds no escapes."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=min(width, WIDTH),
        force_terminal=color,
        color_system="auto" if color else None,
        no_color=not color,
        highlight=False,
        legacy_windows=False,
    )
    for part in _report(view):
        console.print(part)
    text = out.getvalue()
    return text if color else "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _report(view: ReplayView) -> Iterable[RenderableType]:
    results = view.results
    (client,) = results.clients
    facts = [f"sadpath {results.sadpath}", f"world {results.world}", f"seed {results.seed}", f"client {client.name}"]
    yield Text(" · ".join(facts), style="dim")
    yield Text()
    yield Text(view.name, style="bold")
    yield _lines(view.schedule)
    yield Text()
    if view.timeline:
        yield Text("What happened:", style="dim")
        yield Padding(timeline_table(list(view.timeline)), (0, 0, 0, 2))
        yield Text()
    for clause in client.clauses:
        yield from _clause(clause)
    for error in results.errors:
        yield Text(f"Not judged: {error.message}", style="bold red")
    if view.trace:
        yield Text(view.trace)
    yield Text(view.verdict)
    code = exit_code(results)
    yield Text(f"Exit {code}: {_meaning(results)}", style="bold green" if code == 0 else "bold red")


def _clause(clause: ClauseResult) -> Iterable[RenderableType]:
    if clause.verdict not in ("fail", "xfail"):
        return
    style = "bold red" if clause.verdict == "fail" else "yellow"
    expected = f", as expected: {clause.expected}" if clause.verdict == "xfail" else ""
    yield Text.assemble((clause.id, style), f"  The client {clause.title}{expected}")
    for finding in clause.findings:
        yield Padding(Text(finding.sentence), (0, 0, 0, 2))
    yield Text()


def _meaning(results: Results) -> str:
    (case,) = results.cases
    match exit_code(results):
        case 0:
            return "every clause that the case put to the test holds, or fails as expected."
        case 1:
            return "the client falls short of what it promises."
        case 2:
            return "the case could not be judged, and not because of sadpath."
        case _:
            return f"nothing was proved: {case.why or 'no clause was put to the test'}."


def _lines(text: str) -> Text:
    """Return text to be copied: indented, never wrapped."""
    lines = "\n".join(f"  {line}" for line in text.rstrip("\n").splitlines())
    return Text(lines, no_wrap=True, overflow="ignore")
