from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ClipError
from stages.video.frames import Clip, DecodeConfig, Wanted

pytest.importorskip("decord")


@pytest.mark.parametrize("name", ["odd", "vfr", "rotated", "h265", "unicode", "colon"])
@pytest.mark.parametrize("start_s", [None, 0.5])
def test_decord_gives_the_pictures_that_pyav_gives(
    clips: dict[str, Path], name: str, start_s: float | None
) -> None:
    def read(backend: str) -> list[np.ndarray]:
        clip = Clip(str(clips[name]), start_s)
        size = clip.probe.width, clip.probe.height
        wanted = [Wanted([0, 5, 9], size, False), Wanted([2], size, True)]
        config = DecodeConfig.model_validate({"backend": backend})
        return [taken.pictures.astype(int) for taken in clip.read(wanted, config)]

    for ours, theirs in zip(read("pyav"), read("decord"), strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).mean() < 4  # chroma is sampled and rounded differently


def test_what_decord_cannot_read_is_a_decode_error(clips: dict[str, Path]) -> None:
    clip = Clip(str(clips["av1"]))
    with pytest.raises(ClipError, match="decord cannot read it") as failed:
        clip.read([Wanted([0], (64, 64), False)], DecodeConfig(backend="decord"))
    assert failed.value.code == "decode_error"
