"""Campaigns in simulated worlds: in this process and in several, with cases drawn, found, made small, and lost."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sadpath.core.errors import DriverError, HarnessError, UsageError
from sadpath.verify.campaign import Silent
from sadpath.verify.clients import ClientRequest
from sadpath.verify.contract import Contract
from sadpath.verify.hunting import verify_known_bad
from sadpath.verify.known_bad import BadClient
from sadpath.verify.results import CaseResult, Results, exit_code
from sadpath.verify.run import Job, choose_scenarios, verify
from sadpath.verify.simcrew import Processes
from sadpath.verify.simwork import Named, Play, Report, Setup, Task
from sadpath.verify.stored import StoredCase
from sadpath.workspace import Workspace
from tests.campaign.arranged import READ, scenario
from tests.campaign.small import CAPABILITIES, POLICY, Escapes, Hasty, Small, Stubborn

BUSY_ONCE = {"faults": [{"on": {"role": "read"}, "plan": [{"status": 503}, "pass"]}], "calls": READ}
BUSY = {"faults": [{"on": {"role": "read"}, "fault": {"status": 503}}], "calls": READ}
CUT = {"faults": [{"on": {"role": "read"}, "fault": {"reset": "request"}}], "calls": READ}
WORDY = {
    "faults": [{"on": {"role": "read"}, "plan": [{"delay": "5ms"}, "reset", {"status": 503}, "pass"]}],
    "calls": [{"settings.get": {}}, {"users.get": {"id": 2}}, *READ],
}
SECOND = {**BUSY, "calls": [{"users.get": {"id": 2}}]}


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    """Return a workspace with a few scenarios and contracts of small clients."""
    for name, data in {"errors/cut": CUT, "retry/busy": BUSY, "retry/busy-once": BUSY_ONCE}.items():
        _scenario(tmp_path, name, data)
    for name, factory in {"small": "Small", "stubborn": "Stubborn", "escapes": "Escapes"}.items():
        _contract(tmp_path, name, f"tests.campaign.small:{factory}")
    return Workspace(tmp_path)


def _scenario(root: Path, name: str, data: dict[str, Any]) -> None:
    path = root / "scenarios" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(scenario(data).to_yaml("A test. Source: none."))


def _contract(root: Path, name: str, factory: str) -> None:
    """Write a contract; the clauses are some that even the good client keeps in any case whatever."""
    data = {"client": name, "driver": {"python": factory}, "capabilities": CAPABILITIES, "policy": POLICY}
    clauses = ["END-01", "RETRY-01", "RETRY-12", *(["ERROR-01"] if name in ("escapes", "forgets") else [])]
    contract = Contract.model_validate({**data, "clauses": clauses})
    path = root / "contracts" / "clients" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(contract.model_dump_json(exclude_none=True, exclude={"folder"}))


def _run(where: Workspace, *words: str, **options: Any) -> Results:
    job = Job(where, choose_scenarios(where, []), None, profile="published", **{"jobs": 1, **options})
    return verify(job, [ClientRequest(word, where, profile="published") for word in words])


class Listening(Silent):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def began(self, cases: int) -> None:
        """Keep it."""
        self.heard.append(f"began {cases}")

    def judged(self, case: CaseResult) -> None:
        """Keep it."""
        self.heard.append(f"{case.id} {case.verdict}")

    def searching(self, cases: int) -> None:
        """Keep it."""
        self.heard.append(f"searching {cases}")

    def tried(self, cases: int) -> None:
        """Keep it."""
        self.heard += ["tried"] * cases

    def shrinking(self, findings: int) -> None:
        """Keep it."""
        self.heard.append(f"shrinking {findings}")


def test_scenarios_come_first_then_cases_are_drawn(work: Workspace) -> None:
    """A good client passes both; drawn cases are counted, and put clauses to the test."""
    watcher = Listening()
    results = _run(work, "small", examples=40, watcher=watcher)
    clauses = {clause.id: clause for clause in results.clients[0].clauses}

    assert exit_code(results) == 0, results.to_json()
    assert [case.scenario for case in results.cases] == ["errors/cut", "retry/busy", "retry/busy-once"]
    assert watcher.heard[:5] == [
        "began 3",
        "errors/cut@small pass",
        "retry/busy@small pass",
        "retry/busy-once@small pass",
        "searching 40",
    ]
    assert watcher.heard.count("tried") == results.generated
    assert 20 <= results.generated <= 40
    assert clauses["RETRY-01"].exercised > 3
    assert clauses["RETRY-01"].cases == 3 + results.generated


def test_one_process_and_several_find_the_same(work: Workspace) -> None:
    """What a run comes to does not depend on who did the work."""
    here, there = (_run(work, "stubborn", "escapes", examples=60, jobs=jobs) for jobs in (1, 2))
    for results in (here, there):
        results.started, results.duration_s = "", 0.0

    assert exit_code(here) == 1
    assert [case.model_dump() for case in here.cases] == [case.model_dump() for case in there.cases]
    assert [client.totals for client in here.clients] == [client.totals for client in there.clients]
    assert [[(c.id, c.exercised, c.failed) for c in client.clauses] for client in here.clients] == [
        [(c.id, c.exercised, c.failed) for c in client.clauses] for client in there.clients
    ]


def test_findings_are_made_small_and_stored(work: Workspace, tmp_path: Path) -> None:
    """The first finding of a clause has the smallest schedule, and a command that replays it."""
    _scenario(work.root, "retry/wordy", WORDY)
    store = tmp_path / "cases"
    results = _run(work, "escapes", store=store)
    clause = next(item for item in results.clients[0].clauses if item.id == "ERROR-01")
    finding = clause.findings[0]
    (word, verb, path) = finding.replay.split()
    stored = StoredCase.load(Path(path))

    assert clause.verdict == "fail"
    assert (word, verb) == ("sadpath", "replay")
    assert len(stored.scenario.all_faults()) + len(stored.scenario.all_calls()) <= 2
    assert "ERROR-01" in stored.broken
    assert stored.trace is not None
    assert len(finding.schedule) < len(clause.findings[-1].schedule)
    assert all(item.replay.startswith("sadpath replay ") for item in clause.findings)


def test_a_folder_that_cannot_be_written_loses_no_finding(work: Workspace, tmp_path: Path) -> None:
    """Where cases cannot be stored, the finding names the usual command."""
    (tmp_path / "cases").write_text("a file in the way")
    results = _run(work, "stubborn", store=tmp_path / "cases")
    finding = next(item for item in results.clients[0].clauses if item.verdict == "fail").findings[0]

    assert finding.replay.startswith("sadpath verify stubborn")


def test_a_case_that_is_not_the_same_twice_is_our_error(work: Workspace) -> None:
    """Nothing is said of a client by such a case; the first event that differs is named."""
    _contract(work.root, "forgets", "tests.simworld.odd:Forgets")
    results = _run(work, "forgets")

    assert exit_code(results) == 3
    assert all(case.verdict == "harness_error" for case in results.cases)
    assert all("not the same when it is run again" in error.message for error in results.errors)
    assert all("the two runs differ from event" in error.message for error in results.errors)


def test_a_stray_request_is_told(work: Workspace) -> None:
    """A client that lost the base path is named, and the run does not pass."""
    _contract(work.root, "loses-base", "tests.campaign.small:LosesBase")
    results = _run(work, "loses-base")

    assert {error.party for error in results.errors} == {"client"}
    assert "GET /users/1" in results.errors[0].message
    assert "reached the default session: the client lost the base path" in results.errors[0].message


def test_a_process_that_dies_loses_its_case_alone(work: Workspace) -> None:
    """The other cases are judged; the lost one is sadpath's error, with how the process ended."""
    _contract(work.root, "dies", "tests.simworld.odd:Dies")
    _scenario(work.root, "retry/second", SECOND)
    results = _run(work, "dies", jobs=2)

    assert [case.scenario for case in results.cases] == ["errors/cut", "retry/busy", "retry/busy-once"]
    assert [(error.party, error.where) for error in results.errors] == [("sadpath", "retry/second")]
    assert "its process died with exit code 7" in results.errors[0].message
    assert exit_code(results) == 3


