"""The control API for code that waits."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self, TypeVar

import httpx

from sadpath.control.asks import Ask, Scenario, SessionInfo, asks
from sadpath.control.lines import EventLines

__all__ = ["Control"]

Value = TypeVar("Value")


class Control:
    """Talks to the control API of a running server, and waits for the answers.

    >>> with Control("http://127.0.0.1:8080") as control:  # doctest: +SKIP
    ...     with control.session(scenario="retry/busy-twice-then-fine") as session:
    ...         ask_my_client(session.base_url)

    Args:
        url: the server's, as ``sadpath serve`` prints it.
        token: the admin token, where the server has one.
        timeout: seconds for each request; events may stay away for longer.

    Every method raises ``ControlError`` where the server refuses, and ``httpx.TransportError`` where it is not there.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: float = 30.0) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        base = url.rstrip("/") + "/__admin"
        self._http = httpx.Client(base_url=base, headers=headers, timeout=timeout, trust_env=False)

    def version(self) -> dict[str, str]:
        """Return the versions of sadpath and Python that serve."""
        return self._ask(asks.version())

    def scenarios(self) -> list[dict[str, Any]]:
        """Return name and title of each scenario, and what is wrong with its file."""
        return self._ask(asks.scenarios())

    def faults(self) -> list[dict[str, Any]]:
        """Return name, family, phase, settings and worlds of each fault."""
        return self._ask(asks.faults())

    def authority(self) -> str:
        """Return the certificate authority of sessions that speak TLS, as PEM."""
        return self._ask(asks.authority())

    def sessions(self) -> list[SessionInfo]:
        """Return every session, the default one first."""
        return self._ask(asks.sessions())

    def create(
        self,
        name: str | None = None,
        *,
        scenario: str | None = None,
        seed: int | None = None,
        own_port: bool = False,
        tls: bool = False,
        ttl: str | None = None,
    ) -> SessionInfo:
        """Make a session.

        Args:
            name: its id, and the key of what it leaves to chance; default: an id of the server's choice.
            scenario: the name of what is in force from the start.
            seed: of its data and chance; default: the server's.
            own_port: whether it listens at a port of its own, where its rules ``on: connection`` act.
            tls: whether that port speaks TLS.
            ttl: after how long it ends by itself, such as ``10m``.
        """
        wanted = {"name": name, "scenario": scenario, "seed": seed, "own_port": own_port, "tls": tls, "ttl": ttl}
        return self._ask(asks.create(wanted))

    def show(self, session_id: str) -> SessionInfo:
        """Return one session."""
        return self._ask(asks.show(session_id))

    def delete(self, session_id: str) -> None:
        """End a session, with its connections and its port."""
        self._ask(asks.delete(session_id))

    def set_scenario(self, session_id: str, scenario: Scenario) -> SessionInfo:
        """Put a scenario in force from the next exchange on: its name, or a whole one as a mapping."""
        return self._ask(asks.scenario(session_id, scenario))

    def reset(self, session_id: str) -> SessionInfo:
        """Forget data, tokens, counters, clock and journal; the scenario begins anew."""
        return self._ask(asks.reset(session_id))

    def advance(self, session_id: str, duration: str) -> SessionInfo:
        """Move a session's clock forward, by ``60s`` say: its tokens grow old without waiting."""
        return self._ask(asks.advance(session_id, duration))

    def journal(self, session_id: str, form: Literal["json", "har"] = "json") -> dict[str, Any]:
        """Return what happened in a session, as events or as an HTTP Archive."""
        return self._ask(asks.journal(session_id, form))

    @contextmanager
    def session(self, name: str | None = None, **options: Any) -> Iterator[SessionInfo]:
        """Make a session as ``create`` does, for a ``with`` block; it ends with the block."""
        made = self.create(name, **options)
        try:
            yield made
        finally:
            self.delete(made.id)

    def events(self, session_id: str | None = None) -> Generator[dict[str, Any], None, None]:
        """Yield each exchange as it ends, of one session or of all, until the server or the caller stops.

        A watcher that does not keep up is given ``{"dropped": n}`` in the place of what it missed.
        """
        query = {} if session_id is None else {"session": session_id}
        timeout = httpx.Timeout(self._http.timeout.connect, read=None)
        with self._http.stream("GET", "/events", params=query, timeout=timeout) as response:
            if not response.is_success:
                response.read()
            Ask("GET", "/events", lambda _: None).answer(response)
            lines = EventLines()
            for line in response.iter_lines():
                for _, data in lines.take(line):
                    yield data

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, ask: Ask[Value]) -> Value:
        return ask.answer(self._http.request(ask.method, ask.path, json=ask.json))
