"""FAVOR-Bench (Tu et al., 2025): `video_perspective.json`, a list of videos."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import CallError
from stages.evaluate.benchmark import (
    Benchmark,
    FindVideo,
    get_list,
    get_text,
    get_texts,
    letter_of,
    read_json,
)
from stages.evaluate.protocols import favor
from stages.evaluate.question import LETTERS, BenchmarkQuestion


class FavorBench(Benchmark):
    """Fine-grained motion, multiple choice; the right answer is given as the text of an option."""

    name = "favor"
    help = "multiple choice; --questions is video_perspective.json"
    folders = ("", "videos", "FAVOR-Bench", "videos/FAVOR-Bench")
    protocols = favor.PROTOCOLS

    def read(self, path: Path, find: FindVideo) -> Iterator[BenchmarkQuestion]:
        """Read the JSON file; videos are named without their extension."""
        rows = read_json(path)
        if not isinstance(rows, list):
            raise CallError(f"{path} should contain a list of videos")
        for number, row in enumerate(rows, 1):
            where = f"{path}, video {number}"
            name = get_text(row, "video_name", where)
            for index, qa in enumerate(get_list(row, "questions", where)):
                options = get_texts(qa, "options", where)
                yield BenchmarkQuestion(
                    id=f"{name}:{index}",
                    video=find(name),
                    question=get_text(qa, "question", where),
                    options=options,
                    right=letter_of(get_text(qa, "correct_answer", where), options, where),
                    category=get_text(qa, "task_type", where),
                )

    def submission(
        self, questions: Sequence[BenchmarkQuestion], answers: Mapping[str, Mapping[str, Any]], model: str
    ) -> dict[str, str]:
        """Write the file that `analyze_qa.py` reads: a line per video, judged by the authors' rule."""
        videos: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in questions:
            answer = answers[one.id]
            if answer["answered"] and one.right:
                judged = {
                    "task_type": one.category,
                    "correct_answer": one.options[LETTERS.index(one.right)],
                    "output": answer["answer"],
                    "judge": one.right in favor.contained(answer["answer"], one).accepted,
                }
                videos[one.id.rpartition(":")[0]].append(judged)
        lines = (json.dumps({name: judged}, ensure_ascii=False) + "\n" for name, judged in videos.items())
        return {f"{model}.jsonl": "".join(lines)}
