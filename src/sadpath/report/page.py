"""The HTML report: one file that needs nothing else, and that may load nothing else.

It is whole without JavaScript: the matrix leads to findings that fold out by themselves. JavaScript adds filters, opens
what a cell points to, and copies commands. Everything from the results is text (``markup``); styles and script are ours
and are let in by their digests, all else is forbidden by a policy of the page itself (Content Security Policy Level 3).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final

from sadpath.report.comparison import Comparison
from sadpath.report.markup import Markup, element, joined
from sadpath.report.stories import SIGNS, clause_story
from sadpath.report.terminal import exit_meaning
from sadpath.report.words import VERDICTS, headline, printable, sentence
from sadpath.verify.results import ClauseResult, ClientResult, Results, exit_code

__all__ = ["render_html"]

_ROOM: Final = 2_300_000
"""Characters that findings take at most, about; where there are many, the gravest are told best."""
_SHORTEST: Final = 700
"""Characters that a finding takes which is told in a sentence."""
_IN_FULL: Final = 0.6
"""The share of the room that findings with timelines may take."""
_SEARCHED: Final = 600

_LEGEND: Final = (
    "In timelines, to scale: a bar is an attempt, a dashed line the wait before it, a diamond a fault, a stroke the "
    "end of a call, an upright dashed line a change by the harness; red is what the finding is about."
)

_TOLD: Final = ("fail", "xpass", "flaky", "xfail", "driver_error", "harness_error")
"""The verdicts of which there is a story to tell."""


def render_html(results: Results, comparison: Comparison | None = None) -> str:
    """Return the report as one HTML file."""
    style, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    title = f"sadpath: {headline(results)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", style),
    )
    body = element(
        "body",
        *([element("a", "To the findings", href="#findings", class_="skip")] if results.kill_rate is None else []),
        element("header", *_head(results, title)),
        element("main", *_main(results, comparison)),
        element("script", _island(results), type="application/json", id="sadpath-data"),
        element("script", script),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _asset(name: str) -> Markup:
    """Return a file of ours; it holds nothing that would end the element it goes into."""
    return Markup(resources.files("sadpath.report").joinpath("assets", name).read_text(encoding="utf-8"))


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _island(results: Results) -> Markup:
    """Return the verdicts as JSON that no text within can break out of: neither ``<`` nor ``&`` stands in it."""
    data = {
        "sadpath": printable(results.sadpath),
        "clients": [printable(client.name) for client in results.clients],
        "clauses": [
            {
                "id": printable(clause.id),
                "family": printable(clause.family),
                "text": printable(" ".join([clause.id, clause.title, *told])[:_SEARCHED]).lower(),
                "verdicts": verdicts,
            }
            for clause, verdicts, told in _rows(results)
        ]
        if results.kill_rate is None
        else [],
    }
    text = json.dumps(data, separators=(",", ":"))  # ASCII: what is no ASCII is escaped
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _rows(results: Results) -> Iterator[tuple[ClauseResult, list[str], list[str]]]:
    """Yield each clause with its verdict for each client, empty where it is not judged by it, and what was found."""
    known = [{clause.id: clause for clause in client.clauses} for client in results.clients]
    for name in dict.fromkeys(clause.id for client in results.clients for clause in client.clauses):
        found = [clauses.get(name) for clauses in known]
        first = next(clause for clause in found if clause is not None)
        told = [clause.findings[0].sentence[:300] for clause in found if clause is not None and clause.findings]
        yield first, ["" if clause is None else clause.verdict for clause in found], told


# The head


def _head(results: Results, title: str) -> Iterator[Markup]:
    good = exit_code(results) == 0
    yield element("h1", title)
    yield element("p", sentence(exit_meaning(results)), class_=f"meaning {'good' if good else 'bad'}")
    facts = {
        "sadpath": results.sadpath,
        "world": results.world,
        "seed": str(results.seed),
        "cases": str(len(results.cases)),
        "drawn": str(results.generated) if results.generated else "",
        "shards": results.shard or "",
        "started": results.started,
        "took": f"{results.duration_s:.1f} s" if results.duration_s else "",
        "command": results.command,
    }
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in facts.items() if value]
    yield element("dl", *pairs, class_="run")


# The body


def _main(results: Results, comparison: Comparison | None) -> Iterator[Markup]:
    if comparison is not None:
        yield _section(
            "changes", "What has changed", element("ul", *(element("li", line) for line in comparison.lines()))
        )
    if results.errors:
        items = [
            element("li", element("b", f"{error.party}: "), f"{error.where}: {error.message}")
            for error in results.errors
        ]
        yield _section("errors", "Not judged", element("ul", *items))
    missing = [element("li", f"{item.name}: {item.missing}") for item in results.clients if item.missing is not None]
    if missing:
        yield _section("missing", "Not put to the test", element("ul", *missing))
    if results.kill_rate is not None:
        yield _kill_rate(results)
        return
    yield _section("matrix", "Clauses", _filters(results), _matrix(results))
    stories = list(_stories(results, comparison))
    about = _LEGEND if stories else "Nothing fails."
    yield _section("findings", "Findings", element("p", about, class_="facts"), *stories)
    notes = [element("li", f"{client.name}: {note}") for client in results.clients for note in client.notes]
    if notes:
        yield _section("notes", "Left behind", element("ul", *notes))


def _section(name: str, title: str, *parts: str) -> Markup:
    return element(
        "section", element("h2", title, id=f"{name}-title"), *parts, id=name, aria_labelledby=f"{name}-title"
    )


def _filters(results: Results) -> Markup:
    """Return what chooses rows; it is shown where JavaScript can do so."""
    verdicts = {clause.verdict for client in results.clients for clause in client.clauses}
    families = dict.fromkeys(clause.family for client in results.clients for clause in client.clauses)
    text = element("input", type="search", id="filter-text", autocomplete="off")
    return element(
        "form",
        element("label", "Text ", text),
        element("label", "Verdict ", _select("filter-verdict", [(v, VERDICTS[v]) for v in VERDICTS if v in verdicts])),
        element("label", "Family ", _select("filter-family", [(name, name) for name in sorted(families)])),
        element("output", id="filter-count", for_="filter-text filter-verdict filter-family"),
        id="filters",
        hidden=True,
    )


def _select(name: str, options: Sequence[tuple[str, str]]) -> Markup:
    made = [element("option", "all", value="")]
    return element("select", *made, *(element("option", shown, value=value) for value, shown in options), id=name)


def _matrix(results: Results) -> Markup:
    head = element(
        "tr",
        element("th", "clause", scope="col"),
        *(element("th", client.name, scope="col") for client in results.clients),
        element("th", "the client …", scope="col", class_="title"),
    )
    body = []
    for row, (clause, _, _) in enumerate(_rows(results)):
        cells = [_cell(number, client, clause.id) for number, client in enumerate(results.clients)]
        what = element("td", clause.title, class_="title")
        body.append(element("tr", element("th", clause.id, scope="row"), *cells, what, data_row=row))
    caption = element("caption", "Each clause and what came of it for each client", class_="unseen")
    table = element("table", caption, element("thead", head), element("tbody", *body), class_="matrix")
    return element("div", table, class_="scroll", tabindex=0, role="group", aria_label="Clauses by client")


def _cell(number: int, client: ClientResult, name: str) -> Markup:
    place = next((index for index, clause in enumerate(client.clauses) if clause.id == name), None)
    if place is None:
        return element("td", element("span", "not judged by it", class_="unseen"))
    clause = client.clauses[place]
    shown = joined(
        [
            element("span", SIGNS[clause.verdict], aria_hidden="true"),
            element("span", f"{VERDICTS[clause.verdict]}", class_="unseen"),
        ]
    )
    if clause.verdict in _TOLD:
        unseen = element("span", f" {client.name} {clause.id}", class_="unseen")
        return element(
            "td", element("a", shown, unseen, href=f"#{_anchor(number, place)}-facts"), class_=clause.verdict
        )
    tested = clause.why or f"tested in {clause.exercised} of {clause.cases} cases"
    return element("td", shown, class_=clause.verdict, title=f"{VERDICTS[clause.verdict]}; {tested}")


def _anchor(client: int, clause: int) -> str:
    return f"f{client}-{clause}"


def _stories(results: Results, comparison: Comparison | None) -> Iterator[Markup]:
    """Yield the stories, the gravest first; when there are many, later ones are told in short."""
    order = list(VERDICTS)
    found = [
        (number, place, client, clause)
        for number, client in enumerate(results.clients)
        for place, clause in enumerate(client.clauses)
        if clause.verdict in _TOLD
    ]
    room, taken = max(0, _ROOM - _SHORTEST * len(found)), 0
    for number, place, client, clause in sorted(found, key=lambda item: order.index(item[3].verdict)):
        new = comparison is not None and comparison.is_new(client.name, clause.id)
        detail = 2 if taken < room * _IN_FULL else 1 if taken < room else 0
        story = clause_story(_anchor(number, place), client.name, clause, new=new, detail=detail)
        taken += len(story)
        yield story


def _kill_rate(results: Results) -> Markup:
    rate = results.kill_rate
    if rate is None:
        return Markup("")
    head = element("tr", *(element("th", name, scope="col") for name in ("clause", "known-bad clients", "caught")))
    body = [
        element(
            "tr",
            element("th", item.id, scope="row"),
            element("td", str(item.bad)),
            element("td", str(item.killed), class_="pass" if item.killed == item.bad else "fail"),
        )
        for item in rate.clauses
    ]
    missed = [
        element("li", element("b", item.name), f" was to fail {item.clause}: {item.why}") for item in rate.survivors
    ]
    table = element("table", element("thead", head), element("tbody", *body), class_="matrix")
    parts = [element("div", table, class_="scroll", tabindex=0, role="group", aria_label="Clauses and what they catch")]
    if missed:
        parts += [element("h3", "Not caught"), element("ul", *missed)]
    if rate.unguarded:
        parts.append(element("p", f"Clauses that no known-bad client fails: {', '.join(rate.unguarded)}."))
    return _section("killed", "Known-bad clients", *parts)
