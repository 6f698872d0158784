"""What a container says about a video, checked against its packets, and which of its frames to take."""

from dataclasses import dataclass
from typing import Any

import av
import av.error
import numpy as np

from pipeline.errors import ClipError, reason
from stages.video.media import video_stream

FRAMES_MIN = 2  # one frame shows no motion
ROUNDING_S = 1e-6  # of times, which are sums of floating-point numbers
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


def open_stream(container: Any) -> Any:
    """Return the video stream of a container.

    Raises:
        ClipError: no_video_stream.
    """
    stream = video_stream(container)
    if stream is None:
        raise ClipError("no_video_stream")
    return stream


@dataclass(frozen=True)
class FrameTimes:
    """When the frames of a file are shown, by its packets.

    Attributes:
        times: (N,) float64, seconds from the first frame shown, ascending.
        end_s: When the last frame ends.
        zero_s: The stream's own timestamp of the first frame, seconds; None without timestamps.
    """

    times: np.ndarray
    end_s: float
    zero_s: float | None

    def part(self, start_s: float | None, end_s: float | None) -> Timeline:
        """Choose the frames of a clip.

        Args:
            start_s: Where the clip starts, seconds from the first frame of the file; None: there.
            end_s: Where the clip ends (exclusive); None: at the end of the file.

        Raises:
            ClipError: too_few_frames.
        """
        low, high = start_s or 0.0, np.inf if end_s is None else end_s
        first, past = np.searchsorted(self.times, (low - ROUNDING_S, high - ROUNDING_S))
        if start_s is None:
            first = 0
        times = self.times[first : max(first, past)] - low
        if len(times) < FRAMES_MIN:
            count = f"{len(times)} frame{'' if len(times) == 1 else 's'}"
            raise ClipError("too_few_frames", f"the clip has {count}")
        return Timeline(times, min(self.end_s, high) - low, low, int(first), self.zero_s)


def frame_times(container: Any, stream: Any) -> FrameTimes:
    """Read the times of a file's frames from all packets of its stream; nothing is decoded.

    Args:
        container: An open PyAV container, at its start.
        stream: Its video stream.

    Raises:
        ClipError: decode_error for a file that is damaged or cut off.
    """
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
        return FrameTimes(np.arange(shown) / rate, shown / rate, None)
    times = np.unique(stamps) * float(stream.time_base)
    last = np.median(np.diff(times)) if len(times) > 1 else 1 / rate
    return FrameTimes(times - times[0], float(times[-1] - times[0] + last), float(times[0]))


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
