"""All faults at once: whatever a step is made of, sadpath itself never fails, and the server goes on."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sadpath.core.errors import HarnessError
from sadpath.scenario.model import Fault
from sadpath.strategies import Times, faults
from tests.engine.bench import BODY, Bench, get, post, run

QUICK = Times(delays=(0.01, 0.02), told=(1.0,), cancels=(), starts=(), advances=(), latencies=())
REQUESTS = {
    "read": get("/item"),
    "last": get("/item", "Connection: close"),
    "old": get("/item", version="1.0"),
    "head": get("/item", method="HEAD"),
    "chunks": get("/chunked"),
    "nothing": get("/empty"),
    "write": post("/items", b'{"sku": 1}', "Authorization: Bearer access-secret"),
    "refresh": post("/auth/refresh", b'{"refresh_token": "refresh-secret"}'),
}
ANSWER = re.compile(rb"HTTP/1\.1 [2-5][0-9][0-9] ?[^\r]*\r\n")


async def _meets(bench: Bench, step: list[Fault], request: bytes, number: int) -> None:
    bench.backend.tokens |= {"access-secret": "valid", "refresh-secret": "valid"}
    bench.inject([fault.to_file() for fault in step])
    await bench.ask(request, patience=0.06)
    event = await bench.ended(number)
    armed = [fault.name for fault in event.armed]
    assert armed == [fault.name for fault in step]
    assert set(event.fired_names()) <= set(armed)
    assert bench.session.problems == []


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.lists(faults(times=QUICK), min_size=1, max_size=3), st.sampled_from(sorted(REQUESTS))), max_size=5
    )
)
@example([([Fault.model_validate("bad_status_line"), Fault.model_validate("broken_chunk")], "read")])
@example([([Fault.model_validate({"wrong_length": 5}), Fault.model_validate("broken_chunk")], "chunks")])
@example([([Fault.model_validate({"wrong_length": 5}), Fault.model_validate("bad_status_line")], "read")])
@example([([Fault.model_validate({"wrong_length": -5}), Fault.model_validate({"limit_data": 30})], "read")])
def test_steps_of_any_faults(steps: list[tuple[list[Fault], str]]) -> None:
    """One to three faults act together on any request: nothing is logged, nothing crashes, and the next one is served."""

    async def scene() -> None:
        async with Bench() as bench:
            for number, (step, request) in enumerate(steps, 1):
                await _meets(bench, step, REQUESTS[request], number)
            bench.session.heal()
            received = await bench.ask(REQUESTS["last"])
            assert (received.status, received.body) == (200, BODY)

    run(scene)


NEED_A_CONNECTION = (
    "close", "reset", "half_close", "close_after", {"idle_close": "1s"}, {"wrong_length": 5}, {"wrong_length": -5},
    "broken_chunk", "bad_status_line", "garbage", "request_close", "request_reset", "request_stall",
    {"bursts": {"bad": 1, "good": 0}}, {"limit_data": 5},
)  # fmt: skip


@pytest.mark.parametrize("written", NEED_A_CONNECTION, ids=str)
def test_without_a_server_there_is_no_connection(written: Any) -> None:
    """Under ``httpx.ASGITransport`` what needs a connection says so, as sadpath's own error and nobody else's."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject(written)
            transport = httpx.ASGITransport(app=bench.engine)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                with pytest.raises(HarnessError, match="there is none"):
                    await client.get("/item")

    run(scene)


def test_without_a_server_all_others_act() -> None:
    """What changes answers alone needs no connection."""

    async def scene() -> None:
        async with Bench() as bench:
            transport = httpx.ASGITransport(app=bench.engine)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                for written in (
                    {"redirect": "/x"}, "wrong_shape", {"dribble": {"chunks": 3, "over": "5ms"}}, {"throttle": "64KiB"},
                    "no_store", "not_modified_without_entry", "empty", "etag_mismatch", "stale_while_error", "outage",
                    "reject_login", {"rate_limit": {"limit": 0, "window": "1s"}}, "wrong_content_type", "bad_utf8",
                    "deep_json", "error_in_200", "duplicate_delivery", {"slice": 9}, "broken_gzip", "oversized_header",
                    "early_response",
                ):  # fmt: skip
                    bench.inject(written)
                    with_error = written == "broken_gzip"
                    if with_error:
                        with pytest.raises(httpx.DecodingError):
                            await client.get("/item")
                    else:
                        await client.get("/item")
            names = [event.fired_names() for event in bench.session.journal.exchanges]
            assert all(len(fired) == 1 for fired in names), names

    run(scene)


def test_many_at_once_remember_apart() -> None:
    """Sessions share the server and never what a fault remembers."""

    async def scene() -> None:
        async with Bench() as bench:
            others = [bench.add(f"s{number}") for number in range(3)]
            for other in others:
                bench.inject({"rate_limit": {"limit": 2, "window": "1h"}}, then="repeat", session=other)
            answers = await asyncio.gather(
                *(bench.ask(get(f"/s/{other.id}/item", "Connection: close")) for other in others for _ in range(3))
            )
            assert sorted(answer.status for answer in answers) == [200] * 6 + [429] * 3
            assert all(sum(event.status == 429 for event in other.journal.exchanges) == 1 for other in others)

    run(scene)
