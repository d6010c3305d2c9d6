"""The backend behind the engine: what it is told, what it may do wrong, and what it does after its answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse

from sadpath.core.clock import LoopClock
from sadpath.core.errors import AuthorError
from sadpath.engine.asgi import run_app
from sadpath.engine.backend import BackendFailed
from sadpath.engine.session import Session
from sadpath.faults import FAULTS
from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.model import Rule
from sadpath.scenario.rules import Fault as Written
from tests.engine.bench import Backend, Bench, get, post, run


def test_the_seam() -> None:
    """The backend finds session, seed and data set in its scope's state, and nothing of the engine's own."""

    async def scene() -> None:
        async with Bench(seed=11) as bench:
            bench.session.data = "small-shop"
            received = await bench.ask(get("/whoami", "Connection: close"))
            assert json.loads(received.body) == {
                "session": "default",
                "seed": 11,
                "data": "small-shop",
                "keys": ["sadpath"],
            }

    run(scene)


def test_the_sessions_prefix_is_the_root_path() -> None:
    """A path with a session's prefix reaches the backend whole, with the prefix as ``root_path``, as ASGI has it."""
    app = FastAPI()

    @app.get("/where/{name}")
    async def where(name: str) -> dict[str, str]:
        return {"name": name}

    async def scene() -> None:
        async with Bench(app=app, hooks=None) as bench:
            bench.add("a")
            received = await bench.ask(get("/s/a/where/x%20y", "Connection: close"))
            assert json.loads(received.body) == {"name": "x y"}
            assert (await bench.ended(session=bench.sessions.all["a"])).path == "/where/x y"

    run(scene)


def test_an_exception_becomes_a_500_and_a_log_line() -> None:
    """A backend that raises is answered for with problem+json; the log has its traceback; the connection lives on."""

    async def scene() -> None:
        async with Bench(logs=True) as bench:
            connection = await bench.connect()
            await connection.send(post("/raises", b"{}"))
            answer = await connection.answer()
            assert answer.status == 500
            assert json.loads(answer.body)["message"] == "The backend failed"
            await connection.send(get("/item"))
            assert (await connection.answer()).status == 200
            event = await bench.ended()
            assert (event.status, event.effect.committed, event.ended.how) == (500, False, "complete")
            assert bench.logs == ["sadpath.engine: the backend failed on POST /raises"]
            assert bench.session.problems == []

    run(scene)


def test_a_frameworks_own_500_is_passed_on() -> None:
    """FastAPI answers 500 by itself and raises then: the client gets that answer, the log the exception."""
    app = FastAPI()

    @app.get("/raises")
    async def raises() -> None:
        raise RuntimeError("broken")

    async def scene() -> None:
        async with Bench(app=app, hooks=None, logs=True) as bench:
            received = await bench.ask(get("/raises", "Connection: close"))
            assert (received.status, received.body) == (500, b"Internal Server Error")
            await bench.until(lambda: bool(bench.logs))
            assert bench.logs == ["sadpath.engine: the backend failed on GET /raises"]

    run(scene)


@pytest.mark.parametrize(
    ("path", "message"),
    [("/lies", "promised 5 bytes and has 4"), ("/silent", "gave no answer")],
)
def test_what_is_no_answer_is_the_backends_authors_mistake(path: str, message: str) -> None:
    """A length that is not the body's, or no answer at all, is a 500 that says so, and the author's problem."""

    async def scene() -> None:
        async with Bench(logs=True) as bench:
            received = await bench.ask(get(path, "Connection: close"))
            assert received.status == 500
            assert message in json.loads(received.body)["message"]
            assert [type(problem) for problem in bench.session.problems] == [AuthorError]
            assert len(bench.logs) == 1

    run(scene)


