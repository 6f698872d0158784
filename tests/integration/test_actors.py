"""Models in Ray actors: routed to, restarted, given up, and never waited for without end."""

import os
import pickle
import signal
import sys
import threading
import time
import venv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.errors import ClipError, RunError
from stages.models.actors import Handle, model_actors
from stages.models.backend import Backend
from stages.models.batching import Batches
from stages.models.detector.moving_regions import MovingRegions, MovingRegionsConfig
from stages.models.mllm.kinematic import KinematicMllm
from stages.models.packing import pack, unpack
from stages.models.placement import Placement
from stages.models.protocols import Reply, Request
from stages.models.proxies import RemoteDetector, RemoteMllm, RemoteTracker
from stages.models.tracker.regions import FlowTracker, FlowTrackerConfig
from stages.motionsight import MotionSight
from stages.motionsight.observe import Observer
from stages.motionsight.settings import ObserveConfig
from tests.videos import write

LONG_S = 60.0  # for what must end far sooner


class Config(Backend):
    """A model for the tests, or one that cannot be made."""

    reentrant: ClassVar[bool] = True

    model: str = "parrot"
    folder: Path = Path()
    actor: Placement = Placement(num_cpus=0.1, max_concurrency=8)

    def build(self) -> Any:
        match self.model:
            case "parrot":
                return Parrot(self.folder)
            case "kinematic":
                return KinematicMllm()
            case "together":
                return Together(self.gather_s)
            case "moving regions":
                return MovingRegions(MovingRegionsConfig())
            case "flow tracker":
                return FlowTracker(FlowTrackerConfig())
        raise FileNotFoundError(f"no weights\nin {self.folder / 'weights.bin'}")


class Clumsy(Config):
    """The same for models that have to be called one by one."""

    reentrant: ClassVar[bool] = False


class Together:
    """Says how many calls shared a batch, once four are there; and how many were there at most."""

    name, version = "together", "1"

    def __init__(self, gather_s: float) -> None:
        self._batches = Batches(lambda prompts: [(len(prompts), prompt) for prompt in prompts], 4, gather_s)
        self._four = threading.Barrier(4)
        self._inside = self._most = 0

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        with self._batches.present():
            self._four.wait(LONG_S)
            shared = self._batches([request.prompt for request in requests])
        return [Reply(prompt, count) for count, prompt in shared]

    def track(self, number: int, _: None) -> int:
        self._inside += 1
        self._most = max(self._most, self._inside)
        time.sleep(0.01)
        self._inside -= 1
        return self._most


class Parrot:
    """Says which process it is and what it was asked, or does to itself what the prompt says."""

    name, version = "parrot", "1"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.broken = False

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        for request in requests:
            what, _, once = request.prompt.partition(" ")
            if once == "once":
                try:
                    (self._folder / once).touch(exist_ok=False)
                except FileExistsError:
                    continue
            match what:
                case "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "break":
                    self.broken = True
                case "hang":
                    time.sleep(LONG_S)
                case "raise":
                    raise ValueError("a bad\nfeather")
        return [Reply(request.prompt, os.getpid()) for request in requests]

    def detect(self, *arguments: Any) -> Any:
        raise ValueError("not a detector")

    def close(self) -> None:
        (self._folder / f"closed {os.getpid()}").touch()


def request(prompt: str, frames: np.ndarray | None = None) -> Request:
    frames = np.zeros((0, 8, 8, 3), np.uint8) if frames is None else frames
    return Request(prompt, prompt, "both", frames, np.arange(len(frames)) / 4)


def clip(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 40, 60, 3), np.uint8)


def placed(folder: Path, **settings: Any) -> Config:
    return Config(folder=folder, actor=Placement(**{"num_cpus": 0.1, "max_concurrency": 8} | settings))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    with model_actors({"mllm": placed(tmp_path_factory.mktemp("two"), replicas=2)}) as handles:
        yield handles["mllm"]


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.float32, np.int64, np.bool_]),
        arrays.array_shapes(min_dims=0, min_side=0),
    )
)
def test_arrays_arrive_as_they_were_sent_in_words_that_older_numpy_reads(array: np.ndarray) -> None:
    sent = pack((array, {"turned": array.T}, "动作 🎥", [array[..., ::2] if array.ndim else array]))
    assert b"numpy._core" not in sent[0]
    there, named, text, (thinned,) = unpack(pickle.loads(pickle.dumps(sent, protocol=5)))
    for got, meant in (
        (there, array),
        (named["turned"], array.T),
        (thinned, array[..., ::2] if array.ndim else array),
    ):
        assert (got.dtype, got.shape) == (meant.dtype, meant.shape)
        np.testing.assert_array_equal(got, meant)
    assert text == "动作 🎥"


