"""Migrations of Postgres are one line, each with a number of its own."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from order_platform.postgres import migrations


def test_each_migration_follows_one_other() -> None:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    assert len(script.get_heads()) == 1
    numbers = [revision.revision for revision in script.walk_revisions()]
    files = [path.name.partition("_")[0] for path in Path(script.versions).glob("[0-9]*.py")]
    assert sorted(numbers) == sorted(files)
