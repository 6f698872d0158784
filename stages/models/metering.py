"""What models that are paid for by the token cost, booked reply by reply."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Self

import pyarrow as pa
from pydantic import BaseModel, Field, model_validator

from pipeline.errors import CallError, CeilingError, RunError, reason
from pipeline.identity import OPERATIONAL
from pipeline.ledger import NOTHING, Spent
from stages.models.protocols import Mllm, Reply, Request

MILLION = 1e6  # tokens that a price is for


class Priced(BaseModel):
    """Settings of a model that is paid for by the token."""

    input_price: Annotated[float | None, OPERATIONAL] = Field(
        None, ge=0, description="of a million tokens read; null: not known"
    )
    output_price: Annotated[float | None, OPERATIONAL] = Field(
        None, ge=0, description="of a million tokens written; null: not known"
    )
    max_cost: Annotated[float | None, OPERATIONAL] = Field(
        None,
        gt=0,
        description="of all annotations of a workspace, in the currency of the prices; null: no limit",
    )
    max_requests: Annotated[int | None, OPERATIONAL] = Field(
        None, ge=1, description="for all annotations of a workspace; null: no limit"
    )

    @model_validator(mode="after")
    def _has_prices(self) -> Self:
        if self.max_cost is not None and not self.has_prices:
            raise ValueError("max_cost needs input_price and output_price")
        return self

    @property
    def has_prices(self) -> bool:
        """Whether costs can be computed."""
        return self.input_price is not None and self.output_price is not None

    def cost(self, tokens: int, prompt_tokens: int = 0) -> float | None:
        """Compute what tokens cost.

        Args:
            tokens: Those read and written.
            prompt_tokens: How many of them were read; 0 where that is not known: then all cost what the
                dearer ones do.

        Returns:
            The cost; None without prices.
        """
        if self.input_price is None or self.output_price is None:
            return None
        if not prompt_tokens:
            return tokens * max(self.input_price, self.output_price) / MILLION
        return (prompt_tokens * self.input_price + (tokens - prompt_tokens) * self.output_price) / MILLION


def ceiling(mllm: BaseModel, baseline: BaseModel | None) -> Spent | None:
    """Return what may be spent on both models together; None: no limit.

    Args:
        mllm: The settings of the model that annotates.
        baseline: Those of the model of the rejected side.

    Raises:
        CallError: The ceiling cannot be kept, or is set where it would be overlooked.
    """
    if isinstance(baseline, Priced) and (baseline.max_cost or baseline.max_requests):
        raise CallError("baseline has no ceiling of its own; mllm.max_cost and mllm.max_requests cover both")
    if not isinstance(mllm, Priced) or not (mllm.max_cost or mllm.max_requests):
        return None
    if mllm.max_cost and isinstance(baseline, Priced) and not baseline.has_prices:
        raise CallError("mllm.max_cost needs baseline.input_price and baseline.output_price too")
    return Spent(mllm.max_cost or math.inf, mllm.max_requests or math.inf)


def spent_before(rows: pa.Table, prices: BaseModel) -> list[Spent]:
    """Return what each row of `annotations` took.

    Args:
        rows: With the columns tokens, cost and requests.
        prices: The settings of `mllm`, for rows that were made when it had no prices.
    """
    found = []
    for row in rows.to_pylist():
        cost = row["cost"]
        if cost is None and isinstance(prices, Priced):
            cost = prices.cost(row["tokens"] or 0)
        found.append(Spent(cost or 0.0, row["requests"] or 0))
    return found


class Purse:
    """What a worker spends from, one clip at a time."""

    def __init__(self, book: Any = None) -> None:
        """Open it.

        Args:
            book: The handle of the ledger; None: everything is allowed, and counted for the table alone.
        """
        self._book = book
        self._clip_id = ""
        self._full = False
        self.spent = NOTHING  # on the clip in progress, or the last one
        self.priced = True  # whether all of it had a price

    @contextmanager
    def clip(self, clip_id: str) -> Iterator[None]:
        """Work on a clip.

        Raises:
            CeilingError: It may not be started.
            RunError: The ledger is lost.
        """
        self._full = self._full or not self._ask("admit", clip_id, default=True)
        if self._full:
            raise CeilingError("the cost ceiling is reached")
        self._clip_id, self.spent, self.priced = clip_id, NOTHING, True
        try:
            yield
        finally:
            self._ask("close", clip_id)

    def columns(self) -> dict[str, Any]:
        """Return what the clip took, as columns of `annotations`."""
        return {"cost": self.spent.cost if self.priced else None, "requests": int(self.spent.requests)}

    def book(self, replies: Sequence[Reply], prices: BaseModel) -> None:
        """Count replies.

        Raises:
            RunError: A cost ceiling cannot be kept, because the endpoint does not report tokens.
        """
        if not isinstance(prices, Priced):
            return
        for reply in replies:
            if prices.max_cost and not reply.tokens and not reply.error:
                raise RunError(
                    "the endpoint does not report how many tokens an answer took, so that mllm.max_cost"
                    " cannot be kept; set mllm.max_requests instead"
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
            why = reason(error)[-200:]
            raise RunError(f"the cost ledger is lost; run the command again: {why}") from error


class Metered:
    """An `Mllm` whose replies are booked.

    Attributes:
        model: The one inside.
    """

    def __init__(self, model: Mllm, prices: BaseModel, purse: Purse) -> None:
        self.model, self.name, self.version = model, model.name, model.version
        self._prices, self._purse = prices, purse

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Generate as the model does. Raises RunError as `Purse.book`."""
        replies = self.model.generate(requests)
        self._purse.book(replies, self._prices)
        return replies
