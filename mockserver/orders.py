"""Orders: everybody sees and places their own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from .access import SignedIn
from .docs import BODY_KINDS, KEY, answers, headers
from .idempotency import KeyedRoute
from .models import NewOrder, Order, OrderPage
from .paging import MAX_LIMIT, after_cursor, cursor_of
from .problems import (
    BAD_CURSOR,
    BAD_KEY,
    IN_PROGRESS,
    INVALID_TOKEN,
    KEY_REUSED,
    UNAUTHORIZED,
    VALIDATION,
    Problem,
)
from .shop import commit

__all__ = ["router"]

router = APIRouter(prefix="/orders", tags=["orders"], route_class=KeyedRoute)

CACHING = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
CACHED = headers(Cache_Control="Private, to be asked for again.", Vary="`Authorization`.")


@router.get(
    "",
    operation_id="orders.list",
    summary="Some of one's orders",
    response_model=OrderPage,
    responses=answers(
        UNAUTHORIZED, INVALID_TOKEN, BAD_CURSOR, VALIDATION, others={200: ("Orders, newest first", CACHED)}
    ),
)
async def list_orders(
    caller: SignedIn,
    cursor: Annotated[str, Query(max_length=200, description="`next_cursor` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
) -> Response:
    """One's own orders, newest first. An order placed while one pages is not on the later pages."""
    orders, key = caller.shop.orders(caller.user_id), caller.shop.tokens.key
    try:
        end = after_cursor(cursor, orders, caller.user_id, key) if cursor else len(orders)
    except ValueError as why:
        raise Problem(BAD_CURSOR, "Send a cursor as it was given, to the user it was given to.") from why
    start = max(0, end - limit)
    page = orders[start:end][::-1]
    found = OrderPage(data=list(page), next_cursor=cursor_of(page[-1], key) if start else None)
    return Response(found.model_dump_json(), media_type="application/json", headers=CACHING)


@router.post(
    "",
    operation_id="orders.create",
    summary="Place an order",
    status_code=201,
    response_model=Order,
    response_description="The order",
    responses=answers(*BODY_KINDS, UNAUTHORIZED, INVALID_TOKEN, BAD_KEY, IN_PROGRESS, KEY_REUSED),
    openapi_extra={"parameters": [KEY]},
)
async def create_order(new: NewOrder, caller: SignedIn, request: Request) -> Response:
    """Place an order. Any article number of the right form is for sale."""
    order = caller.shop.create_order(caller.user_id, new, caller.now)
    commit(request, caller.shop)
    return Response(order.model_dump_json(), 201, media_type="application/json")
