"""A session's journal as an HTTP Archive (HAR 1.2), for browsers' tools and other viewers.

What HAR has no word for stands in members that begin with ``_``, as it allows: the faults, how the exchange ended, and
whether its effect was committed. An exchange without an answer has the status 0. Bodies are left out, for they may
hold credentials; their sizes are there.
"""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from sadpath import __version__
from sadpath.core.events import ExchangeEvent
from sadpath.engine.session import Session

__all__ = ["har_of"]


def har_of(session: Session, base_url: str) -> dict[str, Any]:
    """Return the archive of what a session's journal holds; ``base_url`` is the session's."""
    began = session.clock.wall() - session.clock.now()
    entries = [_entry(event, base_url, began) for event in session.journal.exchanges]
    creator = {"name": "sadpath", "version": __version__}
    return {"log": {"version": "1.2", "creator": creator, "pages": [], "entries": entries}}


def _entry(event: ExchangeEvent, base_url: str, began: float) -> dict[str, Any]:
    wait = _milliseconds(event.t_arrived, event.t_first_byte)
    receive = _milliseconds(event.t_first_byte, event.t_last_byte)
    whole = max(_milliseconds(event.t_arrived, event.t_ended), wait + receive)
    return {
        "startedDateTime": _date(began + event.t_arrived),
        "time": whole,
        "request": _request(event, base_url),
        "response": _response(event),
        "cache": {},
        "timings": {"send": 0, "wait": whole - receive, "receive": receive},
        "connection": str(event.connection),
        "_exchange": event.exchange,
        "_stream": event.stream,
        "_operation": event.operation,
        "_call": event.call,
        "_fault": {"armed": [one.name for one in event.armed], "fired": [one.to_json() for one in event.fired]},
        "_effect": {"committed": event.effect.committed, "id": event.effect.id},
        "_ended": {"how": event.ended.how, "by": event.ended.by},
    }


def _request(event: ExchangeEvent, base_url: str) -> dict[str, Any]:
    query = parse_qsl(event.query, keep_blank_values=True)
    return {
        "method": event.method,
        "url": base_url + event.path + (f"?{event.query}" if event.query else ""),
        "httpVersion": f"HTTP/{event.http_version}",
        "cookies": [],
        "headers": _pairs(event.request_headers),
        "queryString": _pairs(query),
        "headersSize": -1,
        "bodySize": -1 if event.body_digest is not None else 0,
    }


def _response(event: ExchangeEvent) -> dict[str, Any]:
    headers = dict(event.response_headers)
    status = event.status or 0
    known = {one.value: one.phrase for one in HTTPStatus}
    return {
        "status": status,
        "statusText": known.get(status, ""),
        "httpVersion": f"HTTP/{event.http_version}",
        "cookies": [],
        "headers": _pairs(event.response_headers),
        "content": {"size": len(event.response_body), "mimeType": headers.get("content-type", "x-unknown")},
        "redirectURL": headers.get("location", ""),
        "headersSize": -1,
        "bodySize": -1,
    }


def _pairs(pairs: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _milliseconds(start: float | None, end: float | None) -> float:
    return 0.0 if start is None or end is None else round(max(end - start, 0.0) * 1000, 3)


def _date(wall: float) -> str:
    return dt.datetime.fromtimestamp(wall, dt.UTC).isoformat(timespec="milliseconds")
