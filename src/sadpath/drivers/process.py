"""A driver's process: started in a group of its own, heard line by line within bounds, ended with all it started."""

from __future__ import annotations

import asyncio
import atexit
import os
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sadpath.core.errors import DriverError, UsageError

__all__ = ["Command", "Lines", "Process", "Tail", "how_it_ended"]

_AFTER_THE_END = 0.5
"""Seconds in which what a process wrote before its end still arrives."""

_AFTER_CLOSING = 3.0
"""Seconds in which a process that has closed its stdout is expected to have ended; its end is heard of later."""

_groups: set[int] = set()
"""The process groups that live, for the end of a program that was not told of in time."""


@atexit.register
def _end_all() -> None:
    for group in sorted(_groups):
        _kill_group(group)


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@dataclass(frozen=True)
class Command:
    """What to run: words (no shell sees them), the folder it runs in, and what its environment has besides ours."""

    words: tuple[str, ...]
    folder: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, given: str | Sequence[str], folder: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Command:
        """Return the command that a text (split as a shell splits words) or a list of words means.

        Raises:
            UsageError: for an empty command, quotes that are not closed, or a folder that is not there.
        """
        try:
            words = tuple(shlex.split(given) if isinstance(given, str) else given)
        except ValueError as error:
            raise UsageError(f"the driver's command {given!r} cannot be split into words: {error}") from error
        if not words or not words[0]:
            raise UsageError("the driver's command is empty")
        if any("\0" in word for word in words):
            raise UsageError("the driver's command holds a NUL, which no command can")
        if folder is not None and not folder.is_dir():
            raise UsageError(f"the driver's folder {folder} is not there")
        return cls(words, folder, dict(env or {}))

    @property
    def name(self) -> str:
        """What to call it: the first file among its words that looks like its own, else the program."""
        programs = [word for word in self.words[1:] if not word.startswith("-") and "." in Path(word).name]
        return Path(programs[0] if programs else self.words[0]).name

    def __str__(self) -> str:
        return shlex.join(self.words)


class Tail:
    """The end of a log: what came last, up to ``limit`` characters."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: list[str] = []
        self._size = 0
        self._left_out = False

    def add(self, line: str) -> None:
        """Add a line."""
        line = line[: self._limit]
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > self._limit and len(self._lines) > 1:
            self._size -= len(self._lines.pop(0)) + 1
            self._left_out = True

    def __str__(self) -> str:
        return "\n".join(["…", *self._lines] if self._left_out else self._lines)

    def last(self, lines: int = 3, limit: int = 400) -> str:
        """Return the last lines that say something, for a message."""
        found = [line.strip() for line in self._lines if line.strip()][-lines:]
        text = " | ".join(found)
        return text if len(text) <= limit else f"…{text[-limit:]}"


class Lines:
    """Splits a stream into lines; of one longer than ``limit`` only the beginning is kept, with a flag that says so."""

    def __init__(self, limit: int, heard: Callable[[bytes, bool], None]) -> None:
        self._limit = limit
        self._heard = heard
        self._rest = bytearray()
        self._cut = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data[start:end])
            self.end()
            start = end + 1
        self._keep(data[start:])

    def _keep(self, data: bytes) -> None:
        room = self._limit - len(self._rest)
        self._cut = self._cut or len(data) > room
        self._rest += data[: max(0, room)]

    def end(self) -> None:
        """Take what there is for a line; where there is nothing after the stream's end, the caller need not ask."""
        line, cut = bytes(self._rest), self._cut
        self._rest.clear()
        self._cut = False
        self._heard(line.removesuffix(b"\r"), cut)

    @property
    def pending(self) -> bool:
        """Tell whether a line has begun that has not ended."""
        return bool(self._rest)


class Process(asyncio.SubprocessProtocol):
    """A process of a driver.

    Args:
        on_output: hears what it writes: 1 for stdout, 2 for stderr, and the bytes.
        on_end: hears, once, that it is over.
        needs_stdout: whether it is over too when it has closed its stdout and does not end.
    """

    def __init__(
        self, on_output: Callable[[int, bytes], None], on_end: Callable[[], None], *, needs_stdout: bool = False
    ) -> None:
        self.code: int | None = None
        self.killed = False
        self.stayed = False
        """Whether it was still there when it had to be gone."""
        self._on_output = on_output
        self._on_end = on_end
        self._needs_stdout = needs_stdout
        self._told = False
        self._stdout_open = True
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        self._group: int | None = None

    async def start(self, command: Command, *, env: Mapping[str, str] | None = None, stdin: bool) -> None:
        """Start it in a session and group of its own, so that the terminal's Ctrl-C does not reach it.

        Raises:
            DriverError: where that cannot be done.
        """
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            await self._loop.subprocess_exec(
                lambda: self,
                *command.words,
                stdin=pipe if stdin else nothing,
                stdout=pipe,
                stderr=pipe,
                cwd=command.folder,
                env={**os.environ, **command.env, **(env or {})},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise DriverError(f"the driver `{command}` cannot be started: {why}") from error

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the process; it may have ended by the time its start is heard of."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._group = self._transport.get_pid()
        _groups.add(self._group)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Pass output on; what comes after a kill is nobody's."""
        if not self.killed:
            self._on_output(fd, data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Take note of the end of an output."""
        if fd == 1:
            self._stdout_open = False
            if self._gone.done():
                self._tell()
            elif self._needs_stdout:
                self._loop.call_later(_AFTER_CLOSING, self._tell)

    def process_exited(self) -> None:
        """Take note of the end, and wait a moment for output that is still under way."""
        if self._transport is not None:
            self.code = self._transport.get_returncode()
        if self._group is not None:
            _kill_group(self._group)  # what it has started and left behind
            _groups.discard(self._group)
        if not self._gone.done():
            self._gone.set_result(None)
        if self._stdout_open:
            self._loop.call_later(_AFTER_THE_END, self._tell)
        else:
            self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._on_end()

    # What we do

    @property
    def gone(self) -> bool:
        """Tell whether it has ended."""
        return self._gone.done()

    def write(self, data: bytes) -> None:
        """Write to its stdin; one that does not read, or has ended, is found out by its silence."""
        if self._transport is not None and not self.killed:
            pipe = cast("Any", self._transport.get_pipe_transport(0))
            if pipe is not None and not pipe.is_closing():
                pipe.write(data)

    def kill(self) -> None:
        """End it at once, and whatever it has started that is still in its group."""
        self.killed = True
        if self._group is not None and self._group in _groups:
            _kill_group(self._group)

    async def ended(self, seconds: float) -> bool:
        """Wait until it has ended, at most so long; tell whether it has."""
        if not self._gone.done():
            await asyncio.wait({self._gone}, timeout=seconds)
        return self._gone.done()

    async def close(self, grace: float = 0.0) -> None:
        """Let it end by itself within ``grace`` seconds, else kill it; afterwards nothing of it is left."""
        if self._transport is None:
            return
        try:
            if grace:
                await self.ended(grace)
        finally:
            self.stayed = not self.gone
            self.kill()
            self._told = True
            await self.ended(_AFTER_THE_END)
            self._transport.close()


def how_it_ended(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is None:
        return "closed its stdout and did not end"
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"
    return f"ended with exit code {code}"
