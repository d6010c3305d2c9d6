"""All clients that have a contract, put to the test in one run: those whose libraries and languages are there."""

from __future__ import annotations

from collections.abc import Sequence

from sadpath.core.errors import NotInstalledError
from sadpath.drivers.load import load_factory
from sadpath.drivers.shipped import shipped_command
from sadpath.verify.clients import ClientRequest
from sadpath.verify.contract import load_contract
from sadpath.verify.results import ClientResult, Results

__all__ = ["FEW_EXAMPLES", "add_missing", "installed"]

FEW_EXAMPLES = 50
"""How many cases are drawn for each of all clients: enough to vary the scenarios, few enough to wait for."""


def installed(requests: Sequence[ClientRequest]) -> tuple[list[ClientRequest], list[ClientResult]]:
    """Return the clients that can be put to the test here, and for each of the others what is not installed.

    Raises:
        UsageError, FileProblems: for a contract with mistakes, and for a client that cannot be loaded otherwise.
    """
    present: list[ClientRequest] = []
    missing: list[ClientResult] = []
    for request in requests:
        contract = load_contract(request.workspace.contract_path(str(request.word)), request.workspace.root)
        try:
            if contract.driver.python is not None:
                load_factory(contract.driver.python, contract.folder)
            elif contract.driver.shipped is not None:
                shipped_command(contract.driver.shipped)
        except NotInstalledError as error:
            missing.append(ClientResult(name=contract.client, missing=str(error)))
        else:
            present.append(request)
    return present, missing


def add_missing(results: Results, missing: Sequence[ClientResult]) -> None:
    """Put the clients that could not be put to the test among the others, by name."""
    results.clients = sorted([*results.clients, *missing], key=lambda client: client.name)
