"""``duplicate_delivery``: two runs of the backend, one answer."""

from __future__ import annotations

import json

from tests.engine.bench import BODY, Bench, get, post, run

CLOSE = "Connection: close"


def test_the_backend_runs_twice_and_the_first_answer_counts() -> None:
    """Both runs get the same request; the client and the journal see the first one's outcome."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("duplicate_delivery")
            received = await bench.ask(post("/items", b'{"sku":1}', CLOSE))
            event = await bench.ended()
            assert (received.status, received.body) == (201, b'{"created":1}')
            assert (bench.backend.runs, bench.backend.bodies) == (["POST /items"] * 2, [b'{"sku":1}'] * 2)
            assert bench.backend.effects == 2
            assert (event.effect.committed, event.effect.id) == (True, "e1")
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [
                ("duplicate_delivery", "response", None)
            ]
            assert len(bench.session.journal.exchanges) == 1

    run(scene)


def test_a_refresh_that_comes_twice() -> None:
    """The generation that the client gets is the first one's, and is the one that the journal knows."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.backend.tokens["refresh-secret"] = "valid"
            bench.inject("duplicate_delivery")
            received = await bench.ask(post("/auth/refresh", b'{"refresh_token":"refresh-secret"}', CLOSE))
            assert json.loads(received.body)["access_token"] == "access-secret-1"
            assert (await bench.ended()).issued_generation == 1
            assert bench.backend.issued == 2

    run(scene)


def test_there_is_nothing_to_repeat_where_the_backend_has_not_run() -> None:
    """Behind an answer in the backend's place the fault is armed and not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject([{"status": 503}, "duplicate_delivery"])
            assert (await bench.ask(post("/items", b"{}", CLOSE))).status == 503
            assert (bench.backend.runs, (await bench.ended()).fired_names()) == ([], ["status"])

    run(scene)


def test_a_second_run_that_fails_is_in_the_log_alone() -> None:
    """What the backend raises the second time reaches the log; the client has the first answer."""

    async def scene() -> None:
        async with Bench(logs=True) as bench:
            bench.inject("duplicate_delivery")
            assert (await bench.ask(get("/raises", CLOSE))).status == 500
            assert len([line for line in bench.logs if "the backend failed on GET /raises" in line]) == 2

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """To both it is a response like any other."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("duplicate_delivery", then="repeat")
            assert await bench.curl("/item") == (0, BODY)
            assert await bench.httpx_raises() == "no exception, but 200"

    run(scene)
