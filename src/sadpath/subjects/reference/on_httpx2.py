"""The reference client on httpx2, the successor of httpx: the client under test ``…reference.on_httpx2:create``."""

from __future__ import annotations

from typing import ClassVar

from sadpath.client.library import LibraryName
from sadpath.drivers.subject import Subject
from sadpath.subjects.reference.subject import ReferenceSubject

__all__ = ["OnHttpx2", "create"]


class OnHttpx2(ReferenceSubject):
    """The reference client with another HTTP library below it."""

    name: ClassVar[str] = "reference-on-httpx2"
    library: ClassVar[LibraryName] = "httpx2"


def create() -> Subject:
    """Return the client, not opened yet."""
    return OnHttpx2()
