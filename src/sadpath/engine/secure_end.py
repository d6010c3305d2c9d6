"""How writing ends over TLS: ``close_notify``, FIN right behind it, and then reading on beneath TLS.

asyncio sends its FIN only once the client has answered the ``close_notify``, for which it waits half a minute; and what
the client sends meanwhile, such as the rest of a body that nobody wants, it takes for a failure and answers by RST,
which can take the last answer away from the client. RFC 8446 §6.1 asks for neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["end_writing"]


class _Beneath(asyncio.Protocol):
    """Reads on and drops what comes, since nobody decrypts it any more; TLS hears of the end alone."""

    def __init__(self, tls: Any, secure: asyncio.Transport, transport: asyncio.Transport, left: Callable[[], None]):
        self._tls = tls
        self._secure = secure
        self._transport = transport
        self._left = left

    def fin(self) -> None:
        """Send FIN, once TLS has handed everything down."""
        if not self._secure.get_write_buffer_size() and self._transport.can_write_eof():
            self._transport.write_eof()

    def pause_writing(self) -> None:
        """Let TLS hold back what it has encrypted."""
        self._tls.pause_writing()

    def resume_writing(self) -> None:
        """Let TLS go on."""
        self._tls.resume_writing()
        self.fin()

    def eof_received(self) -> None:
        """Take note that the client has ended its side; the transport closes by itself."""
        self._left()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let TLS and what stands above it know."""
        self._tls.connection_lost(exc)


def end_writing(secure: asyncio.Transport, left: Callable[[], None]) -> asyncio.Transport | None:
    """End a TLS connection's sending side; return what is beneath, which reads on, None where all of it is over.

    Args:
        secure: the transport that encrypts.
        left: told when the client ends its side, too.
    """
    tls: Any = getattr(secure, "_ssl_protocol", None)
    beneath: asyncio.Transport | None = getattr(tls, "_transport", None)
    secure.close()
    if beneath is None or beneath.is_closing():
        return None
    protocol = _Beneath(tls, secure, beneath, left)
    beneath.set_protocol(protocol)
    protocol.fin()
    if not beneath.is_reading():
        beneath.resume_reading()
    return beneath
