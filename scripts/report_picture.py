"""Takes the picture of the HTML report that docs/reports.md shows: two clients, a matrix, a finding with its timeline.

    python scripts/report_picture.py

Needs Chromium and the development dependencies. What is in the picture comes from a run in simulated worlds, so it is
the same each time as long as clients and clauses are.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

TOP = Path(__file__).resolve().parents[1]
PICTURE = TOP / "docs" / "data" / "report.png"
COMMAND = ("verify", "reference", "article", "--scenario", "retry/*", "--scenario", "refresh/*", "--examples", "0")
CLAUSE = "AUTH-02"


def main() -> int:
    """Run the clients, open the report, fold out one finding and take the picture."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("there is no chromium", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, "-m", "sadpath", *COMMAND, "--report", "out"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if ran.returncode != 1:
            print(f"verify ended with {ran.returncode}, and 1 was expected", file=sys.stderr)
            return 1
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program)
            page = browser.new_page(viewport={"width": 1000, "height": 1120})
            page.goto((Path(folder) / "out" / "report.html").as_uri())
            page.locator("#filter-text").fill("refresh replaced")
            page.locator("#filter-verdict").select_option("fail")
            page.locator(f"tr:has(th:text-is('{CLAUSE}')) td.fail a").click()
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=PICTURE)
            browser.close()
    print(f"{PICTURE.relative_to(TOP)}: {PICTURE.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
