"""The cost of models that charge by the token, asked for and booked request by request."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Self

import pyarrow as pa
from pydantic import BaseModel, Field, model_validator

from pipeline.errors import CallError, CeilingError, RunError
from pipeline.identity import OPERATIONAL
from pipeline.ledger import NOTHING, UNLIMITED, Ledger, Spent, asking
from stages.models.protocols import Reply

log = logging.getLogger("motionsight")

MILLION = 1e6  # prices are per million tokens
WAIT_S = 0.2  # before asking the ledger again
REACHED = "the cost ceiling is reached"


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
        description="cost ceiling for all annotations of a workspace, or all answers of an evaluation, in the"
        " currency of the prices; null: no ceiling",
    )
    max_requests: Annotated[int | None, OPERATIONAL] = Field(
        None,
        ge=1,
        description="ceiling on the requests for all annotations of a workspace, or all answers of an"
        " evaluation, repeated ones included; null: no ceiling",
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


def ceiling(mllm: BaseModel, baseline: BaseModel | None = None) -> Spent | None:
    """Return how much may be spent on the answering model and the baseline together.

    Args:
        mllm: Settings of the answering model.
        baseline: Settings of the baseline model; None: the answering model is the baseline.

    Returns:
        The ceiling, possibly infinite; None if neither model charges.

    Raises:
        CallError: The ceiling cannot be enforced, or is set on the baseline, where it has no effect.
    """
    if isinstance(baseline, Priced) and (baseline.max_cost or baseline.max_requests):
        raise CallError("baseline has no ceiling of its own; mllm.max_cost and mllm.max_requests cover both")
    if not isinstance(mllm, Priced):
        return UNLIMITED if isinstance(baseline, Priced) else None
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
    """What the models have charged for a clip.

    Attributes:
        purse: What pays.
        clip_id: The clip.
        spent: Cost and requests.
        priced: Whether all of it had a price.
    """

    purse: "Purse"
    clip_id: str
    spent: Spent = NOTHING
    priced: bool = True

    def columns(self) -> dict[str, Any]:
        """Return it as columns of `annotations`."""
        return {"cost": self.spent.cost if self.priced else None, "requests": int(self.spent.requests)}


# The clip that is worked on. A context variable is passed on to the event loop that sends a model's requests.
ACCOUNT: ContextVar[Account | None] = ContextVar("ACCOUNT", default=None)


def remark(text: str) -> None:
    """Say something about a model that whoever runs the work should know, once for all workers."""
    log.warning(text)  # which is seen where the work is done in the user's own process
    if account := ACCOUNT.get():
        account.purse.tell("remark", text)


class Purse:
    """Pays for the requests of a process, as far as the ledger allows. Several threads may use it."""

    def __init__(self, book: Any = None) -> None:
        """Open the purse.

        Args:
            book: The ledger: one of this process, or the handle of its actor; None: spending is only counted.
        """
        self._book, self._turn = book, threading.Lock()

    @contextmanager
    def clip(self, clip_id: str) -> Iterator[Account]:
        """Charge the requests that are sent inside a `with` block to a clip.

        Waits while the clips in hand may use up the ceiling.

        Raises:
            CeilingError: The ceiling is reached, before the clip was begun or before it was done.
            RunError: The ledger is lost.
        """
        while (may := self._ask("begin", clip_id)) is None:
            time.sleep(WAIT_S)
        if not may:
            raise CeilingError(REACHED)
        account, done = Account(self, clip_id), False
        token = ACCOUNT.set(account)
        try:
            yield account
            done = True
        finally:
            ACCOUNT.reset(token)
            self.tell("end", clip_id, done)

    async def admit(self, clip_id: str, written: float) -> None:
        """Wait until a request may be sent.

        Args:
            clip_id: The clip that it is about.
            written: The most that its answer may cost.

        Raises:
            CeilingError: It may not be sent.
            RunError: The ledger is lost.
        """
        while (may := await asyncio.to_thread(self._ask, "request", clip_id, written)) is None:
            await asyncio.sleep(WAIT_S)
        if not may:
            raise CeilingError(REACHED)

    def tell(self, method: str, *arguments: Any) -> None:
        """Tell the ledger something, without waiting."""
        if isinstance(self._book, Ledger):
            self._ask(method, *arguments)
        elif self._book is not None:
            getattr(self._book, method).remote(*arguments)

    def _ask(self, method: str, *arguments: Any) -> bool | None:
        if self._book is None:
            return True
        if isinstance(self._book, Ledger):
            with self._turn:
                answer: bool | None = getattr(self._book, method)(*arguments)
                return answer
        import ray

        with asking():
            return ray.get(getattr(self._book, method).remote(*arguments))


@asynccontextmanager
async def charged(prices: Priced, max_tokens: int) -> AsyncIterator[Callable[[Reply], None]]:
    """Charge the request that is sent inside an `async with` block to the clip that is worked on.

    Args:
        prices: The model's settings.
        max_tokens: The length limit of its answer.

    Yields:
        A function to be called with the reply.

    Raises:
        CeilingError: The request may not be sent.
        RunError: The endpoint does not report tokens, so the cost ceiling cannot be enforced; or the ledger
            is lost.
    """
    account = ACCOUNT.get()
    if account is None:  # nobody counts
        yield lambda reply: None
        return
    written = max_tokens * (prices.output_price or 0.0) / MILLION
    await account.purse.admit(account.clip_id, written)
    replies: list[Reply] = []
    try:
        yield replies.append
    finally:
        (reply,) = replies or [Reply("", error="mllm_error")]
        cost, prompt = prices.cost(reply.tokens, reply.prompt_tokens), None
        if reply.tokens:
            prompt = prices.cost(reply.prompt_tokens or reply.tokens, reply.prompt_tokens) or 0.0
        account.priced = account.priced and cost is not None
        account.spent += Spent(cost or 0.0, 1)
        account.purse.tell("settle", account.clip_id, written, cost or 0.0, prompt)
    if prices.max_cost and not reply.tokens and not reply.error:
        raise RunError(
            "the endpoint does not report how many tokens an answer took, so mllm.max_cost cannot be"
            " enforced; set mllm.max_requests instead"
        )
