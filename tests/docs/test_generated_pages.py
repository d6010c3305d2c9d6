"""The generated pages say what is so, and whoever changes the one without the other hears of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = ["reference/clauses.md", "reference/faults.md", "reference/known-bad.md", "reference/coverage.md", "article.md"]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


def check(*words: str, timeout: float = 390) -> subprocess.CompletedProcess[str]:
    """Run the command that renders the pages, so that it only says what would differ."""
    command = [sys.executable, "scripts/docs.py", "--check", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_reference_pages_are_up_to_date() -> None:
    """Clauses, faults, known-bad clients and coverage stand in docs/reference as the code and a run have them.

    That includes that every clause is put to the test, every fault takes effect, and every clause is failed by a
    known-bad client, or docs/data/coverage.yaml gives the reason; and that no reason there has outlived its cause.
    """
    done = check("reference")

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_the_article_s_report_is_up_to_date() -> None:
    """The report on the article's client is that of a run with the same seed, and its prose leaves nothing out."""
    done = check("article", timeout=990)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_has_drifted_is_said(tmp_path: Path) -> None:
    """A page that was changed by hand, a row that is excused though it is covered, and an unknown one fail the check."""
    docs = tmp_path / "docs"
    shutil.copytree(DOCS, docs)
    page, excuses = docs / "reference" / "clauses.md", docs / "data" / "coverage.yaml"
    page.write_text(page.read_text().replace("### RETRY-01\n", "### RETRY-1\n"))
    excuses.write_text("clauses: {RETRY-01: nobody has time}\nfaults: {rest: it is unknown}\nwithout_known_bad: {}\n")
    done = check("reference", "--docs", str(docs))

    assert done.returncode == 1
    for said in (
        "docs/reference/clauses.md is out of date; run scripts/docs",
        "docs/data/coverage.yaml, clauses: RETRY-01 is covered now; take it out",
        "docs/data/coverage.yaml, faults: there is no rest",
    ):
        assert said in done.stdout


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
