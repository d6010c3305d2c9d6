"""Arranging the world that a scenario begins in: which data there are, and in which state the tokens.

``prepare`` signs in afresh and hands out tokens in the state that ``given`` asks for: for a client that is told its
tokens. ``apply_scenario`` puts a scenario in force for a client that signs in by itself: what ``given`` names happens
to the tokens it holds, or else to those of its next login. Both ask the backend in the process, past the wire and the
journal; its answers' tokens are numbered all the same.

A backend with hooks does as it is told. For one without, an access token expires by moving the session's clock, a
refresh token is spoilt by using it, and tokens are revoked by signing out; what cannot be had in one of these ways is
an error that says so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from sadpath.core.errors import AuthorError, FileProblem
from sadpath.core.events import ExchangeEvent
from sadpath.core.names import nearest
from sadpath.engine.asgi import Engine
from sadpath.engine.backend import BackendFailed, run_app
from sadpath.engine.session import Session
from sadpath.faults.base import Answer, Hooks
from sadpath.scenario.model import Given, Scenario
from sadpath.scenario.roles import Login, Operation, Roles
from sadpath.scenario.travel import Tokens, access_headers, handed_out, login_request, refresh_request

if TYPE_CHECKING:
    from sadpath.workspace import Workspace

__all__ = ["Grant", "apply_scenario", "check_data", "credentials", "prepare"]

_log = logging.getLogger("sadpath.server")
_Headers = list[tuple[bytes, bytes]]

EMAIL = "ada@example.com"
PASSWORD = "correct-horse"  # noqa: S105 - the reference data's own, printed at every start


@dataclass(frozen=True, slots=True)
class Grant:
    """The signed-in state that a case begins with, as the driver protocol's ``auth``.

    ``expires_in`` counts seconds; 0 or less means expired, None that there is no access token or nothing is known.
    """

    access_token: str | None
    refresh_token: str | None
    expires_in: float | None
    email: str
    password: str

    @property
    def signed_out(self) -> bool:
        """Tell whether there is neither token."""
        return self.access_token is None and self.refresh_token is None

    def to_json(self) -> dict[str, Any]:
        """Return the grant as the driver protocol writes it."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_in": self.expires_in,
            "email": self.email,
            "password": self.password,
        }


@dataclass(frozen=True, slots=True)
class _Tokens:
    """What a login or a refresh handed out."""

    access: str | None
    refresh: str | None
    expires_in: float | None


def credentials(roles: Roles | None) -> dict[str, str]:
    """Return the login that the workspace's data always hold: ``login`` of roles.yaml, else the reference one."""
    login = _login_of(roles)
    return {"email": login.email, "password": login.password}


def _login_of(roles: Roles | None) -> Login:
    return roles.login if roles is not None and roles.login is not None else Login(email=EMAIL, password=PASSWORD)


def check_data(scenario: Scenario, workspace: Workspace | None, where: str) -> None:
    """See whether the data set that a scenario names is there; ``where`` is the file or body that names it.

    Raises:
        FileProblem: where it is not.
    """
    data = scenario.given.data
    if data is None or workspace is None:
        return
    known = workspace.fixtures.data_sets()
    if data.fixture not in known:
        near = nearest(data.fixture, known)
        raise FileProblem(where, f"there is no data set {data.fixture!r}", field="given.data.fixture", nearest=near)


async def prepare(engine: Engine, session: Session, scenario: Scenario, *, name: str | None = None) -> Grant:
    """Put a scenario in force in a session, and return the tokens that its client is to start with.

    Raises:
        AuthorError: where the backend refuses the login, or cannot be brought into the state asked for.
    """
    _set(engine, session, scenario, name)
    login, given = credentials(engine.roles), scenario.given
    if given.access_token == "none" and given.refresh_token == "none":  # noqa: S105 - a state, not a secret
        return Grant(None, None, None, **login)
    backend = _Backend(engine, session)
    tokens = await backend.login()
    if _is_spoilt(given, backend.hooks):
        # The client keeps the spoilt token, beside the access token that it was traded for.
        tokens = replace(await backend.spoil(tokens.refresh), refresh=tokens.refresh)
    if backend.hooks is not None:
        _tell(backend.hooks, session.id, given)
    else:
        await _work_around(backend, given, tokens)
    if given.access_token == "expired":  # noqa: S105 - as above
        tokens = replace(tokens, expires_in=0.0)
    elif given.access_token == "none":  # noqa: S105 - as above
        tokens = replace(tokens, access=None, expires_in=None)
    if given.refresh_token == "none":  # noqa: S105 - as above
        tokens = replace(tokens, refresh=None)
    return Grant(tokens.access, tokens.refresh, tokens.expires_in, **login)


