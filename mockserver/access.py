"""Who is calling: the bearer token of a request (RFC 6750)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from .problems import INVALID_TOKEN, UNAUTHORIZED, Problem
from .seam import Seam, seam_of
from .shop import Shop, shop_of
from .tokens import Rejected

__all__ = ["CHALLENGE", "Caller", "SignedIn", "identify"]

CHALLENGE = 'Bearer realm="shop"'


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, and the shop it is for."""

    shop: Shop
    seam: Seam
    user_id: int
    family: int
    """The family of tokens: one sign-in."""

    @property
    def now(self) -> float:
        """The session's wall clock, in Unix seconds."""
        return self.seam.clock.wall()


def identify(request: Request) -> Caller:
    """The caller of a request. A ``Problem`` with status 401 if it carries no valid access token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        # RFC 6750 §3.1: no error code where no authentication was tried.
        raise Problem(UNAUTHORIZED, "This route needs an access token.", headers={"WWW-Authenticate": CHALLENGE})
    shop, seam = shop_of(request), seam_of(request)
    try:
        found = shop.tokens.authenticate(token, seam.clock.wall())
    except Rejected as why:
        challenge = f'{CHALLENGE}, error="invalid_token", error_description="{why}"'
        raise Problem(INVALID_TOKEN, f"{why}.", headers={"WWW-Authenticate": challenge}) from why
    return Caller(shop, seam, found.user_id, found.family)


class _Bearer(SecurityBase):
    """The dependency that says in the API's description that a route needs a token, and sees to it."""

    def __init__(self) -> None:
        self.model = HTTPBearerModel(
            bearerFormat="JWT", description="The access token of `auth.login` or `auth.refresh`."
        )
        self.scheme_name = "bearer"

    async def __call__(self, request: Request) -> Caller:
        return identify(request)


SignedIn = Annotated[Caller, Depends(_Bearer())]
