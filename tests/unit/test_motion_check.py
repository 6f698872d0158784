"""The claim reader on sentences that were written apart from its rules."""

import json
from collections import Counter
from pathlib import Path

import pytest

from filters.motion_check import claims
from tests.videos import SHARED

SENTENCES = [
    json.loads(line) for line in (Path(__file__).parents[1] / "data/claims.jsonl").read_text().splitlines()
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
