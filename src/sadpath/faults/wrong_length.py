"""The fault ``wrong_length``: Content-Length does not say how long the body is."""

from __future__ import annotations

import functools
from typing import ClassVar

from pydantic import field_validator

from sadpath.faults.base import Delivery, Ending, Exchange, Fault
from sadpath.scenario.vocabulary import FAULTS, Family, Phase

__all__ = ["WrongLength"]


class WrongLength(Fault):
    """Lets ``Content-Length`` promise so many bytes more than there are, or, if ``by`` is negative, fewer.

    Where it promises more, the whole body leaves, and then the connection ends as ``ending`` says: what was promised
    never comes (RFC 9112 §8). Where it promises fewer, the rest of the body leaves as well, and stands in front of the
    next answer; the journal keeps as the body what a client can take for it. HEAD, 204 and 304, and an answer that is
    too short to be cut by so much, are left alone.
    """

    name: ClassVar[str] = "wrong_length"
    family: ClassVar[Family] = "in the response"
    phase: ClassVar[Phase] = "body"
    summary: ClassVar[str] = "Content-Length promises more bytes than come, or fewer."
    in_http2: ClassVar[str] = (
        "where it promises fewer, the whole body leaves in its stream (malformed, RFC 9113 §8.1.1)"
    )
    scalar: ClassVar[str | None] = "by"
    bare: ClassVar[bool] = False
    seen_by: ClassVar[dict[str, str]] = {
        "curl": "exit 18; exit 0, the second time on a new connection or exit 0, then exit 1 (fewer)",
        "httpx": (
            "RemoteProtocolError; 200, JSONDecodeError from json, the second time on a new connection or 200, "
            "JSONDecodeError from json, then RemoteProtocolError (fewer)"
        ),
        "browser": (
            "net::ERR_CONTENT_LENGTH_MISMATCH; 200, SyntaxError from json, the second time out of the cache (fewer)"
        ),
    }

    by: int
    ending: Ending = "close"

    @field_validator("by")
    @classmethod
    def _lies(cls, value: int) -> int:
        if value == 0 or abs(value) > 1 << 40:
            raise ValueError("must be a number of bytes, more or fewer, but not 0")
        return value

    def on_delivery(self, exchange: Exchange, delivery: Delivery) -> None:
        """Change the promise."""
        answer, event = exchange.answer, exchange.event
        if answer is None or event.method == "HEAD" or answer.status in (204, 304):
            return
        body = answer.body
        if len(body) + self.by < 0:
            return
        if self.by < 0 and event.http_version == "2":  # there is no next answer for the rest to stand in front of
            answer.set_body(body)
            delivery.head = functools.partial(self._promise, len(body))
            delivery.behind.append(functools.partial(self._too_much, exchange, len(body) + self.by))
        elif self.by < 0:
            answer.set_body(body[: self.by])
            delivery.behind.append(functools.partial(self._rest, exchange, body[self.by :]))
        else:
            if answer.header(b"content-length") is None:
                answer.set_body(body)
            delivery.head = functools.partial(self._promise, len(body))
            delivery.behind.append(functools.partial(self._end, exchange, len(body)))

    def _promise(self, size: int, head: bytes) -> bytes:
        return head.replace(b"\r\ncontent-length: %d\r\n" % size, b"\r\ncontent-length: %d\r\n" % (size + self.by), 1)

    async def _too_much(self, exchange: Exchange, promised: int) -> None:
        exchange.fire(self, "body", promised)

    async def _rest(self, exchange: Exchange, rest: bytes) -> None:
        exchange.fire(self, "body", exchange.body_size)
        exchange.write(rest)

    async def _end(self, exchange: Exchange, size: int) -> None:
        exchange.fire(self, "body", size)
        await exchange.end(self.ending)


FAULTS.register(WrongLength)
