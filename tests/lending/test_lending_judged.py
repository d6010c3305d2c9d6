"""A workspace of another shape: its client is judged by the same clauses, and so are its twins with a defect."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sadpath.scenario.yamlfile import YamlFile
from sadpath.verify.clients import ClientRequest
from sadpath.verify.results import Results
from sadpath.verify.run import Job, choose_scenarios
from sadpath.verify.run import verify as put_to_the_test
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE, TOP

ROOT = Path(__file__).parent
CLAIMED = (
    "AUTH-01", "AUTH-03", "AUTH-04", "AUTH-07", "AUTH-08", "AUTH-10", "AUTH-14", "AUTH-15", "CACHE-01", "CACHE-10",
    "END-01", "ERROR-02", "ERROR-04", "HEAL-01", "HONEST-02", "IDEM-01", "IDEM-02", "IDEM-03", "PAGE-01", "PAGE-04",
    "POOL-01", "RETRY-01", "RETRY-03", "RETRY-07", "RETRY-12",
)  # fmt: skip
"""What the workspace's scenarios are there for, in both worlds."""


def _twins() -> list[tuple[str, str, str]]:
    text = (ROOT / "contracts" / "clients" / "desk_client" / "twins.py").read_text()
    table = text.partition("TWINS: ")[2].partition("= {")[2].partition("\n}")[0]
    rows = [line.strip().strip(",").replace('"', "") for line in table.splitlines() if line.strip()]
    return [(row.partition(":")[0], *row.rstrip(")").split(", ")[-2:]) for row in rows]  # type: ignore[misc] # three parts each


def _command(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sadpath", *words, "--root", str(ROOT)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=TOP)


def _verdicts(results: Results, client: str) -> dict[str, str]:
    (one,) = [item for item in results.clients if item.name == client]
    return {clause.id: clause.verdict for clause in one.clauses}


@pytest.mark.parametrize("world", ["sim", "live"])
def test_the_careful_client_holds_what_it_promises(world: str, tmp_path: Path) -> None:
    """Every clause that is claimed is exercised and holds, in both worlds, by the ordinary command."""
    words = ["verify", "reader", "--examples", "0", "--world", world, "--report", str(tmp_path / "out")]
    done = _command(*words)

    assert done.returncode == 0, done.stdout + done.stderr
    found = _verdicts(Results.model_validate_json((tmp_path / "out" / "results.json").read_text()), "reader")
    allowed = {"pass"} if world == "sim" else {"pass", "flaky"}  # on a busy machine a case may fail beside others
    assert {clause: found[clause] for clause in CLAIMED if found[clause] not in allowed} == {}


def test_drawn_cases_find_nothing_wrong_with_it(tmp_path: Path) -> None:
    """Cases are drawn for this API's own operations, arguments and pages, and the careful client holds in them."""
    workspace = Workspace(ROOT)
    job = Job(workspace, [], None, jobs=1, profile="published", examples=10, store=tmp_path)
    results = put_to_the_test(job, [ClientRequest("reader", workspace)])

    assert [clause.id for one in results.clients for clause in one.clauses if clause.verdict == "fail"] == []
    assert not results.errors
    assert results.generated >= 10


@pytest.mark.parametrize(("name", "clause", "where"), _twins())
def test_each_twin_is_caught_by_its_clause(name: str, clause: str, where: str, tmp_path: Path) -> None:
    """A planted defect is a failure of the clause that it is about, and no fault of sadpath's."""
    workspace = Workspace(ROOT)
    job = Job(workspace, choose_scenarios(workspace, [where]), None, jobs=1, profile="published", store=tmp_path)
    results = put_to_the_test(job, [ClientRequest(name, workspace)])

    assert _verdicts(results, name)[clause] == "fail"
    assert not results.errors


def test_a_backend_without_hooks_will_do(tmp_path: Path) -> None:
    """Without hooks passes end by the clock, and renewals are spoilt by using them: the same clauses are put to the test."""
    root = tmp_path / "lending"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns("__pycache__", "test_*"))
    app = root / "mockserver" / "app.py"
    app.write_text(app.read_text().replace("app.state.sadpath_hooks = ", ""))
    workspace = Workspace(root)
    chosen = choose_scenarios(workspace, ["session/pass-is-over", "session/renewal-refused"])
    job = Job(workspace, chosen, None, jobs=1, profile="published", store=tmp_path / "cases")
    found = _verdicts(put_to_the_test(job, [ClientRequest("reader", workspace)]), "reader")

    assert (found["AUTH-01"], found["AUTH-07"]) == ("pass", "pass")


def test_tokens_that_the_roles_do_not_find_are_told(tmp_path: Path) -> None:
    """Where the backend takes what sadpath does not see, a clause about tokens would pass without looking."""
    for folder in ("mockserver", "contracts", "fixtures"):
        shutil.copytree(REFERENCE / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    roles = tmp_path / "contracts" / "api" / "roles.yaml"
    roles.write_text(roles.read_text().replace("header: Authorization", "header: X-Token"))
    (tmp_path / "scenarios" / "a").mkdir(parents=True)
    (tmp_path / "scenarios" / "a" / "b.yaml").write_text(
        "# A test. Source: none.\ntitle: T\ncalls: [users.get: {id: 1}]\n"
    )
    workspace = Workspace(tmp_path)
    job = Job(workspace, choose_scenarios(workspace, []), None, jobs=1, profile="published", store=tmp_path / "cases")
    (client,) = put_to_the_test(job, [ClientRequest("reference", workspace)]).clients

    assert [note for note in client.notes if "sadpath saw no access token" in note]


def test_its_files_are_as_lint_wants_them() -> None:
    """Roles, contracts and scenarios of this shape are no problem to lint."""
    done = _command("lint")

    assert (done.returncode, done.stderr) == (0, "")


def test_roles_name_the_operations_of_the_document() -> None:
    """Nothing that the API offers is left without a role."""
    document: Any = YamlFile.load(ROOT / "contracts" / "api" / "openapi.yaml").data
    offered = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}

    assert offered == set(Workspace(ROOT).roles().operations)
