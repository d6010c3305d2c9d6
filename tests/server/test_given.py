"""The world that a scenario begins in, for clients that are told their tokens and for those that sign in themselves."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from sadpath.core.clock import LoopClock
from sadpath.core.errors import AuthorError
from sadpath.engine.session import Session
from sadpath.scenario.model import Scenario
from sadpath.scenario.roles import Roles
from sadpath.server.given import Grant, apply_scenario, credentials, prepare
from sadpath.server.runner import LiveServer

LOGIN = {"email": "ada@example.com", "password": "correct-horse"}
STATES = ["valid", "expired", "revoked", "none"]
REFRESH_STATES = ["valid", "expired", "revoked", "used", "none"]


class World:
    """A session of a server, and how it treats tokens."""

    def __init__(self, server: LiveServer, session: Session, client: httpx.AsyncClient) -> None:
        self.server = server
        self.session = session
        self.client = client

    async def access(self, token: str | None) -> int:
        """Return the status of a request with this access token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return (await self.client.get("/notes", headers=headers)).status_code

    async def refresh(self, token: str | None) -> int:
        """Return the status of a refresh with this token."""
        return (await self.client.post("/gate/renewal", json={"renewal": token})).status_code

    async def login(self) -> dict[str, Any]:
        """Sign in as a client does."""
        members: dict[str, Any] = (await self.client.post("/gate", json=LOGIN)).json()
        return members

    async def apply(self, scenario: Scenario) -> None:
        """Put a scenario in force as the control API does."""
        await apply_scenario(self.server.engine, self.session, scenario)


@pytest.fixture
def world(serve: Callable[..., LiveServer]) -> Callable[..., None]:
    """Runs a test in the world of a session."""

    def run(test: Callable[[World], Awaitable[None]], backend: Any = None, **options: Any) -> None:
        async def main() -> None:
            async with serve(backend, **options) as server:
                session = server.sessions.create("a")
                async with httpx.AsyncClient(base_url=server.url_of("a")) as client:
                    await test(World(server, session, client))

        asyncio.run(main())

    return run


def check_prepared(world: Callable[..., None], backend: Any, content: Scenario) -> None:
    """Check that the tokens that are handed out are in the states that the scenario names."""
    given = content.given

    async def test(world: World) -> None:
        grant = await prepare(world.server.engine, world.session, content, name="x")
        assert (grant.access_token is None) == (given.access_token == "none")
        assert (grant.refresh_token is None) == (given.refresh_token == "none")
        if given.access_token == "expired":
            assert grant.expires_in is not None
            assert grant.expires_in <= 0
        else:
            assert grant.expires_in == (None if given.access_token == "none" else 600)
        assert await world.access(grant.access_token) == (200 if given.access_token == "valid" else 401)
        if grant.refresh_token is not None:
            assert await world.refresh(grant.refresh_token) == (200 if given.refresh_token == "valid" else 400)
        assert world.session.scenario is content
        assert world.session.scenario_name == "x"

    world(test, backend)


@pytest.mark.parametrize(("access", "refresh"), list(itertools.product(STATES, REFRESH_STATES)))
def test_tokens_come_in_every_state(
    world: Callable[..., None], notes: Callable[..., Any], scenario: Callable[..., Scenario], access: str, refresh: str
) -> None:
    """With hooks every pair of states can be had, and the backend treats the tokens accordingly."""
    check_prepared(world, notes(), scenario(given={"access_token": access, "refresh_token": refresh}))


WITHOUT_HOOKS = [
    ("valid", "valid"),
    ("valid", "revoked"),
    ("valid", "used"),
    ("valid", "none"),
    ("expired", "valid"),
    ("expired", "revoked"),
    ("expired", "used"),
    ("expired", "none"),
    ("revoked", "revoked"),
    ("none", "valid"),
    ("none", "revoked"),
    ("none", "used"),
    ("none", "none"),
]


