"""Who asks: API keys as `Authorization: Bearer KEY`, with roles."""

from typing import Final

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from order_api.key_ring import Principal
from order_api.keys import Role
from order_api.problems import NotAuthenticated, NotPermitted
from order_api.services import services_of

CHALLENGE: Final = 'Bearer realm="orderwatch"'


class KeyOfRole(HTTPBearer):
    """A dependency: the caller, whose key has `role` or one that includes it. Documents itself as a bearer scheme.

    One step rather than a chain of dependencies: each link costs every request about as much as a query.
    """

    def __init__(self, role: Role) -> None:
        super().__init__(
            scheme_name="apiKey", bearerFormat="ow_<id>_<secret>", description="An API key.", auto_error=False
        )
        self._role = role

    async def __call__(self, request: HTTPConnection) -> Principal:  # type: ignore[override]  # never credentials
        """The caller. Raises NotAuthenticated or NotPermitted."""
        credentials = await super().__call__(request)
        if credentials is None:
            raise NotAuthenticated("send an API key as `Authorization: Bearer KEY`", CHALLENGE)
        caller = await services_of(request).keys.principal(credentials.credentials)
        if caller is None:
            raise NotAuthenticated("the API key is unknown or revoked", f'{CHALLENGE}, error="invalid_token"')
        if not caller.role.includes(self._role):
            raise NotPermitted(f"this needs a key of role {self._role}; yours has role {caller.role}")
        return caller


READER: Final = Depends(KeyOfRole(Role.READ))
