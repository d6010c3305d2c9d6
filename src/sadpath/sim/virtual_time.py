"""The clocks of the ``time`` and ``datetime`` modules, made virtual for the threads of a run.

Monotonic time is the loop's; wall time starts at a fixed epoch. ``time.perf_counter`` and ``process_time`` stay real:
Hypothesis and profilers need them, and nothing decides by them. Other threads of the process keep real time.

``datetime.now`` cannot be replaced inside the class, which is written in C; instead the names ``datetime`` and
``date`` are rebound in the modules of the run's list, whether they were imported as names or as a module.
"""

from __future__ import annotations

import datetime as dt
import sys
import time as real_time
from collections.abc import Callable, Iterable, Iterator
from threading import get_ident
from types import ModuleType
from typing import Any, Protocol

from sadpath.sim.patching import Patches

__all__ = ["EPOCH", "VirtualTime"]

EPOCH = 1_767_225_600.0
"""2026-01-01T00:00:00Z: the wall time at which a run starts, unless it is told otherwise."""

DEFAULT_MODULES = ("time", "aiohttp.connector", "fastapi.telemetry", "jwt")
"""Modules (with what is below them) in which time is made virtual: ``time`` itself, so everything that asks through
it, and those known to hold a function or class of their own."""

_NAMES = (
    "time", "time_ns", "monotonic", "monotonic_ns", "sleep", "gmtime", "localtime", "strftime", "ctime", "asctime",
)  # fmt: skip
_REAL: dict[str, Callable[..., Any]] = {name: getattr(real_time, name) for name in _NAMES}
_NANO = 1_000_000_000


class _Loop(Protocol):
    @property
    def now(self) -> float: ...
    def extra_seconds(self) -> float: ...


class VirtualTime:
    """The clocks of one run, for the threads in ``threads``; ``sleep`` lets virtual time pass for such a thread."""

    active: VirtualTime | None = None

    def __init__(self, loop: _Loop, sleep: Callable[[float], None], epoch: float = EPOCH) -> None:
        self._loop = loop
        self._sleep = sleep
        self._epoch = epoch
        self.threads = {get_ident()}

    def here(self) -> bool:
        """Tell whether the calling thread belongs to the run."""
        return get_ident() in self.threads

    def monotonic(self) -> float:
        """Replace ``time.monotonic``."""
        if get_ident() in self.threads:
            return self._loop.now + self._loop.extra_seconds()
        return float(_REAL["monotonic"]())

    def monotonic_ns(self) -> int:
        """Replace ``time.monotonic_ns``."""
        return round(self.monotonic() * _NANO) if self.here() else int(_REAL["monotonic_ns"]())

    def time(self) -> float:
        """Replace ``time.time``."""
        if get_ident() in self.threads:
            return self._epoch + self._loop.now + self._loop.extra_seconds()
        return float(_REAL["time"]())

    def time_ns(self) -> int:
        """Replace ``time.time_ns``."""
        if not self.here():
            return int(_REAL["time_ns"]())
        return int(self._epoch) * _NANO + round((self.time() - int(self._epoch)) * _NANO)

    def sleep(self, seconds: float) -> None:
        """Replace ``time.sleep``: virtual time passes, real time does not."""
        if not self.here():
            _REAL["sleep"](seconds)
            return
        if not seconds >= 0:
            raise ValueError("sleep length must be non-negative")
        self._sleep(seconds)

    def gmtime(self, seconds: float | None = None) -> real_time.struct_time:
        """Replace ``time.gmtime``."""
        result: real_time.struct_time = _REAL["gmtime"](self.time() if seconds is None else seconds)
        return result

    def localtime(self, seconds: float | None = None) -> real_time.struct_time:
        """Replace ``time.localtime``."""
        result: real_time.struct_time = _REAL["localtime"](self.time() if seconds is None else seconds)
        return result

    def strftime(self, form: str, moment: Any = None) -> str:
        """Replace ``time.strftime``."""
        return str(_REAL["strftime"](form, self.localtime() if moment is None else moment))

    def ctime(self, seconds: float | None = None) -> str:
        """Replace ``time.ctime``."""
        return str(_REAL["ctime"](self.time() if seconds is None else seconds))

    def asctime(self, moment: Any = None) -> str:
        """Replace ``time.asctime``."""
        return str(_REAL["asctime"](self.localtime() if moment is None else moment))

    def install(self, patches: Patches, modules: Iterable[str] = ()) -> None:
        """Make time virtual, in the default modules and in those given (each with what is below it)."""
        VirtualTime.active = self
        for module, name, real in _bindings((*DEFAULT_MODULES, *modules)):
            patches.set(module, name, self._replacement(real))

    def _replacement(self, real: Any) -> Any:
        if real is dt:
            return _virtual_module
        if real is dt.datetime:
            return VirtualDatetime
        if real is dt.date:
            return VirtualDate
        return getattr(self, real.__name__)


def _wall() -> float:
    active = VirtualTime.active
    return float(_REAL["time"]()) if active is None else active.time()


class _LooksReal(type):
    """Lets real dates pass for instances of their virtual class."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__mro__[1])

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.__mro__[1])


class VirtualDate(dt.date, metaclass=_LooksReal):
    """``datetime.date`` with a virtual today; what it makes are real dates."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a real date."""
        return dt.date(*args, **kwargs)

    @classmethod
    def today(cls) -> Any:
        """Return the virtual local date."""
        return dt.date.fromtimestamp(_wall())  # noqa: DTZ012 - the local date, as the real one's


class VirtualDatetime(dt.datetime, metaclass=_LooksReal):
    """``datetime.datetime`` with a virtual now; what it makes are real datetimes."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a real datetime."""
        return dt.datetime(*args, **kwargs)  # noqa: DTZ001 - whatever zone the caller gave

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        """Return the virtual time."""
        return dt.datetime.fromtimestamp(_wall(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        """Return the virtual time in UTC, without a zone."""
        return dt.datetime.fromtimestamp(_wall(), dt.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        """Return the virtual local time."""
        return dt.datetime.fromtimestamp(_wall())  # noqa: DTZ006 - naive, as the real one is


_virtual_module = ModuleType("datetime", dt.__doc__)
vars(_virtual_module).update(
    {name: value for name, value in vars(dt).items() if not name.startswith("__")},
    datetime=VirtualDatetime,
    date=VirtualDate,
)

_known: dict[int, Any] = {id(thing): thing for thing in (*_REAL.values(), dt, dt.datetime, dt.date)}
_scanned: dict[str, tuple[ModuleType, tuple[tuple[str, Any], ...]]] = {}


def _bindings(prefixes: tuple[str, ...]) -> Iterator[tuple[ModuleType, str, Any]]:
    """Yield where the modules hold a function or class of time under a name of their own."""
    for prefix in prefixes:
        for name in _loaded(prefix):
            module = sys.modules.get(name)
            if module is None:
                continue
            entry = _scanned.get(name)
            if entry is None or entry[0] is not module:
                found = tuple((key, value) for key, value in vars(module).items() if id(value) in _known)
                entry = _scanned[name] = (module, found)
            for key, value in entry[1]:
                yield module, key, value


_loaded_cache: dict[str, tuple[int, tuple[str, ...]]] = {}


def _loaded(prefix: str) -> tuple[str, ...]:
    count = len(sys.modules)
    cached = _loaded_cache.get(prefix)
    if cached is None or cached[0] != count:
        below = prefix + "."
        cached = (count, tuple(sorted(n for n in list(sys.modules) if n == prefix or n.startswith(below))))
        _loaded_cache[prefix] = cached
    return cached[1]