async def apply_scenario(engine: Engine, session: Session, scenario: Scenario, *, name: str | None = None) -> None:
    """Put a scenario in force in a session whose client signs in by itself.

    Only what ``given`` names changes. Token states are those of the tokens at hand; where none have been issued yet,
    those of the next login, once. ``none`` changes nothing: what a client holds cannot be taken from it.

    Raises:
        AuthorError: where the backend cannot be brought into the state asked for; the former scenario then stays.
    """
    given = scenario.given
    backend = _Backend(engine, session)
    issued = _last_issued(session, engine.roles) if _names_states(given) else None
    if issued is not None:
        await _change_at_hand(backend, given, issued)
    _set(engine, session, scenario, name)
    if _names_states(given) and issued is None:
        session.watchers.append(_OnLogin(backend, given))


def _names_states(given: Given) -> bool:
    return not {given.access_token, given.refresh_token} <= {"valid", "none"}


def _set(engine: Engine, session: Session, scenario: Scenario, name: str | None) -> None:
    before = session.data
    session.set_scenario(name, scenario)
    session.watchers[:] = [watcher for watcher in session.watchers if not isinstance(watcher, _OnLogin)]
    if session.data != before and engine.hooks is not None:
        engine.hooks.reset(session.id)


def _is_spoilt(given: Given, hooks: Hooks | None) -> bool:
    """Tell whether the refresh token is to be used up; it stands for a revoked one where no hook can revoke it."""
    without_hook = given.refresh_token == "revoked" and hooks is None and given.access_token != "revoked"  # noqa: S105 - a state, not a secret
    return given.refresh_token == "used" or without_hook  # noqa: S105 - as above


def _tell(hooks: Hooks, session: str, given: Given) -> None:
    """Bring the tokens issued so far into the states that ``given`` names."""
    if given.access_token == given.refresh_token == "revoked":  # noqa: S105 - a state, not a secret
        hooks.revoke(session, "all")
        return
    kinds: tuple[tuple[Literal["access", "refresh"], str], ...]
    kinds = ("access", given.access_token), ("refresh", given.refresh_token)
    for kind, state in kinds:
        if state == "revoked":
            hooks.revoke(session, kind)
        elif state == "expired":
            hooks.expire(session, kind)


async def _work_around(backend: _Backend, given: Given, tokens: _Tokens) -> None:
    """Do without hooks what can be done without them."""
    if given.refresh_token == "expired":  # noqa: S105 - a state, not a secret
        raise AuthorError("given.refresh_token: expired needs a backend with the hook `expire`; `used` does not")
    if given.access_token == "revoked":  # noqa: S105 - as above
        if given.refresh_token != "revoked":  # noqa: S105 - as above
            raise AuthorError("given.access_token: revoked needs a backend with the hook `revoke`, unless both are")
        await backend.logout(tokens.access)
    if given.access_token == "expired":  # noqa: S105 - as above
        if tokens.expires_in is None:
            raise AuthorError("given.access_token: expired needs the hook `expire`, or a login that says `expires_in`")
        backend.session.clock.advance(max(0.0, tokens.expires_in) + 1.0)
        if await backend.accepts(tokens.access):
            raise AuthorError(
                "given.access_token: expired needs a backend that reads the session's clock or has the hook `expire`"
            )


async def _change_at_hand(backend: _Backend, given: Given, tokens: _Tokens) -> None:
    """Change the state of tokens that a client holds already."""
    if backend.hooks is not None:  # first, and without a pause: the client may come back at any time
        _tell(backend.hooks, backend.session.id, given)
    if _is_spoilt(given, backend.hooks):
        await backend.spoil(tokens.refresh)
    if backend.hooks is None:
        await _work_around(backend, given, tokens)


class _OnLogin:
    """Waits for a session's first login and then brings its tokens into the states that ``given`` names."""

    def __init__(self, backend: _Backend, given: Given) -> None:
        self._backend = backend
        self._given = given
        self._task: asyncio.Task[None] | None = None

    def __call__(self, event: ExchangeEvent) -> None:
        """Hear of an exchange that has ended; the client cannot have come back in the meantime."""
        backend, given = self._backend, self._given
        if event.issued_generation is None or backend.roles is None:
            return
        backend.session.watchers.remove(self)
        if backend.hooks is not None and not _is_spoilt(given, backend.hooks):
            _tell(backend.hooks, backend.session.id, given)
        else:
            tokens = _tokens_at(event, backend.session, backend.roles)
            self._task = asyncio.get_running_loop().create_task(self._change(tokens))

    async def _change(self, tokens: _Tokens) -> None:
        try:
            await _change_at_hand(self._backend, self._given, tokens)
        except AuthorError as error:
            _log.error("session %s: %s", self._backend.session.id, error)


