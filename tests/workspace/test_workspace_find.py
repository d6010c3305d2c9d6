"""Finding the workspace, and what it holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sadpath.core.errors import FileProblems, UsageError
from sadpath.workspace import FOLDERS, Fixtures, Workspace, find_workspace, reference_root

SCENARIO = "# What, why. Source: none.\ntitle: Mine\n"


def make(root: Path, **files: str | bytes) -> Path:
    """Make a workspace with these files; in a name, two underscores stand for a slash, and one for a dot."""
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def where(cwd: Path, *arguments: str) -> str:
    """Return the root that is found by a process whose current folder is ``cwd``."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom sadpath.workspace import find_workspace\n"
        "print(find_workspace(*map(Path, sys.argv[1:])).root)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_an_explicit_root_goes_first(tmp_path: Path) -> None:
    """``--root`` beats the current folder."""
    root, here = make(tmp_path / "a", fixtures__x_yaml=""), make(tmp_path / "b", scenarios__x__y_yaml=SCENARIO)

    assert where(here, str(root)) == str(root)


def test_the_current_folder_is_next_if_it_has_scenarios(tmp_path: Path) -> None:
    """A folder with ``scenarios/`` is a workspace, one without is not."""
    here = make(tmp_path / "b", scenarios__x__y_yaml=SCENARIO)
    other = make(tmp_path / "c", fixtures__x_yaml="")

    assert where(here) == str(here)
    assert where(other) == str(reference_root())


def test_the_reference_workspace_is_last(tmp_path: Path) -> None:
    """Anywhere else the reference workspace is used, whole and under its name."""
    workspace = Workspace(Path(where(tmp_path)))

    assert workspace.is_reference
    assert workspace.name == "reference"
    assert all((workspace.root / folder).is_dir() for folder in FOLDERS)


