"""The claim reader on sentences that were written apart from its rules, and the verdicts on claims."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from filters.claims import claims
from filters.evidence import CameraMotion, Evidence, Track
from filters.motion_check import check
from tests.videos import SHARED

SENTENCES = [
    json.loads(line) for line in (Path(__file__).parents[2] / "data/claims.jsonl").read_text().splitlines()
]
# What the released answers say of direction, size and stillness, read by eye: (chosen, rejected).
RELEASED: dict[str, tuple[set[str], set[str]]] = {
    "pexels_landscape_landscape_7895832_002.mp4": (set(), {"object:moves_right"}),
    "pixabay_Beach_Sunrise_37084_001.mp4": (set(), {"camera:zoom_in"}),
    "v_JNr0oI927ng_t0.13-5.64.mp4": (set(), {"object:still"}),
    "-eq3I7gRqTI_000100_000110.mp4": ({"object:moves_right"}, {"object:moves_right"}),
    "DKZPW.mp4": ({"object:moves_down"}, {"object:moves_down"}),
}


def read(text: str) -> set[str]:
    return {str(claim) for claim in claims(text)}


def test_of_sentences_nobody_wrote_for_it_the_reader_reads_most_and_misreads_few() -> None:
    assert len(SENTENCES) >= 150
    counts: Counter[str] = Counter()
    misses = []
    for row in SENTENCES:
        got, said = read(row["text"]), set(row["claims"])
        counts.update(right=len(got & said), wrong=len(got - said), missed=len(said - got))
        if got != said:
            misses.append(f"{row['text']}\n  read {sorted(got)}, said {sorted(said)}")
    precision = counts["right"] / (counts["right"] + counts["wrong"])
    recall = counts["right"] / (counts["right"] + counts["missed"])
    listed = "\n".join(misses)
    print(f"precision {precision:.3f}, recall {recall:.3f}; misses:\n{listed}")
    assert precision >= 0.95, listed
    assert recall >= 0.8, listed


def test_no_sentence_is_labelled_twice() -> None:
    assert len({row["text"] for row in SENTENCES}) == len(SENTENCES)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the released answers are not beside the project")
def test_the_released_answers_are_read_as_people_read_them() -> None:
    for item in json.loads((SHARED / "show.json").read_text()):
        chosen, rejected = RELEASED[item["video"]]
        assert read(item["chosen"]) == chosen
        assert read(item["rejected"]) == rejected


def track(*ways: tuple[float, float], speed: float = 0.1) -> Track:
    """An object that goes these ways, a second each, in frame widths and heights a second."""
    phases = tuple((float(k), k + 1.0, *way) for k, way in enumerate(ways))
    mean = np.mean(ways, axis=0) if ways else (0.0, 0.0)
    one = np.array([[0.0, 0, 10, 10]])
    return Track("", np.zeros(1), one, np.ones(1), (mean[0], mean[1]), speed=speed, phases=phases)


@pytest.mark.parametrize(
    ("text", "tracks", "verdict"),
    [
        ("The dog runs left, then right.", [track((-0.2, 0), (0.2, 0))], True),
        ("The dog runs left, then right.", [track((0.2, 0), (-0.2, 0))], False),
        ("The dog runs left, then right.", [track((-0.2, 0))], False),
        ("The dog runs left, then right.", [track()], None),
        ("A swing goes back and forth.", [track((-0.2, 0), (0.2, 0))], True),
        ("A swing goes back and forth.", [track((0.2, 0))], False),
        ("A swing goes back and forth.", [track()], None),
        ("The car speeds up.", [track((0.1, 0), (0.2, 0))], True),
        ("The car speeds up.", [track((0.2, 0), (0, 0.1))], False),
        ("The car speeds up.", [track((0.2, 0))], None),
        ("The car slows down.", [track((0.2, 0), (0.1, 0))], True),
        ("The car does not slow down.", [track((0.2, 0), (0.1, 0))], False),
        ("The car slows down.", [], None),
        ("The van is faster than the truck.", [track(speed=0.2), track(speed=0.1)], True),
        ("The van is faster than the truck.", [track(speed=0.1), track(speed=0.105)], False),
        ("The van is faster than the truck.", [track(speed=0.1), track(speed=0.118)], None),
        ("The van is faster than the truck.", [track(speed=0.2)], None),
        ("They move at the same speed.", [track(speed=0.1), track(speed=0.105)], True),
        ("They move at the same speed.", [track(speed=0.2), track(speed=0.1)], False),
        ("They move at the same speed.", [track(speed=0.0), track(speed=0.0)], True),
    ],
)
def test_order_and_pace_are_judged_by_what_was_measured_or_not_at_all(
    text: str, tracks: list[Track], verdict: bool | None
) -> None:
    evidence = Evidence(100, 100, 2.0, CameraMotion(("static",)), tuple(tracks), object_area=0.1)
    verdicts = {str(claim).rsplit(":")[-1]: held for claim, held in check(text, evidence)[1]}
    of_interest = [
        held for name, held in verdicts.items() if "_then_" in name or not name.startswith("moves")
    ]
    assert of_interest == [verdict]
