"""Measures clips as `score` does: every frame decoded, eight samples per second, longer side 256 pixels."""

from pathlib import Path

from filters.camera.config import CameraConfig
from filters.camera.measure import Methods, measure
from filters.camera.motion import Motion
from filters.flow.dis import DisFlow
from stages.demo.recipe import Recipe
from stages.demo.render import render
from stages.video.frames import Clip, DecodeConfig, Wanted
from stages.video.look import CloserLook
from stages.video.pixels import fitted
from stages.video.probe import sample_times

CONFIG = CameraConfig()


def measured(path: Path) -> Motion:
    """Measure a video file."""
    clip = Clip(str(path))
    indices = sample_times(clip.probe, 8, 1200)
    size = fitted(clip.probe.width, clip.probe.height, 256)
    samples = clip.read([Wanted(indices, size, False)], DecodeConfig())[0].pictures
    look = CloserLook(str(path), None, None, 1)
    return measure(samples, clip.probe.times[indices], Methods(DisFlow("ultrafast")), CONFIG, look=look)


def rendered(recipe: Recipe, folder: Path) -> Motion:
    """Render a clip and measure it."""
    path = folder / f"{recipe.name}.mp4"
    render(recipe, path)
    return measured(path)
