"""What a benchmark is, and how the files of one are read and checked.

The benchmarks are in `stages/evaluate/benchmarks`, one file each. Their field names are those of the
published files, as the authors' own scripts and lmms-eval's tasks read them. A field that is not as expected
is reported with the file and the line.
"""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pipeline.errors import CallError, reason
from pipeline.registry import Registry
from pipeline.text import decode, from_json, lines, unpacked
from stages.evaluate.protocols.protocol import DEFAULT, BenchmarkProtocol
from stages.evaluate.protocols.strict import STRICT
from stages.evaluate.question import LETTERS, BenchmarkQuestion

HIDDEN = "NA"  # stands for an answer that a benchmark does not publish
OPTION = re.compile(r"^\s*\(?([A-Z])[.):]\s*(.+?)\s*$")

FindVideo = Callable[[str], str]


class Benchmark(ABC):
    """The published files of one benchmark.

    Attributes:
        name: What `--benchmark` calls it.
        help: One line for `--help`.
        folders: Where its archives put the videos, relative to the folder of `--videos`.
        protocols: The rules by which it can be asked and scored, by the name that `--protocol` calls them;
            the default one is always among them.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    folders: ClassVar[Sequence[str]] = ("", "videos")
    protocols: ClassVar[Mapping[str, BenchmarkProtocol]] = {DEFAULT: STRICT}

    @abstractmethod
    def read(self, path: Path, find: FindVideo) -> Iterator[BenchmarkQuestion]:
        """Read all questions.

        Args:
            path: The file or folder given as `--questions`.
            find: Gives the path of a video by the name that the benchmark uses for it.

        Raises:
            CallError: A file is not as published; the message names the file and the line.
        """

    def submission(
        self, questions: Sequence[BenchmarkQuestion], answers: Mapping[str, Mapping[str, Any]], model: str
    ) -> dict[str, str]:
        """Write the files that its leaderboard, or its authors' script, takes.

        Args:
            questions: All questions of the run.
            answers: What `results.answered` returns for them.
            model: A name of the model that can be part of a file's name.

        Returns:
            The texts of the files, by their names; here, one with the letters by the question's id.
        """
        letters = {
            one.id: answers[one.id]["letter"] or "" for one in questions if answers[one.id]["answered"]
        }
        return {"submission.json": json.dumps(letters, indent=1, ensure_ascii=False)}


def protocol_of(benchmark: str, name: str) -> BenchmarkProtocol:
    """Find a protocol of a benchmark by its name.

    Raises:
        CallError: There is no such benchmark, or it has no such protocol; the message lists those it has.
    """
    protocols = BENCHMARKS.get(benchmark).protocols
    if name not in protocols:
        raise CallError(f"{benchmark} has no protocol {name!r}; choose from {', '.join(protocols)}")
    return protocols[name]


BENCHMARKS = Registry("benchmark", "stages.evaluate.benchmarks", Benchmark)


def read(benchmark: str, questions: str, videos: str) -> list[BenchmarkQuestion]:
    """Read the questions of a benchmark.

    Args:
        benchmark: The name of one in `BENCHMARKS`.
        questions: Its file or folder of questions.
        videos: The folder of its videos. A missing video gets the path where it was expected first.

    Raises:
        CallError: There is no such benchmark, a file is not as published, there are no questions, or an
            answer is none of the possible ones.
    """
    chosen = BENCHMARKS.get(benchmark)()
    find = _finder(Path(videos).expanduser(), chosen.folders)
    found = list(chosen.read(Path(questions).expanduser(), find))
    if not found:
        raise CallError(f"{questions} has no questions")
    seen: set[str] = set()
    for each in found:
        if each.id in seen:
            raise CallError(f"{questions} has two questions with the id {each.id}")
        seen.add(each.id)
        if each.end_s is not None and each.end_s <= (each.start_s or 0.0):
            raise CallError(f"{questions}: the part of question {each.id} ends before it starts")
        if each.right is not None and each.right not in each.choices:
            raise CallError(
                f"{questions}: the answer to question {each.id} is {each.right!r}, not one of"
                f" {', '.join(each.choices)}"
            )
    return found


def _finder(videos: Path, folders: Sequence[str]) -> FindVideo:
    def find(name: str) -> str:
        for folder in folders:
            for candidate in (videos / folder / name, videos / folder / f"{name}.mp4"):
                if candidate.is_file():
                    return str(candidate.absolute())
        return str((videos / name).absolute())

    return find


def split_options(text: str) -> tuple[str, tuple[str, ...], str]:
    """Split a question from the options below it, on lines that start with `A.`, `(B)` and the like.

    Returns:
        The question, the options, and the lines that follow the line of the last option.
    """
    parts = [list[str]()]
    for line in text.strip().split("\n"):
        match = OPTION.match(line)
        if match and match[1] == LETTERS[len(parts) - 1]:
            parts.append([match[2]])
        else:
            parts[-1].append(line.strip())
    question, *options = parts
    below = options[-1][1:] if options else []
    texts = [" ".join(option) for option in options[:-1]] + [option[0] for option in options[-1:]]
    return "\n".join(question).strip(), tuple(texts), "\n".join(below).strip()


def letter_of(right: str, names: Sequence[str], where: str) -> str | None:
    """The letter of the right option.

    Args:
        right: The right answer as the file gives it.
        names: What the file calls each option, in order: its letter or its text.
        where: The place in the file, for messages.

    Returns:
        The letter, or None if the benchmark does not publish this answer (`HIDDEN`).

    Raises:
        CallError: It is none of the options.
    """
    names, right = list(names), right.strip()
    if right in names:
        return LETTERS[names.index(right)]
    if right == HIDDEN:
        return None
    raise CallError(f"{where}: the answer {right!r} is none of {', '.join(map(repr, names))}")


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        CallError: It cannot be read or is not JSON.
    """
    try:
        return from_json(decode(_read(path)))
    except ValueError as error:
        raise CallError(f"{path} is not valid JSON: {error}") from None


