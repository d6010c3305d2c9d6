"""The options by which a command line says how a client outside this process is driven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sadpath.core.errors import UsageError

if TYPE_CHECKING:
    from sadpath.verify.contract import DriverSpec

__all__ = ["DriverOption", "DriverUrlOption", "ExecOption", "driver_spec"]

DriverOption = Annotated[
    str | None,
    typer.Option("--driver", metavar="CMD", show_default=False, help="Drive the client by a command that stays."),
]
ExecOption = Annotated[
    str | None,
    typer.Option("--exec", metavar="CMD", show_default=False, help="Drive the client by a command run for each call."),
]
DriverUrlOption = Annotated[
    str | None,
    typer.Option("--driver-url", metavar="URL", show_default=False, help="Drive the client behind a URL."),
]


def driver_spec(
    *, driver: str | None, exec_: str | None, driver_url: str | None, known_bad: bool = False
) -> DriverSpec | None:
    """Return how a command line wants a client driven, None where it does not say.

    Raises:
        UsageError: for more than one way, or one that cannot be read, or any for clients that are known to be bad.
    """
    from sadpath.verify.contract import DriverSpec  # noqa: PLC0415 - brings Pydantic

    options = {"--driver": ("stdio", driver), "--exec": ("exec", exec_), "--driver-url": ("http", driver_url)}
    given = {name: (way, value) for name, (way, value) in options.items() if value is not None}
    if len(given) > 1:
        raise UsageError(f"one way to drive the client is enough, here are {' and '.join(given)}")
    if given and known_bad:
        raise UsageError("--known-bad means clients that ship with sadpath, which are driven in process")
    for name, (way, value) in given.items():
        try:
            return DriverSpec.model_validate({way: value})
        except ValueError as error:
            raise UsageError(f"{name} {value!r}: {_first(error)}") from error
    return None


def _first(error: ValueError) -> str:
    errors: list[Any] = getattr(error, "errors", list)()
    return str(errors[0]["msg"]).removeprefix("Value error, ") if errors else str(error)
