"""When the frames of a video are shown: by its packets, or by its decoder where they cannot be right."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import av
import av.error
import numpy as np
from av.format import Flags

from pipeline.errors import ClipError, reason
from stages.video.container import DAMAGED, open_stream, pictures

FRAMES_MIN = 2  # one frame shows no motion
ROUNDING_S = 1e-6  # of times, which are sums of floating-point numbers
COMPLETE = 0.9  # of the frames that the container announces: a file with fewer has been cut off
DECODING_TIMES = {"avi"}  # containers that store these; FFmpeg guesses when their frames are shown
REORDER_MAX = 16  # frames that a codec may hold back (H.264 and H.265, max_num_reorder_frames)
PROOF = 48  # frames decoded to see whether timestamps rise: more than any codec holds back
# A longer pause between frames is a jump of the clock. The first is FFmpeg's own limit (dts_delta_threshold)
# for containers whose clock may jump, such as MPEG-TS; in others a still may last, but hardly that long.
PAUSE_S, STILL_S = 10.0, 600.0
PAUSES = 100  # times the usual step: where all frames are that far apart, it is a slide show
BACK_S = 0.5  # a clock that goes back by less stumbles; by more, it starts again
STUMBLE_S = 0.001  # from a frame to the next one where the clock stands still
LAST_S = 1.0  # that the last frame may last
# Of Matroska's streams, as FFmpeg and MKVToolNix write it.
TAG_DURATION = re.compile(r"(\d+):(\d+):(\d+\.\d+)")
UNUSABLE = 0.1  # of the steps: a clock that stands still or goes back more often is none
RATE_MAX = 240.0  # frames a second; what codecs say beyond it are units of time, not rates
RATE_USUAL = 25.0  # where nothing is said, as FFmpeg assumes
JUMPS_SHOWN = 3  # in the note of a repair


@dataclass(frozen=True)
class Timeline:
    """When the frames of a clip are shown.

    Attributes:
        times: (N,) float64, seconds from the clip's start, ascending.
        duration_s: From the clip's start to the end of its last frame.
        start_s: The clip's start, seconds from the first frame of the file.
        before: How many frames of the file come before the clip.
        zero_s: The stream's own timestamp of the file's first frame, seconds; None if frames can only be
            counted.
        repair: What was wrong with the file's clock; empty: nothing.
    """

    times: np.ndarray
    duration_s: float
    start_s: float
    before: int
    zero_s: float | None
    repair: str = ""


@dataclass(frozen=True)
class FrameTimes:
    """When the frames of a file are shown.

    Attributes:
        times: (N,) float64, seconds from the first frame shown, ascending.
        end_s: When the last frame ends.
        zero_s: The stream's own timestamp of the first frame, seconds; None if frames can only be counted.
        repair: What was wrong with the file's clock; empty: nothing.
    """

    times: np.ndarray
    end_s: float
    zero_s: float | None
    repair: str = ""

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
        return Timeline(times, min(self.end_s, high) - low, low, int(first), self.zero_s, self.repair)


def frame_times(open_file: Callable[[], Any]) -> FrameTimes:
    """Find out when a file's frames are shown: from all packets of its stream, if they can be right.

    Otherwise the file is decoded, and its frames take their times in the order in which they come.

    Args:
        open_file: Opens the file anew, as seeking back would leave out what a stream says but once.

    Raises:
        ClipError: no_video_stream; decode_error for a file that is damaged or cut off.
    """
    with open_file() as container:
        stream = open_stream(container)
        stamps, _ = coded = _packets(container, stream)
        pause_s = PAUSE_S if container.format.flags & Flags.ts_discont.value else STILL_S
        tick, reorders = float(stream.time_base), stream.codec_context.has_b_frames
        guessed = container.format.name in DECODING_TIMES
        repair = _even(stream) if container.format.flags & Flags.no_timestamps.value else ""
    if None not in stamps:
        order = np.argsort(stamps, kind="stable")
        times = np.unique(stamps) * tick  # of several frames at one time, players show one
        steps = np.diff(times)
        held_back = int(np.abs(order - np.arange(len(order))).max())
        sound = held_back <= REORDER_MAX and len(times) >= (1 - UNUSABLE) * len(stamps)
        ordered = not reorders or (held_back > 0 and not guessed)
        if sound and not _jumps(steps, pause_s).any() and (ordered or _rises(open_file)):
            last = float(np.median(steps)) if len(steps) else 0.0
            return FrameTimes(times - times[0], float(times[-1] - times[0] + last), float(times[0]), repair)
    return _as_decoded(open_file, coded, tick, pause_s)


def _packets(container: Any, stream: Any) -> tuple[list[Any], list[Any]]:
    """The times of showing and of decoding the pictures that are shown, in coding order; None: not stored."""
    count = 0
    shown: list[int | None] = []
    decoded: list[int | None] = []
    try:
        for packet in container.demux(stream):
            count += packet.size > 0
            if packet.size and not packet.is_discard:
                shown.append(packet.pts)
                decoded.append(packet.dts)
    except av.error.FFmpegError as error:
        raise ClipError("decode_error", f"the file is damaged ({reason(error)})") from error
    if not count:
        raise ClipError("decode_error", "the video stream holds no data")
    # AVI also counts the pictures that it leaves out where nothing changes: there, how far it reaches tells.
    known = [stamp for stamp in decoded if stamp is not None]
    span_s = float((known[-1] - known[0]) * stream.time_base) if known else 0.0
    duration_s = _said_duration(container, stream)
    if count < COMPLETE * stream.frames and span_s < COMPLETE * (duration_s or np.inf):
        raise ClipError("decode_error", f"the file ends after {count} of its {stream.frames} frames")
    if not stream.frames and span_s and span_s + LAST_S < COMPLETE * duration_s:
        raise ClipError("decode_error", f"the file ends after {span_s:.1f} of its {duration_s:.1f} s")
    return shown, decoded


def _said_duration(container: Any, stream: Any) -> float:
    """How long a stream lasts, seconds, by its file's header; 0: nothing is said, or only an estimate."""
    if stream.duration and stream.frames:
        return float(stream.duration * stream.time_base)
    if "matroska" not in container.format.name:
        return 0.0
    if tag := TAG_DURATION.fullmatch(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, tag.groups())
        return 3600 * hours + 60 * minutes + seconds
    alone = len(container.streams) == 1
    return container.duration / av.time_base if alone and container.duration else 0.0


