"""`motionsight browse`: show the clips of a workspace on a web page: filter, sort and play them."""

import os
import tempfile
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import PurePosixPath

from jobs import web
from jobs.session import Session
from pipeline.errors import CallError
from stages.motionsight.settings import ObserveConfig

AT_ONCE = 4  # pictures that are made at once, at most
VIDEOS = 100  # that are kept, of those fetched or re-encoded
RATES_MB = 16  # of measurements that are kept
RATES_WAITING = 2  # measurements that may wait: of the clips looked at last


def run(session: Session, address: web.Address) -> None:
    """Serve the page until Ctrl-C.

    Args:
        session: The workspace, which is only read, and the settings: its gates decide what is kept.
        address: Where to listen.

    Raises:
        CallError: There are no clips, the address cannot be listened on, the token is weak, or packages are
            missing.
        RunError: A table is damaged, or the server did not start.
    """
    try:
        from stages.browse import pictures, rates
        from stages.browse.app import Rows, Sight, make
        from stages.browse.catalogue import Catalogue
        from stages.browse.ondemand import OnDemand, Work
        from stages.video.playable import Videos
    except ImportError as error:
        raise CallError(f"browse needs {error.name}: pip install 'motionsight-distill[browse]'") from error
    workspace, config = session.workspace, session.config
    if not workspace.exists():
        raise CallError(f"there is no workspace {workspace.root}")
    began = time.monotonic()
    catalogue = Catalogue(workspace, config.gates, config.split)
    count = len(catalogue.current().index)
    if not count:
        session.need("clips", "ingest")
    session.say(f"browse: {count} clips read in {time.monotonic() - began:.1f} s")
    look = ObserveConfig.model_validate({name: getattr(config, name) for name in ObserveConfig.model_fields})
    cores = min(AT_ONCE, max(2, os.cpu_count() or 1))
    painting = Work(
        pictures.Painter, pictures.LIMITS, pictures.__name__, cores, pictures.WAITING, pictures.KEPT_MB
    )
    measuring = Work(partial(rates.Rates, look), rates.LIMITS, rates.__name__, 1, RATES_WAITING, RATES_MB)
    made = workspace.made_with().get("annotations", {})
    max_pixels = int(made.get("frames.max_pixels", config.frames.max_pixels))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="motionsight-"))
        sight = Sight(
            stack.enter_context(closing(OnDemand(painting, f"{folder}/pictures"))),
            stack.enter_context(closing(OnDemand(measuring, f"{folder}/rates"))),
            stack.enter_context(closing(Videos(Rows(catalogue), folder, VIDEOS))),
        )
        app = make(PurePosixPath(workspace.root).name, catalogue, sight, max_pixels)
        web.listen(app, address, lambda text: session.say(f"browse: {text}"), "browse", web.Rules())
