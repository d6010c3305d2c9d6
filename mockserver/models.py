"""The shapes that travel: what the API takes and gives.

The models are records too: the store keeps frozen ``User`` and ``Order`` objects, and Pydantic's serialiser turns them
into the bytes of an answer. So what is documented is what is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "Credentials",
    "FieldError",
    "Health",
    "NewOrder",
    "NewUser",
    "Order",
    "OrderItem",
    "OrderPage",
    "OrderStatus",
    "PageMeta",
    "ProblemDetails",
    "RefreshRequest",
    "RefreshedTokens",
    "Settings",
    "TokenPair",
    "User",
    "UserChanges",
    "UserPage",
]


def _whole(value: object) -> object:
    # 2.0 is an integer: some languages write it so, and JSON Schema 2020-12 §6.1.1 says so.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Name = Annotated[str, Field(min_length=1, max_length=100, examples=["Ada Lovelace"])]
Email = Annotated[str, Field(max_length=254, pattern=r"^[!-?A-~]+@[!-?A-~]+$", examples=["ada@example.com"])]
AvatarUrl = Annotated[
    str | None,
    Field(max_length=2048, pattern=r"^https?://[!-~]+$", examples=["https://avatars.example.net/1.png"]),
]
Id = Annotated[int, Field(ge=1, examples=[1])]
Timestamp = Annotated[datetime, Field(examples=["2024-02-29T12:00:00Z"])]
Sku = Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", examples=["TEA-250"])]
Quantity = Annotated[int, Field(ge=1, le=999, examples=[2]), BeforeValidator(_whole)]
OrderStatus = Literal["pending", "paid", "shipped", "delivered", "cancelled"]


AccessToken = Annotated[str, Field(description="A signed JWT with `exp`.")]
RefreshToken = Annotated[str, Field(description="Used once: the next refresh needs the next one.")]
Lifetime = Annotated[int, Field(description="Seconds the access token lives.", examples=[3600])]


def _without_default(schema: dict[str, Any]) -> None:
    # An optional member needs a default in Python; as a promise to clients it would be a lie.
    schema.pop("default", None)


class Record(BaseModel):
    """A frozen value: what the API gives."""

    model_config = ConfigDict(frozen=True)


class RequestBody(BaseModel):
    """What the API takes: no lax conversions, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TokenRequest(BaseModel):
    """What the token routes take: unknown members are ignored, as RFC 6749 §3.2 wants."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Credentials(TokenRequest):
    """Who wants to sign in."""

    email: Annotated[str, Field(min_length=1, max_length=254, examples=["ada@example.com"])]
    password: Annotated[str, Field(min_length=1, max_length=256, examples=["correct-horse"])]


class RefreshRequest(TokenRequest):
    """The refresh token to trade in."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=4096)]


class TokenPair(Record):
    """An access token and the refresh token that goes with it (RFC 6749 §5.1)."""

    access_token: AccessToken
    refresh_token: RefreshToken
    expires_in: Lifetime
    token_type: Literal["Bearer"]


class RefreshedTokens(Record):
    """A new access token (RFC 6749 §5.1); without `refresh_token` the old one stays valid (§6)."""

    access_token: AccessToken
    refresh_token: Annotated[RefreshToken, Field(json_schema_extra=_without_default)] = ""
    expires_in: Lifetime
    token_type: Literal["Bearer"]


class User(Record):
    """Somebody in the shop's directory."""

    id: Id
    user_name: Name
    email_address: Email
    avatar_url: AvatarUrl
    created_at: Timestamp


class NewUser(RequestBody):
    """A user to be created."""

    user_name: Name
    email_address: Email
    avatar_url: AvatarUrl = None


class UserChanges(RequestBody):
    """A whole user, or the members that change. What the server sets stays as it is."""

    id: Annotated[
        int,
        Field(ge=1, description="Must be the id of the path.", json_schema_extra=_without_default),
        BeforeValidator(_whole),
    ] = 0
    user_name: Annotated[Name, Field(json_schema_extra=_without_default)] = ""
    email_address: Annotated[Email, Field(json_schema_extra=_without_default)] = ""
    avatar_url: Annotated[AvatarUrl, Field(json_schema_extra=_without_default)] = None
    created_at: Annotated[
        str, Field(max_length=64, description="Ignored: the server sets it.", json_schema_extra=_without_default)
    ] = ""


class PageMeta(Record):
    """Where a page stands in its collection."""

    current_page: Annotated[int, Field(ge=1, examples=[1])]
    last_page: Annotated[int, Field(ge=1, examples=[3])]
    per_page: Annotated[int, Field(ge=1, examples=[20])]
    total: Annotated[int, Field(ge=0, examples=[50])]


class UserPage(Record):
    """One page of the directory, in its envelope."""

    success: Literal[True]
    data: list[User]
    meta: PageMeta


class OrderItem(Record):
    """So many of one article."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sku: Sku
    quantity: Quantity


class Order(Record):
    """An order of the user who is signed in."""

    id: Id
    user_id: Id
    items: list[OrderItem]
    total_cents: Annotated[int, Field(ge=0, examples=[1198])]
    status: OrderStatus
    created_at: Timestamp


class NewOrder(RequestBody):
    """An order to be placed."""

    items: Annotated[list[OrderItem], Field(min_length=1, max_length=50)]


class OrderPage(Record):
    """Some orders, newest first, and where to go on."""

    data: list[Order]
    next_cursor: Annotated[str | None, Field(description="Send it as `cursor`; null at the end.")]


class Settings(Record):
    """The signed-in user's settings. They change seldom."""

    theme: Literal["light", "dark", "system"]
    locale: Annotated[str, Field(examples=["en-GB"])]
    notifications: bool


class Health(Record):
    """A sign of life."""

    status: Literal["ok"]


class FieldError(Record):
    """One fault of a request: in the body (`pointer`, RFC 6901) or in a parameter."""

    detail: str
    pointer: Annotated[str, Field(json_schema_extra=_without_default)] = ""
    parameter: Annotated[str, Field(json_schema_extra=_without_default)] = ""


class ProblemDetails(Record):
    """An error (RFC 9457) that also carries `message`; the token routes add OAuth's own members."""

    type: Annotated[str, Field(examples=["/problems/not-found"])]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    message: Annotated[str, Field(description="The same sentence as `detail`.")]
    errors: Annotated[
        list[FieldError], Field(description="What does not fit the schema.", json_schema_extra=_without_default)
    ] = []
    error: Annotated[
        Literal["invalid_grant"], Field(description="RFC 6749 §5.2.", json_schema_extra=_without_default)
    ] = "invalid_grant"
    error_description: Annotated[str, Field(description="RFC 6749 §5.2.", json_schema_extra=_without_default)] = ""
