"""A case's timeline as a table: time, attempt, request, fault, answer, wait."""

from __future__ import annotations

from typing import Final

from rich.table import Table
from rich.text import Text

from sadpath.verify.results import TimelineRow

__all__ = ["timeline_table"]


def timeline_table(rows: list[TimelineRow]) -> Table:
    """Return the rows as a table; columns in which nothing stands are left out."""
    cells = [_cells(row) for row in rows]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=False)
    kept = [index for index in range(len(_COLUMNS)) if any(line[index].plain for line in cells)]
    for index in kept:
        title, right, width = _COLUMNS[index]
        wraps = width is not None
        table.add_column(
            title, justify="right" if right else "left", no_wrap=not wraps, overflow="fold", max_width=width
        )
    for line in cells:
        table.add_row(*(line[index] for index in kept))
    return table


_COLUMNS: Final[tuple[tuple[str, bool, int | None], ...]] = (
    ("", False, None),
    ("#", True, None),
    ("time", True, None),
    ("call", False, None),
    ("try", True, None),
    ("request", False, 30),
    ("fault", False, 22),
    ("answer", False, 26),
    ("waited", True, None),
)
"""The columns of a timeline: title, aligned to the right, the width from which it wraps."""

_LONGEST_CALL = 20


def _cells(row: TimelineRow) -> list[Text]:
    style = "" if row.kind == "exchange" else "italic"
    call = row.call or ""
    return [
        Text(">" if row.marked else "", style="bold red"),
        Text(str(row.exchange) if row.exchange is not None else ""),
        Text(_seconds(row.t)),
        Text(call if len(call) <= _LONGEST_CALL else f"{call[: _LONGEST_CALL - 1]}…", style=style),
        Text(str(row.attempt) if row.attempt is not None else ""),
        Text(row.text, style=style),
        Text(row.fault or "", style="magenta"),
        Text(row.answer or ""),
        Text(_seconds(row.wait) if row.wait is not None else ""),
    ]


def _seconds(value: float) -> str:
    return f"{value:.3f} s"
