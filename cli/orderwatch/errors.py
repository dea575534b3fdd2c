"""Expected failures: what went wrong, and what to do next. `__main__` prints them without a traceback."""


class OrderwatchError(Exception):
    """Something a person can act on: the message says what happened, `advice` what to do about it."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice
        if advice:
            self.add_note(advice)  # for those who see a traceback: tests


class NotUpError(OrderwatchError):
    """A command needs the system, and it is not running."""
