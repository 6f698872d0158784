"""Observe a clip: decode it once, measure its motion, find its objects and prepare the frames."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from filters.camera.measure import Methods, measure
from filters.camera.naming import knows_objects, steadied, summarise
from filters.camera.second import second_opinion
from filters.camera.statistics import statistics
from filters.evidence import CameraMotion, Evidence, Track
from filters.flow.registry import estimator
from filters.points.registry import point_tracker
from filters.shots.registry import shot_detector
from pipeline.isolation import Isolated, Limits
from stages.models.actors import Handle
from stages.models.protocols import Detector, Tracker, View
from stages.models.registry import detector, tracker
from stages.motionsight import plain
from stages.motionsight.blur import blur, kernel
from stages.motionsight.focus import regions
from stages.motionsight.prompt import VisualPrompt
from stages.motionsight.settings import FramesConfig, ObserveConfig
from stages.motionsight.spotlight import spotlight
from stages.motionsight.variants import background_blur, crop, red_circle
from stages.video.frames import Clip, Wanted
from stages.video.look import CloserLook
from stages.video.masks import union
from stages.video.pixels import fitted
from stages.video.probe import Probe, middles, sample_times

LEAST_FRAMES, MOST_FRAMES = 4, 768  # at a rate; the limits of qwen-vl-utils


@dataclass(frozen=True)
class Observation:
    """Everything that one decoding pass over a clip yields.

    Attributes:
        view: The shown frames (T, H, W, 3) uint8 RGB, their times, and the clip's motion.
        blurred: The same frames with motion blur; None unless it was requested.
        samples: Luma (K, h, w) uint8 near the shown frames.
        sample_times: (K,) seconds.
        duration_s: Length of the clip, seconds.
        camera: The camera's motion.
        second: The camera's motion by a measurement that shares neither points nor fit with `camera`.
        numbers: The clip's flow statistics, by name.
        seconds: Wall time of each step, by name; later steps add theirs.
        scale: Width of the shown frames in widths of the video.
    """

    view: View
    blurred: np.ndarray | None
    samples: np.ndarray
    sample_times: np.ndarray
    duration_s: float
    camera: CameraMotion
    second: CameraMotion
    numbers: dict[str, float]
    seconds: dict[str, float]
    scale: float = 1.0


@dataclass(frozen=True)
class Grounding:
    """The objects that a question is about.

    Attributes:
        tracks: The objects, the most salient first.
        regions: (T, 4) float32 xyxy pixels, the region of the action in each shown frame.
        evidence: Measurements of the objects and of the camera.
    """

    tracks: list[Track]
    regions: np.ndarray
    evidence: Evidence


def observe(
    uri: str, start_s: float | None, end_s: float | None, blurred: bool, config: ObserveConfig
) -> Observation:
    """Decode a clip once and measure it.

    Args:
        uri: A path, a URL, or the member of a tar (`a.tar::b.mp4`).
        start_s: Start of the clip in the video, seconds; None: the start of the video.
        end_s: End of the clip, seconds; None: the end of the video.
        blurred: Whether to make the motion-blurred frames as well.
        config: Which frames to show, at what size, and how to measure them.

    Raises:
        ClipError: The clip cannot be decoded.
    """
    seconds: dict[str, float] = {}
    weights = kernel(config.blur.frames, config.blur.decay) if blurred else np.ones(1)
    with timed(seconds, "decode"):
        clip = Clip(uri, start_s, end_s)
        probe = clip.probe
        sampled = sample_times(probe, config.decode.fps, config.decode.max_samples)
        shown = shown_frames(probe, config.frames)
        held = window_frames(shown, len(weights))
        size = fit_within(probe.width, probe.height, config.frames.max_pixels)
        small = fitted(probe.width, probe.height, config.decode.size)
        exact = config.decode.model_copy(update={"frames": "all"})
        wanted = [Wanted(sampled, small, False), Wanted(held, size, True)]
        samples, pictures = (taken.pictures for taken in clip.read(wanted, exact))
    times = probe.times[sampled]
    with timed(seconds, "measure"):
        look = CloserLook(clip.source, start_s, end_s, config.decode.threads)
        methods = Methods(estimator(config.flow), shot_detector(config.shots), point_tracker(config.points))
        motion = measure(samples, times, methods, config.camera, look)
        camera, second = summarise(motion, config.camera), second_opinion(motion, config.camera)
        motion = steadied(motion, camera)
        numbers = statistics(motion)
    with timed(seconds, "enhance"):
        windows = windowed(pictures, held, shown, len(weights))
        frames = np.stack([window[0] for window in windows])
        smeared = np.stack([blur(window, weights) for window in windows]) if blurred else None
    ends = np.array([0, len(times) - 1])
    near = np.unique([*ends, *(int(np.abs(times - t).argmin()) for t in probe.times[shown])])
    view = View(frames, probe.times[shown], motion)
    return Observation(
        view,
        smeared,
        samples[near],
        times[near],
        probe.duration_s,
        camera,
        second,
        numbers,
        seconds,
        size[0] / probe.width,
    )


class Observer:
    """Observes clips and finds their objects; loads its detector and tracker once.

    Attributes:
        config: The settings.
        detector: Finds objects in single frames.
        tracker: Follows them through the clip.
        needs_labels: Whether the detector searches for objects by name.
    """

    def __init__(
        self,
        config: ObserveConfig,
        handles: Mapping[str, Handle] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Load the models.

        Args:
            config: What to observe, and with which models.
            handles: Handles of the models that run in actors, by role.
            limits: Limits of a child process that decodes; None: decode in this process.

        Raises:
            CallError: A model cannot be loaded as configured.
        """
        handles = handles or {}
        self.config = config
        make = partial(partial, _with, config)
        self._do: Callable[..., Any] = Isolated(make, limits, [__name__]) if limits else make()
        self.detector: Detector = detector(config.detector, handles.get("detector"))
        self.tracker: Tracker = tracker(config.tracker, handles.get("tracker"))
        self.needs_labels = config.detector.needs_labels

    def observe(self, uri: str, start_s: float | None, end_s: float | None, blurred: bool) -> Observation:
        """Observe a clip with this observer's settings; see the function `observe`."""
        return self._do(observe, uri, start_s, end_s, blurred)

    def plain(self, observation: Observation, count: int) -> tuple[np.ndarray, Evidence]:
        """Choose a few plain frames, as a model would see them without MotionSight.

        Args:
            observation: The clip.
            count: Number of frames, at most.

        Returns:
            Indices into the shown frames, and what can be measured on these frames alone.
        """
        view, times = observation.view, observation.sample_times
        few = plain_frames(view, count)
        near = np.unique([int(np.abs(times - t).argmin()) for t in view.times[few]])
        if len(near) < 2:
            near = np.array([0, len(times) - 1])
        samples = observation.samples[near]
        return few, self._do(_plain_evidence, samples, times[near], view.size, observation.duration_s)

    def interrupt(self) -> None:
        """Stop the observation in progress, from another thread; the thread waiting for it gets a ClipError.

        Does nothing unless observations run in a child process.
        """
        if isinstance(self._do, Isolated):
            self._do.interrupt()

    def ground(self, observation: Observation, labels: Sequence[str] = ()) -> Grounding:
        """Find the objects that a question is about.

        Args:
            observation: The clip.
            labels: Names to search for; ignored by a detector that finds whatever moves.

        Raises:
            ClipError: A model failed on this clip.
        """
        config, view = self.config, observation.view
        with timed(observation.seconds, "refer"):
            tracks = self.tracker.track(view, self.detector.detect(view, labels))
        with timed(observation.seconds, "focus"):
            boxes = self.focus(observation, tracks)
        told = knows_objects(observation.camera, config.camera)
        evidence = Evidence(
            *view.size,
            observation.duration_s,
            observation.camera,
            tuple(tracks if told else ()),
            observation.numbers["object_area"],
            observation.numbers["flow_mean"],
            observation.numbers["unexplained"],
            observation.second,
        )
        return Grounding(tracks, boxes, evidence)

    def focus(self, observation: Observation, tracks: Sequence[Track]) -> np.ndarray:
        """Return the regions (T, 4) float32 xyxy pixels in which these objects act."""
        view = observation.view
        boxes = [track.boxes for track in tracks]
        return regions(boxes, view.times, view.size, self.config.focus, observation.scale)

    def enhance(
        self,
        observation: Observation,
        boxes: np.ndarray,
        prompt: VisualPrompt,
        tracks: Sequence[Track] = (),
    ) -> np.ndarray:
        """Draw a visual prompt into the shown frames.

        Args:
            observation: The clip.
            boxes: (T, 4) xyxy pixels, the regions of the action.
            prompt: Which enhancement.
            tracks: The objects; background_blur uses their masks if there are any.

        Returns:
            (T, H', W', 3) uint8 RGB; only crop changes the size.

        Raises:
            ValueError: motion_blur was requested, but the clip was observed without it.
        """
        frames = observation.view.frames
        match prompt:
            case "none":
                return frames
            case "spotlight":
                return spotlight(frames, boxes, self.config.spotlight.dim)
            case "motion_blur":
                if observation.blurred is None:
                    raise ValueError("the clip was observed without motion blur")
                return observation.blurred
            case "crop":
                return crop(frames, boxes)
            case "background_blur":
                masks = [track.masks for track in tracks if track.masks]
                return background_blur(frames, boxes, union(masks, frames.shape[:3]), observation.scale)
            case "red_circle":
                return red_circle(frames, boxes)


