"""A ceiling on what the annotations of a workspace may cost, where a model is paid by the token.

One ledger, in a Ray actor, serves all workers. A worker asks it before each clip and tells it of every reply.
A clip is let in only if it fits in beside those under way, each taken to cost what the dearest so far did; so
the ceiling is passed by no more than clips under way cost above that, and never by more than those clips.
What earlier runs spent stands in the table.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
from pydantic import BaseModel, Field, model_validator

from pipeline.engine import EngineConfig, start
from pipeline.errors import CallError, CeilingError, RunError, reason

if TYPE_CHECKING:
    from stages.models.protocols import Mllm, Reply, Request

MILLION = 1e6  # tokens that a price is for


class Priced(BaseModel):
    """Settings of a model that is paid by the token."""

    input_price: float | None = Field(None, ge=0, description="of a million tokens read")
    output_price: float | None = Field(None, ge=0, description="of a million tokens written")
    max_cost: float | None = Field(
        None, gt=0, description="of all annotations of a workspace, in the currency of the prices"
    )
    max_requests: int | None = Field(None, ge=1, description="for all annotations of a workspace")

    @model_validator(mode="after")
    def _has_prices(self) -> Self:
        if self.max_cost is not None and not self.has_prices:
            raise ValueError("max_cost needs input_price and output_price")
        return self

    @property
    def has_prices(self) -> bool:
        return self.input_price is not None and self.output_price is not None

    def cost(self, tokens: int, prompt_tokens: int = 0) -> float | None:
        """Of so many tokens, `prompt_tokens` of them read; None without prices.

        Where the share of those read is not known, all cost what the dearer ones do.
        """
        if self.input_price is None or self.output_price is None:
            return None
        if not prompt_tokens:
            return tokens * max(self.input_price, self.output_price) / MILLION
        return (prompt_tokens * self.input_price + (tokens - prompt_tokens) * self.output_price) / MILLION


@dataclass(frozen=True)
class Spent:
    """cost: in the currency of the prices. requests: calls of the model, repeated ones too."""

    cost: float = 0.0
    requests: float = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.cost + other.cost, self.requests + other.requests)

    def most(self, other: "Spent") -> "Spent":
        """The larger of each."""
        return Spent(max(self.cost, other.cost), max(self.requests, other.requests))

    def fits(self, ceiling: "Spent") -> bool:
        # Sums of prices differ in their last digits by the order of the clips.
        return self.cost <= ceiling.cost * (1 + 1e-9) and self.requests <= ceiling.requests


NOTHING = Spent()


def ceiling(mllm: BaseModel, baseline: BaseModel | None) -> Spent | None:
    """What may be spent, `mllm` and `baseline` together; None: no limit. Arguments: their settings.

    Raises CallError when it cannot be kept, or is set where it would be overlooked.
    """
    if isinstance(baseline, Priced) and (baseline.max_cost or baseline.max_requests):
        raise CallError("baseline has no ceiling of its own; mllm.max_cost and mllm.max_requests count both")
    if not isinstance(mllm, Priced) or not (mllm.max_cost or mllm.max_requests):
        return None
    if mllm.max_cost and isinstance(baseline, Priced) and not baseline.has_prices:
        raise CallError("mllm.max_cost needs baseline.input_price and baseline.output_price too")
    return Spent(mllm.max_cost or math.inf, mllm.max_requests or math.inf)


def spent_before(rows: pa.Table, prices: BaseModel) -> list[Spent]:
    """What each row of `annotations` (columns tokens, cost, requests) took.

    prices: the settings of `mllm`, for rows that were made when it had none.
    """
    found = []
    for row in rows.to_pylist():
        cost = row["cost"]
        if cost is None and isinstance(prices, Priced):
            cost = prices.cost(row["tokens"] or 0)
        found.append(Spent(cost or 0.0, row["requests"] or 0))
    return found


class Ledger:
    """Who has spent what, and whether another clip may be begun. Used by one caller at a time."""

    def __init__(self, ceiling: Spent, before: Sequence[Spent] = ()) -> None:
        """before: what each clip of earlier runs took."""
        self._ceiling = ceiling
        self._spent = self._dearest = NOTHING
        for one in before:
            self._spent, self._dearest = self._spent + one, self._dearest.most(one)
        self._open: dict[str, Spent] = {}  # what each clip under way has taken so far
        self._full = False

    def admit(self, clip_id: str) -> bool:
        """Whether the clip may be begun. Once one may not, none may."""
        self._open.pop(clip_id, None)  # begun by a worker that was lost
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
        """The clip is done."""
        self._dearest = self._dearest.most(self._open.pop(clip_id, NOTHING))

    def state(self) -> tuple[Spent, bool]:
        """What was spent in all, and whether a clip was turned away."""
        return self._spent, self._full


@contextmanager
def ledger(ceiling: Spent | None, before: Sequence[Spent], engine: EngineConfig) -> Iterator[Any]:
    """A `Ledger` in a Ray actor for as long as the block lasts, as its handle; None without a ceiling."""
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


def told(book: Any, ceiling: Spent, left: int) -> str | None:
    """The sentence for people when a clip was turned away, else None. book: the handle of a ledger.

    left: clips that are not done.
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
        f"the ceiling is reached: {' and '.join(amounts)} are spent, {left} clips are left;"
        " what is done is kept, and the same command with a higher ceiling goes on from there"
    )


