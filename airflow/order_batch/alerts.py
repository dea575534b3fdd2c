"""Alerts posted to a webhook. Its address is a secret and is never logged."""

import structlog
from pydantic import SecretStr

log = structlog.get_logger()

TIMEOUT_SECONDS = 10.0


def send_alert(webhook: SecretStr, message: str, link: str) -> bool:
    """Post a message with a link; returns whether it was delivered. A failure is logged and never raised."""
    import httpx  # noqa: PLC0415  (a seventh of the start of every command, and hardly ever needed)

    text = f"{message}\n{link}"
    try:
        # Chat services read one of the two names.
        httpx.post(
            webhook.get_secret_value(), json={"text": text, "content": text}, timeout=TIMEOUT_SECONDS
        ).raise_for_status()
    except httpx.HTTPError as error:
        log.error("alert_not_delivered", problem=type(error).__name__)  # noqa: TRY400  (a trace holds the address)
        return False
    return True
