"""Judging a client of one's own in a test: a few functions, async or not, a scenario, and a verdict.

    from sadpath.testing import Case, verify

    async def get_user(case: Case, args):
        async with httpx.AsyncClient(base_url=case.base_url, headers=case.headers) as client:
            answer = await client.get(f"/users/{args['id']}")
            answer.raise_for_status()
            return answer.json()

    def test_a_busy_server() -> None:
        promise = {"retry": {"max_retries": 2, "statuses": [503]}}
        verify({"users.get": get_user}, "retry/busy-twice-then-fine", capabilities=["retry"], policy=promise)

The case is played on virtual time and an in-memory network, so it takes milliseconds whatever it waits for. Functions
that are not async run in threads of their own, and may block. Needs nothing of pytest.

The strategies of ``sadpath.strategies`` are here too, for properties about one's client.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sadpath.core.clock import Clock
from sadpath.core.errors import FileProblem, FileProblems, UsageError
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.messages import ClientInfo, ErrorReport, Hello, Outcome, OutcomeValue, Result, Run
from sadpath.drivers.subject import NotSupported
from sadpath.scenario.filemodel import explain, field_path
from sadpath.scenario.loader import read_scenario
from sadpath.scenario.model import Scenario
from sadpath.verify.clients import make_client, probe
from sadpath.verify.contract import Contract
from sadpath.verify.judging import clauses_for
from sadpath.verify.played import Case as _Case
from sadpath.verify.played import Client
from sadpath.verify.results import Results, exit_code
from sadpath.verify.simworld import Simulator
from sadpath.verify.summary import client_result, facts_of, summarize
from sadpath.workspace import find_workspace

if TYPE_CHECKING:
    from sadpath.strategies import Api, calls, faults, plans, policies, rules, scenarios, schedules

__all__ = [
    "Api", "Case", "ClauseFailed", "Failure", "NothingProved", "calls", "faults", "plans", "policies", "rules",
    "scenarios", "schedules", "verify",
]  # fmt: skip

_STRATEGIES = ("Api", "calls", "faults", "plans", "policies", "rules", "scenarios", "schedules")

Operation = Callable[[Any, dict[str, Any]], Any]
"""What makes a call: given the client (or the case, where none is made) and the arguments, it returns the value."""


class ClauseFailed(AssertionError):
    """The client falls short of a clause; the text is the report: clause, sentence, schedule, timeline."""


class NothingProved(AssertionError):
    """Nothing was put to the test: the fault never fired, no call was made, or the client could not take the case."""


class Failure(Exception):
    """Raised by an operation to say how a call failed.

    Args:
        kind: such as ``timeout.read`` or ``server``; docs/drivers.md has all of them.
        status: the HTTP status, if there was one.
    """

    def __init__(self, kind: str, *, status: int | None = None, message: str = "") -> None:
        super().__init__(message or kind)
        self.kind = kind
        self.status = status


@dataclass
class Case:
    """What a client is made from: where the API is, and who is signed in.

    Attributes:
        base_url: the API's URL; its path belongs to it.
        access_token: of who is signed in, None if nobody is; ``refresh_token`` likewise.
        email: with ``password``, what a login takes.
        headers: the access token as the reference API takes it, and what tells calls apart.
        policy: the numbers that the client is to keep to, as the driver protocol writes them.
    """

    base_url: str
    access_token: str | None = None
    refresh_token: str | None = None
    email: str = ""
    password: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    policy: Mapping[str, Any] | None = None


def verify(
    operations: Mapping[str, Operation],
    scenario: str | Mapping[str, Any] | Scenario,
    *,
    create: Callable[[Case], Any] | None = None,
    capabilities: Sequence[str] = (),
    policy: Mapping[str, Any] | None = None,
    clauses: str | Sequence[str] = "all",
    expected_failures: Sequence[Mapping[str, Any]] = (),
    errors: Mapping[type[Exception], str] | None = None,
    name: str = "client",
    seed: int = 0,
    root: Path | None = None,
) -> Results:
    """Play a scenario with a client in the simulated world, and judge it; return the results where all is well.

    Args:
        operations: what the client can do, by operation.
        scenario: a name in the workspace, or a scenario as a mapping (as in its file) or as a model.
        create: makes the client that the operations are given, once for each case; default: they get the case.
        capabilities: what is to be judged beside what holds for every client, such as ``retry``.
        policy: what the client promises, as in a contract's file.
        clauses: which clauses count: ``all``, or a list of ids and families.
        expected_failures: as in a contract's file.
        errors: the kinds of the client's own exceptions; an exception of another class is of the kind ``other``.
        name: what the client is called in reports.
        seed: of data and chance.
        root: the workspace; default: as on the command line.

    Raises:
        ClauseFailed: where the client falls short of what holds for it or is promised.
        NothingProved: where nothing was put to the test.
        UsageError, FileProblems: for a scenario that is not there, or a promise that cannot be read.
    """
    __tracebackhide__ = True
    kinds: list[str] = ["error_kinds"] if errors else []
    declared = [*capabilities, *(name for name in ("call_tag", *kinds) if name not in capabilities)]
    data: dict[str, Any] = {"client": name, "capabilities": declared, "policy": dict(policy or {})}
    data |= {"expected_failures": [dict(item) for item in expected_failures]}
    data |= {"clauses": clauses if isinstance(clauses, str) else list(clauses)}
    client = _client(_promise(data), _Way(operations, create, errors or {}, name, declared))
    return _judged(client, scenario, seed, find_workspace(root).root)


def _judged(client: Client, scenario: str | Mapping[str, Any] | Scenario, seed: int, root: Path) -> Results:
    """Play and judge a case; raises what ``verify`` raises."""
    __tracebackhide__ = True
    simulator = _simulator(root)
    title, chosen = _chosen(scenario, simulator)
    judged = simulator.judge(simulator.play(_Case(title, chosen, client, seed, "sim")).played)
    summary = summarize(judged, replay=_again())
    results = Results(seed=seed, world="sim")
    results.clients = [client_result(facts_of(client), [summary], clauses_for(client.contract))]
    results.cases, results.errors = [summary.case], list(summary.errors)
    code = exit_code(results)
    if code == 0:
        return results
    if code == 1:
        raise ClauseFailed("\n" + _report(results))
    why = [summary.case.why, *(error.message for error in results.errors), "no clause was put to the test"]
    raise NothingProved(next(filter(None, why)))


def _report(results: Results) -> str:
    """Return what is said of the clauses that fail: clause, sentence, schedule, timeline, and how to see it again."""
    from sadpath.report.terminal import render  # noqa: PLC0415 - brings Rich, which a pass does not need

    (client,) = results.clients
    failing = [clause for clause in client.clauses if clause.verdict in ("fail", "xpass")]
    shown = results.model_copy(update={"clients": [client.model_copy(update={"clauses": failing})]})
    return render(shown)


def _again() -> str:
    """Return how the case is run again: by the test that runs now, where pytest says which."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    return f"pytest {shlex.quote(test)}" if test else "the program that called verify()"


