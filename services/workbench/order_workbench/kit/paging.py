"""Addresses of the pages of a listing."""

from urllib.parse import urlencode

from fastapi import Request


def page_query(request: Request, **changes: str) -> str:
    """The query of the page's address without its cursor, and with changes."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return urlencode([*kept, *changes.items()])
