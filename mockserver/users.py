"""The directory of users. Everybody who is signed in sees and edits the same one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from .access import Caller, SignedIn
from .conditional import conditional_get, etag_of, require
from .docs import BODY_KINDS, IF_MATCH, IF_NONE_MATCH, KEY, answers, headers
from .idempotency import KeyedRoute
from .models import NewUser, User, UserChanges, UserPage
from .paging import MAX_LIMIT, meta_of
from .problems import (
    BAD_KEY,
    CONFLICT,
    IN_PROGRESS,
    INVALID_TOKEN,
    KEY_REUSED,
    NOT_FOUND,
    PRECONDITION_FAILED,
    UNAUTHORIZED,
    VALIDATION,
    Problem,
)
from .shop import commit

__all__ = ["router"]

router = APIRouter(prefix="/users", tags=["users"], route_class=KeyedRoute)

UserId = Annotated[int, Path(alias="id", ge=1)]

# Fresh for no time, so always asked for again; good for a day when asking fails (RFC 5861 §4). The answer is for one
# user's eyes, so a cache must not hand it to the next one who signs in: private, and varying with the token.
CACHING = {"Cache-Control": "private, max-age=0, stale-if-error=86400", "Vary": "Authorization"}
CACHED = headers(Cache_Control="Private, stale at once.", Vary="`Authorization`.")
TAGGED = headers(ETag="A strong entity tag.")


@router.get(
    "",
    operation_id="users.list",
    summary="One page of the directory",
    response_model=UserPage,
    responses=answers(UNAUTHORIZED, INVALID_TOKEN, VALIDATION, others={200: ("A page, by ids", CACHED)}),
)
async def list_users(
    caller: SignedIn,
    page: Annotated[int, Query(ge=1)] = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
) -> Response:
    """Users in the order of their ids. A page after the last one is empty."""
    users = caller.shop.users()
    start = (page - 1) * limit
    found = UserPage(success=True, data=list(users[start : start + limit]), meta=meta_of(page, limit, len(users)))
    return Response(found.model_dump_json(), media_type="application/json", headers=CACHING)


@router.get(
    "/{id}",
    operation_id="users.get",
    summary="One user",
    response_model=User,
    responses=answers(
        UNAUTHORIZED,
        INVALID_TOKEN,
        NOT_FOUND,
        PRECONDITION_FAILED,
        VALIDATION,
        others={200: ("The user", TAGGED | CACHED), 304: ("What you have is current", TAGGED | CACHED)},
    ),
    openapi_extra={"parameters": [IF_NONE_MATCH, IF_MATCH]},
)
async def get_user(user_id: UserId, caller: SignedIn, request: Request) -> Response:
    """One user, with an entity tag for conditional requests."""
    user = _find(caller, user_id)
    return conditional_get(request.headers, user.model_dump_json().encode(), CACHING)


@router.post(
    "",
    operation_id="users.create",
    summary="Add a user",
    status_code=201,
    response_model=User,
    responses=answers(
        *BODY_KINDS,
        UNAUTHORIZED,
        INVALID_TOKEN,
        BAD_KEY,
        IN_PROGRESS,
        KEY_REUSED,
        others={201: ("The new user", TAGGED | headers(Location="The new user, relative to this route."))},
    ),
    openapi_extra={"parameters": [KEY]},
)
async def create_user(new: NewUser, caller: SignedIn, request: Request) -> Response:
    """Add somebody to the directory. Several users may have the same name or address."""
    user = caller.shop.create_user(new, caller.now)
    commit(request, caller.shop)
    body = user.model_dump_json().encode()
    # Relative, so that it holds under any prefix that the app is mounted at (RFC 9110 §10.2.2).
    created = {"ETag": etag_of(body), "Location": f"users/{user.id}"}
    return Response(body, 201, media_type="application/json", headers=created)


@router.put(
    "/{id}",
    operation_id="users.update",
    summary="Change a user",
    response_model=User,
    responses=answers(
        *BODY_KINDS,
        UNAUTHORIZED,
        INVALID_TOKEN,
        NOT_FOUND,
        CONFLICT,
        PRECONDITION_FAILED,
        others={200: ("The user as changed", TAGGED)},
    ),
    openapi_extra={"parameters": [IF_MATCH, IF_NONE_MATCH]},
)
async def update_user(user_id: UserId, changes: UserChanges, caller: SignedIn, request: Request) -> Response:
    """Change a user: send the whole, or the members that change."""
    user = _find(caller, user_id)
    if "id" in changes.model_fields_set and changes.id != user_id:
        # RFC 9110 §9.3.4: a body that does not fit its target is a conflict.
        raise Problem(CONFLICT, f"The body is of user {changes.id}, the path of user {user_id}.")
    require(request.headers, user.model_dump_json().encode())
    changed = caller.shop.update_user(user, changes)
    commit(request, caller.shop)
    body = changed.model_dump_json().encode()
    return Response(body, media_type="application/json", headers={"ETag": etag_of(body)})


@router.delete(
    "/{id}",
    operation_id="users.delete",
    summary="Remove a user",
    status_code=204,
    response_class=Response,
    response_description="Removed",
    responses=answers(UNAUTHORIZED, INVALID_TOKEN, NOT_FOUND, PRECONDITION_FAILED, VALIDATION),
    openapi_extra={"parameters": [IF_MATCH, IF_NONE_MATCH]},
)
async def delete_user(user_id: UserId, caller: SignedIn, request: Request) -> Response:
    """Remove a user from the directory. An account of that user can still sign in."""
    user = _find(caller, user_id)
    require(request.headers, user.model_dump_json().encode())
    caller.shop.delete_user(user)
    commit(request, caller.shop)
    return Response(status_code=204)


def _find(caller: Caller, user_id: int) -> User:
    user = caller.shop.user(user_id)
    if user is None:
        raise Problem(NOT_FOUND, f"There is no user {user_id}.")
    return user
