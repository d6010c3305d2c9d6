"""The terminal's report: what stands in it, in which order, within which width."""

from __future__ import annotations

import io
import re
import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from sadpath.report.progress import BarProgress, LineProgress, progress_for
from sadpath.report.terminal import WIDTH, render
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

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

SCHEDULE = """\
faults:
  - on: {role: read}
    plan:
      - status: {code: 503, retry_after: 1s}
      - pass
calls:
  - users.get: {id: 1}
"""


def _finding(
    case: str = "retry/told-to-wait@shop", sentence: str = "call a/0 came back 0.020 s after exchange 1"
) -> Finding:
    rows = [
        TimelineRow(t=0.0, kind="exchange", exchange=1, call="a/0 users.get", attempt=1, text="GET /users/1",
                    fault="status", answer="503, Retry-After: 1", marked=True),
        TimelineRow(t=0.0204, kind="exchange", exchange=2, call="a/0 users.get", attempt=2, text="GET /users/1",
                    answer="200", wait=0.0194, marked=True),
        TimelineRow(t=0.025, kind="call", call="a/0 users.get", text="ended well (200)"),
    ]  # fmt: skip
    replay = "sadpath verify shop --scenario retry/told-to-wait --seed 0"
    return Finding(case=case, sentence=sentence, schedule=SCHEDULE, timeline=rows, replay=replay)


def _clause(id_: str, verdict: str, **more: Any) -> ClauseResult:
    title = "never comes earlier than Retry-After on 429/503"
    data = {
        "id": id_,
        "family": id_[:-3],
        "level": "policy",
        "title": title,
        "verdict": verdict,
        "exercised": 3,
        **more,
    }
    return ClauseResult.model_validate(data)


def _results(*clauses: ClauseResult, **more: Any) -> Results:
    totals: dict[str, int] = {}
    for clause in clauses:
        totals[clause.verdict] = totals.get(clause.verdict, 0) + 1
    client = ClientResult(name="shop", version="3.2", profile="quick", clauses=list(clauses), totals=totals)
    case = CaseResult(
        id="retry/told-to-wait@shop", scenario="retry/told-to-wait", client="shop", world="live", verdict="fail"
    )
    return Results(clients=[client], cases=[case], **more)


FAILING = _clause(
    "RETRY-07", "fail", source="RFC 9110 §10.2.3", failed=2,
    findings=[_finding(), _finding("retry/other@shop"), _finding("retry/third@shop")],
)  # fmt: skip


def _order(text: str, *parts: str) -> list[int]:
    return [text.index(part) for part in parts]


def test_a_failing_clause_tells_its_story_in_order() -> None:
    """Clause and source, what the client did, the schedule in a scenario's words, the timeline, the command."""
    text = render(_results(FAILING))
    places = _order(
        text,
        "RETRY-07 fails",
        "The client never comes earlier than Retry-After on 429/503.",
        "source: RFC 9110 §10.2.3",
        "Call a/0 came back 0.020 s after exchange 1.",
        "  faults:\n    - on: {role: read}\n      plan:\n",
        "0.000 s",
        "  sadpath verify shop --scenario retry/told-to-wait --seed 0\n",
        "2 more findings of this clause: retry/other, retry/third",
        "Exit 1: the client falls short of what it promises.",
    )

    assert places == sorted(places)


def test_the_schedule_can_be_copied_as_it_stands() -> None:
    """The schedule's lines are the scenario's own, indented alike and with nothing behind them."""
    lines = render(_results(FAILING)).splitlines()
    start = lines.index("  faults:")
    shown = lines[start : start + len(SCHEDULE.splitlines())]

    assert [line.removeprefix("  ") for line in shown] == SCHEDULE.splitlines()


def test_a_timeline_row_has_time_attempt_fault_answer_and_wait() -> None:
    """Each exchange is one row; rows that the finding is about are marked."""
    lines = render(_results(FAILING)).splitlines()
    first = next(line for line in lines if "503, Retry-After: 1" in line)
    second = next(line for line in lines if "0.019 s" in line)

    assert re.split(r" {2,}", first.strip()) == [
        ">", "1", "0.000 s", "a/0 users.get", "1", "GET /users/1", "status", "503, Retry-After: 1",
    ]  # fmt: skip
    assert re.split(r" {2,}", second.strip()) == [
        ">", "2", "0.020 s", "a/0 users.get", "2", "GET /users/1", "200", "0.019 s",
    ]  # fmt: skip


