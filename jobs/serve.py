"""`motionsight serve`: MotionSight in front of a model, for whatever speaks OpenAI's chat completions."""

import tempfile
from contextlib import closing
from pathlib import PurePath

from rich.console import Console

from configs.settings import Config
from jobs import web
from pipeline import ledger as budget
from pipeline.errors import CallError
from stages.annotate.stage import placed
from stages.models import vision
from stages.models.actors import serving
from stages.serve.answer import Answerer, lean
from stages.serve.errors import refusal


def run(config: Config, host: str, port: int, token: str | None, out: Console) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises CallError, RunError."""
    try:
        from stages.serve.app import make
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
        closing(Answerer(used, config.serve, handles, folder)) as answerer,
    ):
        say(f"{model}; its base URL is the address below with v1 at the end")
        app = make(answerer, config.serve, model)
        web.listen(app, web.Address(host, port, token), say, "serve", ("/health",), refusal)
