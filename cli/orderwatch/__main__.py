"""Entry point of the `orderwatch` command."""

from order_platform.command_line.run import run_command


def main() -> None:
    """Run the command; expected failures end in a sentence and what to do next."""
    run_command("orderwatch", _load)


def _load() -> object:
    # Nothing may be imported before `run_command` has checked the environment.
    import sys  # noqa: PLC0415

    from order_platform.kafka_client_log import silence_kafka_client  # noqa: PLC0415
    from orderwatch.cli import build_application  # noqa: PLC0415

    silence_kafka_client()
    return build_application(sys.argv[1:2])


if __name__ == "__main__":
    main()
