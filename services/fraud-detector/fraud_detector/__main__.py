"""`fraud-detector` and `python -m fraud_detector`: starts the command line, whose imports are checked first."""

import sys

from order_platform.command_line.run import run_command


def main() -> None:
    """Run the command and exit."""
    run_command("fraud-detector", _load, services=("run",))


def _load() -> object:
    from fraud_detector.cli import build_application  # noqa: PLC0415  (a failed import is reported as a message)

    return build_application(*sys.argv[1:2])


if __name__ == "__main__":
    main()
