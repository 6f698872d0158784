"""The cost of models that charge by the token, booked reply by reply."""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Self

import pyarrow as pa
from pydantic import BaseModel, Field, model_validator

from pipeline.errors import CallError, CeilingError, RunError, reason
from pipeline.identity import OPERATIONAL
from pipeline.ledger import NOTHING, Spent
from stages.models.protocols import Mllm, Reply, Request

MILLION = 1e6  # prices are per million tokens


class Priced(BaseModel):
    """Settings of a model that charges by the token."""

    input_price: Annotated[float | None, OPERATIONAL] = Field(
        None, ge=0, description="price of a million input tokens; null: unknown"
    )
    output_price: Annotated[float | None, OPERATIONAL] = Field(
        None, ge=0, description="price of a million output tokens; null: unknown"
    )
    max_cost: Annotated[float | None, OPERATIONAL] = Field(
        None,
        gt=0,
        description="cost ceiling for all annotations of a workspace, in the currency of the prices; null: no"
        " ceiling",
    )
    max_requests: Annotated[int | None, OPERATIONAL] = Field(
        None, ge=1, description="ceiling on the requests for all annotations of a workspace; null: no ceiling"
    )

    @model_validator(mode="after")
    def _has_prices(self) -> Self:
        if self.max_cost is not None and not self.has_prices:
            raise ValueError("max_cost needs input_price and output_price")
        return self

    @property
    def has_prices(self) -> bool:
        """Whether both prices are set, so that costs can be computed."""
        return self.input_price is not None and self.output_price is not None

    def cost(self, tokens: int, prompt_tokens: int = 0) -> float | None:
        """Compute the cost of a number of tokens.

        Args:
            tokens: Tokens read and written.
            prompt_tokens: Those of them that were read; 0 if unknown: then all are charged at the higher
                price.

        Returns:
            The cost, in the currency of the prices; None if no prices are set.
        """
        if self.input_price is None or self.output_price is None:
            return None
        if not prompt_tokens:
            return tokens * max(self.input_price, self.output_price) / MILLION
        return (prompt_tokens * self.input_price + (tokens - prompt_tokens) * self.output_price) / MILLION


def ceiling(mllm: BaseModel, baseline: BaseModel | None) -> Spent | None:
    """Return how much may be spent on annotating model and baseline together; None: no limit.

    Args:
        mllm: Settings of the annotating model.
        baseline: Settings of the baseline model; None: the annotating model is the baseline.

    Raises:
        CallError: The ceiling cannot be enforced, or is set on the baseline, where it has no effect.
    """
    if isinstance(baseline, Priced) and (baseline.max_cost or baseline.max_requests):
        raise CallError("baseline has no ceiling of its own; mllm.max_cost and mllm.max_requests cover both")
    if not isinstance(mllm, Priced) or not (mllm.max_cost or mllm.max_requests):
        return None
    if mllm.max_cost and isinstance(baseline, Priced) and not baseline.has_prices:
        raise CallError("mllm.max_cost needs baseline.input_price and baseline.output_price too")
    return Spent(mllm.max_cost or math.inf, mllm.max_requests or math.inf)


def spent_before(rows: pa.Table, prices: BaseModel) -> list[Spent]:
    """Return how much each row of `annotations` has cost.

    Args:
        rows: With the columns tokens, cost and requests.
        prices: The settings of `mllm`, for rows that were made before it had prices.
    """
    found = []
    for row in rows.to_pylist():
        cost = row["cost"]
        if cost is None and isinstance(prices, Priced):
            cost = prices.cost(row["tokens"] or 0)
        found.append(Spent(cost or 0.0, row["requests"] or 0))
    return found


@dataclass
class Account:
    """What a clip has cost so far.

    Attributes:
        clip_id: The clip.
        spent: Cost and requests.
        priced: Whether all of it had a price.
    """

    clip_id: str = ""
    spent: Spent = NOTHING
    priced: bool = True


class Purse:
    """Counts what a worker spends on each clip, and books it in the ledger. A thread has one at a time."""

    def __init__(self, book: Any = None) -> None:
        """Open the purse.

        Args:
            book: Handle of the ledger; None: spending is only counted, without a ceiling.
        """
        self._book = book
        self._full = False
        self._now = threading.local()

    @contextmanager
    def clip(self, clip_id: str) -> Iterator[None]:
        """Book whatever is spent inside a `with` block to a clip.

        Raises:
            CeilingError: The clip may not be started, because the ceiling is reached.
            RunError: The ledger is lost.
        """
        self._full = self._full or not self._ask("admit", clip_id, default=True)
        if self._full:
            raise CeilingError("the cost ceiling is reached")
        self._now.account = Account(clip_id)
        try:
            yield
        finally:
            self._ask("close", clip_id)

    def columns(self) -> dict[str, Any]:
        """Return what this thread's clip, or else its last one, cost, as columns of `annotations`."""
        account = self._account
        return {
            "cost": account.spent.cost if account.priced else None,
            "requests": int(account.spent.requests),
        }

    def book(self, replies: Sequence[Reply], prices: BaseModel) -> None:
        """Book the cost of replies.

        Args:
            replies: Replies of one model.
            prices: The model's settings; nothing is booked unless they are `Priced`.

        Raises:
            RunError: The endpoint does not report tokens, so the cost ceiling cannot be enforced; or the
                ledger is lost.
        """
        if not isinstance(prices, Priced):
            return
        for reply in replies:
            if prices.max_cost and not reply.tokens and not reply.error:
                raise RunError(
                    "the endpoint does not report how many tokens an answer took, so mllm.max_cost"
                    " cannot be enforced; set mllm.max_requests instead"
                )
            cost = prices.cost(reply.tokens, reply.prompt_tokens)
            account, spent = self._account, Spent(cost or 0.0, reply.requests)
            account.priced = account.priced and cost is not None
            account.spent += spent
            self._ask("add", account.clip_id, spent)

    @property
    def _account(self) -> Account:
        account: Account = getattr(self._now, "account", None) or Account()
        return account

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
    """An `Mllm` that books the cost of its replies.

    Attributes:
        model: The model that replies.
    """

    def __init__(self, model: Mllm, prices: BaseModel, purse: Purse) -> None:
        self.model, self.name, self.version = model, model.name, model.version
        self._prices, self._purse = prices, purse

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Generate replies and book them.

        Raises:
            RunError: As in `Purse.book`.
        """
        replies = self.model.generate(requests)
        self._purse.book(replies, self._prices)
        return replies
