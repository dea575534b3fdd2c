"""Settings of the workbench: the identity provider that people sign in with."""

from typing import Any, Self

from pydantic import Field, SecretStr, model_validator

from order_api.auth.keys import Role
from order_platform.setting_types import NameList
from order_platform.settings import ProcessSettings

_EVERYONE = "*"


class WorkbenchSettings(ProcessSettings):
    """Without an issuer people sign in by links and keys alone."""

    oidc_issuer: str = Field("", description="of the identity provider, like https://login.example; empty for none")
    oidc_client_id: str = Field("", description="what the provider knows Orderwatch as")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="and by which secret; empty for a public client")
    oidc_redirect_uri: str = Field(
        "", description="of /workbench/sign-in/callback, as the provider knows it; empty: as the browser asks"
    )
    oidc_groups_claim: str = Field("groups", description="claim of the id token that lists a person's groups")
    oidc_admin_groups: NameList = Field((), description="groups that get role admin, comma separated; * for all")
    oidc_review_groups: NameList = Field((), description="groups that get role review")
    oidc_read_groups: NameList = Field((), description="groups that get role read")

    @model_validator(mode="after")
    def _check_client(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("ORDERWATCH_OIDC_ISSUER needs ORDERWATCH_OIDC_CLIENT_ID: what the provider knows it as")
        return self

    def find_role(self, groups: Any) -> Role | None:
        """The largest role of someone in these groups, as the token lists them; None for no role."""
        given = {groups} if isinstance(groups, str) else {each for each in groups or () if isinstance(each, str)}
        for role, wanted in (
            (Role.ADMIN, self.oidc_admin_groups),
            (Role.REVIEW, self.oidc_review_groups),
            (Role.READ, self.oidc_read_groups),
        ):
            if _EVERYONE in wanted or given & set(wanted):
                return role
        return None
