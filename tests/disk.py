"""What has reached the disk, for tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[int]]:
    """Record the inodes of the files and folders that are synced to the disk inside the block."""
    inodes: set[int] = set()
    sync = os.fsync

    def recording(descriptor: int) -> None:
        sync(descriptor)
        inodes.add(os.fstat(descriptor).st_ino)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", recording)
        yield inodes
