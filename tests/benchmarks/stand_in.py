"""Models that only take time, as long as real ones would on a GPU: what `busy` puts in their place.

Every figure has a source: (m) measured, (p) published, (c) computed from what a card can do. Models on one
GPU use it in turn, as kernels of several processes do.
"""

import fcntl
import json
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel

from filters.evidence import Track
from filters.flow.estimator import BATCH_PIXELS
from stages.models.backend import AlignmentBackend, DetectorBackend, MllmBackend, TrackerBackend
from stages.models.placement import Placement
from stages.models.protocols import Detections, Mllm, Reply, Request, View

FRAME_TOKENS = 195  # of a frame of 360 x 420 pixels in Qwen2.5-VL: 26 x 30 patches, four to a token
TEXT_TOKENS = 250  # of a prompt, without its frames
ANSWER_TOKENS, PLAN_TOKENS = 70, 45  # written, on the average, for an answer and for the plan of a question
CPU_S = 0.1  # core-seconds that a worker takes for a second of a clip (m: 0.9 for clips of 9 s)
PAIRS = 8.0  # of frames, that flow is computed for, in a second of a clip: decode.fps
FLOW_BATCH = BATCH_PIXELS // (256 * 144)  # pairs in a call of RAFT
TURN = 8  # calls of flow that are simulated as one
BLUR = 8  # decode steps between two looks at the queue, where nobody waits to be read


class Card(BaseModel):
    """Seconds that work takes on one GPU.

    Where the kernels of a model are many and small, it is their launching that takes the time: the process
    waits, and others can use the GPU.

    Attributes:
        token: To read a token of a prompt.
        frame: To see a frame, in the vision tower.
        step: To write a token for one call.
        context: More for each token that the calls of the batch hold in the cache.
        flow_pair: RAFT small at 256 x 144: for each pair of frames; for each call, `flow_launch` of waiting.
        detector_frame: Grounding DINO base at 800 x 1066: for each frame; for each call, `detector_launch`.
        tracker_frame: SAM 2.1: for each frame.
        tracker_object: For each object in each frame, and `tracker_launch` of waiting.
        scorer_pair: CLIP-FlanT5-XXL: for each pair of a frame and a text; for each call, `scorer_launch`.
    """

    token: float
    frame: float
    step: float
    context: float
    flow_launch: float
    flow_pair: float
    detector_launch: float
    detector_frame: float
    tracker_frame: float
    tracker_launch: float
    tracker_object: float
    scorer_launch: float
    scorer_pair: float


CARDS = {
    # Measured on an H200 with random weights, PyTorch 2.11, eager but for the decode steps, which were
    # captured graphs (an H100 computes as fast and reads memory a third slower). Decode steps: 4.8 ms alone,
    # 10.4 with 64 calls of 6,500 tokens, 16.0 with 128. RAFT: 31 ms for 1 to 16 pairs, 25 for 32. SAM 2.1
    # large in float32: 0.87 s for 16 frames with one object, 1.14 with two, 1.77 with four; in bfloat16 0.57,
    # 0.85, 1.50, so what an object adds is mostly launching. VQAScore: 0.27 s for 8 pairs, 0.52 for 16.
    # Grounding DINO: 78 ms for a frame, 132 for four.
    "H100": Card(
        token=24e-6,
        frame=2.9e-3,
        step=4.9e-3,
        context=1.35e-8,
        flow_launch=0.03,
        flow_pair=0.0008,
        detector_launch=0.06,
        detector_frame=0.02,
        tracker_frame=0.036,
        tracker_launch=0.009,
        tracker_object=0.010,
        scorer_launch=0.02,
        scorer_pair=0.031,
    ),
    # The models of `one_gpu`, computed: weights in 4 bits, SAM 2.1 small. A sixth of the H100's bfloat16 (165
    # of 989 TFLOP/s), a third of its bandwidth (1.0 of 3.35 TB/s), and as quick in float32.
    "RTX4090": Card(
        token=145e-6,
        frame=17e-3,
        step=8e-3,
        context=8e-8,
        flow_launch=0.03,
        flow_pair=0.001,
        detector_launch=0.06,
        detector_frame=0.02,
        tracker_frame=0.01,
        tracker_launch=0.009,
        tracker_object=0.005,
        scorer_launch=0.0,
        scorer_pair=0.0,
    ),
}


@dataclass
class Work:
    """A call in an engine's batch.

    Attributes:
        read_s: Seconds to read its prompt.
        context: Tokens of the prompt.
        left: Tokens still to be written.
    """

    key: Any
    read_s: float
    context: int
    left: int


