"""How well the claim reader reads captions of camera motion that experts have labelled."""

import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from filters.claims import claims

CAPTIONS = Path(__file__).parents[2] / "shared" / "captions" / "camerabench.jsonl"
# The names of the labels for travelling.
TRAVEL = {
    "move_in": "dolly_in",
    "move_out": "dolly_out",
    "move_left": "truck_left",
    "move_right": "truck_right",
    "move_up": "pedestal_up",
    "move_down": "pedestal_down",
}


class Figures(NamedTuple):
    """How often a label was there, and how far the reader agrees."""

    positives: int
    precision: float
    recall: float


def read(text: str) -> set[str]:
    """Read what a caption says of the camera; one that also moves or shakes is not static."""
    said = {it.predicate for it in claims(text) if it.subject == "camera" and not it.negated}
    return said - {"static"} if said - {"static"} else said


def figures(path: Path = CAPTIONS) -> dict[str, Figures]:
    """Compare the reader with the labels; labels that are undecided do not count."""
    counts = {kind: Counter[str]() for kind in ("right", "wrong", "missed")}
    for row in map(json.loads, path.read_text().splitlines()):
        said = read(row["text"])
        for label, true in row["labels"].items():
            claimed = TRAVEL.get(label, label) in said
            if claimed or true:
                counts["right" if claimed and true else "wrong" if claimed else "missed"][label] += 1
    right, wrong, missed = counts["right"], counts["wrong"], counts["missed"]
    return {
        label: Figures(
            right[label] + missed[label],
            right[label] / max(1, right[label] + wrong[label]),
            right[label] / max(1, right[label] + missed[label]),
        )
        for label in sorted(right | wrong | missed)
    }
