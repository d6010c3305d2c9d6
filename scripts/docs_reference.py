"""The pages in docs/reference/: clauses, faults, known-bad clients, and which scenario covers what."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from docs_facts import GENERATED, Rendered, data, links, paragraph, run, table

from sadpath.cli import _catalogue
from sadpath.subjects.known_bad import KnownBad, all_known_bad
from sadpath.verify.clauses import Clause, all_clauses

__all__ = ["render"]

CLIENTS = ("reference", "http-cache")
"""Whose runs show what is put to the test: those of the first contract whose client a clause is about."""

MOST_SCENARIOS, MOST_COVERING = 6, 12
"""Scenarios that are named for a clause or fault on its own page, and in the table of what is covered."""

SCENARIO = "[{0}](../../scenarios/{0}.yaml)"
KNOWN_BAD = "[{0}](known-bad.md#{0})"
LEVELS = {
    "must": "a standard binds this client",
    "should": "a standard, or plain sense, advises it",
    "policy": "it counts where the client's contract promises it",
}
FAMILIES = {
    "AUTH": "Tokens: when they are renewed, how often, and what a failed renewal means.",
    "CACHE": "What may be kept, when it stands in for an answer, and what is said of it then.",
    "CANCEL": "What is cancelled ends, at once, as cancelled, and does nothing more.",
    "CONN": "Hints about connectivity are hints.",
    "END": "Every call ends.",
    "ERROR": "What a caller gets to know of a failure.",
    "HEAL": "Once the faults stop, the client works again.",
    "HONEST": "What a client says of its calls is what happened.",
    "IDEM": "One key for one logical request, one effect for one key.",
    "PAGE": "Walking through a collection page by page.",
    "POOL": "Connections come back, and carry one answer at a time.",
    "REDIR": "Where redirects lead, and what a request becomes there.",
    "RETRY": "How often, what, and after which wait a request is sent again.",
    "TIME": "Limits on time, each for what it is about.",
}


@dataclass(frozen=True)
class Facts:
    """What all pages are made from: the registries, a run of each good client, and what people have said.

    ``cases`` are the reference client's, ``others`` those of clients that are put to other tests, by their names.
    """

    clauses: Sequence[Clause]
    faults: Sequence[Any]
    known_bad: Sequence[KnownBad]
    cases: Sequence[Mapping[str, Any]]
    others: Mapping[str, Sequence[Mapping[str, Any]]]
    excused: Mapping[str, Mapping[str, str]]

    @cached_property
    def tested(self) -> dict[str, str]:
        """The client whose run shows what puts each clause to the test: the first to whom that happened."""
        runs = {CLIENTS[0]: self.cases, **self.others}
        return {
            item.id: next(
                (name for name, cases in runs.items() if any(item.id in case["exercised"] for case in cases)),
                CLIENTS[0],
            )
            for item in self.clauses
        }

    @cached_property
    def exercising(self) -> dict[str, list[str]]:
        """The scenarios in which each clause was put to the test."""
        runs = {CLIENTS[0]: self.cases, **self.others}
        return {item.id: _scenarios(runs[self.tested[item.id]], "exercised", item.id) for item in self.clauses}

    @cached_property
    def firing(self) -> dict[str, list[str]]:
        """The scenarios in which each fault took effect."""
        return {item.name: _scenarios(self.cases, "fired", item.name) for item in self.faults}

    @cached_property
    def failing(self) -> dict[str, list[str]]:
        """The known-bad clients that must fail each clause."""
        return {item.id: [bad.name for bad in self.known_bad if item.id in bad.clauses] for item in self.clauses}


def _scenarios(cases: Sequence[Mapping[str, Any]], what: str, name: str) -> list[str]:
    """Return the scenarios in whose ``what`` a name stands; those first that are about the fewest things."""
    found = [case for case in cases if name in case[what]]
    return [case["scenario"] for case in sorted(found, key=lambda case: (len(case[what]), case["scenario"]))]


def render(folder: Path) -> Rendered:
    """Return the pages, and every row that is empty without a reason, or excused though it is not."""
    importlib.import_module("sadpath.faults")
    excused = {kind: rows or {} for kind, rows in data(folder, "coverage").items()}
    runs = {name: sorted(run(name)["cases"], key=lambda case: case["scenario"]) for name in CLIENTS}
    cases = runs.pop(CLIENTS[0])
    facts = Facts(all_clauses(), _catalogue.faults(), all_known_bad(), cases, runs, excused)
    rendered = Rendered(mistakes=list(_mistakes(facts)))
    rendered.add("reference/clauses.md", [*_clauses(facts), *_without_clause(folder)])
    rendered.add("reference/faults.md", _faults(facts))
    rendered.add("reference/known-bad.md", _known_bad(facts))
    rendered.add("reference/coverage.md", _coverage(facts))
    return rendered


def _mistakes(facts: Facts) -> Iterator[str]:
    rows = {
        "clauses": ("is put to the test by no scenario", facts.exercising),
        "faults": ("takes effect in no scenario", facts.firing),
        "without_known_bad": ("is failed by no known-bad client", facts.failing),
    }
    for kind, (lack, found) in rows.items():
        where = f"docs/data/coverage.yaml, {kind}"
        known = facts.excused.get(kind, {})
        for name in found:
            if not found[name] and not known.get(name):
                yield f"{name} {lack}; if that must be so, {where} gives the reason"
        for name in known:
            if name not in found:
                yield f"{where}: there is no {name}"
            elif found[name]:
                yield f"{where}: {name} is covered now; take it out"
    for family in sorted({item.family for item in facts.clauses} - set(FAMILIES)):
        yield f"scripts/docs_reference.py does not say what the family {family} is about"


# clauses.md


def _clauses(facts: Facts) -> list[str]:
    lines = ["# Clauses", "", GENERATED, ""]
    lines += paragraph(
        """A clause is a rule about a client, judged from the server's journal and the client's own account. Its id
        never changes and is never used again. A clause that a case did not put to the test is *not exercised*, never
        passed; one about a value that the contract does not promise is *unsupported*."""
    )
    lines += table(["level", "which means"], LEVELS.items())
    lines += paragraph(
        """*Every schedule*: the rule is an invariant, so drawn cases are judged by it too. *Time*: what it finds on
        real sockets is run again, alone, before it counts. Which scenarios put which clause to the test is what the
        reference client met in the simulated world, or, where a clause is not about that one, the client named;
        [coverage](coverage.md) has all of them."""
    )
    for family, group in groupby(facts.clauses, key=lambda item: item.family):
        lines += [f"## {family}", "", FAMILIES.get(family, ""), ""]
        for item in group:
            lines += _clause(facts, item)
    return lines


def _clause(facts: Facts, item: Clause) -> list[str]:
    kinds = [word for word, true in (("every schedule", item.invariant), ("time", item.timed)) if true]
    rows = {
        "level": item.level + (f"; must, for a client with `{item.must_for}`" if item.must_for else ""),
        "source": item.source or "the contract",
        "reads": ", ".join(f"`{part}`" for part in item.reads),
        "takes into account": ", ".join(f"`{part}`" for part in dict.fromkeys(item.may_read)),
        "needs": ", ".join(f"`{part}`" for part in item.needs),
        "about": ", ".join(kinds),
        "put to the test by": links(facts.exercising[item.id], SCENARIO, MOST_SCENARIOS) + _by(facts, item.id),
        "failed by": links(facts.failing[item.id], KNOWN_BAD),
    }
    why = paragraph(item.why) if item.why else []
    shown = [(name, text) for name, text in rows.items() if text]
    return [f"### {item.id}", "", *paragraph(f"The client {item.title}."), *why, *table(["", ""], shown)]


def _by(facts: Facts, name: str) -> str:
    """Return who was put to the test, where that is not the reference client."""
    client = facts.tested[name]
    return "" if client == CLIENTS[0] else f" (client `{client}`)"


def _without_clause(folder: Path) -> list[str]:
    """Return the behaviours that were considered and have no clause, with the reason."""
    behaviours = data(folder, "catalogue")["without_clause"]
    rows = [(str(item["number"]), item["behaviour"], item["reason"]) for item in behaviours]
    lines = ["## Behaviours without a clause", ""]
    lines += ["A hundred behaviours of clients were looked at before the clauses were written. These have none:", ""]
    return [*lines, *table(["number", "behaviour", "why it has no clause"], rows)][:-1]


# faults.md


def _faults(facts: Facts) -> list[str]:
    lines = ["# Faults", "", GENERATED, ""]
    lines += paragraph(
        """A fault is one thing that goes wrong at one *phase* of an exchange. At `request` the backend has not run;
        from `response` on its effect is committed. A step of a scenario is one fault, or a list of faults that act
        together; a fault is written as `name` or `name: settings`. Faults before HTTP belong to rules
        `on: connection`. What curl, httpx, browsers and Node's fetch make of each, in several forms and with several
        options, stands together in [seen-by.md](seen-by.md)."""
    )
    rows = []
    for item in facts.faults:
        about = item.facts
        where = ", ".join(about["worlds"]), ", ".join(about["protocols"])
        rows.append((f"[`{item.name}`](#{item.name})", about["family"], about["phase"], *where, about["summary"]))
    lines += table(["fault", "family", "phase", "worlds", "protocols", "in short"], rows)
    for item in facts.faults:
        lines += _fault(facts, item)
    return lines[:-1]


def _fault(facts: Facts, item: Any) -> list[str]:
    # The text goes: name and summary, a table of facts, what the docstring says, the settings, by whom it is seen how.
    prose, _, rest = item.text.partition("\n\nsettings\n")
    prose = prose.partition("\n\nIt has no settings.")[0].split("\n\n", 2)[2]
    settings = [line.removeprefix("  ") for line in rest.partition("\n\nseen by\n")[0].splitlines()]
    aliases = ", ".join(f"`{name}`" for name in item.facts["aliases"])
    lines = [f"## {item.name}", "", item.facts["summary"], "", *prose.splitlines(), ""]
    lines += [f"Also known as {aliases}.", ""] if aliases else []
    lines += ["Settings:", "", "```text", *settings, "```", ""] if settings else ["It has no settings.", ""]
    alone = item.facts["protocols"] == ["HTTP/1"]
    spoken = ("not there: " if alone else "") + (item.facts["in_http2"] or "the same")
    rows = [("in HTTP/2", spoken), *((f"seen by {name}", text) for name, text in item.facts["seen_by"].items())]
    met = links(facts.firing[item.name], SCENARIO, MOST_SCENARIOS)
    return [*lines, *table(["", ""], [*rows, *([("met in", met)] if met else [])])]


# known-bad.md


def _known_bad(facts: Facts) -> list[str]:
    built = {item.id for item in facts.clauses}
    rows = []
    for bad in facts.known_bad:
        ids = [f"[{name}](clauses.md#{name.lower()})" if name in built else name for name in bad.clauses]
        rows.append((f'<a id="{bad.name}"></a>`{bad.name}`', bad.defect, bad.bug, ", ".join(ids)))
    lines = ["# Known-bad clients", "", GENERATED, ""]
    lines += paragraph(
        """Each is a good client with one planted defect: the reference client, or the one with an HTTP cache for
        those whose name begins with `http-cache`. `sadpath verify --known-bad` proves that the clauses catch every one
        of them: a judge that passes a client which is known to be bad proves nothing. It is judged by the contract of
        the good client, without the failures that are expected of that. The clause that speaks of the defect itself
        stands first."""
    )
    return [*lines, *table(["client", "the client …", "where such a client was met", "clauses that fail it"], rows)][
        :-1
    ]


# coverage.md


def _coverage(facts: Facts) -> list[str]:
    topics = sorted({case["scenario"].partition("/")[0] for case in facts.cases})
    lines = ["# What the bundled scenarios cover", "", GENERATED, ""]
    lines += paragraph(
        f"""{len(facts.cases)} scenarios, played by the reference client in the simulated world: in how many of each
        topic a clause is put to the test, or a fault takes effect, and those in which the fewest others are. Where a
        clause is not about the reference client, another is named that played the same scenarios. A row without a
        scenario gives the reason instead."""
    )
    clauses = {f"{name}{_by(facts, name)}": found for name, found in facts.exercising.items()}
    lines += ["## Clauses", "", *_matrix("clause", clauses, topics, facts.excused.get("clauses", {}))]
    lines += ["## Faults", "", *_matrix("fault", facts.firing, topics, facts.excused.get("faults", {}))]
    return lines[:-1]


def _matrix(
    what: str, rows: Mapping[str, Sequence[str]], topics: Sequence[str], excused: Mapping[str, str]
) -> list[str]:
    """Return a table of one row for each clause or fault: in how many scenarios of each topic, and in which of all."""
    cells = []
    for name, scenarios in rows.items():
        by_topic = Counter(scenario.partition("/")[0] for scenario in scenarios)
        where = links(scenarios, SCENARIO, MOST_COVERING) or f"none: {excused.get(name, 'nobody says why')}"
        cells.append([name, str(len(scenarios)), *(str(by_topic[topic] or "") for topic in topics), where])
    return table([what, "scenarios", *topics, "which"], cells)