@dataclass
class Batch:
    """The loop of an engine that batches as vLLM does: prompts are read in turn, tokens written together."""

    card: Card
    most: int = 256  # calls that are written at once: vLLM's max_num_seqs
    waiting: deque[Work] = field(default_factory=deque)
    running: list[Work] = field(default_factory=list)

    def round(self) -> tuple[float, list[Any]]:
        """Do the next piece of work. Returns its seconds, and the keys of the calls that it ended."""
        seconds, tokens = 0.0, 1
        if self.waiting and len(self.running) < self.most:
            work = self.waiting.popleft()
            self.running.append(work)
            seconds += work.read_s
        else:
            tokens = min([BLUR, *(work.left for work in self.running)])
        held = sum(work.context for work in self.running)
        seconds += tokens * (self.card.step + held * self.card.context)
        for work in self.running:
            work.left -= tokens
        done = [work.key for work in self.running if work.left <= 0]
        self.running = [work for work in self.running if work.left > 0]
        return seconds, done


class Bench(BaseModel):
    """Where and how fast the stand-ins work.

    Attributes:
        folder: For the record of who worked when, and for the locks of GPUs.
        speed: Seconds of the node that pass in a real second.
        card: The GPU.
        decoded: Clips are decoded and measured for real; otherwise that is a sleep.
        full_frames: What stands for a clip's frames has their size; otherwise it is small.
        flow_batch: Pairs in a call of RAFT.
    """

    folder: str
    speed: float
    card: Card
    decoded: bool = False
    full_frames: bool = False
    flow_batch: int = 1


class Gpu:
    """The GPU that Ray gave this process, and the record of what a model did on it."""

    def __init__(self, bench: Bench, role: str) -> None:
        import ray

        given = ray.get_gpu_ids()
        # Two nodes of a test would have GPUs of the same number.
        node = ray.get_runtime_context().get_node_id()[:8]
        self._bench, self._role = bench, role
        self.name = f"{node}-{given[0]}" if given else ""
        self._record = Path(bench.folder, f"{role}-{os.getpid()}.jsonl")

    def work(self, seconds: float, launch: float = 0.0, ready: float | None = None) -> float:
        """Take so long, of the node's time, on the GPU: alone, as others that share it wait meanwhile.

        It begins when the work is there and the GPU is free, and not when this process wakes up: dozens of
        them share the few CPUs of this machine.

        Args:
            seconds: Of the GPU.
            launch: Seconds before that, in which others can use it.
            ready: When the work was there: the end of what it follows at once; None: now.

        Returns:
            When it ended.
        """
        ready = (time.time() if ready is None else ready) + launch / self._bench.speed
        _sleep_until(ready)
        with Path(self._bench.folder, f"gpu-{self.name}.lock").open("a+") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            turn.seek(0)
            began = max(ready, float(turn.read() or 0))  # it says since when the GPU is free
            ended = began + seconds / self._bench.speed
            _sleep_until(ended)
            turn.truncate(0)
            turn.write(repr(ended))
        with self._record.open("a") as record:
            print(json.dumps([self._role, self.name, os.getpid(), began, ended, seconds]), file=record)
        return ended


def _sleep_until(at: float) -> None:
    time.sleep(max(at - time.time(), 0.0))


class TimedMllm(MllmBackend):
    """A language model that takes as long as a batch of its size would."""

    reentrant: ClassVar[bool] = True

    backend: Literal["timed"] = "timed"
    role: str
    bench: Bench
    actor: Placement

    def build(self) -> Mllm:
        return Engine(self)


class Engine:
    """The model of `TimedMllm`: a thread goes round the batch; calls wait for their replies."""

    name, version = "timed", "engine"

    def __init__(self, settings: TimedMllm) -> None:
        self._card = settings.bench.card
        self._gpu = Gpu(settings.bench, settings.role)
        self._batch = Batch(self._card)
        self._some = threading.Condition()
        self._cached: dict[int, None] = {}  # frames whose prefix is still in the cache; the newest last
        threading.Thread(target=self._loop, daemon=True).start()

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        ended = [threading.Event() for _ in requests]
        with self._some:
            for request, event in zip(requests, ended, strict=True):
                self._batch.waiting.append(self._work(request, event))
            self._some.notify()
        for event in ended:
            event.wait()
        logprobs = {"Yes": -0.7, "No": -0.7}
        return [Reply(_text(one), _tokens(one), logprobs if one.logprob_tokens else {}) for one in requests]

    def _work(self, request: Request, event: threading.Event) -> Work:
        frames = len(request.frames)
        key = zlib.crc32(np.ascontiguousarray(request.frames[:, :1]).data)
        known = key in self._cached
        self._cached.pop(key, None)
        self._cached[key] = None
        if len(self._cached) > 128:
            self._cached.pop(next(iter(self._cached)))
        fresh = 0 if known else frames
        read_s = fresh * (self._card.frame + FRAME_TOKENS * self._card.token) + TEXT_TOKENS * self._card.token
        return Work(event, read_s, frames * FRAME_TOKENS + TEXT_TOKENS, _tokens(request))

    def _loop(self) -> None:
        ended: float | None = None
        while True:
            with self._some:
                while not (self._batch.waiting or self._batch.running):
                    self._some.wait()
                    ended = None
                seconds, done = self._batch.round()
            ended = self._gpu.work(seconds, ready=ended)
            for event in done:
                event.set()