def test_a_client_that_cannot_be_opened_ends_the_run(work: Workspace) -> None:
    """Two of one name, a missing module, a factory that fails: one message before any case is run."""
    _contract(work.root, "nowhere", "tests.nowhere:create")
    _contract(work.root, "broken", "tests.simworld.odd:Missing")

    with pytest.raises(UsageError, match="two of the clients are called small"):
        _run(work, "small", "small")
    with pytest.raises(UsageError, match=r"tests\.nowhere"):
        _run(work, "nowhere")
    with pytest.raises((UsageError, DriverError)):
        _run(work, "broken")


class Stopping(Listening):
    """Sends Ctrl-C once the first case has ended."""

    def judged(self, case: CaseResult) -> None:
        """Press it."""
        super().judged(case)
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_what_is_known(work: Workspace, jobs: int) -> None:
    """The cases that had ended are in the results; nothing is drawn any more."""
    assert threading.current_thread() is threading.main_thread()
    for number in range(30):
        _scenario(work.root, f"retry/more-{number}", BUSY)
    results = _run(work, "small", examples=300, jobs=jobs, watcher=Stopping())

    assert results.interrupted
    assert exit_code(results) == 130
    assert 1 <= len(results.cases) < 33
    assert results.generated == 0
    assert all(case.verdict == "pass" for case in results.cases)


