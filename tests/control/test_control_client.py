"""The Python client of the control API, sync and async, against a real server."""

from __future__ import annotations

import asyncio
import inspect
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sadpath.control import AsyncControl, Control, ControlError, SessionInfo
from sadpath.server.runner import LiveServer
from sadpath.server.thread import LiveServerThread
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

INLINE = {"title": "Busy", "faults": [{"on": "*", "plan": [{"status": 503}]}]}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The reference workspace's server."""
    with LiveServerThread(LiveServer(Workspace(REFERENCE))) as thread:
        yield thread.base_url


def _sync(url: str, use: Callable[[Control], Any]) -> Any:
    with Control(url) as control:
        return use(control)


def _async(url: str, use: Callable[[AsyncControl], Any]) -> Any:
    async def main() -> Any:
        async with AsyncControl(url) as control:
            return await use(control)

    return asyncio.run(main())


Run = Callable[[str, Callable[[Any], Any]], Any]
both = pytest.mark.parametrize("run", [_sync, _async])


def _get(session: SessionInfo, path: str = "/health", **options: Any) -> httpx.Response:
    with httpx.Client(base_url=session.base_url, trust_env=False, **options) as client:
        return client.get(path)


@both
def test_the_server_is_asked(run: Run, url: str) -> None:
    """Versions, scenarios, faults and sessions come as plain values."""
    assert set(run(url, lambda control: control.version())) == {"sadpath", "python"}
    assert "retry/busy-twice-then-fine" in [one["name"] for one in run(url, lambda control: control.scenarios())]
    assert "truncate" in [one["name"] for one in run(url, lambda control: control.faults())]
    assert run(url, lambda control: control.sessions())[0].id == "default"


@both
def test_a_session_lives_as_it_is_told(run: Run, url: str) -> None:
    """It is made, given a scenario by name and whole, moved in time, begun anew, read and ended."""
    name = f"life-{run.__name__}"
    made = run(url, lambda control: control.create(name, scenario="retry/busy-twice-then-fine", seed=7, ttl="10m"))
    assert (made.id, made.seed, made.scenario) == (name, 7, "retry/busy-twice-then-fine")
    assert made.login["email"]

    told = run(url, lambda control: control.set_scenario(name, INLINE))
    assert told.scenario is None
    assert [_get(made).status_code for _ in range(2)] == [503, 200]
    later = run(url, lambda control: control.advance(name, "60s"))
    assert later.raw["clock"]["advanced"] == 60
    assert later.exchanges == 2
    assert run(url, lambda control: control.journal(name))["events"]
    archive = run(url, lambda control: control.journal(name, "har"))
    assert [entry["response"]["status"] for entry in archive["log"]["entries"]] == [503, 200]
    assert run(url, lambda control: control.reset(name)).exchanges == 0
    run(url, lambda control: control.delete(name))
    with pytest.raises(ControlError) as refused:
        run(url, lambda control: control.show(name))
    assert refused.value.status == 404


@both
def test_a_refusal_says_what_is_wrong(run: Run, url: str) -> None:
    """A refused request raises, with the field and the nearest known name."""
    with pytest.raises(ControlError, match="there is no scenario") as refused:
        run(url, lambda control: control.create(scenario="retry/busy-twice-then-fin"))
    error = refused.value
    assert (error.status, error.field, error.nearest) == (422, "scenario", "retry/busy-twice-then-fine")


@both
def test_a_session_may_own_a_port_that_speaks_tls(run: Run, url: str) -> None:
    """Its URL has no path; a client that trusts the authority, and no other, gets an answer."""
    made = run(url, lambda control: control.create(f"tls-{run.__name__}", own_port=True, tls=True))
    context = ssl.create_default_context(cadata=run(url, lambda control: control.authority()))

    assert made.base_url.startswith("https://")
    assert made.base_url.count("/") == 2
    assert _get(made, verify=context).json()["status"] == "ok"
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        _get(made)
    run(url, lambda control: control.delete(made.id))
    with pytest.raises(httpx.ConnectError):
        _get(made, verify=context)


def test_a_session_ends_with_its_block(url: str) -> None:
    """``session`` makes one for a block, in both clients, and ends it also where the block fails."""
    with Control(url) as control:
        with pytest.raises(httpx.UnsupportedProtocol), control.session("block") as session:
            httpx.get(f"no-{session.base_url}")
        assert "block" not in [one.id for one in control.sessions()]

    async def main() -> None:
        async with AsyncControl(url) as control:
            async with control.session("block", scenario="retry/outage") as session:
                assert session.scenario == "retry/outage"
            assert "block" not in [one.id for one in await control.sessions()]

    asyncio.run(main())


def test_events_arrive_as_exchanges_end(url: str) -> None:
    """Whoever watches a session hears of its exchanges, and of no other's, with the faults that they met."""
    with Control(url) as control, control.session("seen") as seen, control.session("unseen") as unseen:
        control.set_scenario("seen", INLINE)
        heard: list[dict[str, Any]] = []
        watching = threading.Event()

        def watch() -> None:
            with Control(url) as watcher:
                events = watcher.events("seen")
                watching.set()
                heard.extend(next(events) for _ in range(2))
                events.close()

        thread = threading.Thread(target=watch)
        thread.start()
        watching.wait(5)
        while thread.is_alive():  # the watcher may be a moment late
            _get(unseen)
            _get(seen)
        thread.join(10)

    assert {event["session"] for event in heard} == {"seen"}
    assert heard[0]["path"] == "/health"


def test_events_of_an_ended_session_end(url: str) -> None:
    """A watched session that is deleted ends the stream of its events at the next word of any."""

    async def main() -> list[Any]:
        async with AsyncControl(url) as control:
            with pytest.raises(ControlError, match="There is no session"):
                await anext(control.events("nobody"))
            made = await control.create("brief")
            events = control.events("brief")
            first = asyncio.ensure_future(anext(events))
            while not first.done():
                await asyncio.to_thread(_get, made)
                await asyncio.wait({first}, timeout=0.2)
            await events.aclose()
            await control.delete("brief")
            return [first.result()["session"]]

    assert asyncio.run(main()) == ["brief"]


def test_both_clients_offer_the_same() -> None:
    """What one client has, the other has, with the same parameters."""
    sync, other = (
        {name: str(inspect.signature(member).parameters) for name, member in vars(kind).items() if name[0] != "_"}
        for kind in (Control, AsyncControl)
    )

    assert sync == other


def test_a_server_with_a_token_wants_it() -> None:
    """The admin token travels with every request; without it the server refuses."""
    server = LiveServer(Workspace(Path(REFERENCE)), admin_token="s3cret")
    with LiveServerThread(server) as thread:
        with Control(thread.base_url, token="s3cret") as control:
            assert control.version()["sadpath"]
        with Control(thread.base_url) as control, pytest.raises(ControlError) as refused:
            control.version()
    assert refused.value.status == 401
