"""Expected failures that do not happen any more: a list that is stale says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sadpath.verify.contract import Contract
from sadpath.verify.results import ClauseResult, Listed

__all__ = ["listed_of", "mark_stale"]


class Said(Protocol):
    """What a clause said of a case, as far as it is looked at here."""

    @property
    def verdict(self) -> str:
        """Whether it held."""
        ...

    @property
    def exercised(self) -> bool:
        """Whether it was put to the test."""
        ...

    @property
    def entries(self) -> tuple[int, ...]:
        """The places of the expected failures that are about it."""
        ...


def listed_of(contract: Contract, cases: Sequence[Mapping[str, Said]]) -> list[Listed]:
    """Return the contract's expected failures, with what the cases, each given by its clauses, say of them."""
    listed = [Listed(reason=entry.reason, sometimes=entry.sometimes) for entry in contract.expected_failures]
    for case in cases:
        for name, item in case.items():
            for index in item.entries if item.exercised else ():
                listed[index].tested[name] = listed[index].tested.get(name, 0) + 1
                listed[index].failed = listed[index].failed or item.verdict in ("fail", "flaky")
    return listed


def mark_stale(found: Sequence[ClauseResult], listed: Sequence[Listed]) -> None:
    """Give the verdict ``xpass`` to clauses whose failure is listed as expected and which held wherever tested."""
    for entry in listed:
        if entry.sometimes or entry.failed:
            continue
        for result in found:
            if result.id in entry.tested and result.verdict == "pass":
                held = entry.tested[result.id]
                result.verdict = "xpass"
                result.expected = entry.reason
                result.why = f"listed as an expected failure, but it held in {held} of {held} cases that tested it"
