"""Reading the end of log files, and what is added."""

from pathlib import Path

import pytest

from devstack.log_files import Follower, LogMark, last_lines


@pytest.mark.parametrize("count", [0, 1, 5, 5_000])
def test_last_lines(tmp_path: Path, count: int) -> None:
    lines = [f"line {number} {'x' * 50}" for number in range(4_000)]
    (tmp_path / "log").write_text("\n".join(lines) + "\n")
    assert last_lines(tmp_path / "log", count) == lines[max(len(lines) - count, 0) :]


def test_a_file_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "log", 5) == []
    assert Follower(tmp_path / "log").read() == []


def test_following_yields_whole_lines_also_across_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    follower = Follower(log)
    with log.open("a") as file:
        file.write("one\ntw")
    assert follower.read() == ["one"]
    with log.open("a") as file:
        file.write("o\n")
    assert follower.read() == ["two"]
    log.rename(tmp_path / "log.1")
    log.write_text("three\n")
    assert follower.read() == ["three"]


def test_of_a_mark_on_only_what_was_written_since_counts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    never = LogMark(log)
    log.write_text("an earlier start\nfailed\n")
    assert never.lines(5) == ["an earlier start", "failed"]
    mark = LogMark(log)
    assert mark.lines(5) == []
    with log.open("a") as file:
        file.write("this start\n" + "".join(f"line {number}\n" for number in range(10_000)))
    assert mark.lines(20_000)[0] == "this start"
    assert mark.lines(2) == ["line 9998", "line 9999"]


def test_a_log_that_was_rotated_or_emptied_since_a_mark_is_all_new(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("an earlier start\n" * 100)
    mark = LogMark(log)
    log.rename(tmp_path / "log.1")
    log.write_text("this start\n")
    assert mark.lines(5) == ["this start"]
    emptied = LogMark(log)
    log.write_text("new\n")
    assert emptied.lines(5) == ["new"]
