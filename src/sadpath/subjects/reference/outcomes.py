"""From the client's results to the driver's outcomes: what its caller got, in the protocol's words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sadpath.client import BackgroundError, Err, Failure, Order, Result, Success, User
from sadpath.drivers.messages import ErrorReport, Outcome, OutcomeValue

__all__ = ["background_errors", "outcome_of"]


def outcome_of(result: Result[Any], tag: str) -> Outcome:
    """Return the outcome of the call with this tag."""
    call, _, index = tag.rpartition("/")
    if isinstance(result, Err):
        failure = result.failure
        partial = None if result.partial is None else OutcomeValue(data=[_as_json(item) for item in result.partial])
        return Outcome(
            call=call,
            i=int(index),
            outcome="error",
            value=partial,
            error=_report(failure),
            attempts=failure.attempts,
        )
    return Outcome(
        call=call,
        i=int(index),
        outcome="ok",
        value=_value(result),
        source=result.source,
        stale=result.stale,
        age_ms=_ms(result.age),
        attempts=result.attempts,
    )


def background_errors(errors: Iterable[BackgroundError]) -> list[dict[str, Any]]:
    """Return what went wrong beside the calls."""
    return [
        {
            "op": error.operation,
            "kind": error.failure.kind,
            "status": error.failure.status,
            "message": str(error.failure),
        }
        for error in errors
    ]


def _value(result: Success[Any]) -> OutcomeValue:
    # In every page of a collection the JSON is that of its items; there is no one status.
    status = None if isinstance(result.json, list) else result.status
    return OutcomeValue(status=status, data=result.json)


def _report(failure: Failure) -> ErrorReport:
    return ErrorReport(
        kind=failure.kind,
        status=failure.status,
        retry_after_ms=None if failure.retry_after is None else _ms(failure.retry_after),
        effect_unknown=failure.effect_unknown,
        native=failure.native or type(failure).__name__,
        message=failure.message,
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _as_json(item: Any) -> Any:
    """Return an item of an unfinished list as the API writes it; the client keeps no JSON of those."""
    if isinstance(item, User):
        return {
            "id": item.id,
            "user_name": item.name,
            "email_address": item.email,
            "avatar_url": item.avatar_url,
            "created_at": _moment(item.member_since),
        }
    if isinstance(item, Order):
        return {
            "id": item.id,
            "user_id": item.user_id,
            "items": [{"sku": line.sku, "quantity": line.quantity} for line in item.lines],
            "total_cents": item.total_cents,
            "status": item.status,
            "created_at": _moment(item.placed_at),
        }
    return item


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
