"""Two results compared: which clauses fail that did not, and which do not any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sadpath.verify.results import ClauseResult, ClientResult, Results

__all__ = ["Change", "Comparison", "compare"]

_FAILS = ("fail", "xfail", "flaky")


@dataclass(frozen=True)
class Change:
    """What became of one client's clauses.

    Attributes:
        client: whose.
        new: clauses that fail and did not fail before.
        mended: clauses that failed and hold now.
        unseen: clauses that failed and were not put to the test now.
        known: how many fail as they did before.
    """

    client: str
    new: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    known: int = 0


@dataclass(frozen=True)
class Comparison:
    """What became of all clients; those that only one of the two results knows are named apart."""

    clients: list[Change] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def is_new(self, client: str, clause: str) -> bool:
        """Tell whether a clause of a client fails that did not fail before."""
        return any(change.client == client and clause in change.new for change in self.clients)

    def lines(self) -> list[str]:
        """Return it in sentences."""
        out = []
        for change in self.clients:
            parts = [
                f"{what} {', '.join(names)}"
                for what, names in (
                    ("new:", change.new), ("mended:", change.mended), ("failed before, not tested now:", change.unseen),
                )
                if names
            ]  # fmt: skip
            parts.append(f"{change.known} fail as before" if change.known else "" if parts else "nothing has changed")
            out.append(f"{change.client}: {'; '.join(part for part in parts if part)}.")
        out += [f"{name}: not among the results compared with." for name in self.added]
        return out + [f"{name}: only among the results compared with." for name in self.gone]


def compare(before: Results, now: Results) -> Comparison:
    """Return what became of each client, in the order of the newer results."""
    former = {client.name: client for client in before.clients}
    names = [client.name for client in now.clients]
    return Comparison(
        clients=[_change(former[client.name], client) for client in now.clients if client.name in former],
        added=[name for name in names if name not in former],
        gone=[name for name in former if name not in names],
    )


def _change(before: ClientResult, now: ClientResult) -> Change:
    failed = set(_with(before.clauses, _FAILS))
    fails = _with(now.clauses, _FAILS)
    holds = _with(now.clauses, ("pass", "xpass"))
    unseen = [item.id for item in before.clauses if item.id in failed and item.id not in {*fails, *holds}]
    return Change(
        client=now.name,
        new=[name for name in fails if name not in failed],
        mended=[name for name in holds if name in failed],
        unseen=unseen,
        known=sum(name in failed for name in fails),
    )


def _with(clauses: Iterable[ClauseResult], verdicts: Iterable[str]) -> list[str]:
    wanted = tuple(verdicts)
    return [item.id for item in clauses if item.verdict in wanted]
