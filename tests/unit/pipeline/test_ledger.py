"""The ceiling of costs: what is let in, what is counted, and what is refused."""

import asyncio
import math
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.engine import EngineConfig
from pipeline.errors import CallError, CeilingError, RunError
from pipeline.ledger import NOTHING, UNLIMITED, Ledger, Notes, Spent, ledger, turned_away
from pipeline.workspace import Workspace
from stages.models.metering import Priced, Purse, ceiling, charged, spent_before
from stages.models.mllm.kinematic import KinematicConfig
from stages.models.protocols import Reply

PRICES = {"input_price": 2.0, "output_price": 10.0}


Fates = list[tuple[float, float]]  # of a clip's requests: what each reads, and then writes, for money


@dataclass
class Run:
    """Workers that take clips and send their requests, in an order that chance decides.

    Attributes:
        book: Their ledger.
        clips: What the requests of each clip will cost.
        written: The most that an answer may cost.
        done: The clips that were finished.
        sent: How many requests were sent.
        surprise: By how much requests read more than any that were answered when they were sent.
    """

    book: Ledger
    clips: list[Fates]
    written: float = 1.0
    done: list[int] = field(default_factory=list)
    sent: int = 0
    surprise: float = 0.0

    def go(self, workers: int, seed: int) -> None:
        """Run to the end, or to the ceiling."""
        dice, waiting = random.Random(seed), list(range(len(self.clips)))
        left: dict[int, Fates] = {}  # requests to send, of the clips in hand
        flying: list[tuple[int, float, float]] = []
        dearest = 0.0
        while waiting or left or flying:
            kinds = ["begin"] * bool(waiting and len(left) < workers)
            kinds += ["send"] * any(left.values()) + ["settle"] * bool(flying)
            kinds += ["end"] * any(
                not rest and clip not in [it[0] for it in flying] for clip, rest in left.items()
            )
            kind = dice.choice(kinds)
            if kind == "begin":
                may = self.book.begin(str(waiting[0]))
                if may:
                    left[waiting[0]] = list(self.clips[waiting[0]])
                if may is not None:
                    waiting = waiting[1:] if may else []
                else:
                    assert left, "nobody waits for nobody"
            elif kind == "send":
                clip = dice.choice([clip for clip, rest in left.items() if rest])
                may = self.book.request(str(clip), self.written)
                if may:
                    read, wrote = left[clip].pop()
                    flying.append((clip, read, wrote))
                    self.sent += 1
                    self.surprise += max(0.0, read - dearest)
                elif may is False:
                    left[clip] = []
                    self.clips[clip] = []  # it will not be finished
                else:
                    assert flying, "nobody waits for nobody"
            elif kind == "settle":
                clip, read, wrote = flying.pop(dice.randrange(len(flying)))
                self.book.settle(str(clip), self.written, read + wrote, read)
                dearest = max(dearest, read)
            else:
                idle = [it for it, rest in left.items() if not rest and it not in [one[0] for one in flying]]
                clip = dice.choice(idle)
                del left[clip]
                self.book.end(str(clip), bool(self.clips[clip]))
                self.done += [clip] if self.clips[clip] else []


COSTS = st.floats(0.01, 5)
CLIPS = st.lists(st.lists(st.tuples(COSTS, st.floats(0, 1)), min_size=1, max_size=6), min_size=1, max_size=20)


@given(CLIPS, st.integers(1, 40), st.integers(1, 60), st.integers(0, 99))
def test_never_one_request_over_the_ceiling(clips: list[Fates], workers: int, limit: int, seed: int) -> None:
    run = Run(Ledger(Spent(math.inf, limit)), clips)
    run.go(workers, seed)
    spent, full = run.book.state()
    assert spent.requests == run.sent <= limit
    assert full or len(run.done) == len(clips)


