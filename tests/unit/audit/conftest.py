"""A workspace in small, for the counts and for the text that shows them."""

import pytest

from tests.tables import annotation, clip, question, score, vote
from tests.unit.audit.counted import Rows

TWIN = {"uri": "/videos/twin.mp4", "clip_id": "a"}


@pytest.fixture
def rows() -> Rows:
    """A clip in each state, and a duplicate."""
    return {
        "clips": [clip(i) for i in "abcdefgh"],
        "duplicates": [TWIN],
        "scores": [
            score("b", error="timeout"),
            score("c", duration_s=0.5),
            score("d", phash="f" * 48),
            *(score(i) for i in "efgh"),
        ],
        "annotations": [
            annotation("c", question()),
            annotation("e", error="mllm_error"),
            annotation("f", question(motion_check=0.0)),
            annotation("g", question(), question("What moves?", category="object")),
            annotation("h", question()),
        ],
        "votes": [vote("h", "right")],
    }
