"""Commands called in the test's process: to start one takes half a second of CPU."""

import asyncio
import subprocess
from concurrent.futures import ThreadPoolExecutor

from typer.testing import CliRunner

from fraud_detector.cli import build_application
from order_platform.command_line.errors import CommandError
from order_platform.settings import KafkaSettings
from tests.support.service import environment


def call_fraud_detector(kafka: KafkaSettings, database_url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`fraud-detector ...` on a test's system: exit code and streams as those of the process."""
    variables = {**environment(kafka, database_url), "COLUMNS": "200"}

    def call() -> "subprocess.CompletedProcess[str]":
        ended = CliRunner().invoke(build_application(arguments[0]), arguments, env=variables)
        if isinstance(ended.exception, CommandError):
            said = f"{ended.stderr}{ended.exception}\n{ended.exception.advice}"
            return subprocess.CompletedProcess(arguments, ended.exception.exit_code, ended.stdout, said)
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout, ended.stderr)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return call()
    with ThreadPoolExecutor(1) as thread:  # a command runs a loop of its own
        return thread.submit(call).result()
