"""From judgements to verdicts: what was expected, what is stale, what was never tested, what a finding shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML

from sadpath.scenario.loader import read_scenario
from sadpath.verify.evidence import answer_of, replay_command, schedule_of, timeline_of
from sadpath.verify.judging import Judged, case_result, clauses_for, judge_case
from sadpath.verify.played import Case, Client
from sadpath.verify.results import ClauseResult
from sadpath.verify.summary import client_result, facts_of, summarize
from tests.campaign.arranged import BUSY_ONCE, CUT, READ, case, client, judged, play
from tests.campaign.small import POLICY, Escapes, Small, Stubborn

BUSY: dict[str, Any] = {"title": "Busy", "faults": [{"on": {"role": "read"}, "fault": {"status": 503}}], "calls": READ}
NEVER = {"title": "Never", "faults": [{"on": {"role": "create"}, "fault": {"status": 503}}], "calls": READ}


def _judged(who: Client, *data: dict[str, Any]) -> list[Judged]:
    cases = [case({**item, "heal": False}, who, f"t/{n}") for n, item in enumerate(data)]
    return [judge_case(played, clauses_for(who.contract)) for played in play(*cases)]


def _clause(who: Client, cases: list[Judged], clause: str) -> ClauseResult:
    found = client_result(facts_of(who), [summarize(item) for item in cases], clauses_for(who.contract)).clauses
    return next(item for item in found if item.id == clause)


def test_a_fault_that_never_fired_proves_nothing() -> None:
    """A case whose faults took no effect is not exercised, and no clause passes by it."""
    who = client()
    cases = _judged(who, NEVER)

    assert case_result(cases[0]).verdict == "not_exercised"
    assert case_result(cases[0]).why == "none of its faults took effect"
    assert cases[0].exercised() == []
    assert all(
        item.verdict in ("not_exercised", "unsupported")
        for item in client_result(facts_of(who), [summarize(item) for item in cases], clauses_for(who.contract)).clauses
    )


def test_what_is_broken_without_a_fault_is_broken_all_the_same() -> None:
    """A failure is evidence even where the case's own faults never fired."""
    data = {"title": "x", "calls": [*READ, {"users.get": {"id": 99_999}}], "faults": NEVER["faults"]}
    who = client(Escapes, "escapes")
    cases = _judged(who, {**data, "given": {"access_token": "none", "refresh_token": "none"}})

    assert not cases[0].proves
    assert cases[0].exercised() == cases[0].failing()


def test_an_expected_failure_is_no_failure() -> None:
    """What the contract lists with a reason is xfail; the reason is in the results."""
    expected = [{"clause": "RETRY-01", "reason": "It is stubborn, and we know."}]
    who = client(Stubborn, "stubborn", expected_failures=expected)
    cases = _judged(who, BUSY)
    result = _clause(who, cases, "RETRY-01")

    assert (result.verdict, result.expected, result.failed) == ("xfail", "It is stubborn, and we know.", 1)
    assert len(result.findings) == 1


def test_an_expectation_covers_only_what_it_is_about() -> None:
    """``when`` narrows it by fault: the same clause failing under another fault is a failure."""
    expected = [{"clause": "RETRY-01", "reason": "Only resets.", "when": {"fault": ["reset"]}}]
    who = client(Stubborn, "stubborn", expected_failures=expected)
    only_reset = _clause(who, _judged(who, CUT), "RETRY-01")
    both = _clause(who, _judged(who, CUT, BUSY), "RETRY-01")

    assert only_reset.verdict == "xfail"
    assert both.verdict == "fail"
    assert [finding.case for finding in both.findings] == ["t/1@stubborn"]


@pytest.mark.parametrize("pattern", ["RETRY-01", "RETRY-0[1-2]"])
def test_an_expected_failure_that_holds_is_stale(pattern: str) -> None:
    """A listed clause that holds wherever it was tested is xpass, which fails the run."""
    who = client(expected_failures=[{"clause": pattern, "reason": "Long ago."}])
    result = _clause(who, _judged(who, BUSY), "RETRY-01")

    assert result.verdict == "xpass"
    assert "it held in 1 of 1" in str(result.why)


def test_an_expected_failure_that_was_not_tested_is_not_stale() -> None:
    """Not exercised is not stale, neither by trigger nor because the narrowing fault never fired."""
    untested = client(expected_failures=[{"clause": "IDEM-02", "reason": "Some day."}])
    narrowed = client(expected_failures=[{"clause": "RETRY-01", "reason": "Resets.", "when": {"fault": ["reset"]}}])

    assert _clause(untested, _judged(untested, BUSY), "IDEM-02").verdict == "not_exercised"
    assert _clause(narrowed, _judged(narrowed, BUSY), "RETRY-01").verdict == "pass"


