"""BigQuery's errors: which ones pass by themselves, and what the others say in words."""

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError, TransportError
from requests.exceptions import ChunkedEncodingError, SSLError, Timeout
from requests.exceptions import ConnectionError as RequestsConnectionError

from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError

QUOTA = "quotaExceeded"
# Of answers and of failed jobs alike. A used-up quota is not among them: it comes back in hours, not in seconds.
_PASSING_REASONS = frozenset(
    {
        "rateLimitExceeded", "jobRateLimitExceeded", "backendError", "jobBackendError",
        "internalError", "jobInternalError", "badGateway", "tableUnavailable",
    }
)  # fmt: skip
_PASSING_CODES = frozenset({408, 429, 500, 502, 503, 504})
CONNECTION_ERRORS = (
    ConnectionError,
    RequestsConnectionError,
    ChunkedEncodingError,
    TimeoutError,
    Timeout,
    TransportError,
)

NO_CREDENTIALS = (
    "BigQuery wants credentials: set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, or run "
    "'gcloud auth application-default login'"
)
_ADVICE = {
    QUOTA: "Quotas refill within 24 hours: run it again later, or raise the quota under IAM & Admin, Quotas",
    "accessDenied": "Give the account the roles BigQuery Data Editor and BigQuery Job User in the project",
    "billingNotEnabled": "Link a billing account to the project",
    "bytesBilledLimitExceeded": "Raise ORDERWATCH_BIGQUERY_MAXIMUM_BYTES_BILLED when that is what it should cost",
    "notFound": "Are ORDERWATCH_BIGQUERY_PROJECT, _DATASET_PREFIX and _LOCATION those of the datasets?",
    "authError": "The credentials do not hold any more: make new ones",
}
_PASSES = "Nothing is lost: run it again, and look at BigQuery's status page when it stays so"


def passes(error: BaseException) -> bool:
    """Whether the same call may go through in a moment."""
    if isinstance(error, SSLError):  # a connection error by its class, but a wrong certificate stays wrong
        return False
    if isinstance(error, CONNECTION_ERRORS):
        return True
    if not isinstance(error, GoogleAPICallError):
        return False
    reason = reason_of(error)
    return reason != QUOTA and (reason in _PASSING_REASONS or error.code in _PASSING_CODES)


def reason_passes(reason: str) -> bool:
    """Whether a job that failed for this reason may succeed when it is started again."""
    return reason in _PASSING_REASONS


def reason_of(error: GoogleAPICallError) -> str:
    """BigQuery's word for what is wrong; empty when something in between answered."""
    return next((str(each["reason"]) for each in error.errors if isinstance(each, dict) and "reason" in each), "")


def refusal(reason: str, message: str, doing: str) -> WarehouseError | WarehouseUnavailableError:
    """The port's error for what BigQuery, or a job of it, gave as the reason."""
    if reason == QUOTA:
        return WarehouseUnavailableError(f"BigQuery's quota is used up, {doing}: {message}. {_ADVICE[QUOTA]}")
    if reason in _PASSING_REASONS:
        return WarehouseUnavailableError(f"BigQuery is busy, {doing}: {message}. {_PASSES}")
    advice = _ADVICE.get(reason)
    return WarehouseError(f"BigQuery refuses, {doing}: {message}" + (f". {advice}" if advice else ""))


@contextmanager
def in_words(doing: str) -> Iterator[None]:
    """Turn what the client library raises into the port's errors; `doing` says what was tried."""
    try:
        yield
    except (GoogleAPICallError, RetryError, GoogleAuthError, *CONNECTION_ERRORS) as error:
        raise _translated(error, doing) from error


def _translated(error: Exception, doing: str) -> WarehouseError | WarehouseUnavailableError:
    if isinstance(error, RetryError):  # tries came to their end: what stood behind them is what matters
        error = error.cause if isinstance(error.cause, Exception) else error
    if isinstance(error, GoogleAPICallError) and not passes(error):
        return refusal(reason_of(error), error.message or str(error), doing)
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return WarehouseError(f"{NO_CREDENTIALS} ({error})")
    if isinstance(error, SSLError):
        return WarehouseError(f"BigQuery's certificate is not to be trusted, {doing}: {error}. Look at proxies between")
    return WarehouseUnavailableError(f"BigQuery does not answer, {doing}: {error}. {_PASSES}")
