"""A conversation with a driver, looked at from outside: what ``sadpath driver check`` plays and what it finds.

The calls go to the workspace's own backend, so it is seen whether what the driver says is what happened.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sadpath.core.events import ExchangeEvent
from sadpath.drivers.base import End
from sadpath.drivers.by_exec import ExecDriver
from sadpath.drivers.by_http import HttpDriver
from sadpath.drivers.by_stdio import StdioDriver
from sadpath.drivers.messages import AuthGrant, CallStep, Hello, Outcome, Result, Run, RunStep
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.roles import Roles
from sadpath.server.runner import LiveServer
from sadpath.verify.needs import CACHED_ROLES
from sadpath.verify.segments import endpoints
from sadpath.verify.stage import Stage, stage

__all__ = ["Check", "Checked", "Finding", "OutsideDriver", "Place", "Skipped", "Talk", "Transcript"]

OutsideDriver = ExecDriver | StdioDriver | HttpDriver

_SHOWN = 6
_LONGEST = 800


@dataclass(frozen=True)
class Finding:
    """What is wrong with a driver: the problem, what was expected instead, what was sent last, and what came then."""

    problem: str
    expected: str
    sent: str
    came: tuple[str, ...]
    section: str


@dataclass(frozen=True)
class Check:
    """One conversation. ``section`` is that of docs/drivers.md; ``needs`` are capabilities without which it is skipped.

    ``by_command``: whether a driver that is run for each call is asked it too.
    """

    name: str
    section: str
    expects: str
    talk: Callable[[Talk], Awaitable[None]]
    needs: tuple[str, ...] = ()
    by_command: bool = False


@dataclass
class Checked:
    """What came of a check: ``skipped`` says why it was not made."""

    name: str
    verdict: Literal["ok", "wrong", "skipped"] = "ok"
    skipped: str = ""
    findings: list[Finding] = field(default_factory=list)


class Skipped(Exception):
    """The check cannot be made with this driver; the text says why."""


class Transcript:
    """What was said since a check began: ``sent`` or ``came``, and the text."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, what: str, text: str) -> None:
        """Take note of a line."""
        self.lines.append((what, text))

    def last(self) -> tuple[str, tuple[str, ...]]:
        """Return the last run that was sent, or else what was sent last, and what came then."""
        sent = [index for index, (what, _) in enumerate(self.lines) if what == "sent"]
        runs = [index for index in sent if _is_run(self.lines[index][1])]
        if not sent:
            return "", ()
        start = (runs or sent)[-1]
        came = [_short(text) for what, text in self.lines[start:] if what == "came"]
        return _short(self.lines[start][1]), tuple(came[:_SHOWN])


def _is_run(text: str) -> bool:
    return text.startswith(('{"t":"run"', "SADPATH_"))


class Talk:
    """A conversation while a check lasts."""

    def __init__(
        self, driver: OutsideDriver, hello: Hello, server: LiveServer, roles: Roles, transcript: Transcript
    ) -> None:
        self.driver = driver
        self.hello = hello
        self.roles = roles
        self.findings: list[Finding] = []
        self.section = ""
        self._server = server
        self._transcript = transcript
        self._places = 0
        if isinstance(driver, ExecDriver):
            driver.endpoints = endpoints(roles)

    def begin(self, check: Check) -> None:
        """Forget what was said before a check, but for the hello in the first."""
        if self.section:
            self._transcript.lines.clear()
        self.section = check.section
        self.findings = []

    def wrong(self, problem: str, expected: str) -> None:
        """Take note of something that is wrong, with what was said last."""
        sent, came = self._transcript.last()
        self.findings.append(Finding(problem, expected, sent, came, self.section))

    def declares(self, capability: str) -> bool:
        """Tell whether the driver declares a capability."""
        return capability in self.hello.capabilities

    def knows(self, operation: str) -> bool:
        """Tell whether the driver knows an operation."""
        return not self.hello.operations or operation in self.hello.operations

    def reading(self, name: str = "a", **changes: Any) -> CallStep:
        """Return a call that reads something.

        Raises:
            Skipped: where the driver knows none.
        """
        reads = [item for role in CACHED_ROLES for item in self.roles.operations_of(role) if item.method == "GET"]
        plain = sorted(reads, key=lambda item: item.path.count("{"))
        for item in plain:
            if self.knows(item.id) and item.path.count("{") <= 1:
                parameter = item.path.partition("{")[2].partition("}")[0]
                return CallStep(call=name, op=item.id, args={parameter: 1} if parameter else {}, **changes)
        if plain and self.knows("http") and "{" not in plain[0].path:
            return CallStep(call=name, op="http", args={"method": "GET", "path": plain[0].path}, **changes)
        raise Skipped("it knows no operation that reads, neither of the API's nor `http`")

    @asynccontextmanager
    async def place(self, faults: Sequence[dict[str, Any]] = (), **given: Any) -> AsyncIterator[Place]:
        """Make a place on the server for one case of the check, and let the driver forget it afterwards."""
        self._places += 1
        data = {"title": "A check", "faults": list(faults), "given": given, "heal": False}
        scenario = read_scenario(data)
        async with stage(self._server, f"check-{self._places}", 0, scenario) as found:
            grant = await found.arrange("check", scenario)
            place = Place(self, found, grant)
            try:
                yield place
            finally:
                for sentence in await self.driver.end_case(found.session.id):
                    self.wrong(f"after the case something is left over: {sentence}", "an `ok` without `left_over`")


@dataclass
class Place:
    """One case of a check."""

    talk: Talk
    stage: Stage
    grant: AuthGrant
    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    begun: bool = False

    async def play(self, *steps: RunStep, deadline: float = 10.0, signed_in: bool = True, **changes: Any) -> End:
        """Let the driver make calls, keep their outcomes, and return the end."""
        found: list[Outcome] = []
        run = Run(
            id=self.stage.session.id,
            case="driver/check",
            base_url=self.stage.base_url,
            continues=self.begun,
            other_origin=self.stage.other_origin,
            tls_ca=self.stage.tls_ca,
            deadline_ms=deadline * 1000,
            auth=self.grant if signed_in and not self.begun else None,
            calls=list(steps),
            **changes,
        )
        self.begun = True
        end = await self.talk.driver.run(run, found.append)
        self.outcomes = {(item.call, item.i): item for item in found}
        return end

    async def plays(self, *steps: RunStep, **changes: Any) -> Outcome | None:
        """Let the driver make calls; complain unless a ``result`` comes; return the first outcome."""
        end = await self.play(*steps, **changes)
        if not isinstance(end, Result):
            kind = type(end).__name__
            why = getattr(end, "why", "") or getattr(end, "message", "")
            said = {"Unsupported": "unsupported", "DriverFault": "driver_error"}.get(kind, kind)
            self.talk.wrong(f"it answers `{said}` ({why}) to what it declares that it can", "outcomes and a `result`")
            return None
        if not self.outcomes:
            self.talk.wrong("the call has no outcome by its deadline", "an `outcome` for each call, then `result`")
        return next(iter(self.outcomes.values()), None)

    def exchanges(self) -> tuple[ExchangeEvent, ...]:
        """Return what the server has seen so far."""
        return self.stage.exchanges()


def _short(text: str) -> str:
    """Return a line as a report shows it: not long, and without the length of tokens."""
    text = re.sub(r"eyJ[\w.-]{12,}", "eyJ…", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
