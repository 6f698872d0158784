"""The review page with many questions, votes and people: how long they wait for the server."""

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.workspace import Workspace
from stages.review.queue import comparisons_of
from stages.review.store import open_store
from tests import videos
from tests.benchmarks.timing import Line, Tables, step
from tests.review_server import Server, filled
from tests.tables import clip, question
from tests.unit.review.votes import vote

CLIPS, VOTES, PEOPLE = 40_000, 20_000, 50
EACH = 6  # votes of a person
THINK_S = 2.0  # between an answer and the next vote, on average
AIM_S = 0.05


def run() -> Tables:
    """Seconds until the server answers, each as a ratio to what is aimed at."""
    with tempfile.TemporaryDirectory() as name:
        video = videos.write(Path(name) / "one.mp4", 12)
        asked = [question(), question("Does anything else move?")]
        clips = [clip(f"{n:016x}", uri=str(video)) for n in range(CLIPS)]
        workspace = filled(Path(name) / "W", clips, *asked)
        _vote(workspace)
        step(f"  {2 * CLIPS:,} questions and {VOTES:,} votes are written")
        server = Server(workspace)
        try:
            yield f"{2 * CLIPS:,} questions, {VOTES:,} votes, {PEOPLE} people", list(_lines(server))
        finally:
            server.end()


def _vote(workspace: Workspace) -> None:
    comparisons = comparisons_of(workspace.read("annotations", ["clip_id", "qa", "error"]))[:VOTES]
    began = datetime.now(UTC) - timedelta(days=1)
    cast = (vote(one, f"early {n % PEOPLE}", "answer") for n, one in enumerate(comparisons))
    with closing(open_store(workspace)) as store:
        store.add([replace(it, at=began + timedelta(seconds=n)) for n, it in enumerate(cast)])


def _lines(server: Server) -> Iterator[Line]:
    with ThreadPoolExecutor(PEOPLE) as pool:
        waits = [wait for each in pool.map(lambda n: _person(server, n), range(PEOPLE)) for wait in each]
    for what in ("next", "vote"):
        found = sorted(seconds for kind, seconds in waits if kind == what)
        for name, at in (("half", 0.5), ("95 %", 0.95), ("all", 1.0)):
            seconds = found[min(len(found) - 1, int(at * len(found)))]
            yield Line(f"{what}, {name} of {len(found)} within", seconds, seconds / AIM_S, "50 ms")
    yield Line("mean of all", *(statistics.fmean(s for _, s in waits) / unit for unit in (1, AIM_S)), "50 ms")


def _person(server: Server, number: int) -> list[tuple[str, float]]:
    """What someone waits for who asks for a question, thinks, and votes."""
    chance, who, waits = random.Random(number), f"person {number}", []
    time.sleep(chance.uniform(0, THINK_S))
    began = time.perf_counter()
    state = server.ask("next", who)
    waits.append(("next", time.perf_counter() - began))
    for _ in range(EACH):
        time.sleep(chance.uniform(0.5, 1.5) * THINK_S)
        began = time.perf_counter()
        state = server.ask("vote", who, item=state["item"]["id"], choice="left", seconds=2.0)
        waits.append(("vote", time.perf_counter() - began))
    return waits
