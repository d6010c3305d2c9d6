"""The small verbs: init, list, show, lint, schema."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import sadpath
from sadpath.cli import app
from sadpath.scenario.rules import ROLES
from sadpath.workspace import FOLDERS, find_workspace, reference_root

GOOD = """# What, why. Source: RFC 9110.
title: Mine
faults: [{on: users.get, plan: [status: 503]}]
calls: [users.get: {id: 1}]
"""


def run(*arguments: str | Path) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(app, [str(part) for part in arguments], prog_name="sadpath")


def ok(*arguments: str | Path) -> str:
    """Return what a command that ends well prints."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def workspace(root: Path, **files: str) -> Path:
    """Make a workspace with these scenarios; in a name, two underscores stand for a slash."""
    for name, text in files.items():
        path = root / "scenarios" / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_help_names_the_verbs_in_the_order_of_use() -> None:
    """A newcomer reads the verbs as a story."""
    text = ok("--help")
    places = [text.index(f" {verb} ") for verb in ("init", "list", "show", "lint", "schema")]

    assert places == sorted(places)
    assert text == ok("-h")


def test_the_version_is_shown() -> None:
    """The version stands behind the name."""
    assert ok("--version") == f"sadpath {sadpath.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [(), ("nope",), ("list",), ("list", "nope"), ("lint", "--nope"), ("schema", "nope")]
)
def test_a_mistaken_command_line_ends_with_2(arguments: tuple[str, ...]) -> None:
    """A command that does not exist, or lacks something, says how it is used."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert "Usage: sadpath" in result.output
    assert "Traceback" not in result.output


# list


def test_scenarios_are_listed_with_their_titles(tmp_path: Path) -> None:
    """One line each, in the order of names."""
    root = workspace(tmp_path, retry__mine=GOOD, cache__a="# x\ntitle: Another\n")

    assert ok("list", "scenarios", "--root", root).splitlines() == ["cache/a     Another", "retry/mine  Mine"]


def test_scenarios_are_listed_for_programs(tmp_path: Path) -> None:
    """JSON has what a tool needs to choose by."""
    root = workspace(tmp_path, retry__mine=GOOD)

    assert json.loads(ok("list", "scenarios", "--root", root, "--format", "json")) == [
        {
            "name": "retry/mine",
            "path": "scenarios/retry/mine.yaml",
            "title": "Mine",
            "intro": "What, why. Source: RFC 9110.",
            "faults": ["status"],
            "error": None,
        }
    ]


def test_a_broken_scenario_is_listed_and_told(tmp_path: Path) -> None:
    """One broken file hides no other, and the exit code says that there is something to mend."""
    root = workspace(tmp_path, retry__mine=GOOD, retry__bad="titel: x\n")
    result = run("list", "scenarios", "--root", root)

    assert result.exit_code == 2
    assert result.stdout.splitlines() == ["retry/bad   (cannot be read)", "retry/mine  Mine"]
    assert "scenarios/retry/bad.yaml:1: titel: unknown key (did you mean 'title'?)" in result.stderr
    assert [
        entry["error"] is None
        for entry in json.loads(run("list", "scenarios", "--root", root, "--format", "json").stdout)
    ] == [
        False,
        True,
    ]


def test_faults_are_listed_by_family() -> None:
    """Each fault stands with its family and its summary; JSON has its aliases."""
    lines = ok("list", "faults").splitlines()
    facts = {entry["name"]: entry for entry in json.loads(ok("list", "faults", "--format", "json"))}

    assert any(line.startswith("status ") and "in the response" in line for line in lines)
    assert "CONNECTION_RESET_BY_PEER" in facts["reset"]["aliases"]
    assert [line.split()[0] for line in lines] == list(facts)


def test_clauses_are_listed_with_level_and_title() -> None:
    """Each clause stands with its id, its level and what it wants."""
    ids = [line.split()[0] for line in ok("list", "clauses").splitlines()]
    facts = json.loads(ok("list", "clauses", "--format", "json"))

    assert "END-01" in ids
    assert [entry["id"] for entry in facts] == ids
    assert set(facts[0]) == {"id", "family", "level", "title", "source"}


def test_clients_are_listed_with_what_their_contracts_say_first(tmp_path: Path) -> None:
    """A client's line is the first line of its contract's comment."""
    root = workspace(tmp_path, retry__mine=GOOD)
    path = root / "contracts" / "clients" / "shop-app.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("# The shop's app.\n# Source: its README.\nclient: shop-app\n")

    assert any(
        line.split() == ["shop-app", "The", "shop's", "app."]
        for line in ok("list", "clients", "--root", root).splitlines()
    )


# show


def test_a_scenario_is_shown_as_it_stands(tmp_path: Path) -> None:
    """The file's place, and its text with its comments."""
    root = workspace(tmp_path, retry__mine=GOOD)

    assert ok("show", "retry/mine", "--root", root) == f"scenarios/retry/mine.yaml\n\n{GOOD}"


