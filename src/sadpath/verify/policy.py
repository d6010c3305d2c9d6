"""The numbers that a client promises, section by section.

A value that a client does not promise is None, and a clause that needs it is then ``unsupported``, never passed. In a
file that is a key left out, or ``null`` where ``extends`` or a profile must take a promise back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from sadpath.core.names import ERROR_KINDS, nearest, shown
from sadpath.core.units import Seconds
from sadpath.scenario.filemodel import FileModel, Several, Trouble, complain, complain_of

__all__ = [
    "STRATEGIES",
    "TRANSPORT",
    "AuthPolicy",
    "Budget",
    "CachePolicy",
    "CancelPolicy",
    "ErrorPolicy",
    "HealPolicy",
    "Policy",
    "Pool",
    "Redirects",
    "RetryPolicy",
    "Timeouts",
    "merge",
]

TRANSPORT = ("connect", "timeout.connect", "timeout.read", "timeout.write", "reset", "closed", "body", "protocol")
"""The transport failures that a policy may promise to retry or to fall back on."""

STRATEGIES = ("network_first", "cache_first", "network_only")
"""How a read uses the cache."""

Strategy = Literal["network_first", "cache_first", "network_only"]


def _one_of(known: tuple[str, ...], what: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Return the marks of a text that must be one of ``known``: the message names the nearest, the schema all."""

    def check(value: str) -> str:
        if value not in known:
            raise complain(f"unknown {what} {shown(value)}", near=nearest(value, known))
        return value

    return AfterValidator(check), WithJsonSchema({"type": "string", "enum": list(known)})


_transport, _transport_schema = _one_of(TRANSPORT, "transport failure")
_kind, _kind_schema = _one_of(ERROR_KINDS, "kind of failure")
TransportName = Annotated[str, _transport, _transport_schema]
ErrorKind = Annotated[str, _kind, _kind_schema]
Status = Annotated[int, Field(ge=100, le=599)]
Count = Annotated[int, Field(ge=0)]


class _Section(FileModel):
    """One section of a policy; ``durations`` names the fields that the driver protocol gives in milliseconds."""

    durations: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _nothing_empty(cls, value: Any) -> Any:
        """Accept a key without a value, as other files do not: here it takes a promise back."""
        return value

    def to_protocol(self) -> dict[str, Any]:
        """Return the section as the driver protocol writes it; what is not promised is left out."""
        out: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is None:
                continue
            if name in self.durations:
                out[f"{name}_ms"] = _milliseconds(value)
            elif isinstance(value, FileModel):
                out[name] = value.model_dump(mode="json")
            else:
                out[name] = list(value) if isinstance(value, tuple) else value
        return out


def _milliseconds(value: float | tuple[float, ...]) -> float | list[float]:
    if isinstance(value, tuple):
        return [_in_ms(item) for item in value]
    return _in_ms(value)


def _in_ms(seconds: float) -> float:
    ms = round(seconds * 1000, 6)
    return int(ms) if ms == int(ms) else ms


class Timeouts(_Section):
    """Limits in seconds: per connect, per gap while reading or writing, per wait for the pool, and over all."""

    durations = frozenset({"connect", "read", "write", "pool", "total"})

    connect: Seconds | None = None
    read: Seconds | None = None
    write: Seconds | None = None
    pool: Seconds | None = None
    total: Seconds | None = None


class Pool(_Section):
    """The connection pool: how many connections may be open at a time."""

    size: Annotated[int, Field(ge=1)] | None = None


class Budget(FileModel):
    """A retry needs ``tokens`` ≥ ``cost``; a success refills. The budget is full when a case starts."""

    tokens: Annotated[float, Field(ge=0)]
    cost: Annotated[float, Field(gt=0)] = 1
    refill: Annotated[float, Field(ge=0)] = 0


class RetryPolicy(_Section):
    """What is retried, how often, and after which wait (seconds). ``delays`` stands for first_delay and factor."""

    durations = frozenset({"first_delay", "max_delay", "delays", "retry_after_cap"})

    max_retries: Count | None = None
    first_delay: Seconds | None = None
    factor: Annotated[float, Field(ge=1)] | None = None
    max_delay: Seconds | None = None
    jitter: Literal["none", "full", "equal"] | None = None
    delays: Annotated[Several[Seconds], Field(min_length=1)] | None = None
    transport: bool | Several[TransportName] | None = None
    statuses: Several[Status] | None = None
    statuses_if_told: Several[Status] | None = None
    methods: Literal["idempotent", "any"] | None = None
    retry_after: Literal["honour", "ignore"] | None = None
    retry_after_cap: Seconds | None = None
    budget: Budget | None = None

    def delay(self, n: int) -> float | None:
        """Return the promised wait before retry ``n`` (from 1) without jitter, None where none is promised."""
        if self.delays is not None:
            wait = self.delays[min(n, len(self.delays)) - 1]
        elif self.first_delay is None or (n > 1 and self.factor is None):
            return None
        else:
            # A factor to the power of a large n overflows; by then every cap has long been reached.
            wait = self.first_delay * (self.factor or 1.0) ** min(n - 1, 200)
        return wait if self.max_delay is None else min(wait, self.max_delay)

    def bounds(self, n: int) -> tuple[float, float] | None:
        """Return the least and the longest wait before retry ``n``, None where nothing is promised."""
        wait = self.delay(n)
        if wait is None or self.jitter is None:
            return None
        return {"none": wait, "equal": wait / 2, "full": 0.0}[self.jitter], wait

    def retries_transport(self, *names: str) -> bool:
        """Tell whether every one of these transport failures is promised to be retried."""
        if isinstance(self.transport, bool):
            return self.transport
        return self.transport is not None and set(names) <= set(self.transport)


