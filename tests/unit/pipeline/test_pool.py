"""How many workers a run asks for, and how its blocks are cut into tasks."""

import pytest

from pipeline.pool import CLIPS_WORTH_A_CPU, MOST_WORKERS, TASKS, TASKS_PER_WORKER, Pool, pool_for
from pipeline.stage import Row, Stage


class Any(Stage):
    name = "any"

    def work(self, row: Row) -> Row:
        return row


class Sharing(Any):
    """Its workers share the calls of a model."""

    enough_workers = 8


@pytest.mark.parametrize("cpus", [0, 5])
@pytest.mark.parametrize("stage", [Any(), Sharing()])
def test_a_number_in_the_settings_is_that_number_anywhere(stage: Stage, cpus: int) -> None:
    for grows in (False, True):
        assert pool_for(stage, 3, cpus, 10**6, grows) == Pool(3, 3)


def test_on_one_machine_there_is_a_worker_per_cpu() -> None:
    assert pool_for(Any(), None, 5, 10**6, grows=False) == Pool(5, 5)
    assert pool_for(Any(), None, 0, 10**6, grows=False) == Pool(1, 1)


@pytest.mark.parametrize(
    ("cpus", "clips", "least"),
    [
        (0, 1, 1),
        (0, 10 * CLIPS_WORTH_A_CPU, 10),
        (64, 10 * CLIPS_WORTH_A_CPU, 64),
        (0, 10**9, MOST_WORKERS),
    ],
)
def test_on_a_cluster_the_clips_say_how_many_workers_are_requested_at_once(
    cpus: int, clips: int, least: int
) -> None:
    assert pool_for(Any(), None, cpus, clips, grows=True) == Pool(least, MOST_WORKERS)


def test_a_cluster_that_is_larger_is_used_in_full() -> None:
    assert pool_for(Any(), None, 2 * MOST_WORKERS, 1, grows=True) == Pool(2 * MOST_WORKERS, 2 * MOST_WORKERS)


def test_workers_that_share_a_models_calls_keep_their_number() -> None:
    assert pool_for(Sharing(), None, 0, 10**6, grows=True) == Pool(8, 8)
    assert pool_for(Sharing(), None, 20, 10**6, grows=True) == Pool(20, 20)


def test_there_are_no_more_workers_than_blocks() -> None:
    assert Pool(4, 100).at_most(30) == Pool(4, 30)
    assert Pool(4, 100).at_most(2) == Pool(2, 2)
    assert Pool(4, 100).at_most(None) == Pool(4, 100)


@pytest.mark.parametrize("pool", [Pool(1, 1), Pool(10, 10), Pool(1, 1000), Pool(400, MOST_WORKERS)])
@pytest.mark.parametrize("blocks", [1, 10, 1000, 100_000, 10_000_000])
def test_every_worker_has_its_share_of_the_tasks_and_the_driver_not_too_many(pool: Pool, blocks: int) -> None:
    tasks = -(-blocks // pool.blocks_per_task(blocks))
    assert tasks >= min(blocks, TASKS_PER_WORKER * pool.least) // 2  # of 17 blocks, 9 tasks of 2
    assert tasks <= max(TASKS, TASKS_PER_WORKER * pool.most)
    if pool.least < pool.most:
        assert tasks >= min(blocks, pool.most)
