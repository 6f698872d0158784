"""Annotate a clip: questions, MotionSight's answers, baseline answers, and a check of both."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from filters.motion_check import check
from pipeline.errors import ClipError
from pipeline.isolation import Limits
from pipeline.schema import ANNOTATIONS, empty_row
from pipeline.stage import Row
from stages.annotate.questions import choose
from stages.models.actors import Handle
from stages.models.alignment.none import NoAlignmentConfig
from stages.models.backend import Backend
from stages.models.protocols import AlignmentScorer, Mllm, Model, Reply, Request
from stages.models.registry import AlignmentConfig, MllmConfig, alignment, mllm
from stages.motionsight.observe import plain_frames
from stages.motionsight.prompt import prompt
from stages.motionsight.service import GroundedQuestion, Inquiry, seed_of
from stages.motionsight.settings import MotionSightConfig
from stages.motionsight.stage import AskingStage


class AnnotateConfig(BaseModel):
    """How clips are annotated."""

    model_config = ConfigDict(extra="forbid")

    questions: int = Field(2, ge=1, le=12, description="questions per clip (paper: about two)")
    baseline_frames: int = Field(4, ge=2, le=64, description="plain frames that the baseline sees")
    seed: int = Field(0, description="random seed for the choice of questions and the wording of answers")


class AnnotationConfig(MotionSightConfig):
    """The settings that a row of `annotations` depends on."""

    annotate: AnnotateConfig = AnnotateConfig()
    baseline: MllmConfig | None = Field(
        None, description="model that gives the rejected answers (paper: Tarsier2); null: the same as mllm"
    )
    vqascore: AlignmentConfig = Field(
        NoAlignmentConfig(), description="model that scores how well an answer fits its clip"
    )

    def backends(self) -> dict[str, Backend | None]:
        """Return the settings of every model, by role; None for a role without a model of its own."""
        return self.own_backends() | {"baseline": self.baseline, "vqascore": self.vqascore}


class Annotate(AskingStage):
    """Turns a row of `clips` into a row of `annotations`.

    Attributes:
        baseline: The model of the rejected answers; None: the answering model.
        alignment: Scores answers; None: no scores.
    """

    name = "annotate"
    table = "annotations"
    schema = ANNOTATIONS

    _config: AnnotationConfig

    def __init__(
        self,
        config: AnnotationConfig | None = None,
        handles: Mapping[str, Handle] | None = None,
        limits: Limits | None = None,
        book: Any = None,
    ) -> None:
        """Configure the stage; as `AskingStage`, but by default with the embedded profile."""
        super().__init__(config or AnnotationConfig(), handles, limits, book)

    def setup(self) -> None:
        """Load the models.

        Raises:
            CallError: A model cannot be loaded as configured.
        """
        super().setup()
        config, handles = self._config, self._handles
        self.baseline: Mllm | None = None
        if config.baseline:
            self.baseline = mllm(config.baseline.shared_by(self.workers), handles.get("baseline"))
        self.alignment: AlignmentScorer | None = alignment(
            config.vqascore, self.motionsight.mllm, handles.get("vqascore")
        )

    def work(self, row: Row) -> Row:
        """Annotate one clip; a clip fails if none of its questions is answered."""
        with self.purse.clip(row["clip_id"]) as account:
            try:
                done = self._annotated(row)
            except ClipError as error:  # what the clip has cost until then is booked all the same
                failed = {"clip_id": row["clip_id"], "error": error.code, "error_detail": error.detail}
                done = empty_row("annotations") | failed
            return done | account.columns()

    def _annotated(self, row: Row) -> Row:
        settings = self._config.annotate
        texts = [text for text, _ in choose(row["clip_id"], settings.questions, settings.seed)]
        seeds = [seed_of(row["clip_id"], text, settings.seed) for text in texts]
        inquiry = self.motionsight.inquire(row["uri"], row["start_s"], row["end_s"], texts, seeds)
        answers, others, scores = self._replies(inquiry)
        good = [k for k, answer in enumerate(answers) if not answer.error]
        baselines = {k: others[k] for k in good}
        qa = [
            _qa(one, answer, baselines.get(k, Reply("")), scores.get(k))
            for k, (one, answer) in enumerate(zip(inquiry.questions, answers, strict=True))
        ]
        # A question that is not answered because too little is certain is no failure of the clip.
        failed = next((it for it in answers if it.error and it.error != "withheld"), None)
        tracked = self._tracked(inquiry)
        replies = (*inquiry.spent, *answers, *others.values())
        notes = [] if tracked["objects"] else ["no_detection"]
        notes += ["no_baseline"] if any(other.error for other in baselines.values()) else []
        return empty_row("annotations") | {
            "clip_id": row["clip_id"],
            "qa": qa,
            **tracked,
            "models": [(role, f"{model.name} {model.version}") for role, model in self._models().items()],
            "notes": notes,
            # A clip without any answer has failed; otherwise each question carries its own code.
            "error": failed.error if failed and not good else None,
            "error_detail": failed.detail if failed else None,
            "tokens": sum(reply.tokens for reply in replies),
            "thought_tokens": sum(reply.thought_tokens for reply in replies),
        }

    def _replies(self, inquiry: Inquiry) -> tuple[list[Reply], dict[int, Reply], dict[int, float | None]]:
        """Ask the models.

        Returns:
            The answers, the replies of the baseline, and the scores of answers, the latter two by number of
            the question.
        """
        with ThreadPoolExecutor(1) as thread:

            def beside(which: Sequence[int]) -> Future[dict[int, Reply]]:
                # The context says which clip the requests are charged to.
                return thread.submit(copy_context().run, self._without_prompts, inquiry, which)

            # Nearly all questions that have a plan get an answer: the baseline need not wait to see which.
            # A model that answers from measurements takes no time, and withholds what is uncertain.
            early = not self._config.mllm.measures
            planned = [k for k, one in enumerate(inquiry.questions) if not one.failed]
            others = beside(planned) if early else None
            answers = self.motionsight.answer(inquiry)
            good = [k for k, answer in enumerate(answers) if not answer.error]
            others = others or beside(good)
            scores: dict[int, float | None] = {}
            if self.alignment and good:
                view = inquiry.observation.view
                found = self.alignment(view.frames, view.times, [answers[k].text for k in good])
                scores = dict(zip(good, found, strict=True))
            return answers, others.result(), scores

    def _models(self) -> dict[str, Model]:
        own = self.motionsight.models
        models: dict[str, Model] = {"mllm": own["mllm"], "baseline": self.baseline or own["mllm"], **own}
        return models | ({"vqascore": self.alignment} if self.alignment else {})

    def _tracked(self, inquiry: Inquiry) -> Row:
        """Return the objects of all questions, as columns."""
        tracks, regions = self.motionsight.objects(inquiry)
        return {
            "times": inquiry.observation.view.times.tolist(),
            "objects": [
                {
                    "label": track.label,
                    "boxes": nullable(track.boxes),
                    "scores": track.scores.tolist(),
                    "velocity": list(track.velocity),
                }
                for track in tracks
            ],
            "regions": regions.tolist(),
        }

    def _without_prompts(self, inquiry: Inquiry, which: Sequence[int]) -> dict[int, Reply]:
        """Return the replies of the baseline, which gets a few plain frames and what they alone show.

        Args:
            inquiry: The questions.
            which: The numbers of those that are asked.
        """
        if not which:
            return {}
        settings = self._config.baseline or self._config.mllm
        view = inquiry.observation.view
        count, plain = self._config.annotate.baseline_frames, None
        few = plain_frames(view, count)
        if settings.measures:  # any other model sees the frames, and does not read measurements
            few, plain = self.motionsight.observer.plain(inquiry.observation, count)
        frames, times = view.frames[few], view.times[few]
        replies = (self.baseline or self.motionsight.mllm).generate(
            [
                Request(
                    prompt(one.text, times),
                    one.text,
                    one.plan.category,
                    frames,
                    times,
                    plain,
                    one.seed + 1,
                    settings.max_tokens,
                    settings.temperature,
                )
                for one in (inquiry.questions[k] for k in which)
            ]
        )
        return dict(zip(which, replies, strict=True))


def _qa(asked: GroundedQuestion, answer: Reply, baseline: Reply, vqascore: float | None) -> Row:
    """Return a question with its answers, as a struct of `qa`."""
    evidence = asked.grounding.evidence
    held, claims = check(answer.text, evidence)
    return {
        "question": asked.text,
        "category": asked.plan.category,
        "objects": list(asked.plan.objects),
        "answer": answer.text,
        "baseline": baseline.text or None,
        "vqascore": vqascore,
        "motion_check": held,
        "baseline_check": check(baseline.text, evidence)[0],
        "unjudged": sum(verdict is None for _, verdict in claims),
        "claims": [str(claim) for claim, _ in claims],
        "error": answer.error,
    }


def nullable(boxes: np.ndarray) -> list[list[float] | None]:
    """Convert boxes (T, 4) to lists, with None for a row that contains NaN."""
    return [None if np.isnan(box).any() else box.tolist() for box in boxes]
