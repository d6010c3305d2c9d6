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
_KEEPERS = (
    ("httpcore._async.http11", "time"),
    ("httpcore._sync.http11", "time"),
    ("httpcore2._async.http11", "time"),
    ("httpcore2._sync.http11", "time"),
    ("aiohttp.connector", "monotonic"),
)
"""Where connection pools look at the clock, and by which name: the module ``time``, or ``time.monotonic`` itself."""


class _Loop(Protocol):
    now: float

    def extra_seconds(self) -> float: ...


class VirtualTime:
    """The clocks of one run, for the threads in ``threads``; ``sleep`` lets virtual time pass for such a thread."""

    active: VirtualTime | None = None

    def __init__(self, loop: _Loop, sleep: Callable[[float], None], epoch: float = EPOCH) -> None:
        self._loop = loop
        self.epoch = epoch
        self.sleep = sleep
        self.threads = {get_ident()}

    def here(self) -> bool:
        """Tell whether the calling thread belongs to the run."""
        return get_ident() in self.threads

    def elapsed(self) -> float:
        """Return the virtual seconds since the run began, as the calling code sees them."""
        return self._loop.now + self._loop.extra_seconds()

    def wall(self) -> float:
        """Return the virtual Unix seconds."""
        return self.epoch + self.elapsed()

    def install(self, patches: Patches, modules: Iterable[str] = ()) -> None:
        """Make time virtual, in the default modules and in those given (each with what is below it)."""
        VirtualTime.active = self
        for module, name, real in _bindings((*DEFAULT_MODULES, *modules)):
            if vars(module).get(name) is real:
                patches.set(module, name, _VIRTUAL[id(real)])

    def restore(self) -> None:
        """End the run's hold on time, also for whoever kept a replacement."""
        self.threads.clear()
        VirtualTime.active = None

    def problems(self) -> list[str]:
        """Return a line for each library known to keep time that no longer does so in the way that was known."""
        return [
            f"{module}.{name} is not the clock that was known there: its idle connections may expire in real time"
            for module, name in _KEEPERS
            if module in sys.modules and vars(sys.modules[module]).get(name) not in (real_time, monotonic)
        ]


def _run() -> VirtualTime | None:
    """Return the run that the calling thread belongs to."""
    active = VirtualTime.active
    return active if active is not None and get_ident() in active.threads else None


# The replacements are the same objects in every run: a module that is loaded during one, and takes such a function into
# its own names, keeps something that is real outside of runs and virtual in the next.


def monotonic() -> float:
    """Stand for ``time.monotonic``."""
    run = _run()
    return float(_REAL["monotonic"]()) if run is None else run.elapsed()


def monotonic_ns() -> int:
    """Stand for ``time.monotonic_ns``."""
    run = _run()
    return int(_REAL["monotonic_ns"]()) if run is None else round(run.elapsed() * _NANO)


def time() -> float:
    """Stand for ``time.time``."""
    run = _run()
    return float(_REAL["time"]()) if run is None else run.wall()


def time_ns() -> int:
    """Stand for ``time.time_ns``."""
    run = _run()
    if run is None:
        return int(_REAL["time_ns"]())
    whole = int(run.epoch)
    return whole * _NANO + round((run.epoch - whole + run.elapsed()) * _NANO)


def sleep(seconds: float) -> None:
    """Stand for ``time.sleep``: virtual time passes, real time does not."""
    run = _run()
    if run is None:
        _REAL["sleep"](seconds)
        return
    if not seconds >= 0:
        raise ValueError("sleep length must be non-negative")
    run.sleep(seconds)


def gmtime(seconds: float | None = None) -> real_time.struct_time:
    """Stand for ``time.gmtime``."""
    result: real_time.struct_time = _REAL["gmtime"](time() if seconds is None else seconds)
    return result


def localtime(seconds: float | None = None) -> real_time.struct_time:
    """Stand for ``time.localtime``."""
    result: real_time.struct_time = _REAL["localtime"](time() if seconds is None else seconds)
    return result


def strftime(form: str, moment: Any = None) -> str:
    """Stand for ``time.strftime``."""
    return str(_REAL["strftime"](form, localtime() if moment is None else moment))


def ctime(seconds: float | None = None) -> str:
    """Stand for ``time.ctime``."""
    return str(_REAL["ctime"](time() if seconds is None else seconds))


def asctime(moment: Any = None) -> str:
    """Stand for ``time.asctime``."""
    return str(_REAL["asctime"](localtime() if moment is None else moment))


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
        return dt.date.fromtimestamp(time())  # noqa: DTZ012 - the local date, as the real one's


class VirtualDatetime(dt.datetime, metaclass=_LooksReal):
    """``datetime.datetime`` with a virtual now; what it makes are real datetimes."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a real datetime."""
        return dt.datetime(*args, **kwargs)  # noqa: DTZ001 - whatever zone the caller gave

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        """Return the virtual time."""
        return dt.datetime.fromtimestamp(time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        """Return the virtual time in UTC, without a zone."""
        return dt.datetime.fromtimestamp(time(), dt.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        """Return the virtual local time."""
        return dt.datetime.fromtimestamp(time())  # noqa: DTZ006 - naive, as the real one is


_virtual_module = ModuleType("datetime", dt.__doc__)
vars(_virtual_module).update(
    {name: value for name, value in vars(dt).items() if not name.startswith("__")},
    datetime=VirtualDatetime,
    date=VirtualDate,
)

_VIRTUAL: dict[int, Any] = {
    **{id(real): globals()[name] for name, real in _REAL.items()},
    id(dt): _virtual_module,
    id(dt.datetime): VirtualDatetime,
    id(dt.date): VirtualDate,
}
"""What stands for what during a run, by the identity of the real thing."""

_Binding = tuple[ModuleType, str, Any]
_plans: dict[tuple[str, ...], tuple[int, tuple[_Binding, ...]]] = {}


def _bindings(prefixes: tuple[str, ...]) -> tuple[_Binding, ...]:
    """Return where the modules hold a function or class of time under a name of their own.

    Looked up anew only when modules were loaded since the last time.
    """
    count = len(sys.modules)
    cached = _plans.get(prefixes)
    if cached is None or cached[0] != count:
        cached = _plans[prefixes] = (count, tuple(_search(prefixes)))
    return cached[1]


def _search(prefixes: tuple[str, ...]) -> Iterator[_Binding]:
    loaded = sorted(sys.modules.items(), key=lambda item: item[0])
    for prefix in prefixes:
        for name, module in loaded:
            if isinstance(module, ModuleType) and (name == prefix or name.startswith(prefix + ".")):
                yield from ((module, key, value) for key, value in vars(module).items() if id(value) in _VIRTUAL)
