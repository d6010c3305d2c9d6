"""What the control API can be asked, once for both clients: the request, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

__all__ = ["Ask", "ControlError", "SessionInfo", "asks"]

Value = TypeVar("Value")
Scenario = str | Mapping[str, Any]


class ControlError(Exception):
    """The control API refused a request.

    Attributes:
        status: of the answer.
        message: what is wrong.
        field: the member of the request, or the field of the scenario, that is wrong; None where that does not apply.
        nearest: the known name that may have been meant; None where there is none.
    """

    def __init__(self, status: int, message: str, field: str | None = None, nearest: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.nearest = nearest


@dataclass(frozen=True)
class SessionInfo:
    """A session as the server describes it.

    Attributes:
        id: by which it is asked for.
        base_url: what a client is given as the API's URL.
        header: the header that names the session where the URL cannot, by name.
        login: email and password that the data hold; empty where the answer does not say.
        scenario: the name of what is in force, None without one.
        seed: of its data and chance.
        exchanges: how many its journal holds.
        raw: everything the server said.
    """

    id: str
    base_url: str
    header: Mapping[str, str]
    login: Mapping[str, str]
    scenario: str | None
    seed: int
    exchanges: int
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Ask(Generic[Value]):
    """A request below ``/__admin``, and how to read its answer."""

    method: str
    path: str
    read: Callable[[httpx.Response], Value]
    json: Any = None

    def answer(self, response: httpx.Response) -> Value:
        """Return what an answer says.

        Raises:
            ControlError: where it is a refusal.
        """
        if response.is_success:
            return self.read(response)
        try:
            members = response.json()
        except ValueError:
            members = {}
        if not isinstance(members, dict):
            members = {}
        message = str(members.get("message") or f"the server answered {response.status_code}")
        raise ControlError(response.status_code, message, members.get("field"), members.get("nearest"))


def _session(response: httpx.Response) -> SessionInfo:
    return _info(response.json())


def _info(view: dict[str, Any]) -> SessionInfo:
    return SessionInfo(
        id=view["id"],
        base_url=view["base_url"],
        header=view["header"],
        login=view.get("login", {}),
        scenario=view["scenario"],
        seed=view["seed"],
        exchanges=view["exchanges"],
        raw=view,
    )


def _path(session_id: str, rest: str = "") -> str:
    return f"/sessions/{quote(session_id, safe='')}{rest}"


class asks:  # noqa: N801 - a namespace, read as `asks.create(…)`
    """Every request that the control API takes."""

    @staticmethod
    def version() -> Ask[dict[str, str]]:
        """The versions of sadpath and Python."""
        return Ask("GET", "/version", lambda response: response.json())

    @staticmethod
    def scenarios() -> Ask[list[dict[str, Any]]]:
        """Name, title, and what is wrong, of each scenario."""
        return Ask("GET", "/scenarios", lambda response: response.json()["scenarios"])

    @staticmethod
    def faults() -> Ask[list[dict[str, Any]]]:
        """Name, phase, settings and more of each fault."""
        return Ask("GET", "/faults", lambda response: response.json()["faults"])

    @staticmethod
    def authority() -> Ask[str]:
        """The certificate authority, as PEM."""
        return Ask("GET", "/ca.pem", lambda response: response.text)

    @staticmethod
    def sessions() -> Ask[list[SessionInfo]]:
        """Every session, the default one first."""
        return Ask("GET", "/sessions", lambda response: [_info(view) for view in response.json()["sessions"]])

    @staticmethod
    def create(wanted: Mapping[str, Any]) -> Ask[SessionInfo]:
        """Make a session."""
        body = {key: value for key, value in wanted.items() if value not in (None, False)}
        return Ask("POST", "/sessions", _session, body)

    @staticmethod
    def show(session_id: str) -> Ask[SessionInfo]:
        """One session."""
        return Ask("GET", _path(session_id), _session)

    @staticmethod
    def delete(session_id: str) -> Ask[None]:
        """End one."""
        return Ask("DELETE", _path(session_id), lambda _: None)

    @staticmethod
    def scenario(session_id: str, scenario: Scenario) -> Ask[SessionInfo]:
        """Put a scenario in force: a name, or a whole one."""
        body = {"name": scenario} if isinstance(scenario, str) else {"inline": dict(scenario)}
        return Ask("PUT", _path(session_id, "/scenario"), _session, body)

    @staticmethod
    def reset(session_id: str) -> Ask[SessionInfo]:
        """Begin anew."""
        return Ask("POST", _path(session_id, "/reset"), _session)

    @staticmethod
    def advance(session_id: str, duration: str) -> Ask[SessionInfo]:
        """Move the clock forward."""
        return Ask("POST", _path(session_id, "/clock"), _session, {"advance": duration})

    @staticmethod
    def journal(session_id: str, form: Literal["json", "har"]) -> Ask[dict[str, Any]]:
        """What happened."""
        return Ask("GET", _path(session_id, f"/journal?format={form}"), lambda response: response.json())
