"""The claim reader, on sentences that were written independently of its rules."""

import json
import signal
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.claims import claims
from tests.videos import SHARED

SENTENCES = [
    json.loads(line) for line in (Path(__file__).parents[2] / "data/claims.jsonl").read_text().splitlines()
]
# What the released answers say about direction, size and stillness, read by eye: (chosen, rejected).
RELEASED: dict[str, tuple[set[str], set[str]]] = {
    "pexels_landscape_landscape_7895832_002.mp4": (set(), {"object:moves_right"}),
    "pixabay_Beach_Sunrise_37084_001.mp4": (set(), {"camera:zoom_in"}),
    "v_JNr0oI927ng_t0.13-5.64.mp4": (set(), {"object:still"}),
    "-eq3I7gRqTI_000100_000110.mp4": ({"object:moves_right"}, {"object:moves_right"}),
    "DKZPW.mp4": ({"object:moves_down"}, {"object:moves_down"}),
}


def read(text: str) -> set[str]:
    return {str(claim) for claim in claims(text)}


def test_the_reader_finds_most_claims_of_independent_sentences_and_misreads_few() -> None:
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The camera pans left.", ["camera:pan_left"]),
        ("The camera follows her, moving left to right.", ["camera:truck_right"]),
        ("It shows a man on a street, trucking left.", ["camera:truck_left"]),
        ("The camera slowly sweeps to the right while tilting up.", ["camera:pan_right", "camera:tilt_up"]),
        ("The shot zooms in on the house, then it pulls back.", ["camera:zoom_in", "camera:dolly_out"]),
        ("The camera does not pan left.", ["not camera:pan_left"]),
        ("The camera remains static and the dog runs to the left.", ["camera:static", "object:moves_left"]),
        (
            "A car drives from left to right. It does not move up.",
            ["object:moves_right", "not object:moves_up"],
        ),
        ("The camera may pan right.", []),
        ("The background stays still.", []),
        ("The handheld camera shakes.", ["camera:shake"]),
        ("The view is panned leftward.", ["camera:pan_left"]),
        ("The camera rolls counter-clockwise.", ["camera:roll_counterclockwise"]),
        ("The man stands on the left side of the frame.", []),
        ("A red truck drives by, passing from left to right.", ["object:moves_right"]),
        ("He walks towards the right side of the room.", ["object:moves_right"]),
        ("The sky is blue and the grass is green.", []),
        ("", []),
    ],
)
def test_claims_are_read_from_sentences(text: str, said: list[str]) -> None:
    assert [str(claim) for claim in claims(text)] == said


def test_text_that_is_not_prose_is_read_without_failing() -> None:
    for path in Path(__file__).parents[1].rglob("*.py"):
        claims(path.read_text())


@given(st.lists(st.sampled_from(["The camera pans left.", "A dog runs up.", "It stays still.", "\u2014"])))
def test_a_claim_that_is_repeated_is_read_once(sentences: list[str]) -> None:
    found = claims(" ".join(sentences))
    assert len(set(found)) == len(found)
    assert found == claims(" ".join(sentences * 2))[: len(found)]


@pytest.mark.parametrize(
    "unit",
    [
        "-",
        "- ",
        " ",
        "\t",
        "\n",
        "(",
        "slowly ",
        "and ",
        "ly ",
        "-to-",
        "the camera ",
        "pans left ",
        "not ",
        "s ",
    ],
)
@pytest.mark.parametrize("start", ["", "The camera ", "A man runs "])
def test_no_text_keeps_the_reader_busy(unit: str, start: str) -> None:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 20.0)  # patterns that backtrack would take years
    try:
        claims(start + unit * (100_000 // len(unit)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_space_and_punctuation_may_be_repeated() -> None:
    assert claims("The  camera\t\tpans   left ----- and zooms in.....") == claims(
        "The camera pans left - and zooms in."
    )
