"""Files that authors write: scenarios, contracts, roles, stored cases, fixtures, and the units in them.

Each is either refused by messages that a person can read, or is read; then what it says survives being written.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import sadpath.faults  # noqa: F401 - fills the vocabulary
from sadpath.core.errors import FileProblem, FileProblems, UsageError
from sadpath.core.units import MAX_SECONDS, MAX_SIZE, format_seconds, parse_duration, parse_size
from sadpath.scenario.lint import Surroundings, lint_scenario
from sadpath.scenario.lint_roles import lint_roles
from sadpath.scenario.loader import LoadedScenario, read_scenario
from sadpath.scenario.model import Reading, Scenario
from sadpath.scenario.roles import Roles
from sadpath.scenario.yamlfile import YamlFile
from sadpath.verify.clients import ClientRequest, open_client
from sadpath.verify.contract import Contract, load_contract
from sadpath.verify.judging import Judged
from sadpath.verify.played import Case, Played
from sadpath.verify.policy import Policy
from sadpath.verify.stored import StoredCase
from sadpath.workspace import Workspace

__all__ = ["FILE_TARGETS"]

ROOT = Path(__file__).resolve().parents[2]
_OURS = re.compile(
    r"validation error|Input should|Value error|Assertion failed|Traceback|pydantic| object at 0x|<class '|<function "
)
"""Words of our own innards, which no author should have to read."""


@cache
def workspace() -> Workspace:
    """Return the reference workspace."""
    return Workspace(ROOT)


@cache
def surroundings() -> Surroundings:
    """Return what lint knows of the reference workspace."""
    return workspace().surroundings()


def check_problems(problems: list[FileProblem], given: str) -> None:
    """Each problem is one readable line, and names a line that is there."""
    assert problems
    for problem in problems:
        text = str(problem)
        text.encode()
        assert problem.message.strip()
        assert not re.search("[\n\r]", problem.message), text
        assert len(problem.message) < 1_000, text
        found = _OURS.search(text)
        assert found is None or found[0] in given, text
        if problem.line is not None:
            assert 1 <= problem.line <= len(re.split("\r\n|[\n\r\x85\u2028\u2029]", given)) + 1, text


def check_text(text: str) -> None:
    """A refusal is one line."""
    assert text.strip()
    assert "\n" not in text


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def scenario(data: bytes) -> None:
    """A scenario's file: refused, or linted and written back the same."""
    given = _text(data)
    try:
        file = YamlFile.parse(data, "f.yaml")
        read = file.to_model(Scenario, Reading())
    except FileProblems as error:
        check_problems(list(error.problems), given)
        return
    loaded = LoadedScenario("a/b", read, file)
    found = lint_scenario(loaded, surroundings())
    if found:
        check_problems(found, given)
    again = YamlFile.parse(read.to_yaml(loaded.intro), "f.yaml").to_model(Scenario, Reading())
    assert again == read
    assert read_scenario(read.to_file()) == read
    assert Scenario.model_validate_json(read.model_dump_json()) == read


def inline(data: bytes) -> None:
    """A scenario as JSON, as the control API takes it: refused, or written as a file and read back the same."""
    given = _text(data)
    try:
        sent = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        read = read_scenario(sent)
    except FileProblems as error:
        check_problems(list(error.problems), given)
        return
    assert YamlFile.parse(read.to_yaml(), "f.yaml").to_model(Scenario, Reading()) == read
    assert read_scenario(json.loads(json.dumps(read.to_file()))) == read


@cache
def _folder() -> Path:
    """Return a folder for files that are read by their path, in memory where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    base = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="sadpath-fuzz-", dir=base))
    (folder / "openapi.yaml").write_bytes((ROOT / "contracts" / "api" / "openapi.yaml").read_bytes()[:20_000])
    for path in (ROOT / "contracts" / "clients").glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def contract(data: bytes) -> None:
    """A contract's file: refused, or its policy written back the same, with each of its profiles."""
    path = _folder() / f"fuzzed-{os.getpid()}.yaml"
    path.write_bytes(data)
    try:
        read = load_contract(path, _folder())
    except FileProblems as error:
        check_problems(list(error.problems), _text(data) + "\n" * 500)  # the lines may be those of what it extends
        return
    assert Policy.model_validate(read.policy.to_file()).to_file() == read.policy.to_file()
    plain = json.loads(
        json.dumps({**read.model_dump(mode="json", exclude={"policy"}), "policy": read.policy.to_file()})
    )
    assert Contract.model_validate({key: value for key, value in plain.items() if value is not None}) is not None
    for profile in read.profiles:
        read.with_profile(profile)
    with suppress(UsageError):
        read.with_profile("no-such-profile")


