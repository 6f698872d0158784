import numpy as np

from filters.camera.flashes import without_flashes
from filters.flow.dis import DisFlow
from tests import videos

FLOW = DisFlow("ultrafast")


def test_a_flash_is_drawn_anew_and_a_lamp_that_stays_on_is_not() -> None:
    samples = np.stack([videos.scene(128, 96, 0.01 * k)[..., 1] // 2 for k in range(7)])
    lit = samples.copy()
    lit[3] += 100
    drawn = without_flashes(lit, FLOW)
    assert np.array_equal(np.delete(drawn, 3, 0), np.delete(samples, 3, 0))
    assert np.abs(drawn[3].astype(int) - samples[3]).mean() < 3
    lit[4:] += 100
    assert without_flashes(lit, FLOW) is lit


def test_a_flash_on_a_cut_becomes_the_sample_before_it() -> None:
    one, other = videos.scene(128, 96)[..., 1] // 2, videos.scene(128, 96, 0.7)[::-1, :, 0] // 2
    drawn = without_flashes(np.stack([one, one, one + 100, other, other]), FLOW)
    assert np.array_equal(drawn[2], one)
