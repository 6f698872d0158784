"""The visual prompts that the paper compares with the spotlight: crop, background blur and red circle."""

import cv2
import numpy as np

# The two Gaussians of MotionSight's ablation (NJU-PCALab/MotionSight, blur_utils.py), in pixels of the video.
BLUR_KERNEL, BLUR_SIGMA = 99, 33.0
RED = (255, 0, 0)


def crop(frames: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Cut frames to their regions.

    The window follows the region at an unchanged scale, so that sizes can be compared across frames.

    Args:
        frames: (T, H, W, 3) uint8.
        regions: (T, 4) xyxy pixels.

    Returns:
        (T, h, w, 3) uint8, with the greatest height and the greatest width of all regions.
    """
    height, width = frames.shape[1:3]
    sides = np.ceil((regions[:, 2:] - regions[:, :2]).max(axis=0)).astype(int)
    w, h = int(min(width, max(2, sides[0]))), int(min(height, max(2, sides[1])))
    middles = (regions[:, :2] + regions[:, 2:]) / 2
    cut = np.empty((len(frames), h, w, 3), np.uint8)
    for k, (x, y) in enumerate(middles):
        x0 = int(np.clip(round(x - w / 2), 0, width - w))
        y0 = int(np.clip(round(y - h / 2), 0, height - h))
        cut[k] = frames[k, y0 : y0 + h, x0 : x0 + w]
    return cut


def background_blur(
    frames: np.ndarray, regions: np.ndarray, masks: np.ndarray | None = None, scale: float = 1.0
) -> np.ndarray:
    """Blur frames twice outside the objects; the inside stays bit-exact.

    Args:
        frames: (T, H, W, 3) uint8.
        regions: (T, 4) xyxy pixels, used in frames whose mask is empty.
        masks: (T, H, W) bool, the objects; None: only the regions count.
        scale: Width of the frames in widths of the video, by which the blur is made smaller.

    Returns:
        (T, H, W, 3) uint8.
    """
    blurred, sigma = np.empty_like(frames), BLUR_SIGMA * scale
    kernel = (max(1, round(BLUR_KERNEL * scale / 2 - 0.5) * 2 + 1),) * 2
    for k, (frame, region) in enumerate(zip(frames, regions, strict=True)):
        blurred[k] = cv2.GaussianBlur(cv2.GaussianBlur(frame, kernel, sigma), kernel, sigma)
        inside = _inside(region, frame.shape) if masks is None or not masks[k].any() else masks[k]
        blurred[k][inside] = frame[inside]
    return blurred


def red_circle(frames: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Draw a red ellipse into each frame, inscribed in its region.

    Args:
        frames: (T, H, W, 3) uint8 RGB; not modified.
        regions: (T, 4) xyxy pixels.

    Returns:
        (T, H, W, 3) uint8 RGB.
    """
    drawn = frames.copy()
    thickness = max(2, round(min(frames.shape[1:3]) / 120))
    for frame, (x0, y0, x1, y1) in zip(drawn, regions, strict=True):
        centre, half = ((x0 + x1) / 2, (y0 + y1) / 2), ((x1 - x0) / 2, (y1 - y0) / 2)
        cv2.ellipse(
            frame, tuple(map(round, centre)), tuple(map(round, half)), 0, 0, 360, RED, thickness, cv2.LINE_AA
        )
    return drawn


def _inside(region: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    x0, y0 = np.floor(region[:2]).astype(int).clip(0)
    x1, y1 = np.minimum(np.ceil(region[2:]).astype(int), (shape[1], shape[0]))
    return slice(y0, y1), slice(x0, x1)
