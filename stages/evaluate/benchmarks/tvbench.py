"""TVBench (Cores et al., 2024): a JSON file per task, in MVBench's format."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import CallError
from stages.evaluate.benchmark import (
    Benchmark,
    FindVideo,
    get_seconds,
    get_text,
    get_texts,
    letter_of,
    read_json,
)
from stages.evaluate.protocols import tvbench
from stages.evaluate.question import LETTERS, BenchmarkQuestion

PARTS = {"action_sequence", "action_localization"}  # tasks whose questions are about a part of the video


class TVBench(Benchmark):
    """Temporal understanding in ten tasks, multiple choice; answers are given as the text of an option."""

    name = "tvbench"
    help = "multiple choice; --questions is the folder of .json files, or one of them"
    folders = ("", "video", "videos")
    protocols = tvbench.PROTOCOLS

    def read(self, path: Path, find: FindVideo) -> Iterator[BenchmarkQuestion]:
        """Read one JSON file, or all those in a folder; the videos of a task are in a folder of its name."""
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            rows = read_json(file)
            if not isinstance(rows, list):
                raise CallError(f"{file} should contain a list of questions")
            for number, row in enumerate(rows):
                where = f"{file}, question {number}"
                options, part = get_texts(row, "candidates", where), file.stem in PARTS
                yield BenchmarkQuestion(
                    id=f"{file.stem}:{number}",
                    video=find(f"{file.stem}/{get_text(row, 'video', where)}"),
                    question=get_text(row, "question", where),
                    options=options,
                    right=letter_of(str(row.get("answer")), options, where),
                    category=file.stem.replace("_", " ").title(),
                    start_s=get_seconds(row, "start", where) if part else None,
                    end_s=get_seconds(row, "end", where) if part else None,
                )

    def submission(
        self, questions: Sequence[BenchmarkQuestion], answers: Mapping[str, Mapping[str, Any]], model: str
    ) -> dict[str, str]:
        """Write the file that the authors' notebook saves."""
        counts: dict[str, list[int]] = {}
        said = []
        for one in questions:
            if not answers[one.id]["answered"] or one.right is None:
                continue
            reply = answers[one.id]["answer"]
            right = one.right in tvbench.first_word(reply, one).accepted
            count = counts.setdefault(one.category, [0, 0])
            count[0], count[1] = count[0] + right, count[1] + 1
            truth = f"({one.right}) {one.options[LETTERS.index(one.right)]}"
            said.append({"pred": "(" + reply.strip().split("\n")[0], "gt": truth})
        saved = {"acc_dict": counts, "res_list": said}
        return {f"{model}.json": json.dumps(saved, indent=1, ensure_ascii=False)}
