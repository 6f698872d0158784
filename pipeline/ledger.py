"""What the models of a workspace have cost, and a ceiling on it, where a model charges by the request.

One ledger serves all workers; in a run, it is a Ray actor. It is asked twice:

- before each request that is sent, repeated ones included. A request counts from then on, so that a ceiling
  on requests is never exceeded. A ceiling on cost has to be kept before the cost is known: a request is
  assumed to read what the dearest one so far read and to write as much as it may. It can be exceeded by what
  a request reads beyond that, and by what an endpoint charges for requests that it does not answer.
- before each clip: it is begun only if it fits in beside those in hand, each assumed to cost what the dearest
  so far did, so that money is spent on clips that can be finished.

Whoever does not fit in at the moment asks again, since those in hand may cost less than assumed.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.engine import EngineConfig, start
from pipeline.errors import RunError, reason
from pipeline.workspace import SPENT, Workspace

NOTE_S = 1.0  # between two notes of what was spent
CLOSE_S = 5.0  # time to note what was spent, at the end
LOST_S = 900.0  # after which nothing is held for a clip that asks for nothing: its worker may have died


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


NOTHING, UNLIMITED = Spent(), Spent(math.inf, math.inf)


@dataclass
class _Clip:
    """A clip in hand.

    Attributes:
        at: When it last asked for something, by `time.monotonic`.
        spent: What it took so far.
        flying: Number of its requests in flight.
        written: The most that the answers to these may cost.
    """

    at: float
    spent: Spent = NOTHING
    flying: int = 0
    written: float = 0.0


class Ledger:
    """What has been spent, and whether more may be. For one caller at a time."""

    def __init__(
        self,
        ceiling: Spent,
        spent: Spent = NOTHING,
        dearest: Spent = NOTHING,
        note: Callable[[Spent], None] | None = None,
    ) -> None:
        """Open the books.

        Args:
            ceiling: What may be spent in all.
            spent: What earlier runs spent.
            dearest: The most that a clip of theirs took.
            note: Called now and then with what has been spent, for later runs; None: nobody needs to know.
        """
        self._ceiling, self._spent, self._dearest, self._note = ceiling, spent, dearest, note
        self._noted = time.monotonic()
        self._prompt: float | None = None  # what the dearest prompt cost; None: no request was answered yet
        self._clips: dict[str, _Clip] = {}  # those in hand
        self._full = False
        self._remarks: dict[str, None] = {}

    def remark(self, text: str) -> None:
        """Note what a worker has found out about a model."""
        self._remarks[text] = None

    def remarks(self) -> list[str]:
        """Return what workers have found out about the models, each sentence once."""
        return [*self._remarks]

    def begin(self, clip_id: str) -> bool | None:
        """Whether a clip may be begun; None: not now. Once one may not, none may."""
        self._clips.pop(clip_id, None)  # begun by a worker that was lost
        in_hand = self._in_hand()
        planned = self._spent + self._dearest
        for clip in in_hand:
            held = clip.spent + Spent(self._held(clip))
            rest = self._dearest.most(held)
            planned += Spent(rest.cost - clip.spent.cost, rest.requests - clip.spent.requests)
        # Until one clip is finished, nobody knows what they cost.
        known = self._dearest != NOTHING or not in_hand or self._ceiling == UNLIMITED
        left = self._spent.cost < self._ceiling.cost and self._spent.requests < self._ceiling.requests
        may = self._decide(known and left and planned.fits(self._ceiling), wait=left and bool(in_hand))
        if may:
            self._clips[clip_id] = _Clip(time.monotonic())
        return may

    def request(self, clip_id: str, written: float) -> bool | None:
        """Whether a request may be sent; None: not now. If it may, it is counted.

        Args:
            clip_id: The clip that it is about.
            written: The most that the answer may cost.
        """
        clip = self._clips.setdefault(clip_id, _Clip(time.monotonic()))
        clip.at = time.monotonic()
        in_hand = self._in_hand()
        flying = any(each.flying for each in in_hand)
        planned = self._spent + Spent((self._prompt or 0.0) + written + sum(map(self._held, in_hand)), 1)
        known = self._prompt is not None or not flying or self._ceiling.cost == math.inf
        may = self._decide(
            known and planned.fits(self._ceiling), wait=flying and planned.requests <= self._ceiling.requests
        )
        if may:
            clip.flying, clip.written = clip.flying + 1, clip.written + written
            self._add(clip, Spent(0.0, 1))
            if time.monotonic() - self._noted > NOTE_S:
                self._noted = time.monotonic()
                self._note_down()
        return may

    def settle(self, clip_id: str, written: float, cost: float, prompt: float | None) -> None:
        """Book what a request cost.

        Args:
            clip_id: As it was asked for.
            written: As it was asked for.
            cost: In the currency of the prices.
            prompt: The part of the cost that is for what it read; None: there was no answer.
        """
        clip = self._clips.get(clip_id) or _Clip(0.0)  # the clip may have been begun again elsewhere
        clip.flying, clip.written = max(0, clip.flying - 1), max(0.0, clip.written - written)
        self._add(clip, Spent(cost))
        if prompt is not None:
            self._prompt = max(self._prompt or 0.0, prompt)

    def end(self, clip_id: str, done: bool) -> None:
        """Note that a clip is no longer in hand; unless it is done, nothing is learned from what it took."""
        clip = self._clips.pop(clip_id, None)
        if clip and done:
            self._dearest = self._dearest.most(clip.spent)

    def state(self) -> tuple[Spent, bool]:
        """Return what was spent in all, and whether anything was refused."""
        return self._spent, self._full

    def close(self) -> None:
        """Refuse everything from now on."""
        self._full = True
        self._note_down()

    def _in_hand(self) -> list[_Clip]:
        now = time.monotonic()
        return [clip for clip in self._clips.values() if now - clip.at < LOST_S]

    def _held(self, clip: _Clip) -> float:
        """What the requests in flight are assumed to cost."""
        return clip.flying * (self._prompt or 0.0) + clip.written

    def _add(self, clip: _Clip, spent: Spent) -> None:
        self._spent += spent
        clip.spent += spent

    def _decide(self, fits: bool, wait: bool) -> bool | None:
        """Decide, where waiting may help or not."""
        if not self._full and not fits and wait:
            return None
        self._full = self._full or not fits
        return not self._full

    def _note_down(self) -> None:
        if self._note:
            self._note(self._spent)


@dataclass(frozen=True)
class Notes:
    """What was spent on a table of a workspace, for later runs: also for clips without a row.

    Attributes:
        workspace: Whose lock is held.
        table: The name of the table.
    """

    workspace: Workspace
    table: str

    def read(self) -> Spent:
        """Return what was spent; nothing if that was never noted."""
        return Spent(**self._all().get(self.table, {}))

    def write(self, spent: Spent) -> None:
        """Note what was spent. Raises OSError, or RunError if the lock is lost."""
        noted = self._all() | {self.table: asdict(spent)}
        self.workspace.write_bytes(json.dumps(noted, indent=1, sort_keys=True).encode(), SPENT, fenced=True)

    def _all(self) -> dict[str, Any]:
        return json.loads(self.workspace.read_bytes(SPENT) or b"{}")


@contextmanager
def ledger(
    ceiling: Spent | None, before: Sequence[Spent], notes: Notes, engine: EngineConfig
) -> Iterator[Any]:
    """Keep a `Ledger` in a Ray actor for as long as the block lasts.

    Args:
        ceiling: What may be spent in all; None: no model charges.
        before: What each row of the table took, as far as that is known.
        notes: Where earlier runs noted what they spent, and this one does.
        engine: The cluster.

    Yields:
        The actor's handle; None if no model charges.

    Raises:
        RunError: What was spent cannot be noted.
    """
    if ceiling is None:
        yield None
        return
    start(engine)
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    spent = dearest = NOTHING
    for one in before:
        spent, dearest = spent + one, dearest.most(one)
    spent = spent.most(notes.read())
    # Beside the driver: with any other node the money spent would be forgotten in the middle of the run.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(Ledger).options(num_cpus=0, scheduling_strategy=here)
    book = actor.remote(ceiling, spent, dearest, notes.write)
    try:
        yield book
        with asking():
            ray.get(book.close.remote())
    finally:  # after Ctrl-C, too: no further request is sent, and what was spent is known
        with suppress(RayError):
            ray.get(book.close.remote(), timeout=CLOSE_S)
        ray.kill(book)


@contextmanager
def asking() -> Iterator[None]:
    """Turn an error of the actor into a RunError."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        why = reason(error)[-200:]
        raise RunError(f"the cost ledger is lost; run the command again: {why}") from error


