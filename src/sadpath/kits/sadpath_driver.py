"""Lets sadpath drive your Python client: the kit for a driver over stdio, in one file without dependencies.

Copy it beside your driver. A driver is a function that makes your client, and a function for each operation:

    from sadpath_driver import Call, Case, Failure, serve

    def create(case: Case):
        return MyClient(case.base_url, token=case.access_token)

    def get_user(client, args, call: Call):
        return client.get_user(args["id"])             # what your caller gets, as JSON

    serve(create, {"users.get": get_user}, name="my-app", capabilities=["retry"])

Functions may be ``async``: then cancelling a call is cancelling its task. Others run in threads, so a call that hangs
stops nothing else. Say how a call failed with ``Failure``; whatever else is raised counts as an exception that escaped
your client. What you print goes to the log, never into the protocol.

The client that ``create`` returns may also have these, each of them optional and ``async`` or not: ``close()``,
``settle()`` (wait for background work), ``offline(hint)``, ``advance(seconds)``, ``resume(auth)`` (replace the
session), and the attributes ``signed_in``, ``logouts``, ``background_errors`` and ``log``.

Python 3.9 or newer. The protocol: docs/drivers.md of sadpath.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["Call", "Cancelled", "Case", "Failure", "NotSupported", "Value", "serve"]

MARK = "@sadpath "
Create = Callable[["Case"], Any]
Operation = Callable[[Any, dict[str, Any], "Call"], Any]


class NotSupported(Exception):
    """Raised by ``create`` or an operation for what your client cannot do: the case is then ``unsupported``."""


class Cancelled(Exception):
    """Raised by an operation that is no coroutine when it has been cancelled (``call.cancelled`` is set then)."""


class Failure(Exception):
    """Raised by an operation when the call failed and your caller is told so.

    Args:
        kind: ``timeout.read``, ``refused``, ``reset``, ``truncated``, ``decode``, ``unauthorized``, ``server``, …
            (docs/drivers.md has them all); ``other`` where your client does not say.
        message: what your caller reads.
        status: the HTTP status, if there was one.
        retry_after_ms: how long your caller is told to wait.
        effect_unknown: whether your client says that the request may have taken effect all the same.
        native: the name of your client's own error; default: that of the exception that caused this one.
        attempts: how many requests the call has sent, if your client counts them.
        value: what your caller got all the same, such as the pages before one that failed.
    """

    def __init__(
        self,
        kind: str = "other",
        message: str = "",
        *,
        status: int | None = None,
        retry_after_ms: float | None = None,
        effect_unknown: bool = False,
        native: str | None = None,
        attempts: int | None = None,
        value: Any = None,
    ) -> None:
        super().__init__(message or kind)
        self.report: dict[str, Any] = {"kind": kind, "message": message, "status": status, "native": native}
        self.report |= {"retry_after_ms": retry_after_ms, "effect_unknown": effect_unknown}
        self.attempts = attempts
        self.value = value


class Value:
    """Returned by an operation that knows more than the value: status, source (``network`` or ``cache``), attempts."""

    def __init__(
        self,
        json: Any = None,
        *,
        status: int | None = None,
        source: str | None = None,
        stale: bool | None = None,
        age_ms: float | None = None,
        attempts: int | None = None,
    ) -> None:
        self.value = {"status": status, "json": json}
        self.more = {"source": source, "stale": stale, "age_ms": age_ms, "attempts": attempts}


class Case:
    """What a case begins with; ``message`` is all of it, as it came."""

    def __init__(self, message: dict[str, Any]) -> None:
        auth = message.get("auth") or {}
        self.message = message
        self.id: str = message["id"]
        self.name: str = message["case"]
        self.base_url: str = message["base_url"]
        self.other_origin: str | None = message.get("other_origin")
        self.tls_ca: str | None = message.get("tls_ca")
        """The certificate authority to trust, as PEM text; None without TLS."""
        self.auth: dict[str, Any] | None = message.get("auth")
        """Tokens and credentials; None: signed out."""
        self.access_token: str | None = auth.get("access_token")
        self.refresh_token: str | None = auth.get("refresh_token")
        self.expires_in: float | None = auth.get("expires_in")
        self.cache: list[dict[str, Any]] = message.get("cache") or []
        self.policy: dict[str, Any] | None = message.get("policy")


class Call:
    """One call, as the operation is asked for it."""

    def __init__(self, step: dict[str, Any], i: int) -> None:
        self.name: str = step["call"]
        self.i = i
        self.op: str = step["op"]
        self.pages = bool(step.get("pages"))
        """Whether every page is wanted, as one list of items."""
        self.replayable = bool(step.get("replayable", True))
        """False: the body can be read once."""
        self.headers = {"X-Sadpath-Call": f"{self.name}/{i}"}
        """What a client that declares ``call_tag`` sends with the call's own requests."""
        self.cancelled = threading.Event()
        """Set when the call is cancelled: for operations that are no coroutines."""


