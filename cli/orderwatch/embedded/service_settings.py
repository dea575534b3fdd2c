"""The settings that the processes will read from this environment, checked before any of them is started."""

from pathlib import Path

from fraud_detector.settings import DetectorSettings
from order_api.settings import ApiSettings
from order_platform.command_line.run import SettingsError
from order_platform.command_line.settings_errors import read_settings
from order_platform.postgres.roles import DatabaseRole
from order_platform.setting_types import check_warehouse_file
from order_producer.settings import ProducerSettings
from orderwatch.embedded import airflow
from orderwatch.embedded.system import System


def check_services(system: System) -> None:
    """Raises SettingsError, which names every setting at fault that a process of the system would stop at."""
    # What the system itself says: the environment may name another broker and database, which count for nothing here.
    addresses = {
        "kafka": system.bootstrap_servers,
        "database_url": system.database_url(DatabaseRole.DETECTOR),
        "database_password": None,
    }
    problems: dict[str, None] = {}
    for kind in (DetectorSettings, ApiSettings, ProducerSettings):
        known = {name: value for name, value in addresses.items() if name in kind.model_fields}
        try:
            read_settings(kind, **known)
        except SettingsError as error:
            problems |= dict.fromkeys(str(error).splitlines())
    if system.settings.batch:
        path = Path(airflow.batch_settings(system.layout)["ORDERWATCH_WAREHOUSE_PATH"]).expanduser()
        try:
            check_warehouse_file(path)
        except ValueError as error:
            problems[f"ORDERWATCH_WAREHOUSE_PATH: {error}"] = None
    if problems:
        raise SettingsError("\n".join(problems))
