"""The server of simulated cases: the live one, with what does not change from case to case made once per process.

Building the backend, reading roles and loading uvicorn's configuration cost tens of milliseconds. Sessions, journals,
counters and connections are new for each case.
"""

from __future__ import annotations

from typing import Any

import uvicorn

from sadpath.core.clock import Clock
from sadpath.core.errors import AuthorError
from sadpath.engine.protocol import protocol_class
from sadpath.faults.base import Hooks
from sadpath.server.certificates import Authority
from sadpath.server.runner import Backend, LiveServer, _config, hooks_of
from sadpath.verify.simport import SERVER_NAME, SimPorts
from sadpath.workspace import Fixtures, Workspace

__all__ = ["Prepared", "SimServer"]

_HOST = "127.0.0.1"


class Prepared:
    """What the servers of all simulated cases of a process share.

    Args:
        workspace: where backend, roles and payloads come from.

    Raises:
        AuthorError: where one of them cannot be loaded.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.roles = workspace.roles()
        self.fixtures: Fixtures = workspace.fixtures
        self._backend: Backend = workspace.backend()
        self.hooks: Hooks | None = hooks_of(self._backend)
        self.authority = Authority(SERVER_NAME)
        self.modules = (getattr(self._backend, "__module__", ""),)
        self._protocol: Any = None
        self._configs: dict[bool, uvicorn.Config] = {}

    def backend(self) -> Backend:
        """Return the backend for a case: the same one each time, if a hook lets it forget what a session did."""
        return self._backend if self.hooks is not None else self.workspace.backend()

    def config(self, app: Backend, clock: Clock, *, lifespan: bool) -> uvicorn.Config:
        """Return uvicorn's configuration, loaded once, for this case's application and clock."""
        if self._protocol is None:
            self._protocol = protocol_class(clock)
        self._protocol.wire_clock = clock  # one class for all cases, of which there is one at a time
        config = self._configs.get(lifespan)
        if config is None:
            options = {"http": self._protocol, "host": _HOST, "port": 0, "lifespan": "auto" if lifespan else "off"}
            config = self._configs[lifespan] = _config(app, **options)
        config.loaded_app = app
        return config


class SimServer(LiveServer):
    """The server of one simulated case; it listens at a loopback address of the simulated network.

    Args:
        prepared: what all cases share.
        seed: the seed of the case's session.
    """

    def __init__(self, prepared: Prepared, *, seed: int = 0) -> None:
        super().__init__(
            backend=prepared.backend(),
            roles=prepared.roles,
            hooks=prepared.hooks,
            fixtures=prepared.fixtures,
            seed=seed,
            other_origin=True,
        )
        self._prepared = prepared
        self.ports = SimPorts(_HOST, prepared.authority)

    @property
    def has_control(self) -> bool:
        """Tell that the control API is off: nobody outside the case's own process is there to use it."""
        return False

    async def _listen(self, app: Backend, protocol: Any, port: int, *, lifespan: bool) -> None:
        config = self._prepared.config(app, self.sessions.clock, lifespan=lifespan)
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        try:
            await server.startup()
        except SystemExit as stop:  # uvicorn's way of saying so
            raise AuthorError("the backend did not start: its lifespan failed; see the message above") from stop
        self._servers.append(server)
