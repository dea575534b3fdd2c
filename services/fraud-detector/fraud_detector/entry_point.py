"""The entry point of `fraud-detector`: nothing is imported before it is certain that it can be."""

from order_platform.command import run_command


def main() -> None:
    """Run the command and exit."""
    run_command("fraud-detector", _load, services=("run",))


def _load() -> object:
    from fraud_detector.__main__ import app  # noqa: PLC0415  (see above)

    return app