@pytest.mark.parametrize("name", ["reset", "CONNECTION_RESET_BY_PEER"])
def test_a_fault_is_shown_with_its_settings(name: str) -> None:
    """By its own name or another tool's: summary, family, phase, worlds, aliases, settings."""
    lines = ok("show", name).splitlines()

    assert lines[0].startswith("reset: ")
    assert "phase    response" in lines
    assert any(line.split()[:2] == ["after", "size"] for line in lines)
    assert any("CONNECTION_RESET_BY_PEER" in line for line in lines if line.startswith("aliases"))


@pytest.mark.parametrize("name", ["END-01", "end-01"])
def test_a_clause_is_shown_with_its_source(name: str) -> None:
    """Its id, its level, what it wants and where that stands."""
    text = ok("show", name)

    assert text.startswith("END-01 (should): the client ends every call")
    assert "source" in text


def test_every_fault_and_clause_that_is_listed_can_be_shown() -> None:
    """What can be listed can be read."""
    for kind in ("faults", "clauses"):
        for line in ok("list", kind).splitlines():
            name = line.split()[0]
            assert ok("show", name).startswith(name)


def test_an_unknown_name_is_told_the_nearest() -> None:
    """A misspelt name finds its like among everything that can be shown."""
    for name, near in (("rset", "reset"), ("END-1", "END-01")):
        result = run("show", name)
        assert result.exit_code == 2
        assert result.stderr == (
            f"error: there is no scenario, fault, clause or client {name!r} (did you mean {near!r}?); see `sadpath list`\n"
        )


# lint


def test_the_reference_workspace_is_well() -> None:
    """What we ship passes lint as a whole: roles, contracts and scenarios."""
    result = run("lint", "--root", find_workspace().root)

    assert result.exit_code == 0, result.stdout
    assert "no problems" in result.stdout


def test_lint_tells_everything_in_the_files_that_are_named(tmp_path: Path) -> None:
    """Problems of grammar and beyond, from every file, a line each, and a summary."""
    root = workspace(
        tmp_path, retry__good=GOOD, retry__bad="titel: x\n", retry__odd=GOOD.replace("users.get,", "users.gte,")
    )
    result = run("lint", *sorted((root / "scenarios" / "retry").iterdir()))

    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        "scenarios/retry/bad.yaml:1: titel: unknown key (did you mean 'title'?)",
        "scenarios/retry/odd.yaml:3: faults[0].on: unknown operation 'users.gte' (did you mean 'users.get'?)",
        "3 files checked: 2 problems",
    ]


def test_lint_takes_folders_and_finds_the_workspace_around_a_file(tmp_path: Path) -> None:
    """The workspace that a file lies in gives the names that it may use."""
    root = workspace(tmp_path, retry__ping="# What. Source: x.\ntitle: x\ncalls: [ping]\n")
    api = root / "contracts" / "api"
    api.mkdir(parents=True)
    (api / "roles.yaml").write_text("# Roles.\noperations: {ping: {role: public, method: GET, path: /ping}}\n")
    (api / "openapi.yaml").write_text("paths: {/ping: {get: {operationId: ping}}}\n")

    assert ok("lint", root / "scenarios") == "1 file checked: no problems\n"
    assert ok("lint", "--root", root) == "2 files checked: no problems\n"


def test_lint_prints_json_for_editors(tmp_path: Path) -> None:
    """Each problem with its place, the nearest name and its level."""
    root = workspace(tmp_path, retry__bad="# x. Source: y\ntitel: x\n")
    result = run("lint", "--root", root, "--format", "json")

    assert result.exit_code == 2
    assert json.loads(result.stdout) == [
        {
            "file": "scenarios/retry/bad.yaml",
            "line": 2,
            "field": "titel",
            "message": "unknown key",
            "nearest": "title",
            "level": "error",
        }
    ]


def test_lint_tells_contracts_from_scenarios(tmp_path: Path) -> None:
    """A contract is read as a contract, wherever it lies."""
    root = workspace(tmp_path, retry__good=GOOD)
    folder = root / "contracts" / "clients"
    folder.mkdir(parents=True)
    for path in (folder / "mine.yaml", root / "loose.yaml"):
        path.write_text("# What. Source: x.\nclient: mine\npolcy: {}\n")
        result = run("lint", path, "--root", root)
        assert result.exit_code == 2
        assert "polcy: unknown key (did you mean 'policy'?)" in result.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere.yaml", "cannot be read: there is no such file"), ("empty", "holds no YAML file")],
)
def test_lint_of_what_is_not_there_is_told(tmp_path: Path, name: str, message: str) -> None:
    """A mistyped file name is a problem, not a success."""
    (tmp_path / "empty").mkdir()
    result = run("lint", tmp_path / name)

    assert result.exit_code == 2
    assert message in result.output


