import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from filters.flow import estimator
from filters.flow.dis import DisConfig
from filters.flow.estimator import flows
from filters.flow.raft import WEIGHTS, RaftConfig, RaftFlow


@pytest.fixture(scope="module")
def raft(tmp_path_factory: pytest.TempPathFactory) -> RaftFlow:
    import torch
    from torchvision.models.optical_flow import raft_small

    path = tmp_path_factory.mktemp("raft") / "raft.pth"
    torch.manual_seed(0)
    torch.save(raft_small().state_dict(), path)
    return RaftConfig(weights=str(path), device="cpu").build()


def noise(count: int, height: int = 100, width: int = 161) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, height, width), dtype=np.uint8)


def test_the_weights_that_doctor_looks_for_are_those_that_torchvision_loads() -> None:
    from torchvision.models import optical_flow

    for kind, version, file in WEIGHTS.values():
        assert getattr(optical_flow, kind)[version].url.endswith(f"/{file}")


def test_the_large_model_takes_the_weights_of_the_large_model(tmp_path: Path) -> None:
    import torch
    from torchvision.models.optical_flow import raft_large

    torch.save(raft_large().state_dict(), tmp_path / "large.pth")
    flow = RaftConfig(weights=str(tmp_path / "large.pth"), device="cpu", size="large").build()
    image = np.zeros((128, 136), np.uint8)
    assert flow(image, image).shape == (128, 136, 2)
    with pytest.raises(RuntimeError, match="state_dict"):
        RaftConfig(weights=str(tmp_path / "large.pth"), device="cpu").build()


def test_raft_with_random_weights_runs_behind_the_same_interface(raft: RaftFlow) -> None:
    (image,) = noise(1)
    assert raft(image, image).shape == (100, 161, 2)


def test_a_batch_of_raft_with_random_weights_gives_each_pair_what_it_gets_alone(
    raft: RaftFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = noise(4)
    alone = [raft(a, b) for a, b in itertools.pairwise(images)]
    for most in (1, 2 * images[0].size, 100 * images[0].size):  # pixels: pair by pair, in twos, all at once
        monkeypatch.setattr(estimator, "BATCH_PIXELS", most)
        together = [*flows(raft, images[:-1], images[1:])]
        assert len(together) == 3
        np.testing.assert_allclose(together, alone, atol=1e-3)


@pytest.mark.parametrize("pairs", [0, 1, 3])
def test_an_estimator_without_batches_is_asked_pair_by_pair(pairs: int) -> None:
    images, dis = noise(pairs + 1), DisConfig().build()
    found = [*flows(dis, images[:-1], images[1:])]
    assert len(found) == pairs
    assert all(np.array_equal(flow, dis(images[k], images[k + 1])) for k, flow in enumerate(found))


def test_raft_with_random_weights_called_from_many_threads_gives_each_its_own_flow(raft: RaftFlow) -> None:
    pairs = [(noise(1, 40, 40 + 8 * k)[0], noise(2, 40, 40 + 8 * k)[1]) for k in range(6)]
    alone = [raft(a, b) for a, b in pairs]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda pair: raft(*pair), pairs))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
