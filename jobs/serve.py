"""`motionsight serve`: an OpenAI-compatible endpoint with MotionSight in front of a model."""

import tempfile
from contextlib import closing
from pathlib import PurePath

from rich.console import Console

from configs.settings import Config
from jobs import web
from jobs.precheck import ready
from pipeline.errors import CallError
from pipeline.ledger import UNLIMITED
from stages.models.actors import model_actors
from stages.models.metering import ceiling
from stages.models.registry import check
from stages.serve.answer import Answerer
from stages.serve.errors import refusal

SAYING_S = 5.0  # for a client to read that its request was too slow


def run(config: Config, host: str, port: int, token: str | None, out: Console) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        config: All settings.
        host: The address to listen on.
        port: The port; 0 for a free one.
        token: The API key that clients need; None: none on the loopback, elsewhere one is made.
        out: Where to print the address.

    Raises:
        CallError: The settings do not allow serving, or a package is missing.
        RunError: The server or a model cannot be started.
    """
    try:
        from stages.serve.app import make
    except ImportError as error:
        raise CallError(f"serve needs {error.name}: pip install 'motionsight-distill[serve]'") from error

    def say(text: str) -> None:
        out.print(f"serve: {text}", markup=False, soft_wrap=True)

    if ceiling(config.mllm) not in (None, UNLIMITED):
        raise CallError("serve does not keep to a cost ceiling; remove mllm.max_cost and mllm.max_requests")
    ready(config, config.own_backends())
    check(config.detector, config.tracker)
    model = f"motionsight-{PurePath(getattr(config.mllm, 'model', config.mllm.backend)).name}"
    with (
        model_actors(config.own_backends(), config.engine) as handles,
        tempfile.TemporaryDirectory(prefix="motionsight-", ignore_cleanup_errors=True) as folder,
        closing(
            Answerer(config, config.serve, config.score, handles, folder, config.annotate.seed)
        ) as answerer,
    ):
        say(f"{model}; its base URL is the address below followed by v1")
        app = make(answerer, config.serve, model)
        # The app limits bodies itself, and is given the time to say so.
        rules = web.Rules(("/health",), refusal, None, config.serve.body_timeout_s + SAYING_S)
        web.listen(app, web.Address(host, port, token), say, "serve", rules)
