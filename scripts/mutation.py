"""Mutation testing of the clauses: does a test in tests/clauses notice each small change of a clause?

    scripts/mutation                            every module in src/sadpath/verify/clauses
    scripts/mutation retry.py auth.py --jobs 2
    scripts/mutation retry.py --few             a quick look, which may name changes that more examples would notice

The changes are cosmic-ray's. They are tried in memory, so no file of the checkout is touched, whoever else works in it:
the tests that could notice are collected once, and for each change a fork puts the changed module in the other's place
and runs them, first those that noticed the change before, until one fails. Properties are tried with few examples
first; a change that nothing notices so is tried again with as many as usual.

A change that no test notices then *survives*. It is printed with its diff; ``tests/clauses/survivors.toml`` holds
those that are explained (a change that makes no difference, or none that a test should pin). The run fails for a
survivor that is not, and for an explanation of a change that is noticed after all, or that can no longer be made. What
is explained is tried with few examples only, save with ``--thorough``.
"""

from __future__ import annotations

import argparse
import difflib
import gc
import importlib
import multiprocessing
import os
import re
import resource
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Self

import hypothesis
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

# For the forks, which need not import these again; not the clauses, nor anything that imports them: a change is made to
# what is in the working tree when its module's turn comes.
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

OF_EACH = (
    "test_an_empty_case_proves_nothing", "test_what_is_not_promised_is_unsupported",
    "test_a_standard_binds_whatever_is_promised",
)  # fmt: skip
"""Tests in test_registry.py that are run for each clause; the last is only about those that a standard makes a must."""

FEW, USUAL = 8, 100
"""Examples for a property: first, and for what was not noticed with those. A test's own number stays."""

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

CPU_SECONDS, CPU_TIMES, SECONDS, MEMORY = 10, 5, 900.0, 4 * 2**30
"""What the tests may take with a change: the processor's time, so many seconds and so many times what they take
without; seconds by the clock; bytes. One that makes them loop or hang has been noticed. The first does not depend on
what else the machine has to do."""


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
class Options:
    """How many changes are tried at a time, and with which examples."""

    jobs: int
    few: bool = False
    thorough: bool = False


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
    """Yield every change of a module, none of them twice, from top to bottom."""
    source = path.read_text(encoding="utf-8")
    seen = {source}
    operators = [get_operator(f"core/{name}")() for name in OPERATORS]
    above, parts = "", [str(node.get_code()) for node in get_ast(source).children]
    for part in parts:  # a statement at a time, for each change parses what it is made in
        below = source[len(above) + len(part) :]
        for operator in operators:
            positions = sum(len(list(operator.mutation_positions(node))) for node in ast_nodes(get_ast(part)))
            for occurrence in range(positions):
                changed = mutate_code(part, operator, occurrence)
                whole = source if changed is None else f"{above}{changed}{below}"
                if whole not in seen and _compiles(whole):
                    seen.add(whole)
                    yield Mutant(path.name, *_difference(source, whole), whole)
        above += part


def unchanged(module: str) -> Mutant:
    """Return the change of a module that changes nothing."""
    return Mutant(module, 0, "", "", "", (CLAUSES / module).read_text(encoding="utf-8"))


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


_ID = r'\bid="([A-Z]+-\d+)"'


def tests_of(module: str) -> list[str]:
    """Return the test files that speak of a module's clauses, those of its family first, and what is for each clause.

    A file that speaks of none of them cannot notice a change of the module. What another module of clauses takes from
    it is judged by that one's tests.
    """
    family = module.removesuffix(".py").partition("_")[0]
    takes = f"from {PACKAGE}.{module.removesuffix('.py')} import"
    texts = {path.name: path.read_text(encoding="utf-8") for path in CLAUSES.glob("*.py")}
    users = [module, *sorted(name for name, text in texts.items() if takes in text)]
    ids = [name for user in users for name in re.findall(_ID, texts[user])]
    musts = [name for user in users for name in re.findall(rf"(?s){_ID}(?:(?!\n\)).)*?must_for=", texts[user])]
    files = [path for path in sorted(TESTS.glob("test_*.py")) if path.name not in WITHOUT]
    speaks = {path: any(f'"{name}"' in path.read_text(encoding="utf-8") for name in ids) for path in files}
    own = sorted((path for path in files if speaks[path]), key=lambda path: (f"_{family}" not in path.name, path.name))
    registry = [f"{TESTS / 'test_registry.py'}::{test}[{name}]" for test in OF_EACH[:-1] for name in ids]
    registry += [f"{TESTS / 'test_registry.py'}::{OF_EACH[-1]}[{name}]" for name in musts]
    return [*map(str, own), *registry]


