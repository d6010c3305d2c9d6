"""The table of all clients finds its place in a page, and the same place again."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from sadpath.report.matrix import matrix_markdown
from sadpath.verify.results import ClauseResult, ClientResult, Results
from tests.support.places import TOP

SCRIPT: dict[str, Any] = runpy.run_path(str(TOP / "scripts" / "stacks.py"))
PAGE = f"before\n{SCRIPT['BEGIN']}\nformer\n{SCRIPT['END']}\nafter\n"


def _results() -> Results:
    clause = ClauseResult(id="RETRY-01", family="RETRY", level="must", title="does it", verdict="fail", exercised=1)
    return Results(clients=[ClientResult(name="some", clauses=[clause], totals={"fail": 1})], duration_s=120)


def test_the_table_takes_its_place() -> None:
    """What stands between the marks is replaced by the table and what it was made by; nothing else is touched."""
    page = SCRIPT["render"](PAGE, _results())

    assert page.startswith(f"before\n{SCRIPT['BEGIN']}\n")
    assert page.endswith(f"{SCRIPT['END']}\nafter\n")
    assert matrix_markdown(_results()) in page
    assert "no drawn cases, 2 minutes:" in page
    assert "former" not in page
    assert SCRIPT["render"](page, _results()) == page


@pytest.mark.parametrize("mark", ["BEGIN", "END"])
def test_a_page_without_a_place_is_left_alone(mark: str) -> None:
    """Where a mark is missing nothing is rendered, so that no page loses its end."""
    with pytest.raises(ValueError, match="the page has no"):
        SCRIPT["render"](PAGE.replace(SCRIPT[mark], ""), _results())
