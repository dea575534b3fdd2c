"""`python -m orderwatch.embedded.prepare`: fetch the broker and make its start quick. Part of the installation."""

import logging
import sys

from order_platform.command_line.settings_errors import read_settings
from orderwatch.console import ERR, OUT, Checklist
from orderwatch.embedded import kafka_runtime
from orderwatch.embedded.aot import make_aot_cache
from orderwatch.errors import OrderwatchError
from orderwatch.settings import EmbeddedSettings


def main() -> None:
    """Do what is not done yet."""
    # A broker that was never asked before is not ready for everything at once; the clients try again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with Checklist(OUT) as steps:
        cache = read_settings(EmbeddedSettings).writable_cache()
        runtime = kafka_runtime.find(cache)
        if runtime is None:
            with steps.step("Kafka's jars") as note:
                runtime = kafka_runtime.provide(cache, lambda done, total: note(f"{done} of {total}"))
        if not runtime.aot_cache.exists():
            with steps.step("Kafka's quick start"):
                make_aot_cache(runtime)


if __name__ == "__main__":
    try:
        main()
    except OrderwatchError as error:
        ERR.print(f"{error}\n{error.advice}", markup=False)
        sys.exit(1)
