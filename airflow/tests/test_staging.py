"""Staging folders: one per run, deleted at its end; what a killed run left is deleted later."""

import os
import time
from contextlib import suppress
from pathlib import Path

from order_batch.extract.staging import staging_folder


def test_a_run_s_folder_is_its_own_and_gone_after_it(tmp_path: Path) -> None:
    with staging_folder(tmp_path / "staging") as one, staging_folder(tmp_path / "staging") as other:
        (one / "orders").mkdir()
        (one / "orders" / "0000.parquet").touch()
        assert one != other
    assert list((tmp_path / "staging").iterdir()) == []


def test_after_an_error_the_files_stay_for_a_while(tmp_path: Path) -> None:
    folder = _failing_run(tmp_path)
    with staging_folder(tmp_path):
        assert (folder / "0000.parquet").exists()
    _age(folder, 2)
    with staging_folder(tmp_path):
        assert not folder.exists()


def test_the_folder_of_a_living_run_stays_however_old_it_is(tmp_path: Path) -> None:
    with staging_folder(tmp_path) as folder:
        _age(folder, 10)
        with staging_folder(tmp_path):
            assert folder.exists()


def test_folders_of_releases_without_locks_are_deleted(tmp_path: Path) -> None:
    old = tmp_path / "orders"
    (old / "20261118").mkdir(parents=True)
    _age(old, 2)
    with staging_folder(tmp_path):
        assert not old.exists()


def _failing_run(parent: Path) -> Path:
    with suppress(RuntimeError), staging_folder(parent) as folder:
        (folder / "0000.parquet").touch()
        raise RuntimeError
    return folder


def _age(folder: Path, days: float) -> None:
    moment = time.time() - days * 86_400
    os.utime(folder, (moment, moment))
