"""The ceiling of costs: what is let in, what is counted, and what is refused."""

import math
import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import CallError, CeilingError, RunError
from pipeline.ledger import Ledger, Spent
from stages.models.metering import Metered, Priced, Purse, ceiling, spent_before
from stages.models.mllm.kinematic import KinematicConfig
from stages.models.protocols import Reply

PRICES = {"input_price": 2.0, "output_price": 10.0}


def run(costs: list[float], workers: int, limit: Spent, seed: int = 0) -> tuple[Ledger, list[int], float]:
    """Workers take clips in turn, as chance has it, and spend on each in two replies.

    Returns the ledger, the clips that were begun, and by how much those under way, when the last one was
    begun, cost more than the dearest clip until then.
    """
    book, dice = Ledger(limit), random.Random(seed)
    waiting, begun, under_way = list(range(len(costs))), [], []
    dearest = surprise = 0.0
    while waiting or under_way:
        if waiting and len(under_way) < workers and dice.random() < 0.6:
            if not book.admit(str(clip := waiting.pop(0))):
                waiting = []
                continue
            begun.append(clip)
            under_way.append(clip)
            surprise = sum(max(0.0, costs[it] - dearest) for it in under_way)
        elif under_way:
            clip = under_way.pop(dice.randrange(len(under_way)))
            for _ in range(2):
                book.add(str(clip), Spent(costs[clip] / 2, 1))
            dearest = max(dearest, costs[clip])
            book.close(str(clip))
    return book, begun, surprise


COSTS = st.lists(st.floats(0.01, 10), min_size=1, max_size=40)


@given(COSTS, st.integers(1, 8), st.floats(0.1, 100), st.integers(0, 99))
def test_no_more_is_spent_than_the_ceiling_and_what_nobody_could_foresee(
    costs: list[float], workers: int, limit: float, seed: int
) -> None:
    book, begun, surprise = run(costs, workers, Spent(limit, math.inf), seed)
    spent, full = book.state()
    assert spent.cost == pytest.approx(sum(costs[clip] for clip in begun))
    assert spent.requests == 2 * len(begun)
    assert spent.cost <= limit + surprise + 1e-6
    assert full or len(begun) == len(costs)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 60), st.integers(0, 99))
def test_clips_that_cost_the_same_stay_under_after_the_first_ones(
    clips: int, workers: int, limit: int, seed: int
) -> None:
    book, begun, _ = run([1.0] * clips, workers, Spent(math.inf, limit), seed)
    assert book.state()[0].requests <= max(limit, 2 * min(workers, len(begun)))


@given(COSTS, st.floats(0.1, 100))
def test_one_worker_stops_only_where_the_dearest_clip_would_not_fit(costs: list[float], limit: float) -> None:
    book, begun, _ = run(costs, 1, Spent(limit, math.inf))
    spent, full = book.state()
    if full:
        assert spent.cost + max(costs[clip] for clip in begun) > limit * (1 - 1e-6)


def test_what_earlier_runs_spent_counts_and_tells_what_clips_cost() -> None:
    before = [Spent(0.3, 4), Spent(0.1, 4)]
    assert Ledger(Spent(0.7, math.inf), before).admit("a")
    assert not Ledger(Spent(0.69, math.inf), before).admit("a")
    assert Ledger(Spent(math.inf, 12), before).admit("a")
    assert not Ledger(Spent(math.inf, 11), before).admit("a")


def test_a_ceiling_that_prices_add_up_to_exactly_lets_the_last_clip_in() -> None:
    assert sum([0.1] * 9) != 0.9
    book, begun, _ = run([0.1] * 20, 1, Spent(1.0, math.inf))
    assert len(begun) == 10
    assert book.state()[1]


def test_a_clip_begun_again_after_its_worker_was_lost_holds_one_place() -> None:
    book = Ledger(Spent(1.0, math.inf), [Spent(0.3, 1)])
    assert book.admit("a")
    book.add("a", Spent(0.1, 1))
    assert book.admit("a")
    assert book.admit("b"), "0.4 are spent, two clips of 0.3 fit in"
    assert book.state()[0] == Spent(0.4, 2)
    assert not book.admit("c")


def test_once_a_clip_was_turned_away_no_other_gets_in() -> None:
    book = Ledger(Spent(1.0, math.inf), [Spent(0.5, 1)])
    assert book.admit("a")
    assert not book.admit("b")
    book.close("a")
    assert not book.admit("c"), "or the run would go on with whatever worker asks next"


