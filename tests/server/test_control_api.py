"""The routes of the control API, over real sockets."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import sadpath
from sadpath.faults import FAULTS
from sadpath.server.runner import LiveServer
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE

LOGIN = {"email": "ada@example.com", "password": "correct-horse"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with two scenarios, one of them broken."""
    folder = tmp_path / "scenarios" / "notes"
    folder.mkdir(parents=True)
    (folder / "busy.yaml").write_text(
        "# Busy once.\ntitle: Busy once\nseed: 7\nfaults:\n  - on: notes.list\n    plan: [{status: 503}]\n"
    )
    shutil.copytree(REFERENCE / "fixtures", tmp_path / "fixtures")
    (folder / "broken.yaml").write_text("# Broken.\ntitle: Broken\nfautls: []\n")
    return Workspace(tmp_path)


Test = Callable[[httpx.AsyncClient, LiveServer], Awaitable[None]]


@pytest.fixture
def ask(serve: Callable[..., LiveServer]) -> Callable[..., None]:
    """Runs a test with a client of a server's root."""

    def run(test: Test, **options: Any) -> None:
        async def main() -> None:
            async with serve(**options) as server, httpx.AsyncClient(base_url=server.base_url) as client:
                await test(client, server)

        asyncio.run(main())

    return run


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return the members of a problem, after a look at what all of them have."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    members: dict[str, Any] = answer.json()
    assert members["status"] == status
    assert members["message"] == members["title"]
    return members


def test_health_and_version(ask: Callable[..., None]) -> None:
    """The server says that it is well, and which version it is."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        assert (await client.get("/__admin/health")).json() == {"status": "ok"}
        assert (await client.get("/__admin/version")).json()["sadpath"] == sadpath.__version__

    ask(test)


def test_scenarios_are_listed_with_what_is_wrong_with_them(ask: Callable[..., None], workspace: Workspace) -> None:
    """Each scenario is listed by name with its title; a broken file is listed with its error."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        for _ in range(2):  # the second answer comes from what the first one kept
            listed = (await client.get("/__admin/scenarios")).json()["scenarios"]
            assert [one["name"] for one in listed] == ["notes/broken", "notes/busy"]
            assert listed[1] == {"name": "notes/busy", "title": "Busy once", "error": None}
            assert "fautls" in listed[0]["error"]
        path = workspace.root / "scenarios" / "notes" / "broken.yaml"
        path.write_text("# Mended.\ntitle: Mended\n")
        listed = (await client.get("/__admin/scenarios")).json()["scenarios"]
        assert listed[0] == {"name": "notes/broken", "title": "Mended", "error": None}

    ask(test, workspace=workspace)


def test_a_scenario_is_shown_whole(ask: Callable[..., None], workspace: Workspace) -> None:
    """A scenario is shown as data, with its introduction and its text; an unknown one is a 404 with a hint."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        shown = (await client.get("/__admin/scenarios/notes/busy")).json()
        assert (shown["name"], shown["intro"]) == ("notes/busy", "Busy once.")
        assert shown["scenario"]["faults"] == [{"on": "notes.list", "plan": [{"status": 503}]}]
        assert shown["text"].startswith("# Busy once.\n")
        missing = problem(await client.get("/__admin/scenarios/notes/bussy"), 404)
        assert missing["nearest"] == "notes/busy"
        broken = problem(await client.get("/__admin/scenarios/notes/broken"), 422)
        assert (broken["field"], broken["nearest"]) == ("fautls", "faults")

    ask(test, workspace=workspace)


def test_without_a_workspace_there_are_no_scenarios(ask: Callable[..., None]) -> None:
    """A server made from a backend alone lists no scenarios and knows none."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        assert (await client.get("/__admin/scenarios")).json() == {"scenarios": []}
        problem(await client.get("/__admin/scenarios/notes/busy"), 404)

    ask(test)


