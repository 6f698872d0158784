"""What a container says about a video, checked against its packets, and which of its frames to take."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from pipeline.errors import ClipError, reason
from stages.video.media import is_local, read_bytes, video_stream

FRAMES_MIN = 2  # one frame shows no motion
COMPLETE = 0.9  # of the frames that the container announces: a file with fewer has been cut off


@dataclass(frozen=True)
class Probe:
    """A clip's properties.

    Attributes:
        width: Pixels as shown, rotation applied.
        height: Pixels as shown, rotation applied.
        fps: Mean frame rate.
        duration_s: From the first frame shown to the end of the last one.
        codec: FFmpeg's name of the codec.
        rotation: Degrees counterclockwise by which decoded frames must be turned: 0, 90, 180 or 270.
        times: (N,) float64, when each frame is shown, seconds from the clip's start, ascending.
    """

    width: int
    height: int
    fps: float
    duration_s: float
    codec: str
    rotation: int
    times: np.ndarray


@dataclass(frozen=True)
class Timeline:
    """When the frames of a clip are shown, by the packets of its file.

    Attributes:
        times: (N,) float64, seconds from the clip's start, ascending.
        duration_s: From the clip's start to the end of its last frame.
        start_s: The clip's start, seconds from the first frame of the file.
        before: How many frames of the file come before the clip.
        zero_s: The stream's own timestamp of the file's first frame, seconds; None without timestamps.
    """

    times: np.ndarray
    duration_s: float
    start_s: float
    before: int
    zero_s: float | None


def open_container(uri: str) -> Any:
    """Open a video file with PyAV.

    Raises:
        ClipError: missing_file or not_a_video.
    """
    try:
        # A local file is read while it is decoded; anything else has no cheap seek and is fetched whole.
        source: Any = uri if is_local(uri) else io.BytesIO(read_bytes(uri))
        size = Path(source).stat().st_size if isinstance(source, str) else source.getbuffer().nbytes
    except (OSError, KeyError) as error:
        raise ClipError("missing_file", f"cannot read {uri!r}: {reason(error)}") from error
    if size == 0:
        raise ClipError("not_a_video", "the file is empty")
    try:
        # "file:" keeps FFmpeg from reading a name such as "a:b.mp4" or "-x.mp4" as a protocol or an option.
        return av.open(f"file:{source}" if isinstance(source, str) else source)
    except (av.error.FFmpegError, ValueError) as error:
        raise ClipError("not_a_video", f"not a readable video file ({reason(error)})") from error


def open_stream(container: Any) -> Any:
    """Return the video stream of a container.

    Raises:
        ClipError: no_video_stream.
    """
    stream = video_stream(container)
    if stream is None:
        raise ClipError("no_video_stream")
    return stream


def timeline(container: Any, stream: Any, start_s: float | None, end_s: float | None) -> Timeline:
    """Read the times of a clip's frames from all packets of its stream; nothing is decoded.

    Args:
        container: An open PyAV container, at its start.
        stream: Its video stream.
        start_s: Where the clip starts, seconds from the first frame of the file; None: there.
        end_s: Where the clip ends (exclusive); None: at the end of the file.

    Returns:
        The times of the clip's frames.

    Raises:
        ClipError: decode_error for a file that is damaged or cut off, too_few_frames.
    """
    times, end, zero_s = _packet_times(container, stream)
    low, before = start_s or 0.0, 0
    if start_s is not None or end_s is not None:
        high = end_s if end_s is not None else np.inf
        before = int(np.count_nonzero(times < low - 1e-6))
        times = times[(times >= low - 1e-6) & (times < high - 1e-6)] - low
        end = min(end, high) - low
    if len(times) < FRAMES_MIN:
        count = f"{len(times)} frame{'' if len(times) == 1 else 's'}"
        raise ClipError("too_few_frames", f"the clip has {count}")
    return Timeline(times, end, low, before, zero_s)


def _packet_times(container: Any, stream: Any) -> tuple[np.ndarray, float, float | None]:
    """Times (N,) of the file's frames from 0 on, the end of the last, and the stream's time of the first."""
    count = shown = 0
    stamps: list[int] = []
    try:
        for packet in container.demux(stream):
            count += packet.size > 0
            if packet.size and not packet.is_discard:
                shown += 1
                if packet.pts is not None:
                    stamps.append(packet.pts)
    except av.error.FFmpegError as error:
        raise ClipError("decode_error", f"the file is damaged ({reason(error)})") from error
    if not count:
        raise ClipError("decode_error", "the video stream holds no data")
    if stream.frames and count < COMPLETE * stream.frames:
        raise ClipError("decode_error", f"the file ends after {count} of its {stream.frames} frames")
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    if not stamps or len(stamps) < shown:  # raw streams, some AVI: frames are assumed to be evenly spaced
        return np.arange(shown) / rate, shown / rate, None
    times = np.unique(stamps) * float(stream.time_base)
    last = np.median(np.diff(times)) if len(times) > 1 else 1 / rate
    return times - times[0], float(times[-1] - times[0] + last), float(times[0])


FEWEST = 9  # samples: with fewer, a short clip does not show whether a motion lasts


def sample_times(probe: Probe, fps: float, most: int) -> np.ndarray:
    """Choose the frames nearest to an even grid of times.

    Args:
        probe: The clip.
        fps: Samples per second; a lower rate is used where it would give more than `most`, and a higher one
            where it would give fewer than FEWEST.
        most: Largest number of samples.

    Returns:
        (N,) int, indices into `probe.times`, ascending, none twice.
    """
    fps = min(max(fps, FEWEST / probe.duration_s), most / probe.duration_s)
    if fps * probe.duration_s >= len(probe.times):
        return np.arange(len(probe.times))
    grid = np.arange(0, probe.times[-1] + 1e-9, 1 / fps)
    return np.unique(nearest(probe.times, grid))


def middles(probe: Probe, count: int) -> np.ndarray:
    """Choose the middle frames of `count` equal segments (the sampling of V_s in the MotionSight paper).

    Returns:
        (count,) int, indices into `probe.times`, ascending; one may occur twice in a short clip.
    """
    return nearest(probe.times, (np.arange(count) + 0.5) * probe.duration_s / count)


def nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Find the entry of `times` nearest to each of `wanted`.

    Args:
        times: (N,) float64, N >= 2, ascending.
        wanted: (M,) float64, in the same unit.

    Returns:
        (M,) int, indices into `times`.
    """
    right = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    left = right - 1
    return np.where(wanted - times[left] <= times[right] - wanted, left, right)
