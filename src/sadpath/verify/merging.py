"""Several results made one: the shards of a run, and runs of different clients.

A client that several files speak of must be split into shards there. It is put together clause by clause, and what
takes all cases (stale expectations, rules that are judged by all cases together) is judged anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sadpath.core.errors import UsageError
from sadpath.verify.mergedclause import merge_clauses
from sadpath.verify.results import (
    CaseResult,
    ClientResult,
    ErrorEntry,
    KilledClause,
    KillRate,
    Listed,
    Pool,
    Results,
    count,
)
from sadpath.verify.shards import Shard
from sadpath.verify.stale import mark_stale
from sadpath.verify.summary import GENERATED

__all__ = ["Part", "merge"]


@dataclass(frozen=True)
class Part:
    """Results with the name by which messages call them."""

    where: str
    results: Results

    @property
    def shard(self) -> Shard | None:
        """Which part of a run it is, None for a whole one.

        Raises:
            UsageError: where it is several parts, merged before the others were there.
        """
        text = self.results.shard
        if text is None:
            return None
        try:
            return Shard.parse(text)
        except UsageError:
            raise UsageError(f"{self.where} holds shards {text} already; merge the shards themselves") from None

    def names(self) -> list[str]:
        """Return the clients' names."""
        return [client.name for client in self.results.clients]


def merge(parts: Sequence[Part], *, partial: bool = False) -> Results:
    """Return what several results come to together; one alone is returned as it is, unless it is a shard.

    Args:
        parts: what to merge; clients come in their order.
        partial: whether shards may be missing. What takes all of them is then left open.

    Raises:
        UsageError: where they are no parts of one whole: another version, seed or world, shards that are missing or are
            there twice, a client that two whole runs speak of.
    """
    if len(parts) == 1 and parts[0].results.shard is None:
        return parts[0].results
    first = parts[0]
    for other in parts[1:]:
        _check_alike(first, other)
    missing = _missing(parts)
    if missing and not partial:
        raise UsageError(f"{missing}; with --partial what is there is reported without it")
    _check_owners(parts)
    clients = _clients(parts, whole=not missing)
    cases = _cases(parts, clients)
    return Results(
        sadpath=first.results.sadpath,
        seed=first.results.seed,
        world=first.results.world,
        profile=first.results.profile,
        shard=_shards(parts) if missing else None,
        started=min(part.results.started for part in parts),
        duration_s=round(sum(part.results.duration_s for part in parts), 3),
        noise_ms=max(part.results.noise_ms for part in parts),
        command="; ".join(dict.fromkeys(part.results.command for part in parts if part.results.command)),
        clients=clients,
        cases=cases,
        errors=_errors(parts, cases),
        kill_rate=_kill_rate([part.results.kill_rate for part in parts if part.results.kill_rate is not None]),
        interrupted=any(part.results.interrupted for part in parts),
        planned=sum(part.results.planned for part in parts),
        generated=sum(part.results.generated for part in parts),
    )


# What cannot be merged


def _check_alike(one: Part, other: Part) -> None:
    a, b = one.results, other.results
    facts = (("version of sadpath", a.sadpath, b.sadpath), ("seed", a.seed, b.seed))
    for what, left, right in facts:
        if left != right:
            raise UsageError(f"{one.where} has {what} {left} and {other.where} has {right}: they are not one run")
    if (a.kill_rate is None) != (b.kill_rate is None):
        raise UsageError(f"of {one.where} and {other.where} one is about known-bad clients and the other is not")


def _check_owners(parts: Sequence[Part]) -> None:
    """Make sure that a client that several parts speak of was shared out to them."""
    seen: dict[str, Part] = {}
    for part in parts:
        for client in part.results.clients:
            former = seen.setdefault(client.name, part)
            if former is part:
                continue
            shards = (former.shard, part.shard)
            if shards[0] is None or shards[1] is None or shards[0].of != shards[1].of:
                raise UsageError(
                    f"{former.where} and {part.where} both hold {client.name}, and are not shards of one run"
                )
            if former.results.world != part.results.world:
                raise UsageError(
                    f"{former.where} put {client.name} to the test in {former.results.world} and {part.where} "
                    f"in {part.results.world}: they are not one run"
                )
            other = next(item for item in former.results.clients if item.name == client.name)
            for what in ("version", "profile", "contract"):
                left, right = getattr(other, what) or "none", getattr(client, what) or "none"
                if left != right:
                    raise UsageError(f"{client.name} has {what} {left} in {former.where} and {right} in {part.where}")


def _missing(parts: Sequence[Part]) -> str:
    """Return which shards are not there, an empty text where all are; two of the same number are a mistake."""
    runs: dict[tuple[object, ...], dict[int, Part]] = {}
    for part in parts:
        shard = part.shard
        if shard is None:
            continue
        key = (shard.of, *(part.names() if part.results.kill_rate is None else ()))
        known = runs.setdefault(key, {})
        if shard.number in known:
            raise UsageError(f"{known[shard.number].where} and {part.where} are both shard {shard}")
        known[shard.number] = part
    lost = []
    for (of, *_), known in runs.items():
        lost += [f"{number}/{of}" for number in range(1, int(str(of)) + 1) if number not in known]
    if not lost:
        return ""
    return f"shard {lost[0]} is missing" if len(lost) == 1 else f"the shards {', '.join(lost)} are missing"


