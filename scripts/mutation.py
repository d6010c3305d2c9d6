"""Mutation testing of the clauses: does a test in tests/clauses notice each small change of a clause?

    scripts/mutation                            every module in src/sadpath/verify/clauses
    scripts/mutation retry.py auth.py --jobs 2

The changes are cosmic-ray's. They are tried in memory: this process has imported what the tests need, save the clauses;
for each change it forks, and in the fork the changed source is imported in the module's place. So no file of the
checkout is touched, whoever else works in it, and a change that is noticed costs a second rather than five.

A change that no test notices *survives*. It is printed with its diff; ``tests/clauses/survivors.toml`` holds those that
are explained (a change that makes no difference, or none that a test should pin). The run fails for a survivor that is
not, and for an explanation of a change that is noticed after all, or that can no longer be made.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib.abc
import importlib.util
import multiprocessing
import os
import re
import resource
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

# For the forks, which need not import these again; not the clauses, nor anything that imports them.
import sadpath.drivers.messages
import sadpath.faults
import sadpath.scenario.loader
import sadpath.verify.contract
import sadpath.verify.renewals
import sadpath.verify.retrying
import sadpath.verify.trace
import sadpath.workspace  # noqa: F401 - as said above

ROOT = Path(__file__).resolve().parents[1]
CLAUSES = ROOT / "src" / "sadpath" / "verify" / "clauses"
TESTS = ROOT / "tests" / "clauses"
SURVIVORS = TESTS / "survivors.toml"
PACKAGE = "sadpath.verify.clauses"
NO_FAMILY = ("__init__", "base")

WITHOUT = ("test_bundled_scenarios.py", "test_registry.py", "test_truth_registry.py")
"""Test files that judge no told traces, or (the second) of which only some tests are about one clause."""

OF_EACH = ("test_an_empty_case_proves_nothing", "test_what_is_not_promised_is_unsupported")
"""Tests in test_registry.py that are run for each clause."""

OPERATORS = (
    "AddNot", "NumberReplacer", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "ReplaceFalseWithTrue", "ReplaceTrueWithFalse", "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_USub", "ZeroIterationForLoop", "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_Sub_Add", "ReplaceBinaryOperator_Mul_Div", "ReplaceBinaryOperator_Div_Mul",
    "ReplaceComparisonOperator_Eq_NotEq", "ReplaceComparisonOperator_NotEq_Eq", "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is",
)  # fmt: skip
"""Small changes that somebody could make by mistake; the rest of cosmic-ray's would be seen by the type checker, or is
the same again: ``|`` stands in annotations, and ``<`` for ``>`` is what ``AddNot`` does."""

CPU_SECONDS, SECONDS = 60, 900.0
"""How long the tests may take with a change, by the processor's time and by the clock: one that makes them loop or hang
has been noticed. The first does not depend on what else the machine has to do."""


@dataclass(frozen=True)
class Mutant:
    """One small change: the module's file name, the lines that differ, the line above, and the whole changed source."""

    module: str
    line: int
    before: str
    after: str
    above: str
    source: str

    def diff(self) -> str:
        """Return the change as a reader wants to see it."""
        minus = "".join(f"    - {text}\n" for text in self.before.splitlines())
        plus = "".join(f"    + {text}\n" for text in self.after.splitlines())
        return f"{self.module}:{self.line}\n{minus}{plus}"


@dataclass(frozen=True)
class Explanation:
    """Why a change may go unnoticed. It is known by its lines, for numbers change with every edit.

    ``above`` is needed only where a module has the same line more than once.
    """

    module: str
    before: str
    after: str
    above: str | None
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Tell whether it is about a change."""
        same = (self.module, self.before, self.after) == (mutant.module, mutant.before, mutant.after)
        return same and self.above in (None, mutant.above)

    def said(self) -> str:
        """Return what it is about as a reader wants to see it."""
        return f"{self.module}\n    - {self.before}\n    + {self.after}\n"


def mutants(path: Path) -> Iterator[Mutant]:
    """Yield every change of a module, none of them twice."""
    source = path.read_text(encoding="utf-8")
    seen = {source}
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        positions = sum(len(list(operator.mutation_positions(node))) for node in ast_nodes(get_ast(source)))
        for occurrence in range(positions):
            changed = mutate_code(source, operator, occurrence)
            if changed is not None and changed not in seen and _compiles(changed):
                seen.add(changed)
                yield Mutant(path.name, *_difference(source, changed), changed)


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _difference(one: str, other: str) -> tuple[int, str, str, str]:
    """Return the number of the first line that differs, the lines before and after, and the line above the first.

    All of them are without their indentation.
    """
    minus: list[str] = []
    plus: list[str] = []
    first = 0
    a, b = one.splitlines(), other.splitlines()
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, a, b).get_opcodes():
        if tag != "equal":
            first = first or i1 + 1
            minus += [line.strip() for line in a[i1:i2]]
            plus += [line.strip() for line in b[j1:j2]]
    return first, "\n".join(minus), "\n".join(plus), a[first - 2].strip() if first > 1 else ""


class Swapped(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant in its module's place."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = f"{PACKAGE}.{mutant.module.removesuffix('.py')}"
        self._code = compile(mutant.source, str(CLAUSES / mutant.module), "exec")

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> object:
        """Return how to import it; nothing for any other module."""
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with what the mutant defines."""
        exec(self._code, module.__dict__)  # noqa: S102 - this is what importing a module does


