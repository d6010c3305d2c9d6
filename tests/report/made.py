"""Results made up for tests of reports: one client of every verdict, and results that nobody could trust."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sadpath.verify.results import (
    CaseResult,
    ClauseResult,
    ClientResult,
    ErrorEntry,
    Finding,
    KilledClause,
    KillRate,
    Results,
    Survivor,
    TimelineRow,
)

__all__ = ["HOSTILE", "a_clause", "a_finding", "every_verdict", "filled", "hostile", "killed"]

SCHEDULE = "faults:\n  - {on: users.get, plan: [503]}\ncalls:\n  - users.get: {id: 1}\n"

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\" onmouseover=\"document.title='owned'",
    "]]></failure><!-- ",
    "\x00\x1b[31m\x07\x9b",
    "```\n</details>\n# heading",
    "| a | b |\n@everyone #1 https://evil.example/ www.evil.example",
    "::error title=forged::forged%0A\r\n::stop-commands::x",
    "\u202egnp.exe\u2028\u2029\ufffe",
    "&lt;b&gt; &amp; %0A 100%",
    "\\`*_{}[]()#+-.!~$",
)
"""Texts that would do harm where a format takes them for more than text."""


def a_finding(text: str = "it came back 0.020 s after exchange 1", case: str = "retry/told@shop") -> Finding:
    """Return a finding with a timeline of every kind of row."""
    rows = [
        TimelineRow(t=0.0, kind="exchange", exchange=1, call="a/0 users.get", attempt=1, text="GET /users/1",
                    fault="status", answer="503", marked=True),
        TimelineRow(t=0.2, kind="exchange", exchange=2, call="refresh", attempt=1, text="POST /auth/refresh", answer="200"),
        TimelineRow(t=0.3, kind="change", text="the clock is moved on by 300s"),
        TimelineRow(t=300.5, kind="exchange", exchange=3, call="a/0 users.get", attempt=2, text="GET /users/1",
                    answer="200", wait=300.4),
        TimelineRow(t=300.6, kind="call", call="a/0 users.get", text="ended well (200)"),
    ]  # fmt: skip
    return Finding(
        case=case,
        sentence=text,
        schedule=SCHEDULE,
        timeline=rows,
        replay="sadpath replay .sadpath/cases/1.json",
        size=[2],
    )


def a_clause(name: str, verdict: str, **more: Any) -> ClauseResult:
    """Return what came of a clause."""
    facts = {"id": name, "family": name.partition("-")[0], "level": "must", "title": "does what it promises"}
    return ClauseResult.model_validate(
        {**facts, "verdict": verdict, "cases": 3, "exercised": 2, "source": "RFC 9110 §10.2.3", **more}
    )


def every_verdict(client: str = "shop", **more: Any) -> Results:
    """Return the results of a client that shows every verdict of a clause."""
    clauses = [
        a_clause("RETRY-01", "fail", failed=2, findings=[a_finding(), a_finding(case="retry/other@shop")]),
        a_clause("RETRY-02", "xpass", expected="long ago", why="it held in 3 of 3 cases"),
        a_clause("AUTH-01", "xfail", expected="it refreshes twice", findings=[a_finding()]),
        a_clause("AUTH-02", "flaky", findings=[a_finding()]),
        a_clause("CACHE-01", "pass"),
        a_clause("CACHE-02", "not_exercised"),
        a_clause("PAGE-01", "unsupported", why="it does not declare pages"),
    ]
    case = CaseResult(id=f"retry/told@{client}", scenario="retry/told", client=client, world="sim", verdict="fail")
    about = ClientResult(name=client, version="3.2", contract="shop.yaml", profile="published", clauses=clauses)
    facts: dict[str, Any] = {"world": "sim", "started": "2026-01-02T03:04:05+00:00", "duration_s": 1.5, **more}
    return Results(clients=[about], cases=[case], **facts)


def killed() -> Results:
    """Return the results of known-bad clients, of which one survives."""
    rate = KillRate(
        bad=2,
        killed=1,
        clauses=[KilledClause(id="RETRY-01", bad=2, killed=1)],
        survivors=[Survivor(name="too-eager", clause="RETRY-01", why="it held in 4 cases")],
        unguarded=["END-01"],
    )
    clients = [ClientResult(name=name, clauses=[a_clause("RETRY-01", "fail")]) for name in ("too-eager", "lazy")]
    return Results(clients=clients, kill_rate=rate)


def filled(text: str) -> Results:
    """Return results in which a text stands wherever one can stand."""
    row = TimelineRow(t=0.1, kind="exchange", exchange=1, call=text, attempt=1, text=text, fault=text, answer=text)
    finding = Finding(case=text, sentence=text, schedule=text, timeline=[row], replay=text)
    told = {"family": text, "title": text, "source": text, "reason": text, "findings": [finding]}
    clauses = [
        a_clause(f"{text}-{number}", verdict, why=text, expected=text, **told)
        for number, verdict in enumerate(("fail", "xpass", "xfail", "flaky", "not_exercised", "unsupported", "pass"))
    ]
    client = ClientResult(
        name=text, version=text, contract=text, profile=text, clauses=clauses, notes=[text], missing=text
    )
    return Results(
        sadpath=text,
        started=text,
        command=text,
        profile=text,
        clients=[client],
        errors=[ErrorEntry(party="client", where=text, message=text)],
    )


@st.composite
def hostile(draw: st.DrawFn) -> str:
    """Draw a text that somebody might hope to break a report with."""
    parts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=()), min_size=1, max_size=20))
    return "".join(draw(st.lists(parts, min_size=1, max_size=4)))