def _shards(parts: Sequence[Part]) -> str:
    found: dict[int, list[int]] = {}
    for shard in (part.shard for part in parts):
        if shard is not None:
            found.setdefault(shard.of, []).append(shard.number)
    return ", ".join(f"{'+'.join(map(str, sorted(numbers)))}/{of}" for of, numbers in found.items())


# Clients


def _clients(parts: Sequence[Part], *, whole: bool) -> list[ClientResult]:
    found: dict[str, list[ClientResult]] = {}
    for part in sorted(parts, key=lambda part: part.shard.number if part.shard is not None else 0):
        for client in part.results.clients:
            found.setdefault(client.name, []).append(client)
    judged_whole = {
        client.name
        for part in parts
        if part.results.shard is None or part.results.kill_rate is not None
        for client in part.results.clients
    }
    names = dict.fromkeys(name for part in parts for name in part.names())
    return [found[name][0] if name in judged_whole else _one_client(found[name], whole=whole) for name in names]


def _one_client(shards: Sequence[ClientResult], *, whole: bool) -> ClientResult:
    pools = _pools(shards)
    clauses = merge_clauses([(shard.clauses, shard.drawn) for shard in shards], pools, whole=whole)
    listed = _listed(shards)
    if whole:
        mark_stale(clauses, listed)
    return shards[0].model_copy(
        update={
            "clauses": clauses,
            "totals": count(item.verdict for item in clauses),
            "notes": list(dict.fromkeys(note for shard in shards for note in shard.notes)),
            "drawn": sum(shard.drawn for shard in shards),
            "listed": listed,
            "pooled": {} if whole else pools,
        }
    )


def _listed(shards: Sequence[ClientResult]) -> list[Listed]:
    """Return the expected failures, which all shards list alike, with what all of them say of them.

    Raises:
        UsageError: where they do not list them alike.
    """
    lists = [shard.listed for shard in shards]
    if any([item.reason for item in listed] != [item.reason for item in lists[0]] for listed in lists):
        raise UsageError(f"the shards of {shards[0].name} expect different failures: they are not one run")
    merged = []
    for entries in zip(*lists, strict=True):
        tested: dict[str, int] = {}
        for entry in entries:
            for name, number in entry.tested.items():
                tested[name] = tested.get(name, 0) + number
        failed = any(entry.failed for entry in entries)
        merged.append(entries[0].model_copy(update={"tested": tested, "failed": failed}))
    return merged


def _pools(shards: Sequence[ClientResult]) -> dict[str, Pool]:
    pools: dict[str, Pool] = {}
    for shard in shards:
        for name, pool in shard.pooled.items():
            known = pools.setdefault(name, Pool(expected=pool.expected))
            known.samples.update(pool.samples)
            examples = [item for item in (known.example, pool.example) if item is not None]
            known.example = min(examples, key=lambda item: item.case, default=None)
    return pools


# Cases and the rest


def _cases(parts: Sequence[Part], clients: Iterable[ClientResult]) -> list[CaseResult]:
    """Return all cases, client by client: those of scenarios in the order of names, then the drawn ones by size."""
    found: dict[str, dict[str, CaseResult]] = {}
    sharded = {name for part in parts if part.results.shard is not None for name in part.names()}
    for part in parts:
        for case in part.results.cases:
            found.setdefault(case.client, {}).setdefault(case.id, case)
    sizes = {
        finding.case: finding.size for client in clients for clause in client.clauses for finding in clause.findings
    }

    def place(case: CaseResult) -> tuple[bool, list[int], str]:
        drawn = case.scenario.startswith(GENERATED)
        return (drawn, sizes.get(case.id, []) if drawn else [], case.scenario)

    out: list[CaseResult] = []
    for name, cases in found.items():
        out += sorted(cases.values(), key=place) if name in sharded else cases.values()
    return out


def _errors(parts: Sequence[Part], cases: Sequence[CaseResult]) -> list[ErrorEntry]:
    places = {case.id: index for index, case in enumerate(cases)}
    errors = [error for part in parts for error in part.results.errors]
    return sorted(errors, key=lambda error: places.get(error.where, len(places)))


def _kill_rate(rates: Sequence[KillRate]) -> KillRate | None:
    if not rates:
        return None
    clauses: dict[str, KilledClause] = {}
    for rate in rates:
        for item in rate.clauses:
            known = clauses.setdefault(item.id, KilledClause(id=item.id, bad=0, killed=0))
            known.bad += item.bad
            known.killed += item.killed
    return KillRate(
        bad=sum(rate.bad for rate in rates),
        killed=sum(rate.killed for rate in rates),
        clauses=[clauses[name] for name in sorted(clauses)],
        survivors=[survivor for rate in rates for survivor in rate.survivors],
        unguarded=[name for name in rates[0].unguarded if all(name in rate.unguarded for rate in rates)],
    )
