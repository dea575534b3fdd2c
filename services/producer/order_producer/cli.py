"""Command line `order-producer`."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from errno import EISDIR
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer
from aiokafka.errors import KafkaError

from marketplace_simulator import EPOCH, World
from marketplace_simulator.generator import GeneratorConfig, live_orders, past_orders
from marketplace_simulator.orders import OrderMessage
from order_contract.business_dates import LAST_DATE, MOST_DATES
from order_contract.business_time import BUSINESS_ZONE
from order_platform.command_line.errors import ExitCode
from order_platform.command_line.settings_errors import read_settings
from order_platform.health_server import PortTakenError
from order_platform.kafka.topics import MAX_ORDER_BYTES
from order_platform.kafka_client_log import silence_kafka_client
from order_platform.logging import configure_logging
from order_producer.app import iterate, run
from order_producer.file_check import NotLinesError, check_lines
from order_producer.publish.connection import BrokerUnavailableError, TopicMissingError
from order_producer.publish.rate_limiter import WallClock, limit_rate, pace_by_created_date
from order_producer.publish.report import LogReport, Report, Share, TerminalReport
from order_producer.publish.sink import Counts
from order_producer.replay import Check, ReadProgress, count_lines, read_lines, replay_messages
from order_producer.settings import ProducerSettings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Publishes orders to topic orders: generated ones, or those of a file.",
)

LIVE_RATE = 5.0
ORDERS_PER_DAY = 5_000
STANDARD = Path("-")
# A broker's restart takes seconds; a longer outage needs the operator.
BROKER_TIMEOUT = 60.0
# The unread lines of a larger file are not counted: it would take seconds.
COUNTED_BYTES = 1024**3

# What the operator can fix: reported in one line, without a traceback.
_EXPECTED_ERRORS = (TopicMissingError, BrokerUnavailableError, PortTakenError, KafkaError, OSError)


@app.command()
def generate(
    *,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0, help="Orders a second by the wall clock; 0 is as fast as possible.", show_default="5; with --start 0"
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Orders in all.", show_default=f"endless; with --start {ORDERS_PER_DAY:,} a day"),
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First business date of orders of the past.", show_default="now"),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=MOST_DATES, help="Business dates, from --start on.")] = 1,
    fraud_share: Annotated[float, typer.Option(min=0, max=1, help="Share of orders that are fraud.")] = 0.05,
    seed: Annotated[
        int | None,
        typer.Option(
            help="What orders are drawn from; the same again gives the same.", show_default="0 with --start, else new"
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the labels of fraud orders, one JSON line each: order_id, pattern."),
    ] = None,
    label_delay: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Publish labels of the fraud orders on topic labels, so many seconds after them on average.",
            show_default="no labels",
        ),
    ] = None,
    amounts_as_text: Annotated[
        bool, typer.Option("--amounts-as-text", help="Write amounts as Rp.125,000,000, not as integers.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, allow_dash=True, help="Write lines to a file, or to stdout for -, and publish nothing."
        ),
    ] = None,
    to_stdout: Annotated[bool, typer.Option("--to-stdout", help="The same as --output -.")] = False,
    broker_timeout: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Seconds to wait for a broker that does not answer; 0 waits for ever.",
            show_default=f"{BROKER_TIMEOUT:g} with --count or --start, else 0",
        ),
    ] = None,
) -> None:
    """Generate orders of an Indonesian marketplace, some of them fraud.

    Customers, products and prices are those of the catalog: one seeded world (ORDERWATCH_WORLD_SEED). Orders are of
    now, or with `--start` of past business dates, spread over each day as people shop.

    Five orders a second, of now, until Ctrl-C:

        order-producer generate

    2,000 a second for a minute, and which of them are fraud:

        order-producer generate --rate 2000 --count 120000 --truth truth.jsonl

    Five a second, and what the fraud among them turned out to be, a minute later:

        order-producer generate --label-delay 60

    Three past days; run again, the same orders to the byte:

        order-producer generate --start 2026-11-01 --days 3 --count 30000

    A file to replay later:

        order-producer generate --start 2026-11-01 --output orders.jsonl

    It exits with 1 when an order was not acknowledged, after naming it, and with 3 when the broker or the topic is
    unavailable: at once without the topic, and without the broker after `--broker-timeout` seconds.
    """
    settings = read_settings(ProducerSettings)
    if start is None and days != 1:
        raise typer.BadParameter("it counts from --start; give that too", param_hint="--days")
    if start is not None and start.date() < EPOCH.date():
        raise typer.BadParameter(f"the marketplace opened on {EPOCH:%Y-%m-%d}", param_hint="--start")
    if start is not None and start.date() > LAST_DATE - timedelta(days=days - 1):
        raise typer.BadParameter(f"the last date would be after {LAST_DATE}", param_hint="--start")
    first_day = None if start is None else start.date()
    if first_day is not None:
        count = ORDERS_PER_DAY * days if count is None else count
        seed = 0 if seed is None else seed
    if broker_timeout is None:
        # Without an end it is a service, which waits as the others do.
        broker_timeout = 0 if count is None else BROKER_TIMEOUT
    if rate is None:
        rate = LIVE_RATE if first_day is None else 0
    config = GeneratorConfig(World(settings.world_seed), seed, fraud_share, amounts_as_text)
    output = STANDARD if to_stdout else output
    if label_delay is not None and output is not None:
        raise typer.BadParameter(
            "nothing is published with --output; --truth FILE writes them", param_hint="--label-delay"
        )
    if output == STANDARD:
        # `order-producer generate --to-stdout | head` ends silently, as other tools do.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _publish_and_exit(
        _generate_messages(config, first_day, days, count, rate),
        settings,
        share=lambda counts: None if count is None else counts.sent / count,
        output=output,
        truth=truth,
        label_delay=label_delay,
        broker_timeout=broker_timeout or None,
    )


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A file of one message a line; - is stdin.")],
    rate: Annotated[
        float | None, typer.Option(min=0, help="Messages a second.", show_default="as fast as possible")
    ] = None,
    speedup: Annotated[
        float | None,
        typer.Option(min=0, help="Keep the pauses between the orders' created_date, so many times shorter."),
    ] = None,
    broker_timeout: Annotated[
        float,
        typer.Option(min=0, help="Seconds to wait for a broker that does not answer; 0 waits for ever."),
    ] = BROKER_TIMEOUT,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Publish each line even when the file is not lines of JSON.")
    ] = False,
) -> None:
    """Publish the lines of a file, one message a line, their bytes untouched.

    Lines that are not valid orders are published too: the detector decides what is wrong with them. The key is the
    line's user_id, none where it cannot be read. Lines are read as they are needed, so the file may be of any size, or
    a pipe that never ends. A file of another kind (compressed, UTF-16, CSV, a JSON array, JSON over several lines) is
    recognised before anything is published.

        order-producer replay orders.jsonl

        order-producer replay orders.jsonl --rate 500

        order-producer replay orders.jsonl --speedup 60      an hour of orders in a minute

        gunzip -c orders.jsonl.gz | order-producer replay -

    It exits with 1 when a line was not acknowledged, also after Ctrl-C, and says how many were. A broker that does not
    respond for `--broker-timeout` seconds (60) ends it with 3. Lines that are published already may be replayed
    again: they become duplicates, which change nothing.
    """
    if rate and speedup:
        raise typer.BadParameter("give --rate or --speedup, not both", param_hint="--speedup")
    settings = read_settings(ProducerSettings)
    try:
        descriptor = sys.stdin.fileno() if file == STANDARD else os.open(file, os.O_RDONLY)
        size = _size(descriptor)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    progress = ReadProgress()
    check = None if as_is else partial(_check_lines, str(file))
    counts, failed = _publish(
        _replay_messages(descriptor, check, progress, rate or 0, speedup or 0),
        settings,
        share=lambda _: os.lseek(descriptor, 0, os.SEEK_CUR) / size if size else None,
        broker_timeout=broker_timeout or None,
    )
    log = structlog.get_logger()
    if isinstance(failed, NotLinesError):
        log.error("not_lines_of_json", problem=str(failed))
        sys.exit(ExitCode.USAGE)
    if progress.ended and progress.lines == 0:
        source = "standard input" if file == STANDARD else file
        log.warning("nothing_to_publish", problem=f"{source} is empty")
        sys.exit(ExitCode.OK)
    # The unread lines of a file count as well; those of a pipe are unknown.
    lines = progress.lines if progress.ended or not size else count_lines(descriptor, COUNTED_BYTES)
    missing = (progress.lines if lines is None else lines) - counts.acknowledged
    if missing > 0 or lines is None or failed is not None:
        more = "" if lines is not None else " of those that were read, and the rest of the file was not read"
        problem = (
            f"{counts.acknowledged:,} lines were acknowledged, {missing:,} were not{more}; replay the file again: "
        )
        log.error("replay_incomplete", problem=f"{problem}lines that are on the topic already become duplicates")
        sys.exit(_exit_code(failed))
    sys.exit(ExitCode.OK)


def _check_lines(name: str, head: bytes, whole: bool) -> None:
    check_lines(head, name, whole=whole)


def _generate_messages(
    config: GeneratorConfig, first_day: date | None, days: int, count: int | None, rate: float
) -> AsyncIterator[OrderMessage]:
    if first_day is None:
        messages = iterate(live_orders(config, lambda: datetime.now(BUSINESS_ZONE), count))
    else:
        messages = iterate(past_orders(config, first_day, days, count or 0))
    return limit_rate(messages, rate, WallClock()) if rate else messages


def _replay_messages(
    descriptor: int, check: Check | None, progress: ReadProgress, rate: float, speedup: float
) -> AsyncIterator[OrderMessage]:
    messages = replay_messages(read_lines(descriptor, MAX_ORDER_BYTES, check), dated=bool(speedup), progress=progress)
    if speedup:
        return pace_by_created_date(messages, speedup, WallClock())
    return limit_rate(messages, rate, WallClock()) if rate else messages


def _size(descriptor: int) -> int:
    """Bytes of an open regular file; 0 for a pipe, whose end is unknown."""
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _publish_and_exit(
    messages: AsyncIterator[OrderMessage],
    settings: ProducerSettings,
    *,
    share: Share,
    output: Path | None = None,
    truth: Path | None = None,
    label_delay: float | None = None,
    broker_timeout: float | None = None,
) -> NoReturn:
    """Publish or write the messages, and exit with the code of their outcome."""
    counts, failed = _publish(
        messages,
        settings,
        share=share,
        output=output,
        truth=truth,
        label_delay=label_delay,
        broker_timeout=broker_timeout,
    )
    if broker_timeout is not None and output is None and failed is None and not counts.sent:
        problem = (
            f"stopped before the broker at {settings.kafka} has responded: nothing was published; "
            "see whether it runs, and whether ORDERWATCH_KAFKA says where"
        )
        structlog.get_logger().error("producer_failed", problem=problem)
        sys.exit(ExitCode.UNAVAILABLE)
    sys.exit(_exit_code(failed) if failed is not None or counts.failed else ExitCode.OK)


def _exit_code(error: Exception | None) -> ExitCode:
    """Of a failure: an error means that something needed is unavailable, none that messages were not acknowledged."""
    return ExitCode.NEGATIVE if error is None else ExitCode.UNAVAILABLE


def _publish(
    messages: AsyncIterator[OrderMessage],
    settings: ProducerSettings,
    *,
    share: Share,
    output: Path | None = None,
    truth: Path | None = None,
    label_delay: float | None = None,
    broker_timeout: float | None = None,
) -> tuple[Counts, Exception | None]:
    """Publish or write the messages; returns the counts of their outcomes, and the error that ended it."""
    counts = Counts()
    report: Report = TerminalReport(share) if sys.stderr.isatty() else LogReport()
    try:
        # Logging is configured while the progress bar is shown, so that log lines appear above it.
        with report:
            configure_logging(settings, "order-producer")
            if settings.log_level.upper() != "DEBUG":
                silence_kafka_client()
            counts = asyncio.run(
                run(
                    messages,
                    settings,
                    report,
                    output=output,
                    labels=truth,
                    label_delay=label_delay,
                    counts=counts,
                    broker_timeout=broker_timeout,
                )
            )
    except NotLinesError as error:
        return counts, error
    except _EXPECTED_ERRORS as error:
        structlog.get_logger().error("producer_failed", problem=str(error))
        return counts, error
    return counts, None