def test_only_the_first_finding_is_shown_in_full() -> None:
    """A clause that fails in many cases does not fill the screen."""
    text = render(_results(FAILING))

    assert text.count("What happened:") == 1


def test_of_several_findings_the_smallest_is_shown() -> None:
    """The first, of the smallest schedule, stands for the clause; the others are named by their cases, each once."""
    long, short = _finding("retry/long@shop"), _finding("retry/short@shop", "it came too early")
    long.timeline = long.timeline * 3
    text = render(_results(_clause("RETRY-07", "fail", findings=[short, long, long])))

    assert "of retry/short:" in text
    assert "It came too early." in text
    assert "2 more findings of this clause: retry/long\n" in text


def test_columns_without_content_are_left_out() -> None:
    """A timeline without faults has no column for them."""
    finding = _finding()
    for row in finding.timeline:
        row.fault = None
        row.wait = None
    text = render(_results(_clause("RETRY-07", "fail", findings=[finding])))

    head = next(line for line in text.splitlines() if "request" in line)

    assert head.split() == ["#", "time", "call", "try", "request", "answer"]


def test_what_was_not_tested_is_listed() -> None:
    """Clauses that nothing exercised or that are unsupported are named, the latter with the reason."""
    text = render(
        _results(
            _clause("END-01", "pass"),
            _clause("IDEM-01", "unsupported", why="the client does not declare idempotency_key"),
            _clause("IDEM-02", "unsupported", why="the client does not declare idempotency_key"),
            _clause("PAGE-01", "not_exercised"),
        )
    )

    assert "Not exercised, so nothing is proved of them:\n  PAGE-01" in text
    assert "  IDEM-01, IDEM-02  the client does not declare idempotency_key" in text
    assert "Clauses: 1 holds, 2 are unsupported, 1 was not exercised." in text
    assert text.rstrip().endswith("Exit 0: every clause that was exercised holds, or fails as expected.")


def test_expected_stale_and_flaky_clauses_say_why() -> None:
    """An expected failure shows its reason, a stale one what to do, a flaky one why it does not count."""
    text = render(
        _results(
            _clause("RETRY-04", "xfail", expected="The article retries twice."),
            _clause("RETRY-05", "xpass", expected="Long ago.", why="it held in 3 of 3 cases"),
            _clause("RETRY-07", "flaky", findings=[_finding()]),
        )
    )

    assert "RETRY-04  The article retries twice." in text
    assert "It held in 3 of 3 cases. Expected because: Long ago." in text
    assert "Take it off the expected_failures of the contract or its baseline" in text
    assert "held when its case was run again alone, so it does not count" in text


def test_errors_name_the_party_at_fault() -> None:
    """What could not be judged is told apart from what the client did."""
    errors = [
        ErrorEntry(party="driver", where="retry/x@shop", message="it died"),
        ErrorEntry(party="author", where="retry/y@shop", message="no such payload"),
        ErrorEntry(party="sadpath", where="retry/z@shop", message="KeyError"),
    ]
    text = render(_results(_clause("END-01", "pass"), errors=errors))

    assert "The driver: retry/x@shop: it died" in text
    assert "A file: retry/y@shop: no such payload" in text
    assert "sadpath itself: retry/z@shop: KeyError" in text
    assert "Exit 3: sadpath itself failed." in text


def test_a_shard_says_which_it_is() -> None:
    """Nobody takes a part for the whole."""
    assert render(_results(_clause("END-01", "pass"), shard="2/4")).startswith("shard 2/4 · sadpath ")


def test_an_interrupted_run_says_how_far_it_came() -> None:
    """The head and the end say that it was stopped, and how much was known."""
    text = render(_results(_clause("END-01", "pass"), interrupted=True, planned=40))

    assert "1 of 40 cases" in text
    assert "Interrupted: what follows is what was known by then." in text
    assert "Exit 130: interrupted." in text


def test_the_kill_rate_is_told_clause_by_clause() -> None:
    """Who was caught by what, who survived and why, which clauses nobody guards, and the rate."""
    rate = KillRate(
        bad=4,
        killed=3,
        clauses=[KilledClause(id="RETRY-01", bad=3, killed=2), KilledClause(id="RETRY-02", bad=1, killed=1)],
        survivors=[Survivor(name="polite", clause="RETRY-01", why="the clause held in 3 cases")],
        unguarded=["CACHE-13", "PAGE-05"],
    )
    text = render(_results(_clause("RETRY-01", "fail"), kill_rate=rate))

    assert re.search(r"RETRY-01 +3 +2", text)
    assert "polite  was to fail RETRY-01: the clause held in 3 cases" in text
    assert "CACHE-13, PAGE-05" in text
    assert "Kill rate: 3 of 4 known-bad clients (75%)." in text
    assert "Exit 1: not every known-bad client was caught." in text