def tests_of(module: str) -> list[str]:
    """Return the test files that speak of a module's clauses, those named after its family first, and what is for each.

    A file that speaks of none of them cannot notice a change of the module.
    """
    family = module.removesuffix(".py").partition("_")[0]
    ids = re.findall(r'\bid="([A-Z]+-\d+)"', (CLAUSES / module).read_text(encoding="utf-8"))
    files = [path for path in sorted(TESTS.glob("test_*.py")) if path.name not in WITHOUT]
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    own = [path for path in files if any(f'"{name}"' in texts[path] for name in ids)]
    own.sort(key=lambda path: (f"_{family}" not in path.name, path.name))
    registry = [f"{TESTS / 'test_registry.py'}::{test}[{name}]" for test in OF_EACH for name in ids]
    return [*map(str, own), *registry]


def prepare() -> None:
    """See to it that forks find the tests, and that Hypothesis draws the same in each."""
    if any(name.startswith(PACKAGE) for name in sys.modules):
        raise SystemExit("the clauses have been imported: no change of them would be seen")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None, deadline=None, phases=phases)
    hypothesis.settings.load_profile("mutation")


def run_tests(mutant: Mutant | None, files: list[str]) -> None:
    """In a fork: run the tests on a mutant, None for the module as it is, and exit with what pytest says."""
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    words = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow", *files]
    if mutant is None:
        code = pytest.main(words)
    else:
        sys.meta_path.insert(0, Swapped(mutant))
        with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
            code = pytest.main(words)
    sys.stdout.flush()
    os._exit(int(code))


def survivors(work: Sequence[Mutant], files: list[str], jobs: int) -> list[Mutant]:
    """Return the mutants that no test notices.

    Raises:
        SystemExit: if the tests fail on the module as it is, so that they would notice anything.
    """
    context = multiprocessing.get_context("fork")
    plain = context.Process(target=run_tests, args=(None, files))
    plain.start()
    plain.join()
    if plain.exitcode:
        raise SystemExit(f"the tests fail without any change: {' '.join(files)}")
    waiting, left = list(reversed(work)), []
    running: dict[BaseProcess, tuple[Mutant, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            process = context.Process(target=run_tests, args=(mutant, files))
            process.start()
            running[process] = mutant, time.monotonic() + SECONDS
        wait([process.sentinel for process in running], timeout=1.0)
        for process, (mutant, latest) in list(running.items()):
            if process.is_alive() and time.monotonic() < latest:
                continue
            if process.is_alive():
                process.kill()
            process.join()
            del running[process]
            if process.exitcode == 0:
                left.append(mutant)
                print(f"survives: {mutant.diff()}", flush=True)
    return left


def explanations(module: str) -> list[Explanation]:
    """Return what is explained of a module."""
    table = tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))
    return [
        Explanation(module, item["before"], after, item.get("above"), item["reason"])
        for item in table["survivor"]
        if item["module"] == module
        for after in item["after"]
    ]


def check(name: str, jobs: int) -> bool:
    """Try every change of one module; tell whether each is noticed or explained, and each explanation needed."""
    began = time.monotonic()
    work, known = list(mutants(CLAUSES / name)), explanations(name)
    left = survivors(work, tests_of(name), jobs)
    bad = [mutant for mutant in left if not any(item.covers(mutant) for item in known)]
    print(
        f"{name}: {len(work)} changes, {len(work) - len(left)} noticed, {len(left) - len(bad)} explained, "
        f"{len(bad)} not; {time.monotonic() - began:.0f} s"
    )
    wrong = [f"not noticed, and not explained: {mutant.diff()}" for mutant in bad]
    for item in known:
        covered = [mutant for mutant in work if item.covers(mutant)]
        if not covered:
            wrong.append(f"explained, but cannot be made any more: {item.said()}")
        elif len(covered) > 1:
            wrong.append(f"explained for more than one line; `above` tells them apart: {item.said()}")
        elif covered[0] not in left:
            wrong.append(f"explained, but noticed: {item.said()}")
    print("".join(f"  {text}" for text in wrong), end="", flush=True)
    return not wrong


def main(words: Sequence[str] | None = None) -> int:
    """Run the command."""
    known = sorted(path.name for path in CLAUSES.glob("*.py") if path.stem not in NO_FAMILY)
    parser = argparse.ArgumentParser(description="Does a test notice each small change of a clause?")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(known)}; default: all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="forks at a time")
    parser.add_argument("--count", action="store_true", help="only say how many changes there are")
    options = parser.parse_args(words)
    names = [name if name.endswith(".py") else f"{name}.py" for name in options.modules] or known
    for name in names:
        if name not in known:
            parser.error(f"there is no module {name}; there are {', '.join(known)}")
    if options.count:
        for name in names:
            print(f"{name}: {sum(1 for _ in mutants(CLAUSES / name))} changes")
        return 0
    prepare()
    good = [check(name, options.jobs) for name in names]
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
