"""Look at a clip as MotionSight does: decode once, measure, refer, focus, and prepare the frames."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.camera.config import CameraConfig
from filters.camera.measure import measure
from filters.camera.naming import summarise
from filters.camera.statistics import statistics
from filters.evidence import CameraMotion, Evidence, Track
from filters.flow import FlowConfig, FlowEstimator, estimator
from pipeline.isolation import Isolated, Limits
from stages.models import vision
from stages.models.actors import Handle
from stages.models.detector.moving_regions import MovingRegionsConfig
from stages.models.protocols import Detector, Tracker, View
from stages.models.tracker.regions import FlowTrackerConfig
from stages.models.vision import DetectorConfig, TrackerConfig
from stages.motionsight.blur import BlurConfig, blur, kernel
from stages.motionsight.focus import FocusConfig, regions
from stages.motionsight.prompt import VisualPrompt
from stages.motionsight.spotlight import SpotlightConfig, spotlight
from stages.motionsight.variants import background_blur, crop, red_circle
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.masks import union
from stages.video.pixels import fitted
from stages.video.probe import middles, sample_times


class FramesConfig(BaseModel):
    """Which frames the model sees."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(16, ge=2, le=128, description="frames of a clip (paper: T = 16)")
    max_pixels: int = Field(360 * 420, ge=1024, description="largest frame (paper: 360*420)")


class LookConfig(BaseModel):
    """What looking at a clip depends on."""

    model_config = ConfigDict(extra="forbid")

    decode: DecodeConfig = DecodeConfig()
    flow: FlowConfig = FlowConfig()
    camera: CameraConfig = CameraConfig()
    frames: FramesConfig = FramesConfig()
    detector: DetectorConfig = MovingRegionsConfig()
    tracker: TrackerConfig = FlowTrackerConfig()
    focus: FocusConfig = FocusConfig()
    spotlight: SpotlightConfig = SpotlightConfig()
    blur: BlurConfig = BlurConfig()


@dataclass(frozen=True)
class Seen:
    """What was seen of a clip in one decoding pass.

    view: the shown frames (T, H, W, 3), their times, the clip's motion. blurred: the same frames with motion
    blur, or None. samples: luma (K, h, w) uint8 at sample_times (K,) seconds, near the shown frames.
    camera, numbers: the camera's motion and the clip's flow statistics. seconds: what each step took.
    """

    view: View
    blurred: np.ndarray | None
    samples: np.ndarray
    sample_times: np.ndarray
    duration_s: float
    camera: CameraMotion
    numbers: dict[str, float]
    seconds: dict[str, float]


@dataclass(frozen=True)
class Referred:
    """The objects that a question is about: their tracks, the regions (T, 4) of the action, the evidence."""

    tracks: list[Track]
    boxes: np.ndarray
    evidence: Evidence


def watch(uri: str, start_s: float | None, end_s: float | None, blurred: bool, config: LookConfig) -> Seen:
    """Decode a clip once and measure it. blurred: also blend the frames for motion blur. Raises ClipError."""
    took: dict[str, float] = {}
    weights = kernel(config.blur.frames, config.blur.decay) if blurred else np.ones(1)
    with timed(took, "decode"):
        clip = Clip(uri, start_s, end_s)
        probe = clip.probe
        sampled = sample_times(probe, config.decode.fps, config.decode.max_samples)
        shown = np.unique(middles(probe, config.frames.count))
        held = window_frames(shown, len(weights))
        size = within(probe.width, probe.height, config.frames.max_pixels)
        small = fitted(probe.width, probe.height, config.decode.size)
        exact = config.decode.model_copy(update={"frames": "all"})
        samples, pictures = (
            taken.pictures
            for taken in clip.read([Wanted(sampled, small, False), Wanted(held, size, True)], exact)
        )
    times = probe.times[sampled]
    with timed(took, "measure"):
        motion = measure(samples, times, _estimator(config.flow), config.camera)
        camera = summarise(motion, config.camera)
        numbers = statistics(motion)
    with timed(took, "enhance"):
        windows = windowed(pictures, held, shown, len(weights))
        frames = np.stack([window[0] for window in windows])
        smeared = np.stack([blur(window, weights) for window in windows]) if blurred else None
    ends = np.array([0, len(times) - 1])
    near = np.unique([*ends, *(int(np.abs(times - t).argmin()) for t in probe.times[shown])])
    view = View(frames, probe.times[shown], motion)
    return Seen(view, smeared, samples[near], times[near], probe.duration_s, camera, numbers, took)