def test_every_fault_is_listed(ask: Callable[..., None]) -> None:
    """The catalogue names every fault with its family, its phase and what it does."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        faults = (await client.get("/__admin/faults")).json()["faults"]
        assert [one["name"] for one in faults] == FAULTS.names()
        assert all(one["summary"] and one["family"] and one["phase"] for one in faults)

    ask(test)


def test_a_session_is_made_with_everything_that_a_client_needs(ask: Callable[..., None], workspace: Workspace) -> None:
    """A new session's answer holds an address, a header and a login that work as they stand."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        body = {"name": "shop", "scenario": "notes/busy", "seed": 3, "ttl": "60s"}
        made = await client.post("/__admin/sessions", json=body)
        assert (made.status_code, made.headers["location"]) == (201, "/__admin/sessions/shop")
        view = made.json()
        assert view["base_url"] == f"{server.base_url}/s/shop"
        assert (view["id"], view["scenario"], view["seed"]) == ("shop", "notes/busy", 7)
        assert 59 < view["ttl"] <= 60
        assert view["login"] == LOGIN
        for url, headers in ((f"{view['base_url']}/ping", {}), ("/ping", view["header"])):
            assert (await client.get(url, headers=headers)).json() == {"pong": "shop"}
        assert (await client.post(f"{view['base_url']}/gate", json=view["login"])).status_code == 200

    ask(test, workspace=workspace)


def test_a_session_needs_no_body(ask: Callable[..., None]) -> None:
    """Without a body a session gets an id of its own, the server's seed, and lives until it is deleted."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        view = (await client.post("/__admin/sessions")).json()
        assert (view["seed"], view["ttl"], view["scenario"]) == (11, None, None)
        assert (await client.get(f"/s/{view['id']}/ping")).json() == {"pong": view["id"]}

    ask(test, seed=11)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"nam": "a"}, (422, "nam", "name")),
        ({"name": "a/b"}, (422, "name", None)),
        ({"name": 3}, (422, "name", None)),
        ({"name": "taken"}, (409, "name", None)),
        ({"scenario": "notes/bussy"}, (422, "scenario", "notes/busy")),
        ({"scenario": "notes/broken"}, (422, "fautls", "faults")),
        ({"seed": "7"}, (422, "seed", None)),
        ({"ttl": 60}, (422, "ttl", None)),
        ({"ttl": "0s"}, (422, "ttl", None)),
        ({"tls": True}, (422, "tls", None)),
        ([], (422, None, None)),
        (None, (422, None, None)),
    ],
)
def test_a_session_that_cannot_be_made_leaves_nothing_behind(
    ask: Callable[..., None], workspace: Workspace, body: Any, expected: tuple[int, str | None, str | None]
) -> None:
    """Each mistake is a problem that names the field and the nearest known name, and no session comes of it."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        server.sessions.create("taken")
        answer = await client.post("/__admin/sessions", content=json.dumps(body))
        members = problem(answer, expected[0])
        assert (members["field"], members["nearest"]) == expected[1:]
        assert [session.id for session in server.sessions] == ["default", "taken"]

    ask(test, workspace=workspace)


def test_the_bound_on_sessions_is_named(ask: Callable[..., None]) -> None:
    """Beyond the bound a session is refused with 503 and the bound; deleting one makes room."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        first = (await client.post("/__admin/sessions")).json()["id"]
        await client.post("/__admin/sessions")
        assert "2 sessions" in problem(await client.post("/__admin/sessions"), 503)["message"]
        await client.delete(f"/__admin/sessions/{first}")
        assert (await client.post("/__admin/sessions")).status_code == 201

    ask(test, max_sessions=2)


def test_sessions_are_listed_and_shown(ask: Callable[..., None]) -> None:
    """The list begins with the default session, which also counts the requests that named none."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        await client.post("/__admin/sessions", json={"name": "a"})
        await client.get("/ping")
        await client.get("/s/a/ping")
        await client.get("/s/default/ping")
        listed = (await client.get("/__admin/sessions")).json()["sessions"]
        assert [(one["id"], one["exchanges"]) for one in listed] == [("default", 2), ("a", 1)]
        assert listed[0]["default_requests"] == 1
        assert (await client.get("/__admin/sessions/a")).json()["id"] == "a"

    ask(test)


