"""CameraBench (Lin et al., 2025), binary classification: a JSONL file per kind of camera motion."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import CallError
from stages.evaluate.benchmark import (
    Benchmark,
    FindVideo,
    get_text,
    read_jsonl,
)
from stages.evaluate.protocols import camerabench
from stages.evaluate.question import YES_NO, BenchmarkQuestion


class CameraBench(Benchmark):
    """Whether the camera moves in a given way, answered Yes or No."""

    name = "camerabench"
    help = "Yes or No; --questions is the folder of .jsonl files, or one of them"
    folders = ("", "videos")
    protocols = camerabench.PROTOCOLS

    def read(self, path: Path, find: FindVideo) -> Iterator[BenchmarkQuestion]:
        """Read one JSONL file, or all those in a folder, in the order of their names."""
        for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
            for number, (where, row) in enumerate(read_jsonl(file), 1):
                right = get_text(row, "label", where).capitalize()
                if right not in YES_NO:
                    raise CallError(f"{where}: label should be Yes or No, not {row['label']!r}")
                # The published paths are those on the authors' disk.
                name = Path(get_text(row, "image", where)).name
                yield BenchmarkQuestion(
                    id=f"{file.stem}:{number}",
                    video=find(name),
                    question=get_text(row, "question", where),
                    options=(),
                    right=right,
                    category=str(row.get("task") or file.stem.replace("_", " ")),
                )

    def submission(
        self, questions: Sequence[BenchmarkQuestion], answers: Mapping[str, Mapping[str, Any]], model: str
    ) -> dict[str, str]:
        """Write the score files of `binary_classification_evaluation.py`, one per kind of camera motion."""
        splits: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in questions:
            answer = answers[one.id]
            missing = answer["error"] or (None if answer["score"] is not None else "no score")
            scored = {
                "sample_id": one.id,
                "video_path": Path(one.video).name,
                "question": one.question,
                "ground_truth_label": one.right,
                "method": model,
                "score": 0.0 if missing else answer["score"],
                "error": missing,
            }
            splits[one.id.rpartition(":")[0]].append(scored)
        return {
            f"classification_scores_{model}_{split}.json": json.dumps(
                {"metadata": {"model_name": model, "split_name": split}, "scores": scores}, indent=1
            )
            for split, scores in splits.items()
        }
