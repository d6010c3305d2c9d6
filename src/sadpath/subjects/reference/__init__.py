"""Drives ``sadpath.client``, the reference client, and whatever is built on its parts.

``subject`` is the adapter, ``calls`` knows which method of the client an operation is, ``outcomes`` says what its
caller got, ``cache`` fills its local data source, ``device`` is the storage that outlives it, ``chance`` takes its dice
away.
"""

from __future__ import annotations

from sadpath.subjects.reference.cache import EmbeddedLocal
from sadpath.subjects.reference.device import Device
from sadpath.subjects.reference.subject import ReferenceSubject, Wiring, create

__all__ = ["Device", "EmbeddedLocal", "ReferenceSubject", "Wiring", "create"]
