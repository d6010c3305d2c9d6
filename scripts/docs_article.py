"""docs/article.md: what the judge finds in the article's client, with the smallest schedule for each defect."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from docs_facts import GENERATED, Rendered, data, paragraph, run, table
from rich.console import Console

from sadpath.report.timeline import timeline_table
from sadpath.verify.results import ClauseResult, ClientResult, Finding, Results, TimelineRow

__all__ = ["render"]

WIDTH = 110
"""Columns that a timeline takes at most."""

FIRST, LAST = 6, 3
"""Rows of a long timeline that are shown."""

NUMBERS = re.compile(r"\d+(?:, \d+){4,} and \d+")
"""Exchanges in a row, as a sentence lists them."""

Prose = Mapping[str, Mapping[str, str]]
"""For each clause that the article's client fails: ``defect`` and ``instead``."""

NOTHING: Mapping[str, str] = {"defect": "", "instead": ""}


def render(folder: Path) -> Rendered:
    """Return the page, and what the data file does not say of what was found, or says of what was not."""
    results = Results.model_validate(run("article"))
    prose: Prose = data(folder, "article")["defects"]
    client = results.clients[0]
    failing = [item for item in client.clauses if item.verdict == "fail" and item.findings]
    rendered = Rendered(mistakes=list(_mistakes(failing, prose)))
    lines = _head(results, failing, prose)
    for item in failing:
        lines += _defect(item, prose.get(item.id, NOTHING))
    rendered.add("article.md", [*lines, *_rest(client)][:-1])
    return rendered


def _mistakes(failing: Sequence[ClauseResult], prose: Prose) -> Iterator[str]:
    where = "docs/data/article.yaml"
    for item in failing:
        if not all(prose.get(item.id, NOTHING).values()):
            yield f"{where} leaves open what the article does wrong, or what to do instead, by {item.id}"
    for name in sorted(set(prose) - {item.id for item in failing}):
        yield f"{where} speaks of {name}, which the article's client does not fail"
    for name, said in prose.items():
        if set(said) != set(NOTHING):
            yield f"{where}, {name}: `defect` and `instead` are what is to be said"


def _head(results: Results, failing: Sequence[ClauseResult], prose: Prose) -> list[str]:
    rows = [(f"[{item.id}](#{item.id.lower()})", item.level, prose.get(item.id, NOTHING)["defect"]) for item in failing]
    lines = ["# The article's client, judged", "", GENERATED, ""]
    lines += paragraph(
        """An article on API integration in Flutter describes a stack that many apps have: an HTTP client with three
        timeouts, interceptors for logging, token refresh and retry, a repository over network and cache, and a result
        type. `sadpath.subjects.article` is that design, written again in Python as it stands. It is judged by what
        its readers need: [its contract](../contracts/clients/article.yaml) extends the reference's, and takes out
        what the article never speaks of."""
    )
    lines += paragraph(
        f"""What follows comes from one run of `sadpath verify article` in the simulated world: {len(results.cases)}
        bundled scenarios, seed {results.seed}. Each schedule was made as small as it gets while the client still
        breaks the clause."""
    )
    return [*lines, *table(["clause", "level", "the defect"], rows)]


def _defect(item: ClauseResult, said: Mapping[str, str]) -> list[str]:
    smallest = item.findings[0]
    scenario = smallest.case.rpartition("@")[0]
    lines = [f"## {item.id}", "", *paragraph(said["defect"])]
    source = f"{item.level}; source: {item.source or 'the contract'}"
    lines += paragraph(f"[{item.id}](reference/clauses.md#{item.id.lower()}): the client {item.title} ({source}).")
    lines += [
        "The smallest schedule that shows it:",
        "",
        "```yaml",
        *smallest.schedule.rstrip().splitlines(),
        "```",
        "",
    ]
    lines += [
        "What happened:",
        "",
        "```text",
        *_timeline(smallest),
        "```",
        "",
        *paragraph(_shortened(smallest.sentence)),
    ]
    lines += paragraph(f"**Instead.** {said['instead']}")
    return [*lines, f"See it happen: `sadpath verify article --scenario {scenario}`.", ""]


def _timeline(finding: Finding) -> list[str]:
    rows, left_out = list(finding.timeline), len(finding.timeline) - FIRST - LAST
    if left_out > 1:
        rows[FIRST:-LAST] = [TimelineRow(t=rows[FIRST].t, kind="change", text=f"… {left_out} rows more …")]
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, color_system=None, highlight=False, legacy_windows=False)
    console.print(timeline_table(rows))
    return [line.rstrip() for line in out.getvalue().rstrip().splitlines()]


def _shortened(sentence: str) -> str:
    """Return a sentence with many numbers in a row as one with the first and the last of them."""

    def short(match: re.Match[str]) -> str:
        numbers = [int(number) for number in re.findall(r"\d+", match[0])]
        in_a_row = numbers == list(range(numbers[0], numbers[-1] + 1))
        return f"{numbers[0]} to {numbers[-1]}" if in_a_row else match[0]

    return NUMBERS.sub(short, sentence)


def _rest(client: ClientResult) -> list[str]:
    """Return what holds, and what could not be judged."""
    held = [(item.id, item.title) for item in client.clauses if item.verdict == "pass"]
    why = {"not_exercised": "no bundled scenario puts it to the test with this client"}
    untested = [(item.id, item.why or why[item.verdict]) for item in client.clauses
                if item.verdict in ("unsupported", "not_exercised")]  # fmt: skip
    lines = ["## What holds", "", *table(["clause", "the client …"], held)]
    return [*lines, "## What cannot be said", "", *table(["clause", "why"], untested)]