def roles(data: bytes) -> None:
    """A roles file: refused, or linted; then every literal path is found again."""
    path = _folder() / f"roles-{os.getpid()}.yaml"
    path.write_bytes(data)
    given = _text(data)
    try:
        found = lint_roles(path, _folder())
        read = YamlFile.load(path).to_model(Roles)
    except FileProblems as error:
        check_problems(list(error.problems), given + "\n" * 1_000)  # or the document's beside it
        return
    if found:
        check_problems(found, given)
    for operation in read:
        assert read.role(operation.id) == operation.role
        if "{" not in operation.path:
            assert read.match(operation.method, operation.path) == operation
        else:
            assert read.match(operation.method, re.sub(r"\{[^}]+\}", "x", operation.path)) is not None


def case(data: bytes) -> None:
    """A stored case: refused, or written back the same, also as a scenario and as a test."""
    try:
        given = data.decode()
    except UnicodeDecodeError:
        return
    try:
        read = StoredCase.parse(given)
    except UsageError as error:
        check_text(str(error))
        return
    except FileProblems as error:
        check_problems(list(error.problems), given)
        return
    again = StoredCase.parse(read.to_json())
    assert (again.to_json(), again.digest) == (read.to_json(), read.digest)
    assert YamlFile.parse(read.to_scenario(), "f.yaml").to_model(Scenario, Reading()) == read.scenario
    compile(read.to_pytest(), "test_case.py", "exec")
    read.changed_versions()


def units(data: bytes) -> None:
    """A duration and a size: refused in one line, or read within bounds and written back the same."""
    text = _text(data)
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        check_text(str(error))
    else:
        assert 0 <= seconds <= MAX_SECONDS
        assert parse_duration(format_seconds(seconds)) == seconds
    try:
        size = parse_size(text)
    except ValueError as error:
        check_text(str(error))
    else:
        assert 0 <= size <= MAX_SIZE
        assert parse_size(size) == size


# Seeds


def _read(*globs: str) -> list[bytes]:
    return [path.read_bytes() for glob in globs for path in sorted(ROOT.glob(glob))]


def _inline() -> list[bytes]:
    found = [
        json.dumps(workspace().load(name).scenario.to_file()).encode() for name in list(workspace().scenarios())[::5]
    ]
    return [*found, b"[]", b'{"title": "x", "seed": 1e400, "calls": [{"a": {"b": NaN}}]}']


def _cases() -> list[bytes]:
    clients = [asyncio.run(open_client(ClientRequest(word, workspace()))) for word in ("reference", "article")]
    drawn = [workspace().load(name) for name in list(workspace().scenarios())[::20]]
    stored = [
        StoredCase.of(Judged(Played(Case(one.name, one.scenario, client, 0, "sim")))).to_json().encode()
        for one in drawn
        for client in clients
    ]
    return [*stored, b"{}", b"[1]"]


def _units() -> list[bytes]:
    return [b"300ms", b"1.5s", b"2m", b"24h", b"36500d", b"0s", b"0.000000001ms", b"20", b"4KiB", b"1 MiB", b"2GiB"]


FILE_TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "scenario": (scenario, lambda: _read("scenarios/*/*.yaml")[::4]),
    "inline": (inline, _inline),
    "contract": (contract, lambda: _read("contracts/clients/*.yaml")),
    "roles": (roles, lambda: _read("contracts/api/roles.yaml")),
    "case": (case, _cases),
    "units": (units, _units),
}
"""The targets about files: what runs one, and its seeds."""
