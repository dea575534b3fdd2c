"""`python -m orderwatch.embedded.prepare`: fetch the broker and make its start quick. Part of the installation."""

import sys

from orderwatch.console import ERR, OUT, Checklist
from orderwatch.embedded import kafka_runtime
from orderwatch.embedded.aot import make_aot_cache
from orderwatch.errors import OrderwatchError
from orderwatch.settings import EmbeddedSettings


def main() -> None:
    """Do what is not done yet."""
    with Checklist(OUT) as steps:
        with steps.step("Kafka's jars") as note:
            runtime = kafka_runtime.provide(
                EmbeddedSettings().writable_cache(), lambda done, total: note(f"{done} of {total}")
            )
        if not runtime.aot_cache.exists():
            with steps.step("Kafka's quick start"):
                make_aot_cache(runtime)


if __name__ == "__main__":
    try:
        main()
    except OrderwatchError as error:
        ERR.print(f"{error}\n{error.advice}", markup=False)
        sys.exit(1)
