"""What is wrong with a scenario that its model cannot see: names of other files, rules that never act, missing reasons.

``Surroundings`` says what is known of the workspace around a scenario; what is not known is not checked. Problems that
have to be mended have the level ``error``; what is only worth knowing, such as a fault that exists in one world alone,
is a ``note``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from sadpath.core.errors import FileProblem
from sadpath.core.names import nearest
from sadpath.scenario.calls import (
    OTHER_ORIGIN,
    RAW_OPERATION,
    RESTART_OPERATION,
    STEP_WORDS,
    Advance,
    Call,
    ChangeFaults,
    Offline,
    Parallel,
)
from sadpath.scenario.filemodel import Place
from sadpath.scenario.loader import LoadedScenario
from sadpath.scenario.roles import Operation, Roles
from sadpath.scenario.rules import Fault, Match, Rule

__all__ = ["RAW_OPERATION", "Surroundings", "lint_intro", "lint_scenario"]

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*/[a-z0-9]+(?:-[a-z0-9]+)*")
_SOURCE = re.compile(r"\bSources?\b", re.IGNORECASE)


@dataclass(frozen=True)
class Surroundings:
    """What a scenario may refer to; None where it is not known, and then not checked."""

    roles: Roles | None = None
    clients: Collection[str] | None = None
    data_sets: Collection[str] | None = None
    payloads: Collection[str] | None = None


def lint_scenario(loaded: LoadedScenario, around: Surroundings, *, named: bool = True) -> list[FileProblem]:
    """Return everything that is wrong, or worth knowing, in the order of the lines.

    A file outside ``scenarios/`` has no name that could be wrong: ``named`` is False for it.
    """
    found = [*_file(loaded, named=named), *_Lint(loaded, around).problems()]
    return sorted(found, key=lambda problem: problem.line or 0)


def lint_intro(file: str, intro: str) -> Iterator[FileProblem]:
    """Complain of a file that does not say, in its first lines, what it is about and by which source."""
    if not intro.strip():
        yield FileProblem(file, "must begin with a comment that says what happens, why, and by which source", 1)
    elif _SOURCE.search(intro) is None:
        yield FileProblem(file, "the comment at the top must name its source (`Source: RFC 9110 §10.2.3.`)", 1)


def _file(loaded: LoadedScenario, *, named: bool) -> Iterator[FileProblem]:
    name = loaded.file.name
    if named and PurePath(name).suffix != ".yaml":
        yield FileProblem(name, "the file's name must end in .yaml")
    if named and _NAME.fullmatch(loaded.name) is None:
        yield FileProblem(name, f"the name {loaded.name!r} must be of the form topic/case-in-words")
    yield from lint_intro(name, loaded.intro)


def _fixtures_in(settings: object) -> Iterator[str]:
    """Yield the payloads that settings name: ``body: {fixture: NAME}``, wherever it stands."""
    if isinstance(settings, dict):
        name = settings.get("fixture")
        if isinstance(name, str):
            yield name
        for value in settings.values():
            yield from _fixtures_in(value)


class _Lint:
    """One scenario under inspection."""

    def __init__(self, loaded: LoadedScenario, around: Surroundings) -> None:
        self._file = loaded.file
        self._scenario = loaded.scenario
        self._around = around

    def problems(self) -> Iterator[FileProblem]:
        """Yield problem after problem."""
        yield from self._rules(self._scenario.faults, ("faults",))
        for index, step in enumerate(self._scenario.calls):
            yield from self._step(step, ("calls", index), last=index == len(self._scenario.calls) - 1)
        yield from self._given()
        yield from self._expect()

    def _error(self, message: str, place: Place, near: str | None = None) -> FileProblem:
        return self._file.problem(message, *place, near=near)

    def _note(self, message: str, place: Place) -> FileProblem:
        problem = self._file.problem(message, *place)
        problem.level = "note"
        return problem

    # Rules

    def _rules(self, rules: tuple[Rule, ...], place: Place) -> Iterator[FileProblem]:
        for index, rule in enumerate(rules):
            here = (*place, index)
            yield from self._match(rule.on, (*here, "on"))
            yield from self._reachable(rules, index, here)
            yield from self._faults(rule, here)

    def _match(self, on: Match, place: Place) -> Iterator[FileProblem]:
        if on.method is not None and on.method not in _METHODS and (near := nearest(on.method, _METHODS)):
            yield self._error(f"unknown method {on.method!r}", (*place, "method"), near)
        roles = self._around.roles
        if roles is None:
            return
        if on.operation is not None and on.operation not in roles.operations:
            near = nearest(on.operation, roles.operations)
            if on.operation in {operation.role for operation in roles}:
                near = f"{{role: {on.operation}}}"
            yield self._error(f"unknown operation {on.operation!r}", place, near)
        if on.role is not None and not roles.operations_of(on.role):
            yield self._note(
                f"no operation of this API has the role {on.role!r}: the rule never acts", (*place, "role")
            )

    def _reachable(self, rules: tuple[Rule, ...], index: int, place: Place) -> Iterator[FileProblem]:
        for earlier, rule in enumerate(rules[:index]):
            always = rule.chance is None or rule.chance == 1
            if always and self._covers(rule.on, rules[index].on):
                message = f"never acts: rule {earlier} matches all of its exchanges and always decides"
                if rule.plan is not None and rule.then == "pass":
                    message += ", with `pass` once its plan is used up"
                yield self._error(message, place)
                return
        if rules[index].chance == 0:
            yield self._error("never acts: its chance is 0", (*place, "chance"))

    def _covers(self, wide: Match, narrow: Match) -> bool:
        """Tell whether every exchange that ``narrow`` matches is matched by ``wide``, as far as can be known."""
        if wide.connection or narrow.connection:
            return wide.connection and narrow.connection
        operation = self._operation(narrow.operation)
        role = narrow.role or (operation.role if operation is not None else None)
        method = narrow.method or (operation.method if operation is not None else None)
        path = narrow.path or (re.sub(r"\{[^}]+\}", "*", operation.path) if operation is not None else None)
        return (
            wide.operation in (None, narrow.operation)
            and wide.role in (None, role)
            and wide.method in (None, method)
            and wide.path in (None, path, "/**")
        )

    def _operation(self, name: str | None) -> Operation | None:
        roles = self._around.roles
        return roles.operations.get(name) if roles is not None and name is not None else None

    def _faults(self, rule: Rule, place: Place) -> Iterator[FileProblem]:
        counted = rule.plan is not None or rule.chance is not None
        for index, step in enumerate(rule.steps()):
            at = (*place, "fault") if rule.plan is None else (*place, "plan", index)
            for inner, fault in enumerate(step):
                name = fault.alias or fault.name
                here = (*at, inner, name) if len(step) > 1 else (*at, name)
                yield from self._fault(fault, here, on_connection=rule.on.connection, counted=counted)
            names = [fault.name for fault in step]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                yield self._error(f"{twice!r} stands twice in one step", at)

    def _fault(self, fault: Fault, place: Place, *, on_connection: bool, counted: bool) -> Iterator[FileProblem]:
        kind = type(fault.settings)
        if (kind.phase == "connection") and not on_connection:
            yield self._error(f"{fault.name!r} comes before HTTP: it belongs to a rule `on: connection`", place)
        if on_connection and kind.phase != "connection":
            yield self._error(f"{fault.name!r} needs a request, but the rule is `on: connection`", place)
        if kind.secure and not self._scenario.given.tls:
            yield self._error(f"{fault.name!r} is about TLS: it never acts without `given: {{tls: true}}`", place)
        if kind.protocols == ("HTTP/2",):
            yield self._note(f"{fault.name!r} needs HTTP/2: `sadpath serve --http2` has it, `verify` does not", place)
        if len(kind.worlds) == 1:
            yield self._note(f"{fault.name!r} exists in the world {kind.worlds[0]!r} alone", place)
        elif counted and "live" not in kind.counted:
            yield self._note(
                f"{fault.name!r} cannot be counted in the live world: the scenario runs in sim alone", place
            )
        known = self._around.payloads
        if known is None:
            return
        for name in _fixtures_in(fault.settings.model_dump(mode="json")):
            if name not in known:
                yield self._error(f"unknown fixture {name!r}", place, nearest(name, known))

    # Calls

    def _step(self, step: object, place: Place, *, last: bool) -> Iterator[FileProblem]:
        if isinstance(step, Call):
            yield from self._call(step, place)
        elif isinstance(step, Parallel):
            for index, call in enumerate(step.parallel):
                yield from self._call(call, (*place, "parallel", index))
        elif isinstance(step, ChangeFaults):
            yield from self._rules(step.faults, (*place, "faults"))
            if last:
                yield self._error("has no effect: no call comes after it", (*place, "faults"))
        elif isinstance(step, Advance | Offline) and last and not self._scenario.heal:
            yield self._error("has no effect: no call comes after it", place)

    def _call(self, call: Call, place: Place) -> Iterator[FileProblem]:
        roles = self._around.roles
        if call.op == RAW_OPERATION:
            missing = [name for name in ("method", "path") if name not in call.args]
            if missing:
                yield self._error(f"`{RAW_OPERATION}` needs the argument {missing[0]!r}", (*place, call.op))
            yield from self._path(call.args.get("path"), (*place, call.op, "path"))
        elif call.op == RESTART_OPERATION:
            yield from self._restart(call, (*place, call.op))
        elif roles is not None and call.op not in roles.operations:
            near = nearest(call.op, [*roles.operations, RAW_OPERATION, RESTART_OPERATION, *STEP_WORDS])
            here = (*place, "pages", call.op) if call.pages else (*place, call.op)
            yield self._error(f"unknown operation {call.op!r}", here, near)
        elif roles is not None and call.pages and roles.role(call.op) not in ("page", "list"):
            yield self._error(f"{call.op!r} does not come in pages", (*place, "pages"))

    def _restart(self, call: Call, place: Place) -> Iterator[FileProblem]:
        for name, value in call.args.items():
            if name != "lost_writes":
                yield self._error(f"unknown argument {name!r}", (*place, name), nearest(name, ["lost_writes"]))
            elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
                yield self._error(f"must be a number of writes, not {value!r}", (*place, name))

    def _path(self, path: object, place: Place) -> Iterator[FileProblem]:
        """Check what a path is filled in with: the second origin, at its beginning, and nothing else."""
        found = re.match(r"\{([^{}/]*)\}(/|$)", path) if isinstance(path, str) else None
        if found is not None and f"{{{found[1]}}}" != OTHER_ORIGIN:
            yield self._error(f"only {OTHER_ORIGIN} can be filled in", place, nearest(found[0], [OTHER_ORIGIN]))

    # The rest

    def _given(self) -> Iterator[FileProblem]:
        data, known = self._scenario.given.data, self._around.data_sets
        if data is not None and known is not None and data.fixture not in known:
            near = nearest(data.fixture, known)
            yield self._error(f"unknown data set {data.fixture!r}", ("given", "data", "fixture"), near)

    def _expect(self) -> Iterator[FileProblem]:
        expect = self._scenario.expect
        if expect is None:
            return
        clients = self._around.clients
        if clients is not None and expect.client not in clients:
            near = nearest(expect.client, clients)
            yield self._error(f"unknown client {expect.client!r}", ("expect", "for"), near)
        if expect.outcome is None and not expect.attempts:
            yield self._error("expects nothing: give `outcome` or `attempts`", ("expect",))
        asked = {call.op for call in self._scenario.all_calls()}
        if not asked:
            yield self._error("expects something, but no call is made", ("expect",))
            return
        for op in expect.attempts:
            if op not in asked:
                message = f"{op!r} is not among the calls"
                yield self._error(message, ("expect", "attempts", op), nearest(op, asked))
