"""A call under way in the model of a client, and how it may end. A part of the oracle."""

from __future__ import annotations

from dataclasses import dataclass

from sadpath.scenario.model import Call
from sadpath.verify.oracle_answer import ZERO, Answer, Span
from sadpath.verify.oracle_server import RAW, Target

__all__ = ["IDEMPOTENT", "CallEnd", "Failed", "Limit", "Request"]

IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY")


@dataclass(frozen=True)
class CallEnd:
    """How a call ends: ``endings`` are the words for it of which any may be used, ``attempts`` its exchanges."""

    endings: frozenset[str]
    source: str | None
    attempts: int


class Limit(Exception):
    """A limit of the call has struck: its deadline, its cancel, or the time for falling back."""

    def __init__(self, which: str) -> None:
        super().__init__()
        self.which = which


@dataclass
class Failed(Exception):
    """A request has failed: ``kinds`` are the words for it, ``status`` where there was one.

    ``renewal`` says that it is the renewal of the session that failed.
    """

    kinds: frozenset[str]
    status: int | None = None
    told: Span | None = None
    renewal: bool = False
    waits: bool | None = False


@dataclass
class Request:
    """A call under way."""

    target: Target
    call: Call
    patient: float | None = None
    elapsed: Span = ZERO
    attempts: int = 0
    retries: int = 0
    refreshes: int = 0
    replays: int = 0
    repeats: int = 0
    last: Answer | None = None

    @property
    def role(self) -> str:
        """What its operation is for."""
        return self.target.operation.role

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does nothing twice."""
        return self.target.operation.method in IDEMPOTENT or (self.call.op != RAW and self.role == "create")

    @property
    def signed(self) -> bool:
        """Whether it carries the access token."""
        return self.role not in ("login", "public", "refresh")

    @property
    def renews(self) -> bool:
        """Whether a 401 to it is a reason to renew the session: not while that is being ended."""
        return self.signed and self.role != "logout"
