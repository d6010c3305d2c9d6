"""The signed-in user's settings. They change seldom, so a client may answer from its cache first."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from .access import SignedIn
from .conditional import conditional_get
from .docs import IF_MATCH, IF_NONE_MATCH, answers, headers
from .models import Settings
from .problems import INVALID_TOKEN, PRECONDITION_FAILED, UNAUTHORIZED

__all__ = ["router"]

router = APIRouter(tags=["settings"])

CACHING = {"Cache-Control": "private, max-age=300", "Vary": "Authorization"}
FIELDS = headers(ETag="A strong entity tag.", Cache_Control="Private, fresh for five minutes.", Vary="`Authorization`.")


@router.get(
    "/settings",
    operation_id="settings.get",
    summary="One's settings",
    response_model=Settings,
    responses=answers(
        UNAUTHORIZED,
        INVALID_TOKEN,
        PRECONDITION_FAILED,
        others={200: ("The settings", FIELDS), 304: ("What you have is current", FIELDS)},
    ),
    openapi_extra={"parameters": [IF_NONE_MATCH, IF_MATCH]},
)
async def get_settings(caller: SignedIn, request: Request) -> Response:
    """The settings of the user who is signed in."""
    body = caller.shop.settings(caller.user_id).model_dump_json().encode()
    return conditional_get(request.headers, body, CACHING)
