"""A run in shards: each case once, and all shards together come to what the whole run comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.core.errors import UsageError
from sadpath.verify.clients import ClientRequest
from sadpath.verify.merging import Part, merge
from sadpath.verify.reading import read_results
from sadpath.verify.results import CaseResult, ClauseResult, ClientResult, Finding, Listed, Pool, Results, exit_code
from sadpath.verify.run import Job, choose_scenarios, verify
from sadpath.verify.shards import Shard
from sadpath.workspace import find_workspace
from tests.support.places import TOP


@given(st.integers(1, 30), st.integers(0, 100))
def test_shards_share_everything_out(of: int, items: int) -> None:
    """Each item is in one shard, and no shard has more than one item more than another."""
    parts = [Shard(number, of).part(range(items)) for number in range(1, of + 1)]

    assert sorted(item for part in parts for item in part) == list(range(items))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "1/0", "a/b", "-1/2", "1/1001", "1/2/3", ""])
def test_what_names_no_shard_is_refused(text: str) -> None:
    """K runs from 1 to N."""
    with pytest.raises(UsageError, match="say K/N"):
        Shard.parse(text)


def _run(shard: Shard | None, clients: tuple[str, ...], glob: str, examples: int) -> Results:
    workspace = find_workspace(TOP)
    job = Job(
        workspace,
        choose_scenarios(workspace, [glob]),
        None,
        jobs=1,
        profile="published",
        examples=examples,
        shard=shard,
    )
    done = verify(job, [ClientRequest(name, workspace, None, "published") for name in clients])
    return Results.model_validate_json(done.to_json())


def _numbers(client: ClientResult) -> list[tuple[Any, ...]]:
    return [
        (item.id, item.verdict, item.cases, item.exercised, item.failed, item.expected, item.why)
        for item in client.clauses
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clients", "glob", "examples"),
    [(("reference", "article"), "refresh/signed-out*", 0), (("reference",), "refresh/refused-l*", 51)],
)
def test_all_shards_together_come_to_the_whole(clients: tuple[str, ...], glob: str, examples: int) -> None:
    """The same clauses, verdicts, numbers, cases and totals; every finding of the whole run's cases is there."""
    whole = _run(None, clients, glob, examples)
    shards = [Part(f"{number}", _run(Shard(number, 2), clients, glob, examples)) for number in (2, 1)]
    merged = merge(shards)
    seen = [case.id for part in shards for case in part.results.cases if not case.scenario.startswith("generated/")]

    assert sorted(seen) == sorted(case.id for case in whole.cases if not case.scenario.startswith("generated/"))
    assert [client.name for client in merged.clients] == list(clients)
    assert [_numbers(client) for client in merged.clients] == [_numbers(client) for client in whole.clients]
    assert [client.totals for client in merged.clients] == [client.totals for client in whole.clients]
    assert [client.listed for client in merged.clients] == [client.listed for client in whole.clients]
    assert {case.id for case in merged.cases} >= {case.id for case in whole.cases}
    assert (merged.generated, merged.planned, merged.shard) == (whole.generated, whole.planned, None)
    assert exit_code(merged) == exit_code(whole)
    for ours, theirs in zip(merged.clients, whole.clients, strict=True):
        for one, other in zip(ours.clauses, theirs.clauses, strict=True):
            found = {(item.case, item.sentence) for item in one.findings}
            assert found >= {(item.case, item.sentence) for item in other.findings if "generated/" not in item.case}
            assert [item.size for item in one.findings] == sorted(item.size for item in one.findings)


# Merging, on results made up


def _finding(case: str, size: int = 1) -> Finding:
    return Finding(case=f"{case}@shop", sentence=f"it failed in {case}", schedule="", replay="", size=[size])


def _clause(verdict: str, name: str = "RETRY-01", **more: Any) -> ClauseResult:
    facts = {"id": name, "family": name[:-3], "level": "must", "title": "does it", "cases": 2, "exercised": 1}
    return ClauseResult.model_validate({**facts, "verdict": verdict, **more})


