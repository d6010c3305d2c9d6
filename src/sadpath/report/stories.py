"""Clauses and their findings as parts of the HTML report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sadpath.report.chart import timeline_chart
from sadpath.report.markup import Markup, element, joined
from sadpath.report.words import VERDICTS, bounded, case_name, moment, reason_of, sentence
from sadpath.verify.results import ClauseResult, Finding, TimelineRow

__all__ = ["SIGNS", "clause_story"]

SIGNS: Final[dict[str, str]] = {
    "fail": "✗", "xpass": "!", "flaky": "~", "xfail": "✗", "pass": "✓", "not_exercised": "·", "unsupported": "–",
    "driver_error": "?", "harness_error": "?",
}  # fmt: skip
"""What stands for a verdict in the matrix, beside its words."""

_FULL: Final = 2
_BRIEF: Final = 8
_COLUMNS: Final = ("#", "time", "call", "try", "what", "fault", "answer", "waited")


def clause_story(anchor: str, client: str, clause: ClauseResult, *, new: bool, detail: int) -> Markup:
    """Return a clause's story, folded up: what it asks, what the client did, and how to see it again.

    ``detail`` says how much room there is: 2 for timelines, 1 for schedules, 0 for a sentence.
    """
    if not detail:
        return _in_short(anchor, client, clause, new=new)
    full = detail > 1
    head = [
        element("span", f"{SIGNS[clause.verdict]} {VERDICTS[clause.verdict]}", class_=f"verdict {clause.verdict}"),
        element("b", f" {clause.id} "),
        element("span", client, class_="who"),
        *([element("span", "new", class_="new")] if new else []),
        element("span", f" {clause.title}"),
    ]
    facts = f"{clause.level}; source: {clause.source or 'the contract'}. "
    numbers = f"{clause.cases} cases, tested in {clause.exercised}, failed in {clause.failed}."
    parts = [element("p", facts + numbers, class_="facts", id=f"{anchor}-facts", tabindex=-1)]
    if clause.reason:
        parts.append(element("p", clause.reason, class_="facts"))
    if reason := reason_of(clause):
        parts.append(element("p", sentence(reason)))
    shown = clause.findings if clause.verdict != "xpass" else []
    for number, finding in enumerate(shown[: _FULL if full else 1], 1):
        parts.append(_finding(f"{anchor}-{number}", finding, full=full))
    parts += _others(shown[_FULL if full else 1 :])
    return element("details", element("summary", *head), *parts, id=anchor, class_="story")


def _in_short(anchor: str, client: str, clause: ClauseResult, *, new: bool) -> Markup:
    said = clause.findings[0].sentence if clause.findings and clause.verdict != "xpass" else reason_of(clause)
    replay = [element("code", bounded(clause.findings[0].replay, 200))] if clause.findings else []
    summary = element("summary", f"{SIGNS[clause.verdict]} {clause.id} {client}{' (new)' if new else ''}")
    told = element("p", f"{sentence(bounded(said, 300))} ", *replay, id=f"{anchor}-facts")
    return element("details", summary, told, id=anchor, class_="story")


def _finding(anchor: str, finding: Finding, *, full: bool) -> Markup:
    parts = [
        element("h3", sentence(bounded(finding.sentence, 4000))),
        element("p", f"The smallest schedule that shows it, of {case_name(finding.case)}:"),
        element("pre", element("code", bounded(finding.schedule.rstrip("\n"), 8000)), tabindex=0),
    ]
    if full and finding.timeline:
        label = f"Timeline of {case_name(finding.case)}"
        inner = joined([timeline_chart(finding.timeline), _table(finding.timeline, label)])
        parts.append(element("div", inner, class_="scroll", tabindex=0, role="group", aria_label=label))
    parts.append(element("p", "Run it again:"))
    code = element("code", bounded(finding.replay, 4000), id=f"{anchor}-replay")
    button = element("button", "Copy", type="button", class_="copy", data_copies=f"{anchor}-replay", hidden=True)
    parts.append(element("div", element("pre", code, tabindex=0), button, class_="replay"))
    return element("div", *parts, class_="finding")


def _others(findings: Sequence[Finding]) -> list[Markup]:
    if not findings:
        return []
    items = [
        element(
            "li",
            element("b", case_name(item.case)),
            f": {sentence(bounded(item.sentence, 500))} ",
            element("code", bounded(item.replay, 500)),
        )
        for item in findings[:_BRIEF]
    ]
    more = len(findings) - len(items)
    if more > 0:
        items.append(element("li", f"and {more} more, in results.json"))
    return [element("p", "Seen as well in:"), element("ul", *items)]


def _table(rows: Sequence[TimelineRow], label: str) -> Markup:
    """Return the timeline in words; columns in which nothing stands are left out."""
    lines = [_cells(row) for row in rows]
    kept = [index for index in range(len(_COLUMNS)) if any(line[index] for line in lines)]
    head = element("tr", *(element("th", _COLUMNS[index], scope="col") for index in kept))
    body = [
        element("tr", *(element("td", line[index]) for index in kept), class_="marked" if row.marked else None)
        for row, line in zip(rows, lines, strict=True)
    ]
    caption = element("caption", label, class_="unseen")
    return element("table", caption, element("thead", head), element("tbody", *body), class_="timeline")


def _cells(row: TimelineRow) -> tuple[str, ...]:
    return (
        str(row.exchange) if row.exchange is not None else "",
        moment(row.t),
        row.call or "",
        str(row.attempt) if row.attempt is not None else "",
        row.text,
        row.fault or "",
        row.answer or "",
        moment(row.wait) if row.wait is not None else "",
    )
