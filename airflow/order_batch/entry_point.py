"""The entry point of `order-batch`: nothing is imported before it is certain that it can be."""

from order_platform.command_line.run import run_command


def main() -> None:
    """Run the command and exit."""
    run_command("order-batch", _load)


def _load() -> object:
    from order_batch.__main__ import app  # noqa: PLC0415  (see above)

    return app
