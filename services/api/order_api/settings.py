"""Settings of the API; see `order-api serve --help`."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from limits import RateLimitItem, parse
from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf
from pydantic_settings import NoDecode

from order_backtests.publication.settings import PublicationSettings
from order_platform.event_settings import EventSettings
from order_platform.setting_types import Port
from order_platform.settings import DatabaseSettings, KafkaSettings, ProcessSettings


def _parse_limit(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError:
        raise ValueError(f"{value!r} is no limit like 600/minute or 10/second") from None


def _split(value: object) -> object:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _check_origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or value != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"{value!r} is no origin like https://shop.example: scheme, host, and port if it has one")
    return value


Limit = Annotated[InstanceOf[RateLimitItem], BeforeValidator(_parse_limit)]
Origin = Annotated[str, AfterValidator(_check_origin)]


class InvitationSettings(ProcessSettings):
    """Where people reach the API, as `.orderwatch/admin.env` has it."""

    api_url: str = Field("", description="base address of invitation links; empty: this machine's")


class ApiSettings(PublicationSettings, EventSettings, KafkaSettings, DatabaseSettings):
    """Where the API listens, where orders are stored, the broker whose lag it reports, and what clients may do."""

    api_host: str = Field("127.0.0.1", description="address to listen on")
    api_port: Port = Field(8000, description="port to listen on; 0 takes any that is free")
    api_trusted_proxies: str = Field(
        "127.0.0.1,::1", description="addresses whose X-Forwarded-For and X-Forwarded-Proto are believed; * for all"
    )
    api_stream_seconds: float = Field(3600, gt=0, description="how long a stream of decisions lasts; it can be resumed")
    api_max_connections: int = Field(10_000, ge=1, description="connections at a time; the file limit lowers it")
    api_key_open_requests: int = Field(5_000, ge=1, description="requests of one key that stay open: waits and streams")
    api_key_limit: Limit = Field(parse("30000/minute"), description="requests of one key")
    api_guess_limit: Limit = Field(parse("60/minute"), description="wrong keys from one address")
    api_keyless_limit: Limit = Field(parse("12000/minute"), description="requests without a valid key from one address")
    api_session_hours: float = Field(12, gt=0, le=24 * 30, description="how long a browser's session lasts")
    api_secure_cookies: Literal["auto", "always", "never"] = Field(
        "auto", description="whether the session's cookie is for HTTPS only; auto: when it is asked for over HTTPS"
    )
    api_mask_personal_data: Literal["never", "read", "review"] = Field(
        "never", description="the largest role of keys that e-mail, IP address, device and names are masked for"
    )
    api_backtests_running: int = Field(1, ge=1, le=16, description="backtests of this process at a time")
    api_backtests_queued: int = Field(8, ge=0, le=1_000, description="backtests that wait beside them")
    api_backtest_seconds: float = Field(3600, gt=0, description="how long a backtest may take")
    api_backtest_megabytes: int = Field(2048, ge=128, description="how much memory a backtest may take")
    api_backtest_priority: Literal["idle", "low"] = Field(
        "idle",
        description="idle: a backtest takes only what no other process wants; low: a little on a busy machine, too",
    )
    api_claim_minutes: int = Field(10, ge=1, le=24 * 60, description="how long a review is claimed, unless extended")
    api_default_actions: bool = Field(
        True, description="whether this process carries out the default actions of overdue reviews"
    )
    api_cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="origins whose pages may ask, comma separated, like https://shop.example"
    )
