"""A case is the same whenever and wherever it is run: in one process, in others, under any hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sadpath.verify.simworld import difference, trace_line
from tests.campaign.arranged import client
from tests.simworld.arranged_sim import BUSY, LIVELY, bundled, known, play, sim_case
from tests.simworld.odd import Forgets
from tests.support.places import TOP

DIGESTS = """
import sys
from tests.simworld.arranged_sim import LIVELY, bundled, known, play, sim_case
names = sys.argv[1:]
print(play(sim_case(LIVELY)).digest)
print(play(sim_case(LIVELY, known("article"))).digest)
for item in bundled():
    if item.name in names:
        print(item.name, play(sim_case(item.scenario.to_file(), None, item.name)).digest)
"""
SOME = ["cancellation/many-at-once", "refresh/five-refused-at-once", "cache/settings-behind-the-back", "retry/outage"]


def test_a_hundred_runs_are_one() -> None:
    """Chance, calls at once, cancels and background work come to the same a hundred times over."""
    case = sim_case(LIVELY)
    first = play(case)

    assert len(first.played.exchanges) > 10
    assert {play(case).digest for _ in range(100)} == {first.digest}


@pytest.mark.parametrize("word", ["reference", "article"])
def test_what_was_run_before_does_not_matter(word: str) -> None:
    """Each bundled scenario comes to the same in another order."""
    who = known(word)
    cases = [sim_case(item.scenario.to_file(), who, item.name) for item in bundled()][::3]
    forward = {case.id: play(case) for case in cases}

    for case in reversed(cases):
        again = play(case)
        assert difference(forward[case.id], again) is None
        assert forward[case.id].digest == again.digest


def test_other_processes_come_to_the_same() -> None:
    """Neither the process nor the seed of hashes shows."""
    here = [play(sim_case(LIVELY)).digest, play(sim_case(LIVELY, known("article"))).digest]
    here += [
        f"{item.name} {play(sim_case(item.scenario.to_file(), None, item.name)).digest}"
        for item in bundled()
        if item.name in SOME
    ]

    for seed in ("0", "1", "4000"):
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS, *SOME],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            cwd=TOP,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert done.stdout.split("\n")[:-1] == here, done.stderr


def test_the_seed_counts() -> None:
    """Another seed is another run; the same seed is not."""

    def digest(seed: int) -> str:
        data: dict[str, Any] = {**LIVELY, "seed": seed}
        return play(sim_case(data)).digest

    assert digest(1) == digest(1)
    assert len({digest(seed) for seed in range(5)}) == 5


def test_the_digest_covers_what_the_caller_got() -> None:
    """Two clients that send the same and report something else are told apart."""
    one, other = (play(sim_case(BUSY, client(name=name), heal=False)) for name in ("one", "other"))

    assert one.network.digest != other.network.digest  # their sessions have other names
    lines = list(one.lines())
    assert any('"outcome": "error"' in line for line in lines)
    assert any('"event": "exchange"' in line for line in lines)


def test_a_difference_names_its_first_event() -> None:
    """A client that is not the same twice is shown where it differs first."""
    case = sim_case(BUSY, client(Forgets, "forgets"), heal=False)
    first, second = play(case), play(case)
    found = difference(first, second)

    assert found is not None
    assert "the two runs differ from event" in found
    assert "first" in found
    assert "second" in found


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """A simulated case writes no file."""
    before = set(tmp_path.iterdir())
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        play(sim_case(LIVELY))
    finally:
        os.chdir(here)

    assert set(tmp_path.iterdir()) == before


def test_addresses_in_memory_make_no_difference() -> None:
    """What a library says of an object, with its address, whole or shortened, does not tell two runs apart."""
    texts = ("at 0x7f7289cd1cd90>: timed out", "result=Reply(request...c0>, body=b'')")
    others = ("at 0x7f7289d089d0>: timed out", "result=Reply(request...d0>, body=b'')")

    for one, other in zip(texts, others, strict=True):
        assert trace_line({"message": one}) == trace_line({"message": other})
    assert trace_line({"message": "0x7f"}) != trace_line({"message": "0x7e"})