class Told:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, Report]] = []
        self.losses: list[tuple[str, str]] = []

    def tried(self, task: Task, cases: int) -> None:
        """Not looked at."""

    def done(self, task: Task, report: Report) -> None:
        """Keep it."""
        self.reports.append((task.where, report))

    def lost(self, task: Task, why: str) -> None:
        """Keep it."""
        self.losses.append((task.where, why))

    def stopped(self) -> bool:
        """Never stop."""
        return False


def test_a_crew_goes_on_after_a_task_that_fails(work: Workspace) -> None:
    """A task that no worker can do is lost, with the reason; the same worker does the next."""
    setup = Setup(
        workspace=work,
        clients=(ClientRequest("small", work, profile="published"),),
        paths=tuple(path for path in sys.path if path),
        scenarios=(Named("retry/busy", scenario(BUSY)),),
    )
    tasks = [Play(0, 5, "nobody/there", scenario(BUSY)), Play(1, 0, "retry/busy", scenario(BUSY))]
    told = Told()
    with Processes(setup, jobs=1) as crew:
        crew.run(tasks, told)

    assert [where for where, _ in told.losses] == ["nobody/there"]
    assert "IndexError" in told.losses[0][1]
    assert [where for where, _ in told.reports] == ["retry/busy"]


def test_a_crew_that_cannot_begin_says_why(work: Workspace) -> None:
    """A client that this process has and a new one cannot find ends the run with its own message."""
    setup = Setup(workspace=work, clients=(ClientRequest("tests.nowhere:create", work),))
    with Processes(setup, jobs=2) as crew, pytest.raises((UsageError, HarnessError), match=r"tests\.nowhere"):
        crew.run([Play(0, 0, "retry/busy", scenario(BUSY))], Told())


Hunt = Callable[..., Results]


def _hunt(where: Workspace, *bad: BadClient, **options: Any) -> Results:
    job = Job(where, choose_scenarios(where, []), None, profile="published", **{"jobs": 1, **options})
    contract = Contract.model_validate(
        {"client": "reference", "driver": {"python": "x:y"}, "capabilities": CAPABILITIES, "policy": POLICY}
    )
    return verify_known_bad(job, bad=bad, contract=contract)


@pytest.mark.parametrize("jobs", [1, 2])
def test_known_bad_clients_are_caught(work: Workspace, jobs: int) -> None:
    """Each is caught by its clause, in the likeliest scenario first; the run succeeds."""
    results = _hunt(
        work,
        BadClient("stubborn", Stubborn, ("RETRY-01",)),
        BadClient("hasty", Hasty, ("RETRY-05",)),
        BadClient("escapes", Escapes, ("ERROR-01",)),
        jobs=jobs,
    )
    rate = results.kill_rate

    assert rate is not None
    assert (rate.bad, rate.killed, rate.survivors) == (3, 3, [])
    assert [case.id for case in results.cases] == ["retry/busy@stubborn", "retry/busy@hasty", "errors/cut@escapes"]
    assert exit_code(results) == 0


def test_what_no_scenario_catches_is_looked_for_in_drawn_cases(tmp_path: Path) -> None:
    """Without a scenario that shows the defect, a drawn case does."""
    _scenario(tmp_path, "retry/calm", {"calls": READ})
    where = Workspace(tmp_path)
    bad = BadClient("stubborn", Stubborn, ("RETRY-01",))
    caught, missed = (_hunt(where, bad, examples=examples) for examples in (200, 0))

    assert caught.kill_rate is not None
    assert caught.kill_rate.killed == 1
    assert caught.cases[-1].scenario.startswith("generated/")
    assert missed.kill_rate is not None
    assert missed.kill_rate.survivors[0].why == "none of 1 cases put the clause to the test"


def test_a_good_client_survives_and_fails_the_run(work: Workspace) -> None:
    """A clause that does not catch its client is named, with how often it was tested."""
    results = _hunt(work, BadClient("harmless", Small, ("RETRY-01",)), examples=20)
    rate = results.kill_rate

    assert rate is not None
    assert rate.killed == 0
    assert "held in 3 cases that put it to the test, nor did it fail in" in rate.survivors[0].why
    assert exit_code(results) == 1
