"""From a name on the command line to a client that can be judged: its contract, a profile, its driver."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sadpath.core.chance import draw_int
from sadpath.core.errors import DriverError, UsageError
from sadpath.drivers.base import Driver
from sadpath.drivers.by_exec import ExecDriver
from sadpath.drivers.inprocess import InProcessDriver
from sadpath.drivers.load import is_factory_name, load_driver, load_factory
from sadpath.drivers.messages import CAPABILITIES, AuthGrant, CallStep, DriverFault, Hello, Result, Run, Unsupported
from sadpath.scenario.yamlfile import shown_path
from sadpath.verify.baseline import read_baseline
from sadpath.verify.contract import Contract, DriverSpec, load_contract
from sadpath.verify.played import Client
from sadpath.workspace import Workspace

__all__ = ["QUICK", "ClientRequest", "choose_profile", "make_client", "open_client", "probe"]

QUICK = "quick"
"""The profile that live runs use where a contract has it: the same promises with short times."""

_OPTIONS = {"exec": "--exec", "stdio": "--driver", "http": "--driver-url"}
"""How a command line names the ways to drive a client outside this process."""

_NOWHERE = "http://127.0.0.1:9/s/probe"
_PROBE_SECONDS = 10.0


@dataclass(frozen=True)
class ClientRequest:
    """One client as a command line names it.

    Args:
        word: a contract's name, or ``package:factory``; None: what the contract's file says.
        workspace: where contracts are found by name.
        contract: a contract's file, for a client that is not found by name.
        profile: the profile asked for; None: ``quick`` where the contract has it.
        options: further words of the command line that belong to the command which runs a case again.
        driver: how the client is driven, for one that a command line drives otherwise than its contract says.
        baseline: a file of failures that are expected besides those of the contract.
    """

    word: str | None
    workspace: Workspace
    contract: Path | None = None
    profile: str | None = None
    options: tuple[str, ...] = ()
    driver: DriverSpec | None = None
    baseline: Path | None = None

    @property
    def in_process(self) -> bool:
        """Tell whether the client lives in this process, so that its time can be simulated.

        Raises:
            UsageError, FileProblems: for a contract that is not there, or has mistakes.
        """
        if self.driver is not None:
            return self.driver.python is not None
        contract = _contract_of(self)
        return contract is None or contract.driver.python is not None or is_factory_name(self.word or "")

    @property
    def command(self) -> str:
        """The words that name this client on a command line."""
        words = [self.word] if self.word is not None else []
        if self.contract is not None:
            words += ["--contract", str(self.contract)]
        if self.driver is not None:
            ((way, value),) = self.driver.given.items()
            words += [_OPTIONS[way], value if isinstance(value, str) else shlex.join(value)]
        if self.profile is not None:
            words += ["--profile", self.profile]
        return shlex.join([*words, *self.options])


async def open_client(request: ClientRequest, seed: int = 0) -> Client:
    """Return a client that has said hello and has shown that it can say no.

    Raises:
        UsageError: for a contract, profile or client that is not there or cannot be loaded, for a client that offers
            less than its contract says, and for one that takes any operation whatever.
        FileProblems: for a contract or baseline with mistakes.
        DriverError: where the driver cannot start.
    """
    word = request.word
    contract = _contract_of(request)
    if request.driver is not None and contract is not None:
        contract = contract.model_copy(update={"driver": request.driver, "folder": Path.cwd()})
    if word is not None and is_factory_name(word):
        folder = contract.folder if contract is not None else None
        driver: Driver = InProcessDriver(load_factory(word, folder), name=word)
    elif contract is not None:
        driver = load_driver(contract.driver, contract.folder, name=contract.client, capabilities=contract.capabilities)
    elif request.driver is not None:
        driver = load_driver(request.driver, Path.cwd())
    else:
        raise UsageError("a client is a contract's name, a contract's file or package:factory; none is given")
    try:
        hello = await driver.hello()
        source = _source_of(contract, request)
        if contract is None:
            contract = _promises_nothing(request, hello)
        if request.baseline is not None:
            known = read_baseline(request.baseline, request.workspace.root)
            contract = contract.expecting(known.of(contract.client, str(request.baseline)))
        client = make_client(contract, driver, hello, profile=request.profile, command=request.command, source=source)
        await probe(client, seed)
    except BaseException:
        await driver.close()
        raise
    return client


def _promises_nothing(request: ClientRequest, hello: Hello) -> Contract:
    """Return the contract of a client that has none: what it says it can, and no number."""
    known = tuple(name for name in hello.capabilities if name in CAPABILITIES)
    spec = request.driver or DriverSpec(python=request.word)
    folder = None if request.driver is None else Path.cwd()
    return Contract(client=hello.client.name, driver=spec, capabilities=known).model_copy(update={"folder": folder})


def _contract_of(request: ClientRequest) -> Contract | None:
    """Return the contract, None for a client that is named as ``package:factory`` alone."""
    word, file, workspace = request.word, request.contract, request.workspace
    if file is None:
        if word is None or is_factory_name(word):
            return None
        return load_contract(workspace.contract_path(word), workspace.root)
    if not file.is_file():
        raise UsageError(f"--contract {file}: there is no such file")
    contract = load_contract(file, workspace.root)
    if word is not None and not is_factory_name(word) and word != contract.client:
        raise UsageError(f"--contract {file} is the contract of {contract.client}, not of {word}")
    return contract


def _source_of(contract: Contract | None, request: ClientRequest) -> str:
    """Return the contract's file as reports show it, or nothing where there is none."""
    if contract is None:
        return ""
    if request.contract is not None:
        return str(request.contract)
    return shown_path(request.workspace.contract_path(str(request.word)), request.workspace.root)


