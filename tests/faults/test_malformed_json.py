"""``malformed_json`` on the wire, and that what it makes is never JSON."""

from __future__ import annotations

import json
from typing import get_args

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sadpath.faults.malformed_json import How, broken
from tests.engine.bench import BODY, Bench, get, post, run

HOWS: tuple[How, ...] = get_args(How)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize("how", HOWS)
def test_the_length_is_right_and_the_body_is_not_json(how: str) -> None:
    """Status, content type and Content-Length are honest; the body cannot be parsed; the backend has run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"malformed_json": how})
            received = await bench.ask(post("/items", b"{}", "Connection: close"))
            event = await bench.ended()
            assert received.status == 201
            assert received.header("content-type") == "application/json"
            assert received.header("content-length") == str(len(received.body))
            with pytest.raises(ValueError, match="line 1 column"):
                json.loads(received.body)
            assert event.effect.committed
            assert [(fault.name, fault.phase) for fault in event.fired] == [("malformed_json", "response")]
            assert event.ended.how == "complete"

    run(scene)


def test_what_each_way_looks_like() -> None:
    """The four ways, on one body."""
    text = '{"id": 1, "tags": ["a"]}'
    assert {how: broken(text, how) for how in HOWS} == {
        "cut": '{"id": 1, "t',
        "trailing": '{"id": 1, "tags": ["a"]}}',
        "unquoted": '{id: 1, tags: ["a"]}',
        "comma": '{"id": 1, "tags": ["a"],}',
    }


@settings(deadline=None)
@given(value=JSON, how=st.sampled_from(HOWS), indent=st.none() | st.just(2), ascii_only=st.booleans())
def test_no_json_stays_json(value: object, how: How, indent: int | None, ascii_only: bool) -> None:
    """Whatever JSON it is and however it is written, what comes out cannot be parsed, and is not empty."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = broken(text, how)
    assert found
    with pytest.raises(ValueError, match=":"):
        json.loads(found)


@pytest.mark.parametrize("path", ["/empty", "/chunked"])
def test_what_is_no_json_is_left_alone(path: str) -> None:
    """An empty answer or one that is not JSON is delivered as it is; the fault has not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("malformed_json")
            received = await bench.ask(get(path, "Connection: close"))
            assert b"one,two,three" in received.data or received.status == 204
            event = await bench.ended()
            assert ([fault.name for fault in event.armed], event.fired) == (["malformed_json"], ())

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """curl exits 0 with half of the body; httpx returns a response whose JSON cannot be read."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("malformed_json", then="repeat")
            assert await bench.curl("/item") == (0, BODY[:32])
            async with bench.httpx() as client:
                response: httpx.Response = await client.get("/item")
            assert response.status_code == 200
            with pytest.raises(json.JSONDecodeError):
                response.json()

    run(scene)
