"""``redirect`` on the wire: status, Location, how often, and whether the backend has run."""

from __future__ import annotations

import httpx
import pytest

from sadpath.core.errors import AuthorError
from tests.engine.bench import BODY, Bench, get, post, run

CLOSE = "Connection: close"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_status_and_a_location_and_the_backend_has_not_run(code: int) -> None:
    """Exactly this head leaves, without a body, and the effect of a write is not committed."""

    async def scene() -> None:
        async with Bench() as bench:
            bench.inject({"redirect": {"to": "/item", "code": code}})
            received = await bench.ask(post("/items", b"{}", CLOSE))
            event = await bench.ended()

            line, rest = received.undated.split(b"\r\n", 1)
            assert line.startswith(b"HTTP/1.1 %d " % code)
            assert rest == b"location: /item\r\ncontent-length: 0\r\ndate: D\r\nconnection: close\r\n\r\n"
            assert (received.ending, bench.backend.runs) == ("fin", [])
            assert [fault.to_json() for fault in event.fired] == [
                {"name": "redirect", "as": None, "phase": "request", "byte": None}
            ]
            assert (event.status, event.effect.committed, event.ended.how) == (code, False, "complete")

    run(scene)


def test_the_first_so_many_and_then_no_more() -> None:
    """``times`` counts the exchanges that meet it; what comes behind is answered by the backend."""

    async def scene() -> None:
        async with Bench([{"on": "*", "fault": {"redirect": {"to": "/item", "times": 2}}}]) as bench:
            seen = [(await bench.ask(get("/item", CLOSE))).status for _ in range(4)]
            assert seen == [302, 302, 200, 200]
            assert [event.fired_names() for event in bench.session.journal.exchanges] == [["redirect"]] * 2 + [[]] * 2

            bench.session.set_rules(bench.session.scenario.faults if bench.session.scenario else ())
            assert (await bench.ask(get("/item", CLOSE))).status == 302

    run(scene)


def test_a_path_stays_in_the_session() -> None:
    """A path gets the prefix that named the session; a whole URL, and one without a scheme, stay as they are."""

    async def scene() -> None:
        async with Bench() as bench:
            other = bench.add("other")
            for target, told in [
                ("/item?a=b", "/s/other/item?a=b"),
                ("https://elsewhere.test/x", "https://elsewhere.test/x"),
                ("//elsewhere.test/x", "//elsewhere.test/x"),
                ("item", "item"),
            ]:
                bench.inject({"redirect": target}, session=other)
                assert (await bench.ask(get("/s/other/item", CLOSE))).header("location") == told

    run(scene)


def test_the_second_origin() -> None:
    """``{other_origin}`` stands for the second origin's URL, with the session's prefix; without one the author hears."""

    async def scene() -> None:
        async with Bench(logs=True) as bench:
            other = bench.add("other")
            bench.engine.other_origin = lambda: "http://127.0.0.1:9"
            bench.inject({"redirect": "{other_origin}/item"}, session=other)
            received = await bench.ask(get("/s/other/item", CLOSE))
            assert received.header("location") == "http://127.0.0.1:9/s/other/item"

            bench.engine.other_origin = lambda: None
            bench.inject({"redirect": "{other_origin}/item"}, session=other)
            assert (await bench.ask(get("/s/other/item", CLOSE))).status == 500
            assert [type(problem) for problem in other.problems] == [AuthorError]

    run(scene)


def test_curl_and_httpx_follow_it() -> None:
    """Both follow to the target; round in circles curl exits 47 and httpx raises TooManyRedirects."""

    async def scene() -> None:
        async with Bench([{"on": {"path": "/other"}, "fault": {"redirect": "/item"}}]) as bench:
            assert await bench.curl("/other") == (0, b"")
            assert await bench.curl("/other", "--location") == (0, BODY)
            async with bench.httpx(follow_redirects=True) as client:
                assert (await client.get("/other")).content == BODY

            bench.inject({"redirect": "/item"}, then="repeat")
            assert (await bench.curl("/item", "--location"))[0] == 47
            async with bench.httpx(follow_redirects=True) as client:
                with pytest.raises(httpx.TooManyRedirects):
                    await client.get("/item")

    run(scene)