def test_models_without_a_place_start_nothing() -> None:
    with model_actors(
        {"mllm": None, "detector": MovingRegionsConfig(), "tracker": FlowTrackerConfig()}
    ) as handles:
        assert handles == {}


@pytest.mark.ray
def test_replies_come_in_the_order_of_the_requests(two: Handle) -> None:
    asked = RemoteMllm(pickle.loads(pickle.dumps(two)))  # as a worker gets it
    prompts = [f"{k} 动作 \ud83d 🎥" for k in range(20)]
    replies = asked.generate([request(prompt, clip(k)) for k, prompt in enumerate(prompts)])
    assert [reply.text for reply in replies] == prompts
    assert (asked.name, asked.version) == ("parrot", "1")
    assert asked.generate([]) == []


@pytest.mark.ray
def test_requests_about_the_same_frames_meet_and_others_are_spread(two: Handle) -> None:
    def processes(*frames: np.ndarray | None) -> list[int]:
        fresh = RemoteMllm(two)  # each worker has its own
        return [reply.tokens for reply in fresh.generate([request("x", these) for these in frames])]

    for seed in range(4):
        frames = clip(seed)
        turned = frames.transpose(0, 2, 1, 3).copy().transpose(0, 2, 1, 3)  # the same, otherwise laid out
        assert len({*processes(frames, frames.copy(), turned), *processes(frames)}) == 1
    assert len(set(processes(*map(clip, range(20))))) == 2
    assert len(set(processes(None, None))) == 2


@pytest.mark.ray
def test_many_threads_may_call_at_once(two: Handle) -> None:
    asked = RemoteMllm(two)
    with ThreadPoolExecutor(16) as threads:
        texts = list(threads.map(lambda k: asked.generate([request(str(k), clip(k))])[0].text, range(64)))
    assert texts == [str(k) for k in range(64)]


@pytest.mark.ray
def test_calls_of_several_clips_share_batches_in_an_actor_or_take_turns(tmp_path: Path) -> None:
    at = Placement(num_cpus=0.1, max_concurrency=8, gather_ms=1000 * LONG_S)
    roles = {"mllm": Config(model="together", actor=at), "tracker": Clumsy(model="together", actor=at)}
    with model_actors(roles) as handles, ThreadPoolExecutor(16) as threads:
        asked = RemoteMllm(handles["mllm"])
        replies = list(threads.map(lambda k: asked.generate([request(str(k))])[0], range(16)))
        assert [reply.text for reply in replies] == [str(k) for k in range(16)]
        assert {reply.tokens for reply in replies} == {4}
        tracker: Any = RemoteTracker(handles["tracker"])
        assert set(threads.map(lambda k: tracker.track(k, None), range(16))) == {1}


@pytest.mark.ray
@pytest.mark.parametrize("end", ["die", "break"])
def test_an_actor_that_dies_or_breaks_is_started_anew_and_asked_again(end: str, tmp_path: Path) -> None:
    with model_actors({"mllm": placed(tmp_path)}) as handles:
        asked = RemoteMllm(handles["mllm"])
        (before,) = asked.generate([request("x")])
        replies = asked.generate([request(f"{end} once"), request("y")])
        assert [reply.text for reply in replies] == [f"{end} once", "y"]
        assert replies[0].tokens != before.tokens


