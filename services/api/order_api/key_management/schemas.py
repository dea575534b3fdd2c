"""Requests and responses about keys."""

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from order_api.auth.keys import NAME_PATTERN, Role, Scope

_KEY: Final[dict[str, Any]] = {
    "key_id": "3f9c0a7be412",
    "name": "dashboard",
    "role": "read",
    "scopes": ["orders", "stats"],
    "expires_at": "2027-11-22T00:00:00Z",
    "created_at": "2026-11-22T03:15:00Z",
}
_LISTED: Final[dict[str, Any]] = {
    **_KEY,
    "last_used_at": "2026-11-22T03:20:00Z",
    "revoked_at": None,
    "kind": "key",
    "valid": True,
}

_Scopes = Annotated[
    list[Scope], Field(min_length=1, max_length=len(Scope), description="parts of the API that the key is for")
]


class KeyRequest(BaseModel):
    """A key to make."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{name: _KEY[name] for name in ("name", "role", "scopes", "expires_at")}]},
    )

    name: Annotated[
        str, StringConstraints(pattern=NAME_PATTERN), Field(description="who or what it is for: 1 to 100 characters")
    ]
    role: Annotated[Role, Field(description="what it may do; each role includes the ones before it")]
    scopes: Annotated[_Scopes | None, Field(description="left out or null: the whole API")] = None
    expires_at: Annotated[
        AwareDatetime | None, Field(description="refused from then on; left out or null: it does not expire")
    ] = None


class CreatedKey(BaseModel):
    """A key that was made: the only response that holds it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_KEY, "key": "ow_3f9c0a7be412_<secret>"}]})

    key_id: str
    name: str
    role: Role
    scopes: list[Scope] | None
    expires_at: AwareDatetime | None
    created_at: AwareDatetime
    key: Annotated[str, Field(description="the key; it is not stored and cannot be read again")]


class ListedKey(BaseModel):
    """A key as it is listed, without the key itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LISTED]})

    key_id: str
    name: str
    kind: Annotated[
        Literal["key", "person"], Field(description="`person` for one who signs in to the workbench, without a key")
    ]
    role: Role
    scopes: Annotated[list[Scope] | None, Field(description="null for the whole API")]
    expires_at: AwareDatetime | None
    created_at: AwareDatetime
    last_used_at: Annotated[AwareDatetime | None, Field(description="to the minute")]
    revoked_at: AwareDatetime | None
    valid: Annotated[bool, Field(description="neither revoked nor expired")]


class KeyList(BaseModel):
    """Keys: valid ones first, of these the newest first; 1,000 at most."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_LISTED]}]})

    items: list[ListedKey]
