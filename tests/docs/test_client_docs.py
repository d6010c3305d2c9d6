"""What the page on the client shows is what happens, and the client needs nothing of what surrounds it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sadpath.client
from sadpath.client.parts import Parts
from sadpath.server.runner import LiveServer
from sadpath.server.thread import LiveServerThread
from sadpath.workspace import find_workspace

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "client.md"
CLIENT = Path(sadpath.client.__file__).parent
URL = "http://127.0.0.1:8080"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(match[1], match[2]) for match in BLOCK.finditer(PAGE.read_text())]
PROGRAMS = [
    (code, BLOCKS[place + 1][1] if place + 1 < len(BLOCKS) and BLOCKS[place + 1][0] == "text" else None)
    for place, (language, code) in enumerate(BLOCKS)
    if language == "python"
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve the reference workspace, with nothing going wrong."""
    with LiveServerThread(LiveServer(find_workspace())) as server:
        yield server.base_url


def run(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")} | variables
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_there_are_programs() -> None:
    """The page has programs, and most of them say what they print."""
    assert len(PROGRAMS) >= 8
    assert sum(output is not None for _, output in PROGRAMS) >= 6


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_programs_print_what_the_page_says(url: str, tmp_path: Path, number: int) -> None:
    """Each program runs as it stands, but for the port, and prints what stands below it and nothing else."""
    code, output = PROGRAMS[number]
    (settings,) = [text for language, text in BLOCKS if language == "toml"]
    (tmp_path / "shop.toml").write_text(settings.replace(URL, url))
    (tmp_path / "program.py").write_text(code.replace(URL, url))

    done = run("-W", "error", "program.py", cwd=tmp_path)

    assert (done.stderr, done.returncode) == ("", 0)
    if output is not None:
        assert done.stdout == output


@contextmanager
def serving_an_outage() -> Iterator[str]:
    """Run ``sadpath serve`` as the page says, on a free port."""
    command = [sys.executable, "-m", "sadpath", "serve", "--port", "0", "--scenario", "cache/outage-that-passes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        lines = iter(server.stdout)
        try:
            yield next(found[0] for found in (re.search(r"http://127\.0\.0\.1:\d+", line) for line in lines) if found)
        finally:
            reader = threading.Thread(target=list, args=(lines,))
            reader.start()
            server.terminate()
            reader.join()


def test_the_terminal_shows_what_the_page_shows(tmp_path: Path) -> None:
    """The app's output in an outage is that of the page, times aside."""
    (text,) = [text for language, text in BLOCKS if language == "console"]
    command, *shown = text.splitlines()

    def likened(line: str) -> str:
        return re.sub(r"\s+", " ", re.sub(r"\d+\.\d", "N", line)).strip()

    with serving_an_outage() as address:
        words = command.removeprefix("$ python ").replace(URL, address).split()
        done = run(*words, "--every", "0.05", cwd=tmp_path)

    assert [likened(line) for line in done.stdout.splitlines()] == [likened(line) for line in shown]


def test_every_part_is_named_on_the_page() -> None:
    """The table of layers names each part that can be replaced, and the module that it comes from."""
    page = PAGE.read_text()
    table = page[page.index("## The layers") : page.index("## Replacing a part")]
    parts = {name: field.default.__module__.rpartition(".")[2] for name, field in Parts.__dataclass_fields__.items()}

    assert [name for name, module in parts.items() if f"`{name}`" not in table or f"`{module}`" not in table] == []


def test_the_client_alone_works(url: str, tmp_path: Path) -> None:
    """Copied into an empty folder, without the rest of sadpath, the client runs the example of its own docstring."""
    shutil.copytree(CLIENT, tmp_path / "client", ignore=shutil.ignore_patterns("__pycache__"))
    (example,) = re.findall(r"```python\n(.*?)```", sadpath.client.__doc__ or "", re.DOTALL)
    program = "import sys\nsys.modules['sadpath'] = None  # out of reach\n"
    program += example.replace(URL, url).replace("from sadpath.client", "from client")
    (tmp_path / "program.py").write_text(program)

    done = run("-W", "error", "program.py", cwd=tmp_path)
    demo = run("-m", "client.demo", url, "--rounds", "1", cwd=tmp_path)

    assert (done.stdout, done.stderr) == ("Ada Lovelace\n", "")
    assert "Ada Lovelace <ada@example.com>" in demo.stdout


def test_the_client_names_no_neighbour() -> None:
    """No module of the client imports anything of ours, not even in a function or for types alone."""
    own = [
        f"{path.name}: {name}"
        for path in sorted(CLIENT.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        )
        if name.partition(".")[0] == "sadpath"
    ]  # fmt: skip

    assert own == []