def test_a_pattern_is_fresh_while_one_of_its_clauses_fails() -> None:
    """Of a pattern's clauses some may hold: it is stale only if none fails."""
    who = client(Stubborn, "stubborn", expected_failures=[{"clause": "RETRY-*", "reason": "Known."}])
    cases = _judged(who, BUSY)

    assert _clause(who, cases, "RETRY-01").verdict == "xfail"
    assert _clause(who, cases, "RETRY-12").verdict == "pass"


def test_what_the_contract_does_not_promise_is_unsupported() -> None:
    """A clause whose values are not promised says which."""
    who = client(policy={})
    result = _clause(who, _judged(who, BUSY), "RETRY-01")

    assert result.verdict == "unsupported"
    assert "retry.max_retries" in str(result.why)


def test_a_contract_chooses_its_clauses() -> None:
    """Only the clauses that a contract names are judged; what a scenario expects always is."""
    who = client(clauses=["END", "RETRY-01"])

    assert [clause.id for clause in clauses_for(who.contract)] == ["END-01", "RETRY-01", "SCEN-01"]


def test_as_many_attempts_as_are_promised() -> None:
    """``max`` stands for the attempts that the client's contract promises."""
    who = client(policy={**POLICY, "retry": {**POLICY["retry"], "max_retries": 2}})
    expect = {"for": "small", "attempts": {"users.get": "max"}}
    found = judged(case({**BUSY_ONCE, "heal": False, "expect": expect}, who)).judgements["SCEN-01"]

    assert "made 2 attempts (exchanges 1 and 2), where the scenario expects 3 (max)" in found.findings[0].sentence


def test_what_fails_as_expected_is_not_unexpected() -> None:
    """A case's failures are told apart by what the contract expects of such a case."""
    listed = [{"clause": "RETRY-04", "reason": "Three are better than one."}]
    found = judged(case(BUSY, client(Stubborn, "stubborn", expected_failures=listed), heal=False))

    assert (found.failing(), found.unexpected()) == (["RETRY-01", "RETRY-04"], ["RETRY-01"])


def test_a_client_with_one_retry_holds_what_the_standard_advises() -> None:
    """RETRY-04 is held by a client that retries once, and fails one that retries its retries."""
    good, bad = judged(case(BUSY, heal=False)), judged(case(BUSY, client(Stubborn, "stubborn"), heal=False))

    assert good.judgements["RETRY-04"].verdict == "pass"
    assert bad.judgements["RETRY-04"].verdict == "fail"


@pytest.mark.parametrize(
    ("expect", "sentence"),
    [
        ({"outcome": "ok", "attempts": {"users.get": 2}}, None),
        ({"outcome": ["cancelled", "ok"]}, None),
        ({"outcome": "server"}, "ended well, where the scenario expects server"),
        ({"attempts": {"users.get": 1}}, "made 2 attempts (exchanges 1 and 2), where the scenario expects 1"),
        (
            {"attempts": {"settings.get": "max"}},
            "No call of settings.get was made, where the scenario expects 2 attempts",
        ),
        ({"attempts": {"settings.get": 1}}, "No call of settings.get was made"),
    ],
)
def test_what_a_scenario_expects_is_a_clause_of_its_own(expect: dict[str, Any], sentence: str | None) -> None:
    """SCEN-01 compares the last call's outcome and the attempts with ``expect``, for the named client alone."""
    named = judged(case({**BUSY_ONCE, "heal": False, "expect": {"for": "small", **expect}}))
    other = judged(case({**BUSY_ONCE, "heal": False, "expect": {"for": "reference", **expect}}))
    judgement = named.judgements["SCEN-01"]

    assert judgement.verdict == ("pass" if sentence is None else "fail")
    assert sentence is None or sentence in judgement.findings[0].sentence
    assert other.judgements["SCEN-01"].verdict == "not_exercised"


def test_the_schedule_keeps_only_what_it_takes() -> None:
    """Rules that never fired are left out; what is left is a scenario of the same words."""
    data = {
        "title": "Much",
        "given": {"access_token": "expired"},
        "faults": [*NEVER["faults"], {"on": "users.get", "plan": [{"status": 503}, "pass"]}],
        "calls": [*READ, {"faults": [{"on": {"role": "delete"}, "fault": "reset"}]}, *READ],
        "heal": False,
    }
    schedule = schedule_of(play(case(data))[0])
    read = YAML(typ="safe").load(schedule)

    assert read == {
        "given": {"access_token": "expired"},
        "faults": [{"on": "users.get", "plan": [{"status": 503}, "pass"]}],
        "calls": [{"users.get": {"id": 1}}, {"faults": []}, {"users.get": {"id": 1}}],
    }
    assert (
        read_scenario({"title": "Again", **read}).calls
        == read_scenario(data).calls[:1] + read_scenario({"title": "x", "calls": read["calls"]}).calls[1:]
    )


