"""What ``docs/reports.md`` shows is run as it stands there, and what it lists is what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sadpath.report.formats import FORMATS
from sadpath.verify.results import Results
from tests.support.places import TOP
from tests.support.shell import environment_with

PAGE = (TOP / "docs" / "reports.md").read_text(encoding="utf-8")
STEP = re.compile(r"<!-- run: (\d) -->\n```sh\n(.*?)```(?:\n\n<!-- output -->\n```text\n(.*?)```)?", re.DOTALL)


def _counted(text: str) -> str:
    """Return a text without its numbers, which change with every clause that is added."""
    return re.sub(r"\d+", "N", text)


@pytest.mark.slow
def test_the_commands_end_as_the_page_says(tmp_path: Path) -> None:
    """Shards are run and put together, clients stand beside each other, and results are compared, by these exit codes."""
    work = tmp_path / "work"
    work.mkdir()
    env = environment_with(tmp_path / "bin", sadpath="-m sadpath.cli")
    steps = STEP.findall(PAGE)
    for code, text, output in steps:
        ran = subprocess.run(
            ["bash", "-ec", text], cwd=work, env=env, capture_output=True, text=True, timeout=100, check=False
        )
        assert ran.returncode == int(code), f"{text}\n{ran.stdout}\n{ran.stderr}"
        assert not output or _counted(output) in _counted(ran.stdout)

    merged = Results.model_validate_json((work / "out" / "whole" / "results.json").read_text())
    shards = [Results.model_validate_json((work / "out" / name / "results.json").read_text()) for name in ("1", "2")]

    assert len(steps) == 5
    assert [shard.shard for shard in shards] == ["1/2", "2/2"]
    assert merged.shard is None
    assert len(merged.cases) == merged.planned == sum(len(shard.cases) for shard in shards) > 2
    assert sorted(path.name for path in (work / "out" / "whole").iterdir()) == sorted(
        ["results.json", *(item.file for item in FORMATS.values())]
    )


def test_every_file_and_format_is_on_the_page() -> None:
    """The table has a row for each file, and the text a name for each format."""
    rows = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)

    assert sorted(rows) == sorted(["results.json", *(item.file for item in FORMATS.values())])
    assert all(f"`{name}`" in PAGE for name in FORMATS)


def test_the_workflow_is_yaml() -> None:
    """It can be read, and calls nothing that the command line does not have."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    jobs = YAML(typ="safe").load(text)["jobs"]

    assert list(jobs) == ["verify", "report"]
    assert "sadpath report shards/* --out out --exit-code" in jobs["report"]["steps"][1]["run"]


def test_the_picture_is_there_and_small() -> None:
    """It is a PNG of less than 200 KB, which ``scripts/report_picture.py`` makes."""
    (path,) = re.findall(r"!\[.+?\]\((.+?)\)", PAGE)
    data = (TOP / "docs" / path).read_bytes()

    assert data.startswith(b"\x89PNG")
    assert len(data) < 200_000