@pytest.mark.parametrize(
    ("tokens", "read", "cost"),
    [(1_000_000, 900_000, 2.8), (1_000_000, 0, 10.0), (0, 0, 0.0), (500_000, 500_000, 1.0)],
)
def test_tokens_cost_by_what_they_are_and_the_dearer_where_that_is_unknown(
    tokens: int, read: int, cost: float
) -> None:
    assert Priced(**PRICES).cost(tokens, read) == pytest.approx(cost)
    assert Priced().cost(tokens, read) is None


def test_rows_without_a_cost_are_counted_by_their_tokens() -> None:
    rows = pa.table(
        {"tokens": [1_000_000, 500_000, None], "cost": [2.5, None, None], "requests": [4, None, None]}
    )
    assert spent_before(rows, Priced(**PRICES)) == [Spent(2.5, 4), Spent(5.0, 0), Spent(0.0, 0)]
    assert spent_before(rows.slice(0, 0), Priced(**PRICES)) == []
    assert spent_before(rows, KinematicConfig()) == [Spent(2.5, 4), Spent(0.0, 0), Spent(0.0, 0)]


def test_a_ceiling_needs_prices() -> None:
    with pytest.raises(ValidationError, match="input_price and output_price"):
        Priced(max_cost=1.0, input_price=1.0)
    assert Priced(max_requests=5).max_requests == 5
    with pytest.raises(CallError, match=r"baseline\.input_price"):
        ceiling(Priced(**PRICES, max_cost=1.0), Priced())
    with pytest.raises(CallError, match="no ceiling of its own"):
        ceiling(Priced(), Priced(max_requests=1))


def test_the_ceiling_is_that_of_the_model_and_none_without_one() -> None:
    assert ceiling(Priced(**PRICES, max_cost=1.0), None) == Spent(1.0, math.inf)
    assert ceiling(Priced(max_requests=7), KinematicConfig()) == Spent(math.inf, 7)
    assert ceiling(Priced(**PRICES), Priced()) is None
    assert ceiling(KinematicConfig(), None) is None


class Costly:
    """A model whose replies take what they are told to."""

    name, version = "costly", "1"

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)

    def generate(self, requests: Any) -> list[Reply]:
        return self.replies


def test_all_that_a_clip_took_is_in_its_columns() -> None:
    purse = Purse()
    priced = Metered(
        Costly(Reply("a", 1_000_000, prompt_tokens=900_000), Reply("", error="mllm_error")),
        Priced(**PRICES),
        purse,
    )
    free = Metered(Costly(Reply("a", 5)), KinematicConfig(), purse)
    for _ in range(2):  # the second clip starts from nothing
        with purse.clip("a"):
            assert [reply.text for reply in priced.generate([])] == ["a", ""]
            free.generate([])
        assert purse.columns() == {"cost": pytest.approx(2.8), "requests": 2}
    assert (priced.name, priced.version) == ("costly", "1")


def test_without_prices_there_is_no_cost_rather_than_one_of_nothing() -> None:
    purse = Purse()
    with purse.clip("a"):
        Metered(Costly(Reply("a", 5)), Priced(), purse).generate([])
    assert purse.columns() == {"cost": None, "requests": 1}


def test_a_ceiling_of_cost_is_not_kept_blindly() -> None:
    """An endpoint that tells no usage would be asked for ever."""
    purse = Purse()
    silent = Metered(Costly(Reply("a", 0)), Priced(**PRICES, max_cost=1.0), purse)
    with pytest.raises(RunError, match="max_requests"), purse.clip("a"):
        silent.generate([])


@pytest.mark.ray
def test_workers_share_one_ledger_in_a_real_actor() -> None:
    import ray

    from pipeline.engine import EngineConfig
    from pipeline.ledger import ledger, turned_away

    limit = Spent(math.inf, 5)
    with ledger(None, [], EngineConfig()) as none:
        assert none is None
    with ledger(limit, [Spent(0.0, 2)], EngineConfig()) as book:
        one, other = Purse(book), Purse(book)
        for purse, clip_id in ((one, "a"), (other, "b")):
            if clip_id == "a":
                with purse.clip(clip_id):
                    Metered(Costly(Reply("x", 1), Reply("y", 1)), Priced(), purse).generate([])
                assert turned_away(book, limit, 9) is None
            else:
                with pytest.raises(CeilingError), purse.clip(clip_id):
                    pytest.fail("4 of 5 are spent, and a clip takes 2")
        assert "4 of mllm.max_requests=5 spent, 9 clips left" in str(turned_away(book, limit, 9))

    def keep_asking() -> None:  # Ray ends an actor a moment after it was told to
        while True:
            ray.get(book.state.remote())

    with pytest.raises(ray.exceptions.RayActorError):
        keep_asking()
    with pytest.raises(RunError, match="ledger"), one.clip("c"):
        pytest.fail("the ledger is gone")
