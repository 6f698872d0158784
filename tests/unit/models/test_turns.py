"""Models that are not made for several threads, used by several."""

import time
from concurrent.futures import ThreadPoolExecutor

from stages.models.turns import InTurn


class Fragile:
    """Counts how many calls it is in the middle of."""

    name, version = "fragile", "1"

    def __init__(self) -> None:
        self.inside = self.most = 0

    def track(self, number: int) -> int:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.005)
        self.inside -= 1
        return -number

    __call__ = track


def test_calls_from_many_threads_come_one_after_the_other_each_with_its_own_result() -> None:
    model = Fragile()
    shared = InTurn(model)
    with ThreadPoolExecutor(8) as threads:
        for call in (shared.track, shared):
            assert list(threads.map(call, range(24))) == [-number for number in range(24)]
    assert model.most == 1
    assert (shared.name, shared.version) == ("fragile", "1")


def test_the_model_of_the_test_notices_calls_that_overlap() -> None:
    model = Fragile()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(model.track, range(24)))
    assert model.most > 1
