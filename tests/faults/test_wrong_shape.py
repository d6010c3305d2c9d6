"""``wrong_shape``: honest framing around JSON that the contract does not know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.faults.wrong_shape import WrongShape, reshaped
from tests.engine.bench import Bench, get, post, run

CLOSE = "Connection: close"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (None, {"user_name": "Ada", "email_address": "ada@example.com"}),
        ({"drop": ["user_name"]}, {"id": 1, "email_address": "ada@example.com"}),
        ({"retype": ["id", "user_name"]}, {"id": "1", "user_name": 7, "email_address": "ada@example.com"}),
        ({"drop": ["email_address", "user_name"], "add": {"x": {"y": None}}}, {"id": 1, "x": {"y": None}}),
    ],
)
def test_the_body_has_another_shape(settings: Any, expected: Any) -> None:
    """Status, headers and framing stay as they were; the length is the new body's."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("wrong_shape" if settings is None else {"wrong_shape": settings})
            received = await bench.ask(get("/item", CLOSE))
            event = await bench.ended()

            assert json.loads(received.body) == expected
            assert received.header("content-length") == str(len(received.body))
            assert (received.status, received.header("content-type"), received.header("etag")) == (
                200,
                "application/json",
                '"v1"',
            )
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [
                ("wrong_shape", "response", None)
            ]

    run(scene)


def test_the_effect_is_committed() -> None:
    """The backend has run."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("wrong_shape")
            assert (await bench.ask(post("/items", b"{}", CLOSE))).body == b"{}"
            assert (await bench.ended()).effect.committed

    run(scene)


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        ("/item", {"drop": ["nobody"]}),
        ("/item", {"retype": ["id.x"]}),
        ("/big?1000", {"add": {"x": 1}}),
        ("/empty", {}),
    ],
)
def test_what_has_no_such_member_is_left_alone(path: str, settings: Any) -> None:
    """Where nothing changes, or the body is no JSON, the fault is armed and not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            never = {"truncate": 100_000}  # so that both answers are taken whole
            bench.inject(never, {"wrong_shape": settings} if settings else "wrong_shape")
            plain = await bench.ask(get(path, CLOSE))
            assert (await bench.ask(get(path, CLOSE))).undated == plain.undated
            event = await bench.ended(2)
            assert ([fault.name for fault in event.armed], event.fired) == (["wrong_shape"], ())

    run(scene)


@pytest.mark.parametrize(
    ("before", "settings", "after"),
    [
        ({"data": [{"id": 1, "n": 2}, {"id": 3}]}, {"drop": ["data.*.id"]}, {"data": [{"n": 2}, {}]}),
        ([{"id": 1}, {"id": True}], {"retype": ["*.id"]}, [{"id": "1"}, {"id": 7}]),
        ({"a": {"b": [1]}, "c": {}}, {"retype": ["a.b", "c"]}, {"a": {"b": {}}, "c": []}),
        ({"a": {"b": 1}}, {"add": {"a.x": 1, "q.x": 1, "y": []}}, {"a": {"b": 1, "x": 1}, "y": []}),
        ({"a": None, "b": 1.5}, {"retype": ["a", "b"]}, {"a": 7, "b": "1.5"}),
        ([{"id": 1, "n": 2}, {"n": 3}, 4], {}, [{"n": 2}, {}, 4]),
    ],
)
def test_members_are_found_by_their_way(before: Any, settings: Any, after: Any) -> None:
    """A way goes through objects by name and through lists by a star; bare, each first member goes."""
    assert WrongShape.model_validate(settings).reshape(before)
    assert before == after


@given(VALUES, st.sampled_from(["a", "b", "a.b", "*.a", "a.*.b"]))
def test_dropping_and_retyping_do_what_they_say(value: Any, member: str) -> None:
    """What is dropped is gone, whatever is retyped has another JSON type, and doing nothing is told."""
    text = json.dumps(value)
    changed = reshaped(value, (), (member,), {})
    assert changed is (json.dumps(value) != text)
    if changed:
        other = json.loads(text)
        assert [type(item) for item in _found(value, member)] != [type(item) for item in _found(other, member)]

    reshaped(value, (member,), (), {})
    assert _found(value, member) == []
    assert not reshaped(value, (member,), (), {})


def _found(value: Any, member: str) -> list[Any]:
    for name in member.split("."):
        value = value if isinstance(value, _Several) else _Several([value])
        if name == "*":
            value = _Several([item for one in value if isinstance(one, list) for item in one])
        else:
            value = _Several([one[name] for one in value if isinstance(one, dict) and name in one])
    return list(value)


class _Several(list[Any]):
    """Values at the same way."""


def test_httpx_reads_it() -> None:
    """A real client gets JSON without a complaint: only whoever looks for the member notices."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("wrong_shape", then="repeat")
            async with bench.httpx() as client:
                response = await client.get("/item")
            assert (response.status_code, "id" in response.json()) == (200, False)
            assert (await bench.curl("/item", "--fail"))[0] == 0

    run(scene)