def make_client(
    contract: Contract, driver: Driver, hello: Hello, *, profile: str | None, command: str, source: str = ""
) -> Client:
    """Put contract, driver and hello together.

    Raises:
        UsageError: where the client offers less than its contract says, or the profile does not exist.
    """
    lacking = [name for name in contract.capabilities if name not in hello.capabilities]
    if lacking:
        raise UsageError(
            f"the contract of {contract.client} promises {', '.join(lacking)}, which the client does not offer: "
            "its hello and its contract must agree"
        )
    return Client(
        name=contract.client,
        driver=driver,
        contract=contract.with_profile(choose_profile(contract, profile)),
        capabilities=frozenset(contract.capabilities),
        operations=frozenset(hello.operations),
        version=hello.client.version,
        max_parallel=max(1, hello.max_parallel),
        profile=choose_profile(contract, profile),
        command=command,
        source=source,
        one_call=isinstance(driver, ExecDriver),
    )


def choose_profile(contract: Contract, wanted: str | None) -> str:
    """Return the profile to judge by: the one wanted, else ``quick`` where it exists and the client can be told of it.

    A client that cannot be told its numbers keeps its own, and is judged by those it publishes.
    """
    if wanted is not None:
        return wanted
    return QUICK if QUICK in contract.profiles and "policy_override" in contract.capabilities else "published"


async def probe(client: Client, seed: int = 0) -> None:
    """Ask for an operation that nobody has: a driver that does not answer ``unsupported`` proves nothing by passing.

    Raises:
        UsageError: if it answers anything else.
        DriverError: if it fails at that.
    """
    operation = f"no.such.operation.{draw_int(1_000_000, 'probe', seed, client.name)}"
    run = Run(
        id="probe",
        case="probe",
        base_url=_NOWHERE,
        deadline_ms=_PROBE_SECONDS * 1000,
        auth=AuthGrant(email="nobody@example.com", password="none"),  # noqa: S106 - nobody's
        calls=[CallStep(call="a", op=operation)],
    )
    end = await client.driver.run(run, _ignore)
    if client.one_call and isinstance(end, Result):
        raise UsageError(
            f"the driver of {client.name} takes the operation {operation!r}, which does not exist: exit with 77 "
            "where SADPATH_OP is nothing that it knows (SADPATH_METHOD is empty then), else a pass means nothing"
        )
    await client.driver.end_case("probe")
    if isinstance(end, DriverFault):
        raise DriverError(f"the driver of {client.name} fails at an operation that it does not know: {end.message}")
    if not isinstance(end, Unsupported):
        raise UsageError(
            f"the driver of {client.name} takes the operation {operation!r}, which does not exist: "
            "a driver must answer `unsupported` (in process: raise NotSupported) to what it cannot do, "
            "else a pass means nothing"
        )


def _ignore(_outcome: Any) -> None:
    return None
