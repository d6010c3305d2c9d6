"""Restarts: what survives of a client that is killed, and what scenario files may ask of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sadpath.faults  # noqa: F401 - fills the vocabulary
from sadpath.client import SavedSession, Tokens
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.subject import NotSupported
from sadpath.scenario.lint import lint_scenario
from sadpath.scenario.loader import LoadedScenario, load_scenario
from sadpath.subjects.known_bad.stores_tokens_one_by_one import Client as OneByOne
from sadpath.subjects.known_bad.stores_tokens_too_late import Client as TooLate
from sadpath.subjects.reference import Device, ReferenceSubject
from sadpath.subjects.reference.device import DeviceTokens
from sadpath.verify.clients import make_client
from sadpath.verify.contract import load_contract
from sadpath.verify.needs import lacking
from sadpath.verify.played import Case
from sadpath.verify.simworld import Simulator
from sadpath.verify.trace import Trace
from sadpath.workspace import find_workspace
from tests.subjects.driving import driven

SHOP = find_workspace()
PAIRS = st.builds(Tokens, st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=9), st.none() | st.floats(0, 9))
SESSIONS = st.builds(SavedSession, st.text(min_size=1, max_size=9), PAIRS)


# The device


@given(st.lists(st.none() | SESSIONS, max_size=8), st.integers(0, 10), st.integers(0, 8))
def test_a_crash_leaves_what_was_stored_so_many_writes_ago(
    written: list[SavedSession | None], lost: int, kept: int
) -> None:
    """A device after a crash holds the session as it was before the lost writes, but never forgets what it must keep."""

    async def story() -> SavedSession | None:
        device = Device()
        store = DeviceTokens(device)
        for number, session in enumerate(written, 1):
            await (store.clear() if session is None else store.save(session))
            if number == kept:
                device.keep()
        return await DeviceTokens(device.after_crash(lost)).load()

    left = max(len(written) - lost, kept if kept <= len(written) else 0)
    assert asyncio.run(story()) == (written[left - 1] if left else None)


def test_the_dead_write_nothing() -> None:
    """What is written to a device after the crash does not reach the one that is left."""
    device = Device()
    left = device.after_crash(0)
    device.put("session", "late")

    assert (device.get("session"), left.get("session")) == ("late", None)


# The client


def _play(name: str, kind: type[ReferenceSubject] = ReferenceSubject) -> Trace:
    """Play a bundled scenario in the simulated world and return its trace."""
    (loaded,) = SHOP.find(name)
    driver = InProcessDriver(kind)
    contract = load_contract("reference", SHOP.root)
    client = make_client(contract, driver, asyncio.run(driver.hello()), profile="published", command="")
    trace = Simulator(SHOP).play(Case(name, loaded.scenario, client, 0, "sim")).played.trace
    assert trace is not None
    return trace


def _shown(trace: Trace) -> list[tuple[str, int | None, int | None]]:
    """Return path, and the generations of the access and refresh token, of the case's own exchanges."""
    return [(item.path, item.token_generation, item.refresh_generation) for item in trace.case_exchanges]


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("refresh/killed-after-it-was-written", ReferenceSubject, [("/users/2", 2, None), ("/auth/refresh", None, 2)]),
        ("refresh/killed-before-it-was-written", ReferenceSubject, [("/users/2", 1, None), ("/auth/refresh", None, 1)]),
        ("refresh/killed-before-it-was-written", OneByOne, [("/users/2", 2, None), ("/auth/refresh", None, 1)]),
        ("refresh/killed-after-it-was-written", TooLate, [("/users/2", 1, None), ("/auth/refresh", None, 1)]),
    ],
)
def test_a_client_comes_back_with_what_it_had_stored(
    name: str, kind: type[ReferenceSubject], shown: list[tuple[str, int | None, int | None]]
) -> None:
    """After a restart a client sends and presents what its store holds, whole or not."""
    assert _shown(_play(name, kind))[3:5] == shown


def test_a_restart_is_a_call_that_sends_nothing() -> None:
    """A restart ends well, without attempts or a value, and the client's account covers all of its lives."""
    trace = _play("refresh/killed-before-it-was-written")
    (restart,) = (call for call in trace.calls if call.op == "app.restart")

    assert restart.outcome is not None
    assert (restart.outcome.outcome, restart.outcome.attempts, restart.outcome.value) == ("ok", 0, None)
    assert trace.exchanges_of(restart) == ()
    assert trace.result is not None
    assert trace.result.logouts == 1
    assert "GET" in trace.result.log
    assert trace.left_over == ()


@pytest.mark.parametrize("args", [{"lost_writes": "one"}, {"lost": 1}])
def test_odd_arguments_are_not_supported(args: dict[str, Any]) -> None:
    """A restart with other arguments is one that the client cannot take."""

    async def story() -> None:
        async with driven(ReferenceSubject, "http://127.0.0.1:1") as client:
            await client.call("app.restart", args)

    with pytest.raises(NotSupported, match="lost_writes"):
        asyncio.run(story())


# Scenario files


def _loaded(folder: Path, args: str) -> LoadedScenario:
    path = folder / "scenarios" / "refresh" / "killed.yaml"
    path.parent.mkdir(parents=True)
    text = "# What. Why: a reason. Source: RFC 6749.\ntitle: Killed\ncalls:\n  - app.restart: "
    path.write_text(f"{text}{args}\n  - users.get: {{id: 1}}\n", encoding="utf-8")
    return load_scenario(path, folder)


@pytest.mark.parametrize(
    ("args", "wrong"),
    [
        ("{}", None),
        ("{lost_writes: 2}", None),
        ("{lost_writes: -1}", "must be a number of writes, not -1"),
        ("{lost_writes: true}", "must be a number of writes, not True"),
        ("{lost_write: 1}", "unknown argument 'lost_write'"),
    ],
)
def test_lint_knows_restarts(tmp_path: Path, args: str, wrong: str | None) -> None:
    """Lint takes a restart for what it is, and names what is wrong with its arguments."""
    found = [str(problem) for problem in lint_scenario(_loaded(tmp_path, args), SHOP.surroundings())]

    assert len(found) == (0 if wrong is None else 1)
    assert wrong is None or wrong in found[0]


def test_a_client_that_cannot_is_never_asked(tmp_path: Path) -> None:
    """A case with a restart is unsupported for a client that does not declare the capability."""
    scenario = _loaded(tmp_path, "{}").scenario
    why = lacking(scenario, capabilities=["cancel"], operations=[], world="live", roles=None)

    assert why == "the client does not declare restart"
