"""The sign of life."""

from __future__ import annotations

from fastapi import APIRouter, Response

from .docs import headers
from .models import Health

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get(
    "/health",
    operation_id="health",
    summary="A sign of life",
    response_model=Health,
    responses={200: {"description": "It lives", "headers": headers(Cache_Control="`no-store`.")}},
)
async def health() -> Response:
    """Answers without a token, and without looking at any session."""
    body = Health(status="ok").model_dump_json()
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
