"""A run that may only spend so much, on a real Ray and a real endpoint that charges."""

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from pipeline.workspace import Workspace
from tests.integration.test_openai import CLIPS, Endpoint, completion, motionsight, running
from tests.integration.test_openai import scored as scored

READ, WRITTEN = 9_000, 1_000  # tokens of an answer: at 1 and 10 a million, 0.019
PER_CLIP = 4  # requests: two questions, each with its baseline


class Charging(Endpoint):
    def answer(self, prompt: str, attempt: int) -> Any:
        usage = {"prompt_tokens": READ, "completion_tokens": WRITTEN, "total_tokens": READ + WRITTEN}
        return completion("It moves.") | {"usage": usage}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.long
def test_a_run_ends_at_its_ceiling_and_goes_on_with_a_higher_one(scored: Path, tmp_path: Path) -> None:
    workspace = Workspace(str(copytree(scored, tmp_path / "W")))
    with running(Charging()) as server:
        common = [f"mllm.base_url={server.url}", "annotate.questions=2", "engine.workers=2"]
        common += ["engine.block_clips=3", "mllm.input_price=1", "mllm.output_price=10"]

        def annotate(*settings: str) -> tuple[int, str, int]:
            options = [option for setting in (*common, *settings) for option in ("--set", setting)]
            run = motionsight("annotate", "--output", workspace.root, *options)
            assert "Traceback" not in run.stderr, run.stderr
            return run.returncode, run.stderr, len(server.bodies)

        code, told, asked = annotate("mllm.max_requests=10")
        assert (code, asked) == (3, 2 * PER_CLIP), told
        assert "8 of mllm.max_requests=10 are spent, 6 clips are left" in told

        code, told, asked = annotate("mllm.max_cost=0.5")
        assert (code, asked) == (3, 6 * PER_CLIP), "what earlier runs spent counts"
        assert "0.456 of mllm.max_cost=0.5 are spent, 2 clips are left" in told

        code, told, asked = annotate()
        assert (code, asked) == (0, CLIPS * PER_CLIP), told
    rows = workspace.read("annotations").to_pylist()
    assert len(rows) == CLIPS
    assert not [
        row["clip_id"] for row in rows if row["error"] or None in (qa["baseline"] for qa in row["qa"])
    ]
    assert sum(row["requests"] for row in rows) == asked
    assert sum(row["cost"] for row in rows) == pytest.approx(asked * 0.019)
