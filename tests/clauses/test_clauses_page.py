"""PAGE on told traces: what a walk through a collection shows, and where it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clauses.stories import Story, Telling, truth

Item = dict[str, Any]
SIZES = st.lists(st.integers(1, 4), min_size=2, max_size=5)


def _items(*ids: int) -> list[Item]:
    return [{"id": number, "name": f"item {number}"} for number in ids]


def _numbered(sizes: list[int]) -> list[list[Item]]:
    """Return pages of so many items, numbered through from 1."""
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    return [_items(*range(end - size + 1, end + 1)) for end, size in zip(ends, sizes, strict=True)]


def _asks(call: Telling, mark: str | None, items: list[Item], following: str | None, **facts: Any) -> None:
    body = json.dumps({"data": items, "next_cursor": following}).encode()
    call.meets(200, body=body, query=_query(mark), **facts)


def _query(mark: str | None) -> str:
    return "limit=2" if mark is None else f"limit=2&cursor={mark}"


def _walk(pages: list[list[Item]], *, last: str | None = None) -> tuple[Story, Telling]:
    """Tell of a walk by cursor through these pages; ``last`` is the cursor that the last one names."""
    story = Story()
    call = story.call("orders.list", {"limit": 2}, pages=True)
    for index, items in enumerate(pages):
        mark = f"m{index}" if index else None
        _asks(call, mark, items, f"m{index + 1}" if index + 1 < len(pages) else last)
    return story, call


def _shown(pages: list[list[Item]]) -> list[Item]:
    return [item for page in pages for item in page]


# PAGE-01


@truth("PAGE-01")
@given(SIZES, st.data())
def test_every_item_comes_once(sizes: list[int], data: st.DataObject) -> None:
    """PAGE-01 holds where the caller gets each item of every page once, and fails where one is missing or comes twice."""
    pages = _numbered(sizes)
    everything = _shown(pages)
    at = data.draw(st.integers(0, len(everything) - 1))
    ways = [
        (everything, "pass"),
        (everything[:at] + everything[at + 1 :], "fail"),
        ([*everything, everything[at]], "fail"),
    ]
    for value, verdict in ways:
        story, call = _walk(pages)
        call.ok(value=value)
        assert story.verdict("PAGE-01") == verdict


@given(SIZES, st.data())
def test_each_page_is_fetched_once(sizes: list[int], data: st.DataObject) -> None:
    """PAGE-01 fails where a page that had come is fetched again, at once or later."""
    pages = _numbered(sizes)
    again = data.draw(st.integers(0, len(pages) - 1))
    story, call = _walk(pages)
    _asks(call, f"m{again}" if again else None, pages[again], f"m{again + 1}" if again + 1 < len(pages) else None)
    call.ok(value=_shown(pages))

    assert story.verdict("PAGE-01") == "fail"


def test_a_page_fetched_twice_is_found() -> None:
    """PAGE-01 names the exchanges in which one page was fetched."""
    story = Story()
    call = story.call("users.list", {"limit": 2}, pages=True)
    for number, ids in ((1, (1, 2)), (1, (1, 2)), (2, (3,))):
        call.meets(200, body=json.dumps({"data": _items(*ids)}).encode(), query=f"page={number}")
    call.ok(value=_items(1, 2, 3))

    assert story.sentences("PAGE-01") == ["Call c0/0 (users.list limit=2) fetched one page in exchanges 1 and 2."]


def test_the_end_is_where_the_cursor_says() -> None:
    """PAGE-01 fails where a walk ends well on a page whose cursor says that there is more."""
    story, call = _walk([_items(1, 2), _items(3)], last="m2")
    call.ok(value=_items(1, 2, 3))

    assert story.verdict("PAGE-01") == "fail"


def test_only_a_still_collection_can_be_whole() -> None:
    """PAGE-01 is not exercised where somebody wrote to the collection meanwhile, nor where an item stood on two pages."""
    story, call = _walk([_items(1, 2), _items(3)])
    call.ok(value=_items(1, 2))
    story.create(at=call.started + 0.001).meets(201).ok()
    assert story.verdict("PAGE-01") == "not_exercised"

    story, call = _walk([_items(1, 2), _items(2, 3)])
    call.ok(value=_items(1, 3))
    assert story.verdict("PAGE-01") == "not_exercised"


def test_pages_from_the_cache_are_another_matter() -> None:
    """PAGE-01 and PAGE-05 are not exercised by a walk that the cache has helped."""
    story, call = _walk([_items(1, 2), _items(3)])
    call.ok(value=_items(1), source="cache")

    assert story.verdict("PAGE-01") == story.verdict("PAGE-05") == "not_exercised"


# PAGE-02


@truth("PAGE-02")
@given(st.integers(0, 3), st.integers(1, 3), st.booleans())
def test_an_empty_page_with_a_cursor_goes_on(before: int, behind: int, goes_on: bool) -> None:
    """PAGE-02 holds exactly where a walk goes on behind an empty page that names a cursor."""
    pages = [*_numbered([1] * before), [], *_numbered([1] * behind)]
    story, call = _walk(pages if goes_on else pages[: before + 1], last=None if goes_on else "more")
    call.ok(value=_shown(pages[: before + 1]))

    assert story.verdict("PAGE-02") == ("pass" if goes_on else "fail")


def test_an_empty_page_is_no_failure() -> None:
    """PAGE-02 fails where an empty page with a cursor ends the walk with a failure, unless its time was over."""
    for kind, verdict in (("decode", "fail"), ("timeout.total", "not_exercised")):
        story, call = _walk([_items(1), []], last="m2")
        call.fails(kind)
        assert story.verdict("PAGE-02") == verdict


@pytest.mark.parametrize("end", [None, ""])
def test_an_absent_cursor_is_the_end(end: str | None) -> None:
    """PAGE-02 fails where a walk goes on behind a page that names no cursor, or an empty one."""
    story = Story()
    call = story.call("orders.list", {"limit": 2}, pages=True)
    _asks(call, None, _items(1, 2), end)
    _asks(call, "2", [], None)
    call.ok(value=_items(1, 2))

    assert "names no cursor" in story.sentences("PAGE-02")[0]


def test_usual_pages_decide_nothing() -> None:
    """PAGE-02 is not exercised by pages with items that end where their cursor says."""
    story, call = _walk(_numbered([2, 2, 1]))
    call.ok(value=_items(1, 2, 3, 4, 5))

    assert story.verdict("PAGE-02") == "not_exercised"


# PAGE-03


@truth("PAGE-03")
@given(st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_a_circle_is_an_error(pages: int, back: int, stops: bool) -> None:
    """PAGE-03 holds exactly where a walk ends with a protocol error at the cursor that leads back."""
    led_to = f"m{max(1, pages - 1 - back)}" if pages > 1 else "m0"
    story = Story()
    call = story.call("orders.list", {"limit": 2, "cursor": "m0"}, pages=True)
    for number in range(pages):
        _asks(call, f"m{number}", _items(number), led_to if number + 1 == pages else f"m{number + 1}")
    if not stops:
        _asks(call, led_to, _items(99), None)
    call.fails("protocol")

    assert story.verdict("PAGE-03") == ("pass" if stops else "fail")


@pytest.mark.parametrize("kind", [None, "decode", "server", "other"])
def test_a_circle_is_not_the_end(kind: str | None) -> None:
    """PAGE-03 fails where a circle is taken for the end, or reported as another failure."""
    story, call = _walk([_items(1), _items(2)], last="m1")
    if kind is None:
        call.ok(value=_items(1, 2))
    else:
        call.fails(kind)

    assert story.verdict("PAGE-03") == "fail"


def test_asking_again_after_a_failure_is_no_circle() -> None:
    """PAGE-03 is not exercised by a page that is asked for again after it failed."""
    story = Story()
    call = story.call("orders.list", {"limit": 2}, pages=True)
    _asks(call, None, _items(1), "m1")
    call.meets(503, query=_query("m1")).waits(0.02)
    _asks(call, "m1", _items(2), None)
    call.ok(value=_items(1, 2))

    assert story.verdict("PAGE-03") == "not_exercised"


# PAGE-04


def _failing(before: int) -> tuple[Story, Telling, list[Item]]:
    """Tell of a walk that fails behind so many pages."""
    pages = _numbered([2] * before)
    story, call = _walk(pages, last="next")
    call.meets(503, query=_query("next")).waits(0.02).meets(503, query=_query("next"))
    return story, call, _shown(pages)


def _with(call: Telling, value: list[Item] | None) -> None:
    call.fails("server", 503)
    assert call.outcome is not None
    if value is not None:
        call.outcome.value = (
            type(call.outcome).model_validate({**call.outcome.model_dump(), "value": {"json": value}}).value
        )


@truth("PAGE-04")
@given(st.integers(1, 4), st.data())
def test_earlier_pages_are_kept(before: int, data: st.DataObject) -> None:
    """PAGE-04 holds exactly where a walk that fails still has each item of the pages before, once."""
    story, call, had = _failing(before)
    at = data.draw(st.integers(0, len(had) - 1))
    for value, verdict in (
        (had, "pass"),
        (None, "fail"),
        (had[:at] + had[at + 1 :], "fail"),
        ([had[at], *had], "fail"),
    ):
        story, call, _ = _failing(before)
        _with(call, value)
        assert story.verdict("PAGE-04") == verdict


def test_a_walk_that_fails_at_once_has_nothing_to_keep() -> None:
    """PAGE-04 is not exercised where the first page fails, nor where nothing does."""
    story, call, _ = _failing(0)
    _with(call, None)
    assert story.verdict("PAGE-04") == "not_exercised"

    story, call = _walk(_numbered([2, 2]))
    call.ok(value=_items(1, 2, 3, 4))
    assert story.verdict("PAGE-04") == "not_exercised"


@given(st.integers(1, 2), st.sampled_from([[1, 2, 3, 4], [1, 2], [1, 2, 3, 3, 4]]))
def test_a_retried_page_comes_once(attempts: int, ids: list[int]) -> None:
    """PAGE-04 holds exactly where the items of a page that came late are there, and once."""
    story = Story()
    call = story.call("orders.list", {"limit": 2}, pages=True)
    _asks(call, None, _items(1, 2), "m1")
    for _ in range(attempts):
        call.meets(503, query=_query("m1")).waits(0.02)
    _asks(call, "m1", _items(3, 4), None)
    call.ok(value=_items(*ids))

    assert story.verdict("PAGE-04") == ("pass" if ids == [1, 2, 3, 4] else "fail")


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([1, 2, 3], "ended well without 1 item of it."),
        ([1, 2], "ended well without 2 items of it."),
        ([1, 2, 3, 3, 4], "ended well with 1 item more than once of it."),
    ],
)
def test_the_sentence_on_a_retried_page(ids: list[int], said: str) -> None:
    """PAGE-04 says how many items of a page that was asked for again are missing, or come more than once."""
    story = Story()
    call = story.call("orders.list", {"limit": 2}, pages=True)
    _asks(call, None, _items(1, 2), "m1")
    call.meets(503, query=_query("m1")).waits(0.02)
    _asks(call, "m1", _items(3, 4), None)
    call.ok(value=_items(*ids))

    assert [sentence.partition(" (exchanges 2 and 3), and ")[2] for sentence in story.sentences("PAGE-04")] == [said]


def test_a_walk_that_no_report_ended_keeps_nothing() -> None:
    """PAGE-04 is not exercised by a walk that failed by an exception, or whose failure the cache has answered."""
    for facts in ({"escaped": True}, {"source": "cache"}):
        story, call, _ = _failing(2)
        call.fails("server", 503, **facts)
        assert story.verdict("PAGE-04") == "not_exercised"


# PAGE-05


@truth("PAGE-05")
@given(st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_a_shifted_item_is_shown_once(size: int, shift: int, twice: bool) -> None:
    """PAGE-05 holds exactly where an item that stood on two pages is shown once."""
    first = _items(*range(1, size + 1))
    second = _items(*range(max(1, size + 1 - shift), size + 3))
    story, call = _walk([first, second])
    call.ok(value=[*first, *second] if twice else _items(*range(1, size + 3)))

    assert story.verdict("PAGE-05") == ("fail" if twice else "pass")


def test_a_shifted_item_is_shown() -> None:
    """PAGE-05 fails where an item that stood on two pages is not shown at all."""
    story, call = _walk([_items(1, 2), _items(2, 3)])
    call.ok(value=_items(1, 3))

    assert "does not show 1 item" in story.sentences("PAGE-05")[0]


def test_a_page_that_was_fetched_twice_is_not_shifted() -> None:
    """PAGE-05 is not exercised by one page that came twice, nor by a collection that stood still."""
    story = Story()
    call = story.call("orders.list", {"limit": 2}, pages=True)
    for _ in range(2):
        _asks(call, None, _items(1, 2), None)
    call.ok(value=_items(1, 2, 1, 2))

    assert story.verdict("PAGE-05") == "not_exercised"


def test_items_without_an_id_are_told_apart_by_all_of_them() -> None:
    """PAGE-05 recognises an item that has no id by everything that it says."""
    story, call = _walk([[{"name": "a"}, {"name": "b"}], [{"name": "b"}]])
    call.ok(value=[{"name": "a"}, {"name": "b"}, {"name": "b"}])

    assert story.verdict("PAGE-05") == "fail"


def test_the_sentences_on_a_shift() -> None:
    """PAGE-05 counts only items that stood on two pages."""
    for ids, said in (
        ([1, 2, 2, 3, 3], "shows 1 item twice that stood on two pages, since the collection had shifted."),
        ([1], "does not show 1 item that stood on two pages, since the collection had shifted."),
    ):
        story, call = _walk([_items(1, 2), _items(2, 3)])
        call.ok(value=_items(*ids))
        assert [sentence.partition(") ")[2] for sentence in story.sentences("PAGE-05")] == [said]


def test_one_page_is_no_walk_to_be_whole() -> None:
    """PAGE-01 is not exercised by a collection of one page."""
    for pages, verdict in (([_items(1, 2)], "not_exercised"), ([_items(1), _items(2)], "pass")):
        story, call = _walk(pages)
        call.ok(value=_items(1, 2))
        assert story.verdict("PAGE-01") == verdict


@pytest.mark.parametrize(
    ("times", "said"),
    [(4, "exchanges 1, 2, 3 and 4."), (5, "exchanges 1, 2, 3 and 4 and 1 more."), (7, "exchanges 1, 2, 3 and 4 and 3 more.")],
)  # fmt: skip
def test_how_many_fetches_are_shown(times: int, said: str) -> None:
    """PAGE-01 names four of the exchanges in which one page was fetched, and counts the rest."""
    story = Story()
    call = story.call("orders.list", {"limit": 2}, pages=True)
    for _ in range(times):
        _asks(call, None, _items(1, 2), "m1")
    _asks(call, "m1", _items(3), None)
    call.ok(value=_items(1, 2, 3))
    found = story.judge("PAGE-01").findings[-1]

    assert found.sentence == f"Call c0/0 (orders.list limit=2) fetched one page in {said}"
    assert found.exchanges == (1, 2, 3, 4)


def test_how_many_needless_requests_are_shown() -> None:
    """PAGE-02 and PAGE-03 name the page and three of the requests behind it, and count all of them."""
    ended, round_about = Story(), Story()
    for story, following in ((ended, None), (round_about, "m0")):
        call = story.call("orders.list", {"limit": 2, "cursor": "m0"}, pages=True)
        _asks(call, "m0", _items(1, 2), following)
        for _ in range(5):
            _asks(call, "m0", _items(1, 2), following)
        call.ok(value=_items(1, 2))

    for story, name in ((ended, "PAGE-02"), (round_about, "PAGE-03")):
        found = story.judge(name).findings[0]
        assert "sent 5 more requests" in found.sentence
        assert found.exchanges == (1, 2, 3, 4)
