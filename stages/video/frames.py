"""Frames of a clip: opened safely, decoded once, in the sizes that the stages need."""

import bisect
import io
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import av
import av.error
import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import CallError, ClipError, reason
from stages.video.media import is_local, read_bytes


class DecodeConfig(BaseModel):
    """How clips are decoded for scoring."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["pyav", "decord"] = Field(
        "pyav", description="decord is slower, reads no AV1, and crashes on some damaged files"
    )
    fps: float = Field(8.0, gt=0, le=60, description="samples per second for the motion statistics")
    size: int = Field(256, ge=64, le=1024, description="longer side of the samples, pixels")
    frames: Literal["all", "reference"] = Field(
        "all",
        description="'reference' skips frames that no other frame needs: faster, coarser in time; and with"
        " quality.metric=null also the smoothing of block edges",
    )
    max_samples: int = Field(1200, ge=16, description="longer clips are sampled at a lower rate than fps")
    threads: int = Field(1, ge=0, description="decoder threads for each worker; 0: as many as cores")


@dataclass(frozen=True)
class Probe:
    """What the container says, checked against its packets.

    width, height: pixels as shown, rotation applied. fps: mean frame rate. duration_s: from the first
    frame shown to the end of the last. times: (N,) float64, when each frame is shown, seconds from the
    clip's start, rising. rotation: degrees counterclockwise to turn a decoded frame by, 0 90 180 270.
    """

    width: int
    height: int
    fps: float
    duration_s: float
    codec: str
    rotation: int
    times: np.ndarray


def _container(uri: str) -> Any:
    """An open PyAV container. Raises ClipError missing_file or not_a_video."""
    try:
        # A local file is read as it is decoded; anything else has no cheap seek and comes whole.
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


def probe(uri: str, start_s: float | None = None, end_s: float | None = None) -> Probe:
    """Read the container and every packet's time, decoding only the first frame.

    Raises ClipError: missing_file, not_a_video, no_video_stream, decode_error, too_few_frames.
    """
    return Clip(uri, start_s, end_s).probe


def _video(container: Any) -> Any:
    """The first video stream that is not a cover picture. Raises ClipError no_video_stream."""
    streams = [s for s in container.streams.video if not (s.disposition & s.disposition.attached_pic)]
    if not streams:
        raise ClipError("no_video_stream")
    return streams[0]


def _times(container: Any, stream: Any) -> tuple[np.ndarray, float, float | None]:
    """When each frame is shown (N,), rising from 0, and when the last one ends, seconds, by the packets.

    Third, the stream's own time of the first frame; None where it has no timestamps. Raises ClipError
    decode_error for a file that is damaged or cut off.
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
    if stream.frames and count < 0.9 * stream.frames:
        raise ClipError("decode_error", f"the file ends after {count} of its {stream.frames} frames")
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    if not stamps or len(stamps) < shown:  # raw streams, some AVI: frames are taken as evenly spaced
        return np.arange(shown) / rate, shown / rate, None
    times = np.unique(stamps) * float(stream.time_base)
    last = np.median(np.diff(times)) if len(times) > 1 else 1 / rate
    return times - times[0], float(times[-1] - times[0] + last), float(times[0])


def sample_times(probe: Probe, fps: float, most: int) -> np.ndarray:
    """Indices (N,) int of the frames nearest to an even grid of `fps` a second, at most `most` of them."""
    fps = min(fps, most / probe.duration_s)
    grid = np.arange(0, probe.times[-1] + 1e-9, 1 / fps)
    return np.unique(nearest(probe.times, grid))


def middles(probe: Probe, count: int) -> np.ndarray:
    """Indices (count,) int of the middle frames of `count` equal segments (MotionSight's sampling of V_s)."""
    return nearest(probe.times, (np.arange(count) + 0.5) * probe.duration_s / count)


def nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index (M,) int of the entry of rising `times` (N,) nearest to each of `wanted` (M,)."""
    right = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    left = right - 1
    return np.where(wanted - times[left] <= times[right] - wanted, left, right)


def fitted(width: int, height: int, longer: int) -> tuple[int, int]:
    """Width and height with the longer side at `longer` and the shorter at least 32 pixels."""
    scale = longer / max(width, height)
    return max(32, round(width * scale)), max(32, round(height * scale))


# Red and blue weights of luma, by FFmpeg's number of the colour space (ITU-R BT.709, BT.2020; else BT.601).
LUMA_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
BT601 = (0.299, 0.114)
FULL_RANGE = 2  # FFmpeg's number
DECORD_BATCH = 8  # full frames in memory at once
CUT = 0.003  # share of a side that may be left out where it is no multiple of the step


def luma(frame: Any, size: tuple[int, int], rotation: int = 0) -> np.ndarray:
    """The brightness of a frame as (height, width) uint8.

    Reads the Y plane in place: a scaler built for each frame costs more than decoding it.
    """
    kind = frame.format
    bits = kind.components[0].bits
    image: np.ndarray
    if kind.name.startswith(("yuv", "nv", "p0", "gray")) and not kind.name.endswith("be") and bits <= 16:
        if bits > 8:
            plane = frame.planes[0]
            data = np.frombuffer(plane, np.uint16).reshape(-1, plane.line_size // 2)
            image = data[: frame.height, : frame.width]
            # P010 keeps its ten bits at the top of the word, yuv420p10 at the bottom.
            image = (image >> (8 if kind.name.startswith("p0") else bits - 8)).astype(np.uint8)
        else:
            image = _plane(frame.planes[0])
    else:
        image = _plane(frame.reformat(format="yuv420p").planes[0])  # as dark and as light as the rest
    turned = size if rotation % 180 == 0 else size[::-1]
    return upright(resized(image, turned), rotation)


def rgb(frame: Any, size: tuple[int, int], rotation: int = 0) -> np.ndarray:
    """A frame as (height, width, 3) uint8 RGB. Planes are resized first: colours at full size cost more."""
    turned = size if rotation % 180 == 0 else size[::-1]
    if frame.format.name in PLANAR:
        planes = [resized(_plane(plane), turned) for plane in frame.planes]
        full = frame.format.name.startswith("yuvj") or int(frame.color_range) == FULL_RANGE
        image = cv2.transform(cv2.merge(planes), _to_rgb(int(frame.colorspace), full))
    else:
        image = resized(frame.to_ndarray(format="rgb24"), turned)
    return upright(image, rotation)


PLANAR = {f"yuv{full}{sampling}p" for full in ("", "j") for sampling in ("420", "422", "444")}


def _plane(plane: Any) -> np.ndarray:
    """A plane of 8 bits as (height, width) uint8, not copied."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


