"""Render the pages of docs/ that are made from what the code says of itself, and from runs in the simulated world.

    scripts/docs                            docs/reference/*.md and docs/article.md
    scripts/docs --check                    write nothing, say what would differ, and exit with 1 if anything does
    scripts/docs reference | article        one of the two sets

The same code renders the same pages: nothing in them depends on the machine, the time or luck. What only people can
say stands in docs/data/*.yaml; where it is missing, or no longer true, that is said, and the command exits with 1.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import docs_article
import docs_reference
from docs_facts import ROOT, Rendered

SETS: dict[str, Callable[[Path], Rendered]] = {"reference": docs_reference.render, "article": docs_article.render}
"""What renders each set, given the folder of data files."""

MOST_LINES = 40
"""Lines of a page's difference that are shown."""


def difference(page: str, now: str, due: str) -> str:
    """Return in short how a page differs from what it should say."""
    lines = list(difflib.unified_diff(now.splitlines(), due.splitlines(), f"docs/{page}", "rendered", lineterm=""))
    more = [f"… and {len(lines) - MOST_LINES} lines more"] if len(lines) > MOST_LINES else []
    return "\n".join([*lines[:MOST_LINES], *more])


def update(pages: dict[str, str], folder: Path, *, check: bool) -> bool:
    """Write the pages that differ, or say which do; tell whether any did."""
    stale = False
    for page, due in pages.items():
        path = folder / page
        now = path.read_text(encoding="utf-8") if path.exists() else ""
        if now == due:
            continue
        stale = True
        if check:
            print(f"docs/{page} is out of date; run scripts/docs\n{difference(page, now, due)}")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(due, encoding="utf-8")
            print(f"docs/{page} written")
    return stale


def main(words: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Render the generated pages of docs/.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; default: all")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a page would differ")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the pages and their data are")
    options = parser.parse_args(words)
    for name in options.sets:
        if name not in SETS:
            parser.error(f"there is no set {name}; there are {', '.join(SETS)}")
    bad = False
    for name in options.sets or SETS:
        rendered = SETS[name](options.docs / "data")
        stale = update(rendered.pages, options.docs, check=options.check)
        bad = bad or bool(rendered.mistakes) or (stale and options.check)
        print("".join(f"{mistake}\n" for mistake in rendered.mistakes), end="")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