def test_deleting(ask: Callable[..., None]) -> None:
    """A deleted session is gone for its client, the control API and the backend; the default one stays."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        await client.post("/__admin/sessions", json={"name": "a"})
        await client.get("/s/a/ping")
        backend: Any = server.engine.backend
        assert "a" in backend.doors
        assert (await client.delete("/__admin/sessions/a")).status_code == 204
        assert "a" not in backend.doors
        assert "'a'" in problem(await client.get("/s/a/ping"), 404)["message"]
        problem(await client.delete("/__admin/sessions/a"), 404)
        problem(await client.delete("/__admin/sessions/default"), 409)
        assert (await client.get("/ping")).status_code == 200

    ask(test)


ROUTES = [
    ("GET", "", None),
    ("DELETE", "", None),
    ("PUT", "/scenario", {"inline": {"title": "x"}}),
    ("POST", "/reset", None),
    ("POST", "/clock", {"advance": "1s"}),
    ("GET", "/journal", None),
]


@pytest.mark.parametrize("path", ["health", "scenarios", "sessions", "sessions/default", "sessions/default/journal"])
def test_heads_of_answers_can_be_had_alone(ask: Callable[..., None], path: str) -> None:
    """HEAD is answered as GET is, without the body."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        answer = await client.head(f"/__admin/{path}")
        assert (answer.status_code, answer.content) == (200, b"")

    ask(test)


def test_what_went_wrong_on_our_side_is_shown(ask: Callable[..., None]) -> None:
    """A session says what was neither the client's fault nor a fault injected, such as a payload that is not there."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        rules = [{"on": "ping", "fault": {"status": {"code": 503, "body": {"fixture": "missing"}}}}]
        inline = {"title": "x", "faults": rules}
        await client.put("/__admin/sessions/default/scenario", json={"inline": inline})
        assert (await client.get("/ping")).status_code == 500
        assert "missing" in (await client.get("/__admin/sessions/default")).json()["problems"][0]
        assert (await client.post("/__admin/sessions/default/reset")).json()["problems"] == []

    ask(test)


@pytest.mark.parametrize(("method", "route", "body"), ROUTES)
def test_an_unknown_session_is_a_404_everywhere(ask: Callable[..., None], method: str, route: str, body: Any) -> None:
    """Every route of one session answers 404 where there is none of that id."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        answer = await client.request(method, f"/__admin/sessions/gone{route}", json=body)
        assert "'gone'" in problem(answer, 404)["message"]

    ask(test)


