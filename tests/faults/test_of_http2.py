"""Where faults of HTTP/2 alone are announced before anything is run: lint, verification, drawing, the catalogue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sadpath.faults import FAULTS
from sadpath.scenario.lint import Surroundings, lint_scenario
from sadpath.scenario.loader import load_scenario
from sadpath.strategies.settings import drawn_faults
from sadpath.verify.needs import lacking

OF_HTTP2 = [kind.name for kind in FAULTS if "HTTP/1" not in kind.protocols]


def _scenario(folder: Path, fault: str) -> Path:
    path = folder / "case.yaml"
    path.write_text(
        f"# A case. Source: RFC 9113.\ntitle: A case\nfaults:\n  - {{on: users.get, fault: {fault}}}\n"
        "calls:\n  - users.get: {id: 1}\n"
    )
    return path


def test_there_are_two() -> None:
    """GOAWAY and RST_STREAM are HTTP/2's alone."""
    assert OF_HTTP2 == ["goaway", "rst_stream"]


@pytest.mark.parametrize("name", [*OF_HTTP2, "reset", "broken_chunk"])
def test_lint_says_what_needs_http2(name: str, tmp_path: Path) -> None:
    """A note, for the scenario can be served; of faults that exist over HTTP/1 nothing is said."""
    problems = lint_scenario(load_scenario(_scenario(tmp_path, name)), Surroundings(), named=False)
    note = f"note: {name!r} needs HTTP/2: `sadpath serve --http2` has it, `verify` does not"

    assert [f"{problem.level}: {problem.message}" for problem in problems] == ([note] if name in OF_HTTP2 else [])


@pytest.mark.parametrize("world", ["sim", "live"])
@pytest.mark.parametrize("name", [*OF_HTTP2, "reset"])
def test_a_case_that_needs_it_is_not_run(name: str, world: str, tmp_path: Path) -> None:
    """Cases are played over HTTP/1.1 in both worlds: one that needs HTTP/2 is unsupported, and says why."""
    scenario = load_scenario(_scenario(tmp_path, name)).scenario
    why = lacking(scenario, capabilities=(), operations=(), world=world, roles=None)

    assert why == (f"the fault {name} needs HTTP/2, and cases are played over HTTP/1.1" if name in OF_HTTP2 else None)


def test_none_of_them_is_drawn() -> None:
    """Drawn cases meet faults that exist where cases are played."""
    assert not set(OF_HTTP2) & set(drawn_faults())


def test_the_list_and_a_fault_s_own_words_name_the_protocol() -> None:
    """``list`` has a column for it, ``show`` a line, and a second one where the fault is something else over HTTP/2."""

    def told(*words: str) -> str:
        command = [sys.executable, "-m", "sadpath.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    lines = {line.split()[0]: line for line in told("list", "faults").splitlines()}
    assert all(lines[kind.name].count("HTTP/") >= len(kind.protocols) for kind in FAULTS)
    assert "  HTTP/2 " in lines["goaway"]
    assert "  HTTP/1 " in lines["broken_chunk"]
    facts = {entry["name"]: entry for entry in json.loads(told("list", "faults", "--format", "json"))}
    assert facts["reset"]["protocols"] == ["HTTP/1", "HTTP/2"]
    assert "http/2   RST_STREAM (INTERNAL_ERROR): this stream alone ends" in told("show", "reset")
