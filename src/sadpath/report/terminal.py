"""The report that a person reads in a terminal or a log: results in, text out.

It goes from the whole to the single: a table of clauses, then each failing one with its source, what the client did,
the smallest schedule, the timeline and the command that runs it again; then what was not put to the test, and totals.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterable
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from sadpath.report.timeline import timeline_table
from sadpath.verify.results import ClauseResult, ClientResult, Finding, Results, Verdict, exit_code

__all__ = ["WIDTH", "exit_meaning", "render"]

WIDTH: Final = 98
"""Columns that the report takes at most."""

_NARROWEST = 60

_STYLES: Final[dict[str, str]] = {
    "pass": "green",
    "fail": "bold red",
    "xfail": "yellow",
    "xpass": "bold red",
    "flaky": "yellow",
    "not_exercised": "dim",
    "unsupported": "dim",
}

_WORDS: Final[dict[str, str]] = {
    "pass": "holds",
    "fail": "FAILS",
    "xfail": "fails as expected",
    "xpass": "STALE",
    "flaky": "flaky",
    "not_exercised": "not exercised",
    "unsupported": "unsupported",
}

_COUNTED: Final[dict[str, tuple[str, str]]] = {
    "pass": ("holds", "hold"),
    "fail": ("fails", "fail"),
    "xfail": ("fails as expected", "fail as expected"),
    "xpass": ("listed as failing, but holds", "listed as failing, but hold"),
    "flaky": ("is flaky", "are flaky"),
    "not_exercised": ("was not exercised", "were not exercised"),
    "unsupported": ("is unsupported", "are unsupported"),
}

_PARTIES: Final[dict[str, str]] = {
    "client": "The client",
    "author": "A file",
    "driver": "The driver",
    "sadpath": "sadpath itself",
}


def render(results: Results, *, width: int = WIDTH, color: bool = False) -> str:
    """Return the report as text of at most ``width`` columns; without ``color`` it holds no escapes."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=max(_NARROWEST, min(width, WIDTH)),
        force_terminal=color,
        color_system="auto" if color else None,
        no_color=not color,
        highlight=False,
        legacy_windows=False,
    )
    for part in _report(results):
        if isinstance(part, _Verbatim):
            console.print(part.text, soft_wrap=True)
        else:
            console.print(part)
    text = out.getvalue()
    return text if color else "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


class _Verbatim:
    """Text to be copied: never wrapped, never cut, without spaces behind it; it may be wider than the rest."""

    def __init__(self, text: Text) -> None:
        self.text = text


def _report(results: Results) -> Iterable[RenderableType | _Verbatim]:
    yield _head(results)
    for client in results.clients if results.kill_rate is None else ():
        yield from _client(client)
    if results.kill_rate is not None:
        yield from _kill_rate(results)
    yield from _errors(results)
    yield Text()
    yield _foot(results)


def _head(results: Results) -> RenderableType:
    cases = len(results.cases)
    done = sum(not case.scenario.startswith("generated/") for case in results.cases) + results.generated
    planned = f"{done} of {results.planned} cases" if results.interrupted else _count(cases, "case")
    facts = [f"sadpath {results.sadpath}", f"world {results.world}", f"seed {results.seed}", planned]
    if results.shard is not None:
        facts.insert(0, f"shard {results.shard}")
    if results.generated:
        facts.append(f"{results.generated} generated")
    head = Text(" · ".join(facts), style="dim")
    if not results.interrupted:
        return head
    return Group(head, Text("Interrupted: what follows is what was known by then.", style="bold yellow"))


# One client


def _client(client: ClientResult) -> Iterable[RenderableType | _Verbatim]:
    title = Text.assemble((client.name, "bold"), f" {client.version}" if client.version else "")
    title.append("".join(f"   {part}" for part in (client.contract, f"profile {client.profile}") if part), "dim")
    yield Text()
    yield title
    yield Text()
    if client.missing is not None:
        yield Text(f"Not put to the test, for what it needs is not installed: {client.missing}", style="yellow")
        return
    tested = [clause for clause in client.clauses if clause.verdict not in ("not_exercised", "unsupported")]
    if tested:
        yield _clause_table(tested)
    else:
        yield Text("No clause was put to the test.", style="yellow")
    for clause in client.clauses:
        if clause.verdict in ("fail", "xpass", "flaky"):
            yield from _clause(clause)
    yield from _expected(client)
    yield from _untested(client)
    for note in client.notes:
        yield Text()
        yield Text.assemble(("Left behind: ", "yellow"), note)


