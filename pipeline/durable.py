"""What is on disk stays there if the machine loses its power: files, and the names they were given."""

import os
from pathlib import Path


def sync(path: str | Path) -> None:
    """Wait until a file, or the names in a folder, are on disk.

    Raises:
        OSError: It does not exist, or the disk failed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until a folder is on disk with all that is in it. Raises as `sync` does."""
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)
