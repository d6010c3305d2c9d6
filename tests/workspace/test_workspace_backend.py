"""Loading the backend of a workspace."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from sadpath.core.errors import AuthorError, FileProblem, UsageError
from sadpath.workspace import load_backend

APP = """
from __future__ import annotations

from fastapi import FastAPI

from .words import WORD


def create_app(fixtures):
    app = FastAPI()

    @app.get("/")
    def read(times: int = 1) -> dict[str, str]:
        return {"word": WORD * times, "fixtures": str(fixtures)}

    return app
"""


def make(root: Path, **files: str) -> Path:
    """Make a workspace whose ``mockserver/`` has these modules."""
    (root / "mockserver").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / "mockserver" / f"{name}.py").write_text(text)
    return root


def ask(app: FastAPI, path: str = "/") -> object:
    """Return an app's answer, past any network."""

    async def get() -> object:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.get(path)).json()

    return asyncio.run(get())


def blame(root: Path) -> str:
    """Return what is said of a backend that cannot be loaded."""
    with pytest.raises(AuthorError) as caught:
        load_backend(root)
    assert isinstance(caught.value, FileProblem | UsageError)
    return str(caught.value)


def test_modules_import_each_other_and_annotations_are_found(tmp_path: Path) -> None:
    """Relative imports work, FastAPI finds its annotations, and ``create_app`` is told where the fixtures are."""
    app = load_backend(make(tmp_path, app=APP, words="WORD = 'a'\n"))

    assert ask(app, "/?times=3") == {"word": "aaa", "fixtures": str(tmp_path / "fixtures")}


def test_two_workspaces_live_side_by_side(tmp_path: Path) -> None:
    """Modules of the same name in two roots do not meet."""
    one = load_backend(make(tmp_path / "one", app=APP, words="WORD = 'a'\n"))
    two = load_backend(make(tmp_path / "two", app=APP, words="WORD = 'b'\n"), fixtures=tmp_path)

    assert ask(one) == {"word": "a", "fixtures": str(tmp_path / "one" / "fixtures")}
    assert ask(two) == {"word": "b", "fixtures": str(tmp_path)}


def test_loading_shadows_nothing_and_leaves_the_path_alone(tmp_path: Path) -> None:
    """Neither ``sys.path`` nor any public module name changes."""
    path, names = list(sys.path), set(sys.modules)
    load_backend(make(tmp_path, app=APP, words="WORD = 'a'\n"))

    new = {name.partition(".")[0] for name in set(sys.modules) - names}
    assert sys.path == path
    assert [name for name in new if not name.startswith("_")] == []
    assert any(name.startswith("_sadpath_backend_") for name in new)


def test_every_call_makes_a_new_app_of_the_same_modules(tmp_path: Path) -> None:
    """Importing happens once, making an app each time."""
    root = make(tmp_path, app=APP, words="WORD = 'a'\n")
    first = load_backend(root)
    make(root, words="WORD = 'changed'\n")
    second = load_backend(root)

    assert first is not second
    assert ask(second) == ask(first)


def test_reloading_imports_anew(tmp_path: Path) -> None:
    """After an edit the new code runs in the new app, and the old app keeps the old code."""
    root = make(tmp_path, app=APP, words="WORD = 'a'\n")
    old = load_backend(root)
    make(root, words="WORD = 'longer'\n")
    new = load_backend(root, reload=True)

    assert ask(new) == {"word": "longer", "fixtures": str(root / "fixtures")}
    assert ask(old) == {"word": "a", "fixtures": str(root / "fixtures")}


@pytest.mark.parametrize(
    "text",
    [
        "from fastapi import FastAPI\napp = FastAPI()\n",
        "from fastapi import FastAPI\ndef create_app(): return FastAPI()\n",
        "from fastapi import FastAPI\ndef create_app(**settings): assert settings['fixtures']; return FastAPI()\n",
        "from fastapi import FastAPI\ndef create_app(*, other=1, fixtures=None): assert fixtures; return FastAPI()\n",
    ],
)
def test_an_app_may_come_in_several_ways(tmp_path: Path, text: str) -> None:
    """``app``, or a ``create_app`` that wants the fixtures or does not."""
    assert isinstance(load_backend(make(tmp_path, app=text)), FastAPI)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def create_app(:\n", "mockserver/app.py:1: is not valid Python: invalid syntax"),
        ("x = 1\n1 / 0\n", "mockserver/app.py:2: the backend cannot be loaded: ZeroDivisionError: division by zero"),
        ("import nowhere_to_be_found\n", "mockserver/app.py:1: the backend cannot be loaded: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        (
            "import helper\n",
            "mockserver/app.py:1: the backend cannot be loaded: ModuleNotFoundError: No module named 'helper'; "
            "modules of mockserver/ import each other relatively (`from . import helper`)",
        ),
        ("from .helper import missing\n", "mockserver/app.py:1: the backend cannot be loaded: ImportError: cannot import name 'missing'"),
        ("from . import broken\n", "mockserver/broken.py:3: the backend cannot be loaded: ValueError: inside"),
        ("from . import crooked\n", "mockserver/crooked.py:1: is not valid Python: '(' was never closed"),
        ("def create_app():\n    return helper\n", "mockserver/app.py:2: the backend cannot be loaded: NameError: name 'helper' is not defined"),
        ("def create_app():\n    raise SystemExit('no')\n", "mockserver/app.py:2: the backend cannot be loaded: SystemExit: no"),
        ("def create_app():\n    raise KeyError\n", "mockserver/app.py:2: the backend cannot be loaded: KeyError"),
        ("def create_app(wanted): pass\n", "mockserver/app.py: the backend cannot be loaded: TypeError: create_app() missing 1 required"),
        ("def create_app(): pass\n", "mockserver/app.py: `create_app` must return a FastAPI application, not NoneType"),
        ("app = 5\n", "mockserver/app.py: `app` must be a FastAPI application, not int"),
        ("create_app = 5\n", "mockserver/app.py: the backend cannot be loaded: TypeError: 5 is not a callable object"),
        ("pass\n", "mockserver/app.py: the backend cannot be loaded: AttributeError: the module has neither `create_app` nor `app`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_app_is_told_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    """Whatever an author's code does, there is one message that says where, and no traceback."""
    root = make(tmp_path, app=text, helper="there = 1\n", broken="\n\nraise ValueError('inside')\n", crooked="x = (\n")

    assert blame(root).startswith(message)


def test_a_workspace_without_an_app_is_told_so(tmp_path: Path) -> None:
    """A missing file is named."""
    assert blame(tmp_path) == "there is no backend: mockserver/app.py is missing"


def test_a_failed_load_leaves_nothing_behind(tmp_path: Path) -> None:
    """Once the mistake is mended, loading succeeds without a reload."""
    root = make(tmp_path, app="from .words import NOTHING\n", words="WORD = 'a'\n")
    blame(root)
    make(root, app=APP)

    assert ask(load_backend(root)) == {"word": "a", "fixtures": str(root / "fixtures")}
