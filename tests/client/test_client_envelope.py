"""The envelope of lists: what is read from it, what is refused, and where a page stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.client import ApiMeta, ApiResponse, PaginatedResult
from sadpath.client.dto import read_user_page
from sadpath.client.json_text import ShapeError
from tests.client.shopside import USER

META = {"current_page": 2, "last_page": 3, "per_page": 1, "total": 3}
PAGE: dict[str, Any] = {"success": True, "data": [USER], "message": "fine", "meta": META}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_the_data_is_what_the_reader_makes_of_it() -> None:
    """The envelope keeps message and meta, and hands its data to the reader it is given."""
    response = ApiResponse.from_json(PAGE, len)

    assert response == ApiResponse(1, "fine", ApiMeta(2, 3, 1, 3))


def test_a_page_of_users_says_where_it_stands() -> None:
    """Items, page, pages, size and total come out under the names of a paginated result."""
    page = read_user_page(PAGE)

    assert [user.name for user in page.items] == ["Ada"]
    assert (page.current_page, page.total_pages, page.per_page, page.total, page.has_more) == (2, 3, 1, 3, True)


@given(current=st.integers(1, 50), last=st.integers(0, 50))
def test_there_is_more_until_the_last_page(current: int, last: int) -> None:
    """``has_more`` holds on every page before the last, and on none from there on."""
    assert PaginatedResult((), current, last, 20, 20 * last).has_more is (current < last)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"success": False}, "does not say that it is a success"),
        ({"success": 1}, "does not say that it is a success"),
        ({"data": {}}, "data: expected a list, got dict"),
        ({"meta": None}, "the page has no meta"),
        ({"meta": []}, "meta: expected an object, got list"),
        ({"meta": {**META, "total": "3"}}, "meta.total: expected a whole number, got str"),
        ({"meta": {**META, "last_page": True}}, "meta.last_page: expected a whole number, got bool"),
        ({"meta": {**META, "per_page": -1}}, "meta.per_page: expected a whole number"),
    ],
)
def test_what_is_no_page_is_refused(changes: dict[str, Any], sentence: str) -> None:
    """Each member of the wrong shape is named."""
    with pytest.raises(ShapeError, match=sentence):
        read_user_page({**PAGE, **changes})


def test_missing_data_is_refused() -> None:
    """An envelope without data is none."""
    with pytest.raises(ShapeError, match="data: it is missing"):
        ApiResponse.from_json({"success": True}, len)


@given(body=JSON | st.fixed_dictionaries({"success": st.just(True), "data": JSON}, optional={"meta": JSON}))
def test_any_json_is_a_page_or_a_shape_error(body: Any) -> None:
    """Whatever JSON comes, reading it ends in a page or in the one error for a wrong shape."""
    try:
        page = read_user_page(body)
    except ShapeError:
        return
    assert isinstance(page, PaginatedResult)
