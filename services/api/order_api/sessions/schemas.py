"""Requests and responses about sessions."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_api.auth.keys import Role, Scope

EXAMPLE: Final[dict[str, Any]] = {
    "key_id": "3f9c0a7be412",
    "role": "review",
    "scopes": None,
    "expires_at": "2026-11-22T15:15:00Z",
}


class SessionRequest(BaseModel):
    """The key that a session is opened with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"key": "ow_3f9c0a7be412_<secret>"}]})

    key: Annotated[str, Field(max_length=200, description="an API key; it is not kept")]


class Session(BaseModel):
    """On whose behalf the client asks, and what they may do."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    key_id: str
    role: Role
    scopes: Annotated[list[Scope] | None, Field(description="what the key is restricted to; null for everything")]
    expires_at: Annotated[
        AwareDatetime | None, Field(description="when the session, or the key, ends; null for a key without expiry")
    ]