@pytest.mark.ray
@pytest.mark.parametrize("settings", [{"replicas": 1}, {"replicas": 2, "max_restarts": 0}])
def test_what_kills_its_actor_every_time_ends_in_a_code_and_kills_no_other(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    with model_actors({"mllm": placed(tmp_path, **settings)}) as handles:
        frames = clip(0)
        began = time.monotonic()
        (reply,) = RemoteMllm(handles["mllm"]).generate([request("die", frames)])
        assert time.monotonic() - began < LONG_S
        assert (reply.error, reply.text) == ("mllm_error", "")
        assert reply.detail
        assert "\n" not in reply.detail
        for k in range(3):
            assert (
                RemoteMllm(handles["mllm"]).generate([request("x", frames), request("y", clip(k))])[0].text
                == "x"
            )


@pytest.mark.ray
def test_when_every_replica_is_dead_the_run_ends(tmp_path: Path) -> None:
    with model_actors({"mllm": placed(tmp_path, max_restarts=0)}) as handles:
        RemoteMllm(handles["mllm"]).generate([request("die")])
        with pytest.raises(RunError, match="parrot has no replica left") as failed:
            RemoteMllm(handles["mllm"]).generate([request("x")])
        assert "\n" not in str(failed.value)


@pytest.mark.ray
def test_a_call_without_end_and_one_that_raises_end_in_a_code(tmp_path: Path) -> None:
    with model_actors({"mllm": placed(tmp_path, call_timeout_s=2)}) as handles:
        asked = RemoteMllm(handles["mllm"])
        for prompt, told in (("hang", "timed out"), ("raise", "feather")):
            (reply,) = asked.generate([request(prompt)])
            assert (reply.error, reply.text) == ("mllm_error", "")
            assert told in reply.detail
        assert asked.generate([request("x")])[0].text == "x"
        with pytest.raises(ClipError, match="not a detector") as failed:
            RemoteDetector(handles["mllm"]).detect(None, [])  # type: ignore[arg-type]
        assert failed.value.code == "worker_crash"


@pytest.mark.ray
def test_a_killed_worker_takes_no_model_with_it(two: Handle) -> None:
    import ray

    @ray.remote(num_cpus=0.1, max_retries=0)
    def worker(handle: Handle, die: bool) -> list[int]:
        replies = RemoteMllm(handle).generate([request("x", clip(k)) for k in range(8)])
        if die:
            os._exit(1)
        return [reply.tokens for reply in replies]

    before = ray.get(worker.remote(two, False))
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(worker.remote(two, True))
    assert ray.get(worker.remote(two, False)) == before


@pytest.mark.ray
def test_equal_settings_share_their_actors_and_all_are_ended_at_the_end(tmp_path: Path) -> None:
    roles = {
        "mllm": placed(tmp_path),
        "baseline": placed(tmp_path),
        "other": placed(tmp_path, max_concurrency=2),
    }
    with model_actors(roles) as handles:
        pids = {role: RemoteMllm(it).generate([request("x")])[0].tokens for role, it in handles.items()}
        assert pids["mllm"] == pids["baseline"] != pids["other"]
    assert {path.name for path in tmp_path.iterdir()} == {f"closed {pid}" for pid in pids.values()}
    gone(pids.values())


@pytest.mark.ray
def test_the_actors_are_ended_when_the_block_fails(tmp_path: Path) -> None:
    pids = []

    def fail() -> None:
        with model_actors({"mllm": placed(tmp_path)}) as handles:
            pids.append(RemoteMllm(handles["mllm"]).generate([request("x")])[0].tokens)
            raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        fail()
    gone(pids)


def gone(pids: Any) -> None:
    until = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.slow
def test_what_cannot_be_started_is_told_in_one_sentence(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False)
    (tmp_path / "weights").mkdir()
    for config, told in (
        (
            Config(model="none", folder=tmp_path),
            r"the model cannot be started: FileNotFoundError: .*weights\.bin",
        ),
        (
            placed(tmp_path, runtime_env={"py_executable": str(tmp_path / "no python")}, start_timeout_s=15),
            "actor",
        ),
        (
            placed(tmp_path, runtime_env={"py_executable": str(bare / "bin" / "python")}, start_timeout_s=15),
            "actor",
        ),
        (placed(tmp_path, num_gpus=1000), "need 1000 GPU, this machine has"),
        (placed(tmp_path, num_cpus=500, replicas=2), "need 1000 CPU, this machine has"),
        (placed(tmp_path, memory_gb=1e6), r"need 1e\+06 GiB of memory, this machine has"),
    ):
        with pytest.raises(RunError, match=told) as failed, model_actors({"mllm": config}):
            pass
        assert "\n" not in str(failed.value)
        assert len(str(failed.value)) < 600


@pytest.mark.ray
@pytest.mark.long
def test_an_actor_finds_the_project_and_what_its_own_python_path_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from tests.integration.test_actors import Config\n\n\nclass Elsewhere(Config):\n    pass\n"
    (tmp_path / "found_there.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    from found_there import Elsewhere  # type: ignore[import-not-found]

    env = {"env_vars": {"PYTHONPATH": str(tmp_path)}, "py_executable": sys.executable}
    with model_actors({"mllm": Elsewhere(folder=tmp_path, actor=Placement(runtime_env=env))}) as handles:
        assert RemoteMllm(handles["mllm"]).generate([request("x")])[0].text == "x"


@pytest.mark.ray
def test_models_say_in_an_actor_what_they_say_here(tmp_path: Path) -> None:
    here = MotionSight()
    path = write(tmp_path / "clip.mp4", frames=24)
    inquiry = here.inquire(str(path), None, None, ["How does the camera move?", "动作?"], [1, 2])
    requests = [here.request(inquiry, one) for one in inquiry.questions]
    roles = {"mllm": "kinematic", "detector": "moving regions", "tracker": "flow tracker"}
    with model_actors({role: Config(model=model) for role, model in roles.items()}) as handles:
        assert RemoteMllm(handles["mllm"]).generate(requests) == here.mllm.generate(requests)
        there = Observer(ObserveConfig())
        there.detector, there.tracker = RemoteDetector(handles["detector"]), RemoteTracker(handles["tracker"])
        expected, found = (it.ground(inquiry.observation) for it in (here.observer, there))
        assert len(expected.tracks) == len(found.tracks)
        np.testing.assert_array_equal(expected.regions, found.regions)
