"""`motionsight serve`: MotionSight in front of a model, for whatever speaks OpenAI's chat completions."""

import tempfile
from contextlib import closing
from pathlib import PurePath

from rich.console import Console

from configs.settings import Config
from jobs import web
from pipeline.errors import CallError
from stages.models.actors import model_actors
from stages.models.metering import ceiling
from stages.models.registry import check
from stages.serve.answer import Answerer
from stages.serve.errors import refusal


def run(config: Config, host: str, port: int, token: str | None, out: Console) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises CallError, RunError."""
    try:
        from stages.serve.app import make
    except ImportError as error:
        raise CallError(f"serve needs {error.name}: pip install 'motionsight-distill[serve]'") from error

    def say(text: str) -> None:
        out.print(f"serve: {text}", markup=False, soft_wrap=True)

    if ceiling(config.mllm, None):
        raise CallError("serve keeps no cost ceiling; remove mllm.max_cost and mllm.max_requests")
    check(config.detector, config.tracker)
    model = f"motionsight-{PurePath(getattr(config.mllm, 'model', config.mllm.backend)).name}"
    with (
        model_actors(config.own_backends(), config.engine) as handles,
        tempfile.TemporaryDirectory(prefix="motionsight-", ignore_cleanup_errors=True) as folder,
        closing(
            Answerer(config, config.serve, config.score, handles, folder, config.annotate.seed)
        ) as answerer,
    ):
        say(f"{model}; its base URL is the address below with v1 at the end")
        app = make(answerer, config.serve, model)
        web.listen(app, host, port, token, say, "serve", public=("/health",), form=refusal)
