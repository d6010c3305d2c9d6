"""The fault ``broken_gzip``: a body that says it is compressed, and cannot be decompressed."""

from __future__ import annotations

import gzip
from typing import ClassVar, Literal

from sadpath.faults.base import Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["BrokenGzip", "accepts_gzip", "broken"]

How = Literal["corrupt", "cut", "plain"]
"""The stream has a block of a type that there is not; it ends early; it is not compressed at all."""

_HEADER = 10  # bytes in front of the first block (RFC 1952 §2.3)


class BrokenGzip(Fault):
    """Sends the body with ``Content-Encoding: gzip`` and a stream that is broken; ``Content-Length`` is honest.

    It fires where the request accepts gzip, as every one does that says nothing else (RFC 9110 §12.5.3), and where
    there is a body that is not encoded yet.
    """

    name: ClassVar[str] = "broken_gzip"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "response"
    summary: ClassVar[str] = "The body says that it is gzip, and cannot be decompressed."
    scalar: ClassVar[str | None] = "how"
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 0; exit 61 with --compressed; exit 0 (cut) with --compressed",
        "httpx": "DecodingError; 200, JSONDecodeError from json (cut)",
        "browser": "net::ERR_CONTENT_DECODING_FAILED; 200, SyntaxError from json (cut)",
    }

    how: How = "corrupt"

    async def on_response(self, exchange: Exchange) -> None:
        """Encode the body, and break it."""
        answer = exchange.answer
        if answer is None or not exchange.body_size or answer.header(b"content-encoding") is not None:
            return
        if not accepts_gzip(exchange.request_header(b"accept-encoding")):
            return
        answer.set_body(broken(answer.body, self.how))
        answer.set_header(b"content-encoding", b"gzip")
        exchange.fire(self, "response")


def broken(body: bytes, how: How) -> bytes:
    """Return a body as a gzip stream that is broken in one way."""
    if how == "plain":
        return body
    stream = gzip.compress(body, mtime=0)
    if how == "cut":
        return stream[: max(_HEADER + 1, len(stream) // 2)]
    return stream[:_HEADER] + b"\xff" + stream[_HEADER + 1 :]  # the block type 11 is reserved (RFC 1951 §3.2.3)


def accepts_gzip(header: bytes | None) -> bool:
    """Tell whether an ``Accept-Encoding`` accepts gzip; none at all accepts everything."""
    if header is None:
        return True
    accepted: dict[str, bool] = {}
    for item in header.decode("latin-1").lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        accepted[coding] = weight.strip("0.") != ""
    return accepted.get("gzip", accepted.get("*", False))


FAULTS.register(BrokenGzip)
