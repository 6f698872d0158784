"""Frames by decord, picked by their number in the file."""

import io
from collections.abc import Iterable, Iterator

import av

from pipeline.errors import CallError, ClipError
from stages.video.clock import Timeline
from stages.video.media import read_bytes
from stages.video.pixels import UPRIGHT
from stages.video.source import Source

BATCH = 8  # full frames in memory at once


class DecordReader:
    """Reads the needed frames of a clip, and no others, with decord.

    Attributes:
        orientation: Upright, since decord turns frames itself.
    """

    orientation = UPRIGHT

    def __init__(self, source: Source, timeline: Timeline) -> None:
        """Prepare to read; the file is opened by `frames`.

        Args:
            source: The video file.
            timeline: When the clip's frames are shown.
        """
        self._source, self._before = source, timeline.before

    def frames(
        self, needed: Iterable[int], threads: int, reference: bool
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decode the needed frames.

        Args:
            needed: Their indices in the clip.
            threads: Decoder threads; 0: as many as cores.
            reference: Ignored: decord decodes exactly what is asked for.

        Yields:
            The index, ascending, and the frame.

        Raises:
            CallError: decord is not installed.
            ClipError: decode_error.
        """
        try:
            import decord
        except ImportError:
            raise CallError(
                "decode.backend decord needs decord: pip install 'motionsight-distill[decord]'"
            ) from None
        try:
            file = self._source.path or io.BytesIO(read_bytes(self._source.uri))
            reader = decord.VideoReader(file, num_threads=threads)
            indices = sorted(needed)
            for at in range(0, len(indices), BATCH):
                batch = indices[at : at + BATCH]
                pictures = reader.get_batch([self._before + index for index in batch]).asnumpy()
                for index, picture in zip(batch, pictures, strict=True):
                    yield index, av.VideoFrame.from_ndarray(picture, format="rgb24")
        except decord.DECORDError as error:
            why = str(error).splitlines()[0].rpartition("] ")[2]
            raise ClipError("decode_error", f"decord cannot read it ({why[:200]})") from error
