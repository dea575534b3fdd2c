"""Signing in with an identity provider: OpenID Connect, authorization code with PKCE (RFC 7636).

Client and claims are authlib's and joserfc's; here is which of a person's claims count.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import httpx2
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from order_api.auth.keys import Role
from order_api.http.problems.problem import Problem, Unavailable
from order_workbench.settings import WorkbenchSettings

CALLBACK: Final = "/workbench/sign-in/callback"
SECONDS: Final = 5.0
"""How long the provider may take for one response."""
_FRESH_SECONDS: Final = 600.0
_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
_MAX_BYTES: Final = 1_000_000

log = structlog.get_logger(__name__)


class ProviderUnavailable(Unavailable):
    """The identity provider does not respond, or not as OpenID Connect has it."""

    code = "identity-provider-unavailable"
    title = "The identity provider does not respond"


class SignInRefused(Problem):
    """What the identity provider says of the person does not let them in."""

    status = 403
    code = "sign-in-refused"
    title = "You cannot sign in"


class Attempt(NamedTuple):
    """What a sign-in that has begun is known by, kept in the visitor's cookie until they return."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def begin(cls) -> "Attempt":
        """With random values: 256 bits each."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


class Identity(NamedTuple):
    """A person as the provider knows them."""

    subject: str
    name: str
    role: Role


class IdentityProvider:
    """Sends people to the provider, and reads who they are when they return."""

    def __init__(self, settings: WorkbenchSettings) -> None:
        self._settings = settings
        self._known: tuple[Mapping[str, Any], KeySet, float] | None = None
        self._reading = asyncio.Lock()

    def redirect_uri(self, base_url: str) -> str:
        """Where the provider sends people back to."""
        return self._settings.oidc_redirect_uri or f"{base_url.rstrip('/')}{CALLBACK}"

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where a person signs in. Raises ProviderUnavailable."""
        metadata, _ = await self._read()
        async with self._client(redirect_uri) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        return str(url)

    async def identify(self, attempt: Attempt, code: str, redirect_uri: str) -> Identity:
        """Who returned with a code. Raises ProviderUnavailable, SignInRefused."""
        metadata, keys = await self._read()
        try:
            async with self._client(redirect_uri) as client:
                token = await client.fetch_token(
                    metadata["token_endpoint"],
                    code=code,
                    code_verifier=attempt.verifier,
                    grant_type="authorization_code",
                )
            claims = jwt.decode(str(token["id_token"]), keys, algorithms=list(_ALGORITHMS)).claims
            jwt.JWTClaimsRegistry(
                iss={"essential": True, "value": self._settings.oidc_issuer},
                aud={"essential": True, "value": self._settings.oidc_client_id},
                nonce={"essential": True, "value": attempt.nonce},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(claims)
        except httpx2.HTTPError as error:
            raise _unavailable(error) from error
        except (JoseError, KeyError, ValueError) as error:
            self._known = None  # its keys may be new ones
            log.warning("sign_in_refused", reason=type(error).__name__)
            raise SignInRefused("the identity provider's response is not valid; sign in again") from error
        except AuthlibBaseError as error:  # the provider refused the code
            log.warning("sign_in_refused", reason=type(error).__name__)
            raise SignInRefused("the identity provider refused this sign-in; begin again") from error
        return self._read_identity(claims)

    def _read_identity(self, claims: Mapping[str, Any]) -> Identity:
        role = self._settings.find_role(claims.get(self._settings.oidc_groups_claim))
        if role is None:
            raise SignInRefused("none of your groups has a role in Orderwatch; its administrators can change that")
        name = next((str(claims[each]) for each in ("name", "preferred_username", "email") if claims.get(each)), "")
        return Identity(f"{claims['iss']}|{claims['sub']}", name or str(claims["sub"]), role)

    def _client(self, redirect_uri: str) -> AsyncOAuth2Client:
        secret = self._settings.oidc_client_secret.get_secret_value()
        return AsyncOAuth2Client(
            self._settings.oidc_client_id,
            secret or None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope="openid profile email",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=SECONDS,
        )

    async def _read(self) -> tuple[Mapping[str, Any], KeySet]:
        """The provider's metadata and keys, kept for ten minutes."""
        async with self._reading:
            if self._known is None or self._known[2] < time.monotonic():
                url = f"{self._settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
                try:
                    async with httpx2.AsyncClient(timeout=SECONDS) as client:
                        metadata = _document(await client.get(url))
                        _check_issuer(metadata, self._settings.oidc_issuer)
                        keys = KeySet.import_key_set(_document(await client.get(metadata["jwks_uri"])))
                except (httpx2.HTTPError, JoseError, KeyError, TypeError, ValueError) as error:
                    raise _unavailable(error) from error
                self._known = metadata, keys, time.monotonic() + _FRESH_SECONDS
            return self._known[:2]


def _check_issuer(metadata: Mapping[str, Any], wanted: str) -> None:
    if metadata["issuer"] != wanted:
        raise ValueError(f"it names itself {metadata['issuer']!r}")


def _document(response: httpx2.Response) -> Any:
    response.raise_for_status()
    if len(response.content) > _MAX_BYTES:
        raise ValueError("its response is too large")
    return response.json()


def _unavailable(error: Exception) -> ProviderUnavailable:
    log.warning("identity_provider_unavailable", error=f"{type(error).__name__}: {error}"[:300])
    return ProviderUnavailable("it is asked again at your next attempt; a link or a key signs you in without it")
