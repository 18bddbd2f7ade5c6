"""Locks: one owner at a time, whoever dies; on one machine, on two, and where the kernel has no flock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from waiting import wait_for

from bench.core import lock
from bench.core.lock import Owner, locked, try_lock

HOLD = """
import sys, time
from pathlib import Path
from bench.core.lock import try_lock
assert try_lock(Path(sys.argv[1])) is not None
print("held", flush=True)
time.sleep(600)
"""


def write_owner(path: Path, owner: Owner, age: float = 0.0) -> None:
    path.write_text(json.dumps(asdict(owner)).ljust(512))
    then = time.time() - age
    os.utime(path, (then, then))


def me(**changes: object) -> Owner:
    return replace(lock._me(), **changes)


@pytest.fixture(params=[True, False], ids=["flock", "no flock"])
def flock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With the kernel's lock, and on a system without."""
    monkeypatch.setattr(lock, "_SETTLE_S", 0.05)
    if not request.param:
        monkeypatch.setattr(lock, "fcntl", None)
    return bool(request.param)


def test_it_has_one_owner_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "run.lock"
    held = try_lock(path)
    assert held is not None
    assert try_lock(path) is None
    assert str(held.owner) == f"process {os.getpid()} on {held.owner.host}"
    held.release()
    assert not path.exists()
    again = try_lock(path)
    assert again is not None
    assert again.owner.token != held.owner.token
    again.release()


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, flock: bool) -> None:
    path = tmp_path / "run.lock"
    code = (
        HOLD if flock else HOLD.replace("assert", "from bench.core import lock; lock.fcntl = None\nassert", 1)
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        assert try_lock(path) is None
        owner.send_signal(signal.SIGSTOP)  # a process that does nothing just now is not dead
        assert try_lock(path) is None
        owner.kill()
    taken = try_lock(path)
    assert taken is not None
    taken.release()


def test_many_threads_that_wait_have_it_one_after_the_other(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []
    path = tmp_path / "lock"

    def work() -> None:
        for _ in range(5):
            with locked(path):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 30


@pytest.mark.parametrize("flock", [False], indirect=True)
@pytest.mark.usefixtures("flock")
def test_without_flock_the_process_and_its_start_decide(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    write_owner(path, me(token="other"))
    assert try_lock(path) is None  # this process runs
    write_owner(path, me(token="other", started=1))  # its number has been used again
    taken = try_lock(path)
    assert taken is not None
    taken.release()
    with subprocess.Popen(["true"]) as gone:
        pass
    write_owner(path, me(token="other", pid=gone.pid))
    taken = try_lock(path)
    assert taken is not None
    taken.release()


@pytest.mark.usefixtures("flock")
def test_an_owner_on_another_machine_lives_as_long_as_its_heart_beats(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    elsewhere = me(boot="another", token="other")  # two machines may have one name
    write_owner(path, elsewhere, age=lock.STALE_S - 60)
    assert try_lock(path) is None
    write_owner(path, elsewhere, age=lock.STALE_S + 60)
    taken = try_lock(path)
    assert taken is not None
    taken.release()


def test_two_machines_that_take_over_at_once_do_not_both_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    elsewhere = me(host="elsewhere", boot="another", token="other")
    write_owner(path, elsewhere, age=lock.STALE_S + 60)

    def other_machine(_seconds: float) -> None:
        write_owner(path, replace(elsewhere, token="was quicker"))

    monkeypatch.setattr(lock.time, "sleep", other_machine)
    assert try_lock(path) is None


def test_the_heart_beats_and_a_lost_lock_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.02)
    path = tmp_path / "lock"
    held = try_lock(path)
    assert held is not None
    os.utime(path, (1, 1))
    wait_for(lambda: path.stat().st_mtime > 1)
    assert not held.is_lost
    write_owner(path, me(host="elsewhere", token="other"))
    wait_for(lambda: held.is_lost)
    held.release()
    assert path.exists()  # it is the other's now


def test_a_damaged_file_is_respected_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_SETTLE_S", 0.0)
    path = tmp_path / "lock"
    path.write_bytes(b"\xff{")
    assert try_lock(path) is None
    os.utime(path, (1, 1))
    taken = try_lock(path)
    assert taken is not None
    taken.release()
    path.write_bytes(b"")  # its maker was killed before it wrote its name
    taken = try_lock(path)
    assert taken is not None
    taken.release()


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file"):
        try_lock(tmp_path / "file" / "lock")
