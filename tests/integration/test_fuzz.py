"""Damaged videos by the thousand: each is scored, or gets a code that fits, in good time.

`make test-long` runs 2,000 rounds; FUZZ_SEED=n repeats one of them.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from filters.quality import QualityConfig
from pipeline.errors import ClipError
from pipeline.isolation import Limits
from stages.score.settings import ScoreConfig
from stages.score.stage import Score
from tests import videos
from tests.clocks import moved, plain

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "60"))
SEEDS = [int(os.environ["FUZZ_SEED"])] if "FUZZ_SEED" in os.environ else range(ROUNDS)
# out_of_memory: a damaged header may ask for any size.
EXPECTED = {"not_a_video", "no_video_stream", "decode_error", "too_few_frames", "out_of_memory"}
KINDS = {
    **dict.fromkeys(("mp4", "mkv", "ts", "avi", "flv", "mov", "h264", "nut"), "libx264"),
    **{"webm": "libvpx", "mpg": "mpeg2video", "wmv": "wmv2", "gif": "gif", "m2v": "mpeg2video"},
}
Bytes = np.ndarray  # (N,) uint8
PAN = 0.1  # widths per second, of all the clips


def flip(data: Bytes, chance: np.random.Generator) -> Bytes:
    """Overwrite single bytes, few or many, anywhere or at the head."""
    out = data.copy()
    reach = len(out) if chance.random() < 0.7 else min(len(out), 400)
    at = chance.integers(0, reach, int(10 ** chance.uniform(0, 2.5)))
    out[at] = chance.integers(0, 256, len(at))
    return out


def cut(data: Bytes, chance: np.random.Generator) -> Bytes:
    """Leave out a stretch, which may be the end or the start."""
    a, b = sorted(chance.integers(0, len(data), 2))
    return np.concatenate([data[:a], data[b:]])


def splice(data: Bytes, chance: np.random.Generator) -> Bytes:
    """Repeat a stretch somewhere else, or put noise or zeros there."""
    a, b = sorted(chance.integers(0, len(data), 2))
    noise = chance.integers(0, 256, b - a, dtype=np.uint8)
    piece = (data[a:b], noise, np.zeros(b - a, np.uint8))[chance.integers(3)]
    at = chance.integers(0, len(data))
    return np.concatenate([data[:at], piece, data[at:]])


def double(data: Bytes, chance: np.random.Generator) -> Bytes:
    """Put the file behind itself."""
    return np.concatenate([data, data])


DAMAGE: tuple[Callable[[Bytes, np.random.Generator], Bytes], ...] = (flip, flip, cut, splice, double)


@pytest.fixture(scope="module")
def score() -> Score:
    stage = Score(ScoreConfig(quality=QualityConfig(metric=None)), Limits(clip_timeout_s=60))
    stage.setup()
    return stage


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bytes]:
    folder = tmp_path_factory.mktemp("whole")
    made = {}
    for suffix, codec in KINDS.items():
        rate = 25 if codec == "mpeg2video" else 12
        layout = "rgb8" if codec == "gif" else "yuv420p"
        path = videos.write(folder / f"a.{suffix}", 2 * rate, 176, 144, codec, layout, rate, pan=PAN)
        made[suffix] = np.frombuffer(path.read_bytes(), np.uint8)
    return made


@pytest.mark.slow
def test_damage_ends_in_scores_or_in_a_code_that_fits(
    tmp_path: Path, score: Score, whole: dict[str, Bytes]
) -> None:
    outcomes: dict[str, int] = {}
    for seed in SEEDS:
        chance = np.random.default_rng(seed)
        suffix = list(whole)[chance.integers(len(whole))]
        data = whole[suffix]
        for _ in range(chance.integers(1, 4)):
            data = DAMAGE[chance.integers(len(DAMAGE))](data, chance)
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(data.tobytes())
        outcome, said, row = "scored", "", {}
        try:
            row = score.work({"clip_id": "a", "uri": str(path), "start_s": None, "end_s": None})
        except ClipError as error:
            outcome, said = error.code, error.detail
        assert outcome in EXPECTED | {"scored"}, f"seed {seed}, {suffix}: {outcome}: {said}"
        assert "\n" not in said
        if row:
            numbers = [
                row[name] for name in ("fps", "duration_s", "pan", "tilt", "zoom", "roll", "flow_mean")
            ]
            assert np.isfinite(numbers).all(), f"seed {seed}, {suffix}: {row}"
            assert 0 < row["duration_s"] < 3600, f"seed {seed}, {suffix}: {row}"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert len(SEEDS) == 1 or len(outcomes) > 2, outcomes  # damage of every degree was among it


def _behind(junk: bytes, suffix: str, folder: Path) -> Path:
    path = videos.write(folder / f"a.{suffix}", 24, 176, 144, pan=PAN)
    path.write_bytes(path.read_bytes() + junk)
    return path


UNHARMED: dict[str, Callable[[Path], Path]] = {
    "noise behind an MP4": partial(_behind, np.random.default_rng(1).bytes(5000), "mp4"),
    "zeros behind an MP4": partial(_behind, bytes(5000), "mp4"),
    "noise behind MPEG-TS": partial(_behind, np.random.default_rng(2).bytes(5000), "ts"),
    "text behind Matroska": partial(_behind, b"bye" * 999, "mkv"),
    "a clock that starts late": lambda at: moved(plain(at / "b.ts"), at / "a.ts", 90000 * 3600 * 20),
}


@pytest.mark.parametrize("name", UNHARMED)
def test_what_harms_no_frame_changes_no_number(tmp_path: Path, score: Score, name: str) -> None:
    path = UNHARMED[name](tmp_path)
    row = score.work({"clip_id": "a", "uri": str(path), "start_s": None, "end_s": None})
    assert row["camera_motion"] == ["pan_right"]
    assert row["pan"] == pytest.approx(PAN, rel=0.05)
    assert row["duration_s"] == pytest.approx(2.0, abs=0.1)
