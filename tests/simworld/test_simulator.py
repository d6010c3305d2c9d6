"""Cases in the simulated world: the same judge, exact time, and clients that hang without taking anything with them."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sadpath.core.errors import UsageError
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.messages import DriverFault, Hello, Run
from sadpath.subjects.reference import on_httpx2
from sadpath.verify.judging import case_result
from sadpath.verify.played import Client
from sadpath.verify.simwatch import watched
from sadpath.verify.simworld import Simulator, can_simulate
from sadpath.workspace import Workspace
from tests.campaign.arranged import client
from tests.campaign.small import LosesBase, Small
from tests.simworld.arranged_sim import BUSY, READ, SILENT, bundled, judged, known, play, sim_case, simulator
from tests.simworld.odd import Blocks, Hammers, InTheLoop, InThreads, Sleeps, Spins, TellsTime, Waits


@pytest.mark.parametrize("profile", ["published", "quick"])
def test_the_reference_client_keeps_its_promises_in_exact_time(profile: str) -> None:
    """Every bundled scenario is passed, or failed as expected, by the published numbers and by those of live runs."""
    who = known("reference", profile)
    found = [case_result(judged(sim_case(item.scenario.to_file(), who, item.name))) for item in bundled()]

    assert {case.scenario: (case.verdict, case.broken) for case in found if case.verdict not in ("pass", "xfail")} == {}


def test_the_reference_client_keeps_its_promises_on_httpx2_too() -> None:
    """The same client on another HTTP library does no worse in any bundled scenario, and is the same twice."""
    usual = known("reference")
    driver = InProcessDriver(on_httpx2.create, name="sadpath.subjects.reference.on_httpx2:create")
    who = dataclasses.replace(usual, driver=driver)
    cases = [sim_case(item.scenario.to_file(), who, item.name) for item in bundled()]
    found = [case_result(judged(case)) for case in cases]

    assert {case.scenario: (case.verdict, case.broken) for case in found if case.verdict not in ("pass", "xfail")} == {}
    assert all(play(case).digest == play(case).digest for case in cases[::10])
    assert asyncio.run(driver.hello()).client.http == "httpx2"


def test_time_is_free() -> None:
    """Three timeouts of fifteen seconds, with their waits, take no real second."""
    case = sim_case({"faults": SILENT["faults"], "calls": READ}, heal=False)
    began = time.monotonic()
    run = play(case)

    assert run.virtual_seconds > 45
    assert time.monotonic() - began < 5
    assert [event.ended.by for event in run.played.exchanges] == ["client"] * 3


class Twice(Small):
    """Tries again twice, after 31 and 61 ms."""

    retries = 2
    first_delay = 0.03


def test_waits_are_exact() -> None:
    """What a client waits is measured to the microsecond, however slow the machine."""
    who = client(Twice, "twice")
    run = play(sim_case(BUSY, who, heal=False))
    first, second, third = run.played.exchanges

    assert second.t_arrived - first.t_arrived == pytest.approx(0.031 + 0.0002, abs=1e-6)
    assert third.t_arrived - second.t_arrived == pytest.approx(0.061 + 0.0002, abs=1e-6)


def test_latency_is_the_networks() -> None:
    """The latency that a scenario gives lies on the way, not within the server."""
    data: dict[str, Any] = {"calls": [READ[0], READ[0]], "given": {"network": {"latency": "200ms"}}}
    run = play(sim_case(data, client(Small, "small"), heal=False))
    first, second = run.played.exchanges

    assert second.t_arrived - first.t_arrived == pytest.approx(0.2002, abs=1e-6)
    assert first.t_last_byte == first.t_arrived


def test_a_client_that_waits_for_ever_is_what_the_case_shows() -> None:
    """A call that never ends has no outcome and breaks END-01; it is no error of ours, and ends no run."""
    policy = {"timeouts": {"read": "250ms", "total": "1s"}, "retry": {"max_retries": 0}}
    found = judged(sim_case(SILENT, client(Waits, "waits", policy=policy)))

    assert found.played.ending == "played"
    assert found.played.hung
    assert "END-01" in found.failing()


@pytest.mark.parametrize("odd", [Spins, Hammers])
def test_a_client_that_never_stops_is_stopped(odd: type[Small]) -> None:
    """An endless loop ends at the simulation's limit; the call hangs, and what was pending is told."""
    found = judged(sim_case(BUSY, client(odd, "odd")))
    later = judged(sim_case(BUSY, client(odd, "odd"), "topic/other"))

    assert found.played.hung
    assert "END-01" in found.failing()
    assert any("the run passed its limit of" in line for line in found.played.left_over)
    assert later.played.hung
    assert judged(sim_case(BUSY)).unexpected() == []


