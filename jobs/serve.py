"""`motionsight serve`: MotionSight in front of a model, for whatever speaks OpenAI's chat completions."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import PurePath

import yaml
from pydantic import ValidationError
from rich.console import Console

from jobs import web
from pipeline import budget
from pipeline import config as settings_of_runs
from pipeline.config import Config
from pipeline.errors import CallError
from stages.annotate import placed
from stages.models import vision
from stages.models.remote import serving
from stages.serving.answer import Answerer, lean
from stages.serving.config import ServeConfig

PREFIX = "serve."


def load(path: str | None, overrides: Sequence[str]) -> tuple[Config, ServeConfig]:
    """The settings of the models, and by `--set serve.NAME=VALUE` of the endpoint. Raises CallError."""
    own = [item.removeprefix(PREFIX) for item in overrides if item.startswith(PREFIX)]
    config = settings_of_runs.load(path, [item for item in overrides if not item.startswith(PREFIX)])
    try:
        given = {name.strip(): yaml.safe_load(text) for name, _, text in (one.partition("=") for one in own)}
        return config, ServeConfig.model_validate(given)
    except yaml.YAMLError:
        raise CallError("--set serve.NAME=VALUE: the value is not valid YAML") from None
    except ValidationError as error:
        wrong = error.errors()[0]
        name = ".".join(map(str, wrong["loc"]))
        raise CallError(
            f"serve.{name}: {wrong['msg']}; there are {', '.join(ServeConfig.model_fields)}"
        ) from None


def run(config: Config, settings: ServeConfig, host: str, port: int, token: str | None, out: Console) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises CallError, RunError."""
    try:
        from stages.serving.app import make
    except ImportError as error:
        raise CallError(f"serve needs {error.name}: pip install 'motionsight-distill[serve]'") from error

    def say(text: str) -> None:
        out.print(f"serve: {text}", markup=False, soft_wrap=True)

    if budget.ceiling(config.mllm, None):
        raise CallError("serve keeps no ceiling of the costs; take mllm.max_cost and mllm.max_requests out")
    used = lean(config)
    vision.check(used.detector, used.tracker)
    model = f"motionsight-{PurePath(getattr(used.mllm, 'model', used.mllm.backend)).name}"
    with (
        serving(placed(used), used.engine) as handles,
        tempfile.TemporaryDirectory(prefix="motionsight-", ignore_cleanup_errors=True) as folder,
        closing(Answerer(used, settings, handles, folder)) as answerer,
    ):
        say(f"{model}; its base URL is the address below with v1 at the end")
        web.listen(make(answerer, settings, model), host, port, token, say, "serve", public=("/health",))
