"""What the verbs share: the application, how a verb joins it, and how it ends when something goes wrong.

Exit codes: 0 well; 1 the client under test falls short; 2 the author of a file or command has something to mend;
3 sadpath itself failed, or nothing was proved; 130 after Ctrl-C. A user never sees a traceback: that of a failure of
ours goes into a file, whose place the message tells.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from sadpath import __version__
from sadpath.core.errors import AuthorError, DriverError, FileProblem, FileProblems, SubjectError

__all__ = ["Format", "RootOption", "app", "complain", "group", "run", "say", "verb"]

VERBS = ("serve", "verify", "replay", "report", "init", "list", "show", "lint", "schema", "driver")
"""The order in which help shows the verbs; others come after them."""

Function = TypeVar("Function", bound=Callable[..., Any])


class Format(StrEnum):
    """How a listing is printed."""

    text = "text"
    json = "json"


RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        show_default=False,
        help="The workspace. Default: the current folder if it has scenarios/, else the reference workspace.",
    ),
]
"""``--root DIR``, the same for every verb."""


class _Verbs(TyperGroup):
    """The verbs in an order that tells a story, not in that of the alphabet."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the verbs as help shows them."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: (VERBS.index(name) if name in VERBS else len(VERBS), name))


app = typer.Typer(
    name="sadpath",
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A mock backend that misbehaves on purpose, and a judge of API clients.",
)
"""The command line; verbs join it by ``verb``."""


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"sadpath {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Carry the options that stand before a verb."""


def group(name: str, about: str) -> typer.Typer:
    """Return a verb that has verbs of its own, for ``verb`` to add to; ``about`` is what help says of it."""
    made = typer.Typer(name=name, no_args_is_help=True, pretty_exceptions_enable=False, help=about)
    app.add_typer(made)
    return made


def verb(function: Function, *, name: str | None = None, of: typer.Typer = app) -> Function:
    """Make a function a verb of the command line, or ``of`` a group; its name, unless given, is the function's."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with _ending_well():
            result = function(*args, **kwargs)
            sys.stdout.flush()  # a pipe that is broken shows here, where it can be told from a failure
            return result

    of.command(name or function.__name__.rstrip("_"))(guarded)
    return function


def say(text: str) -> None:
    """Print to stdout."""
    typer.echo(text)


def complain(text: str) -> None:
    """Print an error to stderr."""
    typer.secho("error: ", fg=typer.colors.RED, err=True, nl=False)
    typer.echo(text, err=True)


@contextmanager
def _ending_well() -> Iterator[None]:
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:
        _close_stdout()
        raise typer.Exit(141) from None  # what a shell shows for a program that SIGPIPE ended
    except Exception as error:  # noqa: BLE001 - the last guard before the user
        raise typer.Exit(_tell(error)) from None


def _tell(error: Exception) -> int:
    """Print what went wrong, and return the exit code."""
    if isinstance(error, ExceptionGroup):
        causes = _leaves(error)
        if all(isinstance(cause, AuthorError) for cause in causes):
            return max(_tell(cause) for cause in causes)
    if isinstance(error, FileProblem | FileProblems):
        typer.echo(str(error), err=True)
        return 2
    if isinstance(error, AuthorError | DriverError):
        complain(str(error))
        return 2
    if isinstance(error, SubjectError):
        complain(str(error))
        return 1
    complain(f"sadpath itself failed, which is not your fault: {type(error).__name__}: {error}")
    typer.echo(f"The traceback is in {_save_traceback(error)}; please report it.", err=True)
    return 3


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    return [
        leaf for item in group.exceptions for leaf in (_leaves(item) if isinstance(item, ExceptionGroup) else [item])
    ]


def _save_traceback(error: Exception) -> str:
    facts = f"sadpath {__version__}, Python {platform.python_version()}, {platform.platform()}\n{sys.argv}\n\n"
    try:
        with tempfile.NamedTemporaryFile("w", prefix="sadpath-", suffix=".txt", delete=False, encoding="utf-8") as file:
            file.write(facts + "".join(traceback.format_exception(error)))
    except OSError as problem:
        return f"no file ({problem.strerror})"
    return file.name


def _close_stdout() -> None:
    """Let the interpreter's last flush go nowhere."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run() -> None:
    """Run the command line and exit."""
    try:
        app(prog_name="sadpath")
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _close_stdout()