def put_in_place(mutant: Mutant) -> None:
    """Let a changed module take its module's place: in the registry, and wherever something of it was imported."""
    base = importlib.import_module(f"{PACKAGE}.base")
    module = sys.modules[f"{PACKAGE}.{mutant.module.removesuffix('.py')}"]
    old = {name: item for name, item in vars(module).items() if _is_own(item, module, base)}
    for item in old.values():
        if isinstance(item, base.Clause):
            del base._CLAUSES[item.id]  # noqa: SLF001 - nobody else may take a clause back
    exec(compile(mutant.source, str(CLAUSES / mutant.module), "exec"), vars(module))  # noqa: S102 - as an import does
    new = {id(item): vars(module)[name] for name, item in old.items()}
    for other in [item for name, item in sys.modules.items() if name.startswith(("sadpath.", "tests."))]:
        for name, item in list(vars(other).items()):
            if id(item) in new:
                setattr(other, name, new[id(item)])


def _is_own(item: Any, module: ModuleType, base: ModuleType) -> bool:
    return isinstance(item, base.Clause) or getattr(item, "__module__", None) == module.__name__


@dataclass
class Trial:
    """A plugin of pytest: instead of running the tests that it has collected, it tries changes with them, in forks.

    ``left`` are the numbers of the changes that no test noticed, ``useless`` names what fails without any change.
    """

    work: Sequence[Mutant]
    jobs: int
    strict: bool
    left: list[int] = field(default_factory=list)
    useless: str = ""
    items: list[pytest.Item] = field(default_factory=list)
    over: bool = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try all changes; True tells pytest that this was all."""
        if session.testsfailed:
            raise SystemExit("the tests cannot be collected")
        self.items = list(session.items)
        gc.collect()
        gc.freeze()
        seconds = self._without(session)
        if self.useless:
            return True
        self._try_all(session, seconds)
        self.over = True
        return True

    def _try_all(self, session: pytest.Session, seconds: int) -> None:
        """Try one change after the other, as many at a time as there are to be jobs."""
        waiting = list(range(len(self.work)))[::-1]
        running: dict[BaseProcess, tuple[int, list[pytest.Item], SynchronizedArray[int], float]] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                number, failed = waiting.pop(), CONTEXT.Array("b", len(self.items))
                process = CONTEXT.Process(target=self._run, args=(session, self.work[number], seconds, failed))
                process.start()
                running[process] = number, self.items, failed, time.monotonic() + SECONDS
            wait([process.sentinel for process in running], timeout=1.0)
            for child, (number, items, failed, latest) in list(running.items()):
                if child.is_alive() and time.monotonic() < latest:
                    continue
                child.kill()
                child.join()
                del running[child]
                if child.exitcode == 0:
                    self.left.append(number)
                else:  # the next change is near this one, so what noticed this one goes first
                    first = [item for item, told in zip(items, failed[:], strict=True) if told]
                    self.items = first + [item for item in self.items if item not in first]

    def _without(self, session: pytest.Session) -> int:
        """Run the tests on the module as it is; return how much of the processor's time a change may take.

        A property may need more than a few examples to have seen what it wants to see. So a test that fails here has no
        part where the rest is not ``strict``: what it would notice it may notice later. Nor has a property that runs no
        code of the module: it draws and does the same whatever the change.
        """
        failed, idle = CONTEXT.Array("b", len(self.items)), CONTEXT.Array("b", len(self.items))
        used = CONTEXT.Value("d", 0.0)
        more = {"idle": idle, "used": used}
        process = CONTEXT.Process(target=self._run, args=(session, None, 3600, failed), kwargs=more)
        process.start()
        process.join()
        useless = [item for item, told in zip(self.items, failed[:], strict=True) if told]
        if process.exitcode or all(idle[:]) or (useless and self.strict):
            self.useless = ", ".join(item.nodeid for item in useless) or "one that ends them all"
        away = [item for item, told in zip(self.items, idle[:], strict=True) if told and _is_property(item)]
        self.items = [item for item in self.items if item not in useless and item not in away]
        return CPU_SECONDS + int(CPU_TIMES * used.value)

    def _run(
        self,
        session: pytest.Session,
        mutant: Mutant | None,
        seconds: int,
        failed: SynchronizedArray[int],
        *,
        idle: SynchronizedArray[int] | None = None,
        used: Synchronized[float] | None = None,
    ) -> None:
        """In a fork: run the tests, with a change until one fails; exit with whether one did."""
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        try:
            put_in_place(mutant if mutant is not None else unchanged(self.work[0].module))
            for number, item in enumerate(self.items):
                before, failed[number] = session.testsfailed, 1
                following = self.items[number + 1] if number + 1 < len(self.items) else None
                with Watching(str(CLAUSES / self.work[0].module), watch=idle is not None) as watching:
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if idle is not None:
                    idle[number] = not watching.seen
                if session.testsfailed == before:
                    failed[number] = 0
                elif mutant is not None:
                    os._exit(1)
            if used is not None:
                used.value = time.process_time()
        except BaseException:  # noqa: BLE001 - whatever it is, it has been noticed
            os._exit(1)
        os._exit(0)


class Watching:
    """Sees whether code of a file runs."""

    def __init__(self, path: str, *, watch: bool) -> None:
        self.seen = False
        self._path = path
        self._watch = watch

    def __enter__(self) -> Self:
        if self._watch:
            sys.setprofile(self._look)
        return self

    def __exit__(self, *_: object) -> None:
        if self._watch:
            sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename == self._path:
            self.seen = True
            sys.setprofile(None)


def _is_property(item: pytest.Item) -> bool:
    return hypothesis.is_hypothesis_test(getattr(item, "obj", None))


CONTEXT = multiprocessing.get_context("fork")


def tried(work: Sequence[Mutant], files: list[str], jobs: int, examples: int) -> list[Mutant]:
    """Return the mutants that no test notices with so many examples.

    Raises:
        SystemExit: if the tests fail on the module as it is, so that they would notice anything.
    """
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_try, args=(sender, work, files, jobs, examples))
    process.start()
    sender.close()
    try:
        left, useless = receiver.recv()
    except EOFError:
        raise SystemExit(f"the tests could not be run: {' '.join(files)}") from None
    process.join()
    if useless:
        raise SystemExit(f"the tests fail without any change: {useless}")
    return [work[number] for number in sorted(left)]


def _try(sender: Connection, work: Sequence[Mutant], files: list[str], jobs: int, examples: int) -> None:
    """In a fork: collect the tests, and let the plugin try the changes with them. Hypothesis draws the same in each."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    sys.dont_write_bytecode = True
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=examples,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),  # a busy machine must not notice for the tests
    )
    hypothesis.settings.load_profile("mutation")
    trial = Trial(work, jobs, strict=examples == USUAL)
    words = [
        "-s",
        "-q",
        "-q",
        "--no-header",
        "--no-summary",
        "--assert=plain",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    pytest.main([*words, "-m", "not slow", *files], plugins=[trial])
    sender.send((trial.left, trial.useless or ("" if trial.over else "they were not run")))
    sender.close()


def survivors(work: Sequence[Mutant], known: Sequence[Mutant], files: list[str], options: Options) -> list[Mutant]:
    """Return the mutants that no test notices; each that is not ``known`` has been tried with the usual examples."""
    left = tried(work, files, options.jobs, FEW)
    again = [] if options.few else [mutant for mutant in left if options.thorough or mutant not in known]
    if again:
        still = tried(again, files, options.jobs, USUAL)
        left = [mutant for mutant in left if mutant in still or mutant not in again]
    for mutant in left:
        if mutant not in known:
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


def check(name: str, options: Options) -> bool:
    """Try every change of one module; tell whether each is noticed or explained, and each explanation needed."""
    began = time.monotonic()
    work, known = list(mutants(CLAUSES / name)), explanations(name)
    expected = [mutant for mutant in work if any(item.covers(mutant) for item in known)]
    left = survivors(work, expected, tests_of(name), options)
    bad = [mutant for mutant in left if mutant not in expected]
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
    parser.add_argument("--few", action="store_true", help="try what is not noticed with few examples no further")
    parser.add_argument("--thorough", action="store_true", help="try with all examples what is explained, too")
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
    chosen = Options(options.jobs, few=options.few, thorough=options.thorough)
    good = [check(name, chosen) for name in names]
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
