"""Put the table of all clients into docs/stacks.md, from the results of a run.

    sadpath verify --all --report out
    python scripts/stacks.py out/results.json

The run takes minutes and needs every library and language, so that this is no part of scripts/docs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sadpath.report.matrix import matrix_markdown
from sadpath.verify.results import Results

PAGE = Path(__file__).resolve().parents[1] / "docs" / "stacks.md"
BEGIN, END = "<!-- matrix: scripts/stacks.py -->", "<!-- end of the matrix -->"


def render(page: str, results: Results) -> str:
    """Return the page with the table of these results; raises ``ValueError`` where it has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    drawn = f"{results.generated} drawn cases in all" if results.generated else "no drawn cases"
    told = f"sadpath {results.sadpath}, seed {results.seed}, {drawn}, {results.duration_s / 60:.0f} minutes:"
    return f"{before}{BEGIN}\n\n{told}\n\n{matrix_markdown(results)}\n{END}{after}"


def main() -> None:
    """Render the page anew."""
    if len(sys.argv) != 2:
        sys.exit("usage: scripts/stacks.py RESULTS.JSON")
    results = Results.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