def reached(spent: Spent, ceiling: Spent) -> str:
    """Say, for people, that a ceiling is reached, and how much was spent.

    Args:
        spent: In all.
        ceiling: What may be spent.
    """
    bounds = {
        "mllm.max_cost": (spent.cost, ceiling.cost),
        "mllm.max_requests": (spent.requests, ceiling.requests),
    }
    amounts = [f"{had:g} of {name}={most:g}" for name, (had, most) in bounds.items() if most < math.inf]
    return f"the ceiling is reached: {' and '.join(amounts)} spent"


def remarks(book: Any) -> list[str]:
    """Return what workers have found out about the models.

    Args:
        book: The handle of a ledger.

    Returns:
        Sentences.
    """
    import ray

    with asking():
        found: list[str] = ray.get(book.remarks.remote())
        return found


def turned_away(book: Any, ceiling: Spent, left: int) -> str | None:
    """Say, for people, that something was refused.

    Args:
        book: The handle of a ledger.
        ceiling: What it was opened with.
        left: Clips that are not done.

    Returns:
        A sentence; None if nothing was refused.
    """
    import ray

    with asking():
        spent, full = ray.get(book.state.remote())
    if not full:
        return None
    return (
        f"{reached(spent, ceiling)}, {left} clips left;"
        " finished clips are kept, and the same command with a higher ceiling continues with the rest"
    )