@pytest.mark.parametrize(("access", "refresh"), list(itertools.product(STATES, REFRESH_STATES)))
def test_without_hooks_states_are_worked_around_or_refused(
    world: Callable[..., None], notes: Callable[..., Any], scenario: Callable[..., Scenario], access: str, refresh: str
) -> None:
    """Without hooks a pair of states is had by clock, use or sign-out, or refused with the hook that it needs."""
    content = scenario(given={"access_token": access, "refresh_token": refresh})
    if (access, refresh) in WITHOUT_HOOKS:
        check_prepared(world, notes(hooks=False), content)
        return

    async def test(world: World) -> None:
        with pytest.raises(AuthorError, match=r"^given\.\w+_token: \w+.* needs a backend with the hook `\w+`"):
            await prepare(world.server.engine, world.session, content)

    world(test, notes(hooks=False))


def test_a_backend_that_reads_no_clock_cannot_let_tokens_expire(
    world: Callable[..., None], notes: Callable[..., Any], scenario: Callable[..., Scenario]
) -> None:
    """Moving the clock of a backend that does not heed it is noticed, not taken for an expired token."""

    async def test(world: World) -> None:
        with pytest.raises(AuthorError, match="reads the session's clock"):
            await prepare(world.server.engine, world.session, scenario(given={"access_token": "expired"}))

    world(test, notes(hooks=False, clock=False))


def test_a_backend_that_does_not_rotate_has_no_used_tokens(
    world: Callable[..., None], notes: Callable[..., Any], scenario: Callable[..., Scenario]
) -> None:
    """Where a refresh hands out no other token, the old one stays good, and ``used`` is refused."""

    async def test(world: World) -> None:
        with pytest.raises(AuthorError, match="does not rotate"):
            await prepare(world.server.engine, world.session, scenario(given={"refresh_token": "used"}))

    world(test, notes(rotates=False))


def test_preparing_leaves_no_trace_but_numbers(world: Callable[..., None], scenario: Callable[..., Scenario]) -> None:
    """The login happens past journal and plan; the tokens that are handed out have their numbers."""

    async def test(world: World) -> None:
        content = scenario(given={"refresh_token": "used"}, faults=[{"on": "*", "plan": [{"status": 503}]}])
        grant = await prepare(world.server.engine, world.session, content)
        tokens = world.session.tokens
        assert world.session.journal.events == []
        assert (tokens.access(grant.access_token or ""), tokens.refresh(grant.refresh_token or "")) == (2, 1)
        assert await world.access(grant.access_token) == 503
        assert await world.access(grant.access_token) == 200
        first = world.session.journal.exchanges[0]
        assert (first.exchange, first.token_generation) == (1, 2)

    world(test)


def test_the_data_are_there_before_the_login(world: Callable[..., None], scenario: Callable[..., Scenario]) -> None:
    """The data set that ``given`` names is the one that the tokens are of."""

    async def test(world: World) -> None:
        content = scenario(seed=5, given={"data": {"fixture": "wide-shop"}})
        grant = await prepare(world.server.engine, world.session, content)
        answer = await world.client.get("/notes", headers={"Authorization": f"Bearer {grant.access_token}"})
        assert (answer.json()["data"], answer.json()["seed"]) == ("wide-shop", 5)

    world(test)


def test_a_signed_out_start_asks_the_backend_nothing(
    world: Callable[..., None], notes: Callable[..., Any], scenario: Callable[..., Scenario]
) -> None:
    """With neither token there is no login, and the credentials are handed out all the same."""
    backend = notes()

    async def test(world: World) -> None:
        content = scenario(given={"access_token": "none", "refresh_token": "none"})
        grant = await prepare(world.server.engine, world.session, content)
        assert grant.signed_out
        assert grant.to_json() == {"access_token": None, "refresh_token": None, "expires_in": None, **LOGIN}
        assert backend.doors == {}

    world(test, backend)


