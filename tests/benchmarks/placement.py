"""The best placement of a profile's models on a node's GPUs, by simulation of events: no Ray, no waiting.

    python -m tests.benchmarks.placement --gpus 8           # tries placements, the best first
    python -m tests.benchmarks.placement --gpus 8 --nodes 1 2 16

A clip goes through the queues that it goes through in `annotate`; the times are those of `stand_in`, and what
shares a GPU uses it in turn. `busy` confirms with real actors what comes out here.
"""

import argparse
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import partial

from tests.benchmarks.stand_in import (
    ANSWER_TOKENS,
    CARDS,
    CPU_S,
    FLOW_BATCH,
    FRAME_TOKENS,
    PAIRS,
    PLAN_TOKENS,
    TEXT_TOKENS,
    Batch,
    Card,
    Work,
    chance,
    flow_turns,
    seconds_of,
)

FRAMES, QUESTIONS, SCORED = 16, 2, 4  # of motionvid_qa: shown, asked, and given to the scorer
DETECTED = 4  # frames in a batch of the detector
SHARED = ("detector", "tracker", "vqascore")


@dataclass(frozen=True)
class Placement:
    """What stands on the GPUs of a node.

    Attributes:
        mllm: GPUs with an engine of the annotating model.
        baseline: GPUs with an engine of the baseline model.
        rest: For each further GPU, the roles of the models that share it; "flow" stands for workers. The
            annotating model does the work of a baseline and of a scorer that are not there.
        workers: In all.
        in_flight: Clips in the hands of each.
    """

    mllm: int
    baseline: int
    rest: tuple[tuple[str, ...], ...]
    workers: int
    in_flight: int

    def __str__(self) -> str:
        counts = {"+".join(roles): self.rest.count(roles) for roles in self.rest}
        rest = ", ".join(f"{count} x ({roles})" for roles, count in counts.items())
        return (
            f"mllm {self.mllm}, baseline {self.baseline}, {rest}; {self.workers} workers x {self.in_flight}"
        )


class Clock:
    """Events in the order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def after(self, seconds: float, then: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), then))

    def run(self) -> None:
        while self._events:
            self.now, _, then = heapq.heappop(self._events)
            then()


class Server:
    """Serves one at a time, first come first served, and keeps the time in which it worked."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._free = clock, 1
        self._waiting: deque[Callable[[], None]] = deque()
        self.busy = 0.0

    def take(self, then: Callable[[], None]) -> None:
        if self._free:
            self._free -= 1
            then()
        else:
            self._waiting.append(then)

    def give(self) -> None:
        if self._waiting:
            self._clock.after(0.0, self._waiting.popleft())
        else:
            self._free += 1

    def work(self, seconds: float, then: Callable[[], None]) -> None:
        """Take it for so long, and go on."""

        def end() -> None:
            self.busy += seconds
            self.give()
            then()

        self.take(lambda: self._clock.after(seconds, end))


class Engine:
    """A language model on a GPU of its own."""

    def __init__(self, clock: Clock, gpu: Server, card: Card) -> None:
        self._clock, self._gpu, self._card, self._batch, self._going = clock, gpu, card, Batch(card), False

    def ask(self, fresh: int, frames: int, tokens: int, then: Callable[[], None]) -> None:
        read = fresh * (self._card.frame + FRAME_TOKENS * self._card.token) + TEXT_TOKENS * self._card.token
        self._batch.waiting.append(Work(then, read, frames * FRAME_TOKENS + TEXT_TOKENS, tokens))
        if not self._going:
            self._going = True
            self._round()

    def _round(self) -> None:
        if not (self._batch.waiting or self._batch.running):
            self._going = False
            return
        seconds, done = self._batch.round()

        def end() -> None:
            for then in done:
                then()
            self._round()

        self._gpu.work(seconds, end)


Steps = Generator[Callable[[Callable[[], None]], None], None, None]