@pytest.mark.parametrize(
    ("folder", "message"), [("nowhere", "there is no such folder"), ("empty", "it has none of the folders")]
)
def test_a_root_that_is_none_is_refused(tmp_path: Path, folder: str, message: str) -> None:
    """A mistyped root is told, and not replaced by another workspace."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=message):
        find_workspace(tmp_path / folder)


def test_a_package_without_its_workspace_says_where_it_looked(tmp_path: Path) -> None:
    """Where neither the wheel's copy nor the checkout is there, the message names the places."""
    source = Path(sys.modules["sadpath"].__file__ or "").parent
    shutil.copytree(source, tmp_path / "lib" / "sadpath", ignore=shutil.ignore_patterns("__pycache__", "_reference"))
    code = (
        "from sadpath.workspace import find_workspace\n"
        "try: find_workspace()\nexcept Exception as e: print(type(e).__name__, e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "lib"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("UsageError there is no workspace: no --root is given")
    assert str(tmp_path / "lib" / "sadpath" / "_reference") in done.stdout


# What is in it


def test_what_a_workspace_lacks_comes_from_the_reference_one(tmp_path: Path) -> None:
    """One's own scenarios run against the reference backend, its roles, data and clients."""
    workspace = Workspace(make(tmp_path, scenarios__retry__mine_yaml=SCENARIO))
    reference = Workspace(reference_root() or tmp_path)

    assert workspace.scenarios() == ["retry/mine"]
    assert workspace.name == tmp_path.name
    assert workspace.roles() == reference.roles()
    assert workspace.fixtures.data_sets() == reference.fixtures.data_sets()
    assert workspace.clients() == reference.clients()
    assert workspace.backend().state.sadpath_hooks is not None


def test_one_s_own_files_go_first(tmp_path: Path) -> None:
    """Own fixtures, contracts and roles replace the reference ones."""
    roles = "operations: {ping: {role: public, method: GET, path: /ping}}\n"
    workspace = Workspace(
        make(
            tmp_path,
            fixtures__tiny_yaml="",
            contracts__clients__mine_yaml="client: mine\n",
            contracts__clients__reference_yaml="client: reference\n",
            contracts__api__roles_yaml=roles,
        )
    )

    assert workspace.fixtures.data_sets() == ["tiny"]
    assert [operation.id for operation in workspace.roles()] == ["ping"]
    assert "mine" in workspace.clients()
    assert workspace.contract_path("reference") == tmp_path / "contracts" / "clients" / "reference.yaml"


def test_a_backend_of_one_s_own_needs_roles_of_its_own(tmp_path: Path) -> None:
    """The reference API's roles would be about other operations, so they are never borrowed."""
    workspace = Workspace(make(tmp_path, mockserver__app_py="app = None\n"))
    with pytest.raises(UsageError, match=r"contracts/api/roles.yaml is missing: it says what the operations"):
        workspace.roles()


def test_beside_a_backend_of_one_s_own_nothing_is_borrowed_that_is_about_another(tmp_path: Path) -> None:
    """Scenarios and clients of the reference API would be asked of operations that are not there."""
    workspace = Workspace(
        make(tmp_path, mockserver__app_py="app = None\n", contracts__clients__mine_yaml="client: mine\n")
    )

    assert workspace.scenarios() == []
    assert workspace.clients() == workspace.usual_clients() == ["mine"]
    assert Workspace(tmp_path / "contracts").usual_clients() == ["reference"]


def test_a_scenario_is_found_by_its_name_alone(tmp_path: Path) -> None:
    """A name is looked up, never used as a path."""
    workspace = Workspace(make(tmp_path, scenarios__retry__mine_yaml=SCENARIO, outside_yaml=SCENARIO))

    assert workspace.scenario("retry/mine").title == "Mine"
    assert workspace.load("retry/mine").intro == "What, why. Source: none."
    with pytest.raises(UsageError, match=r"there is no scenario 'retry/mime' \(did you mean 'retry/mine'\?\)"):
        workspace.scenario("retry/mime")
    for name in ("../outside", "retry/../../outside", "/etc/passwd", "", "retry/mine.yaml"):
        with pytest.raises(UsageError, match="there is no scenario"):
            workspace.scenario(name)


def test_a_broken_scenario_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    """Listing names reads nothing; loading tells what is wrong."""
    workspace = Workspace(make(tmp_path, scenarios__a__b_yaml="titel: x\n"))

    assert workspace.scenarios() == ["a/b"]
    with pytest.raises(FileProblems, match=r"scenarios/a/b.yaml:1: titel: unknown key \(did you mean 'title'\?\)"):
        workspace.find("a/*")


def test_a_client_s_contract_is_found_by_name(tmp_path: Path) -> None:
    """An unknown client is told the nearest, or which there are."""
    workspace = Workspace(make(tmp_path, contracts__clients__shop_yaml="client: shop\n"))

    assert workspace.contract_path("shop").is_file()
    with pytest.raises(UsageError, match=r"no contract of a client 'shp' \(did you mean 'shop'\?\)"):
        workspace.contract_path("shp")
    with pytest.raises(UsageError, match=r"no contract of a client 'zzz'; there are .*shop"):
        workspace.contract_path("zzz")


def test_payloads_are_found_by_path_or_by_a_name_that_is_enough(tmp_path: Path) -> None:
    """A payload comes with the content type of its ending; problems are known by their names."""
    make(
        tmp_path,
        set_yaml="",
        payloads__page_html="<p>ü</p>",
        payloads__problem_json=b"{}",
        payloads__plain_json=b"[]",
        payloads__deep__same_txt="a",
        other__same_txt="b",
        other__raw_bin=b"\xff",
        other__x_xml=b"<a/>",
    )
    fixtures = Fixtures(tmp_path)

    assert fixtures.data_sets() == ["set"]
    assert fixtures("page") == fixtures("payloads/page.html") == ("<p>ü</p>".encode(), "text/html; charset=utf-8")
    assert fixtures("problem") == (b"{}", "application/problem+json")
    assert fixtures("plain") == (b"[]", "application/json")
    assert fixtures("payloads/deep/same.txt") == (b"a", "text/plain; charset=utf-8")
    assert fixtures("raw") == (b"\xff", "application/octet-stream")
    assert fixtures("x")[1] == "application/xml"
    for name in ("same", "set", "../payloads/page.html", "/etc/passwd", ""):
        with pytest.raises(UsageError, match="there is no payload"):
            fixtures(name)
    with pytest.raises(UsageError, match=r"did you mean 'problem'\?"):
        fixtures("problm")


def test_lint_is_told_what_surrounds_a_scenario(tmp_path: Path) -> None:
    """Roles, clients, data sets and payloads are those of the workspace."""
    around = Workspace(make(tmp_path, fixtures__tiny_yaml="", fixtures__payloads__page_html="")).surroundings()

    assert around.roles is not None
    assert around.data_sets == ["tiny"]
    assert around.payloads is not None
    assert set(around.payloads) == {"page", "payloads/page.html"}