def serve(
    create: Create,
    operations: Mapping[str, Operation],
    *,
    name: str,
    version: str = "",
    http: str = "",
    capabilities: Sequence[str] = (),
    max_parallel: int = 1,
) -> None:
    """Answer sadpath until it says bye, then end the process.

    Args:
        create: makes your client for one case; each case has a new one.
        operations: what your client can do.
        name, version, http: your client's, the last being its HTTP library.
        capabilities: what your client can do beyond sending requests; the contract may promise no others.
        max_parallel: how many cases at a time.
    """
    client = {"name": name, "version": version, "language": "python", "http": http}
    hello: dict[str, Any] = {"t": "hello", "protocol": 1, "client": client, "capabilities": list(capabilities)}
    hello |= {"operations": list(operations), "max_parallel": max_parallel}
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)  # whatever prints to stdout, in whatever language, is log
    asyncio.run(_Driver(create, operations, hello, out).serve())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of calls that hang are not waited for


class _Life:
    """A client, while its case lasts."""

    def __init__(self) -> None:
        self.client: Any = None
        self.tasks: set[asyncio.Future[Any]] = set()


class _Driver:
    def __init__(self, create: Create, operations: Mapping[str, Operation], hello: dict[str, Any], out: Any) -> None:
        self._create, self._operations, self._hello, self._out = create, operations, hello, out
        self._writing, self._lives = threading.Lock(), dict[str, _Life]()
        self._tasks: set[asyncio.Future[Any]] = set()

    def _say(self, message: dict[str, Any]) -> None:
        try:
            line = MARK + json.dumps(message) + "\n"
        except (TypeError, ValueError, RecursionError) as error:  # no JSON, or nested too deep: said without it
            bare = {"value": None} if message["t"] == "outcome" else {"log": "", "background_errors": []}
            sys.stderr.write(f"what the driver has to say is no JSON: {error}\n")
            line = MARK + json.dumps({**message, **bare}) + "\n"
        with self._writing:
            self._out.write(line)
            self._out.flush()

    async def serve(self) -> None:
        """Hear messages in a thread, which answers pings itself."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def hear() -> None:
            for line in sys.stdin.buffer:
                message = json.loads(line)
                if message["t"] == "ping":
                    self._say({"t": "pong"})
                elif message["t"] == "hello":
                    self._say(self._hello)
                elif message["t"] == "bye":
                    break
                else:
                    loop.call_soon_threadsafe(self._take, message)
            loop.call_soon_threadsafe(over.set_result, None)

        threading.Thread(target=hear, daemon=True).start()
        await over

    def _take(self, message: dict[str, Any]) -> None:
        work = self._reset(message.get("id")) if message["t"] == "reset" else self._run(message)
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reset(self, case: str | None) -> None:
        for life in [self._lives.pop(name) for name in list(self._lives) if case in (None, name)]:
            for task in list(life.tasks):
                task.cancel()
            try:
                await _perhaps(life.client, "close")
            except Exception:  # noqa: BLE001 - whatever a client raises, the next case begins
                traceback.print_exc()
        self._say({"t": "ok"})

    async def _run(self, message: dict[str, Any]) -> None:
        case = Case(message)
        try:
            run = _Run(self._operations, message, self._say)
            run.life = await self._life(case, message)
            end = await run.play()
        except NotSupported as no:
            end = {"t": "unsupported", "why": str(no)}
        except Exception as error:  # noqa: BLE001 - what fails here is the driver
            traceback.print_exc()
            end = {"t": "driver_error", "message": f"{type(error).__name__}: {error}"}
        self._say({"id": case.id, **end})

    async def _life(self, case: Case, message: dict[str, Any]) -> _Life:
        if not message.get("continues"):
            life = self._lives[case.id] = _Life()
            life.client = await _called(self._create, case)
            return life
        life = self._lives[case.id]
        if case.auth is not None:
            if not hasattr(life.client, "resume"):
                raise NotSupported("the session of a client that lives cannot be replaced")
            await _perhaps(life.client, "resume", case.auth)
        return life


class _Run:
    """One ``run`` at work."""

    life: _Life

    def __init__(
        self, operations: Mapping[str, Operation], message: dict[str, Any], say: Callable[[dict[str, Any]], None]
    ) -> None:
        self._operations = operations
        self._id = message["id"]
        self._steps = message["calls"]
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._deadline = self._begun + message["deadline_ms"] / 1000
        for step in self._steps:
            for call in step.get("parallel") or [step]:
                if "op" in call and call["op"] not in operations:
                    raise NotSupported(f"there is no operation {call['op']}")

    def _ms(self) -> float:
        return round((self._loop.time() - self._begun) * 1000, 3)

    async def play(self) -> dict[str, Any]:
        """Make the calls, wait for background work, and return the end."""
        client = self.life.client
        for step in self._steps:
            if "parallel" in step:
                calls = [(call, i) for call in step["parallel"] for i in range(call.get("times", 1))]
                await asyncio.gather(*(self._call(call, i) for call, i in calls))
            elif "advance_ms" in step:
                seconds = step["advance_ms"] / 1000
                if not await _perhaps(client, "advance", seconds):
                    await _pause(seconds)
            elif "offline" in step:
                await _perhaps(client, "offline", step["offline"])
            else:
                for i in range(step.get("times", 1)):
                    await self._call(step, i)
        await self._settle(client)
        names = ("signed_in", "logouts", "background_errors", "log")
        return {"t": "result", **{name: getattr(client, name) for name in names if hasattr(client, name)}}

    async def _settle(self, client: Any) -> None:
        settling = asyncio.ensure_future(_perhaps(client, "settle"))
        half = max(0.2, (self._deadline - self._loop.time()) / 2)
        done, _ = await asyncio.wait({settling}, timeout=half)
        if done:
            settling.result()
        settling.cancel()

    async def _call(self, step: dict[str, Any], i: int) -> None:
        await _pause((step.get("start_after_ms") or 0) / 1000)
        call, cancel_after, cancelled = Call(step, i), step.get("cancel_after_ms"), None
        outcome: dict[str, Any] = {"t": "outcome", "id": self._id, "call": call.name, "i": i, "started_ms": self._ms()}
        work = _called(self._operations[call.op], self.life.client, step.get("args") or {}, call)
        if cancel_after == 0:
            call.cancelled.set()
            cancelled, work = self._ms(), _cancelled_beforehand(work)
        task = asyncio.ensure_future(work)
        self.life.tasks.add(task)
        if cancel_after:
            await asyncio.wait({task}, timeout=cancel_after / 1000)
            if not task.done():
                cancelled = self._ms()
                call.cancelled.set()
                if inspect.iscoroutinefunction(self._operations[call.op]):
                    task.cancel()
        await asyncio.wait({task})
        self.life.tasks.discard(task)
        ended = {"ended_ms": self._ms(), "cancelled_ms": cancelled}
        self._say({**outcome, **ended, **_outcome_of(task, asked=cancelled is not None)})


def _outcome_of(task: asyncio.Future[Any], *, asked: bool) -> dict[str, Any]:
    """Return how a call ended; raises ``NotSupported`` where it did not because it cannot be made."""
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if error is None:
        found = task.result()
        known = found if isinstance(found, Value) else Value(found)
        return {"outcome": "ok", "value": known.value, **known.more}
    if isinstance(error, NotSupported):
        raise error
    if asked and isinstance(error, (asyncio.CancelledError, Cancelled)):
        return {"outcome": "cancelled"}
    if isinstance(error, Failure):
        cause = error.__cause__ or error.__context__
        native = error.report["native"] or (type(cause).__name__ if cause else None)
        value = None if error.value is None else {"status": None, "json": error.value}
        report = {**error.report, "native": native}
        return {"outcome": "error", "error": report, "value": value, "attempts": error.attempts}
    report = {"kind": "other", "native": type(error).__name__, "message": str(error)}
    return {"outcome": "error", "error": report, "escaped": True}


async def _pause(seconds: float) -> None:
    if seconds > 0:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await asyncio.wait({never}, timeout=seconds)


async def _cancelled_beforehand(work: Any) -> Any:
    task = asyncio.current_task()
    if task is not None:
        task.cancel()
    return await work


async def _perhaps(client: Any, name: str, *args: Any) -> bool:
    """Call one of the client's optional methods; tell whether it has it."""
    method = getattr(client, name, None)
    if method is None:
        return False
    await _called(method, *args)
    return True


async def _called(function: Callable[..., Any], *args: Any) -> Any:
    """Await a coroutine function here; call any other in a thread of its own, which nobody waits for in the end."""
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def tell(found: Any, error: BaseException | None) -> None:
        if not ended.done():
            ended.set_result((found, error))

    def work() -> None:
        found, error = None, None
        try:
            found = function(*args)
        except BaseException as caught:  # noqa: BLE001 - whatever is raised has escaped the client
            error = caught
        loop.call_soon_threadsafe(tell, found, error)

    threading.Thread(target=work, daemon=True).start()
    found, error = await ended
    if error is not None:
        raise error
    return await found if inspect.isawaitable(found) else found
