"""Visual prompts, decoding included, against decoding the clip up to the last frame that they need."""

from pathlib import Path

import av
import cv2
import numpy as np

from stages.motionsight.blur import blur, kernel
from stages.motionsight.observe import fit_within, window_frames, windowed
from stages.motionsight.settings import ObserveConfig
from stages.motionsight.spotlight import spotlight
from stages.video.frames import Clip, Wanted
from stages.video.probe import middles
from tests.benchmarks.clips import small_real, varied
from tests.benchmarks.timing import Line, Tables, compare
from tests.videos import SHARED

CONFIG = ObserveConfig()
QUICK_SHAPES = ((640, 360, 3),)
QUICK_REAL = 16  # every so many of the small real clips


def prompts(path: Path) -> int:
    """Make the spotlight and the motion blur of a clip's 16 frames. Returns the last frame's index."""
    clip = Clip(str(path))
    probe, weights = clip.probe, kernel(CONFIG.blur.frames, CONFIG.blur.decay)
    shown = np.unique(middles(probe, CONFIG.frames.count))
    held = window_frames(shown, len(weights))
    size = fit_within(probe.width, probe.height, CONFIG.frames.max_pixels)
    pictures = clip.read([Wanted(held, size, True)], CONFIG.decode)[0].pictures
    windows = windowed(pictures, held, shown, len(weights))
    box = np.array([size[0] / 4, size[1] / 4, size[0] / 2, size[1] / 2], np.float32)
    spotlight(
        np.stack([window[0] for window in windows]), np.tile(box, (len(shown), 1)), CONFIG.spotlight.dim
    )
    for window in windows:
        blur(window, weights)
    return int(shown[-1])


def run(quick: bool = False) -> Tables:
    cv2.setNumThreads(1)
    sets = {
        "varied clips": varied(QUICK_SHAPES) if quick else varied(),
        "real clips": [] if quick else sorted(SHARED.glob("*.mp4")),
        "small real clips": small_real()[2::QUICK_REAL] if quick else small_real(),
    }
    for name, clips in ((name, clips) for name, clips in sets.items() if clips):
        last = {clip: prompts(clip) for clip in clips}

        def decode(path: Path, last: dict[Path, int] = last) -> None:
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                stream.thread_count = 1
                for index, _ in enumerate(container.decode(stream)):
                    if index >= last[path]:
                        break

        seconds = compare(
            {"decode to the last frame needed": decode, "spotlight and motion blur": prompts}, clips
        )
        floor = seconds["decode to the last frame needed"]
        yield (
            f"visual prompts of 16 frames, {len(clips)} {name}, one core",
            [
                Line(work, took, took / floor, "decoding", "<= 1.15" if work.startswith("spot") else "")
                for work, took in seconds.items()
            ],
        )