@given(CLIPS, st.integers(1, 40), st.floats(0.1, 60), st.integers(0, 99))
def test_no_more_is_spent_than_the_ceiling_and_what_prompts_cost_beyond_any_before(
    clips: list[Fates], workers: int, limit: float, seed: int
) -> None:
    run = Run(Ledger(Spent(limit, math.inf)), clips)
    run.go(workers, seed)
    spent, full = run.book.state()
    assert spent.cost <= limit + run.surprise + 1e-6
    assert full or len(run.done) == len(clips)


@given(st.integers(1, 40), st.integers(1, 16), st.integers(1, 200), st.integers(0, 99))
def test_clips_that_take_the_same_are_all_finished_once_begun(
    clips: int, workers: int, limit: int, seed: int
) -> None:
    """No money is spent on clips that are left undone; and as many are done as the ceiling allows."""
    run = Run(Ledger(Spent(math.inf, limit)), [[(1.0, 0.5)] * 4 for _ in range(clips)])
    run.go(workers, seed)
    assert len(run.done) == min(clips, limit // 4)
    assert run.sent == (4 * len(run.done) or limit)


def test_without_a_ceiling_nobody_waits() -> None:
    book = Ledger(UNLIMITED)
    for clip_id in "abc":
        assert book.begin(clip_id)
        assert book.request(clip_id, 1.0)
        assert book.request(clip_id, 1.0)


def test_until_something_is_known_one_clip_is_in_hand_and_one_request_in_flight() -> None:
    book = Ledger(Spent(100.0, math.inf))
    assert book.begin("a")
    assert book.begin("b") is None
    assert book.request("a", 1.0)
    assert book.request("a", 1.0) is None
    book.settle("a", 1.0, 0.0, None)
    assert book.request("a", 1.0), "the first one failed"
    assert book.request("a", 1.0) is None
    book.settle("a", 1.0, 3.0, 2.5)
    assert book.request("a", 1.0)
    assert book.request("a", 1.0)
    assert book.begin("b") is None
    book.end("a", done=True)
    assert book.begin("b")
    assert book.begin("c")


def test_what_earlier_runs_spent_counts_and_tells_what_clips_cost() -> None:
    before = (Spent(0.4, 8), Spent(0.3, 4))
    assert Ledger(Spent(0.7, math.inf), *before).begin("a")
    assert Ledger(Spent(0.69, math.inf), *before).begin("a") is False
    assert Ledger(Spent(math.inf, 12), *before).begin("a")
    assert Ledger(Spent(math.inf, 11), *before).begin("a") is False


def test_a_ceiling_that_prices_add_up_to_exactly_lets_the_last_clip_in() -> None:
    assert sum([0.1] * 9) != 0.9
    run = Run(Ledger(Spent(1.0, math.inf)), [[(0.1, 0.0)]] * 20, written=0.0)
    run.go(1, 0)
    assert len(run.done) == 10
    assert run.book.state()[1]


def test_a_clip_begun_again_after_its_worker_was_lost_holds_one_place() -> None:
    book = Ledger(Spent(1.0, math.inf), Spent(0.3, 1), Spent(0.3, 1))
    assert book.begin("a")
    assert book.request("a", 0.0)
    book.settle("a", 0.0, 0.1, 0.1)
    assert book.request("a", 0.0), "which is never answered"
    assert book.begin("a")
    assert book.begin("b"), "0.4 are spent, two clips of 0.3 fit in"
    assert book.state() == (Spent(0.4, 3), False)
    assert book.begin("c") is None
    book.end("b", done=False)
    assert book.begin("c")


def test_nobody_waits_for_ever_for_a_clip_whose_worker_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Ledger(Spent(math.inf, 5), Spent(0.0, 1), Spent(0.0, 3))
    assert book.begin("a")
    assert book.begin("b") is None
    monkeypatch.setattr("pipeline.ledger.LOST_S", 0.0)
    assert book.begin("b")


def test_once_something_was_refused_nothing_else_is_allowed() -> None:
    book = Ledger(Spent(math.inf, 2))
    assert book.begin("a")
    assert book.request("a", 0.0)
    assert book.request("a", 0.0)
    assert book.request("a", 0.0) is False
    book.end("a", done=False)
    assert book.begin("b") is False, "or the run would go on with whatever worker asks next"
    closed = Ledger(UNLIMITED)
    closed.close()
    assert closed.request("a", 0.0) is False


def test_what_was_spent_is_noted_for_later_runs_until_its_table_is_made_again(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    notes, other = Notes(workspace, "annotations"), Notes(workspace, "predictions")
    assert notes.read() == NOTHING
    other.write(Spent(1.0, 1))
    book = Ledger(UNLIMITED, note=notes.write)
    assert book.request("a", 0.0)
    book.settle("a", 0.0, 0.25, 0.25)
    book.close()
    assert notes.read() == Spent(0.25, 1)
    workspace.clear(["annotations"])
    assert notes.read() == NOTHING
    assert other.read() == Spent(1.0, 1)


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
    assert ceiling(Priced(**PRICES), Priced()) == ceiling(KinematicConfig(), Priced()) == UNLIMITED
    assert ceiling(KinematicConfig(), None) is None


def send(prices: Priced, *replies: Reply | None) -> None:
    """Send requests as a model does, one after the other; None: one that is given up."""

    async def all_of_them() -> None:
        for reply in replies:
            async with charged(prices, 256) as book:
                if reply:
                    book(reply)

    asyncio.run(all_of_them())


def test_all_that_a_clip_took_is_in_its_columns() -> None:
    purse = Purse()
    send(Priced(**PRICES), Reply("of nobody's clip", 1_000_000))
    for _ in range(2):  # the second clip starts from nothing
        with purse.clip("a") as account:
            failed = Reply("", error="mllm_error")
            send(Priced(**PRICES), Reply("a", 1_000_000, prompt_tokens=900_000), failed, None)
        assert account.columns() == {"cost": pytest.approx(2.8), "requests": 3}


def test_without_prices_there_is_no_cost_rather_than_one_of_nothing() -> None:
    with Purse().clip("a") as account:
        send(Priced(), Reply("a", 5))
    assert account.columns() == {"cost": None, "requests": 1}


def test_a_ceiling_of_cost_is_not_kept_blindly() -> None:
    """An endpoint that tells no usage would be asked for ever."""
    with pytest.raises(RunError, match="max_requests"), Purse().clip("a"):
        send(Priced(**PRICES, max_cost=1.0), Reply("a", 0))


def test_threads_of_one_process_share_a_ledger_of_their_own() -> None:
    book = Ledger(Spent(math.inf, 50))
    purse, refused = Purse(book), []

    def work(clip_id: str) -> None:
        try:
            with purse.clip(clip_id):
                send(Priced(), Reply("x", 1), Reply("y", 1))
        except CeilingError:
            refused.append(clip_id)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, map(str, range(40))))
    assert book.state() == (Spent(0.0, 50), True)
    assert len(refused) == 15


@pytest.mark.ray
def test_workers_share_one_ledger_in_a_real_actor(tmp_path: Path) -> None:
    import ray

    limit, notes = Spent(math.inf, 5), Notes(Workspace(str(tmp_path)), "annotations")
    with ledger(None, [], notes, EngineConfig()) as none:
        assert none is None
    notes.write(Spent(0.0, 2))
    with ledger(limit, [Spent(0.0, 1)], notes, EngineConfig()) as book:
        one, other = Purse(book), Purse(book)
        with one.clip("a"):
            send(Priced(), Reply("x", 1), Reply("y", 1))
        assert turned_away(book, limit, 9) is None
        with pytest.raises(CeilingError), other.clip("b"):
            pytest.fail("4 of 5 are spent, and a clip takes 2")
        assert "4 of mllm.max_requests=5 spent, 9 clips left" in str(turned_away(book, limit, 9))
    assert notes.read() == Spent(0.0, 4)

    def keep_asking() -> None:  # Ray ends an actor a moment after it was told to
        while True:
            ray.get(book.state.remote())

    with pytest.raises(ray.exceptions.RayActorError):
        keep_asking()
    with pytest.raises(RunError, match="ledger"), one.clip("c"):
        pytest.fail("the ledger is gone")
