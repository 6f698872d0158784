"""Fingerprint a file: its size, its checksum, and its shots if requested."""

from functools import partial

import pyarrow as pa

from pipeline.errors import ClipError
from pipeline.isolation import Isolated, Limits
from pipeline.stage import Row, Stage
from stages.ingest.find import FOUND
from stages.ingest.settings import IngestConfig
from stages.ingest.shots import shots
from stages.video.source import locate

FILM = Limits(clip_timeout_s=6 * 3600.0)  # every frame of a film is decoded

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
            self._shots = Isolated(partial(partial, shots, config=self._config), FILM, ("scenedetect",))

    def work(self, row: Row) -> Row:
        """Fingerprint one file."""
        whole = row["start_s"] is None and row["end_s"] is None
        digest, size = checksum(row["uri"], not whole or self._shots is not None)
        return {
            **row,
            "bytes": size,
            "sha256": digest,
            "shots": self._cut(row["uri"]) if whole and digest else None,
        }

    def _cut(self, uri: str) -> list[tuple[float, float]] | None:
        try:
            return self._shots(uri) if self._shots else None
        except ClipError:  # the video stays one clip, and scoring reports the error
            return None


def checksum(uri: str, part: bool = False) -> tuple[str | None, int | None]:
    """Return sha256 and size (bytes) of a file; None if it cannot be read, which scoring reports.

    Args:
        uri: The file.
        part: Whether parts of it will be read, too.
    """
    try:
        source = locate(uri, part)
        return source.sha256(), source.size
    except (OSError, KeyError):
        return None, None