def _clause_table(clauses: Iterable[ClauseResult]) -> Table:
    clauses = list(clauses)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=True)
    table.add_column("clause", no_wrap=True, min_width=max(len(clause.id) for clause in clauses))
    table.add_column("level", no_wrap=True, min_width=6)
    table.add_column("verdict", no_wrap=True, min_width=max(len(_WORDS[clause.verdict]) for clause in clauses))
    table.add_column("tested", justify="right", no_wrap=True, min_width=6)
    table.add_column("failed", justify="right", no_wrap=True, min_width=6)
    table.add_column("the client …", no_wrap=True, overflow="ellipsis", ratio=1)
    for clause in clauses:
        style = _STYLES[clause.verdict]
        table.add_row(
            Text(clause.id, style=style if clause.verdict != "pass" else ""),
            Text(clause.level, style="dim"),
            Text(_WORDS[clause.verdict], style=style),
            str(clause.exercised),
            Text(str(clause.failed) if clause.failed else "", style=style),
            Text(clause.title),
        )
    return table


def _clause(clause: ClauseResult) -> Iterable[RenderableType | _Verbatim]:
    """Yield one failing clause: source, sentence, schedule, timeline, command."""
    word = {"fail": "fails", "flaky": "is flaky", "xpass": "is listed as failing, and holds"}[clause.verdict]
    style = _STYLES[clause.verdict]
    yield Text()
    yield Rule(Text(f"{clause.id} {word}", style=style), align="left", style=style, characters="─")
    yield Text(f"The client {clause.title}.")
    yield Text(f"{clause.level}; source: {clause.source or 'the contract'}", style="dim")
    if not clause.source and clause.reason:
        yield Text(clause.reason, style="dim")
    if clause.verdict == "xpass":
        yield Text()
        yield Text(f"{_sentence(clause.why or '')} Expected because: {clause.expected}")
        yield Text("Take it off the expected_failures of the contract or its baseline, or narrow it with `when`.")
    if clause.verdict == "flaky":
        yield Text()
        yield Text("It failed beside other cases and held when its case was run again alone, so it does not count.")
    if clause.findings:
        smallest, *others = clause.findings  # in the order of their schedules' sizes
        yield from _finding(smallest, others)


def _finding(finding: Finding, others: list[Finding]) -> Iterable[RenderableType | _Verbatim]:
    yield Text()
    yield Text(_sentence(finding.sentence), style="bold")
    yield Text()
    yield Text(f"The smallest schedule that shows it, of {finding.case.rpartition('@')[0]}:", style="dim")
    yield _verbatim(finding.schedule)
    yield Text()
    yield Text("What happened:", style="dim")
    yield Padding(timeline_table(finding.timeline), (0, 0, 0, 2))
    yield Text()
    yield Text("Run it again:", style="dim")
    yield _verbatim(_broken(finding.replay), style="cyan")
    if others:
        cases = list(dict.fromkeys(other.case.rpartition("@")[0] for other in others))
        shown = ", ".join(cases[:4]) + (f" and {len(cases) - 4} more" if len(cases) > 4 else "")
        yield Text()
        yield Text(f"{_count(len(others), 'more finding')} of this clause: {shown}", style="dim")


def _expected(client: ClientResult) -> Iterable[RenderableType]:
    expected = [clause for clause in client.clauses if clause.verdict == "xfail"]
    if not expected:
        return
    yield Text()
    yield Rule(Text("Expected failures", style="yellow"), align="left", style="yellow", characters="─")
    for clause in expected:
        yield Text.assemble((clause.id, "yellow"), f"  {clause.expected}")


def _untested(client: ClientResult) -> Iterable[RenderableType]:
    not_exercised = [clause.id for clause in client.clauses if clause.verdict == "not_exercised"]
    if not_exercised:
        yield Text()
        yield Text("Not exercised, so nothing is proved of them:", style="dim")
        yield Padding(Text(", ".join(not_exercised)), (0, 0, 0, 2))
    reasons: dict[str, list[str]] = {}
    for clause in client.clauses:
        if clause.verdict == "unsupported":
            reasons.setdefault(clause.why or "not said", []).append(clause.id)
    if reasons:
        yield Text()
        yield Text("Unsupported, by what the client declares and promises:", style="dim")
    for why, ids in reasons.items():
        yield Padding(Text.assemble(f"{', '.join(ids)}  ", (why, "dim")), (0, 0, 0, 2))


