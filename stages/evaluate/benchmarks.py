"""The questions of benchmarks, out of the files that their authors publish.

MotionBench: `video_info.meta.jsonl`, a line for each video. FAVOR-Bench: `video_perspective.json`, a list of
videos. CameraBench: a folder of JSONL files, one for each kind of motion, of questions to answer Yes or No.
Field names are those of the files, as the authors' own scripts and lmms-eval's tasks read them; a field that
is there but not as expected is refused, with its line.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import CallError, reason

Benchmark = Literal["motionbench", "favor", "camerabench"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
HIDDEN = "NA"  # MotionBench's answer where it keeps the right one to itself
YES_NO = ("Yes", "No")
OPTION = re.compile(r"^\s*\(?([A-Z])[.):]\s*(.+?)\s*$")
# Where the published archives put their videos.
FOLDERS = ("", "videos", "self-collected", "public-dataset", "FAVOR-Bench", "videos/FAVOR-Bench")


@dataclass(frozen=True)
class Item:
    """A question of a benchmark.

    options: the texts of A, B, ...; empty for a question to answer Yes or No. right: the letter, or Yes or
    No; None where it is kept secret. start_s, end_s: the part of the video it is about; None: all of it.
    """

    id: str
    video: str
    question: str
    options: tuple[str, ...]
    right: str | None
    category: str
    start_s: float | None = None
    end_s: float | None = None

    @property
    def text(self) -> str:
        """The question with its options, a line each."""
        told = (f"{letter}. {text}" for letter, text in zip(LETTERS, self.options, strict=False))
        return "\n".join([self.question, *told])


def read(benchmark: Benchmark, questions: str, videos: str) -> list[Item]:
    """The questions of a benchmark.

    questions: its file, or for CameraBench a file or a folder of them. videos: the folder of the videos; one
    that is not there is named as it would be. Raises CallError, which names the file and the line.
    """
    path, find = Path(questions).expanduser(), _finder(Path(videos).expanduser())
    readers: dict[Benchmark, Callable[[Path, Callable[[str], str]], Iterator[Item]]] = {
        "motionbench": _motionbench,
        "favor": _favor,
        "camerabench": _camerabench,
    }
    items = list(readers[benchmark](path, find))
    if not items:
        raise CallError(f"{questions} has no questions")
    ids = [item.id for item in items]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise CallError(f"{questions} has two questions with the id {twice}")
    return items


def _motionbench(path: Path, find: Callable[[str], str]) -> Iterator[Item]:
    for where, row in _lines(path):
        category = _text(row, "question_type", where)
        for k, qa in enumerate(_list(row, "qa", where)):
            question, options, rest = split_options(_text(qa, "question", where))
            if rest:
                options = (*options[:-1], f"{options[-1]} {rest}")
            if "options" in qa:
                options = _texts(qa, "options", where)
            yield Item(
                str(qa.get("uid", f"{where}:{k}")),
                find(_text(row, "video_path", where)),
                question,
                options,
                _letter(_text(qa, "answer", where), LETTERS[: len(options)], where),
                category,
                _seconds(qa, "start", where),
                _seconds(qa, "end", where),
            )


def _favor(path: Path, find: Callable[[str], str]) -> Iterator[Item]:
    try:
        rows = json.loads(_content(path))
    except ValueError as error:
        raise CallError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(rows, list):
        raise CallError(f"{path} should hold a list of videos")
    for number, row in enumerate(rows, 1):
        where = f"{path}, video {number}"
        name = _text(row, "video_name", where)
        for k, qa in enumerate(_list(row, "questions", where)):
            options = _texts(qa, "options", where)
            right = _text(qa, "correct_answer", where)
            yield Item(
                f"{name}:{k}",
                find(name),
                _text(qa, "question", where),
                options,
                _letter(right, options, where),
                _text(qa, "task_type", where),
            )


def _camerabench(path: Path, find: Callable[[str], str]) -> Iterator[Item]:
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        for number, (where, row) in enumerate(_lines(file), 1):
            right = _text(row, "label", where).capitalize()
            if right not in YES_NO:
                raise CallError(f"{where}: label should be Yes or No, not {row['label']!r}")
            # The paths in the published files are those of its authors' disk.
            name = Path(_text(row, "image", where)).name
            category = str(row.get("task") or file.stem.replace("_", " "))
            yield Item(
                f"{file.stem}:{number}", find(name), _text(row, "question", where), (), right, category
            )


def _finder(videos: Path) -> Callable[[str], str]:
    """Where in the folder a video is, by the name that a benchmark gives it."""

    def find(name: str) -> str:
        for folder in FOLDERS:
            for candidate in (videos / folder / name, videos / folder / f"{name}.mp4"):
                if candidate.is_file():
                    return str(candidate.absolute())
        return str((videos / name).absolute())

    return find


def split_options(text: str) -> tuple[str, tuple[str, ...], str]:
    """A question whose options follow it, on lines that begin with A., (B), ...

    Returns the question, the options, and what stands below the line of the last option.
    """
    parts = [list[str]()]
    for line in text.strip().splitlines():
        match = OPTION.match(line)
        if match and match[1] == LETTERS[len(parts) - 1]:
            parts.append([match[2]])
        else:
            parts[-1].append(line.strip())
    question, *options = parts
    rest = options[-1][1:] if options else []
    told = [" ".join(option) for option in options[:-1]] + [option[0] for option in options[-1:]]
    return "\n".join(question).strip(), tuple(told), "\n".join(rest).strip()


def _letter(right: str, names: Sequence[str], where: str) -> str | None:
    """The letter of the right answer; names: by which of them the file calls the options."""
    names, right = list(names), right.strip()
    if right in names:
        return LETTERS[names.index(right)]
    if right == HIDDEN:
        return None
    raise CallError(f"{where}: the answer {right!r} is none of its {len(names)} options")


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(_content(path).splitlines(), 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except ValueError:
                raise CallError(f"{where} is not valid JSON") from None
            if not isinstance(row, dict):
                raise CallError(f"{where} should hold an object")
            yield where, row


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CallError(f"cannot read {path}: {reason(error)}") from None


def _text(row: dict[str, Any], name: str, where: str) -> str:
    if not isinstance(row, dict) or not isinstance(row.get(name), str):
        raise CallError(f"{where} has no text in {name!r}")
    return row[name]


def _texts(row: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    return tuple(str(one).strip() for one in _list(row, name, where))


def _seconds(row: dict[str, Any], name: str, where: str) -> float | None:
    value = row.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise CallError(f"{where}: {name} should be a time in seconds, not {value!r}")
    return value


def _list(row: dict[str, Any], name: str, where: str) -> list[Any]:
    if not isinstance(row, dict) or not isinstance(row.get(name), list):
        raise CallError(f"{where} has no list in {name!r}")
    return row[name]
