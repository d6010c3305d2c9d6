"""Signing in, refreshing, signing out."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from .access import CHALLENGE, SignedIn
from .docs import BODY_KINDS, answers, headers
from .models import Credentials, RefreshedTokens, RefreshRequest, TokenPair
from .problems import BAD_CREDENTIALS, INVALID_GRANT, INVALID_TOKEN, UNAUTHORIZED, Problem
from .seam import rotates, seam_of
from .shop import shop_of
from .tokens import ACCESS_SECONDS, Rejected

__all__ = ["router"]

router = APIRouter(prefix="/auth", tags=["auth"])

# RFC 6749 §5.1 and §5.2: whatever holds tokens, or says why there are none, is not to be stored.
NO_STORE = {"Cache-Control": "no-store"}
STORED_NOWHERE = headers(Cache_Control="`no-store`.")


@router.post(
    "/login",
    operation_id="auth.login",
    summary="Sign in",
    response_model=TokenPair,
    response_description="Tokens of a new sign-in",
    responses=answers(*BODY_KINDS, BAD_CREDENTIALS, others={200: ("Tokens of a new sign-in", STORED_NOWHERE)}),
)
async def login(request: Request, credentials: Credentials) -> Response:
    """Sign in with e-mail address and password."""
    shop = shop_of(request)
    user_id, account = shop.accounts.get(credentials.email.lower(), (0, None))
    if not account or not hmac.compare_digest(account.password.encode(), credentials.password.encode()):
        challenge = {"WWW-Authenticate": CHALLENGE, **NO_STORE}
        raise Problem(BAD_CREDENTIALS, "There is no account with this address and password.", headers=challenge)
    pair = shop.tokens.begin(user_id, seam_of(request).clock.wall())
    return _token_answer(
        TokenPair(
            access_token=pair.access,
            refresh_token=pair.refresh,
            expires_in=ACCESS_SECONDS,
            token_type="Bearer",
        )
    )


@router.post(
    "/refresh",
    operation_id="auth.refresh",
    summary="Trade the refresh token in",
    response_model=RefreshedTokens,
    responses=answers(*BODY_KINDS, INVALID_GRANT, others={200: ("The next tokens", STORED_NOWHERE)}),
)
async def refresh(request: Request, traded: RefreshRequest) -> Response:
    """Get new tokens. A refresh token works once; using it again ends the sign-in it belongs to."""
    seam = seam_of(request)
    try:
        pair = shop_of(request).tokens.refresh(traded.refresh_token, seam.clock.wall(), rotate=rotates(seam))
    except Rejected as why:
        members = {"error": "invalid_grant", "error_description": str(why)}
        raise Problem(INVALID_GRANT, f"{why}.", headers=NO_STORE, members=members) from why
    issued = RefreshedTokens(access_token=pair.access, expires_in=ACCESS_SECONDS, token_type="Bearer")
    if pair.refresh:
        issued = issued.model_copy(update={"refresh_token": pair.refresh})
    return _token_answer(issued)


@router.post(
    "/logout",
    operation_id="auth.logout",
    summary="Sign out",
    status_code=204,
    response_class=Response,
    response_description="Signed out",
    responses=answers(UNAUTHORIZED, INVALID_TOKEN),
)
async def logout(caller: SignedIn) -> Response:
    """End this sign-in: its access and refresh tokens are no longer valid. Other sign-ins go on."""
    caller.shop.tokens.end(caller.family)
    return Response(status_code=204)


def _token_answer(tokens: BaseModel) -> Response:
    body = tokens.model_dump_json(exclude_unset=True)
    return Response(body, media_type="application/json", headers=NO_STORE)