class Looker:
    """Watches clips and refers to their objects; makes its detector and tracker once.

    handles: those of the models that run in actors, by role. named: whether the detector goes by names.
    watch: the function of this name, with the settings at hand.
    """

    def __init__(
        self,
        config: LookConfig,
        handles: Mapping[str, Handle] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """limits: watch in a child process, within them. Raises CallError when a model cannot be had."""
        self.config = config
        make = partial(partial, watch, config=config)
        self.watch: Callable[..., Seen] = (
            Isolated(make, limits, ["stages.motionsight.observe"]) if limits else make()
        )
        handles = handles or {}
        self.flow = _estimator(config.flow)
        self.detector: Detector = vision.detector(config.detector, handles.get("detector"))
        self.tracker: Tracker = vision.tracker(config.tracker, handles.get("tracker"))
        self.named = config.detector.backend != "moving_regions"

    def refer(self, seen: Seen, labels: Sequence[str] = ()) -> Referred:
        """Find the objects of these names, or all that move with a detector that cannot name."""
        config, view = self.config, seen.view
        with timed(seen.seconds, "refer"):
            tracks = self.tracker.track(view, self.detector.detect(view, labels))
        with timed(seen.seconds, "focus"):
            boxes = self.focus(seen, tracks)
        # Where one global motion does not explain the scene, what is left over is not an object's own motion.
        known = tracks if seen.camera.labels and seen.camera.fit >= config.camera.fit_min else []
        evidence = Evidence(
            *view.size,
            seen.duration_s,
            seen.camera,
            tuple(known),
            seen.numbers["object_area"],
            seen.numbers["flow_mean"],
        )
        return Referred(tracks, boxes, evidence)

    def focus(self, seen: Seen, tracks: Sequence[Track]) -> np.ndarray:
        """The regions (T, 4) of the action of these objects."""
        return regions([track.boxes for track in tracks], seen.view.times, seen.view.size, self.config.focus)

    def enhance(
        self, seen: Seen, boxes: np.ndarray, prompt: VisualPrompt, tracks: Sequence[Track] = ()
    ) -> np.ndarray:
        """The frames (T, H', W', 3) uint8 with a visual prompt.

        boxes: the regions (T, 4) of the action. tracks: the objects, whose masks count where they have any.

        Raises ValueError for motion_blur of a clip that was not watched for it.
        """
        frames = seen.view.frames
        match prompt:
            case "none":
                return frames
            case "spotlight":
                return spotlight(frames, boxes, self.config.spotlight.dim)
            case "motion_blur":
                if seen.blurred is None:
                    raise ValueError("the clip was watched without motion blur")
                return seen.blurred
            case "crop":
                return crop(frames, boxes)
            case "background_blur":
                masks = [track.masks for track in tracks if track.masks]
                return background_blur(frames, boxes, union(masks, frames.shape[:3]))
            case "red_circle":
                return red_circle(frames, boxes)


@cache
def _estimator(config: FlowConfig) -> FlowEstimator:
    return estimator(config)


@contextmanager
def timed(took: dict[str, float], step: str) -> Iterator[None]:
    """Add the seconds that the block takes to `took`."""
    began = time.perf_counter()
    yield
    took[step] = took.get(step, 0.0) + time.perf_counter() - began


def window_frames(shown: np.ndarray, depth: int) -> np.ndarray:
    """Rising indices of every frame in a window of `depth` frames that ends at one of `shown`."""
    return np.unique(np.concatenate([np.arange(max(0, k - depth + 1), k + 1) for k in shown]))


def windowed(pictures: np.ndarray, held: np.ndarray, shown: np.ndarray, depth: int) -> list[np.ndarray]:
    """Each window of `shown`, its newest frame first: views into pictures (N, ...) of frames held (N,)."""
    first, past = (np.searchsorted(held, ends, side="right") for ends in (shown - depth, shown))
    return [pictures[a:b][::-1] for a, b in zip(first, past, strict=True)]


def within(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The largest width and height, in even numbers and never enlarged, with at most `pixels` in all."""
    scale = min(1.0, (pixels / (width * height)) ** 0.5)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
