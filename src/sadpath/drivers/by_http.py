"""Drives a client behind a URL, in a browser, a phone or a device: each message is POSTed, and answered in the reply.

A ``run`` is answered by NDJSON: its outcomes as they come, and its end last. Nobody here can start such a driver again,
so after a failure the next case simply asks it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import TypeVar

import httpx

from sadpath.core.errors import DriverError
from sadpath.drivers.base import End, OnOutcome, Tap
from sadpath.drivers.bounds import Bounds
from sadpath.drivers.by_stdio import hello_message
from sadpath.drivers.messages import PROTOCOL, Hello, Ok, Outcome, Pong, Result, Run
from sadpath.drivers.process import Lines
from sadpath.drivers.wire import Answer, Awaited, BrokenMessage, excerpt, message, read_answer

__all__ = ["HttpDriver"]

A = TypeVar("A", bound=Answer)


class HttpDriver:
    """The driver of ``http: URL``.

    Args:
        url: where the driver listens.
        bounds: what it may take up.
    """

    def __init__(self, url: str, *, bounds: Bounds | None = None) -> None:
        self.url = url
        self.name = url
        self.tap: Tap | None = None
        self._bounds = bounds or Bounds()
        self._hello: Hello | None = None
        self._http: httpx.AsyncClient | None = None

    async def hello(self) -> Hello:
        """Return what the driver says of itself.

        Raises:
            DriverError: where it cannot be reached, or says no hello of this protocol in time.
        """
        if self._hello is None:
            found = await self._ask(Hello, hello_message(), self._bounds.start)
            if found.protocol != PROTOCOL:
                what = f"speaks version {found.protocol} of the protocol, and sadpath version {PROTOCOL}"
                raise self._fault(what)
            self._hello = found
        return self._hello

    async def run(self, run: Run, on_outcome: OnOutcome) -> End:
        """Send one segment of a case and wait for its end, at most until its deadline.

        Raises:
            DriverError: where the driver cannot be reached, falls silent or breaks the protocol.
        """
        if not run.continues:
            await self._reset(run.id)
        awaited = Awaited(run)
        try:
            async with asyncio.timeout(run.deadline_ms / 1000 + self._bounds.late):
                async with aclosing(self._post(message("run", run))) as answers:
                    async for answer in answers:
                        if (end := _taken(answer, awaited, on_outcome)) is not None:
                            return end
        except BrokenMessage as error:
            raise self._fault(f"broke the protocol: {error}") from error
        except TimeoutError:
            return await self._late(run, awaited)
        raise self._fault("ended its reply to `run` with neither result nor unsupported nor driver_error")

    async def _late(self, run: Run, awaited: Awaited) -> End:
        """Say whose fault it is that the deadline has passed: of the client that hangs, if the driver still answers."""
        await self._ask(Pong, message("ping"), self._bounds.answer)
        if not awaited.missing:
            raise self._fault("has ended every call, and no `result` came by the deadline")
        return Result(id=run.id)

    async def _reset(self, case: str) -> list[str]:
        return list((await self._ask(Ok, message("reset", {"id": case}), self._bounds.answer)).left_over)

    async def end_case(self, id: str) -> list[str]:  # noqa: A002 - the protocol's word
        """Let the driver forget a case.

        Raises:
            DriverError: where it does not answer.
        """
        return [] if self._http is None else await self._reset(id)

    async def close(self) -> None:
        """Say bye, and let connections go."""
        http, self._http = self._http, None
        if http is None:
            return
        try:
            with suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(self._bounds.grace):
                    await http.post(self.url, content=message("bye"))
        finally:
            await http.aclose()

    # Carrying

    async def _ask(self, kind: type[A], line: bytes, seconds: float) -> A:
        """Post a line and return the one answer.

        Raises:
            DriverError: where another answer comes, several, or none in time.
        """
        found: list[Answer] = []
        try:
            async with asyncio.timeout(seconds):
                async with aclosing(self._post(line)) as answers:
                    found += [answer async for answer in answers]
        except TimeoutError as error:
            raise self._fault(f"does not answer {excerpt(line.strip())} within {seconds:g} s") from error
        except BrokenMessage as error:
            raise self._fault(f"broke the protocol: {error}") from error
        if len(found) != 1 or not isinstance(found[0], kind):
            names = ", ".join(type(item).__name__.lower() for item in found[:5]) or "nothing"
            raise self._fault(f"answers {excerpt(line.strip())} with {names} and not with one {kind.__name__.lower()}")
        return found[0]

    async def _post(self, line: bytes) -> AsyncGenerator[Answer, None]:
        """Post a line and yield the answers of its reply.

        Raises:
            BrokenMessage: for what is no answer.
            DriverError: where there is no reply.
        """
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=None, trust_env=False)  # noqa: S113 - asyncio.timeout bounds each message
        self._tell("sent", line)
        kind = {"Content-Type": "application/json", "Accept": "application/x-ndjson", "Accept-Encoding": "identity"}
        try:
            async with self._http.stream("POST", self.url, content=line, headers=kind) as reply:
                if reply.status_code != 200:
                    raise BrokenMessage(f"it replies with status {reply.status_code}, not 200")
                async for raw in _lines(reply, self._bounds):
                    self._tell("came", raw)
                    yield read_answer(raw)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            raise self._fault(f"cannot be reached, or broke off its reply ({why})") from error

    def _tell(self, what: str, line: bytes) -> None:
        if self.tap is not None:
            self.tap(what, line.decode("utf-8", "backslashreplace").rstrip("\n"))

    def _fault(self, what: str) -> DriverError:
        return DriverError(f"the driver at {self.url} {what}")


def _taken(answer: Answer, awaited: Awaited, on_outcome: OnOutcome) -> End | None:
    """Take what a reply to a run holds; return the end once it is there.

    Raises:
        BrokenMessage: for what does not belong there.
    """
    if isinstance(answer, Hello | Pong | Ok) or answer.id != awaited.id:
        said = excerpt(str(getattr(answer, "id", "") or type(answer).__name__.lower()))
        raise BrokenMessage(f"it answers with {said!r} in a reply to the run {awaited.id!r}")
    if not isinstance(answer, Outcome):
        if isinstance(answer, Result):
            awaited.result()
        return answer
    awaited.outcome(answer)
    on_outcome(answer)
    return None


async def _lines(reply: httpx.Response, bounds: Bounds) -> AsyncIterator[bytes]:
    """Yield a reply's lines that are not empty, within the bounds.

    Raises:
        BrokenMessage: for a line or a reply that is too long.
    """
    ready: list[tuple[bytes, bool]] = []

    def heard(line: bytes, cut: bool) -> None:
        ready.append((line, cut))

    lines, volume = Lines(bounds.line, heard), 0
    async for data in reply.aiter_raw():
        volume += len(data)
        if volume > bounds.volume:
            raise BrokenMessage(f"it has written more than {bounds.volume:,} bytes in one reply")
        lines.feed(data)
        for line in _whole(ready, bounds):
            yield line
    if lines.pending:
        lines.end()
    for line in _whole(ready, bounds):
        yield line


def _whole(ready: list[tuple[bytes, bool]], bounds: Bounds) -> list[bytes]:
    found = list(ready)
    ready.clear()
    if long := next((line for line, cut in found if cut), None):
        raise BrokenMessage(f"a message is longer than {bounds.line:,} bytes: {excerpt(long)}")
    return [line for line, _ in found if line.strip()]
