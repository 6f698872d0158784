"""One clip through the stage, with a model behind an endpoint, in this process."""

from pathlib import Path
from typing import Any

import pytest

from configs.settings import load
from pipeline.errors import CeilingError
from pipeline.ledger import Ledger, Spent
from stages.annotate.stage import Annotate
from tests.chat_server import Endpoint, completion
from tests.videos import write


def annotated(server: Endpoint, clip: Path, book: Ledger | None = None) -> dict[str, Any]:
    model = f"mllm={{backend: openai, model: m, base_url: '{server.url}', max_attempts: 1}}"
    stage = Annotate(load(overrides=[model]), book=book)
    stage.setup()
    return stage.work({"clip_id": "a", "uri": str(clip), "start_s": None, "end_s": None})


def test_the_baseline_is_asked_beside_the_answers_and_charged_to_the_same_clip(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mp4", 8, 64, 48)
    with Endpoint() as server:
        server.delay_s = lambda prompt: 1.0
        row = annotated(server, clip)
        assert server.most_in_flight == row["requests"] == 4
        assert row["tokens"] == 4 * 7
        assert not [one for one in row["qa"] if not one["answer"] or not one["baseline"]]


def test_a_question_without_an_answer_has_no_baseline_though_it_was_asked(tmp_path: Path) -> None:
    class Half(Endpoint):
        """Answers baselines, which see four frames, and nothing else."""

        def answer(self, prompt: str, attempt: int) -> Any:
            return completion("It moves." if prompt.startswith("These are 4 frames") else "")

    clip = write(tmp_path / "clip.mp4", 24, 64, 48)
    with Half() as server:
        row = annotated(server, clip)
    assert (row["error"], row["requests"]) == ("mllm_bad_output", 4)
    assert [one["baseline"] for one in row["qa"]] == [None, None]


@pytest.mark.parametrize("most", [1, 3])
def test_a_clip_that_the_ceiling_cuts_short_is_left_undone(tmp_path: Path, most: int) -> None:
    clip = write(tmp_path / "clip.mp4", 8, 64, 48)
    book = Ledger(Spent(float("inf"), most))
    with Endpoint() as server, pytest.raises(CeilingError):
        annotated(server, clip, book)
    assert sum(server.asked.values()) == most
    assert book.state() == (Spent(0.0, most), True)
