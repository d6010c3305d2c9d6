"""Finding and reading scenario files."""

from __future__ import annotations

from pathlib import Path

import pytest

import sadpath.faults  # noqa: F401 - fills the vocabulary
from sadpath.core.errors import FileProblems, UsageError
from sadpath.scenario.loader import find, intro_of, load_all, load_scenario, scenario_paths

TEXT = "# One.\n#\n#   Source: none.\n\n# Not part of it.\ntitle: x\n"


def workspace(root: Path, **files: str) -> Path:
    """Make a workspace with these scenarios; in a name, two underscores stand for a slash."""
    for name, text in files.items():
        path = root / "scenarios" / (name.replace("__", "/").replace("_", "-") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_scenario_is_named_by_its_path(tmp_path: Path) -> None:
    """The name is the path below ``scenarios/`` without the ending."""
    root = workspace(tmp_path, retry__busy_twice=TEXT)
    loaded = load_scenario(root / "scenarios" / "retry" / "busy-twice.yaml", root)

    assert (loaded.name, loaded.scenario.title) == ("retry/busy-twice", "x")
    assert loaded.path == root / "scenarios" / "retry" / "busy-twice.yaml"
    assert loaded.file.name == "scenarios/retry/busy-twice.yaml"


def test_a_scenario_elsewhere_is_named_by_its_file(tmp_path: Path) -> None:
    """A file outside the workspace has no topic."""
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)

    assert load_scenario(path).name == "mine"
    assert load_scenario(path, tmp_path / "other").name == "mine"


@pytest.mark.parametrize(
    ("text", "intro"),
    [
        (TEXT, "One.\n\n  Source: none."),
        ("title: x\n# later\n", ""),
        ("\n# One.\ntitle: x\n", ""),
        ("#One.\r\n#Two.\r\ntitle: x\r\n", "One.\nTwo."),
        ("\ufeff# One.\ntitle: x\n", "One."),
        ("", ""),
    ],
)
def test_the_introduction_is_the_comment_at_the_top(text: str, intro: str) -> None:
    """What stands above the first key, or the first empty line, without its hash signs."""
    assert intro_of(text) == intro


def test_all_scenarios_are_found_in_the_order_of_names(tmp_path: Path) -> None:
    """Hidden files and other endings are no scenarios."""
    root = workspace(tmp_path, retry__b=TEXT, retry__a=TEXT, cache__z=TEXT)
    (root / "scenarios" / ".hidden.yaml").write_text("")
    (root / "scenarios" / "README.md").write_text("")

    assert [loaded.name for loaded in load_all(root)] == ["cache/z", "retry/a", "retry/b"]
    assert list(scenario_paths(root / "nowhere")) == []


def test_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """One broken file does not hide another."""
    root = workspace(tmp_path, a__a="titel: x\n", b__b=TEXT, c__c="- x\n")
    with pytest.raises(FileProblems) as caught:
        load_all(root)

    assert [problem.file for problem in caught.value.problems] == ["scenarios/a/a.yaml", "scenarios/c/c.yaml"]


def test_scenarios_are_found_by_a_pattern(tmp_path: Path) -> None:
    """A pattern chooses by name; what it does not choose is not read."""
    root = workspace(tmp_path, retry__b=TEXT, retry__a=TEXT, cache__z="- broken\n")

    assert [loaded.name for loaded in find(root, "retry/*")] == ["retry/a", "retry/b"]
    assert [loaded.name for loaded in find(root, "retry/a")] == ["retry/a"]
    with pytest.raises(UsageError, match=r"no scenario matches 'retry/bb' \(did you mean 'retry/b'\?\)"):
        find(root, "retry/bb")
    with pytest.raises(UsageError, match=r"no scenario matches '\*x\*'$"):
        find(root, "*x*")
