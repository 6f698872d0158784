"""Annotate a clip: questions, MotionSight's enhanced frames, answers, and how far the answers hold."""

import hashlib
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.camera import CameraConfig, Motion, measure, statistics, summarise
from filters.evidence import Evidence, Track
from filters.flow import FlowConfig, estimator
from filters.motion_check import check
from pipeline.schema import ANNOTATIONS, empty_row
from stages.frames import Clip, DecodeConfig, Probe, Wanted, fitted, middles, sample_times
from stages.models.base import Category, Mllm, Request, View
from stages.models.flow_tracker import FlowTracker, FlowTrackerConfig
from stages.models.kinematic import KinematicMllm
from stages.models.moving_regions import MovingRegions, MovingRegionsConfig
from stages.motionsight import baseline
from stages.motionsight.answer import prompt
from stages.motionsight.blur import BlurConfig, blur, kernel
from stages.motionsight.decouple import decouple
from stages.motionsight.focus import FocusConfig, regions
from stages.motionsight.questions import choose
from stages.motionsight.spotlight import SpotlightConfig, spotlight


class MllmConfig(BaseModel):
    """Which multimodal model answers."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["kinematic"] = "kinematic"
    max_tokens: int = Field(256, ge=1)
    temperature: float = Field(0.0, ge=0)


class AnnotateConfig(BaseModel):
    """How clips are annotated."""

    model_config = ConfigDict(extra="forbid")

    questions: int = Field(2, ge=1, le=12, description="questions for each clip (paper: about two)")
    frames: int = Field(16, ge=2, le=128, description="frames the model sees (paper: T = 16)")
    max_pixels: int = Field(360 * 420, ge=1024, description="largest frame the model sees (paper: 360*420)")
    baseline_frames: int = Field(4, ge=2, le=64, description="plain frames for the baseline answer")
    seed: int = Field(0, description="varies questions and wording")
    mllm: MllmConfig = MllmConfig()
    detector: MovingRegionsConfig = MovingRegionsConfig()
    tracker: FlowTrackerConfig = FlowTrackerConfig()
    focus: FocusConfig = FocusConfig()
    spotlight: SpotlightConfig = SpotlightConfig()
    blur: BlurConfig = BlurConfig()


class Annotate:
    """A row of `clips` in, a row of `annotations` out."""

    table = "annotations"
    schema = ANNOTATIONS

    def __init__(
        self, decode: DecodeConfig, flow: FlowConfig, camera: CameraConfig, config: AnnotateConfig
    ) -> None:
        self._decode, self._camera, self._config = decode, camera, config
        self._flow = estimator(flow)
        self._mllm: Mllm = KinematicMllm()
        self._detector = MovingRegions(config.detector)
        self._tracker = FlowTracker(config.tracker)
        self._kernel = kernel(config.blur.frames, config.blur.decay)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        config = self._config
        asked = [(text, decouple(text)) for text, _ in choose(row["clip_id"], config.questions, config.seed)]
        blurred = any(category != "object" for _, category in asked)
        clip = Clip(row["uri"], row["start_s"], row["end_s"])
        probe = clip.probe
        sampled, shown, pictures, samples = self._read(clip, probe, blurred)
        motion = measure(samples, probe.times[sampled], self._flow, self._camera)
        frames = pictures[np.searchsorted(window_frames(shown, self._depth(blurred)), shown)]
        view = View(frames, probe.times[shown], motion)
        tracks = self._tracker.track(view, self._detector.detect(view, ()))
        measured = self._evidence(motion, tracks, view, probe)
        boxes = regions([track.boxes for track in tracks], view.times, view.size, config.focus)
        prepared = self._enhance(view, pictures, shown, boxes, {category for _, category in asked})
        seeds = [seed_of(row["clip_id"], text, config.seed) for text, _ in asked]
        plain, few = self._without(view, samples, probe.times[sampled], probe)
        answers = self._mllm.generate(
            [
                self._request(text, category, prepared[category], times_of(view, category), measured, seed)
                for (text, category), seed in zip(asked, seeds, strict=True)
            ]
        )
        baselines = self._mllm.generate(
            [
                Request(
                    prompt(text, None, view.times[few]),
                    text,
                    category,
                    frames[few],
                    view.times[few],
                    plain,
                    seed + 1,
                )
                for (text, category), seed in zip(asked, seeds, strict=True)
            ]
        )
        qa = []
        for (text, category), answer, other in zip(asked, answers, baselines, strict=True):
            held, claims = check(answer.text, measured)
            qa.append(
                {
                    "question": text,
                    "category": category,
                    "answer": answer.text,
                    "baseline": other.text,
                    "vqascore": None,
                    "motion_check": held,
                    "baseline_check": check(other.text, measured)[0],
                    "claims": [str(claim) for claim, _ in claims],
                    "error": None,
                }
            )
        return empty_row("annotations") | {
            "clip_id": row["clip_id"],
            "qa": qa,
            "times": view.times.tolist(),
            "objects": [
                {
                    "label": track.label,
                    "boxes": nullable(track.boxes),
                    "scores": track.scores.tolist(),
                    "velocity": list(track.velocity),
                }
                for track in tracks
            ],
            "regions": boxes.tolist(),
            "models": [
                (role, f"{model.name} {model.version}")
                for role, model in (
                    ("mllm", self._mllm),
                    ("detector", self._detector),
                    ("tracker", self._tracker),
                )
            ],
            "notes": [] if tracks else ["no_detection"],
            "tokens": sum(reply.tokens for reply in (*answers, *baselines)),
        }

    def _depth(self, blurred: bool) -> int:
        return self._config.blur.frames if blurred else 1

    def _read(
        self, clip: Clip, probe: Probe, blurred: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Indices of samples and of shown frames, pictures of all frames a blur needs, samples: one pass."""
        config = self._config
        sampled = sample_times(probe, self._decode.fps, self._decode.max_samples)
        shown = np.unique(middles(probe, config.frames))
        wanted = window_frames(shown, self._depth(blurred))
        size = within(probe.width, probe.height, config.max_pixels)
        small = fitted(probe.width, probe.height, self._decode.size)
        samples, pictures = clip.read(
            [Wanted(sampled, small, False), Wanted(wanted, size, True)], self._decode
        )
        return sampled, shown, pictures, samples

    def _evidence(self, motion: Motion, tracks: list[Track], view: View, probe: Probe) -> Evidence:
        camera = summarise(motion, self._camera)
        numbers = statistics(motion)
        # Where one global motion does not explain the scene, what is left over is not an object's own motion.
        known = tracks if camera.labels and camera.fit >= self._camera.fit_min else []
        return Evidence(
            *view.size, probe.duration_s, camera, tuple(known), numbers["object_area"], numbers["flow_mean"]
        )

    def _enhance(
        self,
        view: View,
        pictures: np.ndarray,
        shown: np.ndarray,
        boxes: np.ndarray,
        categories: set[Category],
    ) -> dict[Category, np.ndarray]:
        """By category, the frames that the model sees."""
        prepared: dict[Category, np.ndarray] = {}
        if categories & {"object", "both"}:
            prepared["object"] = spotlight(view.frames, boxes, self._config.spotlight.dim)
        if categories & {"camera", "both"}:
            held = window_frames(shown, len(self._kernel))
            prepared["camera"] = np.stack(
                [
                    blur(
                        pictures[np.searchsorted(held, window_frames(np.array([k]), len(self._kernel)))][
                            ::-1
                        ],
                        self._kernel,
                    )
                    for k in shown
                ]
            )
        if "both" in categories:
            prepared["both"] = np.concatenate([prepared["object"], prepared["camera"]])
        return prepared

    def _request(
        self,
        text: str,
        category: Category,
        frames: np.ndarray,
        times: np.ndarray,
        measured: Evidence,
        seed: int,
    ) -> Request:
        return Request(
            prompt(text, category, times),
            text,
            category,
            frames,
            times,
            measured,
            seed,
            self._config.mllm.max_tokens,
            self._config.mllm.temperature,
        )

    def _without(
        self, view: View, samples: np.ndarray, times: np.ndarray, probe: Probe
    ) -> tuple[Evidence, np.ndarray]:
        """The baseline's evidence, and which of the shown frames it sees."""
        few = np.unique(np.linspace(0, len(view.times) - 1, self._config.baseline_frames).round().astype(int))
        near = np.unique([int(np.abs(times - t).argmin()) for t in view.times[few]])
        if len(near) < 2:
            near = np.array([0, len(times) - 1])
        return (
            baseline.evidence(
                samples[near], times[near], self._flow, self._camera, view.size, probe.duration_s
            ),
            few,
        )


def window_frames(shown: np.ndarray, depth: int) -> np.ndarray:
    """Rising indices of every frame in a window of `depth` frames that ends at one of `shown`."""
    return np.unique(np.concatenate([np.arange(max(0, k - depth + 1), k + 1) for k in shown]))


def times_of(view: View, category: Category) -> np.ndarray:
    """Times of the frames of an enhancement: `both` shows every moment twice."""
    return np.concatenate([view.times, view.times]) if category == "both" else view.times


def within(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The largest width and height, in even numbers and never enlarged, with at most `pixels` in all."""
    scale = min(1.0, (pixels / (width * height)) ** 0.5)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


def seed_of(clip_id: str, question: str, seed: int) -> int:
    """A seed that is the same wherever and whenever the question is asked of the clip."""
    return int.from_bytes(hashlib.sha256(f"{clip_id}\n{question}\n{seed}".encode()).digest()[:4], "big")


def nullable(boxes: np.ndarray) -> list[list[float] | None]:
    """Boxes (T, 4) as lists, None where unseen."""
    return [None if np.isnan(box).any() else box.tolist() for box in boxes]
