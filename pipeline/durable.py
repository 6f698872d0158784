"""What is on disk stays there if the machine loses its power: files, and the names they were given."""

import errno
import os
from pathlib import Path

NOT_SYNCED = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)  # how file systems say that they sync no folders


def sync(path: str | Path) -> None:
    """Wait until a file, or the names in a folder, are on disk.

    Raises:
        OSError: It does not exist, or the disk failed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_SYNCED or not Path(path).is_dir():
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until a folder is on disk with all that is in it. Raises as `sync` does."""
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)
