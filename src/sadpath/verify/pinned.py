"""A case pinned down as a test: it fails as long as the client breaks the clauses, and passes once it does not.

`sadpath replay FILE --pytest-out test_case.py` writes such a test; this is what it calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from sadpath.core.errors import AuthorError, DriverError, HarnessError
from sadpath.core.units import format_seconds
from sadpath.scenario.model import Reading, Scenario
from sadpath.scenario.yamlfile import YamlFile
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.evidence import schedule_of, timeline_of
from sadpath.verify.judging import Judged
from sadpath.verify.played import Case, Client
from sadpath.verify.simworld import Simulator
from sadpath.workspace import Workspace, find_workspace

__all__ = ["assert_holds"]


def assert_holds(
    scenario: str,
    *,
    client: str | None = None,
    contract: str | None = None,
    profile: str = "published",
    name: str = "pinned",
    seed: int = 0,
    clauses: Sequence[str] | None = None,
    root: str | None = None,
) -> None:
    """Play a case in the simulated world and assert that the client keeps its promises in it.

    Args:
        scenario: the text of a scenario file.
        client: a contract's name, or ``package:factory``; default: who the contract's file names.
        contract: a contract by its name or file, where the client's name is not enough.
        profile: the contract's profile.
        name: the case's name; with ``seed`` the key of what is left to chance.
        seed: of data and chance.
        clauses: which clauses have to hold; default: all of the contract's.
        root: the workspace; default: the current folder, else the reference workspace.

    Raises:
        AssertionError: where one of them does not hold.
        AuthorError, DriverError: where the case cannot be played at all.
    """
    __tracebackhide__ = True  # pytest: what matters is the message
    workspace = find_workspace(None if root is None else Path(root))
    case = Case(name, _read(scenario), _client(workspace, client, contract, profile, seed), seed, "sim")
    simulator = _simulator(workspace.root)
    played = simulator.play(case).played
    if played.trace is None:
        kinds = {"author_error": AuthorError, "unsupported": AuthorError, "harness_error": HarnessError}
        raise kinds.get(played.ending, DriverError)(played.why)
    judged = simulator.judge(played)
    broken = [item for item in judged.unexpected() if clauses is None or item in clauses]
    if broken:
        raise AssertionError(_told(judged, broken))


def _read(text: str) -> Scenario:
    return YamlFile.parse(text, "the scenario of the test").to_model(Scenario, Reading())


def _client(workspace: Workspace, word: str | None, contract: str | None, profile: str, seed: int) -> Client:
    file = None
    if contract is not None:
        file = Path(contract) if Path(contract).suffix else workspace.contract_path(contract)
    return asyncio.run(open_client(ClientRequest(word, workspace, file, profile), seed))


@lru_cache(maxsize=4)
def _simulator(root: Path) -> Simulator:
    return Simulator(Workspace(root))


def _told(judged: Judged, broken: Sequence[str]) -> str:
    lines = [f"the client {judged.played.case.client.name} breaks {', '.join(broken)}"]
    for name in broken:
        lines += [f"{name}: {item.sentence}" for item in judged.judgements[name].findings]
    lines += ["", *schedule_of(judged.played).rstrip().splitlines(), ""]
    for row in timeline_of(judged.played):
        parts = (f"{row.t:9.3f} s", row.call or "", row.text, row.fault or "", row.answer or "")
        wait = "" if row.wait is None else f"waited {format_seconds(round(row.wait, 3))}"
        lines.append("  ".join(part for part in (*parts, wait) if part))
    return "\n".join(lines)
