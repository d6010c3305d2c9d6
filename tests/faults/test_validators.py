"""``etag_mismatch`` and ``stale_while_error`` on the wire."""

from __future__ import annotations

import json

from sadpath.workspace import Workspace
from tests.engine.bench import BODY, Bench, get, post, run
from tests.support.places import REFERENCE

CLOSE = "Connection: close"


def test_the_tag_differs_each_time_and_never_matches() -> None:
    """A client that sends the tag it got is answered in full, with yet another tag; the backend sees no condition."""

    async def scene() -> None:
        workspace = Workspace(REFERENCE)
        async with Bench(app=workspace.backend(), hooks=None, roles=workspace.roles()) as bench:
            body = json.dumps({"email": "ada@example.com", "password": "correct-horse"}).encode()
            login = await bench.ask(post("/auth/login", body, "Content-Type: application/json", CLOSE))
            bearer = f"Authorization: Bearer {json.loads(login.body)['access_token']}"
            true = (await bench.ask(get("/users/1", bearer, CLOSE))).header("etag")
            assert (await bench.ask(get("/users/1", bearer, f"If-None-Match: {true}", CLOSE))).status == 304

            bench.inject("etag_mismatch", then="repeat")
            tags = [true]
            for _ in range(3):
                received = await bench.ask(get("/users/1", bearer, f"If-None-Match: {tags[-1]}", CLOSE))
                assert (received.status, len(received.body) > 50) == (200, True)
                tags.append(received.header("etag"))
            assert len(set(tags)) == 4
            event = await bench.ended(6)
            assert [(fault.name, fault.phase, fault.byte) for fault in event.fired] == [
                ("etag_mismatch", "response", None)
            ]
            shown = dict(event.request_headers)
            assert shown["if-none-match"] == tags[2], "the journal shows what the client has sent"

    run(scene)


def test_writes_and_errors_keep_theirs() -> None:
    """On anything but a successful GET or HEAD the fault has not fired."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("etag_mismatch", then="repeat")
            assert (await bench.ask(post("/items", b"{}", CLOSE))).header("etag") is None
            assert (await bench.ask(get("/me", CLOSE))).status == 401
            assert (await bench.ask(get("/item", CLOSE, method="HEAD"))).header("etag") == '"mismatch-3"'
            assert [event.fired_names() for event in bench.session.journal.exchanges] == [[], [], ["etag_mismatch"]]

    run(scene)


def test_one_answer_and_then_errors() -> None:
    """Each target has one 200 that may be used when stale, and 503 from then on, without the backend."""

    async def scene() -> None:
        async with Bench([{"on": "*", "fault": "stale_while_error"}]) as bench:
            first = await bench.ask(get("/item", CLOSE))
            assert (first.status, first.body) == (200, BODY)
            assert first.header("cache-control") == "max-age=0, stale-if-error=60"
            for _ in range(2):
                assert (await bench.ask(get("/item", CLOSE))).status == 503
            assert (await bench.ask(get("/item?other", CLOSE))).status == 200
            assert bench.backend.runs == ["GET /item", "GET /item"]
            assert [(event.fired[0].phase, event.status) for event in bench.session.journal.exchanges] == [
                ("response", 200),
                ("request", 503),
                ("request", 503),
                ("response", 200),
            ]

    run(scene)


def test_writes_and_errors_are_none_of_its_business() -> None:
    """A write passes each time, and what has had no 200 is not in its errors yet."""

    async def scene() -> None:
        async with Bench([{"on": "*", "fault": "stale_while_error"}]) as bench:
            for _ in range(2):
                assert (await bench.ask(post("/items", b"{}", CLOSE))).status == 201
                assert (await bench.ask(get("/me", CLOSE))).status == 401
            assert [event.fired for event in bench.session.journal.exchanges] == [()] * 4

    run(scene)


def test_curl_and_httpx_see_it() -> None:
    """Both get full answers with changing tags; one answer, and then an error."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject("etag_mismatch", then="repeat")
            assert await bench.curl("/item", "--fail", "--header", 'If-None-Match: "v1"') == (0, BODY)
            async with bench.httpx() as client:
                tags = {(await client.get("/item")).headers["etag"] for _ in range(3)}
            assert len(tags) == 3
            bench.inject("stale_while_error", then="repeat")
            assert await bench.curl("/item", "--fail") == (0, BODY)
            assert (await bench.curl("/item", "--fail"))[0] == 22
            assert await bench.httpx_raises() == "no exception, but 503"

    run(scene)
