"""Edges of PAGE-01 on told traces: what says that there is more, and what is a walk through several pages."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sadpath.scenario.paging import PagePaging, Paging
from sadpath.verify.clauses import clause, judge
from tests.clauses.stories import Story


def _sentences(story: Story, paging: Paging) -> list[str]:
    """Return what PAGE-01 finds where collections come in pages so."""
    trace = story.trace()
    seen = replace(trace, roles=trace.roles.model_copy(update={"paging": paging}))
    return [found.sentence for found in judge(clause("PAGE-01"), seen).findings]


@pytest.mark.parametrize("pages", [1, 2])
def test_a_numbered_page_may_say_that_there_is_more(pages: int) -> None:
    """PAGE-01 fails where a walk ends well before the page that numbered pages name as the last, the first one included."""
    for last in (pages, pages + 1):
        story = Story()
        call = story.call("users.list", {"limit": 1}, pages=True)
        for number in range(1, pages + 1):
            body = json.dumps({"data": [{"id": number}], "pages": last}).encode()
            call.meets(200, body=body, query=f"limit=1&page={number}")
        call.ok(value=[{"id": number} for number in range(1, pages + 1)])
        found = _sentences(story, Paging(page=PagePaging(operations=("users.list",), last="pages")))

        said = "whose number of the last page or item says that there is more."
        assert [sentence.endswith(said) for sentence in found] == ([] if last == pages else [True])


def test_a_cursor_that_says_that_there_is_more_is_called_so() -> None:
    """PAGE-01 calls a cursor by its name."""
    story = Story()
    call = story.call("orders.list", {"limit": 1}, pages=True)
    for number in (1, 2):
        body = json.dumps({"data": [{"id": number}], "next_cursor": f"m{number}"}).encode()
        call.meets(200, body=body, query="limit=1" if number == 1 else "limit=1&cursor=m1")
    call.ok(value=[{"id": 1}, {"id": 2}])

    assert story.sentences("PAGE-01") == [
        "Call c0/0 (orders.list limit=1) ended well after exchange 2, whose cursor says that there is more."
    ]


def test_one_page_that_came_twice_is_several() -> None:
    """PAGE-01 fails where the only page of a collection was fetched twice."""
    story = Story()
    call = story.call("orders.list", {"limit": 2}, pages=True)
    for _ in range(2):
        call.meets(200, body=json.dumps({"data": [{"id": 1}], "next_cursor": None}).encode(), query="limit=2")
    call.ok(value=[{"id": 1}])

    assert story.sentences("PAGE-01") == ["Call c0/0 (orders.list limit=2) fetched one page in exchanges 1 and 2."]