def test_rules_of_a_later_segment_are_found() -> None:
    """A rule that a ``faults:`` step brought and that fired is kept at its place."""
    later = [{"on": {"role": "delete"}, "fault": "reset"}, {"on": "users.get", "fault": {"status": 404}}]
    data = {**BUSY_ONCE, "calls": [*READ, {"faults": later}, *READ], "heal": False}
    read = YAML(typ="safe").load(schedule_of(play(case(data))[0]))

    assert read["calls"][1] == {"faults": [{"on": "users.get", "fault": {"status": 404}}]}


def test_the_timeline_tells_the_story() -> None:
    """Rows come in order, with attempts counted by call, what fired, what came back, and the wait before it."""
    (played,) = play(case({**BUSY_ONCE, "heal": False}))
    rows = timeline_of(played, marked=[2], call="a/0")

    assert [(row.exchange, row.attempt, row.text, row.fault, row.answer, row.marked) for row in rows] == [
        (1, 1, "GET /users/1", "status", "503", False),
        (2, 2, "GET /users/1", None, "200", True),
        (None, None, "ended well (200)", None, None, True),
    ]
    assert [row.call for row in rows] == ["a/0 users.get"] * 3
    assert rows[0].t >= 0
    assert rows[0].wait is None
    assert rows[1].wait is not None
    assert 0.15 <= rows[1].wait < 0.3


def test_changes_between_calls_are_rows_of_their_own() -> None:
    """Where the rules change, the timeline says so."""
    calls = [*READ, {"faults": [{"on": "*", "fault": {"status": 404}}]}, *READ, {"faults": []}, *READ]
    (played,) = play(case({**BUSY_ONCE, "calls": calls, "heal": False}))
    rows = [row.text for row in timeline_of(played) if row.kind != "call"]

    assert rows == [
        "GET /users/1", "GET /users/1",
        "other faults from here on", "GET /users/1",
        "no faults from here on", "GET /users/1",
    ]  # fmt: skip


def test_a_refresh_is_named_as_what_it_is() -> None:
    """Exchanges that belong to no call are shown by their role."""
    (played,) = play(case({"title": "x", "calls": READ, "given": {"access_token": "expired"}, "heal": False}))

    assert [row.call for row in timeline_of(played)] == ["a/0 users.get", "refresh", "a/0 users.get", "a/0 users.get"]


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ({"status": {"code": 503, "retry_after": "2s"}}, "503, Retry-After: 2"),
        ({"reset": "request"}, "none: reset by the server"),
        ({"close": "request"}, "none: closed by the server"),
        ({"truncate": {"after": 9, "ending": "reset"}}, "200, then reset by the server"),
    ],
)
def test_answers_are_told_in_words(fault: dict[str, Any], answer: str) -> None:
    """What came back is said as a person would: status, Retry-After, how it ended and by whom."""
    (played,) = play(case({"title": "x", "calls": READ, "faults": [{"on": "*", "fault": fault}], "heal": False}))

    assert answer_of(played.exchanges[0]) == answer


def test_a_client_that_leaves_is_said_to_have_left() -> None:
    """A silent exchange that the client gave up says so, with the time it took."""
    (played,) = play(case({"title": "x", "calls": READ, "faults": [{"on": "*", "fault": "stall"}], "heal": False}))

    assert answer_of(played.exchanges[0]).startswith("none: the client left after 5")


def test_many_rows_are_shortened_but_never_the_marked_ones() -> None:
    """A long timeline loses its middle, says so, and keeps what the finding points at."""
    calls = [{"users.get": {"id": 1}, "times": 60}]
    (played,) = play(case({"title": "x", "calls": calls, "heal": False}))
    rows = timeline_of(played, marked=[30])

    assert len(rows) < 70
    assert [row.exchange for row in rows if row.marked] == [30]
    assert any("rows are left out" in row.text for row in rows)


def test_the_replay_command_names_the_case() -> None:
    """Names that a shell would split are quoted."""
    who = client(Small, "small")
    plain = case(BUSY_ONCE, who)
    named = Case("odd name/it's", plain.scenario, who, seed=7)
    played = play(plain)[0]
    played.case = named

    assert replay_command(played) == """sadpath verify small --scenario 'odd name/it'"'"'s' --seed 7"""


def test_a_clause_that_crashes_is_sadpaths_own_error() -> None:
    """A crash of a clause blames nobody else, and the case has no verdict on the client."""

    def crash(_trace: object) -> list[Any]:
        raise ZeroDivisionError("oops")

    (played,) = play(case({**BUSY_ONCE, "heal": False}))
    clauses = clauses_for(played.case.client.contract)
    broken = [replace(item, check=crash) if item.id == "RETRY-01" else item for item in clauses]
    found = judge_case(played, broken)

    assert found.played.ending == "harness_error"
    assert "RETRY-01" in found.played.why
    assert case_result(found).verdict == "harness_error"
