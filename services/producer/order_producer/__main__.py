"""Entry point of `order-producer`: loads the command line only after the environment was checked."""

from order_platform.command_line.run import run_command


def main() -> None:
    """Run the command and exit."""
    run_command("order-producer", _load_cli, services=("generate", "replay"))


def _load_cli() -> object:
    from order_producer.cli import app  # noqa: PLC0415  (see above)

    return app


if __name__ == "__main__":
    main()
