"""Entry point of `order-batch`: loads the command line only after the environment was checked."""

from order_platform.command_line.run import run_command


def main() -> None:
    """Run the command and exit."""
    run_command("order-batch", _load_cli)


def _load_cli() -> object:
    from order_batch.cli import app  # noqa: PLC0415  (see above)

    return app


if __name__ == "__main__":
    main()
