"""MotionBench (Hong et al., CVPR 2025): `video_info.meta.jsonl`, one line per video."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.text import plain
from stages.evaluate.benchmark import (
    Benchmark,
    FindVideo,
    get_list,
    get_seconds,
    get_text,
    get_texts,
    letter_of,
    read_jsonl,
    split_options,
)
from stages.evaluate.protocols import motionbench
from stages.evaluate.question import LETTERS, BenchmarkQuestion


class MotionBench(Benchmark):
    """Fine-grained motion in six categories, multiple choice; part of the answers is not published."""

    name = "motionbench"
    help = "multiple choice; --questions is video_info.meta.jsonl"
    folders = ("", "videos", "self-collected", "public-dataset")
    protocols = motionbench.PROTOCOLS

    def read(self, path: Path, find: FindVideo) -> Iterator[BenchmarkQuestion]:
        """Read the JSONL file; options follow the question in its text, or have a list of their own."""
        for where, row in read_jsonl(path):
            category = get_text(row, "question_type", where)
            for index, qa in enumerate(get_list(row, "qa", where)):
                question, options, below = split_options(get_text(qa, "question", where))
                if below:  # the last option goes on in the next line
                    options = (*options[:-1], f"{options[-1]} {below}")
                if "options" in qa:
                    options = get_texts(qa, "options", where)
                yield BenchmarkQuestion(
                    id=plain(qa.get("uid")) or f"{where}:{index}",
                    video=find(get_text(row, "video_path", where)),
                    question=question,
                    options=options,
                    right=letter_of(get_text(qa, "answer", where), LETTERS[: len(options)], where),
                    category=category,
                    start_s=get_seconds(qa, "start", where),
                    end_s=get_seconds(qa, "end", where),
                )
