"""MotionSight as a model for lmms-eval, which finds it through the entry point in pyproject.toml.

python -m lmms_eval --model motionsight --model_args config=openai.yaml,prompt=motionsight --tasks mvbench
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from configs.settings import load
from pipeline.errors import NOT_ALL, CallError, CeilingError, ClipError, RunError
from pipeline.ledger import UNLIMITED, Ledger, reached
from stages.evaluate.benchmark import split_options
from stages.evaluate.question import BenchmarkQuestion
from stages.evaluate.stage import PROMPTS, Clip, Terms, measured, predict, with_prompt
from stages.models.metering import Purse, ceiling
from stages.motionsight.service import MotionSight as Service
from stages.motionsight.stage import in_flight

FORM = "Answer as the question asks."  # each task states the form of the answer in its question
# Not empty, as some tasks skip an empty answer instead of counting it as wrong; and not a word, as some look
# for an option's letter in any text.
NO_ANSWER = "-"

log = logging.getLogger("motionsight")


def manifest() -> Any:
    """Return the manifest that lmms-eval registers the model by."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest("motionsight", simple_class_path=f"{__name__}.MotionSight")


def __getattr__(name: str) -> Any:
    """Define `MotionSight` on first access, as its base class needs lmms-eval."""
    if name == "MotionSight":
        return _model()
    raise AttributeError(name)


@cache
def _model() -> type:
    from lmms_eval.api.model import lmms

    class MotionSight(lmms):
        """A model that answers with MotionSight."""

        is_simple = True

        def __init__(
            self, config: str = "embedded", prompt: str = "motionsight", batch_size: int = 1, **more: Any
        ) -> None:
            """Load the models.

            Args:
                config: As for --config.
                prompt: A visual prompt, or "motionsight" for its own choice.
                batch_size: Has no effect; lmms-eval always passes it.
                more: Settings, as for --set.

            Raises:
                CallError: The prompt or a setting is unknown.
                RunError: A model cannot be started.
            """
            super().__init__()
            if prompt not in PROMPTS:
                raise CallError(f"unknown prompt {prompt!r}; choose from {', '.join(PROMPTS)}")
            settings = with_prompt(load(config, [f"{name}={value}" for name, value in more.items()]), prompt)
            self._terms = Terms(plain_frames=settings.annotate.baseline_frames)
            self._ceiling = ceiling(settings.mllm) or UNLIMITED
            self._book = Ledger(self._ceiling)
            self._purse = Purse(self._book)
            self._hosted = Service.hosted(settings)  # never exited: the actors end with the process
            self._motionsight = self._hosted.__enter__()

        def generate_until(self, requests: list[Any]) -> list[str]:
            """Answer each request; `NO_ANSWER` where that fails.

            As many are in hand as keep the model busy. lmms-eval is ended, with exit code 3, at the cost
            ceiling: what it would count as wrong was never asked.
            """
            at_once = in_flight(self._motionsight.config.mllm.at_once)
            try:
                with ThreadPoolExecutor(at_once) as threads:
                    return [*threads.map(lambda request: self._one(*request.args), requests)]
            except CeilingError:
                spent, _ = self._book.state()
                log.error("%s; no results are written", reached(spent, self._ceiling))
                raise SystemExit(NOT_ALL) from None

        def _one(self, text: str, _settings: Any, visuals: Any, number: Any, task: str, split: str) -> str:
            found = visuals(self.task_dict[task][split][number])
            videos = [one for one in found if isinstance(one, str)]
            if not videos:
                raise RunError(f"task {task} has no video, which MotionSight needs")
            question, options, rest = split_options(text)
            item = BenchmarkQuestion(f"{task} {number}", videos[0], question, options, None, task)
            try:
                with self._purse.clip(item.id):
                    if options and self._motionsight.config.mllm.measures:
                        (one,) = measured(self._motionsight, Clip(videos[0]), [item], self._terms)
                    else:
                        (one,), _ = predict(
                            self._motionsight, Clip(videos[0]), [item], [0], form=rest or FORM
                        )
            except ClipError as error:
                log.warning("%s: %s: %s", item.id, error.code, error.detail)
                return NO_ANSWER
            if one["error"]:
                log.warning("%s: %s", item.id, one["error"])
            return one["answer"] or NO_ANSWER

        def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
            """Not supported."""
            raise RunError("MotionSight does not support tasks with several rounds per question")

        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            """Not supported."""
            raise RunError("MotionSight does not support tasks that score texts by their likelihood")

    return MotionSight