class Purse:
    """What a worker spends from, one clip at a time."""

    def __init__(self, book: Any = None) -> None:
        """book: the handle of the ledger; None: all is allowed, and counted for the table alone."""
        self._book = book
        self._clip_id = ""
        self._full = False
        self.spent = NOTHING  # on the clip under way, or the last one
        self.priced = True  # whether all of it had a price

    @contextmanager
    def clip(self, clip_id: str) -> Iterator[None]:
        """Work on a clip. Raises CeilingError when it may not be begun, RunError without the ledger."""
        self._full = self._full or not self._ask("admit", clip_id, default=True)
        if self._full:
            raise CeilingError("the ceiling of the costs is reached")
        self._clip_id, self.spent, self.priced = clip_id, NOTHING, True
        try:
            yield
        finally:
            self._ask("close", clip_id)

    def columns(self) -> dict[str, Any]:
        """What the clip took, as columns of `annotations`."""
        return {"cost": self.spent.cost if self.priced else None, "requests": int(self.spent.requests)}

    def book(self, replies: Sequence["Reply"], prices: BaseModel) -> None:
        """Count replies. Raises RunError where a ceiling of cost cannot be kept."""
        if not isinstance(prices, Priced):
            return
        for reply in replies:
            if prices.max_cost and not reply.tokens and not reply.error:
                raise RunError(
                    "the endpoint does not tell how many tokens an answer took, so that mllm.max_cost cannot"
                    " be kept; set mllm.max_requests instead"
                )
            cost = prices.cost(reply.tokens, reply.prompt_tokens)
            self.priced = self.priced and cost is not None
            spent = Spent(cost or 0.0, reply.requests)
            self.spent += spent
            self._ask("add", self._clip_id, spent)

    def _ask(self, method: str, *arguments: Any, default: Any = None) -> Any:
        if self._book is None:
            return default
        import ray
        from ray.exceptions import RayError

        try:
            return ray.get(getattr(self._book, method).remote(*arguments))
        except RayError as error:
            raise RunError(
                f"the ledger of the costs is lost; run it again: {reason(error)[-200:]}"
            ) from error


class Metered:
    """An `Mllm` whose replies are booked. model: the one inside."""

    def __init__(self, model: "Mllm", prices: BaseModel, purse: Purse) -> None:
        self.model, self.name, self.version = model, model.name, model.version
        self._prices, self._purse = prices, purse

    def generate(self, requests: "Sequence[Request]") -> "list[Reply]":
        """As the model does. Raises RunError as `Purse.book`."""
        replies = self.model.generate(requests)
        self._purse.book(replies, self._prices)
        return replies
