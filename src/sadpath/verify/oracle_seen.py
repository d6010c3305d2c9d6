"""What a client sees of one exchange, told from the faults that it meets and from what the backend would have answered.

A part of the oracle: it knows what the faults promise to do, and nothing of journals or of how a client works. What
cannot be known beforehand (how long a body is, which of two things comes first within a millisecond) is *chosen*; the
oracle follows every choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sadpath.scenario.model import Fault, Step
from sadpath.verify.oracle_answer import TIE, UNKNOWN_SIZE, ZERO, Answer, Choose, Span, add, past, size_of
from sadpath.verify.oracle_lies import LIES, told_instead
from sadpath.verify.oracle_load import REMEMBERING, Memory

__all__ = ["CUT", "EARLY", "ZERO", "Answer", "Choose", "Seen", "Span", "Unknown", "add", "meet", "past"]


EARLY = frozenset({"closed", "reset", "protocol"})
"""What a client may call a connection that ended before any answer: systems blur these …"""

CUT = frozenset({"truncated", "closed", "reset", "protocol"})
"""… and one that ended within a body."""

_PROBLEM: Span = (40, 400)


class Unknown(Exception):
    """The oracle does not know what a fault does; the text names it."""


@dataclass(frozen=True)
class Seen:
    """What the client sees.

    ``answer`` is None where no head came. ``kinds`` are the failures that it may call it, empty where the answer came
    whole. ``head`` and ``took`` are how long it took to the head and to the end; ``ran`` tells whether the backend ran.
    """

    answer: Answer | None
    kinds: frozenset[str]
    took: Span
    head: Span = ZERO
    ran: bool = False


def meet(
    step: Step,
    backend: Callable[[], Answer],
    expire: Callable[[str], None],
    *,
    read: float | None,
    trip: float,
    choose: Choose,
    sent: Span = ZERO,
    memory: Memory,
    unconditional: bool | None = False,
) -> Seen:
    """Return what the client sees of an exchange.

    Args:
        step: the faults that it meets.
        backend: runs the backend and returns its answer; called twice where a request is delivered twice.
        expire: lets the session's tokens of a kind expire.
        read: the client's read timeout.
        trip: how long the network takes there and back.
        choose: see ``Choose``.
        sent: how many bytes the request's body has.
        memory: what the faults remember of earlier exchanges.
        unconditional: whether it asks for something and sets no condition; None: that is open.

    Raises:
        Unknown: for a fault that the oracle does not know.
    """
    unknown = [fault.name for fault in step if fault.name not in _KNOWN]
    if unknown:
        raise Unknown(f"the fault {unknown[0]}")
    exchange = _Exchange(step, backend, expire, read=read, trip=trip, choose=choose, sent=sent)
    exchange.memory, exchange.unconditional = memory, unconditional
    return exchange.run()


class _Over(Exception):
    """The exchange has ended early."""

    def __init__(self, kinds: frozenset[str]) -> None:
        super().__init__()
        self.kinds = kinds


class _Exchange:
    memory: Memory
    unconditional: bool | None

    def __init__(
        self,
        step: Step,
        backend: Callable[[], Answer],
        expire: Callable[[str], None],
        *,
        read: float | None,
        trip: float,
        choose: Choose,
        sent: Span,
    ) -> None:
        self._step = step
        self._backend = backend
        self._expire = expire
        self._read = read
        self._choose = choose
        self._trip = trip
        self._sent = sent
        self._left: _Over | None = None
        self._gap: Span = (trip, trip + TIE)
        self._took: Span = (trip, 3 * trip + TIE)  # a connection may have to be made first
        self._head = ZERO
        self._answer: Answer | None = None
        self._ran = False

    def run(self) -> Seen:
        kinds: frozenset[str] = frozenset()
        seen: Answer | None = None
        try:
            self._on_arrival()
            for fault in self._step if self._answer is None else ():
                self._on_request(fault)
            if self._answer is None:
                self._answer, self._ran = self._backend(), True
            for fault in self._step:
                self._on_response(fault)
            self._wait(ZERO)  # the way itself may take longer than the client's patience
            self._shorten()
            seen, self._head, self._gap = self._answer, self._took, (0.0, TIE)
            self._deliver(seen)
        except _Over as over:
            kinds = (self._left or over).kinds
        return Seen(seen, kinds, self._took, self._head, self._ran)

    # Time

    def _wait(self, time: Span) -> None:
        """Let time pass without a byte; the client may lose patience."""
        gap = add(self._gap, time)
        if self._left is not None:
            raise self._left
        if past(self._read, gap, self._choose):
            read = self._read or 0.0
            left = max(0.0, read - self._gap[1]), max(0.0, read - self._gap[0])
            self._took = add(self._took, left)
            over = _Over(frozenset({"timeout.read"}))
            # The server hears of it late; meanwhile what comes next may still be done, unseen.
            heard = gap[0] > read + self._trip + TIE
            if heard or self._head != ZERO or not self._choose((False, True)):
                raise over
            self._left = over
            return
        self._gap, self._took = gap, add(self._took, time)

    def _end(self, how: str) -> None:
        if how == "stall":
            if self._read is None:
                raise Unknown("a silence without end, and no read timeout")
            self._wait((math.inf, math.inf))
        raise _Over(EARLY if self._head == ZERO else CUT)

    # The phases

    def _on_arrival(self) -> None:
        """Let what acts while the request is being read act: the first that is reached decides."""
        early = [fault for fault in self._step if fault.name in _EARLY_FAULTS]
        for fault in sorted(early, key=_behind):
            after = _behind(fault)
            if after > self._sent[1] or (after > self._sent[0] and not self._choose((True, False))):
                continue
            if fault.name == "early_response":
                self._answer = Answer(fault.settings.status, _PROBLEM)  # type: ignore[attr-defined] # it has one
                return
            self._end("stall" if fault.name == "request_stall" else fault.name)

    def _on_request(self, fault: Fault) -> None:
        settings: Any = fault.settings
        match fault.name:
            case "status" if not settings.committed:
                self._answer = self._answer or self._made_up(settings)
            case "unauthorized":
                size = _PROBLEM if settings.body is None else size_of(settings.body)
                self._answer = self._answer or Answer(401, size)
            case "invalid_grant":
                self._answer = self._answer or Answer(400, _PROBLEM, refuses=True)
            case "reject_login":
                self._answer = self._answer or Answer(401, _PROBLEM)
            case "expire_token" | "revoke_tokens" if self._answer is None:
                self._expire(settings.token)
            case name if name in REMEMBERING and self._answer is None:
                self._answer = self.memory.refuses(fault, (max(0.0, self._took[0] - self._trip), self._took[1]))
            case "delay" | "stall" | "close" | "reset" | "half_close" if settings.at == "request":
                self._act(fault)
            case _:
                pass  # it acts later

    def _on_response(self, fault: Fault) -> None:
        settings: Any = fault.settings
        match fault.name:
            case "status" if settings.committed:
                self._answer = self._made_up(settings)
            case name if name in LIES and self._answer is not None:
                self._answer = told_instead(fault, self._answer, self._choose)
            case name if name in REMEMBERING and self._answer is not None:
                self.memory.note(fault, self._answer)
            case "not_modified_without_entry" if self.unconditional or (
                self.unconditional is None and self._choose((True, False))
            ):
                self._answer = Answer(304, ZERO, unasked=True)
            case "bursts" if settings.bad > 0 and settings.loss > 0 and self._choose((False, True)):
                self._end("reset")
            case "broken_gzip":
                self._spoil(0)
            case "garbage":
                self._end("close")
            case "oversized_header" if settings.size > _USUAL_HEAD and self._choose((False, True)):
                self._end("close")
            case "duplicate_delivery" if self._ran:
                self._backend()
            case "delay" | "stall" | "close" | "reset" | "half_close" if settings.at == "response":
                self._act(fault)
            case _:
                pass

    def _spoil(self, cut: int) -> None:
        """Make a body unreadable, if there is one of at least so many bytes."""
        answer = self._answer
        least = max(1, cut)
        if answer is None or answer.status in (204, 304) or answer.size[1] < least:
            return
        if answer.size[0] >= least or self._choose((True, False)):
            size = max(0.0, answer.size[0] - cut), max(0.0, answer.size[1] - cut)
            good = answer.good and answer.status >= 400
            self._answer = replace(answer, good=good, size=size if cut else UNKNOWN_SIZE, refuses=False, waits=False)

    def _shorten(self) -> None:
        """Let what changes the head or the framing do so."""
        for fault in self._step:
            settings: Any = fault.settings
            if fault.name == "bad_status_line":
                self._end("close")
            elif fault.name == "wrong_length" and settings.by < 0:
                self._spoil(-settings.by)

    def _deliver(self, answer: Answer) -> None:
        places = [(place, fault) for fault in self._step if (place := _place_of(fault, answer)) is not None]
        for after, fault in sorted(places, key=lambda item: item[0]):
            reached = after <= answer.size[0] - 1 or (after <= answer.size[1] - 1 and bool(self._choose((True, False))))
            if reached and fault.name == "truncate":
                self._end(fault.settings.ending)  # type: ignore[attr-defined] # a cut has one
            elif reached and fault.name == "broken_chunk":
                self._end("close")
            elif reached:
                self._act(fault)
        for fault in self._step:
            settings: Any = fault.settings
            if fault.name == "slice":
                low, high = (max(0.0, size / settings.size - 1) * settings.gap for size in answer.size)
                self._took = add(self._took, (low, high))
            elif fault.name == "wrong_length" and settings.by > 0 and answer.status not in (204, 304):
                self._end(settings.ending)

    def _act(self, fault: Fault) -> None:
        """Do what a fault that has a place does once it is reached."""
        settings: Any = fault.settings
        silence: float | None = settings.time
        if fault.name == "delay":
            self._wait(_delay(settings))
        elif fault.name == "stall" and silence is None:
            self._end("stall")
        else:
            self._wait(_exactly(silence or 0.0))
            if fault.name != "stall" or settings.then != "answer":
                self._end(settings.then if fault.name == "stall" else fault.name)

    def _made_up(self, settings: Any) -> Answer:
        """Return the answer that the fault ``status`` gives."""
        code: int = settings.code
        if code < 300 and settings.body is not None:
            raise Unknown("a success that the file makes up")
        usual = _PROBLEM if code >= 400 else ZERO
        size = usual if settings.body is None else size_of(settings.body)
        in_progress: bool | None = None if code == 409 and getattr(settings.body, "fixture", None) else False
        return Answer(code, size, good=code >= 400, waits=in_progress, told=_told(settings.retry_after, self._took))


_KNOWN = LIES | REMEMBERING | frozenset(
    {
        "bad_status_line", "broken_chunk", "broken_gzip", "bursts", "close", "close_after", "delay",
        "duplicate_delivery", "early_response", "etag_mismatch", "expire_token", "garbage", "half_close",
        "idle_close", "invalid_grant", "not_modified_without_entry", "omit_refresh_token", "oversized_header",
        "reject_login", "request_close", "request_reset", "request_stall", "reset", "revoke_tokens", "slice", "stall",
        "status", "truncate", "unauthorized", "wrong_length",
    }
)  # fmt: skip
_EARLY_FAULTS = ("request_close", "request_reset", "request_stall", "early_response")
_USUAL_HEAD = 8000
"""Bytes of a head that every client takes; from 8 KiB on parsers may give it up (RFC 9110 §5.4)."""


def _behind(fault: Fault) -> int:
    """Return behind how many bytes of the request a fault acts that acts on arrival."""
    return int(getattr(fault.settings, "after", 0))


def _place_of(fault: Fault, answer: Answer) -> float | None:
    """Return the byte of the body at which a fault acts, None for one that does not act there."""
    settings: Any = fault.settings
    if fault.name == "truncate":
        if settings.of != "body":
            raise Unknown("a cut that counts the head's bytes")
    elif fault.name == "broken_chunk":
        pass
    elif fault.name not in ("delay", "stall", "close", "reset", "half_close") or settings.at not in ("head", "body"):
        return None
    elif settings.at == "head":
        return 0
    return answer.size[0] // 2 if settings.after is None else settings.after


def _exactly(seconds: float) -> Span:
    return seconds, seconds


def _delay(settings: Any) -> Span:
    time: float | None = settings.time
    if time is not None:
        return _exactly(time)
    if settings.uniform is not None:
        return settings.uniform.min, settings.uniform.max
    return 0.0, math.inf if settings.lognormal.max is None else settings.lognormal.max


def _told(asked: Any, took: Span) -> Span | None:
    """Return how long a Retry-After asks to wait; a date names whole seconds, so it is known to one of them."""
    if asked is None:
        return None
    if hasattr(asked, "date"):
        return max(0.0, asked.date - 1 - took[1]), asked.date + 1
    if hasattr(asked, "raw"):
        return (float(asked.raw), float(asked.raw)) if asked.raw.isascii() and asked.raw.isdigit() else None
    return float(math.ceil(asked)), float(math.ceil(asked))
