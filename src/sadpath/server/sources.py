"""What a server serves: the workspace's backend, any ASGI application, or a server somewhere else.

Faults act in the same way before all three. What differs is what sadpath knows of them: only a backend that offers
hooks (``app.state.sadpath_hooks``) lets tokens be expired and revoked by its own truth, and only one that keeps its
data by session (``scope["state"]["sadpath"]``) lets clients share it without meeting each other.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from sadpath.core.errors import AuthorError, UsageError
from sadpath.core.names import nearest

if TYPE_CHECKING:
    from sadpath.scenario.roles import Roles
    from sadpath.workspace import Workspace

__all__ = ["Source", "find_source"]

_APP = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_][\w.]*)(?P<call>\(\))?")


@dataclass(frozen=True)
class Source:
    """A backend, and what is known of it.

    Attributes:
        kind: ``workspace``, ``app`` or ``upstream``.
        name: as a user wrote it.
        backend: the ASGI application.
        roles: what its operations are for; None where no file says so. Rules then name a method and a path.
    """

    kind: Literal["workspace", "app", "upstream"]
    name: str
    backend: Callable[[Any, Any, Any], Awaitable[None]]
    roles: Roles | None


def find_source(text: str | None, workspace: Workspace) -> Source:
    """Return what ``sadpath serve`` was asked to serve: nothing said is the workspace's backend.

    Args:
        text: ``module:app``, ``module:create_app()``, or a URL; None for the workspace's backend.
        workspace: where scenarios and fixtures come from. Its ``contracts/api/roles.yaml`` counts for another source
            only where the file is the workspace's own, and not the reference one that stands in for it.

    Raises:
        UsageError: for a text that is none of these, and for a module or name that is not there.
        AuthorError: for an application that cannot be imported, or is none.
    """
    if text is None:
        return Source("workspace", workspace.name, workspace.backend(), workspace.roles())
    roles = workspace.own_roles()
    if text.startswith(("http://", "https://")):
        from sadpath.server.upstream import Upstream  # noqa: PLC0415 - brings httpx

        return Source("upstream", text, Upstream(text), roles)
    found = _APP.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is neither module:app, nor module:create_app(), nor a URL")
    return Source("app", text, _load(found["module"], found["name"], call=bool(found["call"])), roles)


def _load(module_name: str, name: str, *, call: bool) -> Callable[[Any, Any, Any], Awaitable[None]]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UsageError(f"there is no module {error.name!r} (looked in {here} too)") from error
        raise _failed(module_name, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(module_name, error) from error
    found = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            near = nearest(part, [one for one in dir(found) if not one.startswith("_")])
            hint = f"; did you mean {near!r}?" if near else ""
            raise UsageError(f"the module {module_name!r} has no {name!r}{hint}") from None
    if call:
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise _failed(f"{module_name}:{name}()", error) from error
    if not callable(found):
        raise AuthorError(f"{module_name}:{name} is no ASGI application but {_article(type(found).__name__)}")
    return cast("Callable[[Any, Any, Any], Awaitable[None]]", found)


def _failed(what: str, error: BaseException) -> AuthorError:
    return AuthorError(f"{what} cannot be loaded: {type(error).__name__}: {error}")


def _article(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"
