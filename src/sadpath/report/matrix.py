"""One line for each client of a run: how many of its clauses hold, and which do not. For people, and as Markdown."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sadpath.report.terminal import WIDTH, exit_meaning
from sadpath.verify.results import ClientResult, Results, exit_code

__all__ = ["matrix_markdown", "render_matrix"]

_COLUMNS = ("hold", "fail", "expected", "flaky", "not exercised", "unsupported")
_VERDICTS = (("pass",), ("fail", "xpass"), ("xfail",), ("flaky",), ("not_exercised",), ("unsupported",))
_RED = "bold red"


def render_matrix(results: Results, *, width: int = WIDTH, color: bool = False) -> str:
    """Return the clients of a run as a table, what is missing, what was not judged, and what it all comes to."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="auto" if color else None, no_color=not color,
        highlight=False, legacy_windows=False,
    )  # fmt: skip
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("client", no_wrap=True)
    table.add_column("world", no_wrap=True)
    for title in _COLUMNS:
        table.add_column(title.replace(" ", "\n"), justify="right")
    table.add_column("fails", overflow="fold")
    for client in results.clients:
        failing = ", ".join(_failing(client))
        style = _RED if failing else ""
        table.add_row(Text(client.name, style=style), _world(results, client), *_numbers(client), Text(failing, style))
    console.print(table)
    for sentence in _sentences(results):
        console.print(Text(sentence, style="yellow"))
    code = exit_code(results)
    cases = sum(not case.scenario.startswith("generated/") for case in results.cases) + results.generated
    console.print(Text(f"\n{cases} cases in {results.duration_s:.0f} s.", style="dim"))
    console.print(Text(f"Exit {code}: {exit_meaning(results)}", style="bold green" if code == 0 else _RED))
    text = out.getvalue()
    return text if color else "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def matrix_markdown(results: Results) -> str:
    """Return the clients of a run as a table in Markdown."""
    lines = [f"| client | version | world | {' | '.join(_COLUMNS)} | fails |", f"|---|---|---|{'---:|' * 6}---|"]
    for client in results.clients:
        cells = [f"`{client.name}`", client.version or "", _world(results, client), *_numbers(client)]
        lines.append(f"| {' | '.join([*cells, ', '.join(_failing(client)) or ''])} |")
    return "\n".join(lines) + "\n"


def _numbers(client: ClientResult) -> list[str]:
    if client.missing is not None:
        return ["not installed", *[""] * (len(_VERDICTS) - 1)]
    return [str(sum(client.totals.get(name, 0) for name in names) or "") for names in _VERDICTS]


def _failing(client: ClientResult) -> list[str]:
    stale = {"xpass": " (stale)"}
    return [item.id + stale.get(item.verdict, "") for item in client.clauses if item.verdict in ("fail", "xpass")]


def _world(results: Results, client: ClientResult) -> str:
    """Return where a client was put to the test, as its cases say."""
    return next((case.world for case in results.cases if case.client == client.name), "")


def _sentences(results: Results) -> Iterator[str]:
    """Yield what is not in the table: what is missing, and what was not judged."""
    for client in results.clients:
        if client.missing is not None:
            yield f"\n{client.name} was not put to the test: {client.missing}"
    for error in results.errors:
        yield f"\nNot judged: {error.where}: {error.message}"
    if results.interrupted:
        yield "\nInterrupted: this is what was known by then."
    if any(_failing(client) for client in results.clients):
        yield "\nFor the findings: sadpath verify <client>, or --report DIR."
