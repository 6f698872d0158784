"""Answer a benchmark's questions about a clip, with the visual prompt under test."""

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
from pipeline.stage import Row
from stages.evaluate import choose
from stages.evaluate.benchmark import YES_NO, BenchmarkQuestion
from stages.evaluate.parse import letter, yes_or_no
from stages.models.actors import Handle
from stages.models.protocols import Reply
from stages.motionsight.prompt import VisualPrompt
from stages.motionsight.service import MotionSight, seed_of
from stages.motionsight.settings import MotionSightConfig
from stages.motionsight.stage import AskingStage

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
# A clip and the questions about it.
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
    """Return the settings with one visual prompt for all questions; `motionsight` leaves them unchanged."""
    if prompt == "motionsight":
        return config
    made = config.prompt.model_copy(update={"object": prompt, "camera": prompt})
    return config.model_copy(update={"prompt": made})


def rows(items: Sequence[BenchmarkQuestion]) -> list[Row]:
    """Group questions by clip.

    Returns:
        A row of ASKED for each clip; its clip_id is a hash of the clip and all its questions.
    """
    by_clip: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for item in items:
        by_clip[item.video, item.start_s, item.end_s].append(asdict(item))
    made = []
    for (uri, start_s, end_s), asked in by_clip.items():
        content = json.dumps([uri, start_s, end_s, asked], ensure_ascii=False)
        key = hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        made.append({"clip_id": key, "uri": uri, "start_s": start_s, "end_s": end_s, "items": asked})
    return made


class Evaluate(AskingStage):
    """Turns a row of ASKED into a row of `predictions`."""

    name = "evaluate"
    table = "predictions"
    schema = PREDICTIONS
    columns = tuple(name for name in ASKED.names if name != "clip_id")

    def __init__(
        self,
        config: MotionSightConfig,
        handles: Mapping[str, Handle] | None = None,
        limits: Limits | None = None,
        book: Any = None,
        seed: int = 0,
        plain_frames: int = 4,
    ) -> None:
        """Configure the stage.

        Args:
            config: Which models to use, and the visual prompt under test; see `with_prompt`.
            handles: As for `AskingStage`.
            limits: As for `AskingStage`.
            book: As for `AskingStage`.
            seed: Random seed for models that vary their wording.
            plain_frames: Number of frames that the describer sees without visual prompts.
        """
        super().__init__(config, handles, limits, book)
        self._seed, self._plain_frames = seed, plain_frames

    def work(self, row: Row) -> Row:
        """Answer all questions about one clip."""
        items = [BenchmarkQuestion(**item | {"options": tuple(item["options"])}) for item in row["items"]]
        seeds = [seed_of(row["clip_id"], item.question, self._seed) for item in items]
        clip = Clip(row["uri"], row["start_s"], row["end_s"])
        with self.purse.clip(row["clip_id"]):
            if self._config.mllm.measures and all(item.options or item.right for item in items):
                answers, tokens = measured(self.motionsight, clip, items, self._plain_frames), 0
            else:
                answers, tokens = predict(self.motionsight, clip, items, seeds)
        return empty_row("predictions") | {"clip_id": row["clip_id"], "answers": answers, "tokens": tokens}


class Clip(NamedTuple):
    """A part of a video.

    Attributes:
        uri: The video.
        start_s: Start of the clip, seconds; None: the start of the video.
        end_s: End of the clip, seconds; None: the end of the video.
    """

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
        clip: The clip that the questions are about.
        items: The questions.
        seeds: One seed for each question.
        form: The sentence that says how to answer; None: asks for a letter, or for Yes or No.

    Returns:
        An answer to each question, as in `predictions`, and the number of tokens that they took.

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
    """Choose answers by measurement, for the describer, which cannot answer with a letter.

    Args:
        motionsight: With the visual prompt under test, which decides which measurements may be used.
        clip: The clip that the questions are about.
        items: The questions.
        plain_frames: Number of frames that are seen without a visual prompt.

    Returns:
        An answer to each question, as in `predictions`.

    Raises:
        ClipError: The clip cannot be decoded.
    """
    inquiry = motionsight.inquire(*clip, [item.question for item in items], [0] * len(items))
    _, plain = motionsight.observer.plain(inquiry.observation, plain_frames)
    return [
        _measured(item, visible(one.grounding.evidence, plain, motionsight.prompts(one.plan.category)))
        for item, one in zip(items, inquiry.questions, strict=True)
    ]


def visible(full: Evidence, plain: Evidence, shown: Sequence[VisualPrompt]) -> Evidence:
    """Limit evidence to what frames with these visual prompts can show.

    Motion blur reveals the camera's motion, and prompts that point at objects reveal theirs. Anything else is
    known only as far as a few plain frames show it.

    Args:
        full: All measurements of the clip.
        plain: Measurements on a few plain frames.
        shown: The visual prompts.
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
