"""Clauses that are judged by all cases of a run together: what counts, when it is enough, and who is found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sadpath.core.errors import UsageError
from sadpath.verify.clients import ClientRequest
from sadpath.verify.contract import load_contract
from sadpath.verify.hunting import verify_known_bad
from sadpath.verify.known_bad import BadClient, bad_clients
from sadpath.verify.results import ClauseResult, Results, exit_code
from sadpath.verify.run import Job, choose_scenarios, live_world, verify
from sadpath.workspace import Workspace
from tests.campaign.arranged import scenario

TEN: dict[str, Any] = {"faults": [{"on": {"role": "read"}, "plan": [{"status": 503}, "pass"], "then": "repeat"}]}

CONTRACT = """
client: {name}
driver: {{python: "{factory}"}}
capabilities: [retry, call_tag, policy_override]
policy:
  timeouts: {{connect: 2s, read: 2s, total: 60s}}
  retry: {{max_retries: 2, first_delay: 300ms, factor: 2, max_delay: 10s, jitter: full, statuses: [503],
          methods: idempotent, retry_after: ignore}}
clauses: [RETRY-05, RETRY-06]
"""
CLIENTS = {
    "spreads": "sadpath.subjects.reference:create",
    "punctual": "sadpath.subjects.known_bad.no_jitter:Client",
    "known": "sadpath.subjects.known_bad.no_jitter:Client",
}


def _workspace(root: Path, cases: int) -> Workspace:
    """Return a workspace with so many scenarios of ten waits each."""
    for number in range(1, cases + 1):
        path = root / "scenarios" / "ten" / f"user-{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = scenario({**TEN, "calls": [{"users.get": {"id": number}, "times": 10}], "heal": False})
        path.write_text(data.to_yaml("A test. Source: none."))
    for name, factory in CLIENTS.items():
        text = CONTRACT.format(name=name, factory=factory)
        if name == "known":
            text += "expected_failures:\n  - {clause: RETRY-06, reason: Everybody knows.}\n"
        path = root / "contracts" / "clients" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Workspace(root)


def _run(where: Workspace, name: str, **options: Any) -> tuple[Results, ClauseResult]:
    job = Job(where, choose_scenarios(where, []), None, profile="published", **{"jobs": 1, **options})
    results = verify(job, [ClientRequest(name, where, profile="published")])
    return results, next(item for item in results.clients[0].clauses if item.id == "RETRY-06")


def test_a_client_that_spreads_its_waits_holds_them_together(tmp_path: Path) -> None:
    """Two hundred waits and more of many cases are enough to say that a client spreads them."""
    results, clause = _run(_workspace(tmp_path, 22), "spreads")

    assert (clause.verdict, clause.exercised, clause.why) == ("pass", 22, None)
    assert exit_code(results) == 0


def test_too_few_waits_prove_nothing(tmp_path: Path) -> None:
    """Below that number nothing is said, and why not is."""
    _, clause = _run(_workspace(tmp_path, 3), "punctual")

    assert clause.verdict == "not_exercised"
    assert clause.why == "it takes 200 waits of all cases together, and there were 30"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_client_without_jitter_is_found_out(tmp_path: Path, jobs: int) -> None:
    """Waits that are all the longest fail the clause for the run, shown by one case; no single case has failed."""
    results, clause = _run(_workspace(tmp_path, 22), "punctual", jobs=jobs)
    (finding,) = clause.findings

    assert (clause.verdict, clause.failed) == ("fail", 0)
    assert "Of 220 waits before retries" in finding.sentence
    assert finding.case.startswith("ten/user-10@")
    assert finding.timeline
    assert finding.replay.startswith("sadpath verify punctual ")
    assert "--scenario ten/user-10 " in finding.replay
    assert {case.verdict for case in results.cases} == {"pass"}
    assert exit_code(results) == 1


def test_an_expected_failure_is_no_surprise(tmp_path: Path) -> None:
    """Where the contract expects it, the run ends well, and says so."""
    results, clause = _run(_workspace(tmp_path, 22), "known")

    assert (clause.verdict, clause.expected) == ("xfail", "Everybody knows.")
    assert exit_code(results) == 0


def test_drawn_cases_count_too(tmp_path: Path) -> None:
    """Waits of cases that were drawn are added to those of the scenarios."""
    where = _workspace(tmp_path, 3)
    _, few = _run(where, "punctual")
    _, more = _run(where, "punctual", examples=60)

    assert few.why is not None
    assert more.why is not None
    assert int(more.why.rpartition(" ")[2]) > int(few.why.rpartition(" ")[2])


def _bad(*names: str) -> list[BadClient]:
    return [BadClient(item.name, item.factory, ("RETRY-06",)) for item in bad_clients(names)]


def test_known_bad_clients_are_caught_by_many_cases(tmp_path: Path) -> None:
    """A client whose waits only many cases tell from good ones is caught once there are enough of them."""
    where = _workspace(tmp_path, 22)
    contract = load_contract("spreads", where.root)
    job = Job(where, choose_scenarios(where, []), None, jobs=1, profile="published")
    results = verify_known_bad(
        job, bad=_bad("no-jitter", "retries-at-once", "doubles-the-first-wait"), contract=contract
    )
    assert results.kill_rate is not None

    assert (results.kill_rate.killed, results.kill_rate.survivors) == (3, [])
    assert {client.clauses[0].verdict for client in results.clients} == {"fail"}
    assert len(results.cases) == 3 * 20  # no more than it takes


def test_too_few_cases_let_them_go(tmp_path: Path) -> None:
    """Where too few cases were played, the survivor's reason says so."""
    where = _workspace(tmp_path, 2)
    job = Job(where, choose_scenarios(where, []), None, jobs=1, profile="published")
    results = verify_known_bad(job, bad=_bad("no-jitter"), contract=load_contract("spreads", where.root))
    assert results.kill_rate is not None

    assert results.kill_rate.survivors[0].why == "it takes 200 waits of all cases together, and there were 20"


def test_real_time_is_not_exact_enough(tmp_path: Path) -> None:
    """On real sockets no wait is known well enough: nobody is tried by it there, and asking for it is refused."""
    where = _workspace(tmp_path, 1)
    job = Job(where, choose_scenarios(where, []), live_world(where), profile="published")

    with pytest.raises(UsageError, match="no-jitter can be caught only where time is exact"):
        verify_known_bad(job, bad=_bad("no-jitter"), contract=load_contract("spreads", where.root))
