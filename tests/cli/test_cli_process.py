"""The command line as a process: how it ends, what it prints where, and how fast it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sadpath.cli import app
from sadpath.cli._base import VERBS

COMMAND = [sys.executable, "-m", "sadpath.cli"]


def process(*command: str | Path, stdout: Any = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(part) for part in command], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )


def start(code: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with one more verb, ``probe``, whose body is ``code``."""
    script = f"""
import sys
from sadpath.cli._base import verb
from sadpath.core.errors import *
def probe() -> None:
    {code}
verb(probe)
sys.argv = ["sadpath", "probe"]
from sadpath.cli import main
main()
"""
    return process(sys.executable, "-c", script)


@pytest.mark.parametrize(
    ("code", "exit_code", "stderr"),
    [
        ("raise UsageError('not so')", 2, "error: not so\n"),
        ("raise AuthorError('not so')", 2, "error: not so\n"),
        ("raise FileProblem('a.yaml', 'is odd', 3)", 2, "a.yaml:3: is odd\n"),
        ("raise FileProblems([FileProblem('a', 'x'), FileProblem('b', 'y')])", 2, "a: x\nb: y\n"),
        ("raise DriverError('died')", 2, "error: died\n"),
        ("raise SubjectError('fell')", 1, "error: fell\n"),
        ("raise ExceptionGroup('', [UsageError('one'), FileProblem('b', 'y')])", 2, "error: one\nb: y\n"),
        ("raise KeyboardInterrupt", 130, ""),
        ("import typer; raise typer.Exit(1)", 1, ""),
        ("sys.exit(1)", 1, ""),
        ("pass", 0, ""),
    ],
)
def test_each_family_of_errors_has_its_exit_code(code: str, exit_code: int, stderr: str) -> None:
    """The author's mistakes end with 2, the client's failures with 1, an interrupt with 130; never with a traceback."""
    done = start(code)

    assert (done.returncode, done.stdout, done.stderr) == (exit_code, "", stderr)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise HarnessError('broken')", "HarnessError: broken"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            "raise ExceptionGroup('both', [UsageError('one'), ValueError('two')])",
            "ExceptionGroup: both (2 sub-exceptions)",
        ),
    ],
)
def test_our_own_failures_end_with_3_and_keep_their_traceback(code: str, message: str) -> None:
    """The user gets two lines; the file that they name has the traceback, and what is needed to report it."""
    done = start(code)
    first, second = done.stderr.splitlines()
    file = Path(second.removeprefix("The traceback is in ").removesuffix("; please report it."))
    try:
        assert done.returncode == 3
        assert first == f"error: sadpath itself failed, which is not your fault: {message}"
        assert "Traceback" not in done.stderr
        text = file.read_text()
        assert "Traceback (most recent call last)" in text
        assert "['sadpath', 'probe']" in text
    finally:
        file.unlink()


def test_a_traceback_that_cannot_be_kept_is_said_so() -> None:
    """A full or read-only temporary folder does not turn one failure into two."""
    script = (
        "import tempfile\ntempfile.tempdir = '/nonexistent'\n"
        "from sadpath.cli import _base\nprint(_base._save_traceback(ValueError('x')))"
    )
    done = process(sys.executable, "-c", script)

    assert done.stdout == "no file (No such file or directory)\n"


def test_a_broken_pipe_is_quiet() -> None:
    """``sadpath list faults | head -1`` prints one line and no complaint."""
    for command in ("list faults", "schema scenario", "--help"):
        line = f"{sys.executable} -m sadpath.cli {command} | head -1; echo ${{PIPESTATUS[0]}}"
        done = process("/bin/bash", "-c", line)
        assert done.stderr == "", command


def test_output_to_a_closed_pipe_ends_quietly() -> None:
    """A reader that has gone before the first line is no failure of ours."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = process(*COMMAND, "list", "faults", stdout=closed)

    assert (done.returncode, done.stderr) == (141, "")


def test_the_installed_command_is_the_module_s() -> None:
    """``sadpath`` and ``python -m sadpath.cli`` are the same program."""
    command = Path(sys.executable).parent / "sadpath"
    texts = {process(*line, "--help").stdout for line in ([command], COMMAND)}

    assert len(texts) == 1
    assert "Usage: sadpath" in texts.pop()


def test_help_and_usage_errors_import_nothing_dear() -> None:
    """Starting is fast because libraries that one verb needs are imported by that verb alone."""
    dear = (
        "pydantic",
        "fastapi",
        "starlette",
        "uvicorn",
        "hypothesis",
        "faker",
        "httpx",
        "ruamel",
        "asyncio",
        "jinja2",
    )
    script = (
        "import sys, json\nfrom sadpath.cli import app\n"
        "try: app(['--help'], prog_name='sadpath')\nexcept SystemExit: pass\n"
        f"print(json.dumps([name for name in {dear!r} if name in sys.modules]))"
    )
    done = process(sys.executable, "-c", script)

    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_plain_text_where_nobody_watches() -> None:
    """Output that goes into a file or a pipe holds no escape sequences."""
    for arguments in (["--help"], ["list", "faults"], ["show", "nope"]):
        done = process(*COMMAND, *arguments)
        assert "\x1b" not in done.stdout + done.stderr


def test_a_verb_keeps_its_options_and_its_function() -> None:
    """Registering a function leaves it as it is, and Typer sees its parameters."""
    script = """
import sys
from sadpath.cli import main
from sadpath.cli._base import say, verb
def shout(word: str, *, times: int = 1) -> None:
    say(word * times)
assert verb(shout) is shout
sys.argv = ["sadpath", "shout", "ha", "--times", "3"]
main()
"""
    done = process(sys.executable, "-c", script)

    assert done.stdout == "hahaha\n"


def test_every_verb_that_is_there_is_known_to_help() -> None:
    """A verb's place in help is chosen, not left to the alphabet."""
    names = {
        command.name or getattr(command.callback, "__name__", "").rstrip("_") for command in app.registered_commands
    }

    assert names <= set(VERBS)
