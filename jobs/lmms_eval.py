"""MotionSight as a model of lmms-eval, which finds it by the entry point in pyproject.toml.

python -m lmms_eval --model motionsight --model_args config=openai.yaml,prompt=motionsight --tasks mvbench
"""

import logging
from functools import cache
from typing import Any

from configs.settings import load
from pipeline.errors import CallError, ClipError, RunError
from stages.evaluate.benchmark import BenchmarkQuestion, split_options
from stages.evaluate.stage import PROMPTS, Clip, measured, predict, with_prompt
from stages.motionsight.service import MotionSight as Service

FORM = "Answer as the question asks."  # tasks say it in their own words
# Some tasks leave out an empty answer instead of counting it as wrong, and look for letters in any words.
NO_ANSWER = "-"

log = logging.getLogger("motionsight")


def manifest() -> Any:
    """What lmms-eval wants to know of the model."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest("motionsight", simple_class_path=f"{__name__}.MotionSight")


def __getattr__(name: str) -> Any:
    """`MotionSight`, which is derived from a class of lmms-eval, when somebody asks for it."""
    if name == "MotionSight":
        return _model()
    raise AttributeError(name)


@cache
def _model() -> type:
    from lmms_eval.api.model import lmms

    class MotionSight(lmms):
        """config: as for --config; prompt: a visual prompt, or motionsight; batch_size: of no effect."""

        is_simple = True

        def __init__(
            self, config: str = "embedded", prompt: str = "motionsight", batch_size: int = 1, **more: Any
        ) -> None:
            super().__init__()
            if prompt not in PROMPTS:
                raise CallError(f"no prompt {prompt!r}; there are {', '.join(PROMPTS)}")
            settings = with_prompt(load(config, [f"{name}={value}" for name, value in more.items()]), prompt)
            self._frames = settings.annotate.baseline_frames
            self._hosted = Service.hosted(settings)  # ends with the process
            self._motionsight = self._hosted.__enter__()

        def generate_until(self, requests: list[Any]) -> list[str]:
            return [self._one(*request.args) for request in requests]

        def _one(self, text: str, _settings: Any, visuals: Any, number: Any, task: str, split: str) -> str:
            found = visuals(self.task_dict[task][split][number])
            videos = [one for one in found if isinstance(one, str)]
            if not videos:
                raise RunError(f"{task} shows pictures, no video; MotionSight needs one")
            question, options, rest = split_options(text)
            item = BenchmarkQuestion(f"{task} {number}", videos[0], question, options, None, task)
            try:
                if options and self._motionsight.config.mllm.measures:
                    (one,) = measured(self._motionsight, Clip(videos[0]), [item], self._frames)
                else:
                    (one,), _ = predict(self._motionsight, Clip(videos[0]), [item], [0], rest or FORM)
            except ClipError as error:
                log.warning("%s: %s: %s", item.id, error.code, error.detail)
                return NO_ANSWER
            if one["error"]:
                log.warning("%s: %s", item.id, one["error"])
            return one["answer"] or NO_ANSWER

        def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
            raise RunError("MotionSight answers one question at a time")

        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            raise RunError("MotionSight answers questions; it gives no likelihoods of texts")

    return MotionSight