def test_a_scenario_takes_effect_from_the_next_exchange(ask: Callable[..., None], workspace: Workspace) -> None:
    """Put by name or whole, a scenario is in force from the next exchange, and its counters start anew each time."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        await client.post("/__admin/sessions", json={"name": "a"})

        async def statuses() -> list[int]:
            return [(await client.get(f"/s/a/{path}")).status_code for path in ("notes", "notes", "ping")]

        assert await statuses() == [401, 401, 200]
        url = "/__admin/sessions/a/scenario"
        view = (await client.put(url, json={"name": "notes/busy"})).json()
        assert (view["scenario"], view["seed"]) == ("notes/busy", 7)
        assert await statuses() == [503, 401, 200]
        await client.put(url, json={"name": "notes/busy"})
        assert await statuses() == [503, 401, 200]
        inline = {"title": "Ping is down", "faults": [{"on": "ping", "fault": {"status": 500}}]}
        assert (await client.put(url, json={"inline": inline})).json()["scenario"] is None
        assert await statuses() == [401, 401, 500]

    ask(test, workspace=workspace)


@pytest.mark.parametrize(
    ("body", "field", "nearest"),
    [
        ({"name": "notes/bussy"}, "name", "notes/busy"),
        ({"name": "notes/broken"}, "fautls", "faults"),
        ({"inline": {"title": "x", "faults": [{"on": "ping", "fault": "staus"}]}}, "faults[0].fault", "status"),
        ({"inline": {"title": "x", "calls": 3}}, "calls", None),
        ({"inline": {}}, "title", None),
        ({"inline": []}, "inline", None),
        ({}, None, None),
        ({"name": "notes/busy", "inline": {"title": "x"}}, None, None),
        ({"nome": "notes/busy"}, "nome", "name"),
        ({"inline": {"title": "x", "given": {"data": {"fixture": "smal-shop"}}}}, "given.data.fixture", "small-shop"),
    ],
)
def test_a_refused_scenario_leaves_the_former_in_force(
    ask: Callable[..., None], workspace: Workspace, body: Any, field: str | None, nearest: str | None
) -> None:
    """A scenario that cannot be had is a 422 with field and nearest name; the one in force goes on counting."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        url = "/__admin/sessions/default/scenario"
        plan = [{"status": 501}, {"status": 502}]
        await client.put(url, json={"inline": {"title": "Two", "faults": [{"on": "ping", "plan": plan}]}})
        assert (await client.get("/ping")).status_code == 501
        members = problem(await client.put(url, json=body), 422)
        assert (members["field"], members["nearest"]) == (field, nearest)
        assert (await client.get("/ping")).status_code == 502
        scenario = server.sessions.default.scenario
        assert scenario is not None
        assert scenario.title == "Two"

    ask(test, workspace=workspace)


def test_a_scenario_changes_only_what_it_names(ask: Callable[..., None]) -> None:
    """Data, tokens, clock and journal stay as they were where ``given`` does not name them."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        entered = (await client.post("/gate", json=LOGIN)).json()["pass"]
        auth = {"Authorization": f"Bearer {entered}"}
        await client.post("/notes", json={"text": "milk"}, headers=auth)
        await client.post("/__admin/sessions/default/clock", json={"advance": "60s"})
        inline = {"title": "x", "given": {"network": {"latency": "1ms"}}}
        await client.put("/__admin/sessions/default/scenario", json={"inline": inline})
        assert (await client.get("/notes", headers=auth)).json()["notes"] == ["milk"]
        view = (await client.get("/__admin/sessions/default")).json()
        assert (view["clock"]["advanced"], view["exchanges"]) == (60.0, 3)

    ask(test)


def test_a_reset_begins_anew(ask: Callable[..., None]) -> None:
    """A reset forgets data, tokens, counters, clock and journal; the scenario is in force from its first step."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        inline = {"title": "x", "faults": [{"on": "ping", "plan": [{"status": 503}]}]}
        await client.put("/__admin/sessions/default/scenario", json={"inline": inline})
        entered = (await client.post("/gate", json=LOGIN)).json()["pass"]
        assert [(await client.get("/ping")).status_code for _ in range(2)] == [503, 200]
        await client.post("/__admin/sessions/default/clock", json={"advance": "60s"})
        view = (await client.post("/__admin/sessions/default/reset")).json()
        assert (view["exchanges"], view["clock"]["advanced"]) == (0, 0.0)
        assert [(await client.get("/ping")).status_code for _ in range(2)] == [503, 200]
        auth = {"Authorization": f"Bearer {entered}"}
        assert (await client.get("/notes", headers=auth)).status_code == 401

    ask(test)


