"""FAVOR-Bench (Tu et al., 2025): `video_perspective.json`, a list of videos."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import CallError
from stages.evaluate.benchmark import (
    Benchmark,
    BenchmarkQuestion,
    FindVideo,
    get_list,
    get_text,
    get_texts,
    letter_of,
    read_json,
)


class FavorBench(Benchmark):
    """Fine-grained motion, multiple choice; the right answer is given as the text of an option."""

    name = "favor"
    help = "multiple choice; --questions is video_perspective.json"
    folders = ("", "videos", "FAVOR-Bench", "videos/FAVOR-Bench")

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
