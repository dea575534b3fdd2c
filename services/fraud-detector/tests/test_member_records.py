"""Tests of the records of a group's members: which of them have ended without leaving the group."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from fraud_detector.stream.member_records import MemberRecords


def test_a_living_member_is_not_among_the_ended_ones(tmp_path: Path) -> None:
    living = MemberRecords(tmp_path, "group")
    living.write("aiokafka-1")
    with MemberRecords(tmp_path, "group").ended_members() as ended:
        assert not ended
    living.delete()


def test_the_latest_id_of_a_killed_member_is_found_once(tmp_path: Path) -> None:
    _kill_member(tmp_path, "group", "a-long-member-id", "second")
    records = MemberRecords(tmp_path, "group")
    with records.ended_members() as ended:
        assert list(ended) == ["second"]
        with MemberRecords(tmp_path, "group").ended_members() as seen_by_another:
            assert not seen_by_another
    with records.ended_members() as ended:
        assert not ended
    assert not list(tmp_path.iterdir())


def test_a_member_that_could_not_be_removed_is_found_again(tmp_path: Path) -> None:
    _kill_member(tmp_path, "group", "first")
    records = MemberRecords(tmp_path, "group")
    with pytest.raises(RuntimeError), records.ended_members():
        raise RuntimeError
    with records.ended_members() as ended:
        assert list(ended) == ["first"]


def test_members_of_other_groups_are_left_alone(tmp_path: Path) -> None:
    _kill_member(tmp_path, "group", "first")
    with MemberRecords(tmp_path, "group-labels").ended_members() as ended:
        assert not ended


def test_a_member_that_left_leaves_no_record(tmp_path: Path) -> None:
    records = MemberRecords(tmp_path, "group")
    records.write("first")
    records.delete()
    assert not list(tmp_path.iterdir())


def _kill_member(directory: Path, group: str, *member_ids: str) -> None:
    """Let a process write these ids, one after the other, and be killed."""

    def work() -> None:
        records = MemberRecords(directory, group)
        for member_id in member_ids:
            records.write(member_id)
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