def test_a_grant_with_one_token_is_not_signed_out() -> None:
    """Only a grant without both tokens counts as signed out."""
    assert not Grant(None, "refresh", None, **LOGIN).signed_out
    assert not Grant("access", None, 1.0, **LOGIN).signed_out


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ({"ping": {"role": "public", "method": "GET", "path": "/ping"}}, "no operation of the role login"),
        ({"ping": {"role": "login", "method": "GET", "path": "/ping"}}, r"answered 200 to ping \(GET /ping\)"),
        ({"ping": {"role": "login", "method": "POST", "path": "/notes"}}, r"answered 401 to ping"),
    ],
)
def test_a_login_that_hands_out_nothing_is_the_authors_error(
    world: Callable[..., None], scenario: Callable[..., Scenario], operations: dict[str, Any], message: str
) -> None:
    """Roles that name no login, or one that gives no tokens, are an error that says what was asked and answered."""

    async def test(world: World) -> None:
        world.server.engine.roles = Roles.model_validate({"operations": operations})
        with pytest.raises(AuthorError, match=message):
            await prepare(world.server.engine, world.session, scenario())

    world(test)


def test_a_backend_that_fails_on_login_is_named(
    world: Callable[..., None], notes: Callable[..., Any], scenario: Callable[..., Scenario]
) -> None:
    """A backend that raises on the login is an error that says so, with what it raised."""

    class Broken:
        def __init__(self) -> None:
            self.well = notes()

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                raise ZeroDivisionError("no door")
            await self.well(scope, receive, send)

    async def test(world: World) -> None:
        with pytest.raises(AuthorError, match=r"failed on POST /gate, .*ZeroDivisionError\('no door'\)"):
            await prepare(world.server.engine, world.session, scenario())

    world(test, Broken())


def test_without_roles_nobody_can_sign_in(world: Callable[..., None], scenario: Callable[..., Scenario]) -> None:
    """A workspace without roles is told that its roles file is missing."""

    async def test(world: World) -> None:
        world.server.engine.roles = None
        with pytest.raises(AuthorError, match=r"roles\.yaml"):
            await prepare(world.server.engine, world.session, scenario())
        assert credentials(None) == LOGIN

    world(test)


