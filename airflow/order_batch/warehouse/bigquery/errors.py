"""Errors of BigQuery: which are transient, and their translation into errors of the port."""

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core.exceptions import GoogleAPICallError, PermissionDenied, RetryError
from google.auth.exceptions import GoogleAuthError, TransportError
from requests.exceptions import ChunkedEncodingError, SSLError, Timeout
from requests.exceptions import ConnectionError as RequestsConnectionError

from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError

QUOTA = "quotaExceeded"
# Of responses and of failed jobs. An exhausted quota is not among them: it refills in hours, not in seconds.
_TRANSIENT_REASONS = frozenset(
    {
        "rateLimitExceeded", "jobRateLimitExceeded", "backendError", "jobBackendError",
        "internalError", "jobInternalError", "badGateway", "tableUnavailable",
    }
)  # fmt: skip
_TRANSIENT_CODES = frozenset({408, 429, 500, 502, 503, 504})
CONNECTION_ERRORS = (
    ConnectionError,
    RequestsConnectionError,
    ChunkedEncodingError,
    TimeoutError,
    Timeout,
    TransportError,
)

NO_CREDENTIALS = (
    "BigQuery needs credentials: set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, or run "
    "'gcloud auth application-default login'"
)
_ADVICE = {
    QUOTA: "Quotas refill within 24 hours: run it again later, or raise the quota under IAM & Admin, Quotas",
    "accessDenied": "Give the account the roles BigQuery User and BigQuery Data Editor (docs/bigquery.md)",
    "billingNotEnabled": "Link a billing account to the project",
    "bytesBilledLimitExceeded": "Raise ORDERWATCH_BIGQUERY_MAXIMUM_BYTES_BILLED when that is what it should cost",
    "notFound": "Are ORDERWATCH_BIGQUERY_PROJECT, _DATASET_PREFIX and _LOCATION those of the datasets?",
    "authError": "The credentials are no longer valid: create new ones",
}
_TRANSIENT_ADVICE = "Nothing is lost: run it again, and look at BigQuery's status page if it persists"


def is_transient(error: BaseException) -> bool:
    """Whether a retry of the call may succeed."""
    if isinstance(error, SSLError):  # a connection error by its class, but an invalid certificate stays invalid
        return False
    if isinstance(error, CONNECTION_ERRORS):
        return True
    if not isinstance(error, GoogleAPICallError):
        return False
    reason = reason_of(error)
    return reason != QUOTA and (reason in _TRANSIENT_REASONS or error.code in _TRANSIENT_CODES)


def is_transient_reason(reason: str) -> bool:
    """Whether a job that failed for this reason may succeed when it is started again."""
    return reason in _TRANSIENT_REASONS


def reason_of(error: GoogleAPICallError) -> str:
    """BigQuery's reason; empty if a proxy in between sent the response. Over gRPC there is only a status."""
    if isinstance(error, PermissionDenied):
        return "accessDenied"
    return next((str(each["reason"]) for each in error.errors if isinstance(each, dict) and "reason" in each), "")


def build_error(reason: str, message: str, doing: str) -> WarehouseError | WarehouseUnavailableError:
    """The port's error for the reason that BigQuery, or one of its jobs, gave."""
    if reason == QUOTA:
        return WarehouseUnavailableError(f"BigQuery's quota is used up, {doing}: {message}. {_ADVICE[QUOTA]}")
    if reason in _TRANSIENT_REASONS:
        return WarehouseUnavailableError(f"BigQuery is busy, {doing}: {message}. {_TRANSIENT_ADVICE}")
    advice = _ADVICE.get(reason)
    return WarehouseError(f"BigQuery refuses, {doing}: {message}" + (f". {advice}" if advice else ""))


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Translate errors of the client library into those of the port; `doing` describes what was attempted."""
    try:
        yield
    except (GoogleAPICallError, RetryError, GoogleAuthError, *CONNECTION_ERRORS) as error:
        raise _translate(error, doing) from error


def _translate(error: Exception, doing: str) -> WarehouseError | WarehouseUnavailableError:
    if isinstance(error, RetryError):  # out of retries: the cause is what matters
        error = error.cause if isinstance(error.cause, Exception) else error
    if isinstance(error, GoogleAPICallError) and not is_transient(error):
        return build_error(reason_of(error), error.message or str(error), doing)
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return WarehouseError(f"{NO_CREDENTIALS} ({error})")
    if isinstance(error, SSLError):
        return WarehouseError(f"BigQuery's certificate is not to be trusted, {doing}: {error}. Look at proxies between")
    return WarehouseUnavailableError(f"BigQuery does not answer, {doing}: {error}. {_TRANSIENT_ADVICE}")
