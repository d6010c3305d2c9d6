"""The engine under ``httpx.ASGITransport``: no connection, and clear words where one would be needed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from sadpath.core.clock import LoopClock
from sadpath.core.errors import HarnessError
from sadpath.engine.asgi import Engine
from sadpath.engine.session import Session
from tests.engine.bench import BODY, ROLES, Backend, Sessions, run, scenario


def _engine(*steps: Any) -> tuple[Engine, Session, httpx.AsyncClient]:
    session = Session("default", ordinal=0, clock=LoopClock(), name="default")
    session.set_scenario("test", scenario([{"on": "*", "plan": list(steps)}] if steps else []))
    engine = Engine(Backend(), Sessions({"default": session}), roles=ROLES)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(engine), base_url="http://test")
    return engine, session, client


def test_answers_and_delays_work() -> None:
    """Faults that answer, wait or lie need no connection; the journal says connection 0."""

    async def scene() -> None:
        _, session, client = _engine({"status": 503}, {"delay": "30ms"}, "malformed_json", "html")
        async with client:
            assert (await client.get("/item")).status_code == 503
            response = await client.get("/item")
            assert response.content == BODY
            assert (await client.get("/item")).content == BODY[:32]
            assert (await client.get("/item")).headers["content-type"].startswith("text/html")
        events = session.journal.exchanges
        assert [event.fired_names() for event in events] == [["status"], ["delay"], ["malformed_json"], ["html"]]
        assert {event.connection for event in events} == {0}
        assert {event.ended.how for event in events} == {"complete"}
        assert events[1].t_ended is not None
        assert events[1].t_ended - events[1].t_arrived >= 0.03

    run(scene)


@pytest.mark.parametrize(
    "step", ["close", "reset", {"close": "request"}, {"truncate": 5}, {"reset": {"after": 5}}, {"limit_data": 5}]
)
def test_what_ends_a_connection_says_that_there_is_none(step: Any) -> None:
    """A fault that needs a connection raises ``HarnessError``, which names it and the way out."""

    async def scene() -> None:
        _, session, client = _engine(step)
        async with client:
            with pytest.raises(HarnessError, match="ends a connection, and there is none"):
                await client.get("/item")
        assert session.journal.exchanges[0].t_ended is not None

    run(scene)


def test_a_stall_lasts_until_the_session_ends() -> None:
    """A bare stall never answers; the end of the session ends it with ``HarnessError``."""

    async def scene() -> None:
        _, session, client = _engine("stall")
        async with client:
            asking = asyncio.create_task(client.get("/item"))
            await asyncio.sleep(0.05)
            assert not asking.done()
            session.end()
            with pytest.raises(HarnessError, match="the session ended"):
                await asking

    run(scene)


def test_a_client_that_gives_up_cancels_its_stall() -> None:
    """A cancelled call leaves no task behind, and its exchange has ended."""

    async def scene() -> None:
        _, session, client = _engine("stall")
        async with client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.get("/item")
        assert session.journal.exchanges[0].t_ended is not None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scene)
