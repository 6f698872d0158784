"""Fingerprint a file: its size, its checksum, and its shots if requested."""

import hashlib
from functools import partial
from pathlib import Path

import pyarrow as pa

from pipeline.errors import ClipError
from pipeline.isolation import Isolated, Limits
from pipeline.stage import Row, Stage
from stages.ingest.find import FOUND
from stages.ingest.settings import IngestConfig
from stages.ingest.shots import shots
from stages.video.media import is_local, read_bytes

FINGERPRINTS = pa.schema(
    [
        *FOUND,
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("shots", pa.list_(pa.list_(pa.float64()))),
        ("error", pa.string()),
        ("error_detail", pa.string()),
    ]
)


class Fingerprint(Stage):
    """Turns a row of FOUND into a row of FINGERPRINTS."""

    name = "ingest"
    schema = FINGERPRINTS
    columns = tuple(name for name in FOUND.names if name != "clip_id")

    def __init__(self, config: IngestConfig) -> None:
        self._config = config
        self._shots: Isolated | None = None

    def setup(self) -> None:
        """Start a child process that finds shots, if they are requested."""
        if self._config.shots != "none":
            self._shots = Isolated(partial(partial, shots, config=self._config), Limits(), ("scenedetect",))

    def work(self, row: Row) -> Row:
        """Fingerprint one file."""
        digest, size = checksum(row["uri"])
        whole = row["start_s"] is None and row["end_s"] is None
        return {
            **row,
            "bytes": size,
            "sha256": digest,
            "shots": self._cut(row["uri"]) if whole and digest and is_local(row["uri"]) else None,
        }

    def _cut(self, uri: str) -> list[tuple[float, float]] | None:
        try:
            return self._shots(uri) if self._shots else None
        except ClipError:  # the video stays one clip, and scoring reports the error
            return None


def checksum(uri: str) -> tuple[str | None, int | None]:
    """Return sha256 and size (bytes) of a file; None if it cannot be read, which scoring reports."""
    try:
        if is_local(uri):
            with open(uri, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest(), Path(uri).stat().st_size
        data = read_bytes(uri)
    except (OSError, KeyError):
        return None, None
    return hashlib.sha256(data).hexdigest(), len(data)