class _Backend:
    """The backend as it is asked from inside: the operations whose roles have to do with tokens."""

    def __init__(self, engine: Engine, session: Session) -> None:
        self._engine = engine
        self.session = session

    @property
    def hooks(self) -> Hooks | None:
        return self._engine.hooks

    @property
    def roles(self) -> Roles | None:
        return self._engine.roles

    async def login(self) -> _Tokens:
        return await self._issue("login", *login_request(self._known_roles().tokens, _login_of(self.roles)))

    async def spoil(self, token: str | None) -> _Tokens:
        """Use a refresh token up; return what it was traded for."""
        roles = self._known_roles()
        if token is None:
            raise AuthorError("the backend's login hands out no refresh token, so it cannot be a used one")
        tokens = await self._issue("refresh", *refresh_request(roles.tokens, token))
        if tokens.refresh in (None, token):
            raise AuthorError("the backend does not rotate refresh tokens, so one that was used is as good as before")
        return tokens

    async def logout(self, token: str | None) -> None:
        operation = self._operation("logout")
        answer = await self._ask(operation.method, operation.path, self._carrying(token))
        if answer.status >= 400:
            raise AuthorError(f"the backend refused {operation.id} with {answer.status}, so no token was revoked")

    async def accepts(self, token: str | None) -> bool:
        """Tell whether some operation that needs a token takes this one; False where there is none to try."""
        roles = self._known_roles()
        for operation in roles:
            if operation.method == "GET" and operation.role != "public" and "{" not in operation.path:
                answer = await self._ask("GET", operation.path, self._carrying(token))
                return answer.status < 400
        return False

    def _known_roles(self) -> Roles:
        if self.roles is None:
            raise AuthorError("the workspace has no contracts/api/roles.yaml, so sadpath cannot sign in")
        return self.roles

    def _operation(self, role: str) -> Operation:
        found = self._known_roles().operations_of(role)
        if not found:
            raise AuthorError(f"contracts/api/roles.yaml names no operation of the role {role}, which `given` needs")
        return found[0]

    def _carrying(self, token: str | None) -> _Headers:
        return [] if token is None else access_headers(self._known_roles().tokens, token)

    async def _issue(self, role: str, headers: _Headers, body: bytes) -> _Tokens:
        operation = self._operation(role)
        answer = await self._ask(operation.method, operation.path, headers, body)
        tokens = _tokens_of(answer.headers, answer.body, self._known_roles().tokens)
        if answer.status >= 400 or tokens.access is None:
            raise AuthorError(
                f"the backend answered {answer.status} to {operation.id} ({operation.method} {operation.path}), and "
                f"no token; roles.yaml says under `tokens` where an answer holds them, and under `login` who signs in"
            )
        self.session.tokens.issue(tokens.access, tokens.refresh)
        return tokens

    async def _ask(self, method: str, path: str, more: _Headers, content: bytes = b"") -> Answer:
        headers = [(b"host", b"backend"), (b"accept", b"application/json"), *more]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        try:
            return await run_app(self._engine.backend, scope, content, self.session.seam(), path=path)
        except BackendFailed as error:
            raise AuthorError(f"{error}, which `given` needs: {error.__cause__!r}") from error


def _last_issued(session: Session, roles: Roles | None) -> _Tokens | None:
    """Return the tokens that the backend has handed out last, as far as the journal knows."""
    if roles is None:
        return None
    for event in reversed(session.journal.exchanges):
        if event.issued_generation is not None:
            return _tokens_at(event, session, roles)
    return None


def _tokens_at(event: ExchangeEvent, session: Session, roles: Roles) -> _Tokens:
    """Return what an answer has handed out; tokens in its headers stand as digests in the journal, whole elsewhere."""
    said = [(name.encode(), value.encode("latin-1")) for name, value in event.response_headers]
    tokens = _tokens_of(said, event.response_body, roles.tokens)
    ledger = session.tokens
    return replace(tokens, access=ledger.behind(tokens.access), refresh=ledger.behind(tokens.refresh))


def _tokens_of(headers: _Headers, body: bytes, tokens: Tokens) -> _Tokens:
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        members = None
    out = handed_out(tokens, headers, members)
    return _Tokens(
        out.access if isinstance(out.access, str) else None,
        out.refresh if isinstance(out.refresh, str) else None,
        float(out.expires_in) if isinstance(out.expires_in, int | float) else None,
    )
