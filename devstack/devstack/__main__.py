"""Entry point of the `devstack` command."""

from order_platform.command_line.run import run_command


def main() -> None:
    """Run the command; expected failures end in a sentence and what to do next."""
    run_command("devstack", _load)


def _load() -> object:
    # Nothing may be imported before `run_command` has checked the environment.
    from devstack.cli import app  # noqa: PLC0415
    from order_platform.kafka_client_log import silence_kafka_client  # noqa: PLC0415

    silence_kafka_client()
    return app


if __name__ == "__main__":
    main()
