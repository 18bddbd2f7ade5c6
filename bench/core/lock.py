"""Locks: one owner at a time, among processes of one machine or of several.

A lock is a small file that names its owner. On one machine the kernel's lock on that file (flock) decides: it
ends with its process. Between machines that share a file system flock may not work, so the name in the file
and its heartbeat decide: an owner that has not touched its file for five minutes counts as dead. On systems
without flock, the owner's process id and start time decide.

Why not `filelock.SoftFileLease` (4.3): a suspended process loses its lock to another one on its machine; a
live owner on a second machine of the same name counts as dead; and a single try never takes over from a
machine that died long ago, because each contender must first watch the file for five minutes.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # no flock on this system
    fcntl = None  # type: ignore[assignment]

HEARTBEAT_S, STALE_S = 30.0, 300.0
_SETTLE_S = 1.0  # until a file written on another machine is visible here
_POLL_S = 0.1, 2.0  # first and longest wait between two tries for a held lock
_SIZE = 512  # an owner's entry is padded to this, so that one write replaces all of it


@dataclass(frozen=True)
class Owner:
    """A process that holds a lock.

    Attributes:
        host: the machine's name.
        boot: an id of the machine's running system, or its name if there is no such id.
        pid, started: the process, and when it started (clock ticks after boot; None where unknown).
        token: random; no two holders have the same.
    """

    host: str
    boot: str
    pid: int
    started: int | None
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Lock:
    """A held lock. Its file is touched regularly until `release`."""

    def __init__(self, path: Path, handle: int, owner: Owner) -> None:
        self.path, self.owner = path, owner
        self._handle = handle
        self._lost = False
        self._released = threading.Event()
        threading.Thread(target=self._beat, name=f"lock {path.name}", daemon=True).start()

    @property
    def is_lost(self) -> bool:
        """Whether another machine has taken over the lock because this process seemed dead (suspended)."""
        return self._lost

    def release(self) -> None:
        """Release the lock."""
        self._released.set()
        with suppress(OSError):
            if _owner_at(self.path) == self.owner:
                self.path.unlink()
        os.close(self._handle)  # ends the flock; a waiting process finds the file gone and starts over

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT_S):
            with suppress(OSError):
                os.utime(self.path)
            self._lost = _owner_at(self.path) != self.owner


def try_lock(path: Path) -> Lock | None:
    """The lock at `path`, or None while a live process holds it.

    Raises:
        OSError: if the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:  # if this call creates the file, no other machine has created it
            handle, is_new = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644), True
        except FileExistsError:
            handle, is_new = os.open(path, os.O_RDWR | os.O_CREAT, 0o644), False
        me = None
        try:
            flocked = _flock(handle)
            if flocked is False:
                return None
            if not _is_at(path, handle):  # its owner has just released it
                continue
            me = _take(path, handle, is_new, flocked is not None)
            return Lock(path, handle, me) if me else None
        finally:
            if me is None:
                os.close(handle)


@contextmanager
def locked(path: Path, busy: Callable[[str], None] = lambda owner: None) -> Iterator[Lock]:
    """Wait for the lock at `path` and hold it in the block. `busy` is told once who holds it."""
    pause, told = _POLL_S[0], False
    while (lock := try_lock(path)) is None:
        if not told:
            busy(owner_of(path))
            told = True
        time.sleep(pause)
        pause = min(2 * pause, _POLL_S[1])
    try:
        yield lock
    finally:
        lock.release()


def owner_of(path: Path) -> str:
    """Who holds the lock at `path`, in words."""
    return str(_owner_at(path) or "another process")


def _take(path: Path, handle: int, is_new: bool, flocked: bool) -> Owner | None:
    """Write this process into the file as its owner, unless another owner may be alive."""
    before, me = _owner_at(path), _me()
    here = before is not None and before.boot == me.boot
    if before is not None and here:
        if not flocked and _runs(before):
            return None
    elif os.fstat(handle).st_size and _age(path, handle) < STALE_S:  # empty: its creator died before writing
        return None
    os.pwrite(handle, json.dumps(asdict(me)).ljust(_SIZE).encode(), 0)
    os.fsync(handle)
    if not (is_new or (flocked and here)):
        time.sleep(_SETTLE_S)  # another machine may have written at the same time: the last writer wins
        return me if _owner_at(path) == me else None
    return me


def _flock(handle: int) -> bool | None:
    """Whether this process got the kernel's lock; None on systems without flock."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _me() -> Owner:
    host = socket.gethostname()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = host
    return Owner(host, boot, os.getpid(), _start_of(os.getpid()), secrets.token_hex(8))


def _runs(owner: Owner) -> bool:
    """Whether a process of this machine still runs: the same one, not another one with its id."""
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists and belongs to another user
    return _start_of(owner.pid) == owner.started


def _start_of(pid: int) -> int | None:
    """Start of a process in clock ticks after boot; None if the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(stat.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _owner_at(path: Path) -> Owner | None:
    try:
        return Owner(**json.loads(path.read_bytes()[:_SIZE]))
    except (OSError, ValueError, TypeError):
        return None


def _is_at(path: Path, handle: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(handle))


def _age(path: Path, handle: int) -> float:
    """Seconds since the last heartbeat, by the file system's clock, which all machines share."""
    with tempfile.TemporaryFile(dir=path.parent) as now:
        return os.fstat(now.fileno()).st_mtime - os.fstat(handle).st_mtime
