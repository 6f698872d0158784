"""A question of a benchmark."""

from dataclasses import dataclass

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
YES_NO = ("Yes", "No")


@dataclass(frozen=True)
class BenchmarkQuestion:
    """A question of a benchmark.

    Attributes:
        id: Unique within the benchmark.
        video: Absolute path of the video.
        question: The question without its options.
        options: The texts of options A, B, ...; empty for a Yes/No question.
        right: The right option's letter, or Yes or No; None if the benchmark does not publish it.
        category: The kind of question, by which results are grouped.
        start_s: Where the part of the video that it is about starts, in seconds; None for the beginning.
        end_s: Where that part ends, in seconds; None for the end of the video.
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
    def choices(self) -> tuple[str, ...]:
        """The names of the choices: letters, or Yes and No."""
        return tuple(LETTERS[: len(self.options)]) or YES_NO

    @property
    def lettered(self) -> list[str]:
        """The options as `A. text`."""
        return [f"{letter}. {text}" for letter, text in zip(LETTERS, self.options, strict=False)]

    @property
    def text(self) -> str:
        """The question followed by its options, one per line."""
        return "\n".join([self.question, *self.lettered])