def _promise(data: dict[str, Any]) -> Contract:
    """Return a contract from what a contract's file would hold.

    Raises:
        FileProblems: with everything that is wrong with it.
    """
    try:
        return Contract.model_validate(data)
    except ValidationError as error:
        troubles = explain(error, data, Contract)
        raise FileProblems(
            FileProblem("verify()", item.message, None, field_path(item.place, data), item.nearest) for item in troubles
        ) from error


def _client(contract: Contract, way: _Way) -> Client:
    """Return the client as the judge knows it."""
    first = next(iter(way.operations.values()), None)
    if first is None:
        raise UsageError("verify() is given no operation, so the client can be asked for nothing")
    module = getattr(inspect.unwrap(way.create or first), "__module__", "") or ""
    driver = InProcessDriver(lambda: _Functions(way), name=f"{module}:{way.name}")
    made = make_client(contract, driver, _Functions(way).hello(), profile="published", command=way.name)
    asyncio.run(probe(made))
    return made


@lru_cache(maxsize=4)
def _simulator(root: Path) -> Simulator:
    """Return a workspace's simulator, made once per process."""
    return _Fresh(find_workspace(root))


class _Fresh(Simulator):
    """A simulator that many clients of one name may share."""

    def clauses_of(self, client: Client) -> Any:
        """Return what a client is judged by; nothing is remembered by name."""
        return clauses_for(client.contract)