def _rises(open_file: Callable[[], Any]) -> bool:
    """Whether the times of the first frames, as they come from the decoder, never go back."""
    with open_file() as container:
        stamps = [frame.pts for frame in islice(frames(container, open_stream(container)), PROOF)]
    return None not in stamps and bool((np.diff(stamps) >= 0).all())


def _as_decoded(
    open_file: Callable[[], Any], coded: tuple[list[Any], list[Any]], tick: float, pause_s: float
) -> FrameTimes:
    """The times of the frames in the order in which the decoder gives them.

    Args:
        open_file: Opens the file.
        coded: The times of its packets, as `_packets` returns them.
        tick: Of these times, seconds.
        pause_s: How long a frame may be shown.
    """
    with open_file() as container:
        stream = open_stream(container)
        rate, even = _rate(stream), _even(stream)
        shown = _filled([frame.pts for frame in frames(container, stream)])
    if not shown:
        raise ClipError("decode_error", "no frame can be decoded")
    # The times that the frames have, or those at which they are decoded: as many, one after another.
    for stamps, repair in (
        (shown, ""),
        (coded[1], "its frames have no times of their own but those of decoding"),
    ):
        if len(stamps) != len(shown) or None in stamps:
            continue
        steps = np.diff(stamps) * tick
        if (steps <= 0).sum() <= UNUSABLE * len(steps):
            return _joined(stamps[0] * tick, steps, pause_s, 1 / rate, repair)
    return FrameTimes(np.arange(len(shown)) / rate, len(shown) / rate, None, even)


def _filled(stamps: list[Any]) -> list[Any]:
    """Times with the few that damage has cost put between those around them."""
    missing = stamps.count(None)
    if not 0 < missing <= UNUSABLE * len(stamps):
        return stamps
    known = [at for at, stamp in enumerate(stamps) if stamp is not None]
    return np.interp(np.arange(len(stamps)), known, [stamps[at] for at in known]).tolist()


def _rate(stream: Any) -> float:
    """Frames a second, as the codec says: of a raw stream, FFmpeg's containers only guess it."""
    said = float(stream.codec_context.framerate or 0)
    return said if 0 < said <= RATE_MAX else float(stream.guessed_rate or stream.average_rate or RATE_USUAL)


def _even(stream: Any) -> str:
    return f"it has no usable timestamps: its frames are taken as {_rate(stream):g} a second"


def _joined(zero_s: float, steps: np.ndarray, pause_s: float, usual: float, repair: str) -> FrameTimes:
    """One clock out of several that were joined.

    Args:
        zero_s: The stream's own timestamp of the first frame, seconds.
        steps: (N - 1,) seconds, from each frame to the next by the file's clock.
        pause_s: How long a frame may be shown.
        usual: The usual step, seconds, where the clock does not show it.
        repair: What else is wrong with the clock.
    """
    jumps = _jumps(steps, pause_s) | (steps < -BACK_S)
    even = steps[(steps > 0) & ~jumps]
    usual = float(np.median(even)) if len(even) else usual
    least = min(STUMBLE_S, usual / 2) * np.arange(len(steps) + 1)
    clock = np.concatenate([[0.0], np.cumsum(np.where(jumps, usual, steps))])
    times = np.maximum.accumulate(clock - least) + least  # rising where the clock stands still or stumbles
    if jumps.any():
        where = ", ".join(f"{at:.3f}" for at in times[1:][jumps][:JUMPS_SHOWN])
        more = "" if jumps.sum() <= JUMPS_SHOWN else f" and {jumps.sum() - JUMPS_SHOWN} more times"
        repair = f"its clock jumps at {where} s{more}"
    elif (steps <= 0).any():
        repair = repair or f"its clock does not rise at {(steps <= 0).sum()} of {len(times)} frames"
    return FrameTimes(times, float(times[-1] + usual), None if repair else zero_s, repair)


def _jumps(steps: np.ndarray, pause_s: float) -> np.ndarray:
    """Which steps from one frame to the next are no pauses; slide shows have long ones throughout."""
    return steps > max(pause_s, PAUSES * float(np.median(steps))) if len(steps) else np.zeros(0, bool)


def frames(container: Any, stream: Any) -> Iterator[Any]:
    """Yield all frames in the order in which they are shown; a damaged packet costs its own frames alone."""
    for packet in pictures(container, stream):
        with suppress(*DAMAGED):
            yield from packet.decode()
