"""The entry point of `order-api`; imports the command late, so that failures of imports are reported as well."""

from order_platform.command_line.run import run_command


def main() -> None:
    """Run the command and exit."""
    run_command("order-api", _load, services=("serve",))


def _load() -> object:
    from order_api.cli import app  # noqa: PLC0415  (see above)

    return app


if __name__ == "__main__":
    main()