@cache
def _to_rgb(colorspace: int, full: bool) -> np.ndarray:
    """Matrix (3, 4) from Y, Cb, Cr of 8 bits to R, G, B (ITU-R BT.601, equations for 8-bit coding)."""
    red, blue = LUMA_WEIGHTS.get(colorspace, BT601)
    green = 1 - red - blue
    light, chroma = (1.0, 1.0) if full else (255 / 219, 255 / 224)
    r, b = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    turn = np.array([[light, 0, r], [light, -b * blue / green, -r * red / green], [light, b, 0]])
    return np.hstack([turn, -turn @ [[0 if full else 16], [128], [128]]])


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image (H, W) or (H, W, 3) uint8 in another size (width, height).

    First by a whole number: areas of broken pixels take ten times as long. The rest, of less than two, is
    interpolated, which looks the same then (mean difference on a real frame under 0.4 of 255).
    """
    height, width = image.shape[:2]
    for times in range(min(width // size[0], height // size[1]), 1, -1):
        if width % times <= CUT * width and height % times <= CUT * height:
            whole = image[: height // times * times, : width // times * times]
            image = cv2.resize(whole, (width // times, height // times), interpolation=cv2.INTER_AREA)
            break
    rest = max(image.shape[1] / size[0], image.shape[0] / size[1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if rest >= 2 else cv2.INTER_LINEAR)


def upright(image: np.ndarray, rotation: int) -> np.ndarray:
    """Turn an image counterclockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(image, rotation // 90)) if rotation else image


@dataclass(frozen=True)
class Wanted:
    """Pictures to take out of a decode pass: frames by rising index, in a size (width, height)."""

    indices: Sequence[int] | np.ndarray
    size: tuple[int, int]
    colour: bool


@dataclass(frozen=True)
class Taken:
    """Pictures (N, H, W) or (N, H, W, 3) uint8, one for each index wanted, rising, and of which frames."""

    pictures: np.ndarray
    indices: np.ndarray


class Clip:
    """A clip, opened and probed; the pictures wanted of it come out of one decode pass."""

    def __init__(
        self, uri: str, start_s: float | None = None, end_s: float | None = None, rough: bool = False
    ) -> None:
        """rough: leave out the smoothing of block edges (deblocking), a fifth of the work.

        Raises ClipError: missing_file, not_a_video, no_video_stream, decode_error, too_few_frames.
        """
        self.uri, self.start_s, self._rough = uri, start_s or 0.0, rough
        self._need: Container[int] | None = None
        self._decoded = self._open(1)
        stream = self._stream
        times, end, self._zero = _times(self._container, stream)
        if start_s is not None or end_s is not None:
            low, high = self.start_s, end_s if end_s is not None else np.inf
            times = times[(times >= low - 1e-6) & (times < high - 1e-6)] - low
            end = min(end, high) - low
        if len(times) < 2:
            count = f"{len(times)} frame{'' if len(times) == 1 else 's'}"
            raise ClipError("too_few_frames", f"the clip has {count}")
        self._times: list[float] = times.tolist()
        self._tolerance = 0.5 * end / len(times)
        context = stream.codec_context
        if not context.width or not context.height:
            raise ClipError("decode_error", "the video stream has no picture size")
        self._container.seek(0)
        try:
            first = next(self._decoded, None)
        except av.error.FFmpegError as error:
            why = f"the first frame cannot be decoded ({reason(error)})"
            raise ClipError("decode_error", why) from error
        if first is None:
            raise ClipError("decode_error", "no frame can be decoded")
        self._decoded = chain([first], self._decoded)
        rotation = round(first.rotation) % 360
        width, height = first.width, first.height
        if rotation % 180:
            width, height = height, width
        self.probe = Probe(width, height, len(times) / end, end, context.name, rotation, times)

    def read(self, wanted: Sequence[Wanted], config: DecodeConfig) -> list[Taken]:
        """Decode up to the last frame that anyone wants; a clip is read once.

        Returns what was taken for each Wanted. In place of a frame that is not there (lost to damage, or no
        reference) stands the nearest one in time. Raises ClipError decode_error when a tenth or more of the
        wanted frames are lost.
        """
        queue = sorted((int(index), which) for which, want in enumerate(wanted) for index in want.indices)
        self._need = {index for index, _ in queue}
        pictures: list[Any] = [None for _ in wanted]
        used: list[list[int]] = [[] for _ in wanted]
        done, exact, fault = 0, 0, ""
        held: tuple[int, Any] | None = None
        rotation = 0 if config.backend == "decord" else self.probe.rotation  # decord turns them itself

        def take(index: int, frame: Any, which: int) -> None:
            count = len(used[which])
            if count and used[which][-1] == index:
                picture = pictures[which][count - 1]
            else:
                picture = (rgb if wanted[which].colour else luma)(frame, wanted[which].size, rotation)
            if not count:
                pictures[which] = np.empty((len(wanted[which].indices), *picture.shape), np.uint8)
            pictures[which][count] = picture
            used[which].append(index)

        try:
            for index, frame in self._frames(config):
                while done < len(queue) and queue[done][0] <= index:
                    asked, which = queue[done]
                    late = self._times[index] - self._times[asked]
                    near = held and self._times[asked] - self._times[held[0]] <= late
                    take(*(held if held and near else (index, frame)), which)
                    exact += index == asked
                    done += 1
                held = index, frame
                if done == len(queue):
                    break
        except (av.error.FFmpegError, ValueError) as error:
            fault = reason(error)
        finally:
            self._container.close()
        if not held or (config.frames == "all" and exact < 0.9 * len(queue)):
            why = f" ({fault})" if fault else ""
            raise ClipError("decode_error", f"only {exact} of {len(queue)} frames could be decoded{why}")
        for _, which in queue[done:]:
            take(*held, which)
        return [Taken(taken, np.array(indices)) for taken, indices in zip(pictures, used, strict=True)]

    def _open(self, threads: int) -> Iterator[Any]:
        """Open the container for a decoder with so many threads; the frames that it will give."""
        self._container = _container(self.uri)
        self._stream = _video(self._container)
        self._stream.thread_count = threads
        if self._rough:
            self._stream.codec_context.options = {"skip_loop_filter": "all"}
        if threads != 1:
            self._stream.thread_type = "AUTO"
        return self._decode()

    def _decode(self) -> Iterator[Any]:
        """Frames in order; those that nobody needs, nor other frames refer to, are not decoded."""
        context, skips = self._stream.codec_context, "DEFAULT"
        for packet in self._container.demux(self._stream):
            index = self._index(packet.pts)
            whole = self._need is None or index is None or index in self._need
            if skips != (skip := "DEFAULT" if whole else "NONREF"):
                context.skip_frame = skips = skip
            yield from packet.decode()

    def _frames(self, config: DecodeConfig) -> Iterator[tuple[int, Any]]:
        """Decoded frames with their index in probe.times, by timestamp; by count where there is none."""
        if config.threads != 1:
            self._container.close()
            self._decoded = self._open(config.threads)
        if config.backend == "decord":
            yield from self._by_decord(config.threads)
            return
        if config.frames == "reference":
            self._need = ()
        if self.start_s:
            at = int((self.start_s + (self._zero or 0)) / self._stream.time_base)
            self._container.seek(at, stream=self._stream)
        for count, frame in enumerate(self._decoded):
            index = count if self._zero is None else self._index(frame.pts)
            if index is not None:
                yield index, frame

    def _by_decord(self, threads: int) -> Iterator[tuple[int, Any]]:
        """The frames needed, by decord, which counts them from the file's first. Raises ClipError."""
        try:
            import decord
        except ImportError:
            raise CallError(
                "decode.backend decord needs decord: pip install 'motionsight-distill[decord]'"
            ) from None
        before = 0
        if self.start_s:
            with _container(self.uri) as container:
                times, _, _ = _times(container, _video(container))
            before = int(np.count_nonzero(times < self.start_s - 1e-6))
        try:
            file = self.uri if is_local(self.uri) else io.BytesIO(read_bytes(self.uri))
            reader = decord.VideoReader(file, num_threads=threads)
            wanted = sorted(index for index in range(len(self._times)) if self._need and index in self._need)
            for at in range(0, len(wanted), DECORD_BATCH):
                some = wanted[at : at + DECORD_BATCH]
                pictures = reader.get_batch([before + index for index in some]).asnumpy()
                for index, picture in zip(some, pictures, strict=True):
                    yield index, av.VideoFrame.from_ndarray(picture, format="rgb24")
        except decord.DECORDError as error:
            why = str(error).splitlines()[0].rpartition("] ")[2]
            raise ClipError("decode_error", f"decord cannot read it ({why[:200]})") from error

    def _index(self, pts: int | None) -> int | None:
        """Which of the clip's frames is shown at a timestamp of the stream; None: none, or unknown."""
        if pts is None or self._zero is None:
            return None
        at = float(pts * self._stream.time_base) - self._zero - self.start_s
        right = min(max(bisect.bisect_left(self._times, at), 1), len(self._times) - 1)
        index = min(right - 1, right, key=lambda k: abs(self._times[k] - at))
        return index if abs(self._times[index] - at) < self._tolerance else None
