"""``sadpath driver``: the check finds what is wrong with a driver and says it to its author; kits can be copied out."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from sadpath.drivers.bounds import Bounds
from sadpath.drivers.by_stdio import StdioDriver
from sadpath.drivers.process import Command
from sadpath.kits import KITS, kit_path
from sadpath.verify.drivercheck import CHECKS, check_driver
from sadpath.verify.drivertalk import Checked
from sadpath.workspace import Workspace
from tests.support.places import REFERENCE, TOP

BAD_DRIVER = TOP / "tests" / "support" / "bad_driver.py"

GOOD = """\
import sys, urllib.error, urllib.request
from sadpath_driver import Failure, Value, serve

def create(case):
    return case

def get(case, args, call):
    headers = dict(call.headers)
    if case.access_token is not None:
        headers["Authorization"] = "Bearer " + case.access_token
    request = urllib.request.Request(case.base_url + "/settings", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return Value({}, status=reply.status, attempts=1)
    except urllib.error.HTTPError as error:
        error.close()
        raise Failure("server" if error.code >= 500 else "other", status=error.code) from error

serve(create, {"settings.get": get}, name="good", capabilities=["call_tag", "error_kinds"])
"""


def _sadpath(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sadpath.cli", "driver", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


@cache
def _workspace() -> Workspace:
    return Workspace(REFERENCE)


def _checked(folder: Path, text: str) -> dict[str, Checked]:
    """Check a driver that is written on the Python kit, and return what came of each check by its name."""
    (folder / "driver.py").write_text(text)
    (folder / KITS["python"]).write_text(kit_path("python").read_text())
    driver = StdioDriver(Command((sys.executable, "driver.py"), folder), bounds=Bounds(start=20.0, answer=2.0))
    return {item.name: item for item in asyncio.run(check_driver(driver, _workspace()))}


def test_a_good_driver_has_nothing_wrong(tmp_path: Path) -> None:
    """Every conversation that fits is played and goes well, and those that do not fit say why."""
    found = _checked(tmp_path, GOOD)

    assert list(found) == [check.name for check in CHECKS]
    assert [item for item in found.values() if item.verdict == "wrong"] == []
    skipped = {name for name, item in found.items() if item.verdict == "skipped"}
    assert skipped == {"cancel", "pages", "fake clock", "connectivity", "policy"}
    assert found["cancel"].skipped == "it does not declare cancel"


@pytest.mark.parametrize(
    ("old", "new", "check", "problem"),
    [
        ('{"settings.get": get}', '{"setings.get": get, "settings.get": get}', "hello", "did you mean 'settings.get'"),
        ('["call_tag",', '["call-tag",', "hello", "did you mean 'call_tag'"),
        ("headers = dict(call.headers)", "headers = {}", "one call", "X-Sadpath-Call is None"),
        ("attempts=1", "attempts=2", "one call", "`attempts` is 2, and 1 requests came"),
        ("status=reply.status,", "status=201,", "one call", "`value.status` is 201, and the answer had 200"),
        ("case.access_token is not None", "False", "one call", "carried no access token of this case"),
        ('"server" if error.code >= 500 else "other"', '"decode"', "an error", "a 500 is reported as 'decode'"),
        (
            'raise Failure("server" if error.code >= 500 else "other", status=error.code) from error',
            "return {}",
            "an error",
            "the outcome is `ok`",
        ),
        ("error.close()", "import os; os._exit(7)", "an error", "ended with exit code 7"),
        ('"error_kinds"]', '"error_kinds", "cancel"]', "cancel", "no outcome by its deadline"),
        (
            "return case\n",
            "case.access_token = KEPT.setdefault(0, case.access_token)\n    return case\n\nKEPT = {}\n",
            "a new case",
            "a token was sent all the same",
        ),
    ],
)
def test_each_mistake_is_told_to_the_drivers_author(
    tmp_path: Path, old: str, new: str, check: str, problem: str
) -> None:
    """A driver with one mistake fails the check that is about it: what was sent, what came, what was expected."""
    assert old in GOOD
    findings = _checked(tmp_path, GOOD.replace(old, new))[check].findings

    assert any(problem in item.problem for item in findings), findings
    assert findings[0].expected
    assert findings[0].section
    assert findings[0].sent


def test_a_driver_that_crashes_hangs_and_says_yes_is_checked_to_the_end(tmp_path: Path) -> None:
    """Whatever goes wrong in one conversation, the next one is played."""
    command = f"env ANY=1 STAYS=1 {sys.executable} {BAD_DRIVER}"
    done = _sadpath(tmp_path, "check", "--driver", command)
    machine = _sadpath(tmp_path, "check", "--driver", command, "--format", "json")

    assert done.returncode == 1
    assert "WRONG   unknown operation" in done.stdout
    assert "it takes the operation 'no.such.operation." in done.stdout
    assert "WRONG   bye" in done.stdout
    assert "did not end by itself" in done.stdout
    assert re.search(r'sent: +\{"t":"run"', done.stdout)
    assert 'see:      docs/drivers.md, "Outcomes"' in done.stdout
    assert done.stdout.splitlines()[-1].endswith("do not apply.")
    wrong = [item["name"] for item in json.loads(machine.stdout)["checks"] if item["verdict"] == "wrong"]
    assert (machine.returncode, wrong) == (1, re.findall(r"^WRONG   (.+)$", done.stdout, re.MULTILINE))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name one driver"),
        (["reference", "--exec", "true"], "name one driver"),
        (["reference"], "lives in this process"),
        (["--driver", "no-such-program"], "cannot be started"),
        (["--driver", "true"], "ended with exit code 0"),
        (["--contract", "nowhere.yaml"], "there is no such file"),
    ],
)
def test_what_cannot_be_checked_is_one_clear_message(tmp_path: Path, words: list[str], said: str) -> None:
    """Exit code 2, and the reason."""
    done = _sadpath(tmp_path, "check", *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("language", list(KITS))
def test_a_kit_is_copied_out_once(tmp_path: Path, language: str) -> None:
    """The file is the one in the package; one that is there is replaced only when asked to."""
    first = _sadpath(tmp_path, "kit", language, "new")
    again = _sadpath(tmp_path, "kit", language, "new")
    forced = _sadpath(tmp_path, "kit", language, "new", "--force")

    assert (first.returncode, again.returncode, forced.returncode) == (0, 2, 0)
    assert (tmp_path / "new" / KITS[language]).read_bytes() == kit_path(language).read_bytes()
    assert "--force replaces it" in again.stderr
