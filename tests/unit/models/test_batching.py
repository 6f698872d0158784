"""Calls that share batches: each gets its own results, and only what fails fails."""

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.models.batching import Batches

LONG_S = 60.0  # for waits that have to end far sooner


class Model:
    """Doubles numbers, remembers its batches, and holds the first one until it is told to go on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.began.set()
        assert self.go_on.wait(LONG_S)
        if any(number < 0 for number in numbers):
            raise ValueError(f"negative among {len(numbers)}")
        return [2 * number for number in numbers]


def test_many_threads_get_their_own_results_in_order_in_batches_of_one_kind() -> None:
    model = Model()
    model.go_on.set()
    batches = Batches(model, 5, 0.001)

    def call(seed: int) -> bool:
        rng = random.Random(seed)
        for _ in range(20):
            kind = rng.choice((0, 1))
            numbers = [2 * rng.randrange(10**6) + kind for _ in range(rng.randrange(12))]
            with batches.present():
                assert batches(numbers, kind) == [2 * number for number in numbers]
        return True

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(call, range(32)))
    assert max(map(len, model.batches)) == 5
    assert all(len({number % 2 for number in batch}) == 1 for batch in model.batches)


def test_calls_that_come_while_a_batch_is_computed_share_the_next_one() -> None:
    model = Model()
    batches = Batches(model, 8)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(batches, [0])
        assert model.began.wait(LONG_S)
        others = [threads.submit(batches, [k, 10 * k]) for k in (1, 2, 3)]
        while len(batches._waiting) < 6:
            pass
        model.go_on.set()
        assert first.result() == [0]
        assert [other.result() for other in others] == [[2, 20], [4, 40], [6, 60]]
    assert [len(batch) for batch in model.batches] == [1, 6]


def test_a_batch_waits_for_threads_that_are_present_but_a_call_that_is_alone_does_not_wait() -> None:
    model = Model()
    model.go_on.set()
    batches = Batches(model, 8, LONG_S)
    with batches.present():
        assert batches([1]) == [2]
    both = threading.Barrier(2)

    def call(number: int) -> list[int]:
        with batches.present():
            both.wait(LONG_S)
            return batches([number])

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(call, (2, 3))) == [[4], [6]]
    assert [sorted(batch) for batch in model.batches] == [[1], [2, 3]]


def test_a_batch_that_fails_is_repeated_call_by_call_and_costs_only_the_call_that_fails() -> None:
    model = Model()
    batches = Batches(model, 8)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(batches, [0])
        assert model.began.wait(LONG_S)
        good, bad, other = (threads.submit(batches, numbers) for numbers in ([1, 2], [3, -4], [5]))
        while len(batches._waiting) < 5:
            pass
        model.go_on.set()
        assert (first.result(), good.result(), other.result()) == ([0], [2, 4], [10])
        with pytest.raises(ValueError, match="negative among 2"):
            bad.result()
    assert batches([]) == []
