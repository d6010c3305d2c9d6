"""What ``docs/own-api.md`` shows is followed step by step, and what it lists is what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from sadpath.scenario.rules import ROLES
from sadpath.scenario.saying import Errors
from sadpath.scenario.travel import Tokens
from tests.support.places import TOP
from tests.support.shell import environment_with

PAGE = (TOP / "docs" / "own-api.md").read_text(encoding="utf-8")
STEP = re.compile(r"<!-- (file|run|sed)(?:: (\S+))? -->\n```\w+\n(.*?)```", re.DOTALL)


def _keys(title: str) -> set[str]:
    section = PAGE.partition(f"\n### {title}\n")[2].partition("\n#")[0]
    return {key for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}


def test_fifteen_minutes_end_as_the_page_says(tmp_path: Path) -> None:
    """The walk leads from an API of one's own to a client that fails AUTH-01, and to one that holds what it promises."""
    work = tmp_path / "work"
    work.mkdir()
    env = environment_with(tmp_path / "bin", sadpath="-m sadpath.cli", python="") | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = []
    for kind, what, text in STEP.findall(PAGE):
        if kind == "file":
            (work / what).parent.mkdir(parents=True, exist_ok=True)
            (work / what).write_text(text)
            continue
        command = ["bash", "-e", "-c", text]
        ran = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == int(what or 0), f"{text}\n{ran.stdout}\n{ran.stderr}"
        done.append((ran.returncode, ran.stdout))

    assert [code for code, _ in done] == [0, 0, 1, 0, 0]
    assert "no problems" in done[1][1]
    assert "AUTH-01 fails" in done[2][1]
    for clause in ("AUTH-01", "PAGE-01", "RETRY-03"):
        assert re.search(rf"^{clause} .* holds ", done[4][1], re.MULTILINE), done[4][1]


def test_tables_name_every_key() -> None:
    """Each key of tokens and of errors has its row, and each role is named."""
    assert _keys("Tokens") == set(Tokens.model_fields)
    assert _keys("Errors") == set(Errors.model_fields)
    roles = PAGE.partition("`role` is one of ")[2].partition(". ")[0]
    assert set(re.findall(r"`(\w+)`", roles)) == set(ROLES)
