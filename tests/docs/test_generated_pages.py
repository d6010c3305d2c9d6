"""The generated pages say what is so, and whoever changes the one without the other hears of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = ["reference/clauses.md", "reference/faults.md", "reference/known-bad.md", "reference/coverage.md", "article.md"]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


_TWICE = """
import sys
sys.path.insert(0, "scripts")
import docs
codes = []
for folder in sys.argv[1:]:
    codes.append(docs.main(["--check", "reference", "--docs", folder]))
    print("\\f", end="")
print(*codes)
"""


@cache
def _checked() -> dict[str, tuple[int, str]]:
    """Return what is said of the pages as they are, and of a copy that has drifted: both from one run."""
    with tempfile.TemporaryDirectory() as folder:
        drifted = Path(folder) / "docs"
        shutil.copytree(DOCS, drifted)
        page, excuses = drifted / "reference" / "clauses.md", drifted / "data" / "coverage.yaml"
        page.write_text(page.read_text().replace("### RETRY-01\n", "### RETRY-1\n"))
        excuses.write_text(
            "clauses: {RETRY-01: nobody has time}\nfaults: {rest: it is unknown}\nwithout_known_bad: {}\n"
        )
        command = [sys.executable, "-c", _TWICE, str(DOCS), str(drifted)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=390, check=True)
    good, bad, codes = done.stdout.split("\f")
    first, second = map(int, codes.split())
    return {"as it is": (first, good), "drifted": (second, bad)}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_reference_pages_are_up_to_date() -> None:
    """Clauses, faults, known-bad clients and coverage stand in docs/reference as the code and a run have them.

    That includes that every clause is put to the test, every fault takes effect, and every clause is failed by a
    known-bad client, or docs/data/coverage.yaml gives the reason; and that no reason there has outlived its cause.
    """
    assert _checked()["as it is"] == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_the_article_s_report_is_up_to_date() -> None:
    """The report on the article's client is that of a run with the same seed, and its prose leaves nothing out."""
    command = [sys.executable, "scripts/docs.py", "--check", "article"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=990, check=False)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_has_drifted_is_said() -> None:
    """A page that was changed by hand, a row that is excused though it is covered, and an unknown one fail the check."""
    code, text = _checked()["drifted"]

    assert code == 1
    for said in (
        "docs/reference/clauses.md is out of date; run scripts/docs",
        "docs/data/coverage.yaml, clauses: RETRY-01 is covered now; take it out",
        "docs/data/coverage.yaml, faults: there is no rest",
    ):
        assert said in text


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Each link of a generated page leads to a file of this repository, and to a heading or anchor that is there."""
    page = DOCS / name
    dead = []
    for target, place in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (place and place not in _places(path)):
            dead.append((target, place))

    assert dead == []


def _places(path: Path) -> set[str]:
    """Return where a link can lead to in a page."""
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))
