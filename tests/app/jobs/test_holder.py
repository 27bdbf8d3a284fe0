"""Whether the holder of a lease lives."""

import os
import subprocess
import sys

from app.jobs.holder import Watch, is_gone, this_process


def test_this_process_is_not_gone_and_one_that_ended_is() -> None:
    assert not is_gone(this_process())
    code = "from app.jobs.holder import this_process; print(this_process())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert ended.rsplit("/", 2)[0] == this_process().rsplit("/", 2)[0]
    assert is_gone(ended)


def test_a_process_with_the_number_of_one_that_ended_is_another() -> None:
    place, number, started = this_process().rsplit("/", 2)
    assert is_gone(f"{place}/{number}/{int(started) - 1}")


def test_nothing_is_known_of_processes_on_another_machine() -> None:
    assert not is_gone(f"another-boot/pid:[1]/{os.getpid()}/1")
    assert not is_gone("nonsense")


def test_a_holder_is_silent_when_its_count_does_not_change_at_any_time_of_day() -> None:
    now = [0.0]
    watch = Watch(10, lambda: now[0])
    assert watch.look({1: (1, 0)}) == set()
    now[0] = 9
    assert watch.look({1: (1, 1)}) == set()
    now[0] = 18
    assert watch.look({1: (1, 1)}) == set()
    now[0] = 19
    assert watch.look({1: (1, 1), 2: (1, 0)}) == {1}
    assert watch.look({1: (2, 0)}) == set(), "another one has it"


def test_a_watch_begins_again_after_a_time_without_counts() -> None:
    now = [0.0]
    watch = Watch(10, lambda: now[0])
    watch.look({1: (1, 0)})
    now[0] = 60
    watch.forget()
    assert watch.look({1: (1, 0)}) == set()
    now[0] = 70
    assert watch.look({1: (1, 0)}) == {1}
