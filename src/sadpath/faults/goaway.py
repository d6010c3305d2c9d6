"""The fault ``goaway``: an HTTP/2 connection is told to end."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sadpath.faults.base import At, Exchange
from sadpath.faults.error_codes import ErrorCode, number_of
from sadpath.faults.placed import Placed
from sadpath.scenario.vocabulary import FAULTS, Family, HttpVersion, Phase

__all__ = ["Goaway"]


class Goaway(Placed):
    """Sends GOAWAY (RFC 9113 §6.8), by default before the backend has run, with nothing lost: a server that shuts down.

    ``last_stream`` is what it says has been handled: the ``latest`` stream that the server has seen; the one ``before``
    this exchange's, which tells the client that this one was not and may be sent again elsewhere; or any number, 0 for
    none at all. Behind it, ``then: finish`` answers the streams up to the last one, this one too if it is among them,
    and closes; ``close`` closes at once, whatever is under way; ``stall`` says no more and leaves the connection open.
    Streams beyond the last one get no answer. Where the backend has run all the same (``at: response`` and later, with
    ``before`` or 0), the frame lies. It needs HTTP/2: over HTTP/1 the answer is a 500 that says so.
    """

    name: ClassVar[str] = "goaway"
    family: ClassVar[Family] = "before the response"
    phase: ClassVar[Phase] = "request"
    summary: ClassVar[str] = "HTTP/2: GOAWAY with an error code and a last stream, and then the connection closes."
    protocols: ClassVar[tuple[HttpVersion, ...]] = ("HTTP/2",)
    in_http2: ClassVar[str] = "GOAWAY with `error` and `last_stream`"
    scalar: ClassVar[str | None] = "error"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": (
            "exit 0, the second time on a new connection; exit 16, the second time on a new connection where it was not"
            " handled; exit 18, the second time on a new connection without the answer"
        ),
        "httpx": "RemoteProtocolError, the second time on a new connection",
        "browser": (
            "200, the second time on a new connection; net::ERR_HTTP2_SERVER_REFUSED_STREAM, the second time on a new "
            "connection where it was not handled; net::ERR_CONNECTION_CLOSED, the second time on a new connection "
            "without the answer"
        ),
    }

    at: At = "request"
    error: ErrorCode = "NO_ERROR"
    last_stream: Literal["latest", "before"] | Annotated[int, Field(ge=0, le=0x7FFFFFFF)] = "latest"
    then: Literal["finish", "close", "stall"] = "finish"

    async def act(self, exchange: Exchange) -> None:
        """Send it, and go on as ``then`` says."""
        await exchange.go_away(number_of(self.error), self.last_stream, self.then)


FAULTS.register(Goaway)