def test_a_header_that_http_does_not_allow_is_caught() -> None:
    """A backend's header with a line break in it never reaches the wire."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = [(b"x-evil", b"1\r\nset-cookie: a=b"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body"})

    async def scene() -> None:
        async with Bench(app=app, hooks=None, logs=True, lifespan="off") as bench:
            received = await bench.ask(get("/item", "Connection: close"))
            assert received.status == 500
            assert b"set-cookie" not in received.head

    run(scene)


def test_a_streaming_answer_is_taken_as_it_comes_or_whole() -> None:
    """Without a fault its pieces pass one by one; for a fault they are put together. No end is told that never came."""
    app = FastAPI()

    async def pieces() -> AsyncIterator[bytes]:
        for n in range(100):
            yield b"%d," % n

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(pieces())

    async def scene() -> None:
        async with Bench(app=app, hooks=None) as bench:
            bench.inject("pass", {"truncate": 9})
            whole = await bench.ask(get("/stream", "Connection: close"))
            chunks = [b"%d," % n for n in range(100)]
            assert whole.body == b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in [*chunks, b""])
            assert (await bench.ask(get("/stream"))).body == b"9\r\n0,1,2,3,4\r\n"

    run(scene)


def test_background_tasks_do_not_hold_the_answer_up() -> None:
    """What the backend does behind its answer goes on while the client has it; the effect is noted all the same."""

    async def scene() -> None:
        async with Bench() as bench:
            connection = await bench.connect()
            await connection.send(get("/lingers"))
            assert (await connection.answer()).body == b"done"
            event = await bench.ended()
            assert event.effect.id is None
            await connection.send(get("/item"))
            assert (await connection.answer()).status == 200
            bench.backend.gate.set()
            await bench.until(lambda: event.effect.id == "background")

    run(scene)


def test_fastapis_background_tasks_run() -> None:
    """A background task of FastAPI runs to its end, though its exchange was reset."""
    app = FastAPI()
    done: list[str] = []

    @app.post("/orders")
    async def create(tasks: BackgroundTasks) -> dict[str, bool]:
        tasks.add_task(done.append, "mail")
        return {"ok": True}

    async def scene() -> None:
        async with Bench(app=app, hooks=None) as bench:
            bench.inject("reset")
            assert (await bench.ask(post("/orders", b""))).ending == "rst"
            await bench.until(lambda: done == ["mail"])

    run(scene)


def test_the_backend_learns_that_the_client_has_left() -> None:
    """A backend that waits for the client's end is told of it; the exchange is the client's to end."""

    async def scene() -> None:
        async with Bench() as bench:
            connection = await bench.connect()
            await connection.send(get("/waits"))
            await bench.until(lambda: bool(bench.backend.runs))
            assert not bench.backend.saw_disconnect.is_set()
            connection.close()
            event = await bench.ended()
            assert bench.backend.saw_disconnect.is_set()
            assert (event.ended.how, event.ended.by) == ("fin", "client")

    run(scene)


def test_effects_of_a_backend_that_does_not_speak_of_them() -> None:
    """Without hooks each unsafe success counts as one effect; with hooks the backend's word is all there is."""

    async def scene(hooks: Any, expected: list[tuple[bool, str | None]]) -> None:
        async with Bench(hooks=hooks, roles=None) as bench:
            bench.backend.speaks_of_effects = False
            await bench.ask(post("/items", b"{}", "Connection: close"))
            await bench.ask(get("/item", "Connection: close"))
            bench.inject({"status": 201})
            await bench.ask(post("/items", b"{}", "Connection: close"))
            shown = [(event.effect.committed, event.effect.id) for event in bench.session.journal.exchanges]
            assert shown == expected

    run(lambda: scene(None, [(True, "x1"), (False, None), (False, None)]))
    run(lambda: scene(True, [(False, None), (False, None), (False, None)]))


def test_a_fault_that_crashes_is_sadpaths_own_problem() -> None:
    """An exception in a fault is answered 500, kept with the session as sadpath's problem, and logged."""

    class Crash(Fault):
        """Crashes."""

        name = "crash_for_a_test"
        family = "in the response"
        phase = "response"
        summary = "Crashes."

        async def on_response(self, exchange: Exchange) -> None:
            """Crash."""
            raise ZeroDivisionError("a bug")

    async def scene() -> None:
        async with Bench(logs=True) as bench:
            written = Written(name="crash_for_a_test", settings=Crash())
            rule = Rule.model_validate({"on": "*", "fault": "html"}).model_copy(update={"fault": (written,)})
            bench.session.set_rules((rule,))
            received = await bench.ask(get("/item", "Connection: close"))
            assert received.status == 500
            assert json.loads(received.body)["message"] == "Sadpath failed: ZeroDivisionError"
            assert [str(problem) for problem in bench.session.problems] == ["ZeroDivisionError on GET /item: a bug"]
            assert [problem.party for problem in bench.session.problems] == ["sadpath"]
            assert bench.logs == ["sadpath.engine: sadpath failed on GET /item"]
            assert (await bench.ended()).fired == ()

    run(scene)
    assert "crash_for_a_test" not in FAULTS


def test_asking_a_backend_past_the_wire() -> None:
    """``run_app`` gives the whole answer of an application, waits until it has finished, and says what it raised."""

    async def scene() -> None:
        backend = Backend()
        session = Session("x", ordinal=0, clock=LoopClock())
        scope = {"type": "http", "method": "GET", "query_string": b"", "headers": [], "root_path": ""}
        answer = await run_app(backend, scope, b"", session.seam(), path="/item")
        assert (answer.status, answer.header(b"etag")) == (200, b'"v1"')
        backend.gate.set()
        seam = session.seam()
        assert (await run_app(backend, scope, b"", seam, path="/lingers")).body == b"done"
        assert seam.effects == ["background"]
        with pytest.raises(BackendFailed) as failed:
            await run_app(backend, scope, b"", session.seam(), path="/raises")
        assert isinstance(failed.value.__cause__, RuntimeError)
        with pytest.raises(AuthorError, match="gave no answer to GET /silent"):
            await run_app(backend, scope, b"", session.seam(), path="/silent")

    run(scene)
