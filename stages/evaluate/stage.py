"""Answer a benchmark's questions about one video, with the visual prompt under test."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import pyarrow as pa

from filters.evidence import Evidence
from filters.vqascore import probability
from pipeline.isolation import Limits
from pipeline.schema import PREDICTIONS, empty_row
from pipeline.stage import Row, Stage
from stages.evaluate import choose
from stages.evaluate.benchmark import YES_NO, BenchmarkQuestion
from stages.evaluate.parse import letter, yes_or_no
from stages.models.actors import Handle
from stages.models.protocols import Reply
from stages.motionsight.prompt import VisualPrompt
from stages.motionsight.service import MotionSight, seed_of
from stages.motionsight.settings import MotionSightConfig

Prompt = Literal["none", "spotlight", "crop", "background_blur", "motion_blur", "red_circle", "motionsight"]
PROMPTS: tuple[Prompt, ...] = get_args(Prompt)
ONE_LETTER = "Answer with the letter of the right option alone."
ONE_WORD = "Answer with Yes or No alone."

QUESTION = pa.struct(
    [
        ("id", pa.string()),
        ("video", pa.string()),
        ("question", pa.string()),
        ("options", pa.list_(pa.string())),
        ("right", pa.string()),
        ("category", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
    ]
)
# A clip with the questions about it.
ASKED = pa.schema(
    [
        ("clip_id", pa.string()),
        ("uri", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("items", pa.list_(QUESTION)),
    ]
)


Config = TypeVar("Config", bound=MotionSightConfig)


def with_prompt(config: Config, prompt: Prompt) -> Config:
    """Return the settings with this visual prompt for every question; motionsight: as the settings decide."""
    if prompt == "motionsight":
        return config
    made = config.prompt.model_copy(update={"object": prompt, "camera": prompt})
    return config.model_copy(update={"prompt": made})


def rows(items: Sequence[BenchmarkQuestion]) -> list[Row]:
    """Gather the questions by clip.

    Returns:
        A row of ASKED for each clip, with a hash of all that its answers depend on as clip_id.
    """
    by_clip: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for item in items:
        by_clip[item.video, item.start_s, item.end_s].append(asdict(item))
    made = []
    for (uri, start_s, end_s), asked in by_clip.items():
        told = json.dumps([uri, start_s, end_s, asked], ensure_ascii=False)
        key = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        made.append({"clip_id": key, "uri": uri, "start_s": start_s, "end_s": end_s, "items": asked})
    return made


class Evaluate(Stage):
    """A row of ASKED in, a row of `predictions` out."""

    name = "evaluate"
    table = "predictions"
    schema = PREDICTIONS
    columns = tuple(name for name in ASKED.names if name != "clip_id")

    def __init__(
        self,
        config: MotionSightConfig,
        handles: Mapping[str, Handle] | None = None,
        limits: Limits | None = None,
        seed: int = 0,
        plain_frames: int = 4,
    ) -> None:
        """Describe the work.

        Args:
            config: Which models, and the visual prompt under test; see `with_prompt`.
            handles: Of the models that run in actors, by role.
            limits: Decode in a child process, within these limits; None: in this process.
            seed: Varies the wording of a model that has none of its own.
            plain_frames: How many frames a describer without visual prompts would see.
        """
        self._config, self._handles, self._limits = config, handles, limits
        self._seed, self._plain_frames = seed, plain_frames

    def setup(self) -> None:
        """Load the models. Raises CallError when one cannot be loaded as configured."""
        self._motionsight = MotionSight(self._config, self._handles, self._limits)

    def work(self, row: Row) -> Row:
        """Answer all questions about one clip."""
        items = [BenchmarkQuestion(**item | {"options": tuple(item["options"])}) for item in row["items"]]
        seeds = [seed_of(row["clip_id"], item.question, self._seed) for item in items]
        clip = Clip(row["uri"], row["start_s"], row["end_s"])
        if self._config.mllm.measures and all(item.options or item.right for item in items):
            answers, tokens = measured(self._motionsight, clip, items, self._plain_frames), 0
        else:
            answers, tokens = predict(self._motionsight, clip, items, seeds)
        return empty_row("predictions") | {"clip_id": row["clip_id"], "answers": answers, "tokens": tokens}


class Clip(NamedTuple):
    """A part of a video; start and end in seconds, None: those of the video."""

    uri: str
    start_s: float | None = None
    end_s: float | None = None


def predict(
    motionsight: MotionSight,
    clip: Clip,
    items: Sequence[BenchmarkQuestion],
    seeds: Sequence[int],
    form: str | None = None,
) -> tuple[list[Row], int]:
    """Put questions about one clip to the model.

    Args:
        motionsight: With the visual prompt under test.
        clip: What the questions are about.
        items: The questions.
        seeds: One for each.
        form: How to answer, in place of a letter or a word.

    Returns:
        An answer to each question, as in `predictions`, and the tokens that they took.

    Raises:
        ClipError: The clip cannot be decoded.
    """
    inquiry = motionsight.inquire(*clip, [item.question for item in items], seeds)
    requests = []
    for item, one in zip(items, inquiry.questions, strict=True):
        if not one.failed:
            how = form or (ONE_LETTER if item.options else ONE_WORD)
            request = motionsight.request(inquiry, replace(one, text=item.text), form=how)
            wanted = () if item.options or form else YES_NO
            requests.append(replace(request, logprob_tokens=wanted))
    replies = motionsight.generate(inquiry, requests)
    tokens = sum(reply.tokens for reply in (*inquiry.spent, *replies))
    return [_said(item, reply) for item, reply in zip(items, replies, strict=True)], tokens


def measured(
    motionsight: MotionSight, clip: Clip, items: Sequence[BenchmarkQuestion], plain_frames: int
) -> list[Row]:
    """Choose answers by the measurements, for the describer, which writes no letters.

    Args:
        motionsight: With the visual prompt under test, which decides what may be known of the clip.
        clip: What the questions are about.
        items: The questions.
        plain_frames: How many frames are seen without a visual prompt.

    Raises:
        ClipError: The clip cannot be decoded.
    """
    inquiry = motionsight.inquire(*clip, [item.question for item in items], [0] * len(items))
    _, plain = motionsight.plain(inquiry.observation, plain_frames)
    return [
        _measured(item, visible(one.grounding.evidence, plain, motionsight.prompts(one.plan.category)))
        for item, one in zip(items, inquiry.questions, strict=True)
    ]


def visible(full: Evidence, plain: Evidence, shown: Sequence[VisualPrompt]) -> Evidence:
    """Return what may be known of a clip from its frames with these visual prompts.

    Motion blur tells of the camera, the prompts that point at objects tell of them; of the other, and with
    none, only what a few plain frames tell.
    """
    camera = full.camera if "motion_blur" in shown else plain.camera
    points = full if set(shown) - {"none", "motion_blur"} else plain
    return replace(points, camera=camera)


def _measured(item: BenchmarkQuestion, evidence: Evidence) -> Row:
    if item.options:
        chosen = choose.choose(item.question, item.options, evidence)
        return _answer(item, chosen or "", chosen)
    score = choose.probability(item.question, evidence)
    chosen = None if score is None or score == 0.5 else "Yes" if score > 0.5 else "No"
    return _answer(item, chosen or "", chosen, score)


def _said(item: BenchmarkQuestion, reply: Reply) -> Row:
    if reply.error:
        return _answer(item, "", None, None, reply.error)
    if item.options:
        return _answer(item, reply.text, letter(reply.text, item.options))
    return _answer(item, reply.text, yes_or_no(reply.text), probability(reply.logprobs))


def _answer(
    item: BenchmarkQuestion,
    text: str,
    chosen: str | None,
    score: float | None = None,
    error: str | None = None,
) -> Row:
    return {"id": item.id, "answer": text, "letter": chosen, "score": score, "error": error}
