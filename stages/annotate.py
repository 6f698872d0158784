"""Annotate a clip: questions, MotionSight's enhanced frames, answers, and how far the answers hold."""

import hashlib
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.evidence import Evidence
from filters.motion_check import check
from filters.vqascore import AlignmentScorer, MllmAlignment, VqaScoreConfig
from pipeline.schema import ANNOTATIONS, empty_row
from stages.look import LookConfig, Looker, Seen
from stages.models import backends
from stages.models.backends import KinematicConfig, MllmConfig
from stages.models.base import Category, Detector, Mllm, Request, Tracker
from stages.motionsight import baseline
from stages.motionsight.answer import VisualPrompt, prompt, visual_prompts
from stages.motionsight.decouple import decouple
from stages.motionsight.grounding import grounding
from stages.motionsight.questions import choose


class PromptConfig(BaseModel):
    """What goes to the model with a question."""

    model_config = ConfigDict(extra="forbid")

    object: VisualPrompt = Field("spotlight", description="the frames of questions about objects")
    camera: VisualPrompt = Field("motion_blur", description="the frames of questions about the camera")
    evidence: bool = Field(
        False, description="add the measured camera rates and tracks as text (as FoundationMotion does)"
    )


class AnnotateConfig(BaseModel):
    """How clips are annotated."""

    model_config = ConfigDict(extra="forbid")

    questions: int = Field(2, ge=1, le=12, description="questions for each clip (paper: about two)")
    baseline_frames: int = Field(4, ge=2, le=64, description="plain frames for the baseline answer")
    seed: int = Field(0, description="varies questions and wording")


class AnnotationConfig(LookConfig):
    """What a row of `annotations` depends on.

    baseline: the model of the rejected side (paper: Tarsier2); None: the same model.
    """

    annotate: AnnotateConfig = AnnotateConfig()
    prompt: PromptConfig = PromptConfig()
    mllm: MllmConfig = KinematicConfig()
    baseline: MllmConfig | None = None
    vqascore: VqaScoreConfig = VqaScoreConfig()


