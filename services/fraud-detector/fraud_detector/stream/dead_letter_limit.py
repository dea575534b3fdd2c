"""Dead-letter limit: stops the detector rather than dead-letter a whole topic that is misconfigured."""

from collections import deque

from fraud_detector.stream.ports import DeadLetterLimitError
from order_contract.dead_letter_record import RejectedMessage


class DeadLetterLimit:
    """Counts bad messages, in the order in which they are read; each of the two limits is off when it is None.

    `share` is of the last `window` messages of the process, once there have been so many; `run` is how many in a row a
    partition may have. Both count from zero when the process starts and when its partitions change.
    """

    def __init__(self, *, share: float | None = None, run: int | None = None, window: int = 1_000) -> None:
        self._share = share
        self._run = run
        self._recent: deque[bool] = deque(maxlen=window)
        self._bad = 0
        self._runs: dict[int, int] = {}
        self.is_on = share is not None or run is not None

    def reset(self) -> None:
        """Count from zero: what was not committed is read again."""
        self._recent.clear()
        self._bad = 0
        self._runs.clear()

    def count(self, partition: int, letter: RejectedMessage | None) -> None:
        """Count a message: bad data when there is a dead letter. Raises DeadLetterLimitError beyond a limit."""
        self._runs[partition] = run = 0 if letter is None else self._runs.get(partition, 0) + 1
        if len(self._recent) == self._recent.maxlen:
            self._bad -= self._recent[0]
        self._recent.append(letter is not None)
        self._bad += letter is not None
        if letter is None:
            return
        if self._run is not None and run > self._run:
            raise _error(letter, f"{run:,} messages in a row", "RUN", self._run)
        count = len(self._recent)
        if self._share is not None and count == self._recent.maxlen and self._bad / count > self._share:
            raise _error(letter, f"{self._bad:,} of the last {count:,} messages", "SHARE", self._share)


def _error(letter: RejectedMessage, found: str, limit: str, value: float) -> DeadLetterLimitError:
    return DeadLetterLimitError(
        f"{found} are not valid order events, which is beyond ORDERWATCH_DEAD_LETTER_LIMIT_{limit}={value}; the last "
        f"is {letter.origin}: {letter.error_type}: {letter.error}. It was neither stored nor committed. Look at what "
        f"publishes to topic {letter.message.topic} and at `fraud-detector dead-letters list`; correct that, or raise "
        f"the limit to have such messages dead-lettered"
    )
