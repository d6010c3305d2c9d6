"""Look for long: thousands of drawn cases, each judged by the clauses and held against the oracle.

    scripts/nightly                              20,000 cases of the reference client
    scripts/nightly --client article --no-oracle
    scripts/nightly --examples 2000 --policies   under policies that are drawn too

Prints what was put to the test and how fast, and exits with 1 if anything was found; cases that show it are stored in
``.sadpath/cases`` and can be run again with ``sadpath replay``. The same seed draws the same cases.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from sadpath.scenario.roles import Roles
from sadpath.strategies import policies
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.generate import search
from sadpath.verify.judging import Judged
from sadpath.verify.oracle import disagreements, predict
from sadpath.verify.played import Client
from sadpath.verify.policy import Policy
from sadpath.verify.simworld import Simulator
from sadpath.verify.stored import keep
from sadpath.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
SLICE = 250
"""Cases that are drawn from one seed; a run takes one seed after another."""

SHARE = 25
"""Cases for each policy, where policies are drawn too."""

MOST_SHOWN = 10


@dataclass(frozen=True)
class Slice:
    """Some of the work: ``seed`` is what its cases are drawn from."""

    client: str
    examples: int
    seed: int
    profile: str | None
    oracle: bool
    policies: bool
    store: Path


@dataclass
class Done:
    """What some of the work came to."""

    cases: int = 0
    exchanges: int = 0
    exact: int = 0
    exercised: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    def add(self, other: Done) -> None:
        """Add the figures of another."""
        self.cases += other.cases
        self.exchanges += other.exchanges
        self.exact += other.exact
        self.exercised += other.exercised
        self.endings += other.endings
        self.found += other.found


def work(part: Slice) -> Done:
    """Search one slice."""
    simulator = _simulator()
    done = Done()
    for number, (client, examples) in enumerate(_clients(part)):
        policy, roles = client.contract.policy, simulator.workspace.roles()

        def look(judged: Judged, policy: Policy = policy, roles: Roles = roles) -> None:
            trace = judged.played.trace
            if trace is None or not part.oracle:
                return
            foreseen = predict(trace.scenario, policy, roles)
            done.exact += foreseen.exact
            for sentence in disagreements(foreseen, trace):
                done.found.append(f"ORACLE: {sentence}{_kept(judged, part.store)}")

        found = search(client, simulator, examples=examples, seed=part.seed + number, on_case=look)
        done.add(Done(found.cases, found.exchanges, 0, found.exercised, found.endings))
        for item in found.findings:
            if item.clause not in item.judged.unexpected():
                continue
            sentence = item.judged.judgements[item.clause].findings[0].sentence
            done.found.append(f"{item.clause}: {sentence}{_kept(item.judged, part.store)}")
        done.found += [f"{judged.played.ending}: {judged.played.why}" for judged in found.troubles]
    return done


@cache
def _simulator() -> Simulator:
    """Return what plays cases, made once per process."""
    return Simulator(Workspace(ROOT))


@cache
def _client(name: str, profile: str | None) -> Client:
    return asyncio.run(open_client(ClientRequest(name, _simulator().workspace, profile=profile)))


def _clients(part: Slice) -> Iterator[tuple[Client, int]]:
    """Yield the client as it is, or under several drawn policies, each with its share of the cases."""
    client = _client(part.client, part.profile)
    if not part.policies:
        yield client, part.examples
        return
    for policy in _drawn_policies(client.contract.policy, max(1, part.examples // SHARE), part.seed):
        yield replace(client, contract=client.contract.model_copy(update={"policy": policy})), SHARE


def _drawn_policies(base: Policy, count: int, seed: int) -> list[Policy]:

    found: list[Policy] = []

    @hypothesis.seed(seed)
    @settings(max_examples=count, phases=[Phase.generate], database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(policies(base))
    def take(policy: Policy) -> None:
        found.append(policy)

    take()
    return found


def _kept(judged: Judged, store: Path) -> str:

    command = keep(judged, store, root=ROOT)
    return f"\n    {command}" if command is not None else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, print what came of it, and return the exit code."""
    chosen = _options().parse_args(arguments)
    slices = [
        Slice(
            chosen.client,
            min(SLICE, chosen.examples - start),
            chosen.seed * 1_000_000 + start,
            chosen.profile,
            chosen.oracle,
            chosen.policies,
            chosen.store,
        )
        for start in range(0, chosen.examples, SLICE)
    ]
    total, begun = Done(), time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(chosen.jobs) as pool:
        for number, done in enumerate(pool.imap_unordered(work, slices), 1):
            total.add(done)
            if number % 4 == 0 or number == len(slices):
                rate = total.cases / (time.perf_counter() - begun)
                print(f"{total.cases:6} cases, {rate:.0f} a second, {len(total.found)} found", flush=True)
    _print(total, time.perf_counter() - begun, chosen)
    return 1 if total.found else 0


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    options.add_argument("--client", default="reference", help="a contract's name (default: reference)")
    options.add_argument("--profile", default=None, help="a profile of its contract")
    options.add_argument("--examples", type=int, default=20_000, help="how many cases (default: 20000)")
    options.add_argument("--seed", type=int, default=0, help="what they are drawn from (default: 0)")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    options.add_argument("--no-oracle", dest="oracle", action="store_false", help="judge by the clauses alone")
    options.add_argument("--policies", action="store_true", help="draw policies too, 25 cases each")
    options.add_argument("--store", type=Path, default=ROOT / ".sadpath" / "cases", help="where to keep what is found")
    return options


def _print(total: Done, seconds: float, chosen: argparse.Namespace) -> None:
    print(f"\n{total.cases} cases of {chosen.client} in {seconds:.0f} s, seed {chosen.seed}")
    if total.cases:
        print(f"{total.exchanges / total.cases:.1f} exchanges a case; endings: {dict(total.endings)}")
    if chosen.oracle and total.cases:
        print(f"the oracle followed {100 * total.exact / total.cases:.0f} % of them to the end")
    print("put to the test: " + ", ".join(f"{name} {count}" for name, count in sorted(total.exercised.items())))
    distinct = list(dict.fromkeys(total.found))
    print(f"{len(distinct)} found" if distinct else "nothing was found")
    for sentence in distinct[:MOST_SHOWN]:
        print(f"  {sentence}")
    if len(distinct) > MOST_SHOWN:
        print(f"  … and {len(distinct) - MOST_SHOWN} more")


if __name__ == "__main__":
    sys.exit(main())