class Annotate:
    """A row of `clips` in, a row of `annotations` out."""

    table = "annotations"
    schema = ANNOTATIONS

    def __init__(self, config: AnnotationConfig) -> None:
        self._config = config
        self.looker = Looker(config)
        self.mllm: Mllm = backends.mllm(config.mllm)
        self._baseline: Mllm = backends.mllm(config.baseline) if config.baseline else self.mllm
        self._alignment: AlignmentScorer | None = (
            MllmAlignment(self.mllm) if config.vqascore.backend == "mllm" else None
        )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        config = self._config
        asked = [
            (text, decouple(text))
            for text, _ in choose(row["clip_id"], config.annotate.questions, config.annotate.seed)
        ]
        prompts = [self.prompts(category) for _, category in asked]
        blurred = any("motion_blur" in names for names in prompts)
        seen = self.looker.look(row["uri"], row["start_s"], row["end_s"], blurred)
        frames = {name: self.looker.enhance(seen, name) for name in {n for names in prompts for n in names}}
        seeds = [seed_of(row["clip_id"], text, config.annotate.seed) for text, _ in asked]
        answers = self.mllm.generate(
            [
                self.request(text, category, seen, names, frames, seed)
                for (text, category), names, seed in zip(asked, prompts, seeds, strict=True)
            ]
        )
        few, plain = self._without(seen)
        pictures, times = seen.view.frames[few], seen.view.times[few]
        limits = config.baseline or config.mllm
        baselines = self._baseline.generate(
            [
                Request(
                    prompt(text, times),
                    text,
                    category,
                    pictures,
                    times,
                    plain,
                    seed + 1,
                    limits.max_tokens,
                    limits.temperature,
                )
                for (text, category), seed in zip(asked, seeds, strict=True)
            ]
        )
        good = [k for k, answer in enumerate(answers) if not answer.error]
        aligned: dict[int, float | None] = {}
        if self._alignment:
            texts = [answers[k].text for k in good]
            found = self._alignment(seen.view.frames, seen.view.times, texts)
            aligned = dict(zip(good, found, strict=True))
        failed = [answer for answer in answers if answer.error]
        qa = []
        for k, ((text, category), answer, other) in enumerate(zip(asked, answers, baselines, strict=True)):
            held, claims = check(answer.text, seen.evidence)
            qa.append(
                {
                    "question": text,
                    "category": category,
                    "answer": answer.text,
                    "baseline": None if other.error else other.text,
                    "vqascore": aligned.get(k),
                    "motion_check": held,
                    "baseline_check": check(other.text, seen.evidence)[0],
                    "claims": [str(claim) for claim, _ in claims],
                    "error": answer.error,
                }
            )
        notes = [] if seen.tracks else ["no_detection"]
        notes += ["no_baseline"] if any(other.error for other in baselines) else []
        models: dict[str, Mllm | Detector | Tracker] = {
            "mllm": self.mllm,
            "baseline": self._baseline,
            "detector": self.looker.detector,
            "tracker": self.looker.tracker,
        }
        return empty_row("annotations") | {
            "clip_id": row["clip_id"],
            "qa": qa,
            "times": seen.view.times.tolist(),
            "objects": [
                {
                    "label": track.label,
                    "boxes": nullable(track.boxes),
                    "scores": track.scores.tolist(),
                    "velocity": list(track.velocity),
                }
                for track in seen.tracks
            ],
            "regions": seen.boxes.tolist(),
            "models": [(role, f"{model.name} {model.version}") for role, model in models.items()],
            "notes": notes,
            # A clip without any answer has failed; with some, each question carries its own code.
            "error": failed[0].error if failed and not good else None,
            "error_detail": failed[0].detail if failed else None,
            "tokens": sum(reply.tokens for reply in (*answers, *baselines)),
        }

    def prompts(self, category: Category) -> tuple[VisualPrompt, ...]:
        """The visual prompts that a question of this category gets."""
        return visual_prompts(category, self._config.prompt.object, self._config.prompt.camera)

    def request(
        self,
        text: str,
        category: Category,
        seen: Seen,
        names: tuple[VisualPrompt, ...],
        frames: dict[VisualPrompt, np.ndarray],
        seed: int,
    ) -> Request:
        """A question with its enhanced frames and the evidence."""
        sizes = {frames[name].shape[1:] for name in names}
        # Frames of different sizes (a crop beside whole frames) go padded, at their own scale.
        pictures = np.concatenate([padded(frames[name], np.max(list(sizes), axis=0)) for name in names])
        times = np.tile(seen.view.times, len(names))
        words = prompt(text, seen.view.times, names)
        return Request(
            f"{grounding(seen.evidence)}\n{words}" if self._config.prompt.evidence else words,
            text,
            category,
            pictures,
            times,
            seen.evidence,
            seed,
            self._config.mllm.max_tokens,
            self._config.mllm.temperature,
        )

    def _without(self, seen: Seen) -> tuple[np.ndarray, Evidence]:
        """Which of the shown frames the baseline sees, and its evidence."""
        count, looker = len(seen.view.times), self.looker
        few = np.unique(np.linspace(0, count - 1, self._config.annotate.baseline_frames).round().astype(int))
        near = np.unique([int(np.abs(seen.sample_times - t).argmin()) for t in seen.view.times[few]])
        if len(near) < 2:
            near = np.array([0, len(seen.sample_times) - 1])
        return few, baseline.evidence(
            seen.samples[near],
            seen.sample_times[near],
            looker.flow,
            self._config.camera,
            seen.view.size,
            seen.evidence.duration_s,
        )


def padded(frames: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Frames (T, h, w, 3) uint8 with black added below and to the right, up to `shape` (H, W, 3)."""
    height, width = shape[0] - frames.shape[1], shape[1] - frames.shape[2]
    return np.pad(frames, ((0, 0), (0, height), (0, width), (0, 0))) if height or width else frames


def seed_of(clip_id: str, question: str, seed: int) -> int:
    """A seed that is the same wherever and whenever the question is asked of the clip."""
    return int.from_bytes(hashlib.sha256(f"{clip_id}\n{question}\n{seed}".encode()).digest()[:4], "big")


def nullable(boxes: np.ndarray) -> list[list[float] | None]:
    """Boxes (T, 4) as lists, None where unseen."""
    return [None if np.isnan(box).any() else box.tolist() for box in boxes]
