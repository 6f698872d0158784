"""Measured motion as text for an MLLM's prompt: numbers that it cannot read off a few frames."""

import numpy as np

from filters.evidence import Evidence


def evidence_text(evidence: Evidence) -> str:
    """Write camera rates and object tracks as a list, one line each, in rounded numbers with their units."""
    camera = evidence.camera
    label = ", ".join(camera.labels).replace("_", " ") or "moves, no single direction"
    lines = [
        f"camera: {label}; pan {camera.pan:+.2f} frame widths/s (right is positive), tilt {camera.tilt:+.2f}"
        f" frame heights/s (down is positive), zoom {camera.zoom:+.2f} e-folds/s (in is positive), roll"
        f" {camera.roll:+.1f} degrees/s (clockwise is positive)"
    ]
    for number, track in enumerate(evidence.tracks, 1):
        seen = track.boxes[~np.isnan(track.boxes).any(1)]
        where = ""
        if len(seen):
            scale = np.array([evidence.width, evidence.height] * 2)
            first, last = (np.round(100 * box / scale).astype(int).tolist() for box in (seen[0], seen[-1]))
            where = f"; box in percent of the frame (left, top, right, bottom) from {first} to {last}"
        name = f"object {number} ({track.label})" if track.label else f"object {number}"
        lines.append(
            f"{name}: from {track.moving[0]:.1f} to {track.moving[1]:.1f} s; own motion over the scene"
            f" {track.velocity[0]:+.2f} frame widths/s (right is positive), {track.velocity[1]:+.2f} frame"
            f" heights/s (down is positive){where}"
        )
    if not evidence.tracks:
        lines.append("objects: none that could be followed")
    return "Measured from the whole video:\n" + "\n".join(f"- {line}" for line in lines)
