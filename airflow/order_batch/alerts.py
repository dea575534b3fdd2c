"""Alerts: a failure told to a webhook. Its address is a secret and never stands in a log."""

import httpx
import structlog

from order_batch.settings import BatchSettings

log = structlog.get_logger()

TIMEOUT_SECONDS = 10.0


def tell(message: str, link: str | None = None) -> None:
    """Post a message to ORDERWATCH_FAILURE_WEBHOOK, if set; an alert that fails never fails the caller."""
    webhook = BatchSettings().failure_webhook
    if webhook is None:
        return
    text = f"{message}\n{link}" if link else message
    try:
        # Chat services read one of the two names.
        httpx.post(
            webhook.get_secret_value(), json={"text": text, "content": text}, timeout=TIMEOUT_SECONDS
        ).raise_for_status()
    except httpx.HTTPError as error:
        log.error("alert_not_delivered", problem=type(error).__name__)  # noqa: TRY400  (a trace holds the address)
