"""What ``docs/drivers.md`` shows is run as it stands there, and what it lists is what there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from sadpath.drivers.bounds import Bounds
from sadpath.drivers.by_exec import ExecDriver
from sadpath.drivers.messages import CAPABILITIES, ERROR_KINDS, Run
from sadpath.drivers.process import Command
from sadpath.drivers.wire import MARK, read_answer
from sadpath.verify.contract import ContractFile
from sadpath.verify.drivercheck import CHECKS
from tests.support.driven import a_run, heard, with_driver
from tests.support.places import TOP
from tests.support.shell import environment_with

PAGE = (TOP / "docs" / "drivers.md").read_text(encoding="utf-8")
STEP = re.compile(r"<!-- (file|run|sed)(?:: (\S+))? -->\n```\w+\n(.*?)```", re.DOTALL)


def _section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_ten_minutes_end_as_the_page_says(tmp_path: Path) -> None:
    """The walk leads from nothing to a client that fails its promise, and to one that keeps it, by these exit codes."""
    work = tmp_path / "work"
    work.mkdir()
    env = environment_with(tmp_path / "bin", sadpath="-m sadpath.cli")
    done = []
    for kind, what, text in STEP.findall(PAGE):
        if kind == "file":
            (work / what).write_text(text)
            continue
        ran = subprocess.run(
            ["bash", "-c", text], cwd=work, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == int(what or 0), f"{text}\n{ran.stdout}\n{ran.stderr}"
        done.append((ran.returncode, ran.stdout))

    assert [code for code, _ in done] == [0, 0, 1, 0, 0]
    assert "RETRY-03 fails" in done[2][1]


def test_messages_are_what_the_protocol_takes() -> None:
    """Every message on the page can be read as the message that it is."""
    ours, theirs = 0, 0
    inline = re.findall(r'`(\{"t":.*?\})`', PAGE)
    blocks = [line for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    for line in [*blocks, *inline]:
        data = json.loads(line)
        if data["t"] == "run":
            Run.model_validate({name: value for name, value in data.items() if name != "t"})
        if data["t"] in ("run", "reset", "ping", "bye") or "sadpath" in data:
            ours += 1
        else:
            read_answer(line.encode())
            theirs += 1

    assert (ours, theirs) == (5, 9)
    (shown,) = re.findall(r"^@sadpath .*$", PAGE, re.MULTILINE)
    assert read_answer(shown.encode().removeprefix(MARK), {"id": "k", "call": "a"})


def test_lists_are_whole() -> None:
    """Capabilities, kinds of failure, variables and bounds are those of the program."""
    assert re.findall(r"^\| `(\w+)` \|", _section("Capabilities"), re.MULTILINE) == list(CAPABILITIES)
    kinds = _section("Outcomes").partition("`error.kind` is one of: ")[2].partition(". Without")[0]
    assert tuple(re.findall(r"`([\w.]+)`", kinds)) == ERROR_KINDS
    faults, bounds = _section("Whose fault it is"), Bounds()
    assert f"{bounds.volume // 2**20} MiB in one case" in faults
    assert f"more than {bounds.line // 2**20} MiB" in faults
    assert f"last {bounds.log // 2**10} KiB" in faults
    assert f"within {bounds.start:g} s" in faults


def test_variables_are_those_that_a_command_is_given(tmp_path: Path) -> None:
    """The table of the environment is whole."""
    command = Command.of('bash -c \'env -0 | cut -z -d= -f1 | tr "\\0" "\\n"\'', tmp_path)
    _, end = with_driver(lambda: ExecDriver(command), lambda driver: heard(driver, a_run(tls_ca="x")))
    given = {name for name in end.log.split() if name.startswith("SADPATH_")}

    assert given == set(re.findall(r"`(SADPATH_\w+)`", _section("Exec")))


def test_sections_that_the_check_names_are_there() -> None:
    """Each finding leads somewhere."""
    titles = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)

    assert {check.section for check in CHECKS} <= set(titles)


def test_contracts_can_be_read() -> None:
    """What the page shows of a contract is one."""
    shown = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    contracts = [ContractFile.model_validate(YAML(typ="safe").load(text)) for text in shown]

    assert [sorted(found.driver.given) for found in contracts if found.driver is not None] == [["exec"], ["stdio"]]


def test_options_are_those_of_the_program() -> None:
    """Every option of sadpath's that the page names exists."""
    told = ""
    for words in (["verify"], ["driver", "check"], ["driver", "kit"]):
        command = [sys.executable, "-m", "sadpath.cli", *words, "--help"]
        told += subprocess.run(
            command, capture_output=True, text=True, check=True, env={"COLUMNS": "200", "PATH": ""}
        ).stdout
    text = re.sub(r"curl .*?\|\| exit 1|sed -i .*", "", PAGE, flags=re.DOTALL)
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)):
        assert option in told
