"""The reference client on httpx2, the successor of httpx: for clients under test, ``…reference.on_httpx2:create``.

The client's seam to its HTTP library promises that changing two imports is all that it takes. That is done here,
to a copy of that one module; everything else is the reference client as it is.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import sadpath.client.http as seam
from sadpath.client import Parts
from sadpath.drivers.messages import Hello
from sadpath.drivers.subject import Subject
from sadpath.subjects.reference.subject import ReferenceSubject

__all__ = ["OnHttpx2", "create"]

_COPY = "sadpath.client._http_on_httpx2"
_IMPORTS = {"import httpcore\n": "import httpcore2 as httpcore\n", "import httpx\n": "import httpx2 as httpx\n"}


@cache
def _copy() -> ModuleType:
    """Return the client's seam with its two imports changed.

    Raises:
        ImportError: where httpx2 is not installed, or the seam imports its library in another way.
    """
    source = Path(seam.__file__).read_text(encoding="utf-8")
    for old, new in _IMPORTS.items():
        if source.count(old) != 1:
            raise ImportError(f"{seam.__file__} has no line {old.strip()!r} that could be changed")
        source = source.replace(old, new)
    spec = importlib.util.spec_from_loader(_COPY, loader=None, origin=seam.__file__)
    if spec is None:
        raise ImportError(_COPY)
    module = importlib.util.module_from_spec(spec)
    sys.modules[_COPY] = module
    try:
        exec(compile(source, seam.__file__, "exec"), vars(module))  # noqa: S102 - our own source, two words changed
    except BaseException:
        del sys.modules[_COPY]
        raise
    return module


def _http(**options: Any) -> Any:
    """Return a pool of connections of httpx2."""
    library = _copy()

    class Http(library.Http):  # type: ignore[name-defined, misc] # the base is made at run time
        """Takes the client's own URLs."""

        async def open(self, method: str, url: seam.Url, **more: Any) -> Any:
            """Send a request and wait for the head of the reply."""
            return await super().open(method, library.Url(str(url)), **more)

    return Http(**options)


class OnHttpx2(ReferenceSubject):
    """The reference client with another HTTP library below it."""

    name: ClassVar[str] = "reference-on-httpx2"
    parts: ClassVar[Parts] = Parts(http=_http)

    def hello(self) -> Hello:
        """Return what the client says of itself."""
        said = super().hello()
        return said.model_copy(update={"client": said.client.model_copy(update={"http": "httpx2"})})


def create() -> Subject:
    """Return the client, not opened yet."""
    return OnHttpx2()
