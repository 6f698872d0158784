"""Files that the processes of a node share: each is made once, and all go when the last process has left.

They lie in a folder of the user's own under the temporary folder (TMPDIR). Processes hold a lock on that
folder while they live. A child process of `multiprocessing` does not: it may be killed at any time, and its
parent holds the lock for it. What processes leave behind that were killed, the next one removes.
"""

import atexit
import errno
import fcntl
import hashlib
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MOST = 32 << 30  # bytes that the files take up, unless a single one needs more
FREE = 0.5  # share of the free space that a new file may take up
USERS = "users"  # the file in that folder that processes lock
COMPLETE = 0o400  # the mode of a file that has been made; until then its owner may write to it

_held: int | None = None  # descriptor of the lock
_turn = threading.Lock()


def folder() -> Path:
    """Return the folder, created if need be.

    Raises:
        OSError: It cannot be created, or belongs to another user.
    """
    path = Path(tempfile.gettempdir()) / f"motionsight-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", str(path))
    return path


def hold() -> None:
    """Keep the folder's files until this process ends, for itself and for its children."""
    global _held
    with _turn, suppress(OSError):  # without the folder, nothing is shared
        if _held is not None or multiprocessing.parent_process():
            return
        while True:
            lock = os.open(folder() / USERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if _alone(lock):
                _clear()  # of processes that were killed
            fcntl.flock(lock, fcntl.LOCK_SH)
            if os.fstat(lock).st_nlink:
                break
            os.close(lock)  # the last process has just removed the folder
        _held = lock
        atexit.register(_leave, os.getpid())


def _leave(pid: int) -> None:
    """Let go of the folder, and remove it unless other processes hold it."""
    global _held
    if _held is None or pid != os.getpid():  # forked
        return
    with suppress(OSError):
        if _alone(_held):
            shutil.rmtree(folder())
    os.close(_held)
    _held = None


def _alone(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clear() -> None:
    for path in folder().iterdir():
        if path.name != USERS:
            path.unlink(missing_ok=True)


def shared(key: str, size: int, make: Callable[[Path], None]) -> Path | None:
    """Return the file of a key, made by whichever process of this node needs it first; others wait for it.

    The files used longest ago make room for new ones. A process that has one open can go on reading it.

    Args:
        key: Says what is in the file: other content, other key.
        size: About how large it will be, bytes.
        make: Writes the file, given its path.

    Returns:
        Its path; None where there is no room for it.

    Raises:
        Exception: Whatever `make` raises; the next process will try again.
    """
    hold()
    try:
        path = folder() / hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        lock = _locked(path)
    except OSError:
        return None
    try:
        if os.fstat(lock).st_mode & 0o777 != COMPLETE:
            if not _make_room(size, path):
                path.unlink()
                return None
            make(path)
            path.chmod(COMPLETE)
        os.utime(lock)  # it has been used
        return path
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return None
        raise
    finally:
        os.close(lock)


def _locked(path: Path) -> int:
    """Open a file and lock it, created empty if need be; returns its descriptor."""
    while True:
        lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return lock
        os.close(lock)  # it was removed in the meantime


def _make_room(size: int, new: Path) -> bool:
    """Remove the files used longest ago until a new one of this size fits; False if it does not."""
    others = []
    for path in folder().iterdir():
        with suppress(FileNotFoundError):  # another process makes room, too
            stat = path.stat()
            if path not in (new, folder() / USERS) and stat.st_mode & 0o777 == COMPLETE:
                others.append((stat.st_mtime, stat.st_size, path))
    others.sort()
    taken = sum(bytes_ for _, bytes_, _ in others)
    for _, bytes_, path in others:
        if taken + size <= MOST and size <= FREE * shutil.disk_usage(path.parent).free:
            break
        path.unlink(missing_ok=True)
        taken -= bytes_
    return size <= FREE * shutil.disk_usage(new.parent).free