def _results(shard: str | None, *clauses: ClauseResult, client: str = "shop", **more: Any) -> Results:
    about: dict[str, Any] = {name: more.pop(name) for name in ("listed", "pooled", "profile", "drawn") if name in more}
    cases = [CaseResult(id=f"{shard}@{client}", scenario=f"{shard}", client=client, world="sim", verdict="pass")]
    result = ClientResult(name=client, clauses=list(clauses), **about)
    return Results.model_validate({"shard": shard, "world": "sim", "clients": [result], "cases": cases, **more})


def _merged(*results: Results, partial: bool = False) -> Results:
    return merge([Part(f"r{index}", item) for index, item in enumerate(results, 1)], partial=partial)


@pytest.mark.parametrize(
    ("verdicts", "merged"),
    [
        (("pass", "fail"), "fail"),
        (("xfail", "fail"), "fail"),
        (("flaky", "fail"), "fail"),
        (("xfail", "flaky"), "flaky"),
        (("pass", "xfail"), "xfail"),
        (("pass", "not_exercised"), "pass"),
        (("not_exercised", "not_exercised"), "not_exercised"),
        (("unsupported", "unsupported"), "unsupported"),
    ],
)
def test_a_verdict_is_worked_out_anew(verdicts: tuple[str, str], merged: str) -> None:
    """What fails anywhere fails; what was tested anywhere and failed nowhere holds."""
    shards = [
        _results(
            f"{number}/2",
            _clause(
                verdict,
                exercised=int(verdict not in ("not_exercised", "unsupported")),
                findings=[_finding(f"c{number}")] if verdict in ("fail", "flaky", "xfail") else [],
            ),
        )
        for number, verdict in enumerate(verdicts, 1)
    ]
    (clause,) = _merged(*shards).clients[0].clauses

    assert clause.verdict == merged
    assert len(clause.findings) == sum(
        verdict == merged or (merged, verdict) == ("flaky", "xfail")
        for verdict in verdicts
        if verdict in ("fail", "flaky", "xfail")
    )


def test_numbers_are_added_and_the_smallest_schedule_comes_first() -> None:
    """Cases, exercised and failed of all shards; findings in the order of their sizes, each once."""
    one = _clause("fail", failed=2, findings=[_finding("big", 9), _finding("bigger", 10)])
    two = _clause("fail", failed=1, findings=[_finding("small", 3), _finding("big", 9)])
    (clause,) = _merged(_results("1/2", one), _results("2/2", two)).clients[0].clauses

    assert (clause.cases, clause.exercised, clause.failed) == (4, 2, 3)
    assert [item.case for item in clause.findings] == ["small@shop", "big@shop", "bigger@shop"]


def test_a_list_is_stale_only_where_no_shard_saw_the_failure() -> None:
    """A shard alone does not judge that; one that saw the failure is enough to keep the entry."""
    held = Listed(reason="slow", tested={"RETRY-01": 3})
    broke = Listed(reason="slow", tested={"RETRY-01": 1}, failed=True)
    good, bad = _clause("pass"), _clause("xfail", expected="slow", findings=[_finding("c")])
    stale = _merged(_results("1/2", good, listed=[held]), _results("2/2", good, listed=[held]))
    kept = _merged(_results("1/2", good, listed=[held]), _results("2/2", bad, listed=[broke]))

    assert [item.clauses[0].verdict for item in (*stale.clients, *kept.clients)] == ["xpass", "xfail"]
    assert "held in 6 of 6 cases" in (stale.clients[0].clauses[0].why or "")
    assert (exit_code(stale), exit_code(kept)) == (1, 0)


def test_rules_about_all_cases_are_judged_by_those_of_all_shards() -> None:
    """Waits that no shard has enough of are enough together, and what is wrong with them is said."""
    waits = {f"c{number}@shop": [(0.1, 0.1)] for number in range(200)}
    halves = [dict(list(waits.items())[:100]), dict(list(waits.items())[100:])]
    pools = [{"RETRY-06": Pool(samples=half, example=_finding(f"c{place}"))} for place, half in enumerate(halves)]
    clause = _clause("not_exercised", "RETRY-06", why="it takes more")
    shards = [_results(f"{number}/2", clause, pooled=pools[number - 1]) for number in (1, 2)]
    (found,) = _merged(*shards).clients[0].clauses

    assert found.verdict == "fail"
    assert found.findings[0].case == "c0@shop"
    assert found.findings[0].sentence != "it failed in c0"


