"""A clip as four rows of pictures: original frames, with the spotlight, with motion blur, with boxes."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from filters.flow.dis import DisConfig
from filters.points.lucas_kanade import LucasKanadeConfig
from filters.shots.continuity import ContinuityConfig
from stages.models.detector.moving_regions import MovingRegionsConfig
from stages.models.tracker.regions import FlowTrackerConfig
from stages.motionsight.observe import Observer
from stages.motionsight.settings import ObserveConfig

FRAMES, WIDTH, QUALITY = 6, 168, 72  # pictures in a row, their width in pixels, JPEG quality
TRACK, REGION = (255, 176, 0), (64, 196, 255)  # colours of the boxes, RGB


class Filmstrip:
    """Makes filmstrips, in a child process.

    It loads no weights: the boxes are those that annotation stored, or else regions that move.
    """

    def __init__(self, config: ObserveConfig) -> None:
        """Set up the observer.

        Args:
            config: How clips are looked at; whatever may need weights is replaced.
        """
        light = {
            "flow": DisConfig(),
            "shots": ContinuityConfig(),
            "points": LucasKanadeConfig(),
            "detector": MovingRegionsConfig(),
            "tracker": FlowTrackerConfig(),
        }
        self._observer = Observer(config.model_copy(update=light))

    def __call__(self, clip: Mapping[str, Any], annotation: Mapping[str, Any] | None) -> dict[str, bytes]:
        """Make the filmstrip of a clip.

        Args:
            clip: uri, start_s, end_s.
            annotation: times, objects and regions of the clip's row in `annotations`. Without it, or where
                its times are not those of the frames, regions that move on their own are detected.

        Returns:
            The rows as JPEG, by name.

        Raises:
            ClipError: The clip cannot be read or decoded.
        """
        observer = self._observer
        seen = observer.observe(clip["uri"], clip["start_s"], clip["end_s"], blurred=True)
        frames, times = seen.view.frames, seen.view.times
        fits = annotation and annotation["regions"] and np.array_equal(annotation["times"], times)
        if annotation and fits:
            regions = np.array(annotation["regions"], float)
            tracks = [_boxes(found["boxes"]) for found in annotation["objects"]]
        else:
            grounding = observer.ground(seen)
            regions, tracks = grounding.regions, [track.boxes for track in grounding.tracks]
        rows = {
            "original": frames,
            "spotlight": observer.enhance(seen, regions, "spotlight"),
            "motion blur": observer.enhance(seen, regions, "motion_blur"),
            "boxes": drawn(frames, regions, tracks),
        }
        picked = np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int))
        return {name: _jpeg(pictures[picked]) for name, pictures in rows.items()}


def drawn(frames: np.ndarray, regions: np.ndarray, tracks: list[np.ndarray]) -> np.ndarray:
    """Draw boxes into a copy of the frames.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        regions: (T, 4) x1, y1, x2, y2 in pixels of what the question is about; NaN where there is no box.
        tracks: The same for each object.

    Returns:
        (T, H, W, 3) uint8 RGB.
    """
    out = frames.copy()
    thick = max(2, round(frames.shape[2] / WIDTH * 1.5))
    for boxes, colour in [(regions, REGION), *((track, TRACK) for track in tracks)]:
        for frame, box in zip(out, boxes, strict=True):
            if np.isfinite(box).all():
                x1, y1, x2, y2 = (round(value) for value in box.tolist())
                cv2.rectangle(frame, (x1, y1), (x2, y2), colour, thick)
    return out


def _boxes(boxes: list[list[float] | None]) -> np.ndarray:
    return np.array([box or [np.nan] * 4 for box in boxes], float).reshape(-1, 4)


def _jpeg(frames: np.ndarray) -> bytes:
    height = max(1, round(WIDTH * frames.shape[1] / frames.shape[2]))
    cells = [cv2.resize(frame, (WIDTH, height), interpolation=cv2.INTER_AREA) for frame in frames]
    row = cv2.cvtColor(np.hstack(cells), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