def test_the_clock_moves_forward(ask: Callable[..., None]) -> None:
    """An advance lets tokens expire, moves the Date header, and touches no other session."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        await client.post("/__admin/sessions", json={"name": "a"})
        tokens = {}
        for base in ("", "/s/a"):
            answer = await client.post(f"{base}/gate", json=LOGIN)
            tokens[base] = {"Authorization": f"Bearer {answer.json()['pass']}"}
        view = (await client.post("/__admin/sessions/a/clock", json={"advance": "1h"})).json()
        assert view["clock"]["advanced"] == 3600.0
        assert (await client.get("/notes", headers=tokens[""])).status_code == 200
        assert (await client.get("/s/a/notes", headers=tokens["/s/a"])).status_code == 401
        dates = [httpx.Response(200, headers=(await client.get(f"{base}/ping")).headers) for base in ("", "/s/a")]
        assert dates[0].headers["date"] != dates[1].headers["date"]

    ask(test)


@pytest.mark.parametrize("advance", ["60", 60, "-1s", "0s", "NaNs", "3651d", "99999999999d", None, ["1s"]])
def test_what_no_clock_can_do_is_refused(ask: Callable[..., None], advance: Any) -> None:
    """Durations without a unit, backward, endless or beyond ten years are a 422, and the clock stands."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        answer = await client.post("/__admin/sessions/default/clock", json={"advance": advance})
        assert problem(answer, 422)["field"] == "advance"
        assert server.sessions.default.clock.offset == 0.0

    ask(test)


def test_advances_are_bounded_in_sum(ask: Callable[..., None]) -> None:
    """Many advances together cannot move a clock beyond ten years: dates would not fit into HTTP's."""

    async def test(client: httpx.AsyncClient, server: LiveServer) -> None:
        url = "/__admin/sessions/default/clock"
        assert (await client.post(url, json={"advance": "3000d"})).status_code == 200
        assert "3650d" in problem(await client.post(url, json={"advance": "651d"}), 422)["message"]
        assert server.sessions.default.clock.offset == 3000 * 86_400.0
        assert (await client.get("/ping")).status_code == 200

    ask(test)


def test_the_journal_comes_as_json_and_as_lines(ask: Callable[..., None]) -> None:
    """Both forms hold the same events in the same order, and say how many were dropped."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        for _ in range(3):
            await client.get("/s/default/ping")
        url = "/__admin/sessions/default/journal"
        whole = (await client.get(url)).json()
        assert [event["exchange"] for event in whole["events"] if event["event"] == "exchange"] == [2, 3]
        assert whole["dropped"] == 2
        lines = await client.get(f"{url}?format=ndjson")
        assert lines.headers["content-type"] == "application/x-ndjson"
        assert lines.headers["x-sadpath-dropped"] == "2"
        assert [json.loads(line) for line in lines.text.splitlines()] == whole["events"]
        assert problem(await client.get(f"{url}?format=xml"), 422)["field"] == "format"

    ask(test, journal_limit=2)


@pytest.mark.parametrize("path", ["/__admin", "/__admin/", "/__admin/x", "/__admin/sessions/", "/__admin/health/"])
def test_what_is_not_there_is_a_404(ask: Callable[..., None], path: str) -> None:
    """Other paths of the control API are a 404 problem, never the backend's."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        problem(await client.get(path), 404)

    ask(test)


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("POST", "health", {"GET", "HEAD"}), ("PUT", "sessions", {"GET", "POST"})]
)
def test_another_method_is_a_405(ask: Callable[..., None], method: str, path: str, allow: set[str]) -> None:
    """A method that a route has not is a 405 problem that lists those it has."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        answer = await client.request(method, f"/__admin/{path}")
        problem(answer, 405)
        assert allow <= {name.strip() for name in answer.headers["allow"].split(",")}

    ask(test)


@pytest.mark.parametrize("body", [b"{", b"name=a", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_a_400(ask: Callable[..., None], body: bytes) -> None:
    """A body that is no JSON is a 400 that says so."""

    async def test(client: httpx.AsyncClient, _server: LiveServer) -> None:
        assert "not JSON" in problem(await client.post("/__admin/sessions", content=body), 400)["message"]

    ask(test)
