"""The fault ``close_after``: the connection closes behind the answer, and nothing has said so."""

from __future__ import annotations

from typing import ClassVar

from sadpath.faults.base import Delivery, Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["CloseAfter"]


class CloseAfter(Fault):
    """Sends the whole answer without ``Connection: close``, and then closes all the same (RFC 9112 §9.3.1: a client
    must expect that at any time). Requests that were pipelined behind it are not served.

    Where the answer says that the connection closes, as after HTTP/1.0, nothing is silent about it: the fault does not
    fire.
    """

    name: ClassVar[str] = "close_after"
    family: ClassVar[Family] = "after it"
    phase: ClassVar[Phase] = "end"
    summary: ClassVar[str] = "The answer is whole, and the connection closes behind it without a word."
    in_http2: ClassVar[str] = "FIN without GOAWAY: every stream on the connection ends"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0, the second time on a new connection",
        "httpx": "200, the second time on a new connection",
        "browser": "200, the second time on a new connection",
    }

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Let the connection close once the answer is out."""
        exchange.close_silently(self)


FAULTS.register(CloseAfter)
