"""MotionSight as one object: observe, plan, ground, prompt, request, answer (arXiv 2506.01674).

Everything that asks about a video (`annotate`, `ask`, `evaluate`, `serve`, lmms-eval) goes through it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np

from filters.evidence import Track
from pipeline.engine import EngineConfig
from pipeline.errors import RunError
from pipeline.isolation import Limits
from stages.models.actors import Handle, model_actors
from stages.models.protocols import Category, Mllm, Model, Reply, Request
from stages.models.registry import mllm
from stages.motionsight.decouple import bare, decouple
from stages.motionsight.evidence_text import evidence_text
from stages.motionsight.observe import Grounding, Observation, Observer, timed
from stages.motionsight.prompt import (
    DESCRIBE,
    TO_PERSON,
    VisualPrompt,
    heading,
    moments,
    prompt,
    visual_prompts,
)
from stages.motionsight.refer import QuestionPlan, names, plans, referring_prompt, schema
from stages.motionsight.settings import MotionSightConfig

CATEGORIES: tuple[Category, ...] = get_args(Category)
TOKENS_PER_PLAN = 128  # allowed in the reply per question; six names take about 40


@dataclass(frozen=True)
class GroundedQuestion:
    """A question, what it is about, and the objects found for it.

    Attributes:
        text: The question as it was asked.
        seed: Seed for models that vary their wording.
        plan: The kind of motion that it is about, and the names of its objects.
        grounding: Its objects, their regions and the measurements.
        failed: The failed planning reply, if the question cannot be answered for lack of a plan.
    """

    text: str
    seed: int
    plan: QuestionPlan
    grounding: Grounding
    failed: Reply | None = None


@dataclass(frozen=True)
class Inquiry:
    """Questions about one clip, ready to be put to a model.

    Attributes:
        observation: The clip.
        questions: In the order in which they were asked.
        spent: The replies of the planning calls, failed ones included.
    """

    observation: Observation
    questions: list[GroundedQuestion]
    spent: list[Reply]
    # Enhanced frames, shared between questions, by identity of the grounding and visual prompt.
    _enhanced: dict[tuple[int, VisualPrompt], np.ndarray] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Answer:
    """MotionSight's answer to one question about one video.

    Attributes:
        text: The answer.
        question: The question, what it was about, and the objects found for it.
        observation: The clip: camera motion, flow statistics, seconds of each step.
        shown: The visual prompts.
        request: The request to the model, with `request.frames` (N, H, W, 3) uint8 RGB at `request.times`
            and `request.prompt`.
        tokens: Tokens read and written, planning included.
    """

    text: str
    question: GroundedQuestion
    observation: Observation
    shown: tuple[VisualPrompt, ...]
    request: Request
    tokens: int


class MotionSight:
    """Answers questions about the motion in videos.

    Attributes:
        config: The settings.
        observer: Decodes and measures clips, and finds their objects.
        mllm: The model that answers.
    """

    def __init__(
        self,
        config: MotionSightConfig | None = None,
        handles: Mapping[str, Handle] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Load the models.

        Args:
            config: Which models to use and how to prepare frames; None: the embedded profile, which needs no
                weights. The result of `configs.settings.load("openai")` can be passed here.
            handles: Handles of the models that run in actors, by role; see `hosted`.
            limits: Limits of a child process that decodes; None: decode in this process.

        Raises:
            CallError: A model cannot be loaded as configured.
        """
        self.config = config or MotionSightConfig()
        handles = handles or {}
        self.observer = Observer(self.config, handles, limits)
        self.mllm: Mllm = mllm(self.config.mllm, handles.get("mllm"))

    @classmethod
    @contextmanager
    def hosted(
        cls,
        config: MotionSightConfig,
        engine: EngineConfig | None = None,
        limits: Limits | None = None,
    ) -> "Iterator[MotionSight]":
        """Run the models that are configured to have actors for the duration of a `with` block.

        Args:
            config: Which models to use and how to prepare frames.
            engine: The cluster; None: the default settings.
            limits: Limits of a child process that decodes; None: decode in this process.

        Yields:
            An instance that uses these actors.

        Raises:
            CallError: A model cannot be loaded as configured.
            RunError: A model's actor cannot be started.
        """
        with model_actors(config.own_backends(), engine) as handles:
            yield cls(config, handles, limits)

    def ask(
        self,
        uri: str,
        question: str,
        start_s: float | None = None,
        end_s: float | None = None,
        seed: int | None = None,
    ) -> Answer:
        """Answer one question about one video.

        Args:
            uri: A path, a URL (s3://, gs://, https://), or the member of a tar (`a.tar::b.mp4`).
            question: In plain language.
            start_s: Start of the clip in the video, seconds; None: the start of the video.
            end_s: End of the clip, seconds; None: the end of the video.
            seed: Seed for models that vary their wording; None: derived from uri and question.

        Raises:
            ClipError: The video cannot be decoded, or a model failed on it.
            RunError: The model gives no answer.
        """
        seed = seed_of(uri, question) if seed is None else seed
        inquiry = self.inquire(uri, start_s, end_s, [question], [seed])
        (asked,) = inquiry.questions
        shown = self.prompts(asked.plan.category)
        with timed(inquiry.observation.seconds, "enhance"):
            request = replace(self.request(inquiry, asked, shown, TO_PERSON), to_person=True)
        with timed(inquiry.observation.seconds, "answer"):
            reply = asked.failed or self.mllm.generate([request])[0]
        if reply.error:
            raise RunError(f"{self.mllm.name} gave no answer: {reply.detail} ({reply.error})")
        tokens = sum(each.tokens for each in (*inquiry.spent, reply))
        return Answer(reply.text, asked, inquiry.observation, shown, request, tokens)

    def inquire(
        self,
        uri: str,
        start_s: float | None,
        end_s: float | None,
        questions: Sequence[str],
        seeds: Sequence[int],
    ) -> Inquiry:
        """Observe a clip once, plan each question, and ground each distinct list of objects once.

        Args:
            uri: As in `ask`.
            start_s: As in `ask`.
            end_s: As in `ask`.
            questions: Questions about this clip.
            seeds: One seed for each question.

        Raises:
            ClipError: The clip cannot be decoded, or a model failed on it.
        """
        return self.inquire_of(self.observe(uri, start_s, end_s, questions), questions, seeds)

    def inquire_of(self, observation: Observation, questions: Sequence[str], seeds: Sequence[int]) -> Inquiry:
        """Plan each question about a clip, and ground each distinct list of objects once.

        Args:
            observation: The clip, observed for these questions.
            questions: Questions about this clip.
            seeds: One seed for each question.

        Raises:
            ClipError: A model failed on this clip.
        """
        planned, spent = self.plan(observation, questions)
        known = [
            QuestionPlan(decouple(text)) if isinstance(plan, Reply) else plan
            for text, plan in zip(questions, planned, strict=True)
        ]
        wanted = [plan.objects if self.observer.needs_labels else () for plan in known]
        found = {labels: self.observer.ground(observation, labels) for labels in sorted(set(wanted))}
        asked = [
            GroundedQuestion(text, seed, plan, found[labels], made if isinstance(made, Reply) else None)
            for text, seed, plan, labels, made in zip(questions, seeds, known, wanted, planned, strict=True)
        ]
        return Inquiry(observation, asked, spent)

    def observe(
        self, uri: str, start_s: float | None, end_s: float | None, questions: Sequence[str]
    ) -> Observation:
        """Decode and measure a clip, with motion-blurred frames if one of these questions may need them."""
        ruled = self.config.decouple.backend == "rules"
        categories = {decouple(text) for text in questions} if ruled else CATEGORIES
        blurred = any("motion_blur" in self.prompts(category) for category in categories)
        return self.observer.observe(uri, start_s, end_s, blurred)

    def plan(
        self, observation: Observation, questions: Sequence[str]
    ) -> tuple[list[QuestionPlan | Reply], list[Reply]]:
        """Decide what each question is about and which objects it concerns.

        Returns:
            For each question its plan, or the failed reply in place of one; and the replies of all planning
            calls.
        """
        settings = self.config.decouple
        if settings.backend == "rules":
            labels = names(settings.labels) if self.observer.needs_labels else ()
            return [QuestionPlan(decouple(text), labels) for text in questions], []
        spent: list[Reply] = []
        return self._planned(observation, [bare(text) for text in questions], spent), spent

    def _planned(
        self, observation: Observation, questions: Sequence[str], spent: list[Reply]
    ) -> list[QuestionPlan | Reply]:
        """Ask the model once for all questions, or one by one if that reply is unusable."""
        view, count = observation.view, len(questions)
        request = Request(
            f"{moments(view.times)}\n{referring_prompt(questions)}",
            "\n".join(questions),
            "both",
            view.frames,
            view.times,
            max_tokens=TOKENS_PER_PLAN * count,
            json_schema=schema(count),
        )
        (reply,) = self.mllm.generate([request])
        spent.append(reply)
        if not reply.error:
            return [*plans(reply.text)]
        if reply.error == "mllm_bad_output" and count > 1:
            return [plan for text in questions for plan in self._planned(observation, [text], spent)]
        return [reply] * count

    def prompts(self, category: Category) -> tuple[VisualPrompt, ...]:
        """Return the visual prompts that a question of this category gets."""
        return visual_prompts(category, self.config.prompt.object, self.config.prompt.camera)

    def request(
        self,
        inquiry: Inquiry,
        question: GroundedQuestion,
        shown: Sequence[VisualPrompt] | None = None,
        form: str = DESCRIBE,
        verbatim: str | None = None,
    ) -> Request:
        """Build the request that puts a question and its enhanced frames to the model.

        Args:
            inquiry: The inquiry that the question belongs to; its questions share enhanced frames.
            question: One of its questions, possibly reworded.
            shown: The visual prompts; None: those of the question's category.
            form: The sentence that says how to answer.
            verbatim: The text to put in place of question and form; None: these. With plain frames it is all
                that the model reads.
        """
        config, grounding, observation = self.config, question.grounding, inquiry.observation
        shown = self.prompts(question.plan.category) if shown is None else tuple(shown)
        made = inquiry._enhanced
        for name in shown:
            key = (id(grounding), name)
            if key not in made:
                made[key] = self.observer.enhance(observation, grounding.regions, name, grounding.tracks)
        times = observation.view.times
        if verbatim is None:
            words = prompt(question.text, times, shown, form)
        else:
            words = verbatim if shown == ("none",) else f"{heading(times, shown)}\n\n{verbatim}"
        return Request(
            f"{words}\n{evidence_text(grounding.evidence)}" if config.prompt.evidence else words,
            question.text,
            question.plan.category,
            together([made[id(grounding), name] for name in shown]),
            np.tile(times, len(shown)),
            grounding.evidence,
            question.seed,
            config.mllm.max_tokens,
            config.mllm.temperature,
        )

    def answer(self, inquiry: Inquiry) -> list[Reply]:
        """Answer all questions in one call of the model.

        Returns:
            A reply to each question, in order; the failed planning reply for a question without a plan.
        """
        return self.generate(inquiry, [self.request(inquiry, one) for one in self.answerable(inquiry)])

    @staticmethod
    def answerable(inquiry: Inquiry) -> list[GroundedQuestion]:
        """Return the questions that have a plan."""
        return [one for one in inquiry.questions if not one.failed]

    def generate(self, inquiry: Inquiry, requests: Sequence[Request]) -> list[Reply]:
        """Send one request for each answerable question; the replies are those of `answer`."""
        replies = iter(self.mllm.generate(requests) if requests else [])
        return [one.failed or next(replies) for one in inquiry.questions]

    @property
    def models(self) -> dict[str, Model]:
        """The models at work, by role."""
        return {"mllm": self.mllm, "detector": self.observer.detector, "tracker": self.observer.tracker}

    @property
    def needs_labels(self) -> bool:
        """Whether the detector looks for objects by name."""
        return self.observer.needs_labels

    def interrupt(self) -> None:
        """Stop the decoding in progress, from another thread; see `Observer.interrupt`."""
        self.observer.interrupt()

    def objects(self, inquiry: Inquiry) -> tuple[list[Track], np.ndarray]:
        """Gather the objects of all questions.

        Returns:
            Their tracks, and the regions (T, 4) float32 xyxy pixels of their action taken together.
        """
        distinct = {id(one.grounding): one.grounding for one in inquiry.questions}.values()
        tracks = [track for grounding in distinct for track in grounding.tracks]
        return tracks, self.observer.focus(inquiry.observation, tracks)


def together(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate sets of frames (T, h, w, 3) uint8, padded to a common size but not rescaled."""
    if len(pictures) == 1:
        return pictures[0]
    shape = np.max([frames.shape[1:] for frames in pictures], axis=0)
    return np.concatenate([padded(frames, shape) for frames in pictures])


def padded(frames: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Pad frames (T, h, w, 3) uint8 with black, below and on the right, to `shape` (H, W, 3)."""
    height, width = shape[0] - frames.shape[1], shape[1] - frames.shape[2]
    return np.pad(frames, ((0, 0), (0, height), (0, width), (0, 0))) if height or width else frames


def seed_of(clip_id: str, question: str, seed: int = 0) -> int:
    """Derive a seed from clip, question and base seed: the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256(f"{clip_id}\n{question}\n{seed}".encode()).digest()[:4], "big")
