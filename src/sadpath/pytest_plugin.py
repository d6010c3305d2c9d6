"""The pytest plugin: a server that misbehaves, a session of one's own on it for each test, and a simulated world.

Everything else is imported by the fixture that needs it, so that a test run which uses none of them costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sadpath.control import Control, SessionInfo
    from sadpath.sim.world import SimWorld

__all__ = ["SadpathServer", "SadpathSession", "pytest_addoption", "pytest_configure"]

MARKER = "sadpath(scenario=None, seed=None, own_port=False): what the test's `sadpath_session` meets"
_KNOWN = ("scenario", "seed", "own_port")


class SadpathServer:
    """A server on real sockets, at a port that the system chose, with the workspace's backend.

    Attributes:
        base_url: where it listens; a session's own URL is ``SadpathSession.base_url``.
        control: a client of its control API.
    """

    def __init__(self, base_url: str, control: Control) -> None:
        self.base_url = base_url
        self.control = control


class SadpathSession:
    """A session for one test: data, tokens, clock, counters and journal of its own."""

    def __init__(self, control: Control, info: SessionInfo) -> None:
        self._control = control
        self._info = info
        self.id = info.id
        self.base_url = info.base_url
        self.login = dict(info.login)

    def set_scenario(self, scenario: str | dict[str, Any]) -> None:
        """Put a scenario in force from the next request on: its name, or a whole one as a mapping."""
        self._control.set_scenario(self.id, scenario)

    def advance(self, duration: str) -> None:
        """Move the session's clock forward, by ``60s`` say: its tokens grow old without waiting."""
        self._control.advance(self.id, duration)

    def journal(self) -> list[dict[str, Any]]:
        """Return what the server saw and did, event by event."""
        events: list[dict[str, Any]] = self._control.journal(self.id)["events"]
        return events

    def exchanges(self) -> list[dict[str, Any]]:
        """Return the requests that came, with what was answered, in order of arrival."""
        return [event for event in self.journal() if event["event"] == "exchange"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a project say where its workspace is."""
    parser.addini("sadpath_root", "The sadpath workspace, as seen from the ini file. Default: as `sadpath` finds it.")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def sadpath_root(pytestconfig: pytest.Config) -> Path | None:
    """Return the workspace's folder, None where it is found as on the command line."""
    named = pytestconfig.getini("sadpath_root")
    return pytestconfig.rootpath / named if named else None


@pytest.fixture(scope="session")
def sadpath_server(sadpath_root: Path | None) -> Iterator[SadpathServer]:
    """Start a server for the whole run, or, with pytest-xdist, for each worker."""
    from sadpath.control import Control  # noqa: PLC0415 - only where the fixture is used
    from sadpath.server.runner import LiveServer  # noqa: PLC0415 - as above
    from sadpath.server.thread import LiveServerThread  # noqa: PLC0415 - as above
    from sadpath.workspace import find_workspace  # noqa: PLC0415 - as above

    with LiveServerThread(LiveServer(find_workspace(sadpath_root))) as thread, Control(thread.base_url) as control:
        yield SadpathServer(thread.base_url, control)


@pytest.fixture
def sadpath_session(sadpath_server: SadpathServer, request: pytest.FixtureRequest) -> Iterator[SadpathSession]:
    """Make a session for the test, with the scenario that its marker names; it ends with the test."""
    from sadpath.control import ControlError  # noqa: PLC0415 - only where the fixture is used

    control = sadpath_server.control
    try:
        # Named like the test: what is left to chance is then the same on every run, in whatever order tests run.
        info = control.create(_name(request.node.nodeid), **_wanted(request))
    except ControlError as error:
        pytest.fail(f"@pytest.mark.sadpath: {error}", pytrace=False)
    try:
        yield SadpathSession(control, info)
    finally:
        control.delete(info.id)


@pytest.fixture
def sim_world() -> Iterator[SimWorld]:
    """Put the test into a simulated world: time and network are virtual until it ends (``sim_world.wait(...)``)."""
    from sadpath.sim.world import SimWorld as World  # noqa: PLC0415 - only where the fixture is used

    with World() as world:
        yield world


def _wanted(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what the test's markers say, the nearest first."""
    found: dict[str, Any] = {}
    for marker in request.node.iter_markers("sadpath"):
        unknown = [name for name in marker.kwargs if name not in _KNOWN]
        if unknown or marker.args:
            what = f"{unknown[0]!r}" if unknown else "arguments without a name"
            pytest.fail(f"@pytest.mark.sadpath takes {', '.join(_KNOWN)}, not {what}", pytrace=False)
        found = {**marker.kwargs, **found}
    return found


def _name(nodeid: str) -> str:
    """Return a session's name for a test: of the letters that one may have, and of bounded length."""
    from hashlib import blake2b  # noqa: PLC0415 - as light as the plugin can be

    words = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in nodeid.rpartition("::")[2])
    return f"{words[:32].strip('-').lower()}-{blake2b(nodeid.encode(), digest_size=4).hexdigest()}"
