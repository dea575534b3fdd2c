"""`orderwatch`: the command for people."""

from order_platform.command_line.run import run_command


def main() -> None:
    """The entry point: expected failures end in a sentence and what to do next."""
    run_command("orderwatch", _load)


def _load() -> object:
    import logging  # noqa: PLC0415  (nothing may be imported before `run_command` has seen to it that it can be)
    import sys  # noqa: PLC0415

    from orderwatch.command_line import application  # noqa: PLC0415

    # What aiokafka has to say about an unavailable broker, we say ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    return application(sys.argv[1:2])


if __name__ == "__main__":
    main()
