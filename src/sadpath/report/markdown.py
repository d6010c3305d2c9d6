"""Markdown for a pull request: a short table, then each failing clause, folded up, within what GitHub takes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

from sadpath.report.comparison import Comparison
from sadpath.report.terminal import exit_meaning
from sadpath.report.words import FAILING, bounded, case_name, headline, moment, printable, reason_of, sentence
from sadpath.verify.results import ClauseResult, ClientResult, Finding, Results, exit_code

__all__ = ["LONGEST", "render_markdown"]

LONGEST: Final = 65_000
"""Characters at most; GitHub takes 65,536 in a comment."""

_CLIENTS: Final = 40
_CHANGES: Final = 20
_MISSING: Final = 10
_ROWS: Final = 25
_JOINER: Final = "\u2060"


def render_markdown(results: Results, comparison: Comparison | None = None) -> str:
    """Return the results as Markdown of at most ``LONGEST`` characters; what is left out is counted."""
    blocks = list(_head(results, comparison))
    left = LONGEST - sum(len(block) + 2 for block in blocks) - 200
    skipped = 0
    for block in _details(results, comparison):
        if skipped or len(block) + 2 > left:
            skipped += 1
            continue
        blocks.append(block)
        left -= len(block) + 2
    if skipped:
        blocks.append(f"_{skipped} more did not fit here; the HTML report has all of them._")
    return "\n\n".join(blocks) + "\n"


def _head(results: Results, comparison: Comparison | None) -> Iterator[str]:
    mark = "✅" if exit_code(results) == 0 else "❌"
    yield f"### {mark} sadpath: {headline(results)}"
    facts = [f"sadpath {results.sadpath}", f"world {results.world}", f"seed {results.seed}"]
    facts += [f"shards {results.shard}"] if results.shard else []
    yield f"{sentence(exit_meaning(results))} {_text(' · '.join(facts), 300)}"
    if results.kill_rate is None and results.clients:
        yield _table(results)
    missing = [client for client in results.clients if client.missing is not None]
    if missing:
        yield "\n".join(
            f"- {_text(f'{item.name} was not put to the test: {item.missing}', 150)}" for item in missing[:_MISSING]
        )
    if comparison is not None:
        lines = comparison.lines()
        yield "\n".join(f"- {_text(line, 200)}" for line in lines[:_CHANGES])


def _table(results: Results) -> str:
    rows = ["| client | fail | hold | expected failures | not tested |", "| :-- | --: | --: | --: | --: |"]
    for client in results.clients[:_CLIENTS]:
        verdicts = [clause.verdict for clause in client.clauses]
        failing = sum(verdict in FAILING for verdict in verdicts)
        numbers = [
            f"**{failing}**" if failing else "0",
            str(verdicts.count("pass")),
            str(verdicts.count("xfail")),
            str(verdicts.count("not_exercised") + verdicts.count("unsupported")),
        ]
        rows.append(f"| {_text(f'{client.name} {client.version}'.strip(), 60)} | {' | '.join(numbers)} |")
    if len(results.clients) > _CLIENTS:
        rows.append(f"| … and {len(results.clients) - _CLIENTS} more | | | | |")
    return "\n".join(rows)


def _details(results: Results, comparison: Comparison | None) -> Iterator[str]:
    for error in results.errors:
        yield f"- **Not judged** ({error.party}): {_text(error.where, 200)}: {_text(error.message, 1000)}"
    if results.kill_rate is not None:
        for survivor in results.kill_rate.survivors:
            what = f"{survivor.name} was to fail {survivor.clause}: {survivor.why}"
            yield f"- **Not caught**: {_text(what, 1000)}"
        return
    found = [(client, clause) for client in results.clients for clause in client.clauses]
    found = [(client, clause) for client, clause in found if clause.verdict in (*FAILING, "flaky")]
    new = [comparison is not None and comparison.is_new(client.name, clause.id) for client, clause in found]
    for wanted in (True, False):  # what is new comes first, for it must not be what does not fit
        for (client, clause), fresh in zip(found, new, strict=True):
            if fresh is wanted:
                yield _clause(client, clause, new=fresh)


def _clause(client: ClientResult, clause: ClauseResult, *, new: bool) -> str:
    said = {"fail": "fails", "xpass": "is listed as failing, and holds", "flaky": "is flaky"}[clause.verdict]
    summary = f"<b>{_html(clause.id, 40)}</b> {said}{' (<b>new</b>)' if new else ''}: {_html(client.name, 100)}, "
    summary += f"{_html(clause.title, 300)}"
    source = f"{clause.level}; source: {clause.source or 'the contract'}"
    parts = [f"<details><summary>{summary}</summary>", _text(source, 400)]
    if reason := reason_of(clause):
        parts.append(_text(sentence(reason), 1000))
    if clause.findings and clause.verdict != "xpass":
        parts += _finding(clause.findings[0])
        others = list(dict.fromkeys(case_name(item.case) for item in clause.findings[1:]))
        if others:
            more = f" and {len(others) - 4} more" if len(others) > 4 else ""
            parts.append(f"Also in {_text(', '.join(others[:4]), 400)}{more}.")
    return "\n\n".join([*parts, "</details>"])


def _finding(finding: Finding) -> Iterator[str]:
    yield f"**{_text(sentence(finding.sentence), 1500)}**"
    yield f"The smallest schedule that shows it, of {_text(case_name(finding.case), 200)}:"
    yield _fenced(bounded(finding.schedule.rstrip("\n"), 3000), "yaml")
    if finding.timeline:
        yield _fenced("\n".join(_rows(finding)))
    yield "Run it again:"
    yield _fenced(bounded(finding.replay, 1000), "sh")


def _rows(finding: Finding) -> Iterator[str]:
    for row in finding.timeline[:_ROWS]:
        parts = [moment(row.t), row.call, row.text, row.fault and f"[{row.fault}]", row.answer]
        text = "  ".join(_line(part) for part in parts if part)
        yield bounded(f"{'>' if row.marked else ' '} {text}", 200)
    if len(finding.timeline) > _ROWS:
        yield f"  … {len(finding.timeline) - _ROWS} more"


def _line(text: str) -> str:
    return " ".join(text.split())


def _fenced(text: str, language: str = "") -> str:
    """Return a text as a code block, between fences that are longer than any within it."""
    text = printable(text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _html(text: str, most: int) -> str:
    """Return a text for a place where GitHub reads HTML: no element, no mention, no link, no reference in it."""
    return html.escape(_inert(_line(printable(bounded(text, most)))), quote=False)


def _text(text: str, most: int) -> str:
    """Return a text for a place where GitHub reads Markdown: it stands there as it is, in one line."""
    shown = html.escape(_inert(_line(printable(bounded(text, most)))), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+|~$!-])", r"\\\1", shown)


def _inert(text: str) -> str:
    """Return a text in which GitHub finds nobody to tell and nothing to link to, though it looks the same."""
    text = re.sub(r"([@#])(?=\w)", rf"\1{_JOINER}", text)
    return re.sub(r"(?i)(://|www\.)", lambda found: f"{found[0][0]}{_JOINER}{found[0][1:]}", text)
