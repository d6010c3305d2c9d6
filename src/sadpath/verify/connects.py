"""Connects that got nowhere, and handshakes that a client broke off: what is known of them.

On real sockets the server learns only since when and until when it lets nobody in. In the simulated world each connect
is seen; so there the journal has both.
"""

from __future__ import annotations

from collections.abc import Iterator

from sadpath.core.events import ConnectionEvent
from sadpath.verify.trace import CallRecord, Trace

__all__ = ["broken_off", "connects_of", "covered", "span"]

_CERTIFICATES = frozenset({"tls_expired", "tls_wrong_host", "tls_self_signed"})


def span(call: CallRecord) -> tuple[float, float]:
    """Return when a call began and ended; one that hangs never does."""
    return call.t_started, float("inf") if call.t_ended is None else call.t_ended


def _windows(trace: Trace, fault: str) -> Iterator[tuple[float, float]]:
    """Yield from when to when the port let nobody in, by one fault."""
    begun: float | None = None
    for event in trace.connections:
        if event.connection == 0 and begun is not None:
            yield begun, event.t
            begun = None
        if event.connection == 0 and event.what == "unreachable" and event.fault == fault:
            begun = event.t
    if begun is not None:
        yield begun, float("inf")


def covered(trace: Trace, call: CallRecord, fault: str) -> bool:
    """Tell whether a fault surely kept a call from making any connection, from its beginning to its end."""
    start, end = span(call)
    if any(begun <= start and end <= over for begun, over in _windows(trace, fault)):
        return True
    during = [event for event in trace.connections if event.connection > 0 and start <= event.t < end]
    made = [event for event in during if event.what in ("opened", "unreachable")]
    return bool(made) and all(event.what == "unreachable" and event.fault == fault for event in made)


def connects_of(trace: Trace, call: CallRecord) -> list[float]:
    """Return when a call began the connects that got nowhere, as far as they are known and surely its own.

    One that is begun in the instant in which the call ends is the next call's.
    """
    start, end = span(call)
    alone = not any(other.overlaps(start, end) for other in trace.calls if other.tag != call.tag)
    events = trace.connections if alone else ()
    return [item.t for item in events if item.connection and item.what == "unreachable" and start <= item.t < end]


def broken_off(trace: Trace) -> list[ConnectionEvent]:
    """Return the handshakes in which a bad certificate was shown and the client went away, in their order."""
    gone = {event.connection for event in trace.connections if event.by == "client" and event.what in ("fin", "rst")}
    trusting = {event.connection for event in trace.connections if event.by == "client" and event.what == "handshake"}
    return [
        event
        for event in trace.connections
        if event.what == "handshake"
        and event.by == "server"
        and event.fault in _CERTIFICATES
        and event.connection in gone - trusting
    ]
