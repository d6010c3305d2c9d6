"""A case's timeline as a picture to scale: a lane for each call, its attempts as bars, faults, waits and changes.

The picture holds nothing that the table below it does not say; it shows how long things took beside each other. A gap
in which nothing happens and beside which nothing else could be seen is drawn short and marked as cut.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sadpath.report.markup import Markup, element, joined
from sadpath.report.words import bounded, moment
from sadpath.verify.results import TimelineRow

__all__ = ["timeline_chart"]

_WIDTH: Final = 720
_LEFT: Final = 150
_RIGHT: Final = 24
_LANE: Final = 28
_TOP: Final = 26
_LANES: Final = 12
_CUTS: Final = 3
_LONG: Final = 0.75
"""The share of a chart from which a gap hides everything else, and is cut."""
_CUT_TO: Final = 0.25
"""What a cut gap is drawn as: this share of all else."""
_FAR: Final = 1e10
"""Seconds, centuries, from which on a time is none."""
_LEAST_BAR: Final = 3.0
_TICKS: Final = 4


@dataclass
class _Scale:
    """Where times stand: the stretches between them, some of which are drawn shorter than they are."""

    times: list[float]
    drawn: list[float]
    cuts: list[int]

    def at(self, time: float) -> float:
        """Return how far from the left a time is drawn."""
        place, last = 0.0, len(self.times) - 1
        for index, length in enumerate(self.drawn):
            start, end = self.times[index], self.times[index + 1]
            if time >= end and index < last - 1:
                place += length
                continue
            share = (time - start) / (end - start) if end > start else 0.0
            place += length * min(1.0, max(0.0, share))
            break
        return _LEFT + place


def timeline_chart(rows: Sequence[TimelineRow]) -> Markup:
    """Return the picture, nothing where there is nothing to draw."""
    shown = [row for row in rows if abs(row.t) < _FAR and 0 <= (row.wait or 0) < _FAR]
    lanes = list(dict.fromkeys(row.call for row in shown if row.call is not None))[:_LANES]
    if not lanes:
        return Markup("")
    scale = _scale(shown)
    height = _TOP + _LANE * len(lanes) + 24
    parts = [
        element("title", f"Timeline of {len(shown)} events; the table below says the same in words."),
        *_axis(scale, height),
        *(_lane(name, _TOP + _LANE * index) for index, name in enumerate(lanes)),
        *(_change(scale, row, height) for row in shown if row.kind == "change"),
    ]
    for index, name in enumerate(lanes):
        parts += _events(scale, [row for row in shown if row.call == name], _TOP + _LANE * index + _LANE / 2)
    return element(
        "svg",
        *parts,
        class_="chart",
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_label=f"Timeline of {len(shown)} events",
    )


def _scale(rows: Sequence[TimelineRow]) -> _Scale:
    times = sorted({time for row in rows for time in (row.t, *_end_before(row))})
    if len(times) == 1:
        times.append(times[0] + 0.001)
    real = [after - before for before, after in itertools.pairwise(times)]
    drawn, cuts = list(real), []
    for _ in range(_CUTS):
        longest = max(range(len(drawn)), key=lambda index: drawn[index])
        rest = sum(drawn) - drawn[longest]
        if rest <= 0 or longest in cuts or drawn[longest] <= _LONG * (rest + drawn[longest]):
            break
        drawn[longest] = rest * _CUT_TO
        cuts.append(longest)
    room, whole = _WIDTH - _LEFT - _RIGHT, sum(drawn)
    if not math.isfinite(whole) or whole <= 0:
        return _Scale(times, [room / len(drawn)] * len(drawn), [])
    return _Scale(times, [room * (length / whole) for length in drawn], cuts)


def _end_before(row: TimelineRow) -> list[float]:
    """Return when the attempt before ended, by how long was waited since."""
    return [row.t - row.wait] if row.wait is not None else []


def _axis(scale: _Scale, height: int) -> Iterator[Markup]:
    base = height - 16
    yield element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=base, y2=base, class_="axis")
    first, last = scale.times[0], scale.times[-1]
    marks = [(scale.at(time), time) for time in scale.times]
    taken = -1e9
    wanted = [first + (last - first) * step / _TICKS for step in range(_TICKS + 1)] if not scale.cuts else []
    for place, time in [(scale.at(time), time) for time in wanted] or marks:
        if place - taken < (_WIDTH - _LEFT) / (_TICKS + 3):
            continue
        taken = place
        yield element("line", x1=place, x2=place, y1=_TOP - 6, y2=base + 3, class_="tick")
        yield element("text", _tick(time, last - first), x=place, y=height - 3, class_="small", text_anchor="middle")
    for index in scale.cuts:
        middle = (scale.at(scale.times[index]) + scale.at(scale.times[index + 1])) / 2
        length = scale.times[index + 1] - scale.times[index]
        yield element(
            "path", d=f"M{middle - 6:.1f} {base + 5}l4-10m4 10l4-10", class_="cut", fill="none", stroke_width=1.5
        )
        yield element("text", f"{length:.3g} s cut", x=middle, y=12, class_="small", text_anchor="middle")


def _tick(time: float, span: float) -> str:
    """Return a time as the axis shows it, as exactly as neighbours can be told apart."""
    return f"{time * 1000:.2f} ms" if span < 0.05 else f"{time:.2f} s" if span < 50 else f"{time:.0f} s"


def _lane(name: str, top: float) -> Markup:
    middle = top + _LANE / 2
    return joined(
        [
            element("text", bounded(name, 22), x=4, y=middle + 4, class_="label"),
            element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=middle, y2=middle, class_="lane"),
        ]
    )


def _change(scale: _Scale, row: TimelineRow, height: int) -> Markup:
    place = scale.at(row.t)
    line = element("line", element("title", row.text), x1=place, x2=place, y1=_TOP - 4, y2=height - 16, class_="change")
    return Markup(line)


def _events(scale: _Scale, rows: Sequence[TimelineRow], middle: float) -> Iterator[Markup]:
    """Yield what a call did: waits as lines, attempts as bars, faults as diamonds, its end as a stroke."""
    for index, row in enumerate(rows):
        place, later = scale.at(row.t), rows[index + 1 :]
        if row.kind == "call":
            said = element("title", f"{row.text} at {moment(row.t)}")
            yield element(
                "line", said, x1=place, x2=place, y1=middle - 9, y2=middle + 9, class_=_marked("end", marked=row.marked)
            )
        elif row.kind == "exchange":
            if row.wait is not None:
                yield element(
                    "line",
                    element("title", f"waited {moment(row.wait)}"),
                    x1=scale.at(row.t - row.wait), x2=place, y1=middle, y2=middle, class_="wait",
                )  # fmt: skip
            yield _attempt(row, place, max(place + _LEAST_BAR, scale.at(_end(row, later))), middle)
            if row.fault:
                yield element(
                    "polygon",
                    points=f"{place:.1f},{middle - 12:.1f} {place + 5:.1f},{middle - 7:.1f} "
                    f"{place:.1f},{middle - 2:.1f} {place - 5:.1f},{middle - 7:.1f}",
                    class_="fault",
                )


def _attempt(row: TimelineRow, start: float, end: float, middle: float) -> Markup:
    said = [f"{row.text} at {moment(row.t)}", row.fault and f"fault: {row.fault}", row.answer]
    title = element("title", "; ".join(part for part in said if part))
    return element(
        "rect", title, x=start, y=middle - 6, width=end - start, height=12, rx=2,
        class_=_marked("attempt", marked=row.marked),
    )  # fmt: skip


def _end(row: TimelineRow, later: Sequence[TimelineRow]) -> float:
    """Return when an attempt ended, as far as the rows tell: by the wait after it, or with its call."""
    for other in later:
        if other.kind == "exchange":
            return other.t - other.wait if other.wait is not None and other.t - other.wait >= row.t else row.t
        if other.kind == "call":
            return other.t
    return row.t


def _marked(name: str, *, marked: bool) -> str:
    return f"{name} marked" if marked else name
