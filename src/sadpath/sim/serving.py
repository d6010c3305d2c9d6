"""Unmodified uvicorn servers on the simulated network.

A server is started with uvicorn's own ``startup``, without its main loop (which ticks every 0.1 s for ever) and
without signal handlers. What the main loop would do for requests, the ``Date`` header, is done when it is asked for.
"""

from __future__ import annotations

import contextlib
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from sadpath.sim.ordered import OrderedSet

__all__ = ["sim_config", "start_server", "stop_server"]

_STARTUP_FAILURE = 3  # uvicorn's own exit code for it, which has moved between its modules
_DEFAULTS: dict[str, Any] = {
    "host": "api.test",
    "port": 80,
    "http": "httptools",
    "ws": "none",
    "lifespan": "auto",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
}


def sim_config(app: Any, **options: Any) -> uvicorn.Config:
    """Return a loaded uvicorn configuration, fit for any number of runs: make it once per process.

    ``options`` are those of `uvicorn.Config`; by default the server is ``http://api.test``. ``http`` may be a class
    of one's own, as ever.
    """
    config = uvicorn.Config(app, **{**_DEFAULTS, **options})
    config.load()
    return config


class _State(ServerState):
    """uvicorn's server state with ordered sets, and with default headers that tell the virtual time."""

    def __init__(self, config: uvicorn.Config, wall: Any) -> None:
        self._config = config
        self._wall = wall
        self._second = -1
        self._headers: list[tuple[bytes, bytes]] = []
        super().__init__()
        self.connections: Any = OrderedSet()
        self.tasks: Any = OrderedSet()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every response, with the date of this virtual second."""
        second = int(self._wall())
        if second != self._second:
            self._second = second
            date = [(b"date", formatdate(second, usegmt=True).encode())] if self._config.date_header else []
            self._headers = date + self._config.encoded_headers
        return self._headers

    @default_headers.setter
    def default_headers(  # pyright: ignore[reportIncompatibleVariableOverride]  # a plain attribute there
        self, value: list[tuple[bytes, bytes]]
    ) -> None:
        """Ignore what a main loop sets."""


async def start_server(config: uvicorn.Config, wall: Any) -> uvicorn.Server:
    """Start a server on the running simulated loop; ``wall`` returns the virtual Unix seconds.

    Raises:
        SystemExit: where the application's lifespan fails or the address is taken, as uvicorn does.
    """
    if not config.loaded:
        config.load()
    server = uvicorn.Server(config)
    server.server_state = _State(config, wall)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    if not server.started:  # older versions leave it at that
        raise SystemExit(_STARTUP_FAILURE)
    return server


async def stop_server(server: uvicorn.Server) -> None:
    """Stop a server without waiting for its connections: close the listener, end keep-alive, run the lifespan's end."""
    if not server.started:
        return
    server.started = False
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        with contextlib.suppress(AttributeError):
            connection.shutdown()
    await server.lifespan.shutdown()
