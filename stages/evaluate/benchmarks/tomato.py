"""TOMATO (Shangguan et al., 2024): a JSON file per kind of reasoning, its questions by their ids."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import CallError
from stages.evaluate.benchmark import Benchmark, FindVideo, get_text, get_texts, read_json
from stages.evaluate.protocols import tomato
from stages.evaluate.question import LETTERS, BenchmarkQuestion

FRAMES = 16  # the folder in which the authors' scripts look for results


class Tomato(Benchmark):
    """Visual temporal reasoning in six kinds, multiple choice; options are in no order."""

    name = "tomato"
    help = "multiple choice; --questions is the folder of .json files, or one of them"
    protocols = tomato.PROTOCOLS

    def read(self, path: Path, find: FindVideo) -> Iterator[BenchmarkQuestion]:
        """Read one JSON file, or all those in a folder; videos are in folders by what moves in them."""
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            rows = read_json(file)
            if not isinstance(rows, dict):
                raise CallError(f"{file} should contain an object")
            for key, row in rows.items():
                where = f"{file}, question {key}"
                shown, options = get_text(row, "demonstration_type", where), get_texts(row, "options", where)
                right = row.get("answer")
                if isinstance(right, bool) or not isinstance(right, int) or not 0 <= right < len(options):
                    raise CallError(f"{where}: answer should be the index of an option, not {right!r}")
                yield BenchmarkQuestion(
                    id=f"{file.stem}+{shown}:{key}",
                    video=find(f"{shown}/{get_text(row, 'key', where)}"),
                    question=get_text(row, "question", where),
                    options=options,
                    right=LETTERS[right],
                    category=file.stem,
                )

    def submission(
        self, questions: Sequence[BenchmarkQuestion], answers: Mapping[str, Mapping[str, Any]], model: str
    ) -> dict[str, str]:
        """Write the files of replies that `parse_result.py` reads."""
        folders: dict[str, list[str]] = defaultdict(list)
        for one in questions:
            if not answers[one.id]["answered"] or one.right is None:
                continue
            kind, _, key = one.id.partition(":")
            said = {
                "id": key,
                "question": one.question,
                "response": answers[one.id]["answer"],
                "all_choices": one.choices,
                "index2ans": dict(zip(one.choices, one.options, strict=True)),
                "gt": one.lettered[LETTERS.index(one.right)],
            }
            folders[kind].append(json.dumps(said, ensure_ascii=False) + "\n")
        return {f"results/{kind}/{FRAMES}/{model}.jsonl": "".join(said) for kind, said in folders.items()}