def test_different_clients_stand_beside_each_other() -> None:
    """Whole runs of different clients are one report, in the order given."""
    merged = _merged(_results(None, _clause("pass")), _results(None, _clause("fail"), client="other"))

    assert [(client.name, client.clauses[0].verdict) for client in merged.clients] == [
        ("shop", "pass"),
        ("other", "fail"),
    ]
    assert len(merged.cases) == 2


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([_results("1/2"), _results("2/2", seed=7)], "r1 has seed 0 and r2 has 7"),
        ([_results("1/2"), _results("2/2", sadpath="0.0.9")], "version of sadpath"),
        ([_results("1/2"), _results("1/2")], "r1 and r2 are both shard 1/2"),
        ([_results("1/3"), _results("3/3")], "shard 2/3 is missing"),
        ([_results("1/3")], "the shards 2/3, 3/3 are missing"),
        ([_results(None), _results(None)], "both hold shop, and are not shards of one run"),
        ([_results("1/2"), _results("2/2", world="live")], "in sim and r2 in live"),
        ([_results("1/2"), _results("2/2", profile="quick")], "shop has profile none in r1 and quick in r2"),
        ([_results("1/2", listed=[Listed(reason="a")]), _results("2/2")], "expect different failures"),
        ([_results("1+2/3"), _results("3/3")], r"r1 holds shards 1\+2/3 already"),
        ([_results("1/2"), _results("2/2", kill_rate={"bad": 1, "killed": 1})], "known-bad"),
    ],
)
def test_what_is_not_one_run_is_refused_with_one_message(results: list[Results], message: str) -> None:
    """It names both files and what differs."""
    with pytest.raises(UsageError, match=message):
        _merged(*results)


def test_missing_shards_may_be_let_pass_and_are_not_forgotten() -> None:
    """The result says which shards it holds, and judges no list stale that the missing one may have needed."""
    held = Listed(reason="slow", tested={"RETRY-01": 3})
    merged = _merged(*(_results(f"{k}/3", _clause("pass"), listed=[held]) for k in (3, 1)), partial=True)

    assert merged.shard == "1+3/3"
    assert merged.clients[0].clauses[0].verdict == "pass"


def test_kill_rates_are_added() -> None:
    """Known-bad clients of all shards; a clause is unguarded where it is in all of them."""
    rates = [
        {"bad": 2, "killed": 2, "clauses": [{"id": "A-01", "bad": 2, "killed": 2}], "unguarded": ["B-01", "C-01"]},
        {"bad": 1, "killed": 0, "clauses": [{"id": "B-01", "bad": 1, "killed": 0}], "unguarded": ["A-01", "C-01"]},
    ]
    shards = [_results(f"{k}/2", _clause("fail"), client=f"bad{k}", kill_rate=rate) for k, rate in enumerate(rates, 1)]
    rate = _merged(*shards).kill_rate

    assert rate is not None
    assert (rate.bad, rate.killed, rate.unguarded) == (3, 2, ["C-01"])
    assert [item.id for item in rate.clauses] == ["A-01", "B-01"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no results.json"),
        ("[]", "says no schema"),
        ('{"schema": 2}', "has schema 2, and this version of sadpath reads schema 1"),
        ('{"schema": true}', "has schema True"),
        ('{"schema": 1, "clients": [{"name": 3}]}', "clients.0.name: "),
        ('{"schema": 1, "surprise": 1}', "surprise: "),
        ('{"schema": 1, "command": "\\ud800"}', "is no results.json"),
        ("[" * 100_000, "is no results.json"),
    ],
)
def test_what_is_no_results_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """One message with the file and what is wrong with it, whatever is in it."""
    (tmp_path / "results.json").write_text(text)

    with pytest.raises(UsageError, match=message) as caught:
        read_results(tmp_path)
    assert "results.json" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_results_without_newer_fields_are_read(tmp_path: Path) -> None:
    """A file that was written before fields were added is schema 1 all the same."""
    data = json.loads(_results(None, _clause("fail", findings=[_finding("c")])).to_json())
    for key in ("drawn", "listed", "pooled"):
        del data["clients"][0][key]
    del data["clients"][0]["clauses"][0]["findings"][0]["size"]
    (tmp_path / "old.json").write_text(json.dumps(data))

    assert read_results(tmp_path / "old.json").clients[0].clauses[0].findings[0].size == []
