"""CameraBench (Lin et al., 2025), binary classification: a JSONL file per kind of camera motion."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import CallError
from stages.evaluate.benchmark import (
    YES_NO,
    Benchmark,
    BenchmarkQuestion,
    FindVideo,
    get_text,
    read_jsonl,
)


class CameraBench(Benchmark):
    """Whether the camera moves in a given way, answered Yes or No."""

    name = "camerabench"
    help = "Yes or No; --questions is the folder of .jsonl files, or one of them"
    folders = ("", "videos")

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
