"""``sadpath serve`` as a process, and a workspace for it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "sadpath.cli", "serve"]
CURL = shutil.which("curl") or "curl"


def execute(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=env)


def start(*command: str) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Served:
    """A running ``sadpath serve``: its address, its lines, and curl to ask it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        if self.process.stdout is not None:
            for line in self.process.stdout:
                self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def expect(self, pattern: str, seconds: float = 10.0) -> re.Match[str]:
        """Return the match of the next line that fits; the lines on the way are kept in ``lines``."""
        while True:
            try:
                line = self._queue.get(timeout=seconds)
            except queue.Empty:
                pytest.fail(f"no line like {pattern!r} after\n" + "\n".join(self.lines))
            if line is None:
                pytest.fail(f"the output ended without a line like {pattern!r}:\n" + "\n".join(self.lines))
            self.lines.append(line)
            found = re.search(pattern, line)
            if found is not None:
                return found

    def curl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Ask with curl; a path stands for the server's URL with it."""
        return execute(CURL, "-sS", *(self.url + item if item.startswith("/") else item for item in arguments))

    def curl_meanwhile(self, path: str) -> subprocess.Popen[str]:
        """Let curl ask while the test goes on."""
        return start(CURL, "-sS", "-m", "20", self.url + path)

    def send(self, method: str, path: str, body: Any) -> str:
        """Send JSON and return what came back."""
        return self.curl("-X", method, path, "-H", "Content-Type: application/json", "-d", json.dumps(body)).stdout

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        """End the process by a signal and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        code = self.process.wait(timeout=10)
        self._reader.join(timeout=5)
        while (line := self._queue.get(timeout=1)) is not None:
            self.lines.append(line)
        return code

    def abandon(self) -> None:
        """Make sure that nothing is left over."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(timeout=10)
        self._reader.join(timeout=5)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def served() -> Callable[..., AbstractContextManager[Served]]:
    """Starts ``sadpath serve`` with arguments, on any free port; its lines may go through a shell's command."""

    @contextlib.contextmanager
    def running_serve(*arguments: str, through: str | None = None) -> Iterator[Served]:
        pipe = () if through is None else ("bash", "-c", f'set -o pipefail; "$@" | {through}', "-")
        running = Served(start(*pipe, *COMMAND, "--port", "0", *arguments))
        try:
            running.url = running.expect(r"at (https?://\S+)$")[1]
            running.expect("Ctrl-C stops it")
            yield running
        finally:
            running.abandon()

    return running_serve


@pytest.fixture
def serve_fails() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``sadpath serve`` where it is to end by itself."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return execute(*COMMAND, *arguments, **environment)

    return run


@pytest.fixture
def python() -> Callable[[str], str]:
    """Runs Python code in a process of its own and returns what it prints."""

    def run(code: str) -> str:
        done = execute(sys.executable, "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace that has scenarios of its own and everything else from the reference one."""
    folder = tmp_path / "scenarios" / "health"
    folder.mkdir(parents=True)
    stories = {
        "truncated": "[{truncate: {after: 5, ending: close}}]",
        "reset": "[reset]",
        "cut-by-reset": "[{truncate: {after: 5, ending: reset}}]",
        "closed": "[close]",
        "stalled": "[stall]",
        "busy": "[{status: 503}]",
    }
    for name, plan in stories.items():
        text = f"# {name} once.\ntitle: It is {name} once\nfaults:\n  - on: health\n    plan: {plan}\n"
        (folder / f"{name}.yaml").write_text(text)
    return tmp_path