def _verbatim(text: str, style: str = "") -> _Verbatim:
    lines = "\n".join(f"  {line}" for line in text.rstrip("\n").splitlines())
    return _Verbatim(Text(lines, style=style))


def _broken(command: str, width: int = WIDTH - 2) -> str:
    """Return a command in lines that a shell reads as one."""
    lines = [""]
    for word in shlex.split(command):
        quoted = shlex.quote(word)
        if lines[-1] and len(lines[-1]) + len(quoted) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"  {quoted}")
        else:
            lines[-1] += f" {quoted}" if lines[-1] else quoted
    return "\n".join(lines)


# The kill rate


def _kill_rate(results: Results) -> Iterable[RenderableType]:
    rate = results.kill_rate
    if rate is None:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("clause", no_wrap=True)
    table.add_column("known-bad clients", justify="right")
    table.add_column("caught", justify="right")
    for clause in rate.clauses:
        style = "" if clause.killed == clause.bad else "bold red"
        table.add_row(Text(clause.id, style=style), str(clause.bad), Text(str(clause.killed), style=style))
    yield Text()
    yield table
    if rate.survivors:
        yield Text()
        yield Rule(Text("Not caught", style="bold red"), align="left", style="bold red", characters="─")
    for survivor in rate.survivors:
        yield Text.assemble((survivor.name, "bold"), f"  was to fail {survivor.clause}: {survivor.why}")
    if rate.unguarded:
        yield Text()
        yield Text("Clauses that no known-bad client fails, so nothing proves that they can:", style="dim")
        yield Padding(Text(", ".join(rate.unguarded)), (0, 0, 0, 2))
    yield Text()
    yield Text(f"Kill rate: {rate.killed} of {rate.bad} known-bad clients ({rate.rate:.0%}).", style="bold")


# The end


def _errors(results: Results) -> Iterable[RenderableType]:
    if not results.errors:
        return
    yield Text()
    yield Rule(Text("Not judged", style="bold red"), align="left", style="bold red", characters="─")
    for error in results.errors:
        yield Text.assemble((f"{_PARTIES[error.party]}: ", "bold"), (f"{error.where}: ", "dim"), error.message)


def _foot(results: Results) -> RenderableType:
    totals: dict[str, int] = {}
    for client in results.clients if results.kill_rate is None else ():
        for verdict, number in client.totals.items():
            totals[verdict] = totals.get(verdict, 0) + number
    parts = [f"{number} {_COUNTED[verdict][number != 1]}" for verdict, number in totals.items()]
    cases = _case_totals(results)
    lines = [Text(f"Clauses: {', '.join(parts)}.")] if parts else []
    if cases:
        lines.append(Text(f"Cases: {cases}, in {results.duration_s:.1f} s.", style="dim"))
    if results.noise_ms:
        late = f"The machine woke sleepers up to {results.noise_ms:.0f} ms late (95th percentile)"
        lines.append(Text(f"{late}: so far may measured times be off.", style="dim"))
    code = exit_code(results)
    style = "bold green" if code == 0 else "bold red"
    lines.append(Text(f"Exit {code}: {exit_meaning(results)}", style=style))
    return Group(*lines)


def _case_totals(results: Results) -> str:
    words: dict[Verdict, str] = {"pass": "passed", "fail": "failed", "xfail": "failed as expected", "xpass": "stale"}
    found: dict[str, int] = {}
    for case in results.cases:
        word = words.get(case.verdict, case.verdict.replace("_", " "))
        found[word] = found.get(word, 0) + 1
    return ", ".join(f"{number} {word}" for word, number in found.items())


def exit_meaning(results: Results) -> str:
    """Return in words what the exit code says."""
    verdicts = {clause.verdict for client in results.clients for clause in client.clauses}
    match exit_code(results):
        case 0 if results.kill_rate is not None:
            return "every known-bad client was caught."
        case 0:
            return "every clause that was exercised holds, or fails as expected."
        case 1 if results.kill_rate is not None:
            return "not every known-bad client was caught."
        case 1 if "fail" in verdicts:
            return "the client falls short of what it promises."
        case 1:
            return "an expected failure does not happen any more."
        case 2:
            return "cases could not be judged, and not because of sadpath."
        case 3 if any(error.party == "sadpath" for error in results.errors):
            return "sadpath itself failed."
        case 3:
            return "nothing was proved: no clause was exercised."
        case _:
            return "interrupted."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ")")) or not text else f"{text}."