def _chosen(scenario: str | Mapping[str, Any] | Scenario, simulator: Simulator) -> tuple[str, Scenario]:
    if isinstance(scenario, str):
        return scenario, simulator.workspace.scenario(scenario)
    if isinstance(scenario, Scenario):
        return "test/given", scenario
    return "test/given", read_scenario({"title": "Given in a test", **scenario})


@dataclass(frozen=True)
class _Way:
    """How a client is driven: what ``verify`` was given of it."""

    operations: Mapping[str, Operation]
    create: Callable[[Case], Any] | None
    errors: Mapping[type[Exception], str]
    name: str
    capabilities: list[str]


class _Functions:
    """A subject of functions: each operation is one."""

    def __init__(self, way: _Way) -> None:
        self._way = way
        self._client: Any = None

    def hello(self) -> Hello:
        """Return what the client says of itself."""
        info = ClientInfo(name=self._way.name, version="", language="python", http="")
        return Hello(
            client=info, capabilities=self._way.capabilities, operations=[*self._way.operations], max_parallel=1
        )

    async def open(self, run: Run, clock: Clock) -> None:
        """Make the client for a case."""
        del clock  # the simulated world replaces the system's time
        auth = run.auth
        case = self._case = Case(run.base_url, policy=run.policy)
        if auth is not None:
            case.access_token, case.refresh_token = auth.access_token, auth.refresh_token
            case.email, case.password = auth.email, auth.password
        if case.access_token is not None:
            case.headers["Authorization"] = f"Bearer {case.access_token}"
        self._client = case if self._way.create is None else await _awaited(self._way.create(case))

    async def call(self, op: str, args: dict[str, Any], *, tag: str, pages: bool, replayable: bool) -> Outcome:
        """Make a call.

        Raises:
            NotSupported: for what the functions cannot be asked for.
        """
        work = self._way.operations.get(op)
        if work is None or pages or not replayable:
            raise NotSupported(f"there is no function for {op}{' that goes through pages' if pages else ''}")
        name, _, index = tag.rpartition("/")
        self._case.headers["X-Sadpath-Call"] = tag
        try:
            if inspect.iscoroutinefunction(work):
                value = await work(self._client, args)
            else:
                value = await _awaited(await asyncio.to_thread(work, self._client, args))
        except (Failure, Exception) as error:  # noqa: BLE001 - a function says by an exception that its call failed
            return Outcome(call=name, i=int(index), outcome="error", error=self._report(error))
        return Outcome(call=name, i=int(index), outcome="ok", value=OutcomeValue(data=value))

    def _report(self, error: Exception) -> ErrorReport:
        status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
        kind = error.kind if isinstance(error, Failure) else None
        kind = kind or next((kind for known, kind in self._way.errors.items() if isinstance(error, known)), "other")
        number = status if isinstance(status, int) else None
        return ErrorReport(kind=kind, status=number, native=type(error).__name__, message=str(error))

    async def advance(self, seconds: float) -> None:
        """Refuse: there is no clock of the client's own."""
        raise NotSupported("the functions have no clock that could be moved")

    async def offline(self, hint: bool) -> None:
        """Refuse: nobody is asked."""
        raise NotSupported("the functions take no hints")

    async def settle(self) -> Result:
        """Say that nothing is left to be done."""
        return Result()

    async def close(self) -> None:
        """Close the client, if it can be closed."""
        for way in ("aclose", "close"):
            end = getattr(self._client, way, None)
            if callable(end):
                await _awaited(end())
                return


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def __getattr__(name: str) -> Any:
    """Return a strategy; Hypothesis is imported only where one is wanted."""
    if name in _STRATEGIES:
        from sadpath import strategies  # noqa: PLC0415 - brings Hypothesis

        return getattr(strategies, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
