"""A ceiling on what the annotations of a workspace may cost, where a model is paid for by the token.

One ledger, in a Ray actor, serves all workers. A worker asks it before each clip and reports every reply. A
clip is admitted only if it fits in beside those in progress, each assumed to cost what the dearest so far
did; so the ceiling is exceeded by no more than clips in progress cost above that, and never by more than
those clips. What earlier runs spent stands in the table.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.engine import EngineConfig, start


@dataclass(frozen=True)
class Spent:
    """An amount spent.

    Attributes:
        cost: In the currency of the prices.
        requests: Calls of the model, repeated ones included.
    """

    cost: float = 0.0
    requests: float = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.cost + other.cost, self.requests + other.requests)

    def most(self, other: "Spent") -> "Spent":
        """Return the larger of each."""
        return Spent(max(self.cost, other.cost), max(self.requests, other.requests))

    def fits(self, ceiling: "Spent") -> bool:
        """Whether this is within a ceiling."""
        # Sums of prices differ in their last digits by the order of the clips.
        return self.cost <= ceiling.cost * (1 + 1e-9) and self.requests <= ceiling.requests


NOTHING = Spent()


class Ledger:
    """Who has spent what, and whether another clip may be started. For one caller at a time."""

    def __init__(self, ceiling: Spent, before: Sequence[Spent] = ()) -> None:
        """Open the books.

        Args:
            ceiling: What may be spent in all.
            before: What each clip of earlier runs took.
        """
        self._ceiling = ceiling
        self._spent = self._dearest = NOTHING
        for one in before:
            self._spent, self._dearest = self._spent + one, self._dearest.most(one)
        self._open: dict[str, Spent] = {}  # what each clip in progress has taken so far
        self._full = False

    def admit(self, clip_id: str) -> bool:
        """Whether the clip may be started. Once one may not, none may."""
        self._open.pop(clip_id, None)  # started by a worker that was lost
        planned = self._spent + self._dearest
        for so_far in self._open.values():
            rest = self._dearest.most(so_far)
            planned += Spent(rest.cost - so_far.cost, rest.requests - so_far.requests)
        spent_up = self._spent.cost >= self._ceiling.cost or self._spent.requests >= self._ceiling.requests
        self._full = self._full or spent_up or not planned.fits(self._ceiling)
        if not self._full:
            self._open[clip_id] = NOTHING
        return not self._full

    def add(self, clip_id: str, spent: Spent) -> None:
        """Book what a reply took."""
        self._spent += spent
        self._open[clip_id] = self._open.get(clip_id, NOTHING) + spent

    def close(self, clip_id: str) -> None:
        """Note that the clip is done."""
        self._dearest = self._dearest.most(self._open.pop(clip_id, NOTHING))

    def state(self) -> tuple[Spent, bool]:
        """Return what was spent in all, and whether a clip was turned away."""
        return self._spent, self._full


@contextmanager
def ledger(ceiling: Spent | None, before: Sequence[Spent], engine: EngineConfig) -> Iterator[Any]:
    """Keep a `Ledger` in a Ray actor for as long as the block lasts.

    Yields:
        The actor's handle; None without a ceiling.
    """
    if ceiling is None:
        yield None
        return
    start(engine)
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Beside the driver: with any other node the money spent would be forgotten in the middle of the run.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = (
        ray.remote(Ledger).options(num_cpus=0, scheduling_strategy=here).remote(ceiling, list(before))
    )
    try:
        yield actor
    finally:
        ray.kill(actor)


def turned_away(book: Any, ceiling: Spent, left: int) -> str | None:
    """Say, for people, that a clip was turned away.

    Args:
        book: The handle of a ledger.
        ceiling: What it was opened with.
        left: Clips that are not done.

    Returns:
        A sentence; None if no clip was turned away.
    """
    import ray

    spent, full = ray.get(book.state.remote())
    if not full:
        return None
    bounds = {
        "mllm.max_cost": (spent.cost, ceiling.cost),
        "mllm.max_requests": (spent.requests, ceiling.requests),
    }
    amounts = [f"{had:g} of {name}={most:g}" for name, (had, most) in bounds.items() if most < math.inf]
    return (
        f"the ceiling is reached: {' and '.join(amounts)} spent, {left} clips left;"
        " finished clips are kept, and the same command with a higher ceiling continues with the rest"
    )
