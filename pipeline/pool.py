"""How many workers a stage gets, and how its clips are cut into tasks for them.

On a cluster, the pool goes from a minimum to a maximum: Ray Data adds workers as nodes join, and asks for
more nodes while all workers are busy.
"""

from dataclasses import dataclass

from pipeline.stage import Stage

# Nodes are requested at once for one CPU per so many clips: two minutes of scoring, and a node takes no less
# to start.
CLIPS_WORTH_A_CPU = 256
MOST_WORKERS = 1024  # unless more CPUs are there, or the settings say more; tasks for so many take 1.6 GB

# Ray Data keeps about 100 KB per task in the driver: with more rows, tasks become larger, not more numerous.
TASKS = 2048
BLOCKS_PER_TASK = 4
TASKS_PER_WORKER = 16  # at least, however small, so that all workers finish at about the same time


@dataclass(frozen=True)
class Pool:
    """The number of workers.

    Attributes:
        least: Requested at once, and kept.
        most: If nodes join.
    """

    least: int
    most: int

    def at_most(self, limit: int | None) -> "Pool":
        """Return the pool with no more workers than that."""
        return self if limit is None else Pool(min(self.least, limit), min(self.most, limit))

    def blocks_per_task(self, blocks: int) -> int:
        """Choose how many of a run's blocks make a task."""
        # Tasks limit how far it can grow: then they are as small as they can be, as long as they are few.
        few = blocks if self.least < self.most else blocks // BLOCKS_PER_TASK
        many = min(TASKS_PER_WORKER * self.most, blocks // BLOCKS_PER_TASK)
        return -(-blocks // max(TASKS_PER_WORKER * self.least, min(TASKS, few), many))


def pool_for(stage: Stage, workers: int | None, cpus: int, clips: int, grows: bool) -> Pool:
    """Choose the number of workers for a stage.

    Args:
        stage: What they run.
        workers: Their number, if the settings say.
        cpus: Number of workers for which there are CPUs; 0 on a cluster that has no worker node yet.
        clips: Number of clips to process.
        grows: Whether nodes may join.
    """
    if workers:
        return Pool(workers, workers)
    if not grows:
        return Pool(max(cpus, 1), max(cpus, 1))
    if stage.enough_workers:  # they divide a model's calls among them, so their number has to be known
        return Pool(cpus or stage.enough_workers, cpus or stage.enough_workers)
    return Pool(max(cpus, min(clips // CLIPS_WORTH_A_CPU, MOST_WORKERS), 1), max(cpus, MOST_WORKERS))