class AuthPolicy(_Section):
    """How tokens are renewed and when the client logs out by itself; ``refresh_early`` is in seconds."""

    durations = frozenset({"refresh_early"})

    refreshes_per_call: Count | None = None
    single_flight: bool | None = None
    refresh_early: Seconds | None = None
    logout_on: Several[str] | None = None


class CachePolicy(_Section):
    """What is cached, how it is used, and on what the client falls back on it; durations in seconds.

    The strategy of each operation stands in a file beside the other keys: ``users.get: network_first``.
    """

    model_config = ConfigDict(extra="allow")
    durations = frozenset({"max_stale", "fallback_after"})
    # Typed, so that both validation and the schema know what a strategy may be.
    __pydantic_extra__: dict[str, Strategy | None] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride] - pydantic's own way to type extras

    max_stale: Seconds | None = None
    fallback_on: Several[Status | TransportName | Literal["transport"]] | None = None
    fallback_after: Seconds | None = None
    evict_on: Several[Status] | None = None

    @model_validator(mode="before")
    @classmethod
    def _strategies(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known, wrong = set(cls.model_fields), []
        for key, item in value.items():
            if key in known or item is None or item in STRATEGIES:
                continue
            if isinstance(item, str) and (near := nearest(item, STRATEGIES)):
                wrong.append(Trouble((key,), f"unknown strategy {shown(item)}", near))
            else:
                wrong.append(Trouble((key,), "unknown key", nearest(str(key), known)))
        if wrong:
            raise complain_of(wrong)
        return value

    @property
    def operations(self) -> dict[str, str] | None:
        """The strategy by operation, None where no operation is promised to be cached."""
        extra = self.__pydantic_extra__ or {}
        found: dict[str, str] = {key: value for key, value in extra.items() if value is not None}
        return found or None

    def to_protocol(self) -> dict[str, Any]:
        """Return the section as the driver protocol writes it."""
        return {**(self.operations or {}), **super().to_protocol()}


def _status_keys(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    wrong = [
        Trouble((key,), "must be a status such as 404, or a class such as 4xx") for key in value if not _is_key(key)
    ]
    if wrong:
        raise complain_of(wrong)
    return {str(key): item for key, item in value.items()}


def _is_key(key: Any) -> bool:
    text = str(key)
    return len(text) == 3 and text[0] in "12345" and (text[1:].isdecimal() or text[1:] == "xx")


class ErrorPolicy(_Section):
    """How HTTP statuses map to kinds of failure; keys are statuses, ``4xx`` or ``5xx``."""

    map: Annotated[dict[str, ErrorKind | None], BeforeValidator(_status_keys)] | None = None
    empty_success: Literal["ok", "error"] | None = None

    def kind_of(self, status: int) -> str | None:
        """Return the promised kind for a status, None where nothing is promised."""
        table = self.map or {}
        return table.get(str(status)) or table.get(f"{status // 100}xx")

    def to_protocol(self) -> dict[str, Any]:
        """Return the section as the driver protocol writes it."""
        out = super().to_protocol()
        if "map" in out:
            out["map"] = {key: kind for key, kind in out["map"].items() if kind is not None}
        return out


class Redirects(_Section):
    """Whether and how far redirects are followed."""

    follow: bool | None = None
    max: Count | None = None


class CancelPolicy(_Section):
    """How soon a cancel takes effect, in seconds."""

    durations = frozenset({"within"})

    within: Seconds | None = None


class HealPolicy(_Section):
    """How soon the client works again once the faults stop, in seconds."""

    durations = frozenset({"within"})

    within: Seconds | None = None


class Policy(FileModel):
    """All that a client promises."""

    timeouts: Timeouts = Timeouts()
    pool: Pool = Pool()
    retry: RetryPolicy = RetryPolicy()
    auth: AuthPolicy = AuthPolicy()
    cache: CachePolicy = CachePolicy()
    errors: ErrorPolicy = ErrorPolicy()
    redirects: Redirects = Redirects()
    cancel: CancelPolicy = CancelPolicy()
    heal: HealPolicy = HealPolicy()

    def value(self, path: str) -> Any:
        """Return a value by its dotted path, for example ``retry.max_retries``."""
        value: Any = self
        for part in path.split("."):
            value = getattr(value, part)
        return value

    def missing(self, paths: Iterable[str]) -> list[str]:
        """Return those of ``paths`` that this client does not promise; ``a|b`` is promised if one of them is."""
        return [path for path in paths if all(self.value(part) is None for part in path.split("|"))]

    def to_protocol(self) -> dict[str, Any]:
        """Return the policy as the driver protocol writes it: nested, durations in ms, without what is not promised."""
        sections = ((name, getattr(self, name).to_protocol()) for name in type(self).model_fields)
        return {name: section for name, section in sections if section}

    def to_file(self) -> dict[str, Any]:
        """Return what a file would hold: plain data, without what is not promised."""
        whole = self.model_dump(mode="json", exclude_none=True)
        return {name: section for name, section in whole.items() if section}

    def merged(self, other: Mapping[str, Any]) -> Self:
        """Return this policy with the values of another file's ``policy`` put over it; ``null`` takes a promise back.

        Raises:
            ValidationError: if what comes of it is no policy.
        """
        return self.model_validate(merge(self.to_file(), other))


def merge(base: Mapping[Any, Any], over: Mapping[Any, Any]) -> dict[Any, Any]:
    """Put plain data over other plain data: mappings are merged key by key, everything else is replaced."""
    out = dict(base)
    for key, value in over.items():
        former = out.get(key)
        out[key] = merge(former, value) if isinstance(former, Mapping) and isinstance(value, Mapping) else value
    return out
