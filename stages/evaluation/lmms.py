"""MotionSight as a model of lmms-eval, which finds it by the entry point in pyproject.toml.

python -m lmms_eval --model motionsight --model_args config=openai.yaml,prompt=motionsight --tasks mvbench
"""

from functools import cache
from typing import Any

import numpy as np

from pipeline.config import load
from pipeline.errors import CallError, ClipError, RunError
from stages.annotate import placed
from stages.evaluation.formats import Item, options_of
from stages.evaluation.predict import PROMPTS, Predict, with_prompt
from stages.models.remote import serving

FORM = "Answer as the question asks."  # tasks say it in their own words


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
            self._models = serving(placed(settings))
            self._predict = Predict(settings, self._models.__enter__())

        def generate_until(self, requests: list[Any]) -> list[str]:
            return [self._one(*request.args) for request in requests]

        def _one(self, text: str, _settings: Any, visuals: Any, number: Any, task: str, split: str) -> str:
            found = visuals(self.task_dict[task][split][number])
            videos = [item for item in np.ravel(np.array(found, object)) if isinstance(item, str)]
            if not videos:
                raise RunError(f"{task} shows pictures, no video; MotionSight needs one")
            question, options = options_of(text)
            item = Item(f"{task} {number}", videos[0], question, options, None, task)
            try:
                (one,) = self._predict.answers(videos[0], None, None, [item], [0], FORM)[0]
            except ClipError as error:
                return f"({error.code}: {error.detail})"  # counted as a wrong answer
            return one["answer"]

        def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
            raise RunError("MotionSight answers one question at a time")

        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            raise RunError("MotionSight answers questions; it gives no likelihoods of texts")

    return MotionSight