def plain_frames(view: View, count: int) -> np.ndarray:
    """Return the indices of at most `count` of the shown frames, evenly spread."""
    return np.unique(np.linspace(0, len(view.times) - 1, count).round().astype(int))


def _with(config: ObserveConfig, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function with these settings: where clips are observed, the optical flow is loaded, once."""
    return function(*arguments, config=config)


def _plain_evidence(
    samples: np.ndarray,
    times: np.ndarray,
    size: tuple[int, int],
    duration_s: float,
    config: ObserveConfig,
) -> Evidence:
    return plain.evidence(samples, times, estimator(config.flow), config.camera, size, duration_s)


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Add the wall time of the block to `seconds[step]`."""
    began = time.perf_counter()
    yield
    seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - began


def shown_frames(probe: Probe, config: FramesConfig) -> np.ndarray:
    """Choose the frames that the model sees.

    With `fps`, their number is that of qwen-vl-utils: the length of the video times the rate, rounded down to
    an even number, and at least LEAST_FRAMES.

    Returns:
        (T,) int, indices into `probe.times`, ascending and distinct.
    """
    count = config.count
    if config.fps:
        seconds = len(probe.times) / probe.fps
        count = min(max(LEAST_FRAMES, int(seconds * config.fps) // 2 * 2), MOST_FRAMES, len(probe.times))
    if config.spread == "middles":
        return np.unique(middles(probe, count))
    return np.unique(np.linspace(0, len(probe.times) - 1, count).round().astype(int))


def window_frames(shown: np.ndarray, depth: int) -> np.ndarray:
    """Return, in ascending order, the index of each frame in a window of `depth` frames ending at `shown`.

    Args:
        shown: Indices of the frames at which the windows end.
        depth: Frames in a window.
    """
    return np.unique(np.concatenate([np.arange(max(0, k - depth + 1), k + 1) for k in shown]))


def windowed(pictures: np.ndarray, held: np.ndarray, shown: np.ndarray, depth: int) -> list[np.ndarray]:
    """Return the window that ends at each of `shown`, newest frame first, as views into `pictures`.

    Args:
        pictures: (N, ...) frames.
        held: (N,) their indices in the clip, ascending.
        shown: Indices of the frames at which the windows end.
        depth: Frames in a window; windows at the start of a clip are shorter.
    """
    first, past = (np.searchsorted(held, ends, side="right") for ends in (shown - depth, shown))
    return [pictures[a:b][::-1] for a, b in zip(first, past, strict=True)]


def fit_within(width: int, height: int, pixels: int) -> tuple[int, int]:
    """Scale a size down to at most `pixels` in total.

    Returns:
        Width and height, both even; never larger than the input.
    """
    scale = min(1.0, (pixels / (width * height)) ** 0.5)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