def go(steps: Steps, then: Callable[[], None]) -> None:
    """Go through steps, each of which is given what to do when it ends."""
    try:
        step = next(steps)
    except StopIteration:
        then()
        return
    step(lambda: go(steps, then))


def together(*tracks: Steps) -> Callable[[Callable[[], None]], None]:
    """A step that ends when the last of these tracks does."""

    def start(then: Callable[[], None]) -> None:
        left = [len(tracks)]

        def one() -> None:
            left[0] -= 1
            if not left[0]:
                then()

        for track in tracks:
            go(track, one)

    return start


@dataclass
class Node:
    """The queues of a node."""

    clock: Clock
    cpus: list[Server]
    flow: list[Server]
    engines: dict[str, list[Engine]]
    models: dict[str, list[tuple[Server, Server]]] = field(default_factory=dict)
    gpus: list[Server] = field(default_factory=list)
    turn: Iterator[int] = field(default_factory=itertools.count)


def node(clock: Clock, placement: Placement, card: Card) -> Node:
    """Make the queues of a node with this placement."""
    whole = {role: [Server(clock) for _ in range(getattr(placement, role))] for role in ("mllm", "baseline")}
    shared = [Server(clock) for _ in placement.rest]
    models = {
        role: [
            (Server(clock), gpu) for gpu, roles in zip(shared, placement.rest, strict=True) if role in roles
        ]
        for role in SHARED
    }
    whole["mllm"] += [gpu for gpu, roles in zip(shared, placement.rest, strict=True) if "mllm" in roles]
    flow = [gpu for gpu, roles in zip(shared, placement.rest, strict=True) if "flow" in roles]
    return Node(
        clock,
        [Server(clock) for _ in range(placement.workers)],
        [flow[k % len(flow)] for k in range(placement.workers)],
        {role: [Engine(clock, gpu, card) for gpu in gpus] for role, gpus in whole.items()},
        models,
        [*dict.fromkeys(itertools.chain(*whole.values(), shared))],
    )


def annotated(where: Node, name: str, worker: int, card: Card, flow_batch: int) -> Steps:
    """The way of a clip through a node."""
    length = seconds_of(name)

    wait = where.clock.after

    def pick(role: str, what: str) -> int:
        return int(chance(name, role, what) * 1e6)

    def ask(role: str, what: str, fresh: int, frames: int, tokens: float) -> Steps:
        engines = where.engines[role] or where.engines["mllm"]
        engine = engines[pick(role, what) % len(engines)]
        count = round(tokens * (0.5 + chance(name, what)))
        yield lambda then: engine.ask(fresh, frames, count, then)

    def model(role: str, parts: list[tuple[float, float]]) -> Steps:
        if not where.models[role]:
            return
        replicas = where.models[role]
        replica, gpu = replicas[next(where.turn) % len(replicas)]
        yield replica.take
        for seconds, launch in parts:
            yield partial(wait, launch)
            yield partial(gpu.work, seconds)
        replica.give()

    yield where.cpus[worker].take
    yield partial(wait, length * CPU_S)
    for pairs, launch in flow_turns(int(length * PAIRS), flow_batch, card):
        yield partial(wait, launch)
        yield partial(where.flow[worker].work, pairs * card.flow_pair)
    where.cpus[worker].give()
    yield from ask("mllm", "plan", FRAMES, FRAMES, PLAN_TOKENS * QUESTIONS)
    keys = min(FRAMES, int(length) + 1)
    batches = [min(DETECTED, keys - at) for at in range(0, keys, DETECTED)]
    yield from model("detector", [(n * card.detector_frame, card.detector_launch) for n in batches])
    objects = 1 + int(3 * chance(name, "objects"))
    seconds = card.tracker_frame + objects * card.tracker_object
    yield from model("tracker", [(seconds, objects * card.tracker_launch)] * FRAMES)
    shown = [FRAMES * (2 if chance(name, k) > 2 / 3 else 1) for k in range(QUESTIONS)]
    plain = FRAMES if where.engines["baseline"] else 0  # the annotating model has them in its cache
    yield together(
        *(ask("mllm", f"answer {k}", count, count, ANSWER_TOKENS) for k, count in enumerate(shown)),
        *(ask("baseline", "plain", 0 if k else plain, FRAMES, ANSWER_TOKENS) for k in range(QUESTIONS)),
    )
    if not where.models["vqascore"]:
        yield together(*(ask("mllm", "plan", 0, FRAMES, 1) for _ in range(QUESTIONS)))
    yield from model("vqascore", [(QUESTIONS * SCORED * card.scorer_pair, card.scorer_launch)])


