"""Look at a clip as MotionSight does: decode once, measure, refer, focus, and prepare the frames."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.camera import CameraConfig, measure, statistics, summarise
from filters.evidence import Evidence, Track
from filters.flow import FlowConfig, FlowEstimator, estimator
from stages.frames import Clip, DecodeConfig, Wanted, fitted, middles, sample_times
from stages.models.base import View
from stages.models.flow_tracker import FlowTracker, FlowTrackerConfig
from stages.models.moving_regions import MovingRegions, MovingRegionsConfig
from stages.motionsight.answer import VisualPrompt
from stages.motionsight.blur import BlurConfig, blur, kernel
from stages.motionsight.focus import FocusConfig, regions
from stages.motionsight.spotlight import SpotlightConfig, spotlight
from stages.motionsight.variants import background_blur, crop, red_circle


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
    detector: MovingRegionsConfig = MovingRegionsConfig()
    tracker: FlowTrackerConfig = FlowTrackerConfig()
    focus: FocusConfig = FocusConfig()
    spotlight: SpotlightConfig = SpotlightConfig()
    blur: BlurConfig = BlurConfig()


@dataclass
class Seen:
    """What was seen of a clip.

    view: the shown frames (T, H, W, 3), their times. samples: (N, h, w) uint8 at sample_times (N,) seconds.
    windows: for each shown frame the frames up to it, newest first, (K, H, W, 3); K is 1 without blur.
    tracks, boxes: the objects, and the regions (T, 4) of the action. seconds: what each step took.
    """

    view: View
    samples: np.ndarray
    sample_times: np.ndarray
    windows: list[np.ndarray]
    tracks: list[Track]
    boxes: np.ndarray
    evidence: Evidence
    seconds: dict[str, float] = field(default_factory=dict)


class Looker:
    """Looks at clips; makes its flow estimator, detector and tracker once."""

    def __init__(self, config: LookConfig) -> None:
        self.config = config
        self.flow: FlowEstimator = estimator(config.flow)
        self.detector = MovingRegions(config.detector)
        self.tracker = FlowTracker(config.tracker)
        self._kernel = kernel(config.blur.frames, config.blur.decay)

    def look(self, uri: str, start_s: float | None, end_s: float | None, blurred: bool) -> Seen:
        """Decode a clip once and find what moves. blurred: also read the frames that motion blur needs.

        Raises ClipError.
        """
        took: dict[str, float] = {}
        with timed(took, "decode"):
            clip = Clip(uri, start_s, end_s)
            probe = clip.probe
            sampled = sample_times(probe, self.config.decode.fps, self.config.decode.max_samples)
            shown = np.unique(middles(probe, self.config.frames.count))
            held = window_frames(shown, len(self._kernel) if blurred else 1)
            size = within(probe.width, probe.height, self.config.frames.max_pixels)
            small = fitted(probe.width, probe.height, self.config.decode.size)
            samples, pictures = clip.read(
                [Wanted(sampled, small, False), Wanted(held, size, True)], self.config.decode
            )
        times = probe.times[sampled]
        with timed(took, "measure"):
            motion = measure(samples, times, self.flow, self.config.camera)
            camera = summarise(motion, self.config.camera)
            numbers = statistics(motion)
        depth = len(self._kernel) if blurred else 1
        windows = [pictures[(held <= k) & (held > k - depth)][::-1] for k in shown]
        view = View(np.stack([window[0] for window in windows]), probe.times[shown], motion)
        with timed(took, "refer"):
            tracks = self.tracker.track(view, self.detector.detect(view, ()))
        with timed(took, "focus"):
            boxes = regions([track.boxes for track in tracks], view.times, view.size, self.config.focus)
        # Where one global motion does not explain the scene, what is left over is not an object's own motion.
        known = tracks if camera.labels and camera.fit >= self.config.camera.fit_min else []
        evidence = Evidence(
            *view.size,
            probe.duration_s,
            camera,
            tuple(known),
            numbers["object_area"],
            numbers["flow_mean"],
        )
        return Seen(view, samples, times, windows, tracks, boxes, evidence, took)

    def enhance(self, seen: Seen, prompt: VisualPrompt) -> np.ndarray:
        """The frames (T, H', W', 3) uint8 with a visual prompt; motion_blur needs a look that read for it."""
        frames = seen.view.frames
        match prompt:
            case "none":
                return frames
            case "spotlight":
                return spotlight(frames, seen.boxes, self.config.spotlight.dim)
            case "motion_blur":
                return np.stack([blur(window, self._kernel) for window in seen.windows])
            case "crop":
                return crop(frames, seen.boxes)
            case "background_blur":
                return background_blur(frames, seen.boxes)
            case "red_circle":
                return red_circle(frames, seen.boxes)


@contextmanager
def timed(took: dict[str, float], step: str) -> Iterator[None]:
    """Add the seconds that the block takes to `took`."""
    began = time.perf_counter()
    yield
    took[step] = took.get(step, 0.0) + time.perf_counter() - began


def window_frames(shown: np.ndarray, depth: int) -> np.ndarray:
    """Rising indices of every frame in a window of `depth` frames that ends at one of `shown`."""
    return np.unique(np.concatenate([np.arange(max(0, k - depth + 1), k + 1) for k in shown]))


def within(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The largest width and height, in even numbers and never enlarged, with at most `pixels` in all."""
    scale = min(1.0, (pixels / (width * height)) ** 0.5)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