def test_broken_roles_are_told_once_and_the_rest_is_still_checked(tmp_path: Path) -> None:
    """Scenarios are checked without roles where these cannot be read."""
    root = workspace(tmp_path, retry__good=GOOD, retry__odd=GOOD.replace("title: Mine", "title: Mine\nsed: 1"))
    api = root / "contracts" / "api"
    api.mkdir(parents=True)
    (api / "roles.yaml").write_text("operations: {}\n")
    result = run("lint", "--root", root)

    assert result.stdout.splitlines() == [
        "contracts/api/roles.yaml:1: operations: must not be empty",
        "scenarios/retry/odd.yaml:3: sed: unknown key (did you mean 'seed'?)",
        "3 files checked: 2 problems",
    ]


# schema


def test_schemas_are_printed() -> None:
    """Each format that this version has prints a schema with its dialect and a title."""
    for kind in ("scenario", "roles", "contract", "results"):
        schema = json.loads(ok("schema", kind))
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["title"]


def test_the_scenario_schema_knows_faults_aliases_and_roles() -> None:
    """An editor can complete what the vocabulary holds."""
    text = ok("schema", "scenario")

    assert all(f'"{word}"' in text for word in ("status", "reset_peer", "CONNECTION_RESET_BY_PEER", *ROLES))


# init


def test_init_copies_the_reference_workspace(tmp_path: Path) -> None:
    """The copy holds what belongs to a workspace, no caches, and says what to do next."""
    target = tmp_path / "new" / "place"
    text = ok("init", target)
    copied = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    source = reference_root() or tmp_path

    everything = {path.relative_to(source) for name in FOLDERS for path in (source / name).rglob("*") if path.is_file()}
    hidden = {path for path in everything if any(part.startswith((".", "__")) for part in path.parts)}
    assert copied == {path.as_posix() for path in everything - hidden}
    assert "mockserver/app.py" in copied
    assert all((target / name).read_bytes() == (source / name).read_bytes() for name in copied)
    assert f"cd {target}" in text
    assert "sadpath serve" in text


def test_what_is_copied_works(tmp_path: Path) -> None:
    """The copy passes lint and its backend can be loaded."""
    ok("init", tmp_path)
    copy = find_workspace(tmp_path)

    assert "no problems" in ok("lint", "--root", tmp_path)
    assert copy.backend().title
    assert not copy.is_reference


def test_init_begins_a_workspace_for_an_api_of_one_s_own(tmp_path: Path) -> None:
    """From an OpenAPI document come roles, a contract and a scenario that lint has nothing against."""
    document = find_workspace().roles_path.parent / "openapi.yaml"
    text = ok("init", tmp_path / "new", "--api", document)

    assert "docs/own-api.md" in text
    assert "no problems" in ok("lint", "--root", tmp_path / "new")
    again = run("init", tmp_path / "new", "--api", document)
    assert again.exit_code == 2
    assert "and 3 more would be overwritten; use --force" in again.stderr
    missing = run("init", tmp_path / "new", "--api", tmp_path / "none.yaml")
    assert (missing.exit_code, "there is no such file" in missing.stderr) == (2, True)
    blind = run("verify", "--root", tmp_path / "new")
    assert blind.exit_code == 2
    assert "there is no mockserver/ that answers to it" in blind.stderr


def test_init_overwrites_nothing_unless_told_to(tmp_path: Path) -> None:
    """One file that is there stops it before anything is written; ``--force`` overwrites and keeps what is one's own."""
    roles = tmp_path / "contracts" / "api" / "roles.yaml"
    own = tmp_path / "scenarios" / "mine" / "own.yaml"
    for path in (roles, own):
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    result = run("init", tmp_path)

    assert result.exit_code == 2
    assert result.stderr == f"error: {roles} would be overwritten; use --force if that is what you want\n"
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted([roles, own])

    ok("init", tmp_path, "--force")
    assert roles.read_text() != "mine"
    assert own.read_text() == "mine"


def test_init_refuses_a_file_and_the_reference_workspace_itself(tmp_path: Path) -> None:
    """A target must be a folder, and another one than the source."""
    (tmp_path / "file").write_text("")
    for target, message in (
        (tmp_path / "file", "is not a folder"),
        (reference_root() or tmp_path, "is the reference workspace itself"),
    ):
        result = run("init", target, "--force")
        assert result.exit_code == 2
        assert message in result.stderr


def test_init_works_in_the_current_folder(tmp_path: Path) -> None:
    """Without an argument the copy goes where one is."""
    command = [sys.executable, "-m", "sadpath.cli", "init"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert (tmp_path / "mockserver" / "app.py").is_file()
    assert "cd " not in done.stdout