def _text(request: Request) -> str:
    if not request.json_schema:
        return "The camera pans right, and the dog moves to the left."
    plans = request.json_schema["properties"]["plans"]["minItems"]
    about = ("object", "camera", "both")[int(3 * chance(request.question, request.seed))]
    return json.dumps({"plans": [{"about": about, "objects": ["dog"]}] * plans})


def _tokens(request: Request) -> int:
    """Tokens that the model writes: the average, give or take a half, always the same for a question."""
    if request.max_tokens == 1:
        return 1
    questions = request.question.count("\n") + 1
    mean = PLAN_TOKENS * questions if request.json_schema else ANSWER_TOKENS
    return round(mean * (0.5 + chance(request.question, request.seed)))


def chance(*of: object) -> float:
    """A number from 0 to 1 that depends on nothing but what it is of."""
    return zlib.crc32(repr(of).encode()) / 2**32


def seconds_of(clip_id: str) -> float:
    """How long a clip is: 2 to 26 s, 8 on the average, most of them shorter."""
    return 2.0 + 24.0 * chance(clip_id) ** 3


def flow_turns(pairs: int, batch: int, card: Card) -> Iterator[tuple[int, float]]:
    """The calls in which the flow of a clip is computed, TURN at a time: pairs, and seconds of launching."""
    while pairs:
        some = min(pairs, TURN * batch)
        yield some, -(-some // batch) * card.flow_launch
        pairs -= some


def objects_of(view: View) -> int:
    """How many objects a clip has: 1 to 3."""
    return 1 + int(3 * chance(view.frames[0, 0].tobytes()))


class TimedDetector(DetectorBackend):
    """A detector that takes its time for each batch of key frames."""

    backend: Literal["timed"] = "timed"
    batch_size: int
    bench: Bench
    actor: Placement

    def build(self) -> "Finder":
        return Finder(self)


class Finder:
    name, version = "timed", "detector"

    def __init__(self, settings: TimedDetector) -> None:
        self._settings, self._gpu = settings, Gpu(settings.bench, "detector")

    def detect(self, view: View, labels: Sequence[str]) -> dict[float, Detections]:
        card, most = self._settings.bench.card, self._settings.batch_size
        count = min(len(view.times), int(view.times[-1]) + 1)  # a key frame for each second
        ended = None
        for at in range(0, count, most):
            frames = min(most, count - at)
            ended = self._gpu.work(frames * card.detector_frame, card.detector_launch, ended)
        box = np.array([[1, 1, 8, 8]] * objects_of(view), np.float32)
        one = Detections(box, np.full(len(box), 0.9, np.float32), (labels[0],) * len(box))
        return {float(view.times[0]): one}


class TimedTracker(TrackerBackend):
    """A tracker that takes its time for each frame and object."""

    backend: Literal["timed"] = "timed"
    bench: Bench
    actor: Placement

    def build(self) -> "Follower":
        return Follower(self)


class Follower:
    name, version = "timed", "tracker"

    def __init__(self, settings: TimedTracker) -> None:
        self._card, self._gpu = settings.bench.card, Gpu(settings.bench, "tracker")

    def track(self, view: View, found: Mapping[float, Detections]) -> list[Track]:
        (one,) = found.values()
        card, frames = self._card, len(view.times)
        count, ended = len(one.boxes), None
        for _ in range(frames):
            seconds = card.tracker_frame + count * card.tracker_object
            ended = self._gpu.work(seconds, count * card.tracker_launch, ended)
        boxes = np.tile(one.boxes[0].astype(np.float64), (frames, 1))
        return [Track("dog", view.times, boxes, np.ones(frames, np.float32), (0.0, 0.0))]


class TimedScorer(AlignmentBackend):
    """A scorer that takes its time for each pair of a frame and a text."""

    backend: Literal["timed"] = "timed"
    frames: int
    bench: Bench
    actor: Placement

    def build(self, mllm: Mllm | None = None) -> "Judge":
        return Judge(self)


class Judge:
    name, version = "timed", "scorer"

    def __init__(self, settings: TimedScorer) -> None:
        self._settings, self._gpu = settings, Gpu(settings.bench, "vqascore")

    def __call__(self, frames: np.ndarray, times: np.ndarray, texts: Sequence[str]) -> list[float | None]:
        card = self._settings.bench.card
        self._gpu.work(len(texts) * self._settings.frames * card.scorer_pair, card.scorer_launch)
        return [0.5 for _ in texts]
