"""Answer a benchmark's questions about a clip, with the visual prompt under test."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import pyarrow as pa

from filters.evidence import Evidence
from filters.vqascore import probability
from pipeline.isolation import Limits
from pipeline.schema import PREDICTIONS, empty_row
from pipeline.stage import Row
from stages.evaluate import choose
from stages.evaluate.protocols.protocol import BenchmarkProtocol
from stages.evaluate.protocols.strict import STRICT
from stages.evaluate.question import YES_NO, BenchmarkQuestion
from stages.models.actors import Handle
from stages.models.protocols import Reply
from stages.motionsight.prompt import VisualPrompt
from stages.motionsight.service import GroundedQuestion, Inquiry, MotionSight, seed_of
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


@dataclass(frozen=True)
class Terms:
    """On which terms questions are put.

    Attributes:
        protocol: How they are put, and how replies are read.
        seed: Random seed for models that vary their wording.
        plain_frames: Number of frames that the describer sees without visual prompts.
    """

    protocol: BenchmarkProtocol = STRICT
    seed: int = 0
    plain_frames: int = 4


def with_protocol(config: Config, protocol: BenchmarkProtocol) -> Config:
    """Return the settings with the frames that a protocol fixes."""
    if not protocol.frames:
        return config
    return config.model_copy(update={"frames": config.frames.model_copy(update=dict(protocol.frames))})


def with_prompt(config: Config, prompt: Prompt) -> Config:
    """Return the settings with one visual prompt for all questions; `motionsight` leaves them unchanged."""
    if prompt == "motionsight":
        return config
    made = config.prompt.model_copy(update={"object": prompt, "camera": prompt})
    return config.model_copy(update={"prompt": made})


def to_ask(items: Sequence[BenchmarkQuestion], protocol: BenchmarkProtocol) -> list[BenchmarkQuestion]:
    """Return the questions that a protocol asks, about the part of the video that it shows."""
    asked = [item for item in items if protocol.asks_hidden or item.right is not None]
    return [replace(item, start_s=None, end_s=None) for item in asked] if protocol.whole_video else asked


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
        terms: Terms | None = None,
    ) -> None:
        """Configure the stage.

        Args:
            config: Which models to use, and the visual prompt under test; see `with_prompt`.
            handles: As for `AskingStage`.
            limits: As for `AskingStage`.
            book: As for `AskingStage`.
            terms: On which terms questions are put; None: the defaults.
        """
        super().__init__(config, handles, limits, book)
        self._terms = terms or Terms()

    def work(self, row: Row) -> Row:
        """Answer all questions about one clip."""
        items = [BenchmarkQuestion(**item | {"options": tuple(item["options"])}) for item in row["items"]]
        terms = self._terms
        seeds = [seed_of(row["clip_id"], item.question, terms.seed) for item in items]
        clip = Clip(row["uri"], row["start_s"], row["end_s"])
        with self.purse.clip(row["clip_id"]):
            if self._config.mllm.measures and all(item.options or item.right for item in items):
                answers, tokens = measured(self.motionsight, clip, items, terms), 0
            else:
                answers, tokens = predict(self.motionsight, clip, items, seeds, terms.protocol)
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
    protocol: BenchmarkProtocol = STRICT,
    form: str | None = None,
) -> tuple[list[Row], int]:
    """Put questions about one clip to the model.

    Args:
        motionsight: With the visual prompt under test.
        clip: The clip that the questions are about.
        items: The questions.
        seeds: One seed for each question.
        protocol: How they are put, and how replies are read.
        form: The sentence that says how to answer; None: asks for a letter, or for Yes or No.

    Returns:
        An answer to each question, as in `predictions`, and the number of tokens that they took.

    Raises:
        ClipError: The clip cannot be decoded.
    """
    inquiry = inquire(motionsight, clip, items, seeds, protocol)
    requests = []
    for item, one in zip(items, inquiry.questions, strict=True):
        if not one.failed:
            how = form or (ONE_LETTER if item.options else ONE_WORD)
            words = protocol.ask(item, len(inquiry.observation.view.times)) if protocol.ask else None
            shown = shown_to(motionsight, one, protocol.swap(item))
            request = motionsight.request(inquiry, replace(one, text=item.text), shown, how, words)
            wanted = () if item.options or form else YES_NO
            requests.append(replace(request, logprob_tokens=wanted))
    replies = motionsight.generate(inquiry, requests)
    tokens = sum(reply.tokens for reply in (*inquiry.spent, *replies))
    return [_said(item, reply, protocol) for item, reply in zip(items, replies, strict=True)], tokens


def inquire(
    motionsight: MotionSight,
    clip: Clip,
    items: Sequence[BenchmarkQuestion],
    seeds: Sequence[int],
    protocol: BenchmarkProtocol,
) -> Inquiry:
    """Observe a clip and ground the questions about it, which are about what the protocol says.

    Raises:
        ClipError: The clip cannot be decoded, or a model failed on it.
    """
    texts = [item.question for item in items]
    if not protocol.category:
        return motionsight.inquire(*clip, texts, seeds)
    categories = [protocol.category(item) for item in items]
    blurred = any("motion_blur" in motionsight.prompts(category) for category in categories)
    inquiry = motionsight.inquire_of(motionsight.observer.observe(*clip, blurred), texts, seeds)
    asked = [
        replace(one, plan=replace(one.plan, category=category))
        for one, category in zip(inquiry.questions, categories, strict=True)
    ]
    return replace(inquiry, questions=asked)


def shown_to(
    motionsight: MotionSight, question: GroundedQuestion, swap: Mapping[VisualPrompt, VisualPrompt]
) -> list[VisualPrompt]:
    """Return the visual prompts of a question, with those that stand in for others."""
    return [swap.get(name, name) for name in motionsight.prompts(question.plan.category)]


def measured(
    motionsight: MotionSight, clip: Clip, items: Sequence[BenchmarkQuestion], terms: Terms | None = None
) -> list[Row]:
    """Choose answers by measurement, for the describer, which cannot answer with a letter.

    Args:
        motionsight: With the visual prompt under test, which decides which measurements may be used.
        clip: The clip that the questions are about.
        items: The questions.
        terms: On which terms they are put; None: the defaults.

    Returns:
        An answer to each question, as in `predictions`, in the form that the protocol wants.

    Raises:
        ClipError: The clip cannot be decoded.
    """
    terms = terms or Terms()
    protocol = terms.protocol
    inquiry = inquire(motionsight, clip, items, [0] * len(items), protocol)
    _, plain = motionsight.observer.plain(inquiry.observation, terms.plain_frames)
    answers = []
    for item, one in zip(items, inquiry.questions, strict=True):
        shown = shown_to(motionsight, one, protocol.swap(item))
        answers.append(_measured(item, visible(one.grounding.evidence, plain, shown), protocol))
    return answers


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


def _measured(item: BenchmarkQuestion, evidence: Evidence, protocol: BenchmarkProtocol) -> Row:
    if item.options:
        chosen = choose.choose(item.question, item.options, evidence)
        return _answer(item, protocol.reply(item, chosen), chosen)
    score = choose.probability(item.question, evidence)
    chosen = None if score is None or score == 0.5 else "Yes" if score > 0.5 else "No"
    return _answer(item, protocol.reply(item, chosen), chosen, score)


def _said(item: BenchmarkQuestion, reply: Reply, protocol: BenchmarkProtocol) -> Row:
    if reply.error:
        return _answer(item, "", None, None, reply.error)
    accepted = protocol.read(reply.text, item).accepted
    score = None if item.options else probability(reply.logprobs)
    return _answer(item, reply.text, accepted[0] if len(accepted) == 1 else None, score)


def _answer(
    item: BenchmarkQuestion,
    text: str,
    chosen: str | None,
    score: float | None = None,
    error: str | None = None,
) -> Row:
    return {"id": item.id, "answer": text, "letter": chosen, "score": score, "error": error}