def read_jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Iterate over the objects of a JSON-lines file, skipping empty lines.

    Yields:
        The place of an object, for messages, and the object.

    Raises:
        CallError: The file cannot be read, or a line is not a JSON object.
    """
    try:
        for number, line in lines(_read(path)):
            where = f"{path}, line {number}"
            try:
                row = from_json(line)
            except ValueError:
                raise CallError(f"{where} is not valid JSON") from None
            if not isinstance(row, dict):
                raise CallError(f"{where} should be an object")
            yield where, row
    except ValueError as error:
        raise CallError(f"cannot read {path}: {reason(error)}") from None


def _read(path: Path) -> bytes:
    try:
        return unpacked(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CallError(f"cannot read {path}: {reason(error)}") from None


def get_text(row: Any, name: str, where: str) -> str:
    """The string in a field.

    Raises:
        CallError: The row is not an object with a string in this field.
    """
    if not isinstance(row, dict) or not isinstance(row.get(name), str):
        raise CallError(f"{where} has no text in {name!r}")
    return row[name]


def get_list(row: Any, name: str, where: str) -> list[Any]:
    """The list in a field.

    Raises:
        CallError: The row is not an object with a list in this field.
    """
    if not isinstance(row, dict) or not isinstance(row.get(name), list):
        raise CallError(f"{where} has no list in {name!r}")
    return row[name]


def get_texts(row: Any, name: str, where: str) -> tuple[str, ...]:
    """The list in a field as strings without white space around them.

    Raises:
        CallError: The row is not an object with a list in this field.
    """
    return tuple(str(each).strip() for each in get_list(row, name, where))


def get_seconds(row: dict[str, Any], name: str, where: str) -> float | None:
    """The time in a field, in seconds; None if there is none.

    Raises:
        CallError: The field has something other than a number that can be a time.
    """
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise CallError(f"{where}: {name} should be a time in seconds, not {value!r}")
    return value
