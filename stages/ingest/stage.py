"""Fingerprint a file: its size, its checksum, and its shots if requested."""

from functools import partial

from pipeline.errors import ClipError
from pipeline.isolation import Isolated, Limits
from pipeline.schema import FINGERPRINTS
from pipeline.stage import Row, Stage
from stages.ingest.settings import IngestConfig
from stages.ingest.shots import shots
from stages.video.source import locate, modified

FILM = Limits(clip_timeout_s=6 * 3600.0)  # every frame of a film is decoded

WRITE_EVERY_S = 5.0  # at most so much is done again after a kill


class Fingerprint(Stage):
    """Turns a file that was found into a row of FINGERPRINTS."""

    name = "ingest"
    schema = FINGERPRINTS
    table = "fingerprints"

    def __init__(self, config: IngestConfig) -> None:
        self._config = config
        self.write_every_s = WRITE_EVERY_S if config.shots == "none" else None  # shots take minutes
        self._shots: Isolated | None = None

    def setup(self) -> None:
        """Start a child process that finds shots, if they are requested."""
        if self._config.shots != "none":
            self._shots = Isolated(partial(partial, shots, config=self._config), FILM, ("scenedetect",))

    def work(self, row: Row) -> Row:
        """Fingerprint one file."""
        whole = row["start_s"] is None and row["end_s"] is None
        before = modified(row["uri"])  # of the bytes that are read now, or of older ones
        digest, size = checksum(row["uri"], not whole or self._shots is not None)
        return {
            "clip_id": row["clip_id"],
            "bytes": size,
            "sha256": digest,
            "modified": before,
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
