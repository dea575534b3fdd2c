"""Orders as they are sent: written straight from the row, which tests hold against `schemas.py`."""

import orjson

from order_api.auth.personal_data import mask_order
from order_api.orders.repository import CurrentLabel, DeadLetteredOrder, Page, StoredOrder
from order_contract.decision import Status


def order_summary(order: StoredOrder) -> dict[str, object]:
    """An order for a listing: everything but `attributes`, of which one order alone can have megabytes.

    The JSON columns are passed on as they are stored, to the byte.
    """
    row = order.row
    return {
        "order_id": row.order_id,
        "status": row.status,
        "outcome": row.outcome,
        "flagged": row.status == Status.FRAUD,
        "risk_score": row.risk_score,
        "hits": orjson.Fragment(row.hits),
        "features": orjson.Fragment(row.features),
        "ruleset_version": row.ruleset_version,
        "decided_at": row.decided_at,
        "user_id": row.user_id,
        "product_id": row.product_id,
        "quantity": row.quantity,
        "amount": row.amount,
        "currency": row.currency,
        "payment_method": row.payment_method,
        "country": row.country,
        "created_date": row.created_date,
        "device_id": row.device_id,
        "ip_address": row.ip_address,
        "voucher_code": row.voucher_code,
        "email": row.email,
        "shipping_country": row.shipping_country,
        "account_created_date": row.account_created_date,
        "source": {
            "topic": row.source_topic,
            "epoch": row.source_epoch,
            "partition": row.source_partition,
            "offset": row.source_offset,
            "appended_at": row.appended_at,
        },
        "stored_at": order.stored_at,
        "label": None if order.label is None else _current_label(order.label),
    }


def _current_label(label: CurrentLabel) -> dict[str, object]:
    return {
        "label": label.label,
        "source": label.source,
        "author": label.author,
        "at": label.labelled_at,
        "reason": label.reason,
    }


def order_details(order: StoredOrder) -> dict[str, object]:
    """One order, with what the contract does not know about it in `attributes`."""
    attributes = order.row.attributes
    return {
        **order_summary(order),
        "attributes": None if attributes is None else orjson.Fragment(attributes),
    }


def order_page(page: Page, *, masked: bool = False) -> dict[str, object]:
    """A page of orders, with or without personal data."""
    items = [order_summary(order) for order in page.orders]
    return {
        "items": list(map(mask_order, items)) if masked else items,
        "next": page.next,
        "searched_to": page.searched_to,
    }


def dead_letter_source(dead_letter: DeadLetteredOrder) -> dict[str, object]:
    """The origin of an order's message that was bad data."""
    return {
        "topic": dead_letter.topic,
        "epoch": dead_letter.epoch,
        "partition": dead_letter.partition,
        "offset": dead_letter.offset,
    }
