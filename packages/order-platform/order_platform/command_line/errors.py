"""Exit codes of the commands, and the errors that end one with a message instead of a traceback."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of commands (docs/orderwatch-command.md). Signals are 128 + their number."""

    OK = 0
    NEGATIVE = 1
    """The result is negative: not found, not equal, not acknowledged."""
    USAGE = 2
    """Arguments or settings are not valid; nothing was started."""
    UNAVAILABLE = 3
    """Something that it needs is unavailable: broker, database, API, warehouse, a file, space on the disk."""
    BUG = 70
    """A fault in Orderwatch."""
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class CommandError(Exception):
    """An expected failure: the message says what happened, `advice` what to do about it."""

    exit_code = ExitCode.NEGATIVE

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice
        if advice:
            self.add_note(advice)  # for those who see a traceback: tests


class UsageError(CommandError):
    """The command was not called as it can be."""

    exit_code = ExitCode.USAGE


class SettingsError(CommandError):
    """Settings that are not valid; one line per setting."""

    exit_code = ExitCode.USAGE


class UnavailableError(CommandError):
    """Something that the command needs is unavailable."""

    exit_code = ExitCode.UNAVAILABLE
