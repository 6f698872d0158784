"""A model's answers to the questions of a benchmark about one video, with the visual prompt that is tried."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, get_args

from filters.evidence import Evidence
from filters.vqascore import probability
from pipeline.isolation import Limits
from pipeline.schema import PREDICTIONS, empty_row
from stages.annotate.stage import Annotate, AnnotationConfig, seed_of
from stages.evaluate import choose
from stages.evaluate.benchmark import YES_NO, BenchmarkQuestion
from stages.evaluate.parse import letter, yes_or_no
from stages.models.actors import Handle
from stages.models.protocols import Reply
from stages.motionsight.prompt import VisualPrompt

Prompt = Literal["none", "spotlight", "crop", "background_blur", "motion_blur", "red_circle", "motionsight"]
PROMPTS: tuple[Prompt, ...] = get_args(Prompt)
ONE_LETTER = "Answer with the letter of the right option alone."
ONE_WORD = "Answer with Yes or No alone."


def with_prompt(config: AnnotationConfig, prompt: Prompt) -> AnnotationConfig:
    """The settings with this visual prompt for every question; motionsight: as the settings decide."""
    if prompt == "motionsight":
        return config
    made = config.prompt.model_copy(update={"object": prompt, "camera": prompt})
    return config.model_copy(update={"prompt": made})


def rows(items: Sequence[BenchmarkQuestion]) -> list[dict[str, Any]]:
    """A row for each video: its questions, and as clip_id a hash of all that its answers depend on."""
    by_clip: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        by_clip[item.video, item.start_s, item.end_s].append(asdict(item))
    made = []
    for (uri, start_s, end_s), asked in by_clip.items():
        told = json.dumps([uri, start_s, end_s, asked], ensure_ascii=False)
        key = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        made.append({"clip_id": key, "uri": uri, "start_s": start_s, "end_s": end_s, "items": asked})
    return made


class Predict:
    """A row of questions about a clip in, a row of `predictions` out."""

    table = "predictions"
    schema = PREDICTIONS

    def __init__(
        self,
        config: AnnotationConfig,
        handles: Mapping[str, Handle] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Arguments: those of `Annotate`; config: with its visual prompt."""
        self._annotate = Annotate(config, handles, limits)
        self._measures = config.mllm.backend == "kinematic"
        self._seed = config.annotate.seed

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        items = [BenchmarkQuestion(**item | {"options": tuple(item["options"])}) for item in row["items"]]
        seeds = [seed_of(row["clip_id"], item.question, self._seed) for item in items]
        answers, tokens = self.answers(row["uri"], row["start_s"], row["end_s"], items, seeds)
        return empty_row("predictions") | {"clip_id": row["clip_id"], "answers": answers, "tokens": tokens}

    def answers(
        self,
        uri: str,
        start_s: float | None,
        end_s: float | None,
        items: Sequence[BenchmarkQuestion],
        seeds: Sequence[int],
        form: str | None = None,
    ) -> tuple[list[dict[str, Any]], int]:
        """An answer to each question about a clip, as in `predictions`, and the tokens they took.

        form: how to answer, in place of a letter or a word. Raises ClipError.
        """
        seen, asked, spent = self._annotate.look(
            uri, start_s, end_s, [item.question for item in items], seeds
        )
        shown = [self._annotate.prompts(one.plan.category) for one in asked]
        if self._measures and all(item.options or item.right for item in items):
            _, plain = self._annotate.plain(seen)
            return [
                _measured(item, visible(one.referred.evidence, plain, names))
                for item, one, names in zip(items, asked, shown, strict=True)
            ], 0
        made: dict[Any, Any] = {}
        requests = [
            replace(
                self._annotate.request(
                    seen,
                    replace(one, text=item.text),
                    names,
                    made,
                    form or (ONE_LETTER if item.options else ONE_WORD),
                ),
                logprob_tokens=() if item.options or form else YES_NO,
            )
            for item, one, names in zip(items, asked, shown, strict=True)
            if not one.failed
        ]
        given = iter(self._annotate.mllm.generate(requests) if requests else [])
        replies = [one.failed or next(given) for one in asked]
        tokens = sum(reply.tokens for reply in (*spent, *replies))
        return [_said(item, reply) for item, reply in zip(items, replies, strict=True)], tokens


def visible(full: Evidence, plain: Evidence, shown: Sequence[VisualPrompt]) -> Evidence:
    """What may be known of a clip from its frames with these visual prompts.

    Motion blur tells of the camera, the prompts that point at objects tell of them; of the other, and with
    none, only what the baseline's plain frames tell.
    """
    camera = full.camera if "motion_blur" in shown else plain.camera
    points = full if set(shown) - {"none", "motion_blur"} else plain
    return replace(points, camera=camera)


def _measured(item: BenchmarkQuestion, evidence: Evidence) -> dict[str, Any]:
    if item.options:
        chosen = choose.choose(item.question, item.options, evidence)
        return _answer(item, chosen or "", chosen)
    score = choose.probability(item.question, evidence)
    chosen = None if score is None or score == 0.5 else "Yes" if score > 0.5 else "No"
    return _answer(item, chosen or "", chosen, score)


def _said(item: BenchmarkQuestion, reply: Reply) -> dict[str, Any]:
    if reply.error:
        return _answer(item, "", None, None, reply.error)
    if item.options:
        return _answer(item, reply.text, letter(reply.text, item.options))
    return _answer(item, reply.text, yes_or_no(reply.text), probability(reply))


def _answer(
    item: BenchmarkQuestion,
    text: str,
    chosen: str | None,
    score: float | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    return {"id": item.id, "answer": text, "letter": chosen, "score": score, "error": error}
