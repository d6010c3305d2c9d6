"""One line for each client: what holds, what does not, and what is not there."""

from __future__ import annotations

from sadpath.report.matrix import matrix_markdown, render_matrix
from sadpath.verify.results import CaseResult, ClauseResult, ClientResult, ErrorEntry, Results, Verdict


def _clause(name: str, verdict: Verdict) -> ClauseResult:
    return ClauseResult(id=name, family=name.partition("-")[0], level="must", title="does it", verdict=verdict)


def _results() -> Results:
    verdicts: dict[str, Verdict] = {"A-01": "pass", "A-02": "pass", "A-03": "fail", "A-04": "xpass", "A-05": "xfail"}
    clauses = [_clause(name, verdict) for name, verdict in verdicts.items()]
    totals = {"pass": 2, "fail": 1, "xpass": 1, "xfail": 1}
    return Results(
        clients=[
            ClientResult(name="bad", version="1", clauses=clauses, totals=totals),
            ClientResult(name="good", clauses=[_clause("A-01", "pass")], totals={"pass": 1}),
            ClientResult(name="lost", missing="it needs node, which is not there"),
        ],
        cases=[CaseResult(id="t/one@good", scenario="t/one", client="good", world="live", verdict="pass")],
        duration_s=12.4,
    )


def test_a_line_for_each_client() -> None:
    """Numbers of clauses by verdict, the names of those that fail, what is missing, the duration and the exit code."""
    text = render_matrix(_results())
    lines = [line.split() for line in text.splitlines()]

    assert ["bad", "2", "2", "1", "A-03,", "A-04", "(stale)"] in lines
    assert ["good", "live", "1"] in lines
    assert ["lost", "not", "installed"] in [line[:3] for line in lines]
    assert "lost was not put to the test: it needs node, which is not there" in text
    assert "1 cases in 12 s." in text
    assert "Exit 1: " in text
    assert "\x1b" not in text


def test_what_was_not_judged_is_told() -> None:
    """Errors that are no findings stand below the table, and so does an interruption."""
    results = _results()
    results.errors = [ErrorEntry(party="driver", where="good", message="it left")]
    results.interrupted = True
    text = render_matrix(results)

    assert "Not judged: good: it left" in text
    assert "Interrupted: this is what was known by then." in text
    assert "Exit 130" in text


def test_the_same_as_markdown() -> None:
    """The table has a row for each client and as many cells in each."""
    rows = matrix_markdown(_results()).splitlines()

    assert rows[2] == "| `bad` | 1 |  | 2 | 2 | 1 |  |  |  | A-03, A-04 (stale) |"
    assert rows[4].startswith("| `lost` |  |  | not installed |")
    assert len({row.count("|") for row in rows}) == 1
