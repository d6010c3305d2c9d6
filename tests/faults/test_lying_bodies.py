"""``wrong_content_type``, ``bad_utf8``, ``deep_json`` and ``error_in_200``: honest framing, dishonest content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sadpath.faults.bad_utf8 import spoilt
from tests.engine.bench import BODY, Bench, get, post, run

CLOSE = "Connection: close"
DEEP = b"[" * 10_000 + b"]" * 10_000
SPOILT = BODY.replace(b'"Ada"', b'"\xc3\x28Ada"')
ERROR = b'{"success":false,"data":null,"message":"Something went wrong","error":{"code":"internal_error"}}'


@pytest.mark.parametrize(
    ("fault", "content_type", "body", "keeps"),
    [
        ("wrong_content_type", "text/html; charset=utf-8", BODY, True),
        ({"wrong_content_type": "image/png"}, "image/png", BODY, True),
        ({"wrong_content_type": ""}, None, BODY, True),
        ("bad_utf8", "application/json", SPOILT, True),
        ("deep_json", "application/json", DEEP, True),
        ({"deep_json": 3}, "application/json", b"[[[]]]", True),
        ("error_in_200", "application/json", ERROR, False),
        ({"error_in_200": "no"}, "text/plain; charset=utf-8", b"no", False),
        ({"error_in_200": {"json": [1]}}, "application/json", b"[1]", False),
    ],
)
def test_the_bytes(fault: Any, content_type: str | None, body: bytes, keeps: bool) -> None:
    """Type and body are as told, the length is honest, and only a made-up answer loses the other headers."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(fault)
            received = await bench.ask(get("/item", CLOSE))
            event = await bench.ended()

            assert (received.status, received.header("content-type"), received.body) == (200, content_type, body)
            assert received.header("content-length") == str(len(body))
            assert received.header("etag") == ('"v1"' if keeps else None)
            assert received.ending == "fin"
            name = fault if isinstance(fault, str) else next(iter(fault))
            assert [(item.name, item.phase, item.byte) for item in event.fired] == [(name, "response", None)]
            assert (event.ended.how, event.bytes_sent) == ("complete", len(received.data))

    run(scene)


@pytest.mark.parametrize("fault", ["wrong_content_type", "bad_utf8", "deep_json", "error_in_200"])
def test_the_effect_is_committed(fault: str) -> None:
    """The backend has run, whatever the body says; only ``error_in_200`` changes a status other than 200."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(fault)
            assert (await bench.ask(post("/items", b"{}", CLOSE))).status == (200 if fault == "error_in_200" else 201)
            assert (await bench.ended()).effect.committed

    run(scene)


@pytest.mark.parametrize("fault", ["wrong_content_type", "bad_utf8", "deep_json"])
@pytest.mark.parametrize("request_", [get("/empty", CLOSE), get("/item", CLOSE, method="HEAD")])
def test_what_has_no_body_does_not_lie(fault: str, request_: bytes) -> None:
    """Without a body the fault is armed and not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(fault)
            await bench.ask(request_)
            event = await bench.ended()
            assert ([item.name for item in event.armed], event.fired) == ([fault], ())

    run(scene)


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_spoilt_body_is_never_utf8(value: Any) -> None:
    """Whatever the JSON was: two bytes more, and it cannot be decoded; where it had a text value, that one is hit."""
    body = json.dumps(value, ensure_ascii=False).encode()
    bad = spoilt(body)
    assert len(bad) == len(body) + 2
    with pytest.raises(UnicodeDecodeError):
        bad.decode()
    if isinstance(value, dict) and value and isinstance(next(iter(value.values())), str):
        json.loads(bad.decode("utf-8", "replace"))


def test_curl_and_httpx_see_it() -> None:
    """curl exits 0 with the bytes; httpx returns a response, whose JSON can be read or not."""

    async def scene() -> None:
        async with Bench() as bench:
            for fault, body, trouble in (
                ("wrong_content_type", BODY, None),
                ("bad_utf8", SPOILT, UnicodeDecodeError),
                ({"deep_json": 100_000}, b"[" * 100_000 + b"]" * 100_000, RecursionError),
                ("error_in_200", ERROR, None),
            ):
                bench.inject(fault, then="repeat")
                assert await bench.curl("/item", "--fail") == (0, body)
                async with bench.httpx() as client:
                    response = await client.get("/item")
                assert (response.status_code, response.content) == (200, body)
                if trouble is None:
                    response.json()
                else:
                    with pytest.raises(trouble):
                        response.json()

    run(scene)
