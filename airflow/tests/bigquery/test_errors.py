"""Errors of the client library: which pass, and that none gets out untranslated."""

from collections.abc import Callable

import pytest
import requests
from google.api_core.exceptions import BadRequest, Forbidden, RetryError, ServiceUnavailable, TooManyRequests
from google.auth.exceptions import RefreshError, TransportError

from order_batch.warehouse.bigquery.errors import is_transient, translate_errors
from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError

Made = Callable[..., Exception]


def _made(kind: Made, message: str) -> Exception:
    return kind(message)


def _with(kind: Made, reason: str) -> Exception:
    return kind("made to fail", errors=[{"reason": reason}])


PASSING = [
    _with(Forbidden, "rateLimitExceeded"),
    _with(TooManyRequests, "rateLimitExceeded"),
    _with(BadRequest, "backendError"),
    _made(ServiceUnavailable, "down"),
    _made(TransportError, "no route"),
    requests.exceptions.ConnectionError("cut"),
    requests.exceptions.ChunkedEncodingError("cut"),
    requests.exceptions.ReadTimeout("slow"),
    ConnectionResetError("cut"),
    TimeoutError("slow"),
]
LASTING = [
    _with(Forbidden, "accessDenied"),
    _with(BadRequest, "invalid"),
    _made(Forbidden, "no reason given"),
    _made(RefreshError, "expired"),
    requests.exceptions.SSLError("not trusted"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_transient_errors_mean_unavailable(error: Exception) -> None:
    assert is_transient(error)
    with pytest.raises(WarehouseUnavailableError, match="trying"), translate_errors("trying"):
        raise error


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_permanent_errors_are_not_retried(error: Exception) -> None:
    assert not is_transient(error)
    with pytest.raises(WarehouseError), translate_errors("trying"):
        raise error


@pytest.mark.parametrize("kind", [Forbidden, TooManyRequests])
def test_a_quota_is_neither_tried_again_nor_final(kind: Made) -> None:
    error = _with(kind, "quotaExceeded")
    assert not is_transient(error)
    with pytest.raises(WarehouseUnavailableError, match="Quotas"), translate_errors("trying"):
        raise error


def test_exhausted_retries_show_the_last_error() -> None:
    ended: Made = RetryError
    with pytest.raises(WarehouseUnavailableError, match="try later"), translate_errors("trying"):
        raise ended("Timeout of 300s exceeded", cause=_made(ServiceUnavailable, "try later"))


@pytest.mark.parametrize("error", [ValueError("ours"), WarehouseError("said"), KeyError("ours")], ids=repr)
def test_our_own_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translate_errors("trying"):
        raise error
    assert caught.value is error