def test_a_client_that_hammers_is_judged_by_what_it_did() -> None:
    """The exchanges before the limit are evidence as any others."""
    assert "RETRY-01" in judged(sim_case(BUSY, client(Hammers, "hammers"))).failing()


def test_a_client_that_keeps_the_process_busy_is_broken_off() -> None:
    """Code that never gives the loop its turn is ended where it stands, after real seconds."""
    assert threading.current_thread() is threading.main_thread()
    with watched(simulator(), longest=0.2):
        found = judged(sim_case(BUSY, client(Blocks, "blocks")))

    assert found.played.hung
    assert any("kept the event loop from turning for 0.2 s, at " in line for line in found.played.left_over)


def test_sleeping_in_the_loop_takes_virtual_time() -> None:
    """``time.sleep`` lets the case's time pass, and not ours."""
    run = play(sim_case({"calls": READ}, client(Sleeps, "sleeps"), heal=False))

    assert run.virtual_seconds >= 3
    assert run.played.exchanges[0].t_arrived >= 3


def test_sync_clients_in_threads_are_simulated() -> None:
    """A client on requests, in worker threads: timeouts, waits, and calls at once, in exact time and the same twice."""
    who = client(InThreads, "in-threads")
    silent = sim_case(SILENT, who, heal=False)
    at_once = sim_case({"calls": [{"parallel": [{"users.get": {"id": 1}, "times": 3}]}]}, who, "topic/at-once")
    run = play(silent)
    first, second, third = run.played.exchanges

    assert second.t_arrived - first.t_arrived == pytest.approx(0.35, abs=0.001)
    assert third.t_arrived - second.t_arrived == pytest.approx(0.35, abs=0.001)
    assert run.digest == play(silent).digest
    assert case_result(judged(at_once)).verdict == "pass"
    assert len({event.connection for event in play(at_once).played.exchanges}) == 3
    assert play(at_once).digest == play(at_once).digest


def test_what_cannot_be_simulated_is_not_held_against_a_client() -> None:
    """A sync library in the middle of the loop has no virtual time: the case is unsupported, and says where it runs."""
    played = play(sim_case(BUSY, client(InTheLoop, "in-the-loop"))).played

    assert played.ending == "unsupported"
    assert "--world live can do it" in played.why


def test_a_clients_own_names_for_time_are_virtual() -> None:
    """A module of the client's package that did ``from time import time`` sees the case's time."""
    who = client(TellsTime, "tells-time")
    object.__setattr__(who.driver, "name", "tests.simworld.odd:TellsTime")
    run = play(sim_case({"calls": READ}, who, heal=False))
    trace = run.played.trace
    assert trace is not None
    outcome = trace.calls[0].outcome

    assert outcome is not None
    assert outcome.value is not None
    assert outcome.value.data["time"] == pytest.approx(1_767_225_600, abs=5)


def test_requests_that_lost_the_base_path_are_told() -> None:
    """What reached no session is listed."""
    run = play(sim_case({"calls": READ}, client(LosesBase, "loses-base"), heal=False))

    assert set(run.strays) == {"GET /users/1"}


def test_a_backend_that_does_not_answer_is_its_authors_fault(tmp_path: Path) -> None:
    """A login that never ends stops the case before its first call, and nobody blames the client."""
    folder = tmp_path / "mockserver"
    folder.mkdir()
    folder.joinpath("app.py").write_text(
        "import asyncio\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "@app.post('/auth/login')\nasync def login() -> None:\n    await asyncio.Event().wait()\n"
    )
    roles = tmp_path / "contracts" / "api" / "roles.yaml"
    roles.parent.mkdir(parents=True)
    roles.write_text((workspace_root() / "contracts" / "api" / "roles.yaml").read_text())
    played = Simulator(Workspace(tmp_path)).play(sim_case(BUSY)).played

    assert played.ending == "author_error"
    assert "the backend does not come to an end" in played.why


def workspace_root() -> Path:
    """Return the root of the reference workspace."""
    return simulator().workspace.root


def test_a_client_elsewhere_cannot_be_simulated() -> None:
    """A driver that is no driver of this process is refused in words."""

    class Elsewhere:
        """A driver of a client in another process."""

        async def hello(self) -> Hello:
            """Never asked."""
            raise AssertionError

        async def run(self, run: Run, on_outcome: object) -> DriverFault:
            """Never asked."""
            raise AssertionError

        async def end_case(self, id: str) -> list[str]:  # noqa: A002 - the protocol's word
            """Never asked."""
            raise AssertionError

        async def close(self) -> None:
            """Never asked."""
            raise AssertionError

    usual = client()
    who = Client(usual.name, Elsewhere(), usual.contract, usual.capabilities)

    assert can_simulate(usual)
    assert not can_simulate(who)
    with pytest.raises(UsageError, match="does not live in this process"):
        simulator().play(sim_case(BUSY, who))
