"""The motion statistic alone against those of Data-Juicer and NeMo Curator, one core, clip by clip in turn.

The peers live in an environment of their own, out/peers, made on the first run (minutes, some GB).
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.stats import spearmanr

from filters.flow.dis import DisConfig
from stages.demo.demo_clips import recipes
from stages.demo.render import render
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.pixels import fitted
from stages.video.probe import sample_times
from tests.benchmarks.clips import varied
from tests.benchmarks.timing import Line, Tables, compare, decode_all, step
from tests.videos import SHARED

PEERS = Path("out/peers")
PACKAGES = (
    ("py-data-juicer==1.6.1", "aiohttp", "opencv-python-headless", "av"),
    ("--no-deps", "nemo-curator==1.4.0"),
)
FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)  # the parameters that Data-Juicer calls OpenCV with


class Peers:
    """The process in the other environment."""

    def __init__(self) -> None:
        python = _environment()
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name("peer.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, peer: str, path: Path) -> dict[str, Any]:
        """{motion, seconds} of a clip; motion is None where the peer cannot do it."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps({"peer": peer, "path": str(path.absolute())}), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def _environment() -> str:
    python = PEERS / "bin" / "python"
    if not (PEERS / ".done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEERS)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pins = [
            line
            for line in Path("constraints.txt").read_text().split()
            if line.startswith(("torch==", "torchvision=="))
        ]
        for packages in (tuple(pins), *PACKAGES):
            subprocess.run([*pip, *packages], check=True)
        (PEERS / ".done").touch()
    return str(python.absolute())


def luma(path: Path, config: DecodeConfig) -> tuple[np.ndarray, np.ndarray]:
    """Samples (N, h, w) uint8 and their times (N,)."""
    clip = Clip(str(path), rough=config.frames == "reference")  # as without a judge of quality
    indices = sample_times(clip.probe, config.fps, config.max_samples)
    size = fitted(clip.probe.width, clip.probe.height, config.size)
    taken = clip.read([Wanted(indices, size, False)], config)[0]
    return taken.pictures, clip.probe.times[taken.indices]


def flow_mean(path: Path, config: DecodeConfig, farneback: bool = False) -> float:
    """Mean flow, diagonals per second, by DIS or by Farneback, on the same frames."""
    samples, times = luma(path, config)
    flow = DisConfig().build()
    diagonal = math.hypot(*samples.shape[1:])
    speeds = []
    for a, b, seconds in zip(samples, samples[1:], np.diff(times), strict=False):
        if not seconds:  # the same reference frame twice
            continue
        moved: Any = cv2.calcOpticalFlowFarneback(a, b, None, *FARNEBACK) if farneback else flow(a, b)  # type: ignore[call-overload]
        speeds.append(float(np.hypot(moved[..., 0], moved[..., 1]).mean()) / diagonal / seconds)
    return float(np.mean(speeds)) if speeds else 0.0


def run() -> Tables:
    cv2.setNumThreads(1)
    every, reference = DecodeConfig(), DecodeConfig(frames="reference")
    clips = (sorted(SHARED.glob("*.mp4")) if SHARED.is_dir() else []) + varied()[::4]
    peers = Peers()
    try:
        seconds = compare(
            {
                "decode every frame": decode_all,
                "motion statistic": lambda path: flow_mean(path, every),
                "motion statistic, reference frames": lambda path: flow_mean(path, reference),
                "Data-Juicer video_motion_score_filter": lambda path: peers.ask("data_juicer", path),
            },
            clips,
            1,
        )
        # FFmpeg gives motion vectors of H.264, and none of H.265 and VP9.
        h264 = [clip for clip in clips if Clip(str(clip)).probe.codec == "h264"]
        vectors = compare(
            {
                "motion statistic": lambda path: flow_mean(path, every),
                "motion statistic, reference frames": lambda path: flow_mean(path, reference),
                "NeMo Curator motion vectors": lambda path: peers.ask("nemo_curator", path),
                "the same, its buffer as long as the clip": lambda path: peers.ask("nemo_curator_lean", path),
            },
            h264,
            1,
        )
        ranks = agreement(peers, every)
    finally:
        peers.close()
    aims = {"Data-Juicer video_motion_score_filter": ">= 25", "NeMo Curator motion vectors": ">= 4"}
    titles = {
        f"motion alone, {len(clips)} clips, 256 px, 8 fps, one core": seconds,
        f"the same, {len(h264)} clips of H.264; of the vectors 2 fps, the first half": vectors,
    }
    for title, times in titles.items():
        ours = times["motion statistic"]
        yield (
            title,
            [Line(work, took, took / ours, "ours", aims.get(work, "")) for work, took in times.items()],
        )
    yield "rank correlation of the motion statistic", ranks


def agreement(peers: Peers, config: DecodeConfig) -> list[Line]:
    """Spearman's correlation over the demo's clips and the real ones."""
    with tempfile.TemporaryDirectory() as folder:
        clips = sorted(SHARED.glob("*.mp4")) if SHARED.is_dir() else []
        for recipe in recipes():
            clips.append(Path(folder) / f"{recipe.name}.mp4")
            render(recipe, clips[-1])
        ours = [flow_mean(clip, config) for clip in clips]
        step(f"  our motion statistic of {len(clips)} clips, to rank them")
        others = {
            "Farneback on the same frames": [flow_mean(clip, config, True) for clip in clips],
            "Data-Juicer": [peers.ask("data_juicer", clip)["motion"] for clip in clips],
        }
    return [
        Line(name, 0.0, float(spearmanr(ours, theirs).statistic), f"1, {len(clips)} clips", ">= 0.9")
        for name, theirs in others.items()
    ]
