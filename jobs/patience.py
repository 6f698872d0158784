"""No wait without a word: says what is waited for once nothing has been heard for some seconds."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST_S = 8.0  # until the first word
MOST_S = 60.0  # between two, in the end


@contextmanager
def patience(say: Callable[[str], None], text: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """Say from time to time what is waited for, until the block ends or what it yields is called.

    Args:
        say: Prints a line.
        text: Makes it; called in another thread.
    """
    over = threading.Event()

    def speak() -> None:
        pause = FIRST_S
        while not over.wait(pause):
            say(text())
            pause = min(2 * pause, MOST_S)

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        yield over.set
    finally:
        over.set()
        thread.join()


def awaited(gpus: float) -> str:
    """Say what work that has not begun waits for.

    Args:
        gpus: How many it reserves.
    """
    import ray

    if not ray.is_initialized():
        return "Ray to start"
    there, free = ray.cluster_resources(), ray.available_resources()
    if not there.get("CPU"):
        return "a node to join the cluster: it has no CPUs yet"
    if gpus > there.get("GPU", 0):
        return f"{gpus:g} GPUs: {there.get('GPU', 0):g} there"
    taken = f" ({there['GPU']:g} GPUs there, {free.get('GPU', 0):g} free)" if gpus else ""
    return f"the first clips{taken}"
