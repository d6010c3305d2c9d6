"""The pytest plugin, in runs of pytest as its users have them: what ``docs/pytest.md`` shows is run, and fails as it says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.places import TOP

pytest_plugins = ["pytester"]

PAGE = (TOP / "docs" / "pytest.md").read_text(encoding="utf-8")
FILES = re.compile(r"<!-- (file|fails): (\S+) -->\n```python\n(.*?)```", re.DOTALL)
WRONG = """
import pytest

@pytest.mark.sadpath(scenario="retry/busy-twice-then-fin")
def test_unknown_scenario(sadpath_session): ...

@pytest.mark.sadpath(scenari="retry/busy-twice-then-fine")
def test_unknown_word(sadpath_session): ...

def test_nothing_to_prove():
    from sadpath.testing import verify
    verify({"users.get": lambda case, args: None}, {"faults": [], "calls": [{"users.list": {}}]})

def test_a_promise_that_cannot_be_read():
    from sadpath.testing import verify
    verify({"users.get": lambda case, args: None}, "errors/none", policy={"retri": {}})

def test_marker_is_known(pytestconfig):
    assert any(line.startswith("sadpath(") for line in pytestconfig.getini("markers"))
"""


def _run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "sadpath.pytest_plugin", "-p", "no:cacheprovider", "-W", "error", *words)


def test_examples_run_as_the_page_says(pytester: pytest.Pytester) -> None:
    """Every example passes, with several workers too, but the one that is to fail: its report is a clause's own."""
    failing = []
    for kind, name, text in FILES.findall(PAGE):
        pytester.path.joinpath(name).write_text(text, encoding="utf-8")
        failing += [name] * (kind == "fails")
    result = _run(pytester, "-n", "2")

    result.assert_outcomes(passed=7, failed=1)
    (name,) = failing
    result.stdout.re_match_lines(
        [
            r".*RETRY-03 fails ─",
            r".*policy; source: the contract",
            r".*met a 503 in exchange 1 and failed as other \(503\) after 0 of 1 promised",
            r".*The smallest schedule that shows it",
            r".*What happened:",
            rf".*pytest {re.escape(name)}::test_one_that_never_tries_again",
        ]
    )


def test_what_is_wrong_is_said_in_a_sentence(pytester: pytest.Pytester) -> None:
    """A scenario or a word that is not there is told with the nearest; a test that proves nothing does not pass."""
    pytester.makepyfile(WRONG)
    result = _run(pytester)

    result.assert_outcomes(passed=1, failed=2, errors=2)
    text = result.stdout.str()
    assert "there is no scenario 'retry/busy-twice-then-fin' (did you mean 'retry/busy-twice-then-fine'?)" in text
    assert "@pytest.mark.sadpath takes scenario, seed, own_port, not 'scenari'" in text
    assert "NothingProved: the client has no operation users.list" in text
    assert "policy.retri: unknown key (did you mean 'retry'?)" in text


def test_sadpath_needs_no_pytest() -> None:
    """Whoever judges clients by the command line, or by ``sadpath.testing``, imports no pytest."""
    code = "import sys, sadpath.testing, sadpath.cli.verify; sys.exit('pytest' in sys.modules and 'it does')"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_plugin_is_light() -> None:
    """A run that uses no fixture of it imports neither the engine nor Hypothesis for its sake."""
    code = (
        "import sys, pytest, sadpath.pytest_plugin\n"
        "heavy = {'hypothesis', 'uvicorn', 'pydantic', 'fastapi'} & set(sys.modules)\n"
        "sys.exit(' '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