def simulate(
    placement: Placement, card: Card, clips: int, nodes: int = 1, flow_batch: int = 1
) -> tuple[float, list[float]]:
    """Clips a second, and the share of time in which each GPU worked."""
    clock = Clock()
    places = [node(clock, placement, card) for _ in range(nodes)]
    for place in places[1:]:  # a worker calls replicas on every node
        for role, engines in place.engines.items():
            places[0].engines[role] += engines
        for role, models in place.models.items():
            places[0].models[role] += models
        place.engines, place.models, place.turn = places[0].engines, places[0].models, places[0].turn
    names = iter([f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in range(clips)])

    def start(place: Node, worker: int) -> None:
        name = next(names, None)
        if name:
            go(annotated(place, name, worker, card, flow_batch), lambda: start(place, worker))

    # Clips are dealt out one by one, to whoever has a hand free: as blocks are, but finer.
    for _ in range(placement.in_flight):
        for worker in range(placement.workers):
            for place in places:
                start(place, worker)
    clock.run()
    return clips / clock.now, [gpu.busy / clock.now for place in places for gpu in place.gpus]


def candidates(gpus: int, workers: int, in_flight: int) -> Iterator[Placement]:
    """Placements on so many GPUs: engines on whole ones, the others alike or divided by role; on one, all."""
    if gpus == 1:
        yield Placement(0, 0, (("mllm", "detector", "tracker", "flow"),), workers, in_flight)
    for mllm, baseline in itertools.product(range(1, gpus - 1), range(1, gpus - 1)):
        left = gpus - mllm - baseline
        if left < 1:
            continue
        every = (*SHARED, "flow")
        yield Placement(mllm, baseline, (every,) * left, workers, in_flight)
        for alone in ("tracker", "flow", "detector"):
            others = tuple(role for role in every if role != alone)
            for count in range(1, left):
                rest = ((alone,),) * count + (others,) * (left - count)
                yield Placement(mllm, baseline, rest, workers, in_flight)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1])
    parser.add_argument("--clips", type=int, default=400, help="for each node")
    parser.add_argument("--card", choices=CARDS, default="H100")
    parser.add_argument("--flow-batch", type=int, default=FLOW_BATCH)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--in-flight", type=int, default=16)
    asked = parser.parse_args()
    card = CARDS[asked.card]
    found = [
        (*simulate(one, card, asked.clips, 1, asked.flow_batch), one)
        for one in candidates(asked.gpus, asked.workers, asked.in_flight)
    ]
    found.sort(key=lambda of: -of[0])
    for rate, busy, one in found[:8]:
        print(f"{rate:.2f} clips/s, GPUs at work {' '.join(f'{share:.0%}' for share in busy)}: {one}")
    best = found[0][2]
    for nodes in asked.nodes:
        rate, busy = simulate(best, card, asked.clips * nodes, nodes, asked.flow_batch)
        share = f"{min(busy):.0%} to {max(busy):.0%}"
        print(f"{nodes} nodes: {rate:.2f} clips/s, {rate / nodes:.2f} each; GPUs at work {share}")


if __name__ == "__main__":
    main()
