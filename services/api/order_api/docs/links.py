"""Links of the OpenAPI document: the operations that a response leads to."""

from typing import Any, Final

_ITEM: Final = "$response.body#/items/0"


def _link(operation: str, description: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": operation, "description": description, "parameters": parameters}


def _order_listing(operation: str) -> dict[str, dict[str, Any]]:
    return {
        "First": _link("get_order", "the first order on the page", order_id=f"{_ITEM}/order_id"),
        "Next": _link(
            operation,
            "the next page of the same listing",
            cursor="$response.body#/next",
            user_id="$request.query.user_id",
        ),
        "UserOfFirst": _link("get_user", "who placed the first order", user_id=f"{_ITEM}/user_id"),
    }


LINKS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "get_order": {
        "User": _link("get_user", "the user who placed it", user_id="$response.body#/user_id"),
        "OrdersOfUser": _link("list_orders", "their other orders", user_id="$response.body#/user_id"),
        "OrdersOfProduct": _link("list_orders", "who else ordered it", product_id="$response.body#/product_id"),
        "Labels": _link("list_labels", "what it turned out to be", order_id="$response.body#/order_id"),
        "Again": _link("get_order", "it does not change", order_id="$response.body#/order_id"),
    },
    "add_label": {"Labels": _link("list_labels", "all labels of the order", order_id="$response.body#/order_id")},
    "page_review_queue": {
        "Order": _link("get_order", "the most urgent order", order_id=f"{_ITEM}/order_id"),
        "Next": _link("page_review_queue", "the next page of the queue", cursor="$response.body#/next"),
    },
    "list_notes": {
        "Next": _link(
            "list_notes",
            "the next page of the same subject",
            cursor="$response.body#/next",
            subject_kind="$request.query.subject_kind",
            subject_id="$request.query.subject_id",
        ),
    },
    "list_reviews": {"Order": _link("get_order", "the order of the first review", order_id=f"{_ITEM}/order_id")},
    "list_orders": _order_listing("list_orders"),
    "list_flags": _order_listing("list_flags"),
    "get_user": {
        "Orders": _link("list_orders", "their orders from the newest on", user_id="$response.body#/user_id"),
        "MoreOrders": _link(
            "list_orders",
            "their orders after the newest ten",
            user_id="$response.body#/user_id",
            cursor="$response.body#/latest_orders/next",
        ),
        "Flags": _link("list_flags", "their flagged orders from the newest on", user_id="$response.body#/user_id"),
        "MoreFlags": _link(
            "list_flags",
            "their flagged orders after the newest ten",
            user_id="$response.body#/user_id",
            cursor="$response.body#/latest_flags/next",
        ),
        "LatestOrder": _link(
            "get_order", "the newest order", order_id="$response.body#/latest_orders/items/0/order_id"
        ),
    },
    "list_dead_letters": {
        "First": _link(
            "get_dead_letter",
            "the first one with its message",
            topic=f"{_ITEM}/topic",
            partition=f"{_ITEM}/partition",
            offset=f"{_ITEM}/offset",
        ),
        "Next": _link(
            "list_dead_letters",
            "the next page of the same listing",
            cursor="$response.body#/next",
            error_type="$request.query.error_type",
        ),
    },
    "get_dead_letter": {
        "Redrive": _link(
            "redrive_dead_letter",
            "publish it again",
            topic="$response.body#/topic",
            partition="$response.body#/partition",
            offset="$response.body#/offset",
        ),
    },
    "redrive_dead_letter": {
        "Letter": _link(
            "get_dead_letter",
            "its outcome",
            topic="$request.path.topic",
            partition="$request.path.partition",
            offset="$request.path.offset",
        ),
    },
    "list_marts": {"First": _link("get_mart", "the first mart's rows", name=f"{_ITEM}/name")},
    "get_mart": {
        "Next": _link(
            "get_mart", "the next page of the mart", name="$request.path.name", cursor="$response.body#/next"
        ),
    },
    "get_stats": {
        "MostFlaggedUser": _link(
            "get_user", "the user flagged most often", user_id="$response.body#/most_flagged_users/0/user_id"
        ),
    },
    "get_index": {
        "Orders": _link("list_orders", "orders, newest first"),
        "Flags": _link("list_flags", "flagged orders, newest first"),
        "Stats": _link("get_stats", "counts of the last 24 hours"),
        "Marts": _link("list_marts", "what the batch side counted"),
        "Problems": _link("list_problems", "what can go wrong"),
    },
    "create_session": {"Session": _link("get_session", "on whose behalf it asks")},
    "list_problems": {"First": _link("get_problem", "the first one alone", code="$response.body#/0/code")},
}
"""By operation, what its successful response leads to."""
