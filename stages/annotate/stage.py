"""Annotate a clip: questions, MotionSight's enhanced frames, answers, and how far the answers hold."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.evidence import Evidence
from filters.motion_check import check
from filters.vqascore import AlignmentScorer
from pipeline.errors import ClipError
from pipeline.isolation import Limits
from pipeline.ledger import Metered, Purse
from pipeline.schema import ANNOTATIONS, empty_row
from stages.annotate.questions import choose
from stages.models import backends
from stages.models.actors import Handle
from stages.models.alignment.registry import NoAlignmentConfig, VqaScoreConfig, alignment
from stages.models.backends import KinematicConfig, MllmConfig
from stages.models.protocols import Category, Detector, Mllm, Reply, Request, Tracker
from stages.motionsight import plain as baseline
from stages.motionsight.decouple import DecoupleConfig, decouple
from stages.motionsight.evidence_text import grounding
from stages.motionsight.observe import LookConfig, Looker, Referred, Seen
from stages.motionsight.prompt import DESCRIBE, VisualPrompt, moments, prompt, visual_prompts
from stages.motionsight.refer import Plan, names, plans, referring_prompt, schema

CATEGORIES: tuple[Category, ...] = get_args(Category)
TOKENS_PER_PLAN = 128  # of the reply, for each question: six names are some 40


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
    decouple: DecoupleConfig = DecoupleConfig()
    prompt: PromptConfig = PromptConfig()
    mllm: MllmConfig = KinematicConfig()
    baseline: MllmConfig | None = None
    vqascore: VqaScoreConfig = NoAlignmentConfig()


def placed(config: AnnotationConfig) -> dict[str, Any]:
    """The settings of every model, by role: those of them with an `actor` want to run in one."""
    return {role: getattr(config, role) for role in ("mllm", "baseline", "detector", "tracker", "vqascore")}


@dataclass(frozen=True)
class Asked:
    """A question, what it is about, and the objects found for it. failed: why it cannot be answered."""

    text: str
    seed: int
    plan: Plan
    referred: Referred
    failed: Reply | None = None


class Annotate:
    """A row of `clips` in, a row of `annotations` out."""

    table = "annotations"
    schema = ANNOTATIONS

    def __init__(
        self,
        config: AnnotationConfig,
        handles: Mapping[str, Handle] | None = None,
        limits: Limits | None = None,
        book: Any = None,
    ) -> None:
        """handles: of the models that run in actors, by role. limits: decode in a child process, within them.
        book: the handle of the ledger that says whether another clip may be begun.

        Raises CallError when a model cannot be had.
        """
        handles = handles or {}
        self._config = config
        self.looker = Looker(config, handles, limits)
        self._purse = Purse(book)
        self.mllm = Metered(backends.mllm(config.mllm, handles.get("mllm")), config.mllm, self._purse)
        self._baseline: Mllm = self.mllm
        if config.baseline:
            other = backends.mllm(config.baseline, handles.get("baseline"))
            self._baseline = Metered(other, config.baseline, self._purse)
        self._alignment: AlignmentScorer | None = alignment(
            config.vqascore, self.mllm, handles.get("vqascore")
        )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        with self._purse.clip(row["clip_id"]):
            try:
                done = self._annotated(row)
            except ClipError as error:  # what it took until then counts
                failed = {"clip_id": row["clip_id"], "error": error.code, "error_detail": error.detail}
                done = empty_row("annotations") | failed
            return done | self._purse.columns()

    def _annotated(self, row: dict[str, Any]) -> dict[str, Any]:
        settings = self._config.annotate
        texts = [text for text, _ in choose(row["clip_id"], settings.questions, settings.seed)]
        seeds = [seed_of(row["clip_id"], text, settings.seed) for text in texts]
        seen, asked, spent = self.look(row["uri"], row["start_s"], row["end_s"], texts, seeds)
        answers = self.answer(seen, asked)
        good = [k for k, answer in enumerate(answers) if not answer.error]
        baselines = dict(zip(good, self._without(seen, [asked[k] for k in good]), strict=True))
        scores: dict[int, float | None] = {}
        if self._alignment and good:
            found = self._alignment(seen.view.frames, seen.view.times, [answers[k].text for k in good])
            scores = dict(zip(good, found, strict=True))
        qa = []
        for k, (one, answer) in enumerate(zip(asked, answers, strict=True)):
            other = baselines.get(k, Reply(""))
            held, claims = check(answer.text, one.referred.evidence)
            qa.append(
                {
                    "question": one.text,
                    "category": one.plan.category,
                    "objects": list(one.plan.objects),
                    "answer": answer.text,
                    "baseline": other.text or None,
                    "vqascore": scores.get(k),
                    "motion_check": held,
                    "baseline_check": check(other.text, one.referred.evidence)[0],
                    "claims": [str(claim) for claim, _ in claims],
                    "error": answer.error,
                }
            )
        distinct = {id(one.referred): one.referred for one in asked}.values()
        tracks = [track for referred in distinct for track in referred.tracks]
        failed = next((answer for answer in answers if answer.error), None)
        notes = [] if tracks else ["no_detection"]
        notes += ["no_baseline"] if any(other.error for other in baselines.values()) else []
        models: dict[str, Mllm | Detector | Tracker | AlignmentScorer] = {
            "mllm": self.mllm,
            "baseline": self._baseline,
            "detector": self.looker.detector,
            "tracker": self.looker.tracker,
        }
        if self._alignment:
            models["vqascore"] = self._alignment
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
                for track in tracks
            ],
            "regions": self.looker.focus(seen, tracks).tolist(),
            "models": [(role, f"{model.name} {model.version}") for role, model in models.items()],
            "notes": notes,
            # A clip without any answer has failed; with some, each question carries its own code.
            "error": failed.error if failed and not good else None,
            "error_detail": failed.detail if failed else None,
            "tokens": sum(reply.tokens for reply in (*spent, *answers, *baselines.values())),
        }

    def look(
        self, uri: str, start_s: float | None, end_s: float | None, texts: Sequence[str], seeds: Sequence[int]
    ) -> tuple[Seen, list[Asked], list[Reply]]:
        """Watch a clip once, plan each question, and look for the objects of each distinct list once.

        Also returns the replies that the plans took. Raises ClipError.
        """
        config = self._config
        ruled = config.decouple.backend == "rules"
        categories = {decouple(text) for text in texts} if ruled else CATEGORIES
        blurred = any("motion_blur" in self.prompts(category) for category in categories)
        seen = self.looker.watch(uri, start_s, end_s, blurred)
        labels = names(config.decouple.labels) if self.looker.named else ()
        spent: list[Reply] = []
        planned: list[Plan | Reply] = [Plan(decouple(text), labels) for text in texts]
        if not ruled:
            planned = self._plan(texts, seen, spent)
        plans = [
            Plan(decouple(text)) if isinstance(plan, Reply) else plan
            for text, plan in zip(texts, planned, strict=True)
        ]
        wanted = [plan.objects if self.looker.named else () for plan in plans]
        referred = {labels: self.looker.refer(seen, labels) for labels in sorted(set(wanted))}
        asked = [
            Asked(text, seed, plan, referred[labels], made if isinstance(made, Reply) else None)
            for text, seed, plan, labels, made in zip(texts, seeds, plans, wanted, planned, strict=True)
        ]
        return seen, asked, spent

    def _plan(self, texts: Sequence[str], seen: Seen, spent: list[Reply]) -> list[Plan | Reply]:
        """A plan for each question, or the reply that should have held it.

        Asked of the model once for all questions, and one by one when that reply cannot be used.
        """
        times, count = seen.view.times, len(texts)
        text = f"{moments(times)}\n{referring_prompt(texts)}"
        (reply,) = self.mllm.generate(
            [
                Request(
                    text,
                    "\n".join(texts),
                    "both",
                    seen.view.frames,
                    times,
                    max_tokens=TOKENS_PER_PLAN * count,
                    json_schema=schema(count),
                )
            ]
        )
        spent.append(reply)
        if not reply.error:
            return [*plans(reply.text)]
        if reply.error == "mllm_bad_output" and count > 1:
            return [plan for text in texts for plan in self._plan([text], seen, spent)]
        return [reply] * count

    def prompts(self, category: Category) -> tuple[VisualPrompt, ...]:
        """The visual prompts that a question of this category gets."""
        return visual_prompts(category, self._config.prompt.object, self._config.prompt.camera)

    def answer(self, seen: Seen, asked: Sequence[Asked]) -> list[Reply]:
        """A reply to each question, in order; for one that has failed already, the reply it failed by."""
        made: dict[tuple[int, VisualPrompt], np.ndarray] = {}
        requests = [
            self.request(seen, one, self.prompts(one.plan.category), made) for one in asked if not one.failed
        ]
        replies = iter(self.mllm.generate(requests) if requests else [])
        return [one.failed or next(replies) for one in asked]

    def request(
        self,
        seen: Seen,
        one: Asked,
        shown: Sequence[VisualPrompt],
        made: dict[tuple[int, VisualPrompt], np.ndarray],
        form: str = DESCRIBE,
    ) -> Request:
        """A question with its enhanced frames; `made` keeps those that other questions of the clip share.

        form: the sentence that says how to answer.
        """
        config, referred = self._config, one.referred
        for name in shown:
            key = (id(referred), name)
            made[key] = (
                made[key] if key in made else self.looker.enhance(seen, referred.boxes, name, referred.tracks)
            )
        words = prompt(one.text, seen.view.times, shown, form)
        return Request(
            f"{words}\n{grounding(referred.evidence)}" if config.prompt.evidence else words,
            one.text,
            one.plan.category,
            together([made[id(referred), name] for name in shown]),
            np.tile(seen.view.times, len(shown)),
            referred.evidence,
            one.seed,
            config.mllm.max_tokens,
            config.mllm.temperature,
        )

    def plain(self, seen: Seen) -> tuple[np.ndarray, Evidence]:
        """Which of the shown frames the baseline gets, as indices, and what they alone would tell."""
        view = seen.view
        few = np.linspace(0, len(view.times) - 1, self._config.annotate.baseline_frames)
        few = np.unique(few.round().astype(int))
        near = np.unique([int(np.abs(seen.sample_times - t).argmin()) for t in view.times[few]])
        if len(near) < 2:
            near = np.array([0, len(seen.sample_times) - 1])
        return few, baseline.evidence(
            seen.samples[near],
            seen.sample_times[near],
            self.looker.flow,
            self._config.camera,
            view.size,
            seen.duration_s,
        )

    def _without(self, seen: Seen, asked: Sequence[Asked]) -> list[Reply]:
        """Replies of the baseline, which gets a few plain frames, and what they alone would tell."""
        if not asked:
            return []
        limits = self._config.baseline or self._config.mllm
        few, plain = self.plain(seen)
        pictures, times = seen.view.frames[few], seen.view.times[few]
        return self._baseline.generate(
            [
                Request(
                    prompt(one.text, times),
                    one.text,
                    one.plan.category,
                    pictures,
                    times,
                    plain,
                    one.seed + 1,
                    limits.max_tokens,
                    limits.temperature,
                )
                for one in asked
            ]
        )


def together(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Sets of frames (T, h, w, 3) one after the other, padded to one size, each at its own scale."""
    shape = np.max([frames.shape[1:] for frames in pictures], axis=0)
    return (
        pictures[0] if len(pictures) == 1 else np.concatenate([padded(frames, shape) for frames in pictures])
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
