"""What an answer costs the MLLM: calls, tokens of prompts, and those of them that are really computed.

On a vLLM engine with a tiny random model: tokens are counted as with a trained one of the same processor.
VLLM_PYTHON names the Python of an environment with vLLM; `make vllm-env` makes one in .venv-vllm.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from configs.settings import load
from stages.annotate.questions import choose
from stages.annotate.stage import AnnotationConfig
from stages.models.protocols import Mllm, Reply, Request
from stages.motionsight.decouple import decouple
from stages.motionsight.service import Inquiry, MotionSight
from tests.benchmarks.clips import varied
from tests.benchmarks.timing import Line, Tables, step
from tests.tiny import qwen2_5_vl
from tests.videos import SHARED
from tests.vllm_engine import settings

QUESTIONS = 3
HERE = Path(".venv-vllm/bin/python")


@dataclass
class Counted:
    """A model whose calls are counted, and whose plans, which are noise, are taken for sensible ones."""

    model: Mllm
    name: str = "counted"
    version: str = ""
    replies: list[Reply] = field(default_factory=list)

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        made = self.model.generate(requests)
        self.replies += made
        return [
            replace(reply, text=plan(request.question.splitlines()), error=None)
            if request.json_schema
            else reply
            for request, reply in zip(requests, made, strict=True)
        ]

    def spent(self) -> dict[str, int]:
        """Calls, tokens of their prompts, and tokens that were computed; counting begins anew."""
        replies, self.replies = self.replies, []
        read = sum(reply.prompt_tokens for reply in replies)
        return {
            "calls": len(replies),
            "prompt tokens": read,
            "prefilled tokens": read - sum(reply.cached_tokens for reply in replies),
        }


def plan(questions: Sequence[str]) -> str:
    """What a sensible model replies when it is asked for the plans of these questions."""
    return json.dumps({"plans": [{"about": decouple(text), "objects": ["person"]} for text in questions]})


def ours(motionsight: MotionSight, clip: Path) -> Inquiry:
    """Ask as `annotate` does: one call for the plans of all questions, one for each answer."""
    texts = [text for text, _ in choose(clip.stem, QUESTIONS, 0)]
    inquiry = motionsight.inquire(str(clip), None, None, texts, [0] * len(texts))
    motionsight.answer(inquiry)
    return inquiry


def official(motionsight: MotionSight, inquiry: Inquiry) -> None:
    """Ask as the official code does: two calls for each question, about frames made for it."""
    for question in inquiry.questions:
        motionsight.plan(inquiry.observation, [question.text])
        motionsight.answer(Inquiry(inquiry.observation, [question], []))


def run() -> Tables:
    python = os.environ.get("VLLM_PYTHON") or (str(HERE.absolute()) if HERE.exists() else "")
    if not python:
        print(
            "mllm: skipped, as there is no environment with vLLM; `make vllm-env` makes one", file=sys.stderr
        )
        return
    clips = sorted(SHARED.glob("*.mp4")) if SHARED.is_dir() else varied()[:5]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = qwen2_5_vl(Path(folder))
        overrides: dict[str, Any] = {
            "annotate": {"questions": QUESTIONS},
            "decouple": {"backend": "mllm"},
            "mllm": {**settings(checkpoint, python), "max_attempts": 1, "max_tokens": 32},
        }
        embedded = load("embedded").model_dump(include=set(AnnotationConfig.model_fields))
        config = AnnotationConfig.model_validate({**embedded, **overrides})
        with MotionSight.hosted(config) as motionsight:
            counted = motionsight.mllm = Counted(motionsight.mllm)
            spent = {"ours": dict[str, int](), "official": dict[str, int]()}
            for number, clip in enumerate(clips, 1):
                inquiry = ours(motionsight, clip)
                _add(spent["ours"], counted.spent())
                official(motionsight, inquiry)
                # It keeps no cache between calls: every token of every prompt is computed.
                calls = counted.spent()
                _add(spent["official"], calls | {"prefilled tokens": calls["prompt tokens"]})
                step(f"  {number} of {len(clips)} clips: {clip.name}")
    answers = QUESTIONS * len(clips)
    yield (
        f"the MLLM's work for an answer, {QUESTIONS} questions on each of {len(clips)} clips",
        [
            Line(
                f"{what}, {who}",
                count / answers,
                count / spent["official"][what],
                "official",
                f"<= {(1 + QUESTIONS) / QUESTIONS:.2f}" if (who, what) == ("ours", "calls") else "",
                "calls" if what == "calls" else "tokens",
            )
            for what in ("calls", "prompt tokens", "prefilled tokens")
            for who, count in ((who, told[what]) for who, told in spent.items())
        ],
    )


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count