@pytest.mark.parametrize("width", [60, 80, WIDTH, 200])
def test_colour_changes_nothing_but_colour(width: int) -> None:
    """With colour, the same words stand on the same lines."""
    results = _results(FAILING, _clause("END-01", "pass"), _clause("PAGE-01", "not_exercised"))
    plain = render(results, width=width)
    colored = render(results, width=width, color=True)

    assert not ANSI.search(plain)
    assert ANSI.search(colored)
    assert [line.rstrip() for line in ANSI.sub("", colored).splitlines()] == plain.splitlines()


_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=120)


@settings(max_examples=40, deadline=None)
@given(_text, _text, _text, st.integers(40, 140))
def test_no_line_is_wider_than_it_may_be(sentence: str, request: str, why: str, width: int) -> None:
    """Whatever a client's words are, lines stay within the width, and markup in them is shown as text."""
    finding = _finding(sentence=sentence)
    finding.timeline[0].text = request
    finding.timeline[0].fault = why
    finding.schedule = "faults: []\n"
    finding.replay = "sadpath verify shop"
    results = _results(
        _clause("RETRY-07", "fail", findings=[finding], title=sentence or "x"),
        _clause("IDEM-01", "unsupported", why=why),
        errors=[ErrorEntry(party="driver", where=why, message=request)],
    )
    text = render(results, width=width)
    allowed = max(60, min(width, WIDTH))

    assert all(cell_len(line) <= allowed for line in text.splitlines())


def test_a_long_command_is_broken_as_a_shell_reads_it() -> None:
    """No word of the command is lost: its lines, read by a shell, are the command."""
    finding = _finding()
    finding.replay = f"sadpath verify shop --root /{'deep/' * 30} --scenario 'it is/odd' --seed 7"
    text = render(_results(_clause("RETRY-07", "fail", findings=[finding])))
    command = text.partition("Run it again:\n")[2].partition("\n\n")[0]

    assert command.count("\\\n") == 2
    assert shlex.split(command.replace("\\\n", "")) == shlex.split(finding.replay)


def test_markup_of_clients_is_not_ours() -> None:
    """Square brackets in a client's words are shown, not obeyed."""
    text = render(_results(_clause("RETRY-07", "fail", findings=[_finding(sentence="it said [bold red]no[/] to [0]")])))

    assert "It said [bold red]no[/] to [0]." in text


def test_nothing_tested_is_said_plainly() -> None:
    """A client of whom nothing was tested has no empty table."""
    text = render(_results(_clause("PAGE-01", "not_exercised")))

    assert "No clause was put to the test." in text
    assert "Exit 3: nothing was proved: no clause was exercised." in text


CASE = CaseResult(id="a@b", scenario="a", client="b", world="live", verdict="pass")


def test_progress_elsewhere_is_about_ten_plain_lines() -> None:
    """A log gets a line now and then, and always the last one."""
    out = io.StringIO()
    with progress_for(out) as progress:
        progress.began(95)
        for _ in range(95):
            progress.judged(CASE)
        progress.again(2)
    lines = out.getvalue().splitlines()

    assert isinstance(progress, LineProgress)
    assert lines[0] == "running 95 cases"
    assert 8 <= len(lines) <= 14
    assert lines[-2].startswith("95/95 cases, ")
    assert lines[-1] == "running 2 cases again, each alone: their failures may be due to a busy machine"


def test_failures_are_counted_on_the_way() -> None:
    """A line says how many cases have failed so far."""
    out = io.StringIO()
    progress = LineProgress(out)
    progress.began(1)
    progress.judged(CASE.model_copy(update={"verdict": "fail"}))

    assert out.getvalue().splitlines()[-1].endswith("s, 1 failed")


class _Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


def test_progress_on_a_terminal_is_a_bar_that_goes_away() -> None:
    """The bar counts cases, and its last word is to clear its line."""
    out = _Terminal()
    with progress_for(out) as progress:
        assert isinstance(progress, BarProgress)
        progress.began(2)
        progress.judged(CASE)
        progress.judged(CASE.model_copy(update={"verdict": "fail"}))
        progress.again(1)
        progress.judged_again(CASE)

    assert "again, alone" in out.getvalue()
    assert out.getvalue().rstrip("\r\n").endswith("\x1b[2K") or "\x1b[2K" in out.getvalue()[-20:]
