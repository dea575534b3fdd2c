"""Expected failures: what went wrong, and what to do next. The entry point prints them without a traceback."""

from order_platform.command_line.run import CommandError, ExitCode


class OrderwatchError(CommandError):
    """Something a person can act on: the message says what happened, `advice` what to do about it."""


class UsageError(OrderwatchError):
    """A command was not called as it can be."""

    exit_code = ExitCode.USAGE


class NotUpError(OrderwatchError):
    """A command needs the system, and it is not running."""

    exit_code = ExitCode.UNAVAILABLE
