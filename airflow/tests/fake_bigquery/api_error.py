"""Errors as BigQuery answers them."""

from typing import Any


class ApiError(Exception):
    """An answer that is an error: HTTP status, BigQuery's word for the reason, and a sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def body(self) -> dict[str, Any]:
        error = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [error]}}


def not_found(what: str) -> ApiError:
    return ApiError(404, "notFound", f"Not found: {what}")


def already_there(what: str) -> ApiError:
    return ApiError(409, "duplicate", f"Already Exists: {what}")


def invalid(message: str) -> ApiError:
    return ApiError(400, "invalid", message)