@pytest.mark.parametrize("hooks", [True, False])
@pytest.mark.parametrize(
    ("given", "access", "refresh"),
    [
        ({"access_token": "expired"}, 401, 200),
        ({"refresh_token": "used"}, 200, 400),
        ({"refresh_token": "revoked"}, 200, 400),
        ({"access_token": "expired", "refresh_token": "used"}, 401, 400),
        ({"access_token": "revoked", "refresh_token": "revoked"}, 401, 400),
        ({"access_token": "valid"}, 200, 200),
        ({"access_token": "none", "refresh_token": "none"}, 200, 200),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_tokens_of_a_client_that_signs_in_itself_change(  # noqa: PLR0917 - each argument is a parameter
    world: Callable[..., None],
    notes: Callable[..., Any],
    scenario: Callable[..., Scenario],
    hooks: bool,
    given: dict[str, str],
    access: int,
    refresh: int,
    before: bool,
) -> None:
    """What ``given`` names happens to the tokens of a client that is signed in, or else to those of its next login."""

    async def test(world: World) -> None:
        tokens = await world.login() if before else {}
        await world.apply(scenario(given=given))
        if not before:
            tokens = await world.login()
        assert await world.access(tokens["pass"]) == access
        assert await world.refresh(tokens["renewal"]) == refresh

    world(test, notes(hooks=hooks))


def test_only_the_next_login_is_affected(world: Callable[..., None], scenario: Callable[..., Scenario]) -> None:
    """``given`` is about the world before the first call: a client that signs in again is well."""

    async def test(world: World) -> None:
        await world.apply(scenario(given={"access_token": "expired"}))
        assert await world.access((await world.login())["pass"]) == 401
        assert await world.access((await world.login())["pass"]) == 200

    world(test)


def test_another_scenario_takes_the_former_ones_place(
    world: Callable[..., None], scenario: Callable[..., Scenario]
) -> None:
    """A scenario that waits for a login no longer does once another is put in force."""

    async def test(world: World) -> None:
        await world.apply(scenario(given={"access_token": "expired"}))
        await world.apply(scenario())
        assert await world.access((await world.login())["pass"]) == 200

    world(test)


def test_a_reset_lets_the_world_begin_again(
    world: Callable[..., None], scenario: Callable[..., Scenario], notes: Callable[..., Any]
) -> None:
    """After a reset by the control API the next login is the first one again."""

    async def test(world: World) -> None:
        await world.apply(scenario(given={"access_token": "expired"}))
        assert await world.access((await world.login())["pass"]) == 401
        answer = await world.client.post(f"{world.server.base_url}/__admin/sessions/a/reset")
        assert answer.status_code == 200
        assert await world.access((await world.login())["pass"]) == 401

    world(test, notes())


def test_naming_other_data_begins_with_them(
    world: Callable[..., None], scenario: Callable[..., Scenario], notes: Callable[..., Any]
) -> None:
    """Another data set means a backend that has forgotten the former; naming the same one changes nothing."""
    backend = notes()

    async def test(world: World) -> None:
        content = scenario(given={"data": {"fixture": "wide-shop"}})
        await world.apply(content)
        tokens = await world.login()
        await world.apply(content)
        assert await world.access(tokens["pass"]) == 200
        await world.apply(scenario(given={"data": {"fixture": "small-shop"}}))
        assert await world.access(tokens["pass"]) == 401

    world(test, backend)


def test_a_seed_that_comes_later_leaves_data_and_tokens_alone(
    world: Callable[..., None], scenario: Callable[..., Scenario]
) -> None:
    """A scenario's seed in a running session is that of chance; the data keep theirs until a reset."""

    async def test(world: World) -> None:
        token = (await world.login())["pass"]

        async def seed() -> int:
            answer = await world.client.get("/notes", headers={"Authorization": f"Bearer {token}"})
            return int(answer.json()["seed"])

        assert await seed() == 0
        await world.apply(scenario(seed=7))
        assert (world.session.seed, await seed()) == (7, 0)
        await world.apply(scenario(seed=8, given={"data": {"fixture": "wide-shop"}}))
        token = (await world.login())["pass"]
        assert await seed() == 8
        await world.apply(scenario(seed=9))
        assert await seed() == 8
        world.server.sessions.reset("a")
        token = (await world.login())["pass"]
        assert await seed() == 9

    world(test)


def test_what_cannot_be_arranged_leaves_the_former_scenario(
    world: Callable[..., None], scenario: Callable[..., Scenario], notes: Callable[..., Any]
) -> None:
    """The control API answers 422 where the backend cannot be brought into a state, and the former scenario stays."""

    async def test(world: World) -> None:
        await world.login()
        await world.apply(scenario(faults=[{"on": "ping", "fault": {"status": 503}}]))
        inline = {"title": "x", "given": {"refresh_token": "expired"}}
        url = f"{world.server.base_url}/__admin/sessions/a/scenario"
        answer = await world.client.put(url, json={"inline": inline})
        assert answer.status_code == 422
        assert "needs a backend with the hook" in answer.json()["message"]
        assert (await world.client.get("/ping")).status_code == 503

    world(test, notes(hooks=False))


def test_what_a_later_login_cannot_have_is_said_aloud(
    world: Callable[..., None],
    scenario: Callable[..., Scenario],
    notes: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where the state of a later login cannot be had, that is logged with the session's name; the client is served."""

    async def test(world: World) -> None:
        await world.apply(scenario(given={"refresh_token": "expired"}))
        tokens = await world.login()
        assert await world.access(tokens["pass"]) == 200
        await LoopClock().sleep(0)

    with caplog.at_level(logging.ERROR):
        world(test, notes(hooks=False))
    assert [record.getMessage() for record in caplog.records] == [
        "session a: given.refresh_token: expired needs a backend with the hook `expire`; `used` does not"
    ]
